#!/usr/bin/python3
"""The input `lines`, from a socket into the store, with the collector on ONE core: 100,000 points/s for a minute, then as fast
as it takes them. The sender is made up, and says so: 50 lines of 10 fields a batch (500 series), as Telegraf's
socket_writer sends them, one time a batch; it runs on another core."""

import json
import os
import pathlib
import socket
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))

import telehaul  # noqa: E402
from bench_appliance import cpu_s, pss_bytes  # noqa: E402
from telehaul import wait_until  # noqa: E402

SECONDS = int(os.environ.get("TELEHAUL_BENCH_SECONDS", "60"))
LIMIT_SECONDS = max(10, SECONDS // 4)
WARM_UP_S = 5
WANTED = 100_000
PACE = 105_000  # points/s: a little above, because the last points are waited for up to a tick
LINES, FIELDS = 50, 10
POINTS = LINES * FIELDS
CORE, SENDERS_CORE = 0, 1
TIME = b"T" * 19


def batches():
    """Some batches whose values differ; TIME stands for their time."""
    made = []
    for k in range(20):
        lines = []
        for i in range(LINES):
            values = ",".join(f"usage_{j}={(k * 7 + i * 3 + j * 13) % 10000 / 100}" for j in range(FIELDS))
            lines.append(f"made_up,cpu=cpu{i},host=bench {values} ".encode() + TIME + b"\n")
        made.append(b"".join(lines))
    return made


def stored(root):
    """Points by the highest seq; the exact count comes at the end."""
    return root.query("select ifnull(max(seq), 0) from readings")[0][0]


class Sender:
    def __init__(self, port):
        self.batches = batches()
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.sent = 0

    def send(self):
        batch = self.batches[self.sent // POINTS % len(self.batches)]
        self.socket.sendall(batch.replace(TIME, b"%d" % time.time_ns()))
        self.sent += POINTS

    def pace(self, seconds, each_second):
        """PACE points/s: who falls behind sends at once."""
        started = time.monotonic()
        first, next_look = self.sent, 1
        while (passed := time.monotonic() - started) < seconds:
            if passed >= next_look:
                next_look += 1
                each_second()
            ahead = (self.sent - first) / PACE - passed
            if ahead > 0:
                time.sleep(ahead)
            self.send()

    def blast(self, seconds):
        started = time.monotonic()
        while time.monotonic() - started < seconds:
            self.send()


def run(root, port):
    collector = root.start("collector", binary=telehaul.BIN / "collector")
    os.sched_setaffinity(collector.pid, {CORE})
    os.sched_setaffinity(0, {SENDERS_CORE})
    wait_until(lambda: telehaul.listens(port), "the port")
    sender = Sender(port)
    sender.pace(WARM_UP_S, lambda: None)
    wait_until(lambda: stored(root) >= sender.sent, "the warm-up")
    first, started, cpu = sender.sent, time.monotonic(), cpu_s(collector.pid)
    memory = [pss_bytes(collector.pid)]
    sender.pace(SECONDS, lambda: memory.append(pss_bytes(collector.pid)))
    wait_until(lambda: stored(root) >= sender.sent, "the last point", every_s=0.005)
    seconds = time.monotonic() - started
    rate = (sender.sent - first) / seconds
    busy = (cpu_s(collector.pid) - cpu) / seconds * 100
    print(f"{sender.sent - first} points in {seconds:.1f} s, {busy:.0f} % of one core, "
          f"memory {memory[0] / 2**20:.1f} MiB at the beginning, {max(memory) / 2**20:.1f} at most, {memory[-1] / 2**20:.1f} at the end")

    first, started, cpu, own_cpu = sender.sent, time.monotonic(), cpu_s(collector.pid), time.process_time()
    sender.blast(LIMIT_SECONDS)
    wait_until(lambda: stored(root) >= sender.sent, "the last point", deadline_s=120, every_s=0.005)
    seconds = time.monotonic() - started
    limit = (sender.sent - first) / seconds
    busy = (cpu_s(collector.pid) - cpu) / seconds * 100
    own_busy = (time.process_time() - own_cpu) / seconds * 100
    print(f"as fast as it goes: {sender.sent - first} points in {seconds:.1f} s, {busy:.0f} % of one core, the sender {own_busy:.0f} % of"
          " another; what is missing to 100 % is the disk's, or other programs'")
    sender.socket.close()
    collector.stop(deadline_s=60)
    [(count, series)] = root.query("select count(*), (select count(*) from channels) from readings")
    assert series == POINTS, f"{series} series in the store, {POINTS} were sent"
    return rate, sender.sent - count, (max(memory) - memory[0]) / 2**20, limit


def main():
    port = telehaul.free_port()
    with tempfile.TemporaryDirectory() as folder:
        root = telehaul.Root(pathlib.Path(folder) / "root", telehaul.Keys(folder),
                             inputs=[f"lines listen=127.0.0.1:{port}"])
        try:
            rate, lost, grown, limit = run(root, port)
        finally:
            root.clear()
    print(json.dumps({"results": [
        {"what": f"lines input, one core, {SECONDS} s into the store: points/s", "value": round(rate), "target": WANTED,
         "better": "higher", "holds": rate >= WANTED},
        {"what": "the same: points lost", "value": lost, "target": 0, "better": "lower", "holds": lost == 0},
        {"what": "the same: memory at most above its beginning, MiB", "value": round(grown, 1), "target": 4, "better": "lower",
         "holds": grown <= 4},
        {"what": "lines input, one core: the limit, points/s", "value": round(limit), "target": WANTED, "better": "higher",
         "holds": limit >= WANTED}]}))


if __name__ == "__main__":
    main()
