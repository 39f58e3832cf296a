"""sync_service configured by its environment: each variable alone takes effect, and wins over the file. Vehicles are made up."""

import datetime
import json

import pytest
import telehaul
from fake_vehicle import US, hang, now_us
from outbound_world import SETTLE, add, service, vehicle, vehicles
from postgres import PASSWORD
from telehaul import BIN, Program, wait_until

__all__ = ["service", "vehicle", "vehicles"]  # fixtures

NOWHERE = "postgresql://u:p@127.0.0.1:1/none"


@pytest.fixture
def database(postgres, postgres_cluster):
    """The variables of the first version; nothing of it is a default."""
    return {"DB_HOST": "127.0.0.1", "DB_PORT": str(postgres_cluster.port), "DB_NAME": postgres.name, "DB_USER": "postgres",
            "DB_PASSWORD": PASSWORD}


def once(env, check=0):
    """Without any file."""
    done = telehaul.run("sync_service", "once", "--json", env=env, check=check)
    return json.loads(done.stdout) if done.stdout else done.stderr


def test_the_variables_of_the_first_version_alone_pull_a_vehicle(service, vehicle, database):
    add(service, vehicle)
    vehicle.measure(now_us() - 100 * US, 400)  # also while we get there
    done = once({**database, "VEHICLE_DEFAULT_API_KEY": vehicle.key, "PULL_WINDOW_SEC": "90"})
    (first, last), = vehicle.windows()
    assert done["ok"] == 1 and done["rows_written"] >= 150
    assert last - first == 90 * US - SETTLE


def test_the_key_is_the_one_of_the_environment(service, vehicle, database):
    add(service, vehicle)
    assert "1 of 1 vehicles failed" in telehaul.run("sync_service", "once", env=database, check=1).stderr  # no key at all
    service.write(VEHICLE_DEFAULT_API_KEY="not that one")
    assert service.once(env={"VEHICLE_DEFAULT_API_KEY": vehicle.key})["ok"] == 1


@pytest.mark.parametrize("name, value, code", [("DB_HOST", "127.0.0.9", 3), ("DB_PORT", "1", 3), ("DB_NAME", "no_such", 1),
                                               ("DB_USER", "nobody", 4), ("DB_PASSWORD", "wrong", 4)])
def test_each_part_of_the_databases_address_counts(service, database, name, value, code):
    assert once(database)["vehicles"] == 0
    assert telehaul.run("sync_service", "once", env={**database, name: value}, check=code).stdout == ""


def test_a_timeout_may_have_a_fraction(service, vehicle, database):
    add(service, vehicle)
    vehicle.hooks["/status"] = hang(8)
    telehaul.run("sync_service", "once", check=1,
                 env={**database, "VEHICLE_DEFAULT_API_KEY": vehicle.key, "PULL_TIMEOUT_SEC": "0.5"})
    (status, took), = service.database.query("select status, finished_at - started_at from sync_journal")
    assert status == "timeout" and datetime.timedelta(seconds=0.45) < took < datetime.timedelta(seconds=5)


@pytest.mark.parametrize("value, shown", [("10.0", "10.0"), ("7", "7.0"), ("2.50", "2.5"), ("0.125", "0.125")])
def test_the_log_shows_them_as_the_first_version_did(service, vehicle, database, tmp_path, value, shown):
    """And the interval is that of the environment."""
    add(service, vehicle)
    env = {**database, "VEHICLE_DEFAULT_API_KEY": vehicle.key, "SYNC_INTERVAL_SEC": "1", "PULL_TIMEOUT_SEC": value,
           "PULL_WINDOW_SEC": "45"}
    enough = telehaul.DEADLINE_S / 30 + 2  # more than cycles of 30 s, which they are else, could come to
    program = Program([BIN / "sync_service"], tmp_path / "log", env=env)
    try:
        wait_until(lambda: f"Sync service starting  interval=1s  timeout={shown}s  window=45s" in program.output(),
                   "the line")
        wait_until(lambda: vehicle.paths().count("/status") >= enough, "its cycles")
    finally:
        program.stop()


@pytest.mark.parametrize("value", ["0", "0.05", "0.0625", "ten", "1e1", "-1", "3600.5", ".5", "1.2.3", "1,5"])
def test_a_timeout_that_cannot_be(tmp_path, value):
    done = telehaul.run("sync_service", "--check-config", env={"PULL_TIMEOUT_SEC": value}, check=2)
    assert "PULL_TIMEOUT_SEC: expected seconds from 0.1 to 3600, with at most 3 decimals" in done.stderr


# ---- which one wins ----

def test_the_environment_wins_over_a_db_url_of_the_file(service, vehicle, database):
    add(service, vehicle)
    service.write(DB_URL=NOWHERE)
    service.run("status", check=3)
    assert service.once(env=database)["ok"] == 1


def test_a_part_of_the_environment_replaces_that_part_of_the_files_url_alone(service, postgres, postgres_cluster):
    with postgres_cluster.database() as other:
        env = {"DB_URL": other.url}
        telehaul.run("sync_service", "migrate", env=env)
        telehaul.run("sync_service", "vehicle", "add", "there", "--host", "127.0.0.1", env=env)

        def names(**parts):
            return [vehicle["name"] for vehicle in service.json("vehicle", "list", env=parts)["vehicles"]]
        service.add("here", "127.0.0.1")
        assert names() == ["here"] and names(DB_NAME=other.name) == ["there"]
        service.write(DB_URL=postgres_cluster.socket_url(postgres.name))  # with words behind a ?
        assert names() == ["here"] and names(DB_NAME=other.name) == ["there"]
        assert names(DB_URL=other.url, DB_NAME=postgres.name) == ["there"]  # the environment's URL wins over all
        service.write(DB_URL=postgres_cluster.url(postgres.name, password="wrong"))
        assert names(DB_PASSWORD=PASSWORD) == ["here"]


def test_a_db_url_of_the_file_wins_over_the_parts_of_the_file(service):
    service.write(DB_HOST="127.0.0.1", DB_PORT=1, DB_NAME="none")
    assert service.json("vehicle", "list") == {"vehicles": []}


# ---- retention ----

def months(database):
    return {name for name, in database.query("select inhrelid::regclass::text from pg_inherits"
                                             " where inhparent = 'measurements'::regclass")}


def make_months(database, vehicle_id, *ages):
    """With a reading each, so many months ago; their names."""
    for age in ages:
        database.query("with m as (select date_trunc('month', now()) - make_interval(months => %s) + interval '3 days' as t)"
                       " select fleet_make_month(extract(year from t)::int, extract(month from t)::int) from m", age)
        database.query("insert into measurements values (%s, 1, date_trunc('month', now()) - make_interval(months => %s)"
                       " + interval '3 days', 1)", vehicle_id, age)
    return [database.query("select to_char(date_trunc('month', now()) - make_interval(months => %s) + interval '3 days',"
                           " '\"measurements_\"YYYY_MM')", age)[0][0] for age in ages]


@pytest.mark.parametrize("way", ["the service", "once"])
def test_retention_drops_whole_months(service, vehicle, way):
    add(service, vehicle)
    number, = service.database.query("select vehicle_id from vehicles")[0]
    oldest, older, old, kept = make_months(service.database, number, 20, 6, 4, 2)
    service.once()
    assert {oldest, older, old, kept} <= months(service.database)  # 0: all are kept
    service.write(RETENTION_MONTHS=3)
    if way == "once":
        service.once("--vehicle", "Truck-01")  # this vehicle and nothing else
        assert {oldest, older, old, kept} <= months(service.database)
        service.once()
    else:
        service.start()
        wait_until(lambda: not {oldest, older, old} & months(service.database), "the end of old months")
    assert not {oldest, older, old} & months(service.database) and kept in months(service.database)
    assert service.database.query("select count(*) from measurements where time < now() - interval '1 month'") == [(1,)]
