"""A machine whose store cannot be read for a while, or is another one: nothing counts as home meanwhile. A data disk that is
mounted late is like that. Everything is made up."""

import contextlib
import threading
import urllib.parse

import pytest
from agent_root import Machine, make_store
from fake_agent import make_readings
from fake_vehicle import US, body, now_us, time_text, time_us_of
from outbound_world import HOUR, add, begin_at, home, in_us, rows_before, stand_still, stored, vehicle, vehicles
from sync_service import SyncService
from test_outbound_api import api_key, ask, served

from telehaul import DEADLINE_S, wait_until

__all__ = ["vehicle", "vehicles"]  # fixtures
ALARM = {"alarm_id": 5, "channel_id": 3, "severity": "warning", "message": "made up", "resolved_at": None}


@pytest.fixture
def service(tmp_path, postgres, keys):
    with SyncService(tmp_path / "service", postgres, VEHICLE_DEFAULT_API_KEY="made-up-key", AUTH_KEY_FILE=keys.private_file,
                     PULL_TIMEOUT_SEC=60) as service:
        yield service.migrate()


def alarms(service):
    return service.database.query("select alarm_id from alarms_log order by 1")


def status_of(service):
    (status, seen, last), = service.database.query("select sync_status, last_seen_at, last_sync_at from vehicles")
    return status, seen, last


# ---- the Outbound API ----

def test_a_turn_without_a_store_moves_nothing(service, vehicle):
    began = stand_still(vehicle)
    rows = vehicle.measure(began - HOUR + US, 3500)
    vehicle.alarms = [{**ALARM, "raised_at": began - HOUR // 2}]
    add(service, vehicle)
    begin_at(service, began - HOUR)
    held, vehicle.rows, vehicle.alarms, vehicle.db_ok = (vehicle.rows, vehicle.alarms), [], [], False
    before = now_us()
    done = service.run("once", check=1)
    (status, count, note), = service.journal("Truck-01")
    assert (status, count) == ("error", 0)
    assert "its store cannot be read" in note and "is its data disk mounted?" in note and note.isprintable()
    assert vehicle.paths() == ["/status"]
    status, seen, _ = status_of(service)
    assert status == "error" and in_us(seen) >= before - US and home(service) == (began - HOUR, None, None)
    assert "[Truck-01] online  sw=1.1.0  db_ok=False" in done.stderr
    (vehicle.rows, vehicle.alarms), vehicle.db_ok = held, True
    service.once()
    assert stored(service) == rows_before(vehicle, began - 2 * US) and len(rows) == 7000
    assert service.journal("Truck-01")[-1][0] == "ok" and alarms(service) == [(5,)]
    assert home(service) == (began - 2 * US, None, None)


def test_a_gap_waits_for_the_store(service, vehicle):
    began = stand_still(vehicle)
    vehicle.measure(began - 3 * HOUR, 10_000)
    vehicle.max_rows = 5000
    add(service, vehicle)
    begin_at(service, began - 3 * HOUR)
    vehicle.hooks["/data"] = lambda request, own: own() if len(vehicle.windows()) < 3 else request.json({}, 503)
    service.once(check=1)
    halfway = home(service)
    assert halfway[0] == began - 3 * HOUR and halfway[1] is not None  # the present came, the gap did not
    vehicle.hooks.clear()
    held, vehicle.rows, vehicle.db_ok = vehicle.rows, [], False
    service.once(check=1)
    assert home(service) == halfway and service.journal("Truck-01")[-1][0] == "error"
    vehicle.rows, vehicle.db_ok = held, True
    service.once()
    assert home(service) == (began - 2 * US, None, None) and stored(service) == rows_before(vehicle, began - 2 * US)


def test_a_piece_of_a_gap_that_is_under_way_when_the_store_is_lost(service, vehicle):
    began = stand_still(vehicle)
    vehicle.measure(began - 3 * HOUR, 10_000)
    vehicle.max_rows = 5000
    held, under_way, go_on = vehicle.rows, threading.Event(), threading.Event()

    def answer(request, own):
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(request.path).query))
        if time_us_of(query["to"]) < began - HOUR and time_us_of(query["from"]) > began - 3 * HOUR:  # the gap's second piece, and those behind it
            under_way.set()
            go_on.wait(DEADLINE_S)
        own()

    vehicle.hooks["/data"] = answer
    add(service, vehicle)
    begin_at(service, began - 3 * HOUR)
    with service.start():
        assert under_way.wait(DEADLINE_S)
        vehicle.db_ok = False
        service.wait_for_journal("Truck-01", 2, "error")
        vehicle.rows, before = [], home(service)
        go_on.set()
        errors = [status for status, _, _ in service.journal("Truck-01")].count("error")
        service.wait_for_journal("Truck-01", errors + 2, "error")
        assert home(service) == before and before[1] is not None
        vehicle.rows, vehicle.db_ok = held, True
        wait_until(lambda: home(service)[1] is None, "the gap's end")
    assert stored(service) == rows_before(vehicle, began - 2 * US)


def test_a_first_contact_without_a_store(service, vehicle):
    began = stand_still(vehicle)
    vehicle.db_ok = False
    add(service, vehicle)
    service.once(check=1)
    assert home(service) == (None, None, None)
    vehicle.db_ok = True
    vehicle.measure(began - 40 * US, 30)
    service.once()
    assert stored(service) == vehicle.rows


def test_a_real_machine_whose_disk_is_mounted_late(service, tmp_path, keys):
    with contextlib.ExitStack() as stack:
        machine = Machine(tmp_path / "machine", keys, rows=0, start=False)
        stack.callback(machine.clear)
        data, away = machine.root.path / "data", machine.root.path / "data.away"
        make_store(machine.root.store_file(), 0)
        first_us = now_us() - HOUR
        machine.change(*(f"insert into readings values ({1 + i}, {first_us + i * US}, 1, {i})" for i in range(3000)))
        data.rename(away)
        data.mkdir()
        machine.start()
        served(machine)
        stack.callback(machine.api.close)
        service.add("Truck-01", "127.0.0.1", transport="outbound", api_port=machine.root.outbound_port,
                    api_key=api_key(machine.root))
        begin_at(service, first_us)
        service.once(check=1)
        assert home(service) == (first_us, None, None) and service.journal("Truck-01")[-1][0] == "error"
        window = {"from": time_text(first_us), "to": time_text(now_us())}
        assert ask(machine, "/data", expect=503, **window)["error"] == "store_failed"
        data.rmdir()
        away.rename(data)
        service.once()
        assert len(stored(service)) == 3000 and home(service)[0] > first_us + HOUR - 3 * US


# ---- a clock that said the last microsecond of all ----

def test_a_clock_at_the_end_of_all_times_is_come_back_from(service, vehicle):
    add(service, vehicle)
    vehicle.hooks["/status"] = body(f'{{"time": "9999-12-31T23:59:59.999999Z", "name": "{vehicle.name}"}}')
    service.once()
    vehicle.hooks.clear()
    first_us = stand_still(vehicle)
    service.once()
    for turn in range(3):
        vehicle.measure(first_us + turn * 10 * US, 7)
        vehicle.frozen_us = first_us + (turn + 1) * 10 * US
        service.once()
    assert [status for status, _, _ in service.journal("Truck-01")] == ["ok"] * 5
    assert stored(service) == vehicle.rows


# ---- a signed session ----

def cursors(service):
    return dict(service.database.query("select store_id, seq from sync_cursor where stream = 'readings'"))


def add_agent(service, agent):
    service.add("m1", "127.0.0.1", transport="agent", agent_port=agent.port, fingerprint=agent.agent_id)


def test_a_signed_machine_that_has_lost_its_store(service, agent):
    add_agent(service, agent)
    service.once()
    before = cursors(service), status_of(service)[2]
    agent.hooks["status"] = lambda request, _: request.json(200, {"version": "1.0.0", "store_id": None, "next_seq": None})
    service.once(check=1)
    status, _, note = service.journal("m1")[-1]
    assert status == "error" and "its store cannot be read" in note and status_of(service)[0] == "error"
    assert (cursors(service), status_of(service)[2]) == before
    agent.hooks.clear()
    agent.rows += make_readings(7, first_seq=len(agent.rows) + 1)
    service.once()
    assert len(service.rows("m1")) == len(agent.rows)


def test_a_signed_machine_with_an_empty_store_for_a_while(service, agent):
    add_agent(service, agent)
    service.once()
    before, rows, store_id = cursors(service), agent.rows, agent.store_id
    agent.store_id, agent.rows = "0" * 8 + store_id[8:], []
    service.once()
    assert cursors(service)[store_id] == before[store_id]
    agent.store_id, agent.rows = store_id, rows + make_readings(7, first_seq=len(rows) + 1)
    service.once()
    assert len(service.rows("m1")) == len(agent.rows) and cursors(service)[store_id] == len(agent.rows)
