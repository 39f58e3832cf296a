#!/usr/bin/python3
"""Disk a measurement in PostgreSQL: heap, index and log of readings at 1 Hz (made up: a slow wave with noise, two decimals), in
a cluster of the bench's own with PostgreSQL's defaults.

Written as sync_service does it, cycle by cycle, every vehicle 30 s of each channel; then what would lower it, of the same rows:
a closed month with its index built anew and full, the month sorted by its key, BRIN in place of the unique index, an hour of a channel
as one row of arrays (lz4), and the files as zstd would have them (a file system that compresses, at best).

TELEHAUL_BENCH_DISK_HOURS: how much of the month is written (the bytes a row do not depend on it)."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

PROJECT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(PROJECT / "tests" / "harness"))

import postgres  # noqa: E402

HOURS = int(os.environ.get("TELEHAUL_BENCH_DISK_HOURS", "12"))
VEHICLES, CHANNELS, CYCLE_S = 4, 25, 30
MONTH_ROWS = CHANNELS * 86_400 * 30
SCHEMA = [(PROJECT / "migrations/central_postgres" / name).read_text() for name in ("0001_central.sql", "0002_fleet.sql")]
PART = "measurements_2026_02"

READINGS = """select v, c, t, case when random() < 0.001 then null else round((100 * sin(extract(epoch from t) / 600 + c)
              + random())::numeric, 2)::double precision end
              from generate_series(1, {vehicles}) v, generate_series(1, {channels}) c,
              generate_series({first}::timestamptz, {first}::timestamptz + interval '{seconds} s' - interval '1 s', '1 s') t"""


def write_cycles(database):
    readings = READINGS.format(vehicles=VEHICLES, channels=CHANNELS, first="first", seconds=CYCLE_S)
    cycles = HOURS * 3600 // CYCLE_S
    log = "select pg_current_wal_insert_lsn() - '0/0'"
    before = database.query(log)[0][0]
    database.query(f"""do $$ declare first timestamptz := '2026-02-01Z'; begin
        for cycle in 1 .. {cycles} loop
            insert into measurements {readings} order by 1, 2, 3;
            commit;
            first := first + interval '{CYCLE_S} s';
        end loop; end $$""")
    return int(database.query(log)[0][0] - before)


def heap_and_index(database, table):
    database.query(f"vacuum {table}")
    return database.query(f"select pg_table_size('{table}'), pg_indexes_size('{table}')")[0]


def file_bytes_packed(database, *relations):
    """By zstd -1, as they lie there."""
    database.query("checkpoint")
    total = 0
    for relation in relations:
        path = database.cluster.folder / "data" / database.query("select pg_relation_filepath(%s::regclass)", relation)[0][0]
        for piece in sorted(path.parent.glob(path.name + "*")):
            if piece.name == path.name or piece.name.startswith(path.name + "."):
                done = subprocess.run(["zstd", "-1", "-q", "-c", piece], stdout=subprocess.PIPE, check=True)
                total += len(done.stdout)
    return total


def variants(database):
    """what -> bytes of heap and index together."""
    index = f"{PART}_pkey"
    database.query(f"alter index {index} set (fillfactor = 100); reindex index {index}")
    heap, rebuilt = heap_and_index(database, PART)
    yield "the index of a closed month built anew and full (REINDEX, fillfactor 100)", heap + rebuilt
    yield "the files of that packed by zstd -1 (a compressing file system, at best)", file_bytes_packed(database, PART, index)
    yield "heap alone with BRIN on time: nothing keeps a reading from coming twice", heap + brin(database)
    database.query(f"create table sorted (like {PART}); insert into sorted select * from {PART} order by 1, 2, 3;"
                   "alter table sorted add primary key (vehicle_id, channel_id, time)")
    yield "sorted by the key", sum(heap_and_index(database, "sorted"))
    yield "the files of that packed by zstd -1", file_bytes_packed(database, "sorted", "sorted_pkey")
    database.query(f"""create table hours (vehicle_id integer, channel_id integer, hour timestamptz, offset_ms integer[],
        value double precision[], primary key (vehicle_id, channel_id, hour));
        alter table hours alter offset_ms set compression lz4, alter value set compression lz4;
        insert into hours select vehicle_id, channel_id, date_trunc('hour', time),
        array_agg((extract(epoch from time - date_trunc('hour', time)) * 1000)::integer order by time),
        array_agg(value order by time) from {PART} group by 1, 2, 3""")
    yield "an hour of a channel as one row of arrays (lz4)", sum(heap_and_index(database, "hours"))


def brin(database):
    database.query(f"create index by_time on {PART} using brin (time)")
    size = database.query("select pg_relation_size('by_time')")[0][0]
    database.query("drop index by_time")
    return size


def line(what, value):
    print(f"{what}: {value} bytes a reading", flush=True)
    return {"what": f"disk: {what}, bytes a reading", "value": value, "target": "", "better": "", "holds": True}


def measure(database):
    for script in SCHEMA:
        database.query(script)
    database.query("select fleet_make_month(2026, 2)")
    log = write_cycles(database)
    rows = database.query("select count(*) from measurements")[0][0]
    heap, index = heap_and_index(database, PART)
    print(f"{rows} readings of {VEHICLES} vehicles, {CHANNELS} channels, {HOURS} h, cycles of {CYCLE_S} s", flush=True)
    results = [line("heap", round(heap / rows, 1)), line("index", round(index / rows, 1)),
               line("heap and index", round((heap + index) / rows, 1)), line("log (WAL) while writing", round(log / rows, 1))]
    results += [line(what, round(size / rows, 1)) for what, size in variants(database)]
    month = (heap + index) / rows * MONTH_ROWS / 2**30
    print(f"a month of one vehicle ({MONTH_ROWS} readings): {month:.2f} GiB", flush=True)
    results.append({"what": "disk: a month of one vehicle of 25 channels at 1 Hz, GiB", "value": round(month, 2), "target": "",
                    "better": "", "holds": True})
    return results


def main():
    with tempfile.TemporaryDirectory() as folder:
        os.chmod(folder, 0o755)
        with postgres.running_cluster(folder, max_wal_size="4GB") as cluster, cluster.database() as database:
            results = measure(database)
    print(json.dumps({"results": results}))


if __name__ == "__main__":
    main()
