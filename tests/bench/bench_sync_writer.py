#!/usr/bin/python3
"""sync_service's writer with made-up jobs, into a cluster of the bench's own with PostgreSQL's defaults (fsync on), each run
into a fresh migrated database:

- 800 vehicles' live jobs of 750 rows (25 channels, 30 s at 1 Hz) put at once, each with its status, progress and journal
  entry: seconds until the last of them is committed;
- one vehicle's gap in batches of 100,000 rows, against COPY BINARY of the same rows, a transaction a batch, sorted by the
  key, straight into the same table.

In turn, medians of TELEHAUL_BENCH_REPEATS."""

import json
import os
import pathlib
import statistics
import subprocess
import sys

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "harness"))

import postgres  # noqa: E402

TOOLS = pathlib.Path(os.environ.get("TELEHAUL_BENCH", PROJECT / "build" / "bench")).resolve()
BIN = pathlib.Path(os.environ.get("TELEHAUL_BIN", PROJECT / "build" / "bin")).resolve()
REPEATS = int(os.environ.get("TELEHAUL_BENCH_REPEATS", "3"))
VEHICLES, VEHICLE_ROWS, CONNECTIONS = 800, 750, 2
BATCHES, BATCH_ROWS = 20, 100_000
LIVE_S, OF_COPY = 2.0, 0.8


def run(cluster, *arguments):
    with cluster.database() as database:
        subprocess.run([BIN / "sync_service", "migrate"], check=True, stdout=subprocess.DEVNULL,
                       env={**os.environ, "DB_URL": database.url})
        done = subprocess.run([TOOLS / "write_jobs", database.url, *map(str, arguments)], stdout=subprocess.PIPE, text=True,
                              check=True)
        result = json.loads(done.stdout)
        assert database.query("select count(*) from measurements") == [(result["rows"],)]
        return result


def main():
    live, gap, copy = [], [], []
    with postgres.running_cluster(os.environ.get("TELEHAUL_BENCH_DIR")) as cluster:
        for _ in range(REPEATS):
            live.append(run(cluster, "live", VEHICLES, VEHICLE_ROWS, CONNECTIONS))
            gap.append(run(cluster, "gap", BATCHES, BATCH_ROWS))
            copy.append(run(cluster, "copy", BATCHES, BATCH_ROWS))
    for results, rows in ((live, VEHICLES * VEHICLE_ROWS), (gap, BATCHES * BATCH_ROWS), (copy, BATCHES * BATCH_ROWS)):
        assert all(result["rows"] == rows for result in results), results
    seconds = {name: statistics.median(result["seconds"] for result in results)
               for name, results in (("live", live), ("gap", gap), ("copy", copy))}
    print(f"{VEHICLES} live jobs of {VEHICLE_ROWS} rows: {seconds['live']:.2f} s in {live[-1]['transactions']} "
          "transactions; "
          f"{BATCHES} batches of {BATCH_ROWS}, M rows/s: the writer {BATCHES * BATCH_ROWS / seconds['gap'] / 1e6:.2f}, "
          f"COPY {BATCHES * BATCH_ROWS / seconds['copy'] / 1e6:.2f}; medians of {REPEATS}")
    share = seconds["copy"] / seconds["gap"]
    print(json.dumps({"results": [
        {"what": f"{VEHICLES} vehicles' live rows committed (s)", "value": round(seconds["live"], 2), "target": LIVE_S,
         "better": "lower", "holds": seconds["live"] <= LIVE_S},
        {"what": "a gap's batches / COPY BINARY of the same rows (rows/s)", "value": round(share, 2), "target": OF_COPY,
         "better": "higher", "holds": share >= OF_COPY},
    ]}))


if __name__ == "__main__":
    main()
