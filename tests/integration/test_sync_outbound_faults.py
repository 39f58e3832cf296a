"""Vehicles with an Outbound API that lie, are slow, dead, or have a wrong clock; the service killed in mid-gap. No other
vehicle notices. Everything is made up."""

import itertools
import json
import re
import threading
import time

import pytest
from fake_vehicle import US, body, hang, now_us, slowly, time_text, without_end
from outbound_world import (HOUR, MINUTE, TOO_SLOW_S, add, begin_at, gap_pieces_between_turns, home, patient as service,
                            present_is_home, rows_before, stand_still, stored, vehicle, vehicles, wait_for_turns)

import telehaul
from telehaul import Program, free_port, wait_until

__all__ = ["service", "vehicle", "vehicles"]  # fixtures


# ---- answers that are not what they must be ----

def rows_answer(edit=lambda answer: None, rows=None):
    """A hook of /data: its own answer, changed; rows: in place of its rows, from the window's beginning on."""
    def hook(request, _):
        query = dict(pair.split("=") for pair in request.path.partition("?")[2].split("&"))
        first = query["from"]
        answer = {"from": first, "to": query["to"], "truncated": False, "count": 0, "rows": []}
        if rows is not None:
            answer["rows"] = rows(first)
            answer["count"] = len(answer["rows"])
        edit(answer)
        request.raw(json.dumps(answer).encode())
    return hook


def row(time, channel=3, value=1.0):
    return {"time": time, "channel_id": channel, "value": value}


LIES = {
    "garbage": ("/data", body("<html>not for you</html>"), "/data: byte 0"),
    "nothing": ("/data", body(""), "/data: the answer ends too early"),
    "an array": ("/status", body("[]"), "/status: expected an object"),
    "no time": ("/status", body('{"name": "x"}'), "/status: member `time`"),
    "a wrong type": ("/status", body(json.dumps({"time": 5})), "/status: member `time`"),
    "a text for a value": ("/data", rows_answer(rows=lambda t: [row(t, value="1")]), "`value`"),
    "NaN": ("/data", rows_answer(rows=lambda t: [row(t, value=float("nan"))]), "/data: byte"),
    "wrong time order": ("/data", rows_answer(rows=lambda t: [row(t[:-5] + "999Z"), row(t)]), "wrong time order"),
    "outside the window": ("/data", rows_answer(rows=lambda _: [row("2020-01-01T00:00:00.000000Z")]), "outside the window"),
    "another window": ("/data", rows_answer(lambda answer: answer.update(to="2020-01-01T00:00:00.000000Z")), "`to` is not"),
    "another vehicle's": ("/data", rows_answer(rows=lambda t: [row(t, channel=99)]), "channel 99, which /channels does not"),
    "a wrong count": ("/data", rows_answer(lambda answer: answer.update(count=5)), "`count` says 5"),
    "no `truncated`": ("/data", rows_answer(lambda answer: answer.pop("truncated")), "lacks"),
    "a wrong key": ("/status", body('{"error": "unauthorized"}', 401), "/status: 401, wrong API key"),
    "a redirect": ("/status", body("", 302, Location="http://127.0.0.1:1/status"), "/status: 302, a redirect is not followed"),
    "an error": ("/data", body("oh", 503), "/data: HTTP 503"),
    "too deep": ("/status", body("[" * 10000 + "]" * 10000), "/status: "),
    "a gigabyte of blanks": ("/data", without_end(), "/data: "),
    "a gigabyte of a status": ("/status", without_end(), "/status: "),
    "a link that breaks": ("/data", lambda request, _: (request.start_body(1000), request.cut()), "/data: "),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_an_error_and_harms_nobody(service, vehicle, vehicles, lie):
    path, hook, why = LIES[lie]
    good = vehicles()
    for each in (vehicle, good):
        each.measure(stand_still(each) - 40 * US, 30)
    vehicle.hooks[path] = hook
    add(service, vehicle)
    add(service, good, "Truck-02")
    service.once(check=1)
    (status, rows, note), = service.journal("Truck-01")
    assert (status, rows) == ("error", 0) and why in note and note.isprintable()
    assert stored(service) == [] and home(service) == (None, None, None)
    assert service.journal("Truck-02")[0][:2] == ("ok", 60) and stored(service, "Truck-02") == good.rows
    if path == "/status":
        assert vehicle.paths() == ["/status"]  # nothing else is asked


@pytest.mark.parametrize("path, hook", [("/status", hang(600)), ("/status", slowly()), ("/data", slowly())],
                         ids=["nothing", "a byte a second", "rows a byte a second"])
def test_one_that_is_slow_is_a_timeout_and_harms_nobody(service, vehicle, vehicles, path, hook):
    good = vehicles()
    good.measure(stand_still(good) - 40 * US, 30)
    vehicle.hooks[path] = hook
    add(service, vehicle)
    add(service, good, "Truck-02")
    service.write(PULL_TIMEOUT_SEC=TOO_SLOW_S)
    began = time.monotonic()
    service.once(check=1)
    assert time.monotonic() - began < 10 * TOO_SLOW_S
    assert service.journal("Truck-01") == [("timeout", 0, f"timeout on {path}")]
    assert service.database.query("select sync_status from vehicles where name = 'Truck-01'") == [("timeout",)]
    assert service.journal("Truck-02") == [("ok", 60, "")]
    ended = service.database.query("select name from sync_journal join vehicles using (vehicle_id) order by finished_at")
    assert ended == [("Truck-02",), ("Truck-01",)]  # who is well did not wait


def test_alarms_and_channels_that_never_come_cost_no_readings(service, vehicle):
    vehicle.measure(stand_still(vehicle) - 40 * US, 30)
    vehicle.hooks["/alarms"] = slowly()
    vehicle.hooks["/channels"] = without_end()
    add(service, vehicle)
    service.write(PULL_TIMEOUT_SEC=TOO_SLOW_S)
    service.once()
    (status, rows, note), = service.journal("Truck-01")
    assert (status, rows) == ("ok", 60) and "/alarms: " in note and "/channels: " in note


def test_a_name_that_changes_is_told(service, vehicle):
    add(service, vehicle)
    service.start()
    service.wait_for_journal("Truck-01")
    vehicle.name = "Lorry-77"
    wait_until(lambda: any("calls itself `Lorry-77`, and `Truck-01` before" in entry[2] for entry in
                           service.journal("Truck-01")), "the other name in the journal")


# ---- clocks ----

def test_readings_of_the_future_wait_until_their_time_has_come(service, vehicle):
    service.write(MAX_CLOCK_SKEW_SEC=1, PULL_SETTLE_MS=0, SYNC_INTERVAL_SEC=3600)
    vehicle.offset_us = 30 * US
    vehicle.measure(now_us() - 5 * US, 35)
    add(service, vehicle)
    before = now_us()
    service.once()
    now = now_us()
    (future,), = service.database.query("select count(*) from measurements_quarantine")
    arrived = stored(service)
    assert future > 10 and len(arrived) + future == 70
    assert arrived == rows_before(vehicle, arrived[-1][0] + 1) and arrived[-1][0] <= now + US
    assert home(service)[0] <= now + US  # never past our now and what is allowed
    ahead = int(re.search(r"its clock is (\d+) s ahead", service.journal("Truck-01")[0][2])[1])
    assert 29 <= ahead <= 30 + (now - before) / US  # the answer of /status took a part of that
    assert service.json("status")["vehicles"][0]["quarantined"] == future
    service.start()  # it lets them go when their time has come
    wait_until(lambda: len(stored(service)) == 70, "the future", deadline_s=30 + 2 * telehaul.DEADLINE_S)
    assert stored(service) == vehicle.rows
    assert service.database.query("select count(*) from measurements_quarantine") == [(0,)]


def test_a_clock_two_days_ahead_that_is_set_right(service, vehicle):
    vehicle.offset_us = 48 * HOUR
    vehicle.measure(now_us() + 48 * HOUR - 30 * US, 20)
    add(service, vehicle)
    service.once()
    assert stored(service) == []
    assert service.database.query("select count(*) from measurements_quarantine") == [(40,)]
    late = vehicle.measure(now_us() + 48 * HOUR, 3, step_us=1000)  # nobody asked for these while the clock was ahead
    vehicle.offset_us = 0
    right = vehicle.measure(now_us(), 5, step_us=1000)
    wait_until(lambda: service.once() and len(stored(service)) == len(right), "what it wrote since its clock was set")
    assert stored(service) == right
    assert service.database.query("select count(*) from measurements_quarantine") == [(40 + len(late),)]


def test_a_clock_that_is_behind_is_followed_in_its_own_time(service, vehicle):
    vehicle.offset_us = -240 * HOUR
    vehicle.measure(now_us() - 240 * HOUR - 32 * US, 30)
    add(service, vehicle)
    before = now_us()
    service.once()
    took_ms = (now_us() - before) / 1000
    assert len(stored(service)) == 60
    (offset,), = service.database.query("select clock_offset_ms from vehicle_sync")
    assert -1 <= offset + 240 * 3600 * 1000 <= took_ms
    assert "s behind" in service.journal("Truck-01")[0][2]


def test_a_clock_stepped_back_skips_nothing(service, vehicle):
    vehicle.measure(now_us() - 2 * HOUR, 60, step_us=2 * MINUTE)
    add(service, vehicle)
    begin_at(service, now_us() - 3 * HOUR)
    service.once()
    before = vehicle.measure(now_us() - US // 2, 1)  # not asked for yet when the clock was set
    vehicle.offset_us = -HOUR
    after = vehicle.measure(now_us() - HOUR + US // 4, 2, step_us=1000)
    wait_until(lambda: service.once() and len(stored(service)) == len(vehicle.rows), "what was written around the step")
    assert stored(service) == vehicle.rows and set(before + after) <= set(vehicle.rows)
    assert any("stepped back" in entry[2] for entry in service.journal("Truck-01"))
    assert home(service)[0] < now_us() - HOUR + MINUTE  # in its clock


# ---- time and crowds ----

def test_a_turn_that_overruns_is_not_started_twice_and_the_others_go_on(service, vehicle, vehicles):
    good, running, most = vehicles(), itertools.count(), []
    under_way, over = set(), threading.Semaphore(0)

    def slow(_, own):
        number = next(running)
        under_way.add(number)
        most.append(len(under_way))
        over.acquire(timeout=100)
        under_way.discard(number)
        own()
    vehicle.hooks["/status"] = slow
    add(service, vehicle)
    add(service, good, "Truck-02")
    service.start()
    for turn in range(2):  # each is as long as three of the other one
        wait_until(lambda: under_way, "a turn that overruns")
        service.wait_for_journal("Truck-02", len(service.journal("Truck-02")) + 3)
        over.release()
        service.wait_for_journal("Truck-01", turn + 1, "ok")
    assert set(most) == {1}
    assert len(service.journal("Truck-02")) >= 6
    assert "are left out of this one" in service.log()


def test_a_cycle_takes_as_long_as_its_last_vehicle(service, vehicle):
    home = threading.Event()

    def slow(_, own):
        home.wait(100)
        own()
    vehicle.hooks["/status"] = slow
    add(service, vehicle)
    service.start()
    skipped = "no new cycle: 1 vehicle(s) are still under way"
    wait_until(lambda: service.log().count(skipped) >= 2, "cycles that nobody could begin")  # an interval lies between them
    assert service.log().count("Starting sync cycle") == 1 and "Cycle done" not in service.log()
    home.set()
    wait_until(lambda: "Cycle done" in service.log(), "the end of the cycle")
    assert float(re.search(r"Cycle done in ([0-9.]+)s", service.log())[1]) >= 1


def test_the_dead_are_asked_less_and_less_and_come_back(service, vehicle):
    add(service, vehicle)
    port = free_port()
    service.run("vehicle", "set", "Truck-01", "--api-port", port)
    service.start()
    service.wait_for_journal("Truck-01", 4, "error")
    assert "/status: " in service.journal("Truck-01")[0][2]
    times = [time for time, in service.database.query("select started_at from sync_journal order by journal_id")]
    pauses = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
    assert all(pause > 0.7 * 2 ** number for number, pause in enumerate(pauses))  # doubled, a quarter of it chance
    service.run("vehicle", "set", "Truck-01", "--api-port", vehicle.port)
    service.wait_for_journal("Truck-01", 1, "ok")


def test_who_dies_is_taken_over_before_the_next_cycle(service, vehicle):
    vehicle.measure(now_us() - 40 * US, 30)
    add(service, vehicle)
    service.database.query("insert into sync_workers (worker_id, host, pid, expires_at)"
                           " values ('other', 'made up', 1, now() + interval '1 hour')")
    service.database.query("insert into vehicle_leases select vehicle_id, 'other' from vehicles")
    service.write(SYNC_INTERVAL_SEC=3600)
    service.start()
    wait_until(lambda: "Starting sync cycle for 0 vehicle(s)" in service.log(), "a cycle without vehicles")
    assert service.journal("Truck-01") == []
    service.database.query("update sync_workers set expires_at = now() where worker_id = 'other'")
    service.wait_for_journal("Truck-01", 1, "ok")
    assert "1 vehicle(s) taken over from another service" in service.log()


def test_a_gap_delays_no_live_window(service, vehicle, vehicles):
    """Of the vehicle itself and of another one, while each piece of its gap takes a second."""
    other = vehicles()
    for each in (vehicle, other):
        each.measure(now_us() - 30 * US, 900)
    vehicle.measure(now_us() - 40 * HOUR, 40)

    def slow_in_the_past(request, own):
        if request.path.split("from=")[1][:27] < time_text(now_us() - 10 * MINUTE):
            time.sleep(1)
        own()
    vehicle.hooks["/data"] = slow_in_the_past
    add(service, vehicle)
    add(service, other, "Truck-02")
    begin_at(service, now_us() - 40 * HOUR)
    service.start()
    service.wait_for_journal("Truck-01", 3, "ok")
    both = ("Truck-01", "Truck-02")
    wait_for_turns(service, both, 6)
    assert home(service)[1] is not None  # the gap is still being filled
    # an interval of a second, and pieces of a second: a turn waits for a few of them at most, on a busy machine too
    assert max(count for name in both for count in gap_pieces_between_turns(service, name)) <= 6
    assert all(present_is_home(service, name) for name in both)


def test_killed_again_and_again_while_a_gap_is_filled(service, vehicle):
    first = now_us() - 45 * HOUR
    vehicle.measure(first, 45 * 30, step_us=2 * MINUTE)

    allowed = 0  # requests that are answered: the gap must not be full before it is killed the last time

    def so_many(_, own):
        number = len(vehicle.windows())
        wait_until(lambda: number <= allowed, deadline_s=120)
        own()
    vehicle.hooks["/data"] = so_many
    add(service, vehicle)
    begin_at(service, first)
    progress = []
    for _ in range(8):
        asked = len(vehicle.windows())
        allowed = asked + 6
        once = Program([telehaul.BIN / "sync_service", "--config", service.config, "once"], service.folder / "once.log")
        wait_until(lambda: len(vehicle.windows()) > asked + 5, "some pieces")
        once.kill()
        progress.append(home(service)[0])
        assert len(stored(service)) == len({row[:2] for row in stored(service)})
    assert progress == sorted(progress) and progress[-1] > progress[0]
    vehicle.hooks.clear()
    allowed = 10**6
    service.once()
    assert home(service)[1:] == (None, None)
    assert stored(service) == rows_before(vehicle, home(service)[0])
