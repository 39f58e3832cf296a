"""Alarms of the collector: what it raises and ends is compared with a second judge over the readings in the store."""

import contextlib
import json
import random
import socket
import sqlite3
import time

import pytest
import telehaul
from telehaul import wait_until

# Made-up channels that cross their limits often in their first second: a wave and noise, with and without hysteresis.
FLAPPING = {
    "cabin_temp": {"alarm_high": 20.9, "hysteresis": 0.1, "severity": "info"},
    "cabin_temp_2": {"alarm_high": 20.8},
    "cabin_temp_3": {"alarm_low": 20.7, "alarm_high": 20.9, "hysteresis": 0.05},
    "battery_voltage": {"alarm_low": 14.08, "alarm_high": 14.1, "hysteresis": 0.01, "severity": "critical"},
    "battery_voltage_2": {"alarm_low": 13.82},
    "engine_load": {"alarm_high": 72.7, "hysteresis": 0.1},
    "brake_pressure_2": {"alarm_low": 0},
    "steering_angle": {"alarm_high": -3, "hysteresis": 0.2},
    "oil_temp_4": {"alarm_high": 18},
    "gear_2": {"alarm_high": 3},
}


def channel_line(name, limits):
    return " ".join([f'"{name}"' if "=" in name else name, *(f"{key}={value}" for key, value in limits.items())])


def judge(readings, limits):
    """(side, raised, ended or None) of every crossing, from (time, value) in order of seq."""
    low, high, back = limits.get("alarm_low"), limits.get("alarm_high"), limits.get("hysteresis", 0)
    open_since, found = {}, []
    for time_us, value in readings:
        if value is None:
            continue
        for side, over, clear in (("low", low is not None and value <= low, low is None or value > low + back),
                                  ("high", high is not None and value >= high, high is None or value < high - back)):
            if side in open_since and clear:
                found.append((side, open_since.pop(side), time_us))
            elif side not in open_since and over:
                open_since[side] = time_us
    return sorted(found + [(side, since, None) for side, since in open_since.items()], key=lambda one: one[1])


def readings_of(root, name):
    return root.query("select time_us, value from readings join channels using (channel_id) where name = ? order by seq",
                      name)


def alarms_of(root, name):
    return root.query("select side, raised_us, resolved_us from alarms join channels using (channel_id) where name = ?"
                      " order by raised_us, alarm_id", name)


def health(root):
    return json.loads((root.path / "run" / "collector.json").read_text())


class Feed:
    """A program that sends readings to the input `lines`, with times of its own."""

    def __init__(self, root, port):
        self.root = root
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=telehaul.DEADLINE_S)

    def send(self, *points, wait=True):
        """(channel's field, value, time in us) at once; waits until the store has them all."""
        before = self.root.readings()
        text = "".join(f"m {field}={value} {time_us}\n" for field, value, time_us in points)
        self.socket.sendall(text.encode())
        if wait:
            wait_until(lambda: self.root.readings() >= before + len(points), "the readings that were sent")


@pytest.fixture
def fed(make_root):
    """A collector that measures nothing but what a test sends; fed(CHANNEL lines) -> root, feed."""
    port = telehaul.free_port()

    def start(*channels, root=None):
        root = root or make_root(inputs=[f"lines listen=127.0.0.1:{port} precision=us"],
                                 config={"SAMPLE_INTERVAL_MS": 50})
        root.repeat("CHANNEL", channels)
        root.collector = root.start("collector")
        wait_until(lambda: telehaul.listens(port) or not root.collector.running(), "the input's port")
        assert root.collector.running(), root.collector.output()
        return root, Feed(root, port)
    return start


NOW = time.time_ns() // 1000
HOT = "m.temp unit=°C alarm_high=100 hysteresis=5 severity=critical"


def test_kill_9_loses_no_alarm_and_doubles_none(make_root):
    root = make_root(inputs=["drive channels=200 rate=20"], config={"SAMPLE_INTERVAL_MS": 50})
    root.repeat("CHANNEL", [channel_line(name, limits) for name, limits in FLAPPING.items()])
    choice = random.Random(3)
    for _ in range(10):
        collector = root.start_collector()
        seen = root.query("select max(seq) from readings")[0][0]
        wait_until(lambda seen=seen: root.query("select max(seq) from readings")[0][0] > seen + 6000, "more readings")
        time.sleep(choice.random() * 0.1)  # the moment of the kill, not a wait for anything
        collector.kill()
    assert root.query("pragma integrity_check")[0][0] == "ok"
    crossings = {}
    for name, limits in FLAPPING.items():
        crossings[name] = judge(readings_of(root, name), limits)
        assert alarms_of(root, name) == crossings[name], name
    assert sum(map(len, crossings.values())) > 100 and min(map(len, crossings.values())) >= 1, "they did flap"
    assert root.query("select count(*) from alarms")[0][0] == sum(map(len, crossings.values()))
    seqs = root.query("select seq from readings union all select seq from alarms order by 1")
    assert len({seq for (seq,) in seqs}) == len(seqs), "one seq was given twice"
    assert root.query("select value from meta where key = 'next_seq'")[0][0] == seqs[-1][0] + 1


def test_an_alarm_from_its_raise_to_its_end(fed):
    root, feed = fed(HOT)
    feed.send(("temp", 99.9, NOW))
    assert root.query("select count(*) from alarms") == [(0,)]
    feed.send(("temp", 104.2, NOW + 1))
    row = root.query("select alarm_id, channel_id, severity, message, raised_us, resolved_us, side from alarms")
    channel_id = root.query("select channel_id from channels where name = 'm.temp'")[0][0]
    assert row == [(NOW + 1, channel_id, "critical", "m.temp is 104.2 °C, above its limit of 100 °C", NOW + 1, None,
                    "high")]
    raised_seq = root.query("select seq from alarms")[0][0]
    assert wait_until(lambda: health(root)["alarms"]["open"], "the report") == 1
    assert health(root)["alarms"] == {"open": 1, "worst": "critical", "lost": 0}
    feed.send(("temp", 95, NOW + 2_000_000))  # not yet below 100 - 5
    assert root.query("select resolved_us from alarms") == [(None,)]
    feed.send(("temp", 94.9, NOW + 3_000_001))
    seq, resolved = root.query("select seq, resolved_us from alarms")[0]
    assert resolved == NOW + 3_000_001 and seq > raised_seq
    assert seq == root.query("select max(seq) from readings")[0][0] + 1, "a new seq, behind the readings of its tick"
    wait_until(lambda: health(root)["alarms"] == {"open": 0, "worst": None, "lost": 0}, "the report")
    said = root.collector.output()
    assert "error collector: alarm (critical): m.temp is 104.2 °C, above its limit of 100 °C" in said
    assert "alarm over: m.temp is 94.9 °C again, after 3.0 s" in said


def test_what_comes_and_goes_within_one_tick_is_kept(fed):
    root, feed = fed(HOT, "m.level alarm_low=1 alarm_high=9")
    feed.send(*[("temp", value, NOW + at) for at, value in enumerate([50, 150, 50, 101, 100, 94])],
              ("level", 10, NOW + 1), ("level", 0, NOW + 2), ("level", 5, NOW + 3))
    assert alarms_of(root, "m.temp") == [("high", NOW + 1, NOW + 2), ("high", NOW + 3, NOW + 5)]
    assert alarms_of(root, "m.level") == [("high", NOW + 1, NOW + 2), ("low", NOW + 2, NOW + 3)]
    ids = [one for (one,) in root.query("select alarm_id from alarms order by alarm_id")]
    assert ids == [NOW + 1, NOW + 2, NOW + 3, NOW + 4], "the time of the raise, moved on until unique"


def test_readings_that_come_at_once_are_judged_in_order_of_their_times(fed):
    root, feed = fed(HOT)
    feed.send(("temp", 50, NOW + 3), ("temp", 150, NOW + 2), ("temp", 50, NOW + 1))
    assert alarms_of(root, "m.temp") == [("high", NOW + 2, NOW + 3)]
    feed.send(("temp", 150, NOW + 10))
    feed.send(("temp", 50, NOW + 4))  # late: it is judged all the same, and nothing ends before it began
    assert alarms_of(root, "m.temp")[1:] == [("high", NOW + 10, NOW + 10)]


def test_an_alarm_lasts_over_a_restart(fed):
    root, feed = fed(HOT)
    feed.send(("temp", 120, NOW))
    root.collector.kill()
    root, feed = fed(HOT, root=root)
    wait_until(lambda: health(root)["alarms"]["open"] == 1, "the report")
    feed.send(("temp", 130, NOW + 5))
    assert alarms_of(root, "m.temp") == [("high", NOW, None)], "it was raised once"
    root.collector.stop()
    root, feed = fed(HOT, root=root)
    feed.send(("temp", 20, NOW + 9))
    assert alarms_of(root, "m.temp") == [("high", NOW, NOW + 9)]
    assert root.query("select message from alarms") == [("m.temp is 120 °C, above its limit of 100 °C",)]


@pytest.mark.parametrize("changed", [[], ["m.temp unit=°C alarm_low=-20"]])
def test_an_alarm_whose_limit_was_taken_out_ends_with_the_start(fed, changed):
    root, feed = fed(HOT)
    feed.send(("temp", 120, NOW))
    root.collector.stop()
    before_us = time.time_ns() // 1000
    root, feed = fed(*changed, root=root)
    wait_until(lambda: alarms_of(root, "m.temp")[0][2], "its end")
    ((side, raised, resolved),) = alarms_of(root, "m.temp")
    assert (side, raised) == ("high", NOW) and before_us <= resolved <= time.time_ns() // 1000
    assert "alarms of the last run that end now, having no limit in config.txt: 1" in root.collector.output()
    feed.send(("temp", 120, NOW + 7))
    assert len(alarms_of(root, "m.temp")) == 1 and health(root)["alarms"]["open"] == 0


def test_another_limit_is_judged_by_the_next_reading(fed):
    root, feed = fed(HOT)
    feed.send(("temp", 120, NOW))
    root.collector.stop()
    root, feed = fed("m.temp unit=°C alarm_high=200 hysteresis=10", root=root)
    feed.send(("temp", 195, NOW + 5))
    assert alarms_of(root, "m.temp") == [("high", NOW, None)]
    feed.send(("temp", 189, NOW + 6))
    assert alarms_of(root, "m.temp") == [("high", NOW, NOW + 6)]


def test_while_the_store_takes_nothing_alarms_wait_with_the_readings(fed):
    root, feed = fed(HOT)
    feed.send(("temp", 120, NOW))
    with contextlib.closing(sqlite3.connect(root.store_file(), timeout=telehaul.DEADLINE_S,
                                            isolation_level=None)) as other:
        other.execute("begin immediate")
        feed.send(("temp", 20, NOW + 1), ("temp", 130, NOW + 2), ("temp", 20, NOW + 3), ("temp", 140, NOW + 4), wait=False)
        wait_until(lambda: health(root)["store"]["state"] == "failing", "a write that was refused")
        assert alarms_of(root, "m.temp") == [("high", NOW, None)]
        other.execute("rollback")
    wait_until(lambda: len(alarms_of(root, "m.temp")) == 3, "what waited")
    assert alarms_of(root, "m.temp") == [("high", NOW, NOW + 1), ("high", NOW + 2, NOW + 3), ("high", NOW + 4, None)]
    assert root.readings() == 5


def test_limits_are_of_the_scaled_value(fed):
    root, feed = fed("m.temp unit=°C scale=0.1 offset=-40 alarm_high=100")
    feed.send(("temp", 1399, NOW))
    assert alarms_of(root, "m.temp") == []
    feed.send(("temp", 1442, NOW + 1))
    assert root.query("select message from alarms") == [("m.temp is 104.2 °C, above its limit of 100 °C",)]


def test_a_channel_of_a_tagged_series_can_have_limits(fed):
    root, feed = fed('"m.temp{host=a}" alarm_high=100')
    feed.socket.sendall(f"m,host=a temp=101 {NOW}\nm,host=b temp=101 {NOW}\n".encode())
    wait_until(lambda: root.readings() == 2, "the readings that were sent")
    assert alarms_of(root, "m.temp{host=a}") == [("high", NOW, None)]
    assert root.query("select count(*) from alarms") == [(1,)]


@pytest.mark.parametrize("words, said", [
    ("alarm_low=10 alarm_high=10", "alarm_low= below alarm_high="), ("alarm_high=5 alarm_low=6", "alarm_low= below"),
    ("alarm_high=5 hysteresis=-1", "0 or more behind hysteresis="), ("alarm_high=hot", "a number behind alarm_high="),
    ("alarm_low=0 alarm_high=5 hysteresis=5", "less behind hysteresis="),
    ("alarm_high=5 severity=loud", "one of info|warning|critical behind severity=")])
def test_limits_that_make_no_sense_are_refused_with_their_place(root, words, said):
    with open(root.config_file, "a") as config:
        config.write(f"CHANNEL = engine_rpm {words}\n")
    number = len(root.config_file.read_text().splitlines())
    for arguments in (["--check-config"], []):
        done = telehaul.run("collector", "--root", root.path, *arguments, check=2)
        assert f"config.txt:{number}" in done.stderr and said in done.stderr


def test_one_sample_shows_its_limits_and_whether_it_would_raise(make_root):
    root = make_root(inputs=["drive"])
    root.repeat("CHANNEL", ["engine_rpm alarm_low=100000", "gps_lat alarm_high=89 hysteresis=0.5 severity=info"])
    lines = dict(line.split(" ", 1) for line in telehaul.run("collector", "--root", root.path, "--test").stdout.splitlines())
    assert lines["engine_rpm"].endswith(" rpm (alarm_low=100000 hysteresis=0 warning: raises its low alarm)")
    assert lines["gps_lat"].endswith(" deg (alarm_high=89 hysteresis=0.5 info)")
    assert "(" not in lines["gps_lon"]
    samples = json.loads(telehaul.run("collector", "--root", root.path, "--test", "--json").stdout)["samples"]
    by_name = {one["channel"]: one.get("alarm") for one in samples}
    assert by_name["engine_rpm"] == {"low": 100000, "high": None, "hysteresis": 0, "severity": "warning", "raises": "low"}
    assert by_name["gps_lat"]["raises"] is None and by_name["gps_lon"] is None


def test_what_is_known_of_a_channel_follows_the_config_over_restarts(make_root):
    root = make_root(inputs=["drive"], config={"SAMPLE_INTERVAL_MS": 50})
    known = "select channel_id, unit, phys_min, phys_max, description from channels where name = 'vehicle_speed'"

    def run_with(*channels):
        root.repeat("CHANNEL", channels)
        before = root.readings()
        collector = root.start("collector")
        wait_until(lambda: root.readings() > before, "readings")
        collector.kill()
        return root.query(known)[0]
    plain = run_with()
    assert plain[1:] == ("km/h", 0, 250, "made up: speed over ground")
    changed = ("m/s", 0, 70, "made up: speed over ground")
    assert run_with("vehicle_speed unit=m/s scale=0.2777777777777778 phys_max=70") == (plain[0], *changed)
    assert run_with("vehicle_speed unit=m/s phys_max=70") == (plain[0], *changed)
    assert run_with() == plain, "what was taken out is the input's again"
    assert root.query("select count(*) from channels where name = 'vehicle_speed'") == [(1,)]


def test_a_store_of_the_version_before_is_migrated_at_the_start(make_root):
    root = make_root(inputs=["drive"])
    root.start_collector().stop()
    with contextlib.closing(sqlite3.connect(root.store_file())) as db:
        db.executescript("drop index alarms_by_time; alter table alarms drop column side;"
                         "delete from schema_migrations where name = '0003_alarms.sql'")
    readings = root.readings()
    root.repeat("CHANNEL", ["engine_rpm alarm_high=1"])
    root.start("collector")
    wait_until(lambda: root.readings() > readings, "readings in it")
    assert wait_until(lambda: alarms_of(root, "engine_rpm"), "its alarm")[0][0] == "high"
    assert root.query("select count(*) from schema_migrations where name = '0003_alarms.sql'") == [(1,)]
