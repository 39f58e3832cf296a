"""sync_service and SIGHUP: new settings take effect; whatever is wrong with them, the old ones go on; a stop stays a stop.
The vehicles are made up (tests/harness/fake_vehicle.py)."""

import pathlib
import re
import signal

import httpx
import pytest
import telehaul
from outbound_world import add, service, vehicle, vehicles
from telehaul import free_port, listens, wait_until

__all__ = ["service", "vehicle", "vehicles"]  # fixtures

KEEPS = "the service goes on with its old settings: "


def tell(service, *numbers):
    for number in numbers:
        service.program.process.send_signal(number)


def started(service):
    """How many settings took effect."""
    return service.log().count("Sync service starting")


def reload(service):
    """New settings that are right."""
    before = started(service)
    tell(service, signal.SIGHUP)
    wait_until(lambda: started(service) > before, "the new settings")


def refused(service):
    """New settings that are wrong; the reason."""
    before = service.log().count(KEEPS)
    tell(service, signal.SIGHUP)
    wait_until(lambda: service.log().count(KEEPS) > before or not service.program.running(), "the reason")
    assert service.program.running(), service.log()
    return service.log().split(KEEPS)[-1].splitlines()[0]


def wait_for_more(service, count=2, status="ok"):
    """So many more turns."""
    now = sum(entry[0] == status for entry in service.journal("Truck-01"))
    service.wait_for_journal("Truck-01", now + count, status)


@pytest.fixture
def running(service, vehicle):
    add(service, vehicle)
    service.start()
    service.wait_for_journal("Truck-01", 1, "ok")
    return service


# ---- what is right ----

def test_a_new_interval_takes_effect(service, vehicle):
    add(service, vehicle)
    service.write(SYNC_INTERVAL_SEC=3600, PULL_TIMEOUT_SEC=60)
    service.start()
    service.wait_for_journal("Truck-01", 1, "ok")
    assert "Sync service starting  interval=3600s  timeout=60.0s  window=60s" in service.log()
    service.write(SYNC_INTERVAL_SEC=1, PULL_TIMEOUT_SEC=62.5, PULL_WINDOW_SEC=30)
    reload(service)
    assert "Sync service starting  interval=1s  timeout=62.5s  window=30s" in service.log()
    wait_for_more(service, 3)
    assert all(a[1] == b[0] for a, b in zip(vehicle.windows(), vehicle.windows()[1:]))  # nothing left out, nothing twice


def test_a_key_that_credentials_env_gets_later(service, vehicle):
    service.write(VEHICLE_DEFAULT_API_KEY=None)
    add(service, vehicle)
    service.start()
    service.wait_for_journal("Truck-01", 1, "error")
    secrets = service.folder / "credentials.env"
    secrets.write_text(f"VEHICLE_DEFAULT_API_KEY={vehicle.key}\n")
    secrets.chmod(0o600)
    reload(service)
    service.wait_for_journal("Truck-01", 1, "ok")


def test_another_database(service, vehicle, running, postgres_cluster):
    with postgres_cluster.database() as other:
        service.write(DB_URL=other.url)
        reload(service)
        wait_until(lambda: other.query("select worker_id from sync_workers"), "its place there")
        wait_until(lambda: service.database.query("select worker_id from sync_workers") == [], "the end of its place here")
        assert service.stop() == 0


def counted(port, name="telehaul_sync_cycles_total"):
    text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=telehaul.DEADLINE_S).text
    return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])


def test_counters_go_on_and_their_port_may_move(running):
    first, second = free_port(), free_port()
    running.write(METRICS_PORT=first)
    reload(running)
    cycles = wait_until(lambda: counted(first), "cycles that count")
    reload(running)  # the same port
    assert counted(first) >= cycles
    running.write(METRICS_BIND="0.0.0.0")
    reload(running)  # the same port of all addresses
    assert counted(first) >= cycles
    running.write(METRICS_BIND="127.0.0.1", METRICS_PORT=second)
    reload(running)
    assert counted(second) >= cycles and not listens(first)
    running.write(METRICS_PORT=0)
    reload(running)
    assert not listens(second)


# ---- what is wrong ----

def missing_key(service):
    service.write(AUTH_KEY_FILE=service.folder / "no_such.pem")
    return "AUTH_KEY_FILE", "no_such.pem"


def no_key(service):
    (service.folder / "no_key.pem").write_text("made up\n")
    (service.folder / "no_key.pem").chmod(0o600)
    service.write(AUTH_KEY_FILE="no_key.pem")
    return "AUTH_KEY_FILE", "no_key.pem"


def broken_config(service):
    service.write(SYNC_INTERVAL_SEC="soon")
    return "sync.conf:2: SYNC_INTERVAL_SEC", "`soon`"


def no_config(service):
    service.config.unlink()
    return ("sync.conf",)


def open_secrets(service):
    (service.folder / "credentials.env").write_text("DB_PASSWORD=x\n")
    (service.folder / "credentials.env").chmod(0o644)
    return ("credentials.env",)


def wrong_password(service):
    service.write(DB_URL=service.database.cluster.url(service.database.name, password="wrong"))
    return ("password",)


def no_database(service):
    service.write(DB_URL="postgresql://u@127.0.0.1:1/none")
    return ("the new database cannot be used",)


def no_mail_server(service):
    service.write(SMTP_URL="gopher://mail.example.org", SMTP_FROM="fleet@example.org")
    return ("SMTP_URL",)


@pytest.mark.parametrize("spoil", [missing_key, no_key, broken_config, no_config, open_secrets, wrong_password, no_database,
                                   no_mail_server])
def test_the_old_settings_go_on(running, spoil):
    wrong = spoil(running)
    for _ in range(2):
        reason = refused(running)
        assert all(words in reason for words in wrong), reason
        wait_for_more(running)
    assert started(running) == 1
    (running.folder / "credentials.env").unlink(missing_ok=True)
    running.write(AUTH_KEY_FILE=None, SYNC_INTERVAL_SEC=1, DB_URL=running.database.url, SMTP_URL=None)
    reload(running)
    wait_for_more(running)


def test_a_port_of_the_metrics_that_is_in_use(running, vehicles):
    taken, good = vehicles().port, free_port()
    running.write(METRICS_PORT=good)
    reload(running)
    running.write(METRICS_PORT=taken)
    assert "METRICS_PORT" in refused(running)
    wait_for_more(running)
    cycles = counted(good)
    running.write(METRICS_BIND="192.0.2.1", METRICS_PORT=good)  # an address that is not ours, on the port that is
    assert "METRICS_PORT" in refused(running)
    assert counted(good) >= cycles


def test_a_key_that_is_gone_is_still_the_old_one(service, vehicle, tmp_path, keys):
    """The same path: what the service has read is not read again for the old settings."""
    key = tmp_path / "key.pem"
    key.write_bytes(keys.private_file.read_bytes())
    key.chmod(0o600)
    add(service, vehicle)
    service.write(AUTH_KEY_FILE=key)
    service.start()
    service.wait_for_journal("Truck-01", 1, "ok")
    key.unlink()
    assert "AUTH_KEY_FILE" in refused(service)
    wait_for_more(service)


# ---- stopping ----

@pytest.mark.parametrize("numbers", [(signal.SIGTERM, signal.SIGHUP), (signal.SIGHUP, signal.SIGTERM),
                                     (signal.SIGINT, signal.SIGHUP)])
def test_a_stop_beside_a_reload_is_a_stop(running, numbers):
    program = running.program.process
    running.write(AUTH_KEY_FILE="no_such.pem")
    tell(running, signal.SIGSTOP)
    wait_until(lambda: re.search(r"(?m)^State:\s+T", pathlib.Path(f"/proc/{program.pid}/status").read_text()), "its halt")
    tell(running, *numbers, signal.SIGCONT)  # both are there when it looks
    assert program.wait(telehaul.DEADLINE_S) == 0
    assert "reading the config anew" not in running.log() and "stopping on SIG" in running.log()
    running.program = None


def test_a_stop_during_a_reload_is_a_stop(running):
    tell(running, signal.SIGHUP)
    wait_until(lambda: "reading the config anew" in running.log(), "the reload")
    tell(running, signal.SIGTERM)
    assert running.program.process.wait(telehaul.DEADLINE_S) == 0
    running.program = None
