#!/usr/bin/python3
"""The fleet, in one run against the farm of simulated vehicles (made-up readings) and a PostgreSQL cluster of the bench's own
(fsync on):

- 1,000 vehicles of 25 channels at 1 Hz, every tenth dead and every tenth answering one byte a second, sync_service with its
  defaults (a cycle every 30 s): when each healthy vehicle's rows can be seen, counted from the cycle's start, over ten
  cycles in a row. Seen by asking `measurements` for each vehicle's newest reading four times a second;
- the CPU of sync_service meanwhile, all of it counted on the healthy vehicles, against that of the seed's stack
  (fleet_seed.py) for the same windows of 200 of the same vehicles, healthy ones alone;
- its memory while PostgreSQL is stopped for five minutes and until all is home afterwards; then every healthy vehicle's rows
  by count and hash;
- a gap of seven days of one vehicle (15 M rows) through the Outbound API, in rows a second, against the seed's stack on 25
  hours of it.

TELEHAUL_BENCH_CYCLES, _AWAY_S, _GAP_HOURS make it shorter."""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "harness"))

import farm  # noqa: E402
import postgres  # noqa: E402
from sync_service import SyncService  # noqa: E402

CYCLES = int(os.environ.get("TELEHAUL_BENCH_CYCLES", "10"))
AWAY_S = int(os.environ.get("TELEHAUL_BENCH_AWAY_S", "300"))
GAP_HOURS = int(os.environ.get("TELEHAUL_BENCH_GAP_HOURS", "168"))
VEHICLES, DEAD, TRICKLE = 1000, range(800, 900), range(900, 1000)
HEALTHY = range(800)
INTERVAL_S = 30
POLL_S = 0.25
SEED_VEHICLES, SEED_CYCLES, SEED_GAP_HOURS = 200, 3, 25  # longer than a day: windows of an hour
SETTLED_S = 5  # a window ends PULL_SETTLE_MS before the vehicle's now: what is compared is older
VISIBLE_S, CPU_TIMES, GAP_TIMES, MORE_MIB = 5, 8, 8, 64
MIB, S_US = 1 << 20, 10**6

# Each vehicle's newest reading: one look into the key of each vehicle and its last channel.
NEWEST = """
select v.client_id, (select (extract(epoch from max(m.time)) * 1000000)::bigint from measurements m
    where m.vehicle_id = v.vehicle_id and m.channel_id = c.channel_id and m.time > to_timestamp(%s))
from vehicles v join channel_config c using (vehicle_id) where c.remote_id = 25"""


def settings():
    return {"shared_buffers": "512MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min"}


def process_cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_bytes(pid, field):
    return int(re.search(rf"{field}:\s+(\d+) kB", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def say(text):
    print(text, flush=True)


# ---- 1,000 vehicles, live ----
class Fleet:
    def __init__(self, folder, cluster, database):
        self.cluster, self.database = cluster, database
        self.farm = farm.Farm(folder / "farm", VEHICLES).start()
        self.service = SyncService(folder, database, PULL_TIMEOUT_SEC=None, SYNC_INTERVAL_SEC=INTERVAL_S).migrate()
        self.farm.add_to(database)
        self.begun_us = self.farm.start_us
        database.query("update vehicles set last_sync_at = to_timestamp(%s)", self.begun_us / S_US)
        self.farm.fault(DEAD, "dead")
        self.farm.fault(TRICKLE, "trickle")
        self.seen = {}  # client_id -> [(when it was seen, its newest reading)], of our clock

    def look(self, cursor):
        cursor.execute(NEWEST, (self.begun_us / S_US,))
        rows, now_us = cursor.fetchall(), farm.now_us()
        for name, newest_us in rows:
            looks = self.seen.setdefault(name, [])
            if newest_us is not None and (not looks or looks[-1][1] < newest_us):
                looks.append((now_us, newest_us))

    def watch(self, cycles):
        """Until every healthy vehicle has come home once more than that: the first time it has channels to learn."""
        end = time.monotonic() + (cycles + 2) * INTERVAL_S
        with self.database.connect() as connection, connection.cursor() as cursor:
            while time.monotonic() < end and not self.watched(cycles):
                self.look(cursor)
                time.sleep(POLL_S)

    def watched(self, cycles):
        return len(self.seen) >= len(HEALTHY) and all(len(looks) > cycles for looks in self.seen.values())

    def cycles_started_us(self):
        """When the cycles began: the first turn of each."""
        starts = [us for us, in self.database.query(
            "select (extract(epoch from started_at) * 1000000)::bigint from sync_journal join vehicles using (vehicle_id) "
            "where client_id < %s order by 1", farm.client_id(HEALTHY.stop))]
        return [us for before, us in zip([0, *starts], starts) if us - before > INTERVAL_S * S_US // 3]

    def delays_s(self, cycles):
        """From each cycle's start until what it brought of a vehicle was seen; the first cycle is left out."""
        starts = self.cycles_started_us()[1:cycles + 1]
        assert len(starts) == cycles, f"{len(starts)} cycles in place of {cycles}"
        delays = []
        for start_us in starts:
            for name, looks in self.seen.items():
                # what was measured before the cycle began, but for what a vehicle may still be writing
                seen_us = [when for when, newest_us in looks if newest_us > start_us - 4 * S_US]
                assert seen_us, f"{name} did not come home in the cycle of {start_us}"
                delays.append((seen_us[0] - start_us) / S_US)
        return delays

    def clear(self):
        self.farm.stop()
        self.service.__exit__()


def live(fleet):
    say(f"{VEHICLES} vehicles, {len(DEAD)} dead, {len(TRICKLE)} at a byte a second: {CYCLES} cycles of {INTERVAL_S} s")
    fleet.service.start()
    fleet.watch(1)
    cpu_s, from_cycle = process_cpu_s(fleet.service.program.pid), time.monotonic()
    fleet.watch(CYCLES)
    cpu_s = process_cpu_s(fleet.service.program.pid) - cpu_s
    cycles = (time.monotonic() - from_cycle) / INTERVAL_S
    delays = sorted(fleet.delays_s(CYCLES))
    p99, cpu_ms = delays[int(len(delays) * 0.99)], cpu_s * 1000 / cycles / len(HEALTHY)
    stats = fleet.farm.stats()
    say(f"visible after: median {statistics.median(delays):.2f} s, p99 {p99:.2f} s, last {delays[-1]:.2f} s of {len(delays)}; "
        f"{cpu_ms:.2f} ms of CPU a healthy vehicle and cycle; the farm took {stats['cpu_us'] / S_US:.1f} s for "
        f"{stats['rows']} rows")
    return p99, cpu_ms


# ---- PostgreSQL away ----
def away(fleet):
    pid = fleet.service.program.pid
    pathlib.Path(f"/proc/{pid}/clear_refs").write_text("5")  # the peak begins anew
    before = memory_bytes(pid, "VmRSS")
    say(f"PostgreSQL is stopped for {AWAY_S} s")
    fleet.cluster.stop(immediately=True)
    time.sleep(AWAY_S)
    during = memory_bytes(pid, "VmHWM")
    fleet.cluster.start()
    frozen_us = fleet.farm.freeze()
    fleet.farm.wait_home(fleet.database, HEALTHY, frozen_us, 120)
    after = memory_bytes(pid, "VmHWM")
    rows, size = fleet.database.query(
        "select (select count(*) from measurements), sum(pg_total_relation_size(inhrelid)) from pg_inherits "
        "where inhparent = 'measurements'::regclass")[0]
    say(f"memory: {before / MIB:.0f} MiB before, at most {during / MIB:.0f} MiB without PostgreSQL, {after / MIB:.0f} MiB until "
        f"all was home; {rows} readings, each of them once; {int(size) / rows:.0f} bytes a reading on the disk, key and all")
    return (after - before) / MIB, int(size) / rows


# ---- the seed's stack ----
def run_seed(database, moments):
    done = subprocess.run(["/usr/bin/python3", PROJECT / "tests" / "bench" / "fleet_seed.py", database.url, *map(str, moments)],
                          stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def seed_cpu_ms(folder, cluster, fleet):
    """The same vehicles' windows from before, cycle after cycle."""
    with cluster.database() as database:
        SyncService(folder / "seed", database).migrate()
        fleet.farm.add_to(database, range(SEED_VEHICLES))
        first_us = fleet.begun_us
        database.query("update vehicles set last_sync_at = to_timestamp(%s)", first_us / S_US)
        done = run_seed(database, [first_us + cycle * INTERVAL_S * S_US for cycle in range(1, SEED_CYCLES + 1)])
        last_us = first_us + SEED_CYCLES * INTERVAL_S * S_US
        assert fleet.farm.differences(database, range(SEED_VEHICLES), first_us, last_us) == {}, "the seed's stack lost rows"
    each = done["cpu_s"] * 1000 / SEED_CYCLES / SEED_VEHICLES
    say(f"the seed's stack: {each:.1f} ms of CPU a vehicle and cycle, {done['s'] / SEED_CYCLES:.1f} s a cycle of {SEED_VEHICLES} "
        "vehicles")
    return each


# ---- a gap of seven days ----
def gap(folder, cluster):
    now_us = farm.now_us() // S_US * S_US - SETTLED_S * S_US
    one = farm.Farm(folder / "gap-farm", 1, start_us=now_us - GAP_HOURS * 3600 * S_US).start()
    try:
        one.freeze()
        with cluster.database() as database:
            service = SyncService(folder / "gap", database, PULL_TIMEOUT_SEC=None).migrate()
            one.add_to(database)
            database.query("update vehicles set last_sync_at = to_timestamp(%s)", one.start_us / S_US)
            started = time.monotonic()
            service.once(timeout=600)
            ours_s = time.monotonic() - started
            rows = one.expected([0], to_us=now_us)[farm.client_id(0)][0]
            assert one.differences(database, [0], to_us=now_us) == {}
        seed_us = now_us - SEED_GAP_HOURS * 3600 * S_US
        with cluster.database() as database:
            SyncService(folder / "gap-seed", database).migrate()
            one.add_to(database)
            database.query("update vehicles set last_sync_at = to_timestamp(%s)", seed_us / S_US)
            done = run_seed(database, [now_us])
            assert one.differences(database, [0], seed_us, now_us) == {}
    finally:
        one.stop()
    ours, seeds = rows / ours_s, done["rows"] / done["s"]
    say(f"a gap of {GAP_HOURS} h: {rows} rows in {ours_s:.1f} s, {ours / 1e6:.2f} M rows/s; the seed's stack {seeds / 1e6:.3f} "
        f"M rows/s (of {SEED_GAP_HOURS} h)")
    return ours / seeds


def result(what, value, target, better="lower"):
    holds = value <= target if better == "lower" else value >= target
    return {"what": what, "value": value, "target": target, "better": better, "holds": holds}


def main():
    with tempfile.TemporaryDirectory(prefix="telehaul-bench-") as name, postgres.running_cluster(**settings()) as cluster:
        folder = pathlib.Path(name)
        with cluster.database() as database:
            fleet = Fleet(folder, cluster, database)
            try:
                p99_s, cpu_ms = live(fleet)
                more_mib, disk_bytes = away(fleet)
                fleet.service.stop()
                seed_ms = seed_cpu_ms(folder, cluster, fleet)
            finally:
                fleet.clear()
        gap_times = gap(folder, cluster)
    share = seed_ms / cpu_ms
    print(json.dumps({"results": [
        result("1,000 vehicles, 20 % of them dead or slow: rows visible after, p99 of the healthy (s)", round(p99_s, 2), VISIBLE_S),
        result("CPU a vehicle and cycle: the seed's stack / sync_service", round(share, 1), CPU_TIMES, "higher"),
        result("sync_service's memory more while PostgreSQL is stopped, nothing lost (MiB)", round(more_mib, 1), MORE_MIB),
        result("a gap of 7 days through the Outbound API / the seed's stack (rows/s)", round(gap_times, 1), GAP_TIMES, "higher"),
        {"what": "disk a measurement in PostgreSQL, index and all (bytes)", "value": round(disk_bytes), "target": "", "better": "",
         "holds": True},
    ]}))


if __name__ == "__main__":
    main()
