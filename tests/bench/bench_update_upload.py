#!/usr/bin/python3
"""Delivering an update of 256 MiB over loopback TLS with sync_client, against `curl -T` of the same file to the same HTTP server
with a handler that throws the bytes away; and what it costs the agent in memory.

TELEHAUL_BENCH_ROUNDS (5) and TELEHAUL_BENCH_UPDATE_MIB (256) change the size. Both ways take turns, so that a busy machine slows
both; figures are medians."""

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

import telehaul  # noqa: E402
from packages import Package  # noqa: E402
from update_client import Queue  # noqa: E402

MIB = 1024 * 1024
SIZE_MIB = int(os.environ.get("TELEHAUL_BENCH_UPDATE_MIB", "256"))
ROUNDS = int(os.environ.get("TELEHAUL_BENCH_ROUNDS", "5"))
FILES = 500
TOOLS = telehaul.BIN.parent / "test-tools"
_sources = itertools.count(2)


def make_package(folder, keys, mib, name):
    """Bytes that do not shrink, stored: as a package of pictures and programs would be."""
    size = mib * MIB // FILES
    package = Package(keys, version="1.1.0", files={f"share/{number}": os.urandom(size) for number in range(FILES)})
    package.method = 0
    return package.write(folder / name)


class Sink:
    """The same server, which throws away what it takes."""

    def __init__(self):
        self.process = subprocess.Popen([TOOLS / "http_test_server", "--tls", "--bind", "127.0.0.1"], stdout=subprocess.PIPE,
                                        text=True)
        self.port = int(re.search(r"port (\d+)", self.process.stdout.readline()).group(1))

    def take(self, path):
        """Seconds for the whole, the connection included."""
        done = subprocess.run(["curl", "-sS", "-k", "--http1.1", "-T", path, f"https://127.0.0.1:{self.port}/discard", "-w",
                               " %{time_total} %{http_code}"], capture_output=True, text=True, check=True)
        taken, seconds, status = done.stdout.split()
        assert (int(taken), status) == (path.stat().st_size, "200"), done
        return float(seconds)

    def stop(self):
        self.process.terminate()
        self.process.wait()


class Machine:
    def __init__(self, folder, keys):
        self.folder, self.keys = folder, keys
        self.root = telehaul.Root(folder / "root", keys)
        self.agent = self.root.start_agent()

    def deliver(self, path):
        """Seconds until everything had left, and until it was verified and queued."""
        Queue(self.root.path).clear()
        source = f"127.21.0.{next(_sources)}"
        done = telehaul.run("sync_client", "--host", "127.0.0.1", "--port", self.root.agent_port, "--client-id", "bench", "--key",
                            self.keys.private_file, "--data-storage", self.folder / "home", "--accept-new-host", "yes", "--bind",
                            source, "--db", "none", "--update", path, "--json")
        update = json.loads(done.stdout)["update"]
        assert update["outcome"] == "queued", done
        return update["sending_seconds"], update["seconds"]

    def peak_kib(self):
        status = pathlib.Path(f"/proc/{self.agent.pid}/status").read_text()
        return int(re.search(r"VmHWM:\s+(\d+) kB", status).group(1))


def measure(folder):
    keys = telehaul.Keys(folder)
    machine, sink = Machine(folder, keys), Sink()
    try:
        machine.deliver(make_package(folder, keys, 1, "small.zip"))  # what a session of any size costs
        idle = machine.peak_kib()
        path = make_package(folder, keys, SIZE_MIB, "large.zip")
        ours, whole, theirs = [], [], []
        for _ in range(ROUNDS):
            theirs.append(sink.take(path))
            sent, verified = machine.deliver(path)
            ours.append(sent)
            whole.append(verified)
        return ours, whole, theirs, (machine.peak_kib() - idle) / 1024
    finally:
        sink.stop()
        machine.root.clear()


def result(what, value, target, better):
    holds = value >= target if better == "higher" else value <= target
    return {"what": what, "value": round(value, 2), "target": target, "better": better, "holds": holds}


def main():
    os.sync()  # what an earlier bench wrote is no load of this one
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="telehaul-bench-") as folder:
        ours, whole, theirs, memory_mib = measure(pathlib.Path(folder))
    for name, seconds in {"sync_client to agent": ours, "the same with verification and fsync": whole, "curl -T": theirs}.items():
        median = statistics.median(seconds)
        print(f"{name:<38} {median:6.2f} s  {SIZE_MIB / median:7.1f} MiB/s   ({min(seconds):.2f} to {max(seconds):.2f})")
    print(f"{time.monotonic() - started:.0f} s in all")
    ratio = statistics.median(theirs) / statistics.median(ours)
    print(json.dumps({"results": [
        result(f"an update of {SIZE_MIB} MiB over TLS to the agent's disk: times curl -T to nowhere", ratio, 0.8, "higher"),
        result("the same: the agent's memory, MiB more than idle", memory_mib, 16, "lower"),
    ]}))


if __name__ == "__main__":
    main()
