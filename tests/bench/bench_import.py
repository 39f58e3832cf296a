#!/usr/bin/python3
"""Importing one archive of a vehicle's day into SQLite, against Python's gzip, json and executemany into the same
schema; and the bytes a row of that archive against gzip -6 of the same lines. Both sides in fresh files on the same
disk with synchronous=FULL and a transaction every 100,000 rows, in turn, medians of TELEHAUL_BENCH_REPEATS."""

import datetime
import gzip
import json
import os
import pathlib
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time

PROJECT = pathlib.Path(__file__).resolve().parents[2]
TOOLS = pathlib.Path(os.environ.get("TELEHAUL_BENCH", PROJECT / "build" / "bench")).resolve()
ROWS = int(os.environ.get("TELEHAUL_BENCH_ROWS", "2160000"))
REPEATS = int(os.environ.get("TELEHAUL_BENCH_REPEATS", "3"))
BATCH_ROWS = 100_000
TIMES_PYTHON = 5
TIMES_GZIP_6 = 1.3

SCHEMA = (PROJECT / "migrations" / "central_sqlite" / "0001_central.sql").read_text()


def tool(*arguments):
    done = subprocess.run([TOOLS / "import_archive", *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) if done.stdout else None


def batches_of(archive, channels):
    """The obvious reading: a line, json.loads, a tuple."""
    batch = []
    with gzip.open(archive, "rt", encoding="utf-8") as lines:
        for line in lines:
            record = json.loads(line)
            time_us = round(datetime.datetime.fromisoformat(record["time"]).timestamp() * 1_000_000)
            batch.append((1, channels.setdefault(record["channel"], len(channels) + 1), time_us, record["value"]))
            if len(batch) == BATCH_ROWS:
                yield record["seq"], batch
                batch = []
        if batch:
            yield record["seq"], batch


def import_with_python(archive, database):
    db = sqlite3.connect(database, isolation_level=None)
    db.execute("pragma journal_mode=wal")
    db.execute("pragma synchronous=full")
    db.executescript(SCHEMA)
    db.execute("insert into vehicles (vehicle_id, client_id, name) values (1, 'bench', 'bench')")
    channels = {}
    for seq, batch in batches_of(archive, channels):
        db.execute("begin immediate")
        db.executemany("insert or ignore into measurements values (?, ?, ?, ?)", batch)
        db.execute("insert or replace into sync_cursor values (1, 'bench', 'readings', ?)", (seq,))
        db.execute("commit")
    db.executemany("insert into channel_config (vehicle_id, channel_id, name) values (1, ?, ?)",
                   [(channel_id, name) for name, channel_id in channels.items()])
    db.close()


def contents(database):
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        return db.execute("select count(*), sum(value), sum(time_us % 1000000007) from measurements "
                          "join channel_config using (vehicle_id, channel_id)").fetchone()


def seconds_of(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start


def measure(folder):
    archive = folder / "day.gz"
    tool("make", archive, ROWS)
    new, repeated, python = [], [], []
    for turn in range(REPEATS):
        ours, theirs = folder / f"ours-{turn}.db", folder / f"python-{turn}.db"
        new.append(seconds_of(lambda: tool("import", archive, ours)))  # noqa: B023
        repeated.append(seconds_of(lambda: tool("import", archive, ours)))  # noqa: B023
        python.append(seconds_of(lambda: subprocess.run([sys.executable, __file__, archive, theirs], check=True)))  # noqa: B023
        a, b = contents(ours), contents(theirs)
        assert a[0] == b[0] == ROWS and a[2] == b[2] and abs(a[1] - b[1]) <= abs(a[1]) * 1e-9, (a, b)
        ours.unlink()
        theirs.unlink()
    lines = tool("lines", ROWS)
    with gzip.open(archive) as text:
        gzip_6 = len(subprocess.run(["gzip", "-6"], input=text.read(), stdout=subprocess.PIPE, check=True).stdout)
    return {name: statistics.median(values) for name, values in (("new", new), ("repeated", repeated), ("python", python))} | {
        "lines": lines, "gzip_6": gzip_6, "packed": archive.stat().st_size}


def main():
    if len(sys.argv) == 3:
        import_with_python(sys.argv[1], sys.argv[2])
        return
    with tempfile.TemporaryDirectory(dir=os.environ.get("TELEHAUL_BENCH_DIR")) as folder:
        m = measure(pathlib.Path(folder))
    lines = m["lines"]
    print(f"{ROWS} rows, medians of {REPEATS}, M rows/s: import of new rows {ROWS / m['new'] / 1e6:.2f}, of repeated rows "
          f"{ROWS / m['repeated'] / 1e6:.2f}, Python's import {ROWS / m['python'] / 1e6:.3f}")
    print(f"lines in memory, M rows/s: written {ROWS / lines['write_s'] / 1e6:.1f}, read {ROWS / lines['read_s'] / 1e6:.1f}, "
          f"packed {ROWS / lines['pack_s'] / 1e6:.1f}; bytes a row: {lines['bytes'] / ROWS:.1f} as text, "
          f"{m['packed'] / ROWS:.2f} packed, {m['gzip_6'] / ROWS:.2f} by gzip -6")
    ratio, size = m["python"] / m["new"], m["packed"] / m["gzip_6"]
    print(json.dumps({"results": [
        {"what": "import into SQLite / Python gunzip, json, executemany (rows/s)", "value": round(ratio, 1),
         "target": TIMES_PYTHON, "better": "higher", "holds": ratio >= TIMES_PYTHON},
        {"what": "bytes a row / gzip -6 of the same lines", "value": round(size, 2), "target": TIMES_GZIP_6,
         "better": "lower", "holds": size <= TIMES_GZIP_6},
    ]}))


if __name__ == "__main__":
    main()
