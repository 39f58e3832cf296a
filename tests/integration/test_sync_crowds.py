"""sync_service with more slow vehicles, and more that are far behind, than it has connections and places for gaps: the others'
present comes home in time all the same, and so does that of those that are behind. The vehicles are the tests' own and made up."""

import json
import threading
import time

import pytest
from fake_vehicle import US, hang, now_us, slowly, time_text
from outbound_world import HOUR, MINUTE, add, begin_at, home, rows_before, service, stored, vehicle, vehicles

from telehaul import wait_until

__all__ = ["service", "vehicle", "vehicles"]  # fixtures

CONNECTIONS, CROWD, HEALTHY = 4, 6, 4
# settled for two seconds, an interval of a second, a second between readings, four connections for all; and a busy machine
LAG_US = 10 * US


def newest_us(service, names):
    """How old the newest reading of each is."""
    rows = service.database.query("select v.name, (extract(epoch from max(m.time)) * 1000000)::bigint from measurements m"
                                  " join vehicles v using (vehicle_id) where v.name = any(%s) group by 1", list(names))
    return {name: now_us() - newest for name, newest in rows}


def most_lag_us(service, names, seconds):
    """The largest that was seen for so long, from when each has come home once."""
    wait_until(lambda: len(newest_us(service, names)) == len(names), f"readings of {names}")
    most, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        most = max(most, *newest_us(service, names).values())
        time.sleep(0.2)
    return most


class Crowd:
    """Vehicles that measure from before now until long after."""

    def __init__(self, service, make):
        self.service, self.make = service, make

    def add(self, kind, count, hook=None, behind_us=0):
        names = [f"{kind}-{number}" for number in range(count)]
        for name in names:
            vehicle = self.make()
            vehicle.measure(now_us() - behind_us - 10 * US, behind_us // US + 100)
            if hook:
                vehicle.hooks.update(hook)
            add(self.service, vehicle, name)
            if behind_us:
                begin_at(self.service, now_us() - behind_us - 10 * US, name)
        return names

    def statuses(self, names):
        return {entry[0] for name in names for entry in self.service.journal(name)}


@pytest.fixture
def crowd(service, vehicles):
    service.write(MAX_PARALLEL=CONNECTIONS, GAP_PARALLEL=1, PULL_TIMEOUT_SEC=8)
    return Crowd(service, vehicles)


def slow_in_the_past(request, own):
    if request.path.split("from=")[1][:27] < time_text(now_us() - 5 * MINUTE):
        time.sleep(1)
    own()


@pytest.mark.parametrize("hook", [{"/status": slowly()}, {"/data": slowly()}, {"/status": hang(60)}],
                         ids=["a status that trickles", "rows that trickle", "no answer"])
def test_slow_vehicles_hold_up_nobody(crowd, hook):
    slow = crowd.add("slow", CROWD, hook)
    healthy = crowd.add("healthy", HEALTHY)
    crowd.service.start()
    assert most_lag_us(crowd.service, healthy, 10) < LAG_US
    wait_until(lambda: all(crowd.service.journal(name) for name in slow), "a turn of each slow one")
    assert crowd.statuses(slow) == {"timeout"} and crowd.statuses(healthy) == {"ok"}


def test_large_backlogs_hold_up_nobody_and_not_their_own_present(crowd):
    """More of them than connections, each with more readings in one answer than are taken without a place for gaps, of which
    there is one, and each piece of a gap takes its time."""
    behind = crowd.add("behind", CROWD, {"/data": slow_in_the_past}, 2 * HOUR)
    healthy = crowd.add("healthy", HEALTHY)
    crowd.service.start()
    assert most_lag_us(crowd.service, [*behind, *healthy], 10) < LAG_US
    assert any(home(crowd.service, name)[1] is not None for name in behind)  # gaps are still being filled
    assert crowd.statuses([*behind, *healthy]) == {"ok"}


def test_slow_ones_and_large_backlogs_together(crowd):
    slow = crowd.add("slow", CROWD, {"/status": slowly()})
    behind = crowd.add("behind", CROWD, {"/data": slow_in_the_past}, 2 * HOUR)
    healthy = crowd.add("healthy", HEALTHY)
    crowd.service.start()
    assert most_lag_us(crowd.service, [*behind, *healthy], 10) < LAG_US
    assert crowd.statuses([*behind, *healthy]) == {"ok"}
    wait_until(lambda: all(crowd.service.journal(name) for name in slow), "a turn of each slow one")
    assert crowd.statuses(slow) == {"timeout"}


def test_a_large_answer_without_a_place_is_asked_for_again_short_and_all_of_it_comes_home(service, vehicles):
    """One is in the only place, and its answer does not end before the other has had its turn."""
    first, second = vehicles(), vehicles()
    begun, over, last = threading.Event(), threading.Event(), now_us() - HOUR

    def halves(request, _):
        query = dict(pair.split("=") for pair in request.path.partition("?")[2].split("&"))
        text = json.dumps(first.data(query)).encode()
        cut = len(text) * 3 // 4
        request.start_body(len(text))
        for wait_for, part in ((None, text[:cut]), (over, text[cut:])):
            if wait_for:
                wait_for.wait(30)
            request.wfile.write(part)
            request.wfile.flush()
            begun.set()
    first.hooks["/data"] = halves
    for number, each in enumerate((first, second)):
        each.measure(last, 12_000, step_us=250_000)
        add(service, each, f"Truck-{number}")
        begin_at(service, last, f"Truck-{number}")
    second.hooks["/status"] = lambda _, own: (begun.wait(30), own())
    service.write(GAP_PARALLEL=1, PULL_TIMEOUT_SEC=20)
    second.hooks["/alarms"] = lambda _, own: (over.set(), own())
    service.once()
    assert len(first.windows()) == 1 and first.windows()[0][0] == last
    (begin, end), (live_begin, live_end) = second.windows()[:2]
    assert begin == last and live_end == end and 0 < live_end - live_begin <= 60 * US
    assert second.windows()[2][0] == last  # and then the gap
    for name, each in (("Truck-0", first), ("Truck-1", second)):
        assert home(service, name)[1:] == (None, None)
        assert stored(service, name) == rows_before(each, home(service, name)[0])


def test_one_that_answers_and_is_too_slow_is_asked_less_and_less(service, vehicle):
    vehicle.hooks["/status"] = slowly()
    add(service, vehicle)
    service.write(PULL_TIMEOUT_SEC=1)
    service.start()
    service.wait_for_journal("Truck-01", 5, "timeout")
    times = [began for began, in service.database.query("select started_at from sync_journal order by journal_id")]
    pauses = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
    assert pauses[0] < 3.5  # the first time may be chance
    assert pauses[3] > 3 * 0.9  # four seconds, a quarter of it chance
    vehicle.hooks.clear()
    service.wait_for_journal("Truck-01", 1, "ok")


def test_one_that_is_slow_and_gets_on_is_asked_every_time(service, vehicle):
    def late(_, own):
        time.sleep(0.3)
        own()
    for path in ("/status", "/channels", "/data", "/alarms"):
        vehicle.hooks[path] = late
    vehicle.measure(now_us() - 10 * US, 100)
    add(service, vehicle)
    service.write(PULL_TIMEOUT_SEC=1)
    service.start()
    service.wait_for_journal("Truck-01", 6, "ok")
    times = [began for began, in service.database.query("select started_at from sync_journal order by journal_id")]
    assert max((b - a).total_seconds() for a, b in zip(times, times[1:])) < 4
