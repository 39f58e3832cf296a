"""The collector's roll-ups against a fold of the readings in Python, also when it is killed again and again."""

import collections
import random

from telehaul import wait_until

STRETCH_US = 30_000_000


def folded_seq(root):
    found = root.query("select value from meta where key = 'rollup_seq'")
    return int(found[0][0]) if found else 0


def fold(root, until_seq):
    expected = collections.defaultdict(list)
    for channel, time_us, value in root.query("select channel_id, time_us, value from readings where seq <= ?", until_seq):
        expected[channel, time_us // STRETCH_US * STRETCH_US].append(value)
    return {key: (min(values), max(values)) for key, values in expected.items()}


def stored(root):
    return {(channel, start): (low, high)
            for channel, start, low, high in root.query("select channel_id, start_us, min, max from rollups")}


def test_roll_ups_are_what_the_readings_are(make_root):
    root = make_root(inputs=["drive channels=50 rate=20"])
    written = 0
    for _ in range(5):
        collector = root.start_collector()
        wait_until(lambda seq=written: folded_seq(root) >= seq, "a fold of what the last run wrote")
        wait_until(lambda more=root.readings() + 900 + random.randrange(200): root.readings() > more, "readings for another")
        collector.kill()
        written = root.readings()
    seq = folded_seq(root)
    assert seq > 1000
    assert stored(root) == fold(root, seq)
