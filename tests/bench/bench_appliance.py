#!/usr/bin/python3
"""What the whole appliance costs at 200 channels and 1 Hz: CPU of one core and memory over all its processes.

Memory is the proportional set size (PSS), so that pages shared between the processes count once."""

import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))

import telehaul  # noqa: E402
from telehaul import wait_until  # noqa: E402

SECONDS = int(os.environ.get("TELEHAUL_BENCH_SECONDS", "60"))
TICKS = os.sysconf("SC_CLK_TCK")


def tree(root):
    """Pids of everything that runs on this ROOT."""
    pids = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if str(root.path).encode() in (entry / "cmdline").read_bytes().split(b"\0"):
                    pids.append(int(entry.name))
            except OSError:
                pass
    return sorted(set(pids) - {os.getpid()})


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def pss_bytes(pid):
    for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = telehaul.Root(pathlib.Path(folder) / "root", telehaul.Keys(folder), inputs=["drive channels=200"])
        watchdog = telehaul.Program([root.path / "boot" / "start"], pathlib.Path(folder) / "watchdog.log")
        try:
            wait_until(lambda: root.readings() > 400, "the first readings")
            pids = tree(root)
            first_seq = root.query("select max(seq) from readings")[0][0]
            before, started = {pid: cpu_s(pid) for pid in pids}, time.monotonic()
            memory = []
            while time.monotonic() - started < SECONDS:
                memory.append(sum(map(pss_bytes, pids)))
                time.sleep(1)
            seconds = time.monotonic() - started
            cpu = {pid: (cpu_s(pid) - before[pid]) / seconds * 100 for pid in pids}
            rows = root.query("select max(seq) from readings")[0][0] - first_seq
            assert tree(root) == pids, "a process came or went during the measurement"
            assert rows >= 200 * (seconds - 2), f"only {rows} readings in {seconds:.0f} s"
        finally:
            watchdog.stop()
    print(f"{len(pids)} processes, {rows} readings in {seconds:.0f} s")
    percent, mebibytes = sum(cpu.values()), statistics.median(memory) / 2**20
    print(json.dumps({"results": [
        {"what": "whole appliance, 200 channels at 1 Hz: CPU of one core, %", "value": round(percent, 2), "target": 2,
         "better": "lower", "holds": percent <= 2},
        {"what": "the same: memory (PSS of all processes), MiB", "value": round(mebibytes, 1), "target": 48,
         "better": "lower", "holds": mebibytes <= 48}]}))


if __name__ == "__main__":
    main()
