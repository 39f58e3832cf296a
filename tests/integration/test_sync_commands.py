"""sync_service's commands: the schema, who belongs to the fleet, how it is configured."""

import json

import pytest
import telehaul
from sync_service import SyncService


@pytest.fixture
def service(tmp_path, postgres):
    with SyncService(tmp_path, postgres) as service:
        yield service.migrate()


def names(service):
    return [vehicle["name"] for vehicle in service.json("vehicle", "list")["vehicles"]]


def test_migrate_twice_changes_nothing(service, postgres):
    ledger = "select name, sha256, applied_at from schema_migrations order by name"
    before = postgres.query(ledger)
    assert len(before) >= 3
    service.migrate()
    assert postgres.query(ledger) == before


def test_a_vehicle_is_added_changed_listed_and_removed(service, postgres):
    assert "no vehicles yet" in service.run("vehicle", "list").stdout
    service.add("Truck-01", "10.0.0.11", api_key="k1", transport="outbound", api_port=8002, kind="robot", silent_after=60)
    service.add("Plant A", "10.0.0.12", transport="agent", client_id="plant_a", fingerprint="ab" * 32)
    assert names(service) == ["Plant A", "Truck-01"]
    assert postgres.query("select client_id, transport, host, agent_port, api_port, api_key, kind, agent_id, silent_after_s"
                          " from vehicles join vehicle_sync using (vehicle_id) order by name") == [
        ("plant_a", "agent", "10.0.0.12", None, 8001, None, "vehicle", "ab" * 32, None),
        ("Truck-01", "outbound", "10.0.0.11", None, 8002, "k1", "robot", None, 60)]
    shown = service.run("vehicle", "list").stdout
    assert "Truck-01" in shown and "k1" not in shown and "8002" in shown

    service.run("vehicle", "set", "plant_a", "--host", "10.0.0.13", "--agent-port", "9999", "--accept-new-host", "yes")
    service.run("vehicle", "set", "Truck-01", "--api-key", "", "--name", "Truck-02")
    assert postgres.query("select name, host, agent_port, api_key, accept_new_agent from vehicles"
                          " join vehicle_sync using (vehicle_id) order by name") == [
        ("Plant A", "10.0.0.13", 9999, None, True), ("Truck-02", "10.0.0.11", None, None, False)]

    service.run("vehicle", "remove", "Truck-02")
    assert names(service) == ["Plant A"]
    assert [vehicle["name"] for vehicle in service.json("status")["vehicles"]] == ["Plant A"]
    assert "there is no vehicle" in service.run("vehicle", "set", "Truck-02", "--host", "h", check=1).stderr


def test_a_removed_vehicle_keeps_its_data_and_comes_back(service, postgres):
    service.add("a", "127.0.0.1")
    number, = postgres.query("select vehicle_id from vehicles")[0]
    postgres.query("insert into measurements values (%s, 1, now(), 1)", number)
    service.run("vehicle", "remove", "a")
    assert postgres.query("select count(*) from measurements") == [(1,)]
    service.add("a", "127.0.0.2")
    assert postgres.query("select vehicle_id, host from vehicles") == [(number, "127.0.0.2")]
    assert names(service) == ["a"]


@pytest.mark.parametrize("words, said", [
    (["vehicle", "add", "x"], "--host"),
    (["vehicle", "add", "x", "--host", "h", "--transport", "fax"], "agent|outbound|push"),
    (["vehicle", "add", "x", "--host", "h", "--api-port", "0"], "1 to 65535"),
    (["vehicle", "add", "x", "--host", "h", "--kind", "ship"], "vehicle|plant"),
    (["vehicle", "add", "x", "--host", "h", "--fingerprint", "AB"], "64 lowercase"),
    (["vehicle", "add", "my truck", "--host", "h"], "--client-id"),
    (["vehicle", "add", "x\ty", "--host", "h", "--client-id", "x"], "control"),
    (["vehicle", "add", "x", "--host", "h", "--silent-after", "1"], "10"),
    (["vehicle", "frobnicate"], "--help"),
    (["vehicle", "add"], "--help"),
    (["once", "more"], "--help"),
])
def test_wrong_usage_says_what_was_expected(service, words, said):
    assert said in service.run(*words, check=2).stderr
    assert names(service) == []


def test_the_same_client_twice_is_refused(service):
    service.add("a", "127.0.0.1")
    assert "already" in service.run("vehicle", "add", "a", "--host", "h", check=1).stderr
    service.add("b", "127.0.0.1")
    assert "client id" in service.run("vehicle", "set", "b", "--client-id", "a", check=1).stderr


def test_two_of_one_name_are_told_apart_by_their_client_id(service):
    service.add("same", "127.0.0.1", client_id="one")
    service.add("same", "127.0.0.1", client_id="two")
    assert "client id" in service.run("vehicle", "remove", "same", check=2).stderr
    service.run("vehicle", "remove", "one")
    assert [vehicle["client_id"] for vehicle in service.json("vehicle", "list")["vehicles"]] == ["two"]


# ---- settings ----

def check_config(path, *more, check=0, env=None):
    return telehaul.run("sync_service", "--config", path, "--check-config", *more, check=check, env=env)


def test_a_wrong_value_stops_it_with_file_line_and_what_was_expected(tmp_path):
    config = tmp_path / "sync.conf"
    config.write_text("# ours\nSYNC_INTERVAL_SEC = soon\n")
    error = check_config(config, check=2).stderr
    assert "sync.conf:2: SYNC_INTERVAL_SEC" in error and "`soon`" in error
    config.write_text("SYNC_INTERVALL_SEC = 30\n")
    assert "did you mean SYNC_INTERVAL_SEC?" in check_config(config, check=2).stderr
    config.write_text("SYNC_INTERVAL_SEC = 30\n")
    assert check_config(config).stdout == "ok\n"
    assert "MAX_PARALLEL" in check_config(config, check=2, env={"MAX_PARALLEL": "many"}).stderr


def test_the_variables_of_the_first_version_work_alone(service, postgres, postgres_cluster):
    """No --config: DB_HOST ... from the environment, as a container has them."""
    env = {"DB_HOST": "127.0.0.1", "DB_PORT": str(postgres_cluster.port), "DB_NAME": postgres.name, "DB_USER": "postgres",
           "DB_PASSWORD": "made-up for tests", "SYNC_INTERVAL_SEC": "5", "PULL_TIMEOUT_SEC": "2", "PULL_WINDOW_SEC": "60",
           "VEHICLE_DEFAULT_API_KEY": "k"}
    service.add("a", "127.0.0.1")
    listed = json.loads(telehaul.run("sync_service", "vehicle", "list", "--json", env=env).stdout)
    assert [vehicle["name"] for vehicle in listed["vehicles"]] == ["a"]


def test_secrets_come_from_credentials_env_and_only_a_private_one(tmp_path, postgres, postgres_cluster):
    folder = tmp_path / "etc"
    folder.mkdir()
    config, secrets = folder / "sync.conf", folder / "credentials.env"
    config.write_text(f"DB_HOST = 127.0.0.1\nDB_PORT = {postgres_cluster.port}\nDB_NAME = {postgres.name}\nDB_USER = postgres\n")
    assert telehaul.run("sync_service", "--config", config, "migrate", check=4).returncode == 4
    secrets.write_text('# of this server\nDB_PASSWORD="made-up for tests"\nSOMETHING_ELSE=1\n')
    secrets.chmod(0o644)
    assert "credentials.env" in telehaul.run("sync_service", "--config", config, "migrate", check=4).stderr
    secrets.chmod(0o600)
    telehaul.run("sync_service", "--config", config, "migrate")


def test_no_secret_is_said(tmp_path, postgres_cluster):
    env = {"DB_URL": f"postgresql://nobody:s3cr3t-word@127.0.0.1:{postgres_cluster.port}/none"}
    done = telehaul.run("sync_service", "status", check=4, env=env)
    assert "s3cr3t-word" not in done.stdout + done.stderr


def test_a_database_that_is_not_there_is_exit_3(tmp_path):
    done = telehaul.run("sync_service", "status", check=3, env={"DB_URL": "postgresql://u@127.0.0.1:1/none"})
    assert done.stdout == ""
