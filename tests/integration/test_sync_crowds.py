"""sync_service with more slow vehicles, and more that are far behind, than it has connections and places for gaps: the others'
present comes home in time all the same, and so does that of those that are behind. The vehicles are the tests' own and made up."""

import json
import re
import threading
import time

import pytest
from fake_vehicle import US, hang, now_us, slowly, time_text
from outbound_world import (HOUR, MINUTE, add, begin_at, gap_pieces_between_turns, home, patient as service, present_is_home,
                            rows_before, stored, vehicle, vehicles, wait_for_turns)

from telehaul import wait_until

__all__ = ["service", "vehicle", "vehicles"]  # fixtures

CONNECTIONS, CROWD, HEALTHY = 4, 6, 4
TURNS = 6
PIECES_MOST = 7  # of gaps, of a second each, in the time of one turn: on a busy machine too


class Crowd:
    """Vehicles that measure from before now until long after."""

    def __init__(self, service, make):
        self.service, self.make = service, make

    def add(self, kind, count, hook=None, behind_us=0):
        names = [f"{kind}-{number}" for number in range(count)]
        for name in names:
            vehicle = self.make()
            vehicle.measure(now_us() - behind_us - 10 * US, behind_us // US + 900)
            if hook:
                vehicle.hooks.update(hook)
            add(self.service, vehicle, name)
            if behind_us:
                begin_at(self.service, now_us() - behind_us - 10 * US, name)
        return names

    def present_comes_home(self, names):
        """Turn after turn, and nobody waits for the gaps of others."""
        wait_until(lambda: all(self.service.journal(name) for name in names), "a turn of each")
        wait_for_turns(self.service, names, TURNS)
        assert all(present_is_home(self.service, name) for name in names)
        assert max(count for name in names for count in gap_pieces_between_turns(self.service, name)) <= PIECES_MOST

    def are_too_slow(self, slow):
        """They have held on to their connections all the time; with less patience each of their turns is a time-out."""
        assert self.statuses(slow) == set()
        assert self.service.stop() == 0
        self.service.write(PULL_TIMEOUT_SEC=2)
        self.service.start()
        wait_until(lambda: all(self.service.journal(name) for name in slow), "a turn of each slow one")
        assert self.statuses(slow) == {"timeout"}

    def statuses(self, names):
        return {entry[0] for name in names for entry in self.service.journal(name)}


@pytest.fixture
def crowd(service, vehicles):
    service.write(MAX_PARALLEL=CONNECTIONS, GAP_PARALLEL=1)
    return Crowd(service, vehicles)


def slow_in_the_past(request, own):
    if request.path.split("from=")[1][:27] < time_text(now_us() - 5 * MINUTE):
        time.sleep(1)
    own()


@pytest.mark.parametrize("hook", [{"/status": slowly()}, {"/data": slowly()}, {"/status": hang(600)}],
                         ids=["a status that trickles", "rows that trickle", "no answer"])
def test_slow_vehicles_hold_up_nobody(crowd, hook):
    slow = crowd.add("slow", CROWD, hook)
    healthy = crowd.add("healthy", HEALTHY)
    crowd.service.start()
    crowd.present_comes_home(healthy)
    assert crowd.statuses(healthy) == {"ok"}
    crowd.are_too_slow(slow)


def test_large_backlogs_hold_up_nobody_and_not_their_own_present(crowd):
    """More of them than connections, each with more readings in one answer than are taken without a place for gaps, of which
    there is one, and each piece of a gap takes its time."""
    behind = crowd.add("behind", CROWD, {"/data": slow_in_the_past}, 2 * HOUR)
    healthy = crowd.add("healthy", HEALTHY)
    crowd.service.start()
    crowd.present_comes_home([*behind, *healthy])
    assert any(home(crowd.service, name)[1] is not None for name in behind)  # gaps are still being filled
    assert crowd.statuses([*behind, *healthy]) == {"ok"}


def test_slow_ones_and_large_backlogs_together(crowd):
    slow = crowd.add("slow", CROWD, {"/status": slowly()})
    behind = crowd.add("behind", CROWD, {"/data": slow_in_the_past}, 2 * HOUR)
    healthy = crowd.add("healthy", HEALTHY)
    crowd.service.start()
    crowd.present_comes_home([*behind, *healthy])
    assert crowd.statuses([*behind, *healthy]) == {"ok"}
    crowd.are_too_slow(slow)


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
                wait_for.wait(50)
            request.wfile.write(part)
            request.wfile.flush()
            begun.set()
    first.hooks["/data"] = halves
    for number, each in enumerate((first, second)):
        each.measure(last, 12_000, step_us=250_000)
        add(service, each, f"Truck-{number}")
        begin_at(service, last, f"Truck-{number}")
    second.hooks["/status"] = lambda _, own: (begun.wait(50), own())
    service.write(GAP_PARALLEL=1)
    second.hooks["/alarms"] = lambda _, own: (over.set(), own())
    service.once()
    assert len(first.windows()) == 1 and first.windows()[0][0] == last
    (begin, end), (live_begin, live_end) = second.windows()[:2]
    assert begin == last and live_end == end and 0 < live_end - live_begin <= 60 * US
    assert second.windows()[2][0] == last  # and then the gap
    for name, each in (("Truck-0", first), ("Truck-1", second)):
        assert home(service, name)[1:] == (None, None)
        assert stored(service, name) == rows_before(each, home(service, name)[0])


def skipped_cycles(service):
    """After each turn of a fleet of one: how many cycles left it out before the one in which its next turn began. A cycle that
    leaves it out is done as soon as it has started; so are those that come while a turn is under way."""
    words = re.findall(r"(Starting) sync cycle|(Cycle) done|\[Truck-01\] (online|timeout)", service.log())
    log = " ".join("turn" if turn else start or done for start, done, turn in words)
    between = log.split("turn")[1:-1]
    return [re.match(r" (?:Cycle )?((?:Starting Cycle )*)Starting (?!Cycle)", text)[1].count("Cycle") for text in between]


def test_one_that_answers_and_is_too_slow_is_asked_less_and_less(service, vehicle):
    vehicle.hooks["/status"] = slowly()
    add(service, vehicle)
    service.write(PULL_TIMEOUT_SEC=1)
    service.start()
    service.wait_for_journal("Truck-01", 5, "timeout")
    times = [began for began, in service.database.query("select started_at from sync_journal order by journal_id")]
    pauses = [(b - a).total_seconds() for a, b in zip(times, times[1:])]
    assert skipped_cycles(service)[0] == 0  # the first time may be chance
    assert pauses[3] > 3 * 0.9  # four seconds, a quarter of it chance
    vehicle.hooks.clear()
    service.wait_for_journal("Truck-01", 1, "ok")


def test_one_that_is_slow_and_gets_on_is_asked_every_time(service, vehicle):
    def late(_, own):
        time.sleep(0.8)
        own()
    for path in ("/status", "/channels", "/data", "/alarms"):
        vehicle.hooks[path] = late
    vehicle.measure(now_us() - 10 * US, 900)
    add(service, vehicle)
    service.write(PULL_TIMEOUT_SEC=3)
    service.start()
    service.wait_for_journal("Truck-01", 6, "ok")
    assert set(skipped_cycles(service)) == {0}
