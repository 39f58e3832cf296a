#!/usr/bin/python3
"""A week of one vehicle (25 channels at 1 Hz) that sync_service has not seen yet, over the signed session of a real agent,
into PostgreSQL (a cluster of the bench's own with PostgreSQL's defaults), while it pulls 20 other vehicles every second: against
one COPY BINARY of the same rows, made ready beforehand, straight into the same table with its key, with nothing else on
the machine, in the archive's order and sorted by the key (the faster one counts). What is in the table is compared.

The lag is how old the newest reading at home is of the worst of the 20, looked at twice a second: a window ends PULL_SETTLE_MS
(2 s) before the vehicle's now, a turn comes every second. TELEHAUL_BENCH_ROWS (15,120,000) changes the size."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "harness"))

import farm  # noqa: E402
import postgres  # noqa: E402
import telehaul  # noqa: E402
from bench_import_postgres import copy, save_rows  # noqa: E402
from sync_service import SyncService  # noqa: E402

TOOLS = pathlib.Path(os.environ.get("TELEHAUL_BENCH", telehaul.BIN.parent / "bench")).resolve()
ROWS = int(os.environ.get("TELEHAUL_BENCH_ROWS", str(7 * 86400 * 25)))
OTHERS = range(20)
OF_COPY, LAG_S, LOOK_S = 0.5, 5, 0.5
SETTLED_LOOKS = 20  # before the week is asked for: all others are live
WAIT_S = 1800

NEWEST = ("select extract(epoch from now() - min(newest)) from vehicles v cross join lateral (select max(time) as newest from "
          "channel_config c cross join lateral (select time from measurements m where m.vehicle_id = c.vehicle_id and "
          "m.channel_id = c.channel_id order by time desc limit 1) m where c.vehicle_id = v.vehicle_id) n where v.client_id like 'farm-%'")
POSITION = ("select coalesce((select seq from sync_cursor c where c.vehicle_id = v.vehicle_id and stream = 'readings'), 0), "
            "live_after_seq from vehicles v join vehicle_sync s using (vehicle_id) where v.name = 'week'")
CONTENTS = ("select count(*), sum(hashtextextended(concat_ws('|', channel_id, time, value), 0)) from measurements m join vehicles v "
            "using (vehicle_id) where v.name = 'week'")
STARTED = ("select extract(epoch from min(started_at)) from sync_journal j join vehicles v using (vehicle_id) "
           "where v.name = 'week'")


class Fleet:
    def __init__(self, folder, database):
        self.database = database
        self.keys = telehaul.Keys(folder)
        self.root = telehaul.Root(folder / "root", self.keys)
        subprocess.run([TOOLS / "make_store", self.root.path / "data", str(ROWS)], check=True, cwd=PROJECT)
        self.root.start_agent()
        self.farm = farm.Farm(folder / "farm", len(OTHERS))
        self.service = SyncService(folder, database, AUTH_KEY_FILE=self.keys.private_file, SYNC_INTERVAL_SEC=1, PULL_TIMEOUT_SEC=10)

    def start(self):
        self.service.migrate()
        self.farm.start()
        self.farm.add_to(self.database)
        self.service.start()

    def stop(self):
        self.service.stop()
        self.farm.stop()
        self.root.clear()

    def lag(self):
        return self.database.query(NEWEST)[0][0]

    def live(self):
        """The worst lag with nobody far behind."""
        end, lags = time.monotonic() + WAIT_S, []
        while len(lags) < SETTLED_LOOKS:
            lag = self.lag()
            lags = [*lags, float(lag)] if lag is not None and lag < LAG_S else []
            assert time.monotonic() < end, f"the others never were live: {lag}\n{self.service.log()[-3000:]}"
            time.sleep(LOOK_S)
        return max(lags)

    def fetch_week(self):
        """Seconds, and the others' worst lag meanwhile."""
        self.service.add("week", "127.0.0.1", transport="agent", agent_port=self.root.agent_port, accept_new_host="yes")
        end, lags = time.monotonic() + WAIT_S, []
        while True:
            rows = self.database.query(POSITION)
            if rows and rows[0][0] >= ROWS and rows[0][1] is None:
                break
            lags.append(float(self.lag()))
            assert time.monotonic() < end, f"the week is not home: {rows}\n{self.service.log()[-3000:]}"
            time.sleep(LOOK_S)
        return time.time() - float(self.database.query(STARTED)[0][0]), lags


def copy_seconds(database, folder, want):
    """The faster of both orders, into the same table, emptied."""
    seconds = []
    for order in ("time, channel_id", "channel_id, time"):
        save_rows(database, order, folder / "rows")
        database.query("truncate measurements")
        seconds.append(copy(database, folder / "rows", "measurements"))
        assert database.query(CONTENTS) == want
    return seconds


def main():
    with tempfile.TemporaryDirectory(dir=os.environ.get("TELEHAUL_BENCH_DIR")) as folder, \
            postgres.running_cluster(os.environ.get("TELEHAUL_BENCH_DIR")) as cluster, cluster.database() as database:
        folder = pathlib.Path(folder)
        folder.chmod(0o755)
        fleet = Fleet(folder, database)
        try:
            fleet.start()
            quiet = fleet.live()
            seconds, lags = fleet.fetch_week()
        finally:
            fleet.stop()
        database.query("delete from measurements m using vehicles v where v.vehicle_id = m.vehicle_id and v.name <> 'week'")
        want = database.query(CONTENTS)
        assert want[0][0] == ROWS, want
        times = copy_seconds(database, folder, want)
    of_copy, worst = min(times) / seconds, max(lags)
    print(f"{ROWS} rows: {seconds:.1f} s ({ROWS / seconds / 1e6:.2f} M rows/s), COPY as they came {times[0]:.1f} s, sorted "
          f"{times[1]:.1f} s; the others' lag: {quiet:.1f} s before, at most {worst:.1f} s meanwhile ({len(lags)} looks)")
    print(json.dumps({"results": [
        {"what": "a week of one vehicle, signed, with 20 live / COPY BINARY of the same rows (rows/s)", "value": round(of_copy, 2),
         "target": OF_COPY, "better": "higher", "holds": of_copy >= OF_COPY},
        {"what": "lag of 20 other vehicles meanwhile (s)", "value": round(worst, 1), "target": LAG_S, "better": "lower",
         "holds": worst < LAG_S},
    ]}))


if __name__ == "__main__":
    main()
