#!/usr/bin/python3
"""An export of a table in PostgreSQL over TLS into an archive, against what a user would run instead on the same table in
the same cluster (PostgreSQL's defaults): `psql -c "copy (select row_to_json ...) to stdout" | gzip -6`, both in order of
time. The table has an index on its time and the made-up vehicle's channels at 1 Hz.

TELEHAUL_BENCH_ROWS (2,160,000) and TELEHAUL_BENCH_ROUNDS (5) change the size. The ways take turns, so that a busy machine
slows all of them; figures are medians. Of each archive the lines are counted."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))

import postgres  # noqa: E402
import telehaul  # noqa: E402

ROWS = int(os.environ.get("TELEHAUL_BENCH_ROWS", "2160000"))
ROUNDS = int(os.environ.get("TELEHAUL_BENCH_ROUNDS", "5"))
TOOLS = pathlib.Path(os.environ.get("TELEHAUL_BENCH", telehaul.BIN.parent / "bench")).resolve()
TIMES_PSQL, MEMORY_MIB = 2, 16
MEMORY = "agent's memory during an export of a table: MiB more than idle"
TABLE = "plant.log(at, name, v)"
JSON_SQL = ("copy (select row_to_json(r) from (select at as time, name as channel, v as value from plant.log order by at) r) "
            "to stdout")
FILL = ("create schema plant; create table plant.log (at timestamptz, name text, v float8);"
        "create unlogged table came (time_us bigint, name text, v float8)")
_sources = itertools.count(2)


def fill(database, folder):
    """The rows of a store as the collector leaves it."""
    subprocess.run([TOOLS / "make_store", folder / "made", str(ROWS)], check=True, cwd=telehaul.PROJECT)
    database.query(FILL)
    rows = subprocess.Popen(["sqlite3", "-readonly", "-csv", folder / "made" / "telemetry.db",
                             "select time_us, name, value from readings join channels using (channel_id) order by seq"],
                            stdout=subprocess.PIPE)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.copy_expert("copy came from stdin (format csv)", rows.stdout, size=1 << 20)
    assert rows.wait() == 0
    database.query("insert into plant.log select to_timestamp(0) + time_us * interval '1 us', name, v from came")
    database.query("drop table came")
    database.query("create index on plant.log (at)")
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("vacuum analyze plant.log")
        cursor.execute("checkpoint")


class Bench:
    def __init__(self, folder, database):
        self.folder, self.database = folder, database
        self.keys = telehaul.Keys(folder)
        self.root = telehaul.Root(folder / "root", self.keys,
                                  config={"EXPORT_SOURCE": f'"{database.url}"', "EXPORT_TABLE": TABLE})
        self.agent = self.root.start_agent()

    @staticmethod
    def timed(argv, folder, archive, unpacker):
        """Seconds. archive: a pattern in the folder."""
        started = time.perf_counter()
        subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        packed, = folder.glob(archive)
        unpacked = subprocess.Popen([*unpacker, packed], stdout=subprocess.PIPE)
        lines = int(subprocess.run(["wc", "-l"], stdin=unpacked.stdout, check=True, capture_output=True).stdout)
        assert unpacked.wait() == 0 and lines == ROWS, (packed, lines)
        packed.unlink()
        return seconds

    def sync_client(self):
        home = self.folder / f"home-{next(_sources)}"
        return self.timed([telehaul.BIN / "sync_client", "--host", "127.0.0.1", "--port", str(self.root.agent_port),
                           "--client-id", "m", "--key", self.keys.private_file, "--data-storage", home, "--accept-new-host",
                           "yes", "--db", "none", "--quiet", "--bind", f"127.21.0.{next(_sources)}"], home / "m", "*.zst",
                          ["zstd", "-dcq"])

    def curl(self):
        """The same as gzip."""
        client = self.root.client(source=f"127.22.0.{next(_sources)}")
        client.log_in()
        return self.timed(["curl", "-sSkf", "-H", f"Authorization: Bearer {client.token}", "-o", self.folder / "ours.gz",
                           f"https://127.0.0.1:{self.root.agent_port}/data/export"], self.folder, "ours.gz",
                          ["gzip", "-dc"])

    def psql(self):
        return self.timed(["sh", "-ec", f'psql -XAqt "$0" -c "{JSON_SQL}" | gzip -6 > "$1"', self.database.url,
                           self.folder / "psql.gz"], self.folder, "psql.gz", ["gzip", "-dc"])

    def memory_mib(self):
        text = pathlib.Path(f"/proc/{self.agent.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", text).group(1)) / 1024

    def run(self):
        client = self.root.client()
        client.log_in()
        client.status()
        idle = self.memory_mib()
        ways = {"psql | gzip -6": self.psql, "sync_client (zstd)": self.sync_client, "curl (gzip)": self.curl}
        seconds = {name: [] for name in ways}
        for number in range(ROUNDS + 1):
            for name, way in ways.items():
                took = way()
                if number > 0:  # the first round only warms up
                    seconds[name].append(took)
        for name, each in seconds.items():
            print(f"{name:<18} {ROWS / statistics.median(each) / 1e6:6.2f} M rows/s   "
                  f"({', '.join(f'{second:.2f}' for second in each)} s)")
        psql, ours, _ = map(statistics.median, seconds.values())
        return psql / ours, self.memory_mib() - idle


def main():
    where = os.environ.get("TELEHAUL_BENCH_DIR")
    with tempfile.TemporaryDirectory(dir=where) as name, postgres.running_cluster(where) as cluster, \
            cluster.database() as database, contextlib.ExitStack() as stack:
        folder = pathlib.Path(name)
        fill(database, folder)
        bench = Bench(folder, database)
        stack.callback(bench.root.clear)
        times, memory = bench.run()
    print(json.dumps({"results": [
        {"what": "export of a PostgreSQL table: times psql row_to_json | gzip -6", "value": round(times, 2),
         "target": TIMES_PSQL, "better": "higher", "holds": times >= TIMES_PSQL},
        {"what": MEMORY, "value": round(memory, 1), "target": MEMORY_MIB, "better": "lower", "holds": memory <= MEMORY_MIB},
    ]}))


if __name__ == "__main__":
    main()
