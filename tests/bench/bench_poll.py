#!/usr/bin/python3
"""/status of 10,000 vehicles from one process over TLS, each on a connection that is kept, against 1,000 vehicles of the same
farm. The vehicles are made up: one process at 127.64.0.1 and what follows. Both are polled in turn, several times over,
and the middle figure counts: the farm shares the machine's cores with whoever polls it."""

import json
import pathlib
import statistics
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))

import telehaul  # noqa: E402
from farm import Farm  # noqa: E402

FEW, MANY, ROUNDS, SECONDS = 1_000, 10_000, 3, 6
RATIO, MAX_KB = 0.7, 64


def poll(farm, count):
    """Connects to all, then polls them in turn, 200 at once."""
    done = subprocess.run([telehaul.BIN.parent / "bench" / "poll_fleet", "--cert", farm.folder / "cert.pem", "--tls-port",
                           str(farm.tls_port), "--count", str(count), "--seconds", str(SECONDS)],
                          stdout=subprocess.PIPE, text=True, check=True, timeout=600)
    figures = json.loads(done.stdout)
    print(f"{count} vehicles: {figures['polls_s']} polls/s, {figures['cpu_us']} us of CPU each, {figures['kb']} KB a vehicle, "
          f"{figures['connects_s']} new connections/s", flush=True)
    assert figures["reused"] > 0.999, f"connections were not kept: {figures}"
    return figures


def main():
    with tempfile.TemporaryDirectory() as folder:
        farm = Farm(folder, MANY, channels=1, tls=True).start()
        try:
            rounds = [(poll(farm, FEW), poll(farm, MANY)) for _ in range(ROUNDS)]
        finally:
            farm.stop()
    few, many = (statistics.median(pair[i]["polls_s"] for pair in rounds) for i in range(2))
    kb = max(pair[1]["kb"] for pair in rounds)
    print(json.dumps({"results": [
        {"what": f"polling {MANY} vehicles' /status over TLS, polls/s against {FEW} vehicles", "value": round(many / few, 2),
         "target": RATIO, "better": "higher", "holds": many / few >= RATIO},
        {"what": "the same: memory a vehicle, KB", "value": kb, "target": MAX_KB, "better": "lower", "holds": kb <= MAX_KB}]}))


if __name__ == "__main__":
    main()
