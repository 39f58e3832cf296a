#!/usr/bin/python3
"""Importing one archive of a vehicle's day into PostgreSQL, in a cluster of the bench's own with PostgreSQL's defaults
(fsync on, synchronous_commit on), each run into a fresh database with the same partitioned table and its unique key:

- against psycopg2's execute_values (page_size 10000, a transaction every 100,000 rows) of the same archive, Python's
  gunzip and json included on both sides;
- against one COPY BINARY of the same rows, made ready beforehand, straight into the same table: only that COPY is timed, in
  the archive's order and sorted by the key, and the faster one counts;
- all rows repeated: against COPY BINARY of the same rows into a temporary table and INSERT ... ON CONFLICT DO NOTHING.

In turn, medians of TELEHAUL_BENCH_REPEATS; what is in the tables afterwards is compared."""

import contextlib
import gzip
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

import psycopg2
import psycopg2.extras

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "harness"))

import postgres  # noqa: E402

TOOLS = pathlib.Path(os.environ.get("TELEHAUL_BENCH", PROJECT / "build" / "bench")).resolve()
ROWS = int(os.environ.get("TELEHAUL_BENCH_ROWS", "2160000"))
REPEATS = int(os.environ.get("TELEHAUL_BENCH_REPEATS", "3"))
BATCH_ROWS = 100_000
PAGE_ROWS = 10_000
PIECE_BYTES = 1 << 20
TIMES_EXECUTE_VALUES, OF_COPY, TIMES_STAGING = 6, 0.6, 2

SCHEMA = (PROJECT / "migrations" / "central_postgres" / "0001_central.sql").read_text()
MONTH = ("create table measurements_2026_02 partition of measurements for values from ('2026-02-01Z') to ('2026-03-01Z');"
         "insert into vehicles (client_id, name) values ('bench', 'bench');")


def tool(*arguments):
    done = subprocess.run([TOOLS / "import_archive", *map(str, arguments)], stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout) if done.stdout else None


# ---- the obvious way ----

def import_with_execute_values(archive, url):
    connection = psycopg2.connect(url)
    channels, batch = {}, []

    def write(cursor, seq):
        psycopg2.extras.execute_values(
            cursor, "insert into measurements (vehicle_id, channel_id, time, value) values %s on conflict do nothing", batch,
            page_size=PAGE_ROWS)
        cursor.execute("insert into sync_cursor values (1, 'bench', 'readings', %s) on conflict (vehicle_id, store_id, stream) "
                       "do update set seq = excluded.seq", (seq,))
        connection.commit()
        batch.clear()

    with gzip.open(archive, "rt", encoding="utf-8") as lines, connection.cursor() as cursor:
        for line in lines:
            record = json.loads(line)
            batch.append((1, channels.setdefault(record["channel"], len(channels) + 1), record["time"], record["value"]))
            if len(batch) == BATCH_ROWS:
                write(cursor, record["seq"])
        write(cursor, record["seq"])
        cursor.executemany("insert into channel_config (vehicle_id, channel_id, name) values (1, %s, %s)",
                           [(channel_id, name) for name, channel_id in channels.items()])
        connection.commit()


# ---- COPY ----

def save_rows(database, order, path):
    with database.connect() as connection, connection.cursor() as cursor, open(path, "wb") as out:
        cursor.copy_expert(f"copy (select vehicle_id, channel_id, time, value from measurements order by {order}) "
                           "to stdout (format binary)", out)


def copy(database, path, table, before="", after=""):
    """Seconds of the COPY, and of what stands before and after it, in one transaction."""
    with contextlib.closing(psycopg2.connect(database.url)) as connection, connection.cursor() as cursor, \
            open(path, "rb", buffering=0) as rows:
        start = time.monotonic()
        if before:
            cursor.execute(before)
        cursor.copy_expert(f"copy {table} from stdin (format binary)", rows, size=PIECE_BYTES)
        if after:
            cursor.execute(after)
        connection.commit()
        return time.monotonic() - start


def copy_straight(cluster, path):
    with cluster.database() as database:
        database.query(SCHEMA + MONTH)
        return copy(database, path, "measurements"), contents(database)


def copy_staged(database, path):
    return copy(database, path, "staging", "create temporary table staging (like measurements) on commit drop",
                "insert into measurements select * from staging on conflict do nothing")


# ---- the runs ----

def contents(database):
    """Count and hash of all rows, whatever their order."""
    return database.query("select count(*), sum(hashtextextended(concat_ws('|', channel_id, time, value + 0.0), 0)) "
                          "from measurements")  # + 0.0: psycopg2 has no -0


def seconds_of(call):
    start = time.monotonic()
    call()
    return time.monotonic() - start


def measure_turn(cluster, archive, folder, times):
    with cluster.database() as ours:
        times["new"].append(seconds_of(lambda: tool("import", archive, ours.url)))
        want = contents(ours)
        assert want[0][0] == ROWS, want
        times["repeated"].append(seconds_of(lambda: tool("import", archive, ours.url)))
        orders = {"as they came": "time, channel_id", "sorted": "channel_id, time"}
        for name, order in orders.items():
            save_rows(ours, order, folder / "rows")
            seconds, got = copy_straight(cluster, folder / "rows")
            times[f"COPY {name}"].append(seconds)
            assert got == want
        save_rows(ours, orders["as they came"], folder / "rows")
        times["staging"].append(copy_staged(ours, folder / "rows"))
        assert contents(ours) == want
    with cluster.database() as theirs:
        theirs.query(SCHEMA + MONTH)
        times["execute_values"].append(
            seconds_of(lambda: subprocess.run([sys.executable, __file__, archive, theirs.url], check=True)))
        assert contents(theirs) == want


def main():
    if len(sys.argv) == 3:
        import_with_execute_values(sys.argv[1], sys.argv[2])
        return
    times = {name: [] for name in ("new", "repeated", "COPY as they came", "COPY sorted", "staging", "execute_values")}
    with tempfile.TemporaryDirectory(dir=os.environ.get("TELEHAUL_BENCH_DIR")) as folder, \
            postgres.running_cluster(os.environ.get("TELEHAUL_BENCH_DIR")) as cluster:
        archive = pathlib.Path(folder) / "day.gz"
        tool("make", archive, ROWS)
        for _ in range(REPEATS):
            measure_turn(cluster, archive, pathlib.Path(folder), times)
    m = {name: statistics.median(values) for name, values in times.items()}
    print(f"{ROWS} rows, medians of {REPEATS}, M rows/s: " +
          ", ".join(f"{name} {ROWS / seconds / 1e6:.2f}" for name, seconds in m.items()))
    values = m["execute_values"] / m["new"]
    straight = min(m["COPY as they came"], m["COPY sorted"]) / m["new"]
    staging = m["staging"] / m["repeated"]
    print(json.dumps({"results": [
        {"what": "import into PostgreSQL / psycopg2 execute_values (rows/s)", "value": round(values, 1),
         "target": TIMES_EXECUTE_VALUES, "better": "higher", "holds": values >= TIMES_EXECUTE_VALUES},
        {"what": "import into PostgreSQL / COPY BINARY of the same rows (rows/s)", "value": round(straight, 2),
         "target": OF_COPY, "better": "higher", "holds": straight >= OF_COPY},
        {"what": "repeated import into PostgreSQL / COPY and ON CONFLICT (rows/s)", "value": round(staging, 1),
         "target": TIMES_STAGING, "better": "higher", "holds": staging >= TIMES_STAGING},
    ]}))


if __name__ == "__main__":
    main()
