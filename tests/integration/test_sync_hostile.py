"""A vehicle of every fault beside healthy ones: each is journalled as what it is, writes nothing, and harms no other; memory
stays bounded, also while PostgreSQL is away. The vehicles are the farm's, all made up."""

import pathlib
import re
import time

import farm
import pytest
from agent_root import FREED_IS_FREE
from sync_service import SyncService

from telehaul import wait_until

INTERVAL_S, TIMEOUT_S = 1, 5  # less than the farm's slow start; sanitised programs take their time over a gigabyte
PATIENT_S = 60  # where nobody is too slow
HEALTHY = range(12)
MIB = 1 << 20
# fault, of which answer, what the journal says of it
HOSTILE = [
    ("dead", "all", "error"),
    ("black_hole", "all", "timeout"),
    ("silent", "all", "timeout"),
    ("silent", "data", "timeout"),
    ("trickle", "all", "timeout"),
    ("trickle", "data", "timeout"),
    ("garbage", "all", "error"),
    ("garbage", "data", "error"),
    ("types", "status", "error"),
    ("types", "data", "error"),
    ("gigabyte", "status", "error"),
    ("gigabyte", "data", "error"),
    ("disorder", "data", "error"),
    ("outside", "data", "error"),
    ("foreign", "data", "error"),
    ("redirect", "all", "error"),
    ("redirect", "data", "error"),
    ("refuse", "all", "error"),
    ("error", "all", "error"),
    ("error", "data", "error"),
    ("mid_close", "all", "error"),
    ("mid_close", "data", "error"),
    ("hang", "all", "timeout"),
    ("slow_start", "all", "timeout"),
]
# What the vehicle says besides its readings is not worth a turn: the journal stays ok, with a note.
NOTED = [("types", "channels"), *((fault, scope) for fault in ("garbage", "gigabyte", "error", "silent")
                                  for scope in ("channels", "alarms"))]
BAD = range(len(HEALTHY), len(HEALTHY) + len(HOSTILE))
ODD = range(BAD.stop, BAD.stop + len(NOTED))
ALL = range(ODD.stop)


class Fleet:
    def __init__(self, folder, database, count, **more):
        self.database = database
        self.farm = farm.Farm(folder / "farm", count, **more)
        self.farm.start()
        self.service = SyncService(folder, database, SYNC_INTERVAL_SEC=INTERVAL_S, PULL_TIMEOUT_SEC=TIMEOUT_S).migrate()
        self.farm.add_to(database)
        self.database.query("update vehicles set last_sync_at = to_timestamp(%s)", self.farm.start_us / 1e6)

    def start(self):
        self.service.start(env=FREED_IS_FREE)

    def memory(self, field="VmRSS"):
        status = pathlib.Path(f"/proc/{self.service.program.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status)[1]) * 1024

    def entries(self, vehicles):
        """client_id -> its journal as (status, rows, note, began, ended), oldest first."""
        found = {farm.client_id(vehicle): [] for vehicle in vehicles}
        for name, *entry in self.database.query(
                "select client_id, status, rows_written, note, extract(epoch from started_at)::float8, "
                "extract(epoch from finished_at)::float8 from sync_journal join vehicles using (vehicle_id) "
                "order by journal_id"):
            if name in found:
                found[name].append(tuple(entry))
        return found

    def wait_for_turns(self, vehicles, count, deadline_s=90):
        wait_until(lambda: all(len(entries) >= count for entries in self.entries(vehicles).values()),
                   f"{count} turns of each", deadline_s, 0.3)

    def clear(self):
        self.farm.stop()
        self.service.__exit__()


@pytest.fixture
def make_fleet(tmp_path):
    made = []

    def make(database, count, **more):
        made.append(Fleet(tmp_path, database, count, **more))
        return made[-1]

    yield make
    for fleet in made:
        fleet.clear()


def test_a_vehicle_of_each_fault_harms_no_other(make_fleet, postgres):
    fleet = make_fleet(postgres, len(ALL), hertz=4)  # so that a window has an order
    fleet.start()
    fleet.wait_for_turns(ALL, 2)
    before = fleet.memory("VmHWM")
    for vehicle, (word, scope, _) in zip(BAD, HOSTILE):
        fleet.farm.fault(vehicle, word, scope)
    for vehicle, (word, scope) in zip(ODD, NOTED):
        fleet.farm.fault(vehicle, word, scope)
    # turns that were under way may end either way: what begins from here on counts
    begun = time.time()
    turns = {name: len(entries) for name, entries in fleet.entries(ALL).items()}

    def later(vehicles):
        return {name: [entry for entry in entries if entry[3] > begun] for name, entries in fleet.entries(vehicles).items()}

    wait_until(lambda: all(len(entries) >= 2 for entries in later(ALL).values()), "two turns of each", 120, 0.3)
    for (word, scope, status), (name, entries) in zip(HOSTILE, later(BAD).items()):
        assert {entry[0] for entry in entries} == {status}, f"{word} of {scope}: {entries}"
        assert all(entry[1] == 0 and entry[2] for entry in entries), f"{word} of {scope}: {entries}"
    for (word, scope), (name, entries) in zip(NOTED, later(ODD).items()):
        assert {entry[0] for entry in entries} == {"ok"} and all(entry[2] for entry in entries), f"{word} of {scope}: {entries}"
    slow = [entry for entries in later(BAD).values() for entry in entries if entry[0] == "timeout"]
    for name, entries in later(HEALTHY).items():
        assert {entry[:1] + entry[2:3] for entry in entries} == {("ok", "")}, f"{name}: {entries}"
        for ahead, after in zip(entries, entries[1:]):
            waited = [entry for entry in slow if entry[3] >= ahead[4] and entry[4] <= after[4]]
            assert not waited, f"{name} waited from {ahead} to {after}: {waited}"
    assert fleet.memory("VmHWM") - before < 96 * MIB
    assert all(len(entries) > turns[name] for name, entries in fleet.entries(ALL).items())

    for vehicle in (*BAD, *ODD):
        fleet.farm.fault(vehicle, "none")
    fleet.farm.wait_home(postgres, ALL, fleet.farm.freeze(), 90)
    wait_until(lambda: postgres.query("select distinct sync_status from vehicles") == [("ok",)], "all to be well again", 90)


def test_another_key_than_the_pinned_one(make_fleet, postgres, make_agent, keys):
    """The certificate changed: nothing is asked of it."""
    fleet = make_fleet(postgres, 2)
    agent = make_agent()
    fleet.service.write(AUTH_KEY_FILE=keys.private_file, PULL_TIMEOUT_SEC=PATIENT_S)
    fleet.service.add("changed", "127.0.0.1", transport="agent", agent_port=agent.port, fingerprint="ab" * 32)
    fleet.start()
    status, rows, note = fleet.service.wait_for_journal("changed", 2)[-1]
    assert (status, rows) == ("error", 0) and "ab" * 4 in note
    assert postgres.query("select agent_id from vehicles where client_id = 'changed'") == [("ab" * 32,)]
    fleet.farm.wait_home(postgres, range(2), fleet.farm.freeze())


def test_memory_is_flat_while_postgresql_is_away(make_fleet, own_cluster):
    """100 vehicles of 100 readings a second each go on measuring."""
    away_s = 12
    with own_cluster.database() as database:
        fleet = make_fleet(database, 100, hertz=4)
        fleet.service.write(PULL_TIMEOUT_SEC=PATIENT_S)
        fleet.start()
        fleet.wait_for_turns(range(100), 3)
        before = fleet.memory("VmHWM")
        own_cluster.stop(immediately=True)
        time.sleep(away_s)  # that long nobody can write
        own_cluster.start()
        fleet.farm.wait_home(database, range(100), fleet.farm.freeze(), 90)
        most = fleet.memory("VmHWM")
        assert most - before < 64 * MIB, f"{before >> 20} MiB before, {most >> 20} MiB after PostgreSQL was away"
        assert fleet.service.stop() == 0
