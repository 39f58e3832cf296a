#!/usr/bin/python3
"""An export of one vehicle-day over TLS into an archive, against what a user would run instead, on the same rows; what
it costs the agent in memory; and whether silent connections slow others down.

TELEHAUL_BENCH_ROWS (2,160,000) and TELEHAUL_BENCH_ROUNDS (5) change the size. The ways take turns, so that a busy
machine slows all of them; figures are medians."""

import contextlib
import itertools
import json
import os
import pathlib
import re
import ssl
import socket
import statistics
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))

import telehaul  # noqa: E402
from telehaul import wait_until  # noqa: E402

ROWS = int(os.environ.get("TELEHAUL_BENCH_ROWS", "2160000"))
ROUNDS = int(os.environ.get("TELEHAUL_BENCH_ROUNDS", "5"))
SEED_ROUNDS = min(ROUNDS, 2)  # half a minute each
TOOLS = pathlib.Path(os.environ.get("TELEHAUL_BENCH", telehaul.BIN.parent / "bench")).resolve()
CONNECTION_ROUNDS = 4 * ROUNDS  # many short ones
CONNECTION_SECONDS = 0.3
NOISE = 0.95  # "no slower", with a little for a shared machine
_sources = itertools.count(2)


def new_source():
    """An address for each session, for the rate limit's sake."""
    number = next(_sources)
    return f"127.20.{number // 250}.{number % 250 + 1}"


def timed(argv, **more):
    started = time.perf_counter()
    subprocess.run(list(map(str, argv)), check=True, stdin=subprocess.DEVNULL, **more)
    return time.perf_counter() - started


class Bench:
    def __init__(self, folder):
        self.folder = folder
        self.keys = telehaul.Keys(folder)
        self.root = telehaul.Root(folder / "root", self.keys)
        subprocess.run([TOOLS / "make_store", self.root.path / "data", str(ROWS)], check=True, cwd=telehaul.PROJECT)
        self.store = self.root.store_file()
        self.agent = self.root.start_agent()
        self.seed = None
        self.archive = None
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.tls.check_hostname, self.tls.verify_mode = False, ssl.CERT_NONE

    # ---- the ways ----

    def sync_client(self):
        home = self.folder / f"home-{next(_sources)}"
        seconds = timed([telehaul.BIN / "sync_client", "--host", "127.0.0.1", "--port", self.root.agent_port, "--client-id",
                         "m", "--key", self.keys.private_file, "--data-storage", home, "--accept-new-host", "yes", "--db",
                         "none", "--quiet", "--bind", new_source()], stdout=subprocess.DEVNULL)
        self.archive, = (home / "m").glob("*Z.zst")
        return seconds

    def start_seed(self):
        port = telehaul.free_port()
        self.seed = telehaul.Program(["/usr/bin/python3", pathlib.Path(__file__).with_name("seed_stack.py"), self.store, port,
                                      self.root.path / "agent" / "cert.pem", self.root.path / "agent" / "key.pem"],
                                     self.folder / "seed.log")
        wait_until(lambda: telehaul.listens(port) or not self.seed.running(), "the seed's stack")
        assert self.seed.running(), self.seed.output()
        self.seed_url = f"https://127.0.0.1:{port}/data/export"

    def seed_stack(self):
        return timed(["curl", "-sSkf", "-o", self.folder / "seed.gz", self.seed_url])

    def shell(self):
        with open(self.folder / "shell.gz", "wb") as out:
            return timed(["sh", "-c", f"sqlite3 -readonly -json '{self.store}' 'select r.seq, r.time_us, c.name, r.value from "
                          "readings r join channels c using (channel_id)' | gzip -6"], stdout=out)

    def scan(self):
        out = subprocess.run([TOOLS / "scan", self.store], check=True, capture_output=True, text=True).stdout.split()
        assert int(out[0]) == ROWS
        return float(out[1])

    def speeds(self):
        self.start_seed()
        ways = {"sync_client": self.sync_client, "scan": self.scan, "sqlite3 | gzip": self.shell, "seed's stack": self.seed_stack}
        seconds = {name: [] for name in ways}
        for number in range(ROUNDS + 1):
            for name, way in ways.items():
                slow = name == "seed's stack"
                if number > 0 or not slow:
                    if not slow or number <= SEED_ROUNDS:
                        took = way()
                        if number > 0:  # the first round only warms up
                            seconds[name].append(took)
        self.seed.stop(expect=None)
        for name, each in seconds.items():
            print(f"{name:<16} {ROWS / statistics.median(each) / 1e6:8.2f} M rows/s   "
                  f"({', '.join(f'{second:.2f}' for second in each)} s)")
        return {name: ROWS / statistics.median(each) for name, each in seconds.items()}

    # ---- bytes and memory ----

    def of_gzip6(self, packed, unpacker):
        """Its bytes, of those that gzip -6 makes of the same lines."""
        with open(self.folder / "gzip6.gz", "wb") as out:
            subprocess.run(["bash", "-eo", "pipefail", "-c", f'{unpacker} "$0" | gzip -6', packed], stdout=out, check=True)
        ours, theirs = packed.stat().st_size, (self.folder / "gzip6.gz").stat().st_size
        print(f"{packed.suffix[1:]}: {ours / ROWS:.2f} bytes a row, gzip -6 {theirs / ROWS:.2f}")
        return ours / theirs

    def gzip_export(self):
        client = telehaul.AgentClient(self.root.agent_port, self.keys, source=new_source())
        client.log_in()
        timed(["curl", "-sSkf", "-H", f"Authorization: Bearer {client.token}", "-H", "Accept: application/gzip", "-o",
               self.folder / "ours.gz", f"https://127.0.0.1:{self.root.agent_port}/data/export"])
        return self.folder / "ours.gz"

    def bytes_a_row(self):
        return {"zstd": self.of_gzip6(self.archive, "zstd -dcq"), "gzip": self.of_gzip6(self.gzip_export(), "gzip -dc")}

    def memory(self, field):
        text = pathlib.Path(f"/proc/{self.agent.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", text).group(1)) / 1024

    def memory_of_an_export(self):
        self.agent.stop()
        self.agent = self.root.start_agent()
        client = self.root.client()
        client.log_in()
        client.status()
        idle = self.memory("VmHWM")
        for _ in range(3):
            self.sync_client()
        peak = self.memory("VmHWM")
        print(f"agent: {idle:.1f} MiB idle, {peak:.1f} MiB at most during exports")
        return peak - idle

    # ---- idle connections ----

    def connection(self, source):
        plain = socket.socket()
        plain.bind((source, 0))
        plain.connect(("127.0.0.1", self.root.agent_port))
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return self.tls.wrap_socket(plain)

    @staticmethod
    def ask(connection, target="/auth/challenge", token=""):
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        answer = b""
        while not answer.endswith(b"}"):
            piece = connection.recv(65536)
            assert piece, "the agent closed a connection"
            answer += piece
        assert b" 200 OK" in answer[:20], answer

    def requests_a_second(self, connection, *what):
        count, started = 0, time.perf_counter()
        while time.perf_counter() - started < CONNECTION_SECONDS:
            self.ask(connection, *what)
            count += 1
        return count / (time.perf_counter() - started)

    def idle_connections(self):
        """Each has asked once and then says nothing; one more asks for /status as fast as it can. Of the challenge, which
        costs next to nothing, the figures are only shown: they are what polling so many descriptors costs."""
        client = telehaul.AgentClient(self.root.agent_port, self.keys, source=new_source())
        client.log_in()
        rates = {count: ([], []) for count in (127, 128, 256)}
        for _ in range(CONNECTION_ROUNDS):
            with contextlib.ExitStack() as stack:
                busy = stack.enter_context(self.connection(new_source()))
                count, source = 0, None
                for wanted, (status, challenge) in rates.items():
                    for count in range(count + 1, wanted + 1):
                        source = new_source() if count % 50 == 1 or source is None else source
                        self.ask(stack.enter_context(self.connection(source)))
                    status.append(self.requests_a_second(busy, "/status", client.token))
                    challenge.append(self.requests_a_second(busy))
        for number, name in enumerate(["/status", "/auth/challenge"]):
            print(f"requests/s of {name} at idle connections: " +
                  ", ".join(f"{count}: {statistics.median(rate[number]):.0f}" for count, rate in rates.items()))
        first = rates[127][0]  # compared within a round, so that what else the machine does counts less
        return {count: statistics.median(now / then for now, then in zip(rate[0], first)) for count, rate in rates.items()}


def result(what, value, target, better="higher"):
    holds = value >= target if better == "higher" else value <= target
    return {"what": what, "value": round(value, 2), "target": target, "better": better, "holds": holds}


def main():
    with tempfile.TemporaryDirectory(dir=os.environ.get("TELEHAUL_BENCH_DIR")) as folder:
        bench = Bench(pathlib.Path(folder))
        try:
            speed = bench.speeds()
            ratios = bench.bytes_a_row()
            memory = bench.memory_of_an_export()
            rates = bench.idle_connections()
        finally:
            bench.root.clear()
            if bench.seed is not None and bench.seed.running():
                bench.seed.kill()
    ours = speed["sync_client"]
    print(json.dumps({"results": [
        result("sync_client's export: times the rows/s of the source document's stack", ours / speed["seed's stack"], 20),
        result("the same: times sqlite3 -json | gzip -6", ours / speed["sqlite3 | gzip"], 5),
        result("the same: of a bare scan", ours / speed["scan"], 0.4),
        result("bytes a row of the zstd export: of gzip -6", ratios["zstd"], 0.95, "lower"),
        result("bytes a row of the gzip export: of gzip -6", ratios["gzip"], 1.3, "lower"),
        result("agent's memory during an export: MiB more than idle", memory, 16, "lower"),
        result("requests/s at 128 idle connections: of those at 127", rates[128], NOISE),
        result("requests/s at 256 idle connections: of those at 127", rates[256], NOISE)]}))


if __name__ == "__main__":
    main()
