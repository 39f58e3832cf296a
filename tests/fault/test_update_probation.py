"""Releases that do not work are undone by themselves, with the real programs: services that exit at once, hang, or are of
another version; a watchdog that does so, which boot/start undoes on the third start; and all of it with the power going in the
midst (kill -9 of everything). What breaks them are scripts in the package, in the place of a program or around it."""

import contextlib
import json
import os
import signal

import pytest
import telehaul
import update_root
from packages import Package
from telehaul import wait_until
from test_kill_campaign import processes_of
from update_campaign import SOAK

EXITS = b"#!/bin/sh\nexit 3\n"
HANGS = b"#!/bin/sh\nexec sleep 1000\n"
EXITS_WHEN_LET = b'#!/bin/sh\nwhile [ -e "$2/hold" ]; do sleep 0.1; done\nexit 3\n'  # called with --root ROOT
DEADLINE_S = telehaul.DEADLINE_S + 60  # a start may take 30 s before it is given up
STARTS = 3  # the third one points back


def older(program):
    """The new release's program is the one of the release before: it says so by itself."""
    return f'#!/bin/sh\nexec "${{0%/*}}/../../1.0.0/bin/{program}" "$@"\n'.encode()


class Site:
    """A machine that the test starts as the system would: boot/start, again whenever it has ended."""

    def __init__(self, root, folder, keys):
        self.root, self.folder, self.keys, self.starts = root, folder, keys, 0
        self.watchdog = None

    def boot(self):
        self.starts += 1
        self.watchdog = telehaul.Program([self.root.path / "boot/start"], self.folder / "watchdog.out")
        self.root.programs.append(self.watchdog)

    def start(self):
        self.boot()
        wait_until(lambda: self.runs("1.0.0"), "the start of all services")

    def status(self):
        return json.loads(telehaul.run("watchdog", "--root", self.root.path, "status", "--json", check=False).stdout)

    def runs(self, version):
        status = self.status()
        return (status["running"] and status.get("version") == version
                and all(one["state"] == "running" for one in status["services"]))

    def queue(self, files, version="1.1.0"):
        """As the agent leaves it; UPDATE_APPROVAL is auto."""
        package = Package(self.keys, files=files, migrations=update_root.ADDED, version=version)
        queue = self.root.path / "pending_update"
        package.write(queue / f"update_v{version}.zip")
        (queue / ".meta.json.tmp").write_text(json.dumps({
            "file": f"update_v{version}.zip", "version": version, "manifest_sha256": package.manifest_sha256(),
            "notes": "made up", "received_at": "2026-02-22T10:00:00Z", "from": "192.0.2.1"}))
        (queue / ".meta.json.tmp").rename(queue / "meta.json")

    def current(self):
        return os.readlink(self.root.path / "current").removeprefix("releases/")

    def state(self):
        with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
            said = json.loads((self.root.path / "pending_update/state.json").read_text())
            return said["state"], said["reason"]
        return "none", ""

    def cut_power(self):
        """kill -9 of everything at once."""
        self.watchdog.process.send_signal(signal.SIGSTOP)  # it must not start anything meanwhile
        for pid in processes_of(self.root):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.watchdog.kill()
        wait_until(lambda: not processes_of(self.root), "the end of everything")

    def counted_starts(self):
        """What boot/start has counted durably; a power cut before that is a start that was not made."""
        with contextlib.suppress(FileNotFoundError):
            return int((self.root.path / "probation").read_text().split()[1])
        return 0

    def restart_when_ended(self):
        """What the system does for a service that must run."""
        if not self.watchdog.running():
            self.boot()
        return False

    def is_back(self, reason, last_seq):
        """The version before runs, whole, on the newer schema, and measures; nothing of the other is left."""
        wait_until(lambda: self.state() == ("rolled_back", reason) or self.restart_when_ended(), f"an undoing for {reason}",
                   deadline_s=DEADLINE_S)
        wait_until(lambda: self.runs("1.0.0") or self.restart_when_ended(), "the services of the version before",
                   deadline_s=DEADLINE_S)
        assert self.current() == "1.0.0" and not (self.root.path / "probation").exists()
        wait_until(lambda: os.listdir(self.root.path / "releases") == ["1.0.0"], "the end of the release that failed")
        assert not list((self.root.path / "pending_update").glob("*.zip"))
        assert self.root.query("select x from made_up") == [(1,)]
        wait_until(lambda: self.root.query("select max(seq) from readings")[0][0] > last_seq, "measuring to go on")
        assert self.root.query("select count(*) from readings where seq <= ?", last_seq) == [(last_seq,)], "readings are lost"

    def last_seq(self):
        return self.root.query("select max(seq) from readings")[0][0]


@pytest.fixture
def site(make_root, tmp_path, keys):
    made = Site(make_root(config={"PROBATION_S": 1, "UPDATE_APPROVAL": "auto"}), tmp_path, keys)
    yield made
    if made.watchdog.running():
        made.cut_power()


SERVICES = {
    "agent exits": ({"bin/agent": EXITS}, "service_ended"),
    "portal exits": ({"bin/portal": EXITS}, "service_ended"),
    "agent of another version": ({"bin/agent": older("agent")}, "wrong_version"),
    "portal of another version": ({"bin/portal": older("portal")}, "wrong_version"),
    "agent is no program": ({"bin/agent": b"\x7fELF, made up"}, "service_ended"),
    "portal hangs": ({"bin/portal": HANGS}, "not_healthy"),
}
SLOW = {
    "agent hangs": ({"bin/agent": HANGS}, "not_healthy"),
    "collector exits": ({"bin/collector": EXITS}, "service_ended"),
    "collector hangs": ({"bin/collector": HANGS}, "not_healthy"),
    "all exit": ({"bin/agent": EXITS, "bin/portal": EXITS, "bin/collector": EXITS}, "service_ended"),
}
CASES = {**SERVICES, **(SLOW if SOAK else {})}


@pytest.mark.parametrize("name", CASES)
def test_a_release_that_does_not_work_is_undone(site, name):
    files, reason = CASES[name]
    site.start()
    last_seq = site.last_seq()
    site.queue(files)
    wait_until(lambda: site.current() == "1.1.0", "the switch")
    site.is_back(reason, last_seq)
    assert site.starts == 1, "the system was not asked for help"


@pytest.mark.parametrize("files, cuts, reason", [
    ({"bin/agent": EXITS_WHEN_LET}, 1, "service_ended"), ({"bin/agent": EXITS_WHEN_LET}, STARTS - 1, "not_proven"),
    ({"bin/portal": HANGS}, STARTS - 1, "not_proven")],
    ids=["agent exits, one cut", "agent exits, two cuts", "portal hangs, two cuts"])
def test_a_power_cut_in_the_probation_keeps_no_bad_release(site, files, cuts, reason):
    """The watchdog judges anew after each cut; one that is never given the time to is undone by boot/start."""
    hold = site.root.path / "hold"
    hold.touch()
    site.start()
    last_seq = site.last_seq()
    site.queue(files)
    for starts in range(1, cuts + 1):
        wait_until(lambda starts=starts: site.counted_starts() == starts, f"start {starts} of the new version")
        site.cut_power()
        site.boot()
    hold.unlink()
    site.is_back(reason, last_seq)


def test_a_power_cut_in_the_probation_keeps_a_good_release(site):
    site.root.config({"PROBATION_S": 3})
    site.start()
    site.queue({"share/NEWS": b"made up\n"})
    wait_until(lambda: site.current() == "1.1.0" and site.status().get("version") == "1.1.0", "the new version's watchdog")
    site.cut_power()
    site.boot()
    wait_until(lambda: site.state() == ("committed", ""), "the new version to be kept", deadline_s=DEADLINE_S)
    assert not (site.root.path / "probation").exists()
    wait_until(lambda: site.runs("1.1.0"), "all services of it")


WATCHDOGS = {"exits": EXITS, "is no program": b"\x7fELF, made up", "of another version": older("watchdog"), "hangs": HANGS}


@pytest.mark.parametrize("name", WATCHDOGS)
def test_a_watchdog_that_cannot_run_is_undone_by_the_third_start(site, name):
    """One that hangs is ended by the system, which waits for its WATCHDOG=1 (packaging); here the test does it."""
    site.start()
    last_seq = site.last_seq()
    site.queue({"bin/watchdog": WATCHDOGS[name]})
    wait_until(lambda: site.current() == "1.1.0" or site.state()[0] == "rolled_back", "the switch")
    if name == "hangs":
        for start in range(1, STARTS):
            wait_until(lambda start=start: (site.root.path / "probation").read_text() == f"1.0.0 {start}\n", f"start {start}")
            site.cut_power()
            site.boot()
    site.is_back("not_proven", last_seq)
    assert site.starts <= STARTS


def test_an_apply_that_is_killed_behind_the_switch_is_followed_by_a_restart(site):
    """The updater of the version that runs is ended right after its work: the watchdog finds out from `current`."""
    site.queue({"share/NEWS": b"made up\n", "bin/updater": (telehaul.BIN / "updater").read_bytes()})
    updater = site.root.path / "releases/1.0.0/bin/updater"
    updater.rename(updater.with_name("updater-real"))
    updater.write_text('#!/bin/sh\n"$0-real" "$@"\ncode=$?\n[ "$3" = apply ] && kill -9 $$\nexit $code\n')
    updater.chmod(0o755)
    site.boot()
    wait_until(lambda: site.state() == ("committed", ""), "the new version to be kept", deadline_s=DEADLINE_S)
    wait_until(lambda: site.runs("1.1.0"), "all services of it")
