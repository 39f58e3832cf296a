"""The second journey with the real programs: `publish` packs and signs, `sync_client` delivers, the machine applies it,
restarts into it, and keeps it when it proves itself; measuring goes on."""

import contextlib
import fcntl
import json
import os
import pathlib
import pwd
import shutil
import stat
import tempfile
import time

import pytest

import telehaul
from telehaul import wait_until

GAP_S = 2  # that measuring may miss for an update


class Site:
    """A machine under its watchdog, started as the system starts it, and the server's side of it."""

    def __init__(self, root, folder, keys):
        self.root, self.folder, self.keys = root, folder, keys
        self.watchdog = None

    def start(self):
        self.watchdog = telehaul.Program([self.root.path / "boot/start"], self.folder / "watchdog.out")
        self.root.programs.append(self.watchdog)
        wait_until(lambda: self.status()["running"] and all(one["state"] == "running" for one in self.status()["services"]),
                   "the start of all services")
        wait_until(lambda: telehaul.listens(self.root.agent_port), "the agent's port")

    def status(self):
        return json.loads(telehaul.run("watchdog", "--root", self.root.path, "status", "--json", check=False).stdout)

    def update(self):
        state = self.root.path / "pending_update/state.json"
        return json.loads(state.read_text())["state"] if state.exists() else "none"

    def approve(self):
        """What is queued, as the portal does it. Returns its version."""
        meta = json.loads((self.root.path / "pending_update/meta.json").read_text())
        beside = self.root.path / "pending_update/.approved"
        beside.write_text(json.dumps({"manifest_sha256": meta["manifest_sha256"], "approved_at": "2026-02-22T10:00:00Z",
                                      "by": "operator"}))
        beside.rename(self.root.path / "pending_update/approved.json")
        return meta["version"]

    def is_being_updated(self):
        """An updater is at work here, whatever it does."""
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                words = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else [b""]
                if words[0].endswith(b"/updater") and bytes(self.root.path) in words:
                    return True
        return False

    def keeps(self, version):
        """Waits until it runs for good. `committed` is told while the commit still removes what is no longer needed, and so
        long everything else is `busy`."""
        wait_until(lambda: self.current() == f"releases/{version}" and self.update() == "committed",
                   f"version {version} to be kept", deadline_s=telehaul.DEADLINE_S + 30)
        wait_until(lambda: not self.is_being_updated(), "the end of the commit")

    def current(self):
        return os.readlink(self.root.path / "current")

    def release(self, version, note):
        """A release folder as a vendor's build leaves it: what is new is told in share/."""
        folder = self.folder / f"dist-{version}"
        shutil.copytree(telehaul.DIST, folder)
        (folder / "share/NEWS").write_text(note)
        return folder

    def publish(self, version, *options):
        source = self.release(version, f"made up for the test: {version}\n")
        migration = self.folder / f"09{version.replace('.', '')[:2]}_notes.sql"
        migration.write_text(f"CREATE TABLE notes_{version.replace('.', '_')} (text TEXT);\n")
        telehaul.run("publish", "--version", version, "--source", source, "--files", "bin/portal", "share/NEWS",
                     "--migrations", migration, "--notes", "Made up.", "--key", self.keys.private_file, "--output", self.folder,
                     *options)
        return self.folder / f"update_v{version}.zip"

    def deliver(self, package, check=0):
        return telehaul.run("sync_client", "--host", "127.0.0.1", "--port", self.root.agent_port, "--client-id", "journey",
                            "--key", self.keys.private_file, "--data-storage", self.folder / "data_storage", "--accept-new-host",
                            "yes", "--update", package, check=check if check else True)

    def times_us(self):
        """Of the channel that is measured most often."""
        return [row[0] for row in self.root.query(
            "select time_us from readings where channel_id = (select channel_id from readings group by channel_id "
            "order by count(*) desc limit 1) order by time_us")]

    def largest_gap_s(self, begin):
        """Between two readings in a row, from number begin on until some after now."""
        count = len(self.times_us())
        wait_until(lambda: len(self.times_us()) > count + 5, "readings after it")
        times = self.times_us()[begin:]
        return max(b - a for a, b in zip(times, times[1:])) / 1e6


@pytest.fixture
def site(make_root, tmp_path, keys):
    root = make_root(config={"PROBATION_S": 2, "UPDATE_APPROVAL": "auto", "SAMPLE_INTERVAL_MS": 100}, inputs=["drive rate=10"])
    made = Site(root, tmp_path, keys)
    yield made
    for program in root.programs:
        if program.running():
            program.stop(expect=None)


def test_there_and_committed(site):
    site.start()
    before = site.watchdog.pid
    said = site.deliver(site.publish("1.1.0"))
    assert "1.1.0" in said.stderr + said.stdout
    site.keeps("1.1.0")
    assert site.current() == "releases/1.1.0" and site.status()["version"] == "1.1.0"
    assert not (site.root.path / "probation").exists()
    assert site.watchdog.running() and site.watchdog.pid == before
    assert os.readlink(f"/proc/{before}/exe").endswith("/releases/1.1.0/bin/watchdog")
    assert site.root.query("select count(*) from sqlite_master where name = 'notes_1_1_0'") == [(1,)]
    history = json.loads(telehaul.run("updater", "--root", site.root.path, "history", "--json").stdout)
    assert [one["event"] for one in history["history"]][:4] == ["committed", "applied", "approved", "queued"]
    again = site.deliver(site.folder / "update_v1.1.0.zip", check=1)
    assert "same_version" in again.stderr or "already" in again.stderr


def test_one_after_the_other_leaves_two_releases_and_no_gap(site):
    site.start()
    gaps_s = []
    for version in ("1.1.0", "1.2.0", "1.3.0"):
        package = site.publish(version)
        begin = len(site.times_us())
        site.deliver(package)
        site.keeps(version)
        gaps_s.append(site.largest_gap_s(begin))
        wait_until(lambda: telehaul.listens(site.root.agent_port), "the agent's port")
    print(f"largest gaps in measuring: {gaps_s} s")
    if "TELEHAUL_DEADLINE_S" not in os.environ:  # sanitised programs start several times slower
        assert min(gaps_s) < GAP_S  # what an update needs is in each; what the machine has else to do adds to some
    wait_until(lambda: sorted(os.listdir(site.root.path / "releases")) == ["1.2.0", "1.3.0"], "the oldest releases to go")


def test_by_hand_and_back(site):
    site.root.config({"UPDATE_APPROVAL": "operator"})
    site.start()
    site.deliver(site.publish("1.1.0"))
    assert site.approve() == "1.1.0" and site.current() == "releases/1.0.0"
    site.keeps("1.1.0")
    telehaul.run("updater", "--root", site.root.path, "rollback")
    wait_until(lambda: site.status().get("version") == "1.0.0" and site.status()["running"], "the version before")
    assert os.readlink(f"/proc/{site.watchdog.pid}/exe").endswith("/releases/1.0.0/bin/watchdog")
    assert site.root.query("select count(*) from sqlite_master where name = 'notes_1_1_0'") == [(1,)], "the schema stays"


def test_an_approval_is_not_lost_on_whoever_still_holds_the_lock(site):
    """As the portal, whose disk is slow: the approval is there to be seen and the lock is still held."""
    site.root.config({"UPDATE_APPROVAL": "operator"})
    site.start()
    site.deliver(site.publish("1.1.0"))
    with open(site.root.path / "run/update.lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        site.approve()
        time.sleep(3)  # the slowness itself: all tries of an apply are over by then, where they are made
    site.keeps("1.1.0")


def owners_below(folder):
    """{relative path: uid}. A file may go meanwhile: `committed` is told while what the update left is still removed."""
    owners = {}
    for parent, folders, files in os.walk(folder):
        for path in (os.path.join(parent, name) for name in folders + files):
            with contextlib.suppress(FileNotFoundError):
                status = os.lstat(path)
                if not stat.S_ISLNK(status.st_mode):
                    owners[os.path.relpath(path, folder)] = status.st_uid
    return owners


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give services another user")
def test_services_of_another_user(keys):
    """Started as root with SERVICE_USER: the agent queues as that user, root applies, the store stays that user's."""
    with tempfile.TemporaryDirectory(prefix="telehaul-user-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        root = telehaul.Root(folder / "root", keys, inputs=["drive rate=10"], config={
            "PROBATION_S": 2, "UPDATE_APPROVAL": "auto", "SAMPLE_INTERVAL_MS": 100, "SERVICE_USER": "nobody"})
        site = Site(root, folder, keys)
        try:
            site.start()
            site.deliver(site.publish("1.1.0"))
            site.keeps("1.1.0")
            nobody = pwd.getpwnam("nobody").pw_uid
            owners = owners_below(root.path)
            of_data = {name: uid for name, uid in owners.items() if name.startswith("data/")}
            assert of_data and of_data == dict.fromkeys(of_data, nobody)
            assert all(uid == 0 for name, uid in owners.items() if name.startswith(("releases/", "boot/", "keys/")))
            assert root.query("select count(*) from sqlite_master where name = 'notes_1_1_0'") == [(1,)]
            wait_until(lambda: all(one["state"] == "running" for one in site.status()["services"]), "all services")
            seq = root.query("select max(seq) from readings")[0][0]
            wait_until(lambda: root.query("select max(seq) from readings")[0][0] > seq, "measuring to go on")
            site.deliver(site.publish("1.2.0"))
            site.keeps("1.2.0")
        finally:
            for program in root.programs:
                if program.running():
                    program.stop(expect=None)
