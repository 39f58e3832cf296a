"""The collector itself: what it stores survives kill -9, a full disk and a damaged file; what it says is true."""

import contextlib
import json
import os
import random
import signal
import sqlite3
import subprocess
import time

import pytest
import telehaul
from telehaul import wait_until

LOAD = "drive channels=200 rate=20"
DISK_BYTES = 96 * 2**20


def health(root):
    return json.loads((root.path / "run" / "collector.json").read_text())


def reported(root, condition, what):
    """Waits until the report holds something and returns it."""
    def look():
        with contextlib.suppress(OSError, ValueError):
            found = health(root)
            return found if condition(found) else None
    return wait_until(look, what)


def integrity(root):
    return root.query("pragma integrity_check")[0][0]


@pytest.fixture
def small_disk(tmp_path):
    """A tmpfs of our own; a test that needs it says aloud when it may not be mounted."""
    folder = tmp_path / "small_disk"
    folder.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", folder],
                             capture_output=True, text=True)
    if mounted.returncode != 0:
        pytest.skip(f"mounting a small disk is not permitted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(path):
    """Another program's file takes every byte that is left."""
    with open(path, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(65536))
    with open(path, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))


def test_kill_9_at_any_moment_leaves_whole_ticks_and_no_hole(make_root):
    root = make_root(inputs=[LOAD], config={"SAMPLE_INTERVAL_MS": 50})
    choice = random.Random(2026)
    last_seq = 0
    for _ in range(10):
        collector = root.start_collector()
        wait_until(lambda seen=last_seq: root.query("select max(seq) from readings")[0][0] > seen + 2000, "more readings")
        time.sleep(choice.random() * 0.1)  # the moment of the kill, not a wait for anything
        committed = root.query("select max(seq) from readings")[0][0]
        collector.kill()
        last_seq = root.query("select max(seq) from readings")[0][0]
        assert last_seq >= committed
        assert root.query("select value from meta where key = 'next_seq'")[0][0] == last_seq + 1
    assert integrity(root) == "ok"
    count, first, last = root.query("select count(*), min(seq), max(seq) from readings")[0]
    assert (count, first) == (last, 1)
    torn = root.query("select time_us, count(*) from readings group by time_us having count(*) <> 200")
    assert torn == [], "a tick was stored in part"


def test_a_clean_stop_empties_the_log_and_keeps_everything(root):
    collector = root.start_collector()
    wait_until(lambda: root.readings() >= 50, "two ticks")
    collector.stop()
    assert (root.path / "data" / "telemetry.db-wal").stat().st_size == 0
    with contextlib.closing(sqlite3.connect(f"file:{root.store_file()}?mode=ro&immutable=1", uri=True)) as db:
        assert db.execute("select count(*) from readings").fetchone()[0] >= 50


def test_the_report_tells_the_store_and_the_inputs(make_root):
    root = make_root(inputs=["system", "drive"])
    root.start_collector()
    found = reported(root, lambda report: report["store"]["store_id"], "a report")
    assert found["store"]["state"] == "ok" and found["disk"]["state"] == "ok" and found["clock"]["state"] == "ok"
    assert found["store"]["store_id"] == root.query("select value from meta where key = 'store_id'")[0][0]
    assert found["store"]["path"] == str(root.store_file())
    assert [(one["name"], one["state"], one["error"]) for one in found["inputs"]] == [("system", "ok", None),
                                                                                    ("drive", "ok", None)]
    assert found["days_until_full"] is None
    assert (root.path / "data" / "reserve").stat().st_blocks * 512 >= 16 * 2**20, "the reserve is really allocated"


def test_made_up_data_says_so(root):
    collector = root.start_collector()
    assert "its data is made up" in collector.output()
    assert {text for (text,) in root.query("select substr(description, 1, 7) from channels")} == {"made up"}
    assert root.query("select count(*) from channels")[0][0] == 25


def test_a_damaged_store_is_left_and_a_new_one_begun(make_root):
    root = make_root(inputs=["drive"], config={"SAMPLE_INTERVAL_MS": 100})
    collector = root.start_collector()
    first_id = root.query("select value from meta where key = 'store_id'")[0][0]
    collector.stop()
    store = root.path / "data" / "telemetry.db"
    damaged = bytearray(store.read_bytes())
    damaged[:4096] = os.urandom(4096)
    store.write_bytes(damaged)
    collector = root.start("collector")
    found = reported(root, lambda report: report["store"]["state"] == "replaced", "the new store")
    assert found["store"]["store_id"] != first_id
    assert (root.path / "data" / "current_store").read_text().strip() == "telemetry-2.db"
    wait_until(lambda: root.readings() >= 100, "readings in the new store")
    assert store.read_bytes() == bytes(damaged), "the damaged file was touched"
    assert collector.output().count("THE TELEMETRY STORE IS DAMAGED") == 1
    collector.stop()
    root.start_collector()
    assert (root.path / "data" / "current_store").read_text().strip() == "telemetry-2.db"


def test_a_truncated_store_is_damaged_not_new(make_root):
    root = make_root(inputs=["drive"])
    root.start_collector().kill()
    wal = root.path / "data" / "telemetry.db-wal"
    before = wal.read_bytes()
    assert before
    (root.path / "data" / "telemetry.db").write_bytes(b"")
    root.start("collector")
    reported(root, lambda report: report["store"]["state"] == "replaced", "the new store")
    assert wal.read_bytes() == before, "the log of the damaged store was touched"


def test_a_full_disk_stops_nothing(make_root, small_disk):
    root = make_root(inputs=["drive channels=2000 rate=10"],
                     config={"TELEMETRY_DIR": small_disk, "SAMPLE_INTERVAL_MS": 100})
    root.store_file = lambda: small_disk / "telemetry.db"
    collector = root.start_collector()
    assert (small_disk / "reserve").exists()
    fill(small_disk / "ballast")
    reported(root, lambda report: report["disk"]["state"] == "low", "a step of the reserve given up")
    assert (small_disk / "reserve").stat().st_size < 16 * 2**20
    fill(small_disk / "ballast")
    seen = root.query("select max(seq) from readings")[0][0]
    wait_until(lambda: root.query("select max(seq) from readings")[0][0] > seen + 200000, "readings on a full disk",
               deadline_s=3 * telehaul.DEADLINE_S)
    first, last, count = root.query("select min(seq), max(seq), count(*) from readings")[0]
    assert first > 1, "the oldest made room"
    assert count == last - first + 1, "only the oldest are missing"
    (small_disk / "ballast").unlink()
    found = reported(root, lambda report: report["disk"]["state"] == "ok", "the reserve back")
    assert found["store"]["dropped"] == 0 and found["store"]["state"] == "ok"
    assert (small_disk / "reserve").stat().st_size == 16 * 2**20
    collector.stop()
    assert integrity(root) == "ok"
    said = [line for line in collector.output().splitlines() if " warn " in line or " error " in line]
    assert len(said) < 40, "each state is said once, not each tick:\n" + "\n".join(said[:50])


def test_a_flood_is_cut_and_the_others_go_on(make_root):
    root = make_root(inputs=["drive channels=20000", "system"])
    root.start_collector()
    found = reported(root, lambda report: report["inputs"][0]["state"] == "flooding", "the flood")
    assert found["inputs"][0]["dropped"] >= 10000
    assert "channels" in found["inputs"][0]["error"]
    assert root.query("select count(*) from channels")[0][0] <= 10000


def test_readers_never_stop_the_collector(make_root):
    """A transaction that somebody leaves open for long: the collector goes on, and its readings are whole."""
    root = make_root(inputs=[LOAD], config={"SAMPLE_INTERVAL_MS": 50})
    root.start_collector()
    with contextlib.closing(sqlite3.connect(f"file:{root.store_file()}?mode=ro", uri=True)) as db:
        db.execute("begin")
        seen = db.execute("select max(seq) from readings").fetchone()[0]
        wait_until(lambda: root.query("select max(seq) from readings")[0][0] > seen + 20000, "readings meanwhile")
        assert db.execute("select max(seq) from readings").fetchone()[0] == seen


def test_a_second_collector_is_refused(root):
    root.start_collector()
    done = telehaul.run("collector", "--root", root.path, check=1)
    assert "another collector" in done.stderr


def test_one_sample_of_every_input_and_nothing_written(make_root):
    root = make_root(inputs=["system", "drive"])
    done = telehaul.run("collector", "--root", root.path, "--test")
    lines = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert {"engine_rpm", "gps_lat", "cpu_usage_user", "mem_used_percent", "system_load1", "system_uptime"} <= set(lines)
    assert lines["mem_used_percent"].endswith(" %")
    as_json = json.loads(telehaul.run("collector", "--root", root.path, "--test", "--json").stdout)
    assert {one["channel"] for one in as_json["samples"]} >= {"engine_rpm", "cpu_usage_user"}
    assert [one["name"] for one in as_json["inputs"]] == ["system", "drive"]
    assert not list((root.path / "data").iterdir())
    assert not (root.path / "run" / "collector.json").exists()


@pytest.mark.parametrize("line, said", [("INPUT = drive rate=fast", "rate="), ("INPUT = system percpu=yes", "percpu"),
                                        ("CHANNEL = a scale=fast", "scale")])
def test_a_bad_line_is_refused_with_its_place(root, line, said):
    with open(root.config_file, "a") as config:
        config.write(line + "\n")
    number = len(root.config_file.read_text().splitlines())
    for arguments in (["--check-config"], []):
        done = telehaul.run("collector", "--root", root.path, *arguments, check=2)
        assert f"config.txt:{number}" in done.stderr and said in done.stderr


def test_channel_lines_reach_the_store(make_root):
    root = make_root(inputs=["drive"])
    root.repeat("CHANNEL", ['vehicle_speed unit=m/s scale=0.2777777777777778 phys_max=70'])
    root.start_collector()
    assert root.query("select unit, phys_max from channels where name = 'vehicle_speed'") == [("m/s", 70.0)]
    fastest = root.query("select max(value) from readings join channels using (channel_id) where name = 'vehicle_speed'")
    assert 0 < fastest[0][0] < 30


def test_sampling_goes_on_by_the_monotonic_clock_while_stopped_for_a_moment(root):
    """A tick that is late is late, not repeated: SIGSTOP is what a frozen disk looks like."""
    collector = root.start_collector()
    os.kill(collector.pid, signal.SIGSTOP)
    before = root.readings()
    time.sleep(2.5)  # the stop itself
    os.kill(collector.pid, signal.SIGCONT)
    wait_until(lambda: root.readings() >= before + 75, "the ticks after it")
    assert collector.running()
