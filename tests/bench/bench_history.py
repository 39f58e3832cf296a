#!/usr/bin/python3
"""GET /api/history of a month of one channel at 1 Hz in 800 points, while the collector writes 25 channels at 1 Hz.

The month's readings are made up (a wave with one spike) and written into a real store before the collector starts; the
collector then makes its roll-ups of them as of any others."""

import json
import pathlib
import random
import sqlite3
import statistics
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))

import httpx  # noqa: E402
import telehaul  # noqa: E402
from telehaul import wait_until  # noqa: E402

ROWS = 30 * 24 * 3600
QUERIES, POINTS, SPIKE = 200, 800, 1_000_000
FILL = """
    with recursive n(i) as (select 0 union all select i + 1 from n where i + 1 < :rows)
    insert into readings (seq, time_us, channel_id, value)
    select :seq + i, :start_us + i * 1000000, 1000, case i when :spike then 99999 else (i % 1800) / 7.0 end from n"""


def make_month(root):
    """A month of `probe`, the newest reading a minute ago."""
    collector = root.start_collector()
    collector.stop()
    db = sqlite3.connect(root.store_file(), isolation_level=None)
    start_us = int((time.time() - 60 - ROWS) * 1e6)
    seq = db.execute("select value from meta where key = 'next_seq'").fetchone()[0]
    db.execute("begin")
    db.execute("insert into channels values (1000, 'probe', 'V', null, null, 'made up for this measurement')")
    db.execute(FILL, {"rows": ROWS, "seq": seq, "start_us": start_us, "spike": SPIKE})
    db.execute("update meta set value = ? where key = 'next_seq'", [seq + ROWS])
    db.execute("commit")
    db.close()
    return start_us


def rfc3339(time_s):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time_s))


def ask(client, start_us, shift_s):
    begin_s = start_us / 1e6 + shift_s
    started = time.perf_counter()
    answer = client.get("/api/history", params={"channel": "probe", "from": rfc3339(begin_s),
                                                "to": rfc3339(begin_s + ROWS), "points": POINTS})
    elapsed_ms = (time.perf_counter() - started) * 1000
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert POINTS / 2 < len(body["t"]) <= POINTS and max(body["max"]) == 99999, "the spike must be seen"
    return elapsed_ms


def main():
    with tempfile.TemporaryDirectory() as folder:
        root = telehaul.Root(pathlib.Path(folder) / "root", telehaul.Keys(folder), inputs=["drive"],
                             config={"RETENTION_DAYS": 60})
        start_us = make_month(root)
        month_seq = root.query("select max(seq) from readings")[0][0]
        collector = root.start("collector")
        started = time.monotonic()
        wait_until(lambda: int((root.query("select value from meta where key = 'rollup_seq'") or [[0]])[0][0]) >= month_seq,
                   "the roll-ups", 600)
        caught_up_s = time.monotonic() - started
        portal = root.start("portal")
        wait_until(lambda: telehaul.listens(root.portal_port), "the portal")
        before = root.query("select max(seq) from readings")[0][0]
        with httpx.Client(base_url=f"http://127.0.0.1:{root.portal_port}", headers={"X-Config-Pin": root.pin},
                          timeout=60) as client:
            times = [ask(client, start_us, random.randrange(-3600, 3600)) for _ in range(QUERIES)]
        wait_until(lambda: root.query("select max(seq) from readings")[0][0] > before, "readings written meanwhile")
        rolled = root.query("select count(*) from rollups where channel_id = 1000")[0][0]
        portal.stop()
        collector.stop()
    p95 = statistics.quantiles(times, n=20)[-1]
    print(f"{ROWS:,} readings of the channel in {rolled:,} roll-ups, made in {caught_up_s:.0f} s beside the measuring; "
          f"median {statistics.median(times):.1f} ms, p95 {p95:.1f} ms, worst {max(times):.1f} ms")
    print(json.dumps({"results": [{"what": f"/api/history of a month at 1 Hz, {POINTS} points: p95, ms",
                                   "value": round(p95, 1), "target": 150, "better": "lower", "holds": p95 < 150}]}))


if __name__ == "__main__":
    main()
