"""sync_service and the Outbound API: what is asked for in which order, which windows, and that all of it comes home. The
vehicles are the tests' own (tests/harness/fake_vehicle.py) and made up."""

import pytest
from fake_vehicle import US, body, now_us
from outbound_world import (HOUR, MINUTE, SETTLE, TOO_SLOW_S, add, begin_at, home, in_us, patient as service, rows_before,
                            stand_still, stored, vehicle, vehicles)

from telehaul import wait_until

__all__ = ["service", "vehicle", "vehicles"]  # fixtures


# ---- the steps of a turn ----

def test_a_turn_step_by_step(service, vehicle):
    vehicle.measure(now_us() - 120 * US, 600)
    add(service, vehicle)
    before = now_us()
    done = service.once()
    after = now_us()
    assert vehicle.paths() == ["/status", "/channels", "/data", "/alarms"]
    (first, last), = vehicle.windows()
    assert vehicle.windows("/alarms") == [(first, last)]
    assert last - first == 60 * US - SETTLE and before <= last + SETTLE <= after
    rows = [row for row in vehicle.rows if first <= row[0] < last]
    assert len(rows) >= 100 and stored(service) == rows
    assert done["rows_written"] == len(rows) and done["ok"] == 1
    assert service.journal("Truck-01") == [("ok", len(rows), "")]
    assert home(service) == (last, None, None)
    (seen, status, version), = service.database.query("select last_seen_at, sync_status, software_version from vehicles")
    assert before <= in_us(seen) <= after and (status, version) == ("ok", "1.1.0")
    assert service.database.query("select remote_id, name, unit, min_value, max_value from channel_config order by 1") == \
        [(3, "engine_rpm", "rpm", 0, 8000), (7, "coolant_temp", "°C", -40, 150)]
    (wire, started, finished, took), = service.database.query("select bytes, started_at, finished_at, duration_ms from sync_journal")
    assert wire > 500 and started < finished and abs(took - (finished - started).total_seconds() * 1000) < 0.501


def test_the_next_turn_goes_on_where_the_last_one_ended(service, vehicle):
    vehicle.measure(now_us() - 30 * US, 60)
    add(service, vehicle)
    service.once()
    service.once()
    (_, first_end), (second_begin, second_end) = vehicle.windows()
    assert second_begin == first_end
    assert vehicle.windows("/alarms") == vehicle.windows()
    assert stored(service) == [row for row in vehicle.rows if vehicle.windows()[0][0] <= row[0] < second_end]


def test_the_log_says_what_the_first_version_said(service, vehicle, vehicles):
    vehicle.measure(stand_still(vehicle) - 50 * US, 40)
    dead = vehicles()
    dead.hooks["/status"] = lambda request, _: wait_until(lambda: dead.closed, deadline_s=60)
    dead.closed = False
    add(service, vehicle)
    add(service, dead, "Truck-02")
    service.write(PULL_TIMEOUT_SEC=TOO_SLOW_S)
    said = service.run("once", check=1).stderr
    dead.closed = True
    for words in ("Starting sync cycle for 2 vehicle(s)", "[Truck-01] online  sw=1.1.0  db_ok=True",
                  "[Truck-01] wrote 80 measurements  window=58s", "[Truck-02] timeout on /status", "Cycle done in "):
        assert words in said, said
    assert [entry[0] for entry in service.journal("Truck-02")] == ["timeout"]


def test_a_key_of_its_own_and_push(service, vehicle, vehicles):
    other = vehicles(key="another made-up key")
    add(service, vehicle)
    add(service, other, "Truck-02", api_key="another made-up key")
    service.add("Truck-03", "127.0.0.1", transport="push")
    assert service.once()["ok"] == 2
    assert [len(service.journal(f"Truck-0{i}")) for i in (1, 2, 3)] == [1, 1, 0]


@pytest.mark.parametrize("key", ["made-up-key", None])
def test_one_that_was_inserted_by_hand_comes_home(service, vehicle, key):
    """No word of its transport; without a key of its own it has VEHICLE_DEFAULT_API_KEY."""
    vehicle.measure(stand_still(vehicle) - 50 * US, 40)
    service.database.query("insert into vehicles (client_id, name, host, api_port, api_key) values ('t1', 'Truck-01', %s, %s, %s)",
                           vehicle.address, vehicle.port, key)
    assert service.once()["ok"] == 1
    assert [entry[0] for entry in service.journal("Truck-01")] == ["ok"] and stored(service) == vehicle.rows
    assert service.database.query("select transport from vehicles") == [("outbound",)]


def test_null_values_and_doubles_come_as_they_are(service, vehicle):
    at = stand_still(vehicle) - 30 * US
    vehicle.rows = [(at, 3, None), (at + 1, 3, 1e-300), (at + 2, 3, -0.1), (at + 3, 7, 12345678.9012345)]
    add(service, vehicle)
    service.once()
    assert stored(service) == vehicle.rows


# ---- gaps ----

def test_a_truncated_window_is_fetched_by_ten_minutes(service, vehicle):
    add(service, vehicle)
    now = now_us()
    vehicle.measure(now - 2 * HOUR, 120 * 6, step_us=10 * US)
    vehicle.max_rows = 200
    last = now - 2 * HOUR
    begin_at(service, last)
    service.once()
    windows = vehicle.windows()
    to = windows[0][1]
    assert windows[0] == (last, to)                # one request for all
    assert windows[1] == (to - 60 * US, to)        # it was too much: what is live comes first
    pieces = windows[2:]
    assert [end - begin for begin, end in pieces[:-1]] == [10 * MINUTE] * (len(pieces) - 1)
    assert pieces[0][0] == last and pieces[-1][1] == to - 60 * US
    assert all(a[1] == b[0] for a, b in zip(pieces, pieces[1:]))
    assert home(service) == (to, None, None)
    assert stored(service) == [row for row in vehicle.rows if last <= row[0] < to]
    assert sum(entry[1] for entry in service.journal("Truck-01")) == len(stored(service))


def test_a_truncated_piece_is_halved_until_it_is_whole(service, vehicle):
    add(service, vehicle)
    now = now_us()
    vehicle.measure(now - 30 * MINUTE, 1500)  # 120 rows a minute
    vehicle.max_rows = 330
    begin_at(service, now - 30 * MINUTE)
    service.once()
    sizes = [end - begin for begin, end in vehicle.windows()[2:]]
    assert sizes[:3] == [10 * MINUTE, 5 * MINUTE, 5 * MINUTE // 2]
    assert stored(service) == rows_before(vehicle, home(service)[0])
    assert home(service)[1:] == (None, None)


def test_a_live_window_that_is_truncated_is_halved_too(service, vehicle):
    add(service, vehicle)
    last = now_us() - 20 * MINUTE
    vehicle.measure(last, 2400)
    vehicle.max_rows = 50  # 25 s of two channels
    begin_at(service, last)
    service.once()
    sizes = [end - begin for begin, end in vehicle.windows()[1:4]]
    assert sizes == [60 * US, 30 * US, 15 * US]
    assert stored(service) == rows_before(vehicle, home(service)[0])


def test_a_microsecond_that_never_fits_is_said(service, vehicle):
    add(service, vehicle)
    at = now_us() - 20 * MINUTE
    vehicle.rows = [(at, channel, 1.0) for channel in range(5)]
    vehicle.channels = [{**vehicle.channels[0], "channel_id": i, "name": f"c{i}"} for i in range(5)]
    vehicle.max_rows = 3
    begin_at(service, at - MINUTE)
    service.once(check=1)
    entries = service.journal("Truck-01")
    assert entries[0][0] == "ok" and entries[-1][0] == "error" and "one microsecond" in entries[-1][2]
    last, live_from, _ = home(service)
    assert last == at and live_from > at  # up to it, never past it


def test_more_than_a_day_is_fetched_by_hours(service, vehicle):
    add(service, vehicle)
    last = now_us() - 50 * HOUR
    vehicle.measure(last, 50 * 12, step_us=5 * MINUTE)
    vehicle.measure(now_us() - 30 * US, 20)
    begin_at(service, last)
    service.once()
    windows = vehicle.windows()
    to = windows[0][1]
    assert windows[0] == (to - 60 * US, to)  # what is live comes first
    assert windows[1] == (last, last + HOUR)
    assert {end - begin for begin, end in windows[1:-1]} == {HOUR}
    assert home(service) == (to, None, None)
    assert stored(service) == [row for row in vehicle.rows if row[0] < to]


def test_a_clock_that_was_set_leaves_a_desert_behind(service, vehicle):
    """Up in 1970, set by the network then: 56 years without a reading are no half a million requests."""
    add(service, vehicle)
    vehicle.frozen_us = 100 * US
    vehicle.measure(50 * US, 40)
    service.once()
    vehicle.frozen_us = None
    vehicle.measure(now_us() - 30 * US, 20)
    service.once()
    assert len(vehicle.windows()) < 250
    assert home(service)[1:] == (None, None)
    assert stored(service) == rows_before(vehicle, home(service)[0])


def test_large_answers_of_many_vehicles_all_come_home(service, vehicles):
    """More vehicles than places in the lane, each with more readings in one request than it may take without one: those that
    have none have their present first, and the rest as a gap."""
    many = [vehicles() for _ in range(6)]
    last = now_us() - HOUR
    for number, each in enumerate(many):
        each.measure(last, 12_000, step_us=250_000)
        add(service, each, f"Truck-{number}")
        begin_at(service, last, f"Truck-{number}")
    service.write(GAP_PARALLEL=2, QUEUE_MAX_MB=16)
    service.once()
    for number, each in enumerate(many):
        assert each.windows()[0][0] == last and stored(service, f"Truck-{number}") == each.rows
        live = each.windows()[1:2]
        assert all(begin >= each.windows()[0][1] - 60 * US for begin, _ in live)
        assert sum(entry[1] for entry in service.journal(f"Truck-{number}")) == len(each.rows)  # none twice


# ---- what may fail and what may not ----

def test_channels_that_fail_are_a_note(service, vehicle):
    vehicle.measure(now_us() - 30 * US, 20)
    vehicle.hooks["/channels"] = body("no", 500)
    add(service, vehicle)
    service.once()
    (status, rows, note), = service.journal("Truck-01")
    assert status == "ok" and rows == 40 and note == "/channels: HTTP 500"
    del vehicle.hooks["/channels"]
    service.once()
    assert [name for name, in service.database.query("select name from channel_config order by 1")] == \
        ["coolant_temp", "engine_rpm"]
    assert len(stored(service)) == 40


def test_alarms_that_fail_are_asked_for_again_also_after_a_restart(service, vehicle):
    def alarm(number, raised, resolved=None):
        return {"alarm_id": number, "channel_id": 3, "severity": "warning", "message": f"made up {number}",
                "raised_at": raised, "resolved_at": resolved}
    vehicle.alarms = [alarm(1, now_us() - 20 * US), alarm(2, now_us() - 10 * US)]
    vehicle.hooks["/alarms"] = body("{}")
    add(service, vehicle)
    for _ in range(2):
        service.once()  # each time another process
    assert [entry[0] for entry in service.journal("Truck-01")] == ["ok", "ok"]
    assert "/alarms" in service.journal("Truck-01")[0][2]
    assert service.database.query("select * from alarms_log") == []
    del vehicle.hooks["/alarms"]
    service.once()
    first = vehicle.windows()[0][0]
    assert [begin for begin, _ in vehicle.windows("/alarms")] == [first] * 3
    query = "select alarm_id, message, resolved_at is null from alarms_log order by 1"
    assert service.database.query(query) == [(1, "made up 1", True), (2, "made up 2", True)]
    vehicle.alarms[0]["resolved_at"] = now_us()
    wait_until(lambda: service.once() and not service.database.query(query)[0][2], "the end of an alarm")
    assert service.database.query(query) == [(1, "made up 1", False), (2, "made up 2", True)]


def test_last_sync_moves_only_with_readings(service, vehicle):
    add(service, vehicle)
    service.once()
    before = home(service)
    vehicle.hooks["/data"] = body("garbage")
    service.once(check=1)
    assert home(service) == before
    seen, = service.database.query("select last_seen_at, sync_status, clock_checked_at from vehicles join vehicle_sync"
                                   " using (vehicle_id)")
    assert seen[1] == "error" and seen[0] > seen[2]  # seen, but the clock that the windows rely on stays
    del vehicle.hooks["/data"]
    service.once()
    assert vehicle.windows()[-1][0] == before[0]
