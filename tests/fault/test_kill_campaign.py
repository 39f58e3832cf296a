"""kill -9 of any program at any moment: no reading and no alarm that a tick had committed is lost, none comes home twice.

TELEHAUL_KILLS says how often (20; `make soak`: 200), TELEHAUL_SEED makes a run the same choices again."""

import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import random
import signal
import sqlite3
import time

import telehaul
from telehaul import wait_until

# A service that was killed again and again is left alone for so long (watchdog/supervisor.h).
BACKOFF_MAX_S = 60
KILLS = int(os.environ.get("TELEHAUL_KILLS", "20"))
SEED = int(os.environ.get("TELEHAUL_SEED", str(random.SystemRandom().randrange(10**6))))
WINDOW = 20000
LOAD = "drive channels=200 rate=20"  # made-up readings: 4,000 a second
# made-up limits in the midst of what is measured, so that alarms are raised and end all the time
LIMITS = ["engine_rpm alarm_high=1800 hysteresis=50", "throttle_position alarm_high=20 hysteresis=1 severity=info",
          "steering_angle alarm_low=-5 alarm_high=5 hysteresis=1 severity=critical", "air_flow alarm_high=30 hysteresis=1"]


def processes_of(root, but=None):
    """pid -> program of everything that runs on this ROOT, but for one pid."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit() and int(entry.name) not in (os.getpid(), but):
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if str(root.path).encode() in words:
                found[int(entry.name)] = words[0].decode()
    return found


def pid_of(root, service):
    return next((pid for pid, name in processes_of(root).items() if name.endswith(f"/{service}")), None)


def fingerprint(root, last_seq):
    """Hash of the WINDOW readings up to a seq, as the store has them now; older ones are compared at the end."""
    digest = hashlib.sha256()
    for row in root.query("select r.seq, r.time_us, c.name, r.value from readings r join channels c using (channel_id) "
                          "where r.seq <= ? and r.seq > ? order by r.seq", last_seq, last_seq - WINDOW):
        digest.update(repr(row).encode())
    return digest.hexdigest()


def raised(root):
    """What an alarm is from its first moment on."""
    return set(root.query("select alarm_id, channel_id, severity, message, raised_us from alarms"))


class Campaign:
    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        self.sources = itertools.count(2)
        self.watchdog = None
        self.start_watchdog()

    def start_watchdog(self):
        self.watchdog = telehaul.Program([self.root.path / "boot" / "start"], self.folder / "watchdog.log")
        self.root.programs.append(self.watchdog)
        wait_until(lambda: telehaul.listens(self.root.agent_port), "the agent's port")

    def sync(self, *more):
        """One sync_client in the background; every one from an address of its own, for the rate limit's sake."""
        number = next(self.sources)
        return telehaul.Program(
            [telehaul.BIN / "sync_client", "--host", "127.0.0.1", "--port", self.root.agent_port, "--client-id", "m1",
             "--key", self.root.keys.private_file, "--data-storage", self.folder / "home", "--accept-new-host", "yes",
             "--bind", f"127.0.{1 + number // 200}.{1 + number % 200}", *more], self.folder / f"sync-{number}.log")

    def kill(self, victim, sync):
        if victim == "sync_client":
            sync.kill()
        elif victim == "watchdog":
            self.watchdog.kill()
            wait_until(lambda: not processes_of(self.root, self.watchdog.pid), "the end of every service after the watchdog's kill -9")
            self.start_watchdog()
        else:
            pid = wait_until(lambda: pid_of(self.root, victim), f"a running {victim}",
                             deadline_s=BACKOFF_MAX_S + telehaul.DEADLINE_S)
            os.kill(pid, signal.SIGKILL)


def rows_of_store(root, last_seq):
    return root.query("select r.time_us, c.name, r.value from readings r join channels c using (channel_id) "
                      "where r.seq <= ? order by r.time_us, c.name", last_seq)


def rows_at_home(folder):
    with contextlib.closing(sqlite3.connect(f"file:{folder}/home/central.db?mode=ro", uri=True)) as db:
        return db.execute("select m.time_us, c.name, m.value from measurements m join channel_config c "
                          "using (vehicle_id, channel_id) order by m.time_us, c.name").fetchall()


ALARM = "a.alarm_id, c.name, a.severity, a.message, a.raised_us, a.resolved_us"


def alarms_of_store(root, last_seq):
    """Those that did not change since, by alarm_id, and the ids of all."""
    same = root.query(f"select {ALARM} from alarms a join channels c using (channel_id) where a.seq <= ?", last_seq)
    return {row[0]: row for row in same}, {row[0] for row in root.query("select alarm_id from alarms")}


def alarms_at_home(folder):
    with contextlib.closing(sqlite3.connect(f"file:{folder}/home/central.db?mode=ro", uri=True)) as db:
        return {row[0]: row for row in db.execute(f"select {ALARM} from alarms_log a join channel_config c "
                                                  "using (vehicle_id, channel_id)")}


def test_kill_at_random_loses_nothing(make_root, tmp_path):
    choice = random.Random(SEED)
    print(f"seed {SEED}, {KILLS} kills")
    root = make_root(inputs=[LOAD], config={"SAMPLE_INTERVAL_MS": 100})
    root.repeat("CHANNEL", LIMITS)
    campaign = Campaign(root, tmp_path)
    wait_until(lambda: root.readings() > 1000 and raised(root), "a first thousand readings, and an alarm")
    killed = {}
    for _ in range(KILLS):
        last_seq = root.query("select max(seq) from readings")[0][0]
        before, alarms_before = fingerprint(root, last_seq), raised(root)
        victim = choice.choice(["collector", "agent", "sync_client", "watchdog"])
        sync = campaign.sync()
        time.sleep(choice.uniform(0, 0.8))  # a random moment, not a wait for something
        campaign.kill(victim, sync)
        killed[victim] = killed.get(victim, 0) + 1
        wait_until(lambda: not sync.running(), "the end of sync_client", deadline_s=120)
        assert fingerprint(root, last_seq) == before, f"committed readings changed after the kill of {victim}"
        assert alarms_before <= raised(root), f"a committed alarm is lost after the kill of {victim}"
        wait_until(lambda: root.query("select max(seq) from readings")[0][0] > last_seq, "measuring to go on",
                   deadline_s=BACKOFF_MAX_S + telehaul.DEADLINE_S)
    print(f"killed {killed}")

    wait_until(lambda: telehaul.listens(root.agent_port), "the agent's port", deadline_s=BACKOFF_MAX_S + telehaul.DEADLINE_S)
    last = campaign.sync("--json", "--quiet")
    wait_until(lambda: not last.running(), "the last sync_client", deadline_s=120)
    assert last.process.returncode == 0, last.output()
    result = json.loads(last.output().splitlines()[-1])
    store, home = rows_of_store(root, result["last_seq"]), rows_at_home(tmp_path)
    assert len(store) == len(home)
    assert store == home
    (same, every), alarms = alarms_of_store(root, result["alarms_last_seq"]), alarms_at_home(tmp_path)
    assert same and same.keys() <= alarms.keys() <= every
    assert {alarm_id: alarms[alarm_id] for alarm_id in same} == same
    archives = list((tmp_path / "home" / "m1").glob("*.json"))
    assert all(json.loads(path.read_text())["format"] == "zstd" for path in archives)
    assert not list((tmp_path / "home" / "m1").glob("*.part"))
    print(f"{len(home)} readings, each of them once; {len(alarms)} alarms, {len(archives)} archives")
    assert campaign.watchdog.stop() == 0
    assert not processes_of(root)
