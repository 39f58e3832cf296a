"""`updater apply` and what decides about it afterwards: the new version whole or the old one untouched, whatever comes."""

import contextlib
import json
import os
import pathlib
import random
import re
import shutil
import signal
import sqlite3
import subprocess
import time
import zipfile

import pytest
import raw_zip
import telehaul
from packages import tree_sha256
from update_root import ADDED, MIGRATIONS, NEW, OLD, UpdateRoot, expected_tree


@pytest.fixture
def made(tmp_path, keys):
    return UpdateRoot(tmp_path, keys)


def steps(made):
    lines = (made.path / "pending_update/progress.jsonl").read_text().splitlines()
    return [(line["step"], line["pct"]) for line in map(json.loads, lines)]


# ---- as it should go ----

def test_an_approved_package_becomes_the_version_on_probation(made):
    made.make_store()
    package = made.queue(made.package())
    before = made.tree()
    said = json.loads(made.run("apply", "--json").stdout)
    assert (said["version"], said["previous"], said["state"]) == ("1.1.0", "1.0.0", "probation")
    assert made.current() == "1.1.0" and made.tree() == expected_tree(package, "1.1.0")
    assert made.tree("1.0.0") == before
    assert (made.path / "probation").read_text() == "1.0.0 0\n"
    assert made.state() == ("1.1.0", "probation", "")
    assert steps(made) == [("verify", 20), ("backup", 40), ("patch", 70), ("migrate", 90), ("done", 100)]
    assert made.query("select x from made_up") == [(1,)]
    assert made.ledger() == [path.name for path in MIGRATIONS] + ["0901_made_up.sql"]
    assert made.query("select version from schema_migrations where name = '0901_made_up.sql'") == [("1.1.0",)]
    assert made.left_over() == []


def test_unchanged_files_are_shared_and_changed_ones_are_not(made):
    made.queue(made.package())
    made.run("apply")
    releases = made.path / "releases"
    assert os.path.samefile(releases / "1.0.0/share/kept/deep.txt", releases / "1.1.0/share/kept/deep.txt")
    assert (releases / "1.0.0/bin/watchdog").read_bytes() == OLD["bin/watchdog"]
    assert (releases / "1.1.0/bin/watchdog").stat().st_nlink == 1
    assert (releases / "1.1.0").stat().st_mode & 0o777 == 0o755
    assert (releases / "1.1.0/share/www/new").stat().st_mode & 0o777 == 0o755


def test_the_backup_holds_what_goes_and_the_store(made, tmp_path):
    made.make_store(rows=3000)
    made.queue(made.package())
    name = json.loads(made.run("apply", "--json").stdout)["backup"]
    assert re.fullmatch(r"backup_v1\.0\.0_\d{8}_\d{6}\.zip", name)
    with zipfile.ZipFile(made.path / "backups" / name) as backup:
        assert backup.testzip() is None
        assert set(backup.namelist()) == {"version.txt", "release/bin/watchdog", "release/share/www/app.css",
                                          "release/share/old.txt", "data/telemetry.db"}
        assert backup.read("release/share/old.txt") == OLD["share/old.txt"]
        backup.extract("data/telemetry.db", tmp_path)
    with contextlib.closing(sqlite3.connect(tmp_path / "data/telemetry.db")) as db:
        assert db.execute("select count(*) from readings").fetchone() == (3000,)
        assert db.execute("pragma integrity_check").fetchone() == ("ok",)
        assert db.execute("select count(*) from sqlite_master where name = 'made_up'").fetchone() == (0,)


def test_without_migrations_the_store_is_neither_copied_nor_touched(made):
    made.make_store()
    before = made.store.read_bytes()
    made.queue(made.package(migrations={}))
    name = json.loads(made.run("apply", "--json").stdout)["backup"]
    with zipfile.ZipFile(made.path / "backups" / name) as backup:
        assert "data/telemetry.db" not in backup.namelist()
    assert made.store.read_bytes() == before


def test_without_a_store_the_new_release_brings_its_migrations_along(made):
    package = made.queue(made.package())
    made.run("apply")
    assert made.tree() == expected_tree(package, "1.1.0") and not made.store.exists()


def test_it_goes_to_the_store_that_current_store_names(made):
    made.make_store()
    made.store.rename(made.path / "data/telemetry-2.db")
    for suffix in ("-wal", "-shm"):
        with contextlib.suppress(FileNotFoundError):
            (made.path / f"data/telemetry.db{suffix}").unlink()
    (made.path / "data/current_store").write_text("telemetry-2.db\n")
    made.queue(made.package())
    made.run("apply")
    assert made.query("select x from made_up", made.path / "data/telemetry-2.db") == [(1,)]
    assert not made.store.exists()


def test_the_newest_three_backups_stay(made):
    for day in (1, 2, 3, 4):
        (made.path / f"backups/backup_v0.9.{day}_2026020{day}_100000.zip").write_text("made up")
    (made.path / "backups/of-the-operator.zip").write_text("not ours")
    made.queue(made.package())
    name = json.loads(made.run("apply", "--json").stdout)["backup"]
    assert sorted(path.name for path in (made.path / "backups").iterdir()) == sorted([
        name, "backup_v0.9.3_20260203_100000.zip", "backup_v0.9.4_20260204_100000.zip", "of-the-operator.zip"])


def test_a_writer_goes_on_meanwhile(made):
    """As the collector does: a transaction every few milliseconds, each of which must come through."""
    made.make_store(rows=20000)
    made.queue(made.package())
    waits = []
    with contextlib.closing(sqlite3.connect(made.store, isolation_level=None, timeout=10)) as db, subprocess.Popen(
            [telehaul.BIN / "updater", "--root", made.path, "apply"], stdout=subprocess.DEVNULL) as updater:
        seq = 20000
        while updater.poll() is None:
            begin = time.monotonic()
            seq += 1
            db.execute("insert into readings values (?, ?, 1, 1.0)", (seq, seq))
            waits.append(time.monotonic() - begin)
    assert updater.returncode == 0 and len(waits) > 3
    assert made.query("select count(*) from readings") == [(seq,)]
    assert made.query("select x from made_up") == [(1,)]


# ---- after it: commit, undo, rollback ----

def test_commit_ends_the_probation_and_keeps_one_release_to_go_back_to(made):
    for version in ("1.1.0", "1.2.0"):
        made.queue(made.package(version, migrations={}, remove=[]))
        made.run("apply")
        made.run("commit")
        assert made.state() == (version, "committed", "")
    assert made.releases() == ["1.1.0", "1.2.0"] and not (made.path / "probation").exists()
    assert not list((made.path / "pending_update").glob("*.zip"))
    made.run("commit")
    assert [line["event"] for line in made.history()] == ["committed", "applied", "committed", "applied"]


def test_undo_goes_back_and_says_why(made):
    made.make_store()
    before = made.tree()
    made.queue(made.package())
    made.run("apply")
    for _ in range(2):  # the second time changes nothing
        made.run("undo", "--reason", "no_answer", "--text", "the portal did not answer in 30 s")
        assert made.state() == ("1.0.0", "rolled_back", "no_answer") and made.tree() == before
        assert not (made.path / "probation").exists()
    assert made.history()[0]["text"] == "the portal did not answer in 30 s"
    assert [line["event"] for line in made.history()] == ["rolled_back", "applied"]
    assert steps(made)[-1] == ("rolled_back", 100)
    assert made.query("select count(*) from readings") == [(100,)]
    made.run("recover")
    assert made.releases() == ["1.0.0"]


def test_what_was_undone_may_come_again(made):
    for _ in range(2):
        package = made.queue(made.package())
        made.run("apply")
        assert made.tree() == expected_tree(package, "1.1.0")
        made.run("undo", "--reason", "no_answer")


def test_rollback_goes_one_version_back_by_hand(made):
    made.queue(made.package())
    made.run("apply")
    made.run("commit")
    said = json.loads(made.run("rollback", "--json").stdout)
    assert said["version"] == "1.0.0" and made.current() == "1.0.0"
    assert (made.path / "restart.flag").exists()
    assert made.state() == ("1.0.0", "rolled_back", "by_hand")
    assert [line["event"] for line in made.history()][:2] == ["rolled_back", "rollback"]
    assert "no_previous" in made.run("rollback", check=1).stderr


def test_rollback_ends_a_probation(made):
    made.queue(made.package())
    made.run("apply")
    made.run("rollback")
    assert made.state() == ("1.0.0", "rolled_back", "by_hand") and not (made.path / "probation").exists()


def test_rollback_leaves_what_waits_alone(made):
    made.queue(made.package())
    made.run("apply")
    made.run("commit")
    made.queue(made.package("1.2.0"), approved=False)
    made.run("rollback")
    assert made.current() == "1.0.0" and made.state()[1] == "pending"


def test_an_old_release_that_cannot_start_is_not_gone_back_to(made):
    made.queue(made.package())
    made.run("apply")
    (made.path / "releases/1.0.0/bin/watchdog").unlink()
    for command in (["undo", "--reason", "x"], ["rollback"]):
        assert "bin/watchdog" in made.run(*command, check=1).stderr
        assert made.current() == "1.1.0" and (made.path / "probation").exists()


# ---- refusals ----

def not_approved(made):
    made.queue(made.package(), approved=False)


def approved_for_another(made):
    made.queue(made.package())
    (made.path / "pending_update/approved.json").write_text(json.dumps({
        "manifest_sha256": "0" * 64, "approved_at": "2026-02-22T10:00:00Z", "by": "operator"}))


@pytest.mark.parametrize("prepare, reason", [(lambda made: None, "nothing_pending"), (not_approved, "not_approved"),
                                             (approved_for_another, "not_approved")])
def test_nothing_is_applied_that_was_not_approved(made, prepare, reason):
    prepare(made)
    before = made.everything()
    assert f"({reason})" in made.run("apply", check=1).stderr
    assert {name: held for name, held in made.everything().items() if name != "run/update.lock"} == {
        name: held for name, held in before.items() if name != "run/update.lock"}


def broken(change):
    def make(made):
        package = made.package()
        change(package)
        return package
    return make


def change_content(package):
    package.changed = lambda entries: [
        raw_zip.Entry(entry.name, entry.content + b" ", entry.method) if entry.name == b"migrations/0901_made_up.sql" else entry
        for entry in entries]


def change_hash(package):
    package.manifest["files"][0]["sha256"] = "0" * 64


def sign_wrongly(package):
    package.signature = b"AAAA"


REFUSED = {
    "invalid_sig": broken(sign_wrongly),
    "size_mismatch": broken(lambda package: package.manifest["files"][0].update(size=5)),
    "hash_mismatch": broken(change_hash),
    "wrong_product": lambda made: made.package(product="another"),
    "min_version": lambda made: made.package(min_version="1.0.1"),
    "same_version": lambda made: made.package("1.0.0"),
    "older_version": lambda made: made.package("0.9.0"),
    "expired": lambda made: made.package(expires_at="2026-01-01T00:00:00Z"),
    "wrong_base": lambda made: made.package(base={"version": "1.0.0", "tree_sha256": "0" * 64}),
    "protected_path": lambda made: made.package(remove=["version.txt"]),
    "bad_migration": lambda made: made.package(migrations={"0901_bad.sql": b"DROP TABLE readings;\n"}),
    "no_watchdog": lambda made: made.package(files={"share/new": b"x"}, remove=["bin/watchdog"]),
    "file_and_folder": lambda made: made.package(files={"share/kept": b"x"}),
}
# what size says is looked at before the content is, and what is too large for the entry is too_large
REFUSED_AS = {"size_mismatch": ("size_mismatch", "too_large")}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refused_package_changes_nothing(made, reason):
    made.make_store()
    before, schema = made.tree(), made.query("select sql from sqlite_master order by 1")
    made.queue(REFUSED[reason](made))
    error = made.run("apply", check=False)
    assert error.returncode in (1, 4, 5), error
    version, state, said = made.state()
    assert (version, state) == ("1.0.0", "failed") and said in REFUSED_AS.get(reason, (reason,)), error.stderr
    assert f"({said})" in error.stderr and made.history()[0]["reason"] == said
    assert made.tree() == before and made.releases() == ["1.0.0"] and made.left_over() == []
    assert made.query("select sql from sqlite_master order by 1") == schema
    assert not (made.path / "probation").exists()
    assert steps(made)[-1] == ("failed", 100)
    assert not list((made.path / "pending_update").glob("*.zip"))


def test_a_floor_holds_although_nothing_newer_was_installed(made):
    (made.path / "pending_update/floors.json").write_text(json.dumps({"version": "1.5.0", "time": "2026-02-22T10:00:00Z"}))
    made.queue(made.package("1.4.0"))
    made.run("apply", check=1)
    assert made.state() == ("1.0.0", "failed", "older_version")
    made.queue(made.package("1.5.0"))
    made.run("apply")


def test_a_base_that_is_this_tree_is_taken(made):
    made.queue(made.package(base={"version": "1.0.0", "tree_sha256": tree_sha256(made.path / "releases/1.0.0")}))
    made.run("apply")


def test_of_two_migrations_none_stays_when_the_second_fails(made):
    """It fails on the rows that are there, which no check without rows can see."""
    made.make_store()
    schema = made.query("select sql from sqlite_master order by 1")
    made.queue(made.package(migrations={
        "0901_good.sql": b"CREATE TABLE made_up (x INTEGER);\n",
        "0902_bad.sql": b"CREATE TABLE held (x INTEGER CHECK (x < 0));\nINSERT INTO held SELECT seq FROM readings;\n"}))
    made.run("apply", check=False)
    assert made.state()[:2] == ("1.0.0", "failed")
    assert made.query("select sql from sqlite_master order by 1") == schema and made.releases() == ["1.0.0"]


def test_a_package_swapped_after_the_approval_is_not_applied(made):
    approved = made.package()
    made.queue(approved)
    swapped = made.package(files={**NEW, "bin/portal": b"#!/bin/sh\necho another\n"})
    swapped.write(made.path / "pending_update/update_v1.1.0.zip")
    before = made.tree()
    made.run("apply", check=False)
    assert made.state() == ("1.0.0", "failed", "changed") and made.tree() == before


@pytest.mark.parametrize("plant", ["zip", "queue"])
def test_a_link_in_the_queue_leads_nowhere(made, tmp_path, plant):
    made.queue(made.package())
    queue = made.path / "pending_update"
    if plant == "zip":
        (queue / "update_v1.1.0.zip").rename(tmp_path / "elsewhere.zip")
        (queue / "update_v1.1.0.zip").symlink_to(tmp_path / "elsewhere.zip")
    else:
        queue.rename(tmp_path / "elsewhere")
        queue.symlink_to(tmp_path / "elsewhere")
    before = made.tree()
    assert made.run("apply", check=False).returncode != 0
    assert made.current() == "1.0.0" and made.tree() == before and made.releases() == ["1.0.0"]


def test_links_planted_at_temporary_names_are_not_followed(made, tmp_path):
    made.make_store()
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("untouched")
    (made.path / "releases/.new-1.1.0").symlink_to(victim)
    (made.path / "releases/.old-1.1.0").symlink_to(victim)
    (made.path / "releases/1.1.0").symlink_to(victim)
    (made.path / "backups/.backup.zip.tmp").symlink_to(victim / "precious")
    (made.path / "data/.update_snapshot.db").symlink_to(victim / "precious")
    (made.path / ".probation.tmp").symlink_to(victim / "precious")
    (made.path / ".current.tmp").symlink_to(victim / "precious")
    package = made.queue(made.package())
    made.run("apply")
    assert made.tree() == expected_tree(package, "1.1.0")
    assert (victim / "precious").read_text() == "untouched" and [path.name for path in victim.iterdir()] == ["precious"]


def test_what_an_earlier_try_left_is_replaced(made):
    shutil.copytree(made.path / "releases/1.0.0", made.path / "releases/1.1.0")
    (made.path / "releases/1.1.0/share/stray").write_text("left")
    (made.path / "releases/.new-1.1.0/bin").mkdir(parents=True)
    package = made.queue(made.package())
    made.run("apply")
    assert made.tree() == expected_tree(package, "1.1.0")


def test_nobody_else_gets_in_between(made):
    made.queue(made.package())
    (made.path / "run/update.lock").touch()
    with subprocess.Popen(["flock", made.path / "run/update.lock", "sh", "-c", "echo held; exec sleep 60"],
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        for command in (["apply"], ["recover"], ["commit"], ["undo", "--reason", "x"], ["rollback"]):
            assert "(busy)" in made.run(*command, check=1).stderr
        holder.send_signal(signal.SIGKILL)
    assert made.state()[1] == "approved"


def test_a_probation_lets_no_other_in(made):
    made.queue(made.package())
    made.run("apply")
    state = (made.path / "pending_update/state.json").read_text()
    made.queue(made.package("1.2.0"))
    (made.path / "pending_update/state.json").write_text(state)  # whatever the notes say
    assert "(busy)" in made.run("apply", check=1).stderr
    assert made.current() == "1.1.0"


# ---- disk full ----

# LeakSanitizer cannot work under a tracer.
QUIET = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def trace(made, inject, *command):
    kind = inject.split(":")[0]
    return subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={kind}", "-e", f"inject={inject}",
                           telehaul.BIN / "updater", "--root", made.path, *command], capture_output=True, check=False, env=QUIET)


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("kind", ["write", "pwrite64", "mkdirat", "linkat", "fsync", "ftruncate"])
def test_a_full_disk_leaves_the_old_version(tmp_path, keys, kind):
    """From the nth such call on every one fails, for an n of each stretch of the way."""
    made = UpdateRoot(tmp_path, keys)
    made.make_store()
    before = made.tree()
    shutil.copytree(made.path, tmp_path / "kept", symlinks=True)
    tried = 0
    for number in (1, 2, 3, 5, 8, 13, 21, 34, 55):
        made.leave()
        shutil.copytree(tmp_path / "kept", made.path, symlinks=True)
        package = made.queue(made.package())
        done = trace(made, f"{kind}:error=ENOSPC:when={number}+", "apply")
        made.run("recover")
        if made.current() == "1.1.0":  # too few calls to fail one, or only notes failed
            assert made.tree() == expected_tree(package, "1.1.0")
        else:
            tried += 1
            assert done.returncode != 0 and made.tree() == before and made.releases() == ["1.0.0"], f"{kind} {number}"
            assert not (made.path / "probation").exists()
        assert made.left_over() == []
        assert made.query("select count(*) from readings") == [(100,)]
    assert tried >= 1


# ---- killed ----

CUT_STATES = {("1.0.0", "approved"), ("1.0.0", "pending"), ("1.1.0", "probation")}


def test_killed_anywhere_it_is_the_old_or_the_new_version(tmp_path, keys):
    made = UpdateRoot(tmp_path, keys)
    made.make_store(rows=20000)
    before = made.tree()
    shutil.copytree(made.path, tmp_path / "kept", symlinks=True)
    begin = time.monotonic()
    package = made.queue(made.package())
    made.run("apply")
    whole_s = time.monotonic() - begin
    dice = random.Random(20260222)
    seen = set()
    for _ in range(30):
        made.leave()
        shutil.copytree(tmp_path / "kept", made.path, symlinks=True)
        package = made.queue(made.package())
        with subprocess.Popen([telehaul.BIN / "updater", "--root", made.path, "apply"], stdout=subprocess.DEVNULL,
                              stderr=subprocess.DEVNULL) as updater:
            with contextlib.suppress(subprocess.TimeoutExpired):
                updater.wait(dice.uniform(0, whole_s * 1.1))
            updater.kill()
        made.run("recover")
        version, state, _ = made.state()
        seen.add((version, state))
        assert made.tree() == (before if version == "1.0.0" else expected_tree(package, "1.1.0"))
        assert made.left_over() == [] and (made.path / "probation").exists() == (version == "1.1.0")
        assert set(made.ledger()) - {"0901_made_up.sql"} == {path.name for path in MIGRATIONS}
        if version == "1.1.0":
            assert "0901_made_up.sql" in made.ledger()
        if state == "pending":
            approve(made, package)
        if version == "1.0.0":
            made.run("apply")
        assert made.tree() == expected_tree(package, "1.1.0")
    assert seen <= CUT_STATES and len(seen) >= 2


def approve(made, package):
    (made.path / "pending_update/approved.json").write_text(json.dumps({
        "manifest_sha256": package.manifest_sha256(), "approved_at": "2026-02-22T10:00:00Z", "by": "operator"}))


CHANGING = "openat,write,pwrite64,fsync,rename,renameat,renameat2,unlink,unlinkat,rmdir,symlink,linkat,mkdir,mkdirat,fchmod"


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("command", [["commit"], ["undo", "--reason", "no_answer", "--text", "made up"], ["rollback"]])
def test_a_decision_killed_at_any_call_is_made_or_not(tmp_path, keys, command):
    made = UpdateRoot(tmp_path, keys)
    made.queue(made.package(migrations={}))
    made.run("apply")
    shutil.copytree(made.path, tmp_path / "kept", symlinks=True)
    ends = {("1.1.0", "probation"), ("1.1.0", "committed") if command == ["commit"] else ("1.0.0", "rolled_back")}
    seen = set()
    for kind in ("rename", "unlink", "symlink", "renameat", "rmdir"):
        for number in range(1, 60):
            made.leave()
            shutil.copytree(tmp_path / "kept", made.path, symlinks=True)
            done = trace(made, f"{kind}:signal=KILL:when={number}", *command)
            made.run("recover")
            version, state, reason = made.state()
            seen.add((version, state))
            assert (version, state) in ends, f"{kind} {number}"
            assert (made.path / "probation").exists() == (state == "probation"), f"{kind} {number}"
            if state == "rolled_back":
                assert reason == ("by_hand" if command == ["rollback"] else "no_answer"), f"{kind} {number}"
            if done.returncode == 0:
                break
    assert seen == ends


def test_an_update_that_is_cut_off_each_time_has_failed(made):
    package = made.queue(made.package())
    for time_ in (1, 2, 3):
        state = json.dumps({"state": "applying", "version": "1.1.0", "manifest_sha256": package.manifest_sha256(),
                            "received_at": "2026-02-22T10:00:00.000001Z", "previous": "1.0.0", "reason": "", "text": "",
                            "changed_at": "2026-02-22T10:00:01.000000Z"})
        (made.path / "pending_update/state.json").write_text(state)
        made.run("recover")
        assert made.state()[1:] == (("failed", "interrupted") if time_ == 3 else ("pending", ""))
    assert not list((made.path / "pending_update").glob("*.zip"))


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_what_cannot_be_read_just_now_is_not_taken_for_missing(made):
    """An open that the system refuses once, at each place: what waits is there afterwards all the same."""
    made.queue(made.package())
    for number in range(1, 200):
        done = trace(made, f"openat:error=EIO:when={number}", "recover")
        assert made.state()[1] == "approved" and list((made.path / "pending_update").glob("*.zip")), number
        if done.returncode == 0 and number > 60:
            break
    assert number < 199
    made.run("apply")


def test_what_boot_start_has_undone_is_rolled_back(made):
    made.queue(made.package())
    made.run("apply")
    for _ in range(3):
        subprocess.run([made.path / "boot/start"], check=True, capture_output=True)
    assert made.current() == "1.0.0"
    made.run("recover")
    assert made.state() == ("1.0.0", "rolled_back", "not_proven") and made.releases() == ["1.0.0"]


def test_what_boot_start_has_undone_before_anybody_noted_the_switch(made):
    package = made.queue(made.package())
    made.run("apply")
    state = json.loads((made.path / "pending_update/state.json").read_text())
    (made.path / "pending_update/state.json").write_text(json.dumps({**state, "state": "applying", "reason": "switching"}))
    for _ in range(3):
        subprocess.run([made.path / "boot/start"], check=True, capture_output=True)
    made.run("recover")
    assert made.state() == ("1.0.0", "rolled_back", "not_proven")
    assert package.manifest["version"] not in made.releases()


def test_the_file_probation_decides_and_not_the_notes(made):
    """Whoever may write in pending_update cannot keep a bad version in power, nor bring an older one back."""
    made.queue(made.package())
    made.run("apply")
    (made.path / "pending_update/state.json").unlink()
    (made.path / "pending_update/meta.json").unlink()
    made.run("recover")
    assert (made.path / "probation").read_text() == "1.0.0 0\n" and made.releases() == ["1.0.0", "1.1.0"]
    made.run("undo", "--reason", "no_answer")
    assert made.current() == "1.0.0" and not (made.path / "probation").exists()
    assert made.history()[0]["event"] == "rolled_back"


def test_recover_removes_what_is_left_and_changes_nothing_else(made):
    before = made.everything()
    made.run("recover")
    (made.path / "releases/0.8.0").mkdir()
    (made.path / "releases/0.9.0").mkdir()
    (made.path / "releases/.new-1.1.0/bin").mkdir(parents=True)
    (made.path / "releases/.old-0.7.0/bin").mkdir(parents=True)
    (made.path / "backups/.backup.zip.tmp").write_text("half")
    (made.path / "data/.update_snapshot.db").write_text("half")
    (made.path / ".current.tmp").symlink_to("releases/1.1.0")
    (made.path / ".probation.tmp").write_text("1.0.0")
    made.run("recover")
    assert made.releases() == ["0.9.0", "1.0.0"] and made.left_over() == []
    (made.path / "releases/0.9.0").rmdir()
    assert {name: held for name, held in made.everything().items() if name != "run/update.lock"} == {
        name: held for name, held in before.items() if name != "run/update.lock"}


# ---- plan, verify, history ----

def test_plan_says_what_would_happen_and_touches_nothing(made, tmp_path):
    made.make_store()
    made.run("recover")
    path = made.package().write(tmp_path / "update.zip")
    before = made.everything()
    plan = json.loads(made.run("plan", path, "--json").stdout)
    assert plan["ok"] is True and (plan["version"], plan["current_version"]) == ("1.1.0", "1.0.0")
    assert {(entry["path"], entry["change"], entry["old_size"], entry["new_size"]) for entry in plan["files"]} == {
        ("bin/watchdog", "replaced", len(OLD["bin/watchdog"]), len(NEW["bin/watchdog"])),
        ("share/www/app.css", "replaced", len(OLD["share/www/app.css"]), len(NEW["share/www/app.css"])),
        ("share/www/new/page.html", "new", 0, len(NEW["share/www/new/page.html"])),
        ("share/old.txt", "removed", len(OLD["share/old.txt"]), 0)}
    assert plan["migrations"] == list(ADDED)
    assert plan["release_bytes"] == sum(map(len, [*NEW.values(), *ADDED.values()]))
    assert plan["snapshot_bytes"] >= made.store.stat().st_size
    assert "would be taken" in made.run("plan", path).stdout
    made.package("1.0.0").write(path)
    refused = made.run("plan", path, "--json", check=1)
    assert json.loads(refused.stdout)["reason"] == "same_version" and "(same_version)" in refused.stderr
    path.write_bytes(b"no zip")
    refused = made.run("plan", path, "--json", check=5)
    assert json.loads(refused.stdout)["ok"] is False and "files" not in json.loads(refused.stdout)
    assert made.everything() == before


def test_verify_uses_the_keys_of_this_machine(made, tmp_path, other_keys):
    package = made.package()
    said = json.loads(made.run("verify", package.write(tmp_path / "good.zip"), "--json").stdout)
    assert said["ok"] is True and said["manifest_sha256"] == package.manifest_sha256() and len(said["signer"]) == 64
    package.keys = other_keys
    refused = made.run("verify", package.write(tmp_path / "bad.zip"), "--json", check=4)
    assert json.loads(refused.stdout)["reason"] == "invalid_sig"
    change_content(package := made.package())
    package.manifest["migrations"][0]["size"] += 1
    made.run("verify", package.write(tmp_path / "bad.zip"), check=5)
    made.run("verify", tmp_path / "nowhere.zip", check=1)


def test_history_is_for_people_too(made):
    made.queue(made.package())
    made.run("apply")
    made.run("undo", "--reason", "no_answer", "--text", "made up")
    lines = made.run("history").stdout.splitlines()
    assert len(lines) == 2 and re.fullmatch(r"\S+Z  rolled_back  1\.1\.0.*no_answer: made up", lines[0])


def test_wrong_usage(made):
    for words in (["plan"], ["verify"], ["apply", "x"], ["undo"], ["plan", "a", "b"]):
        made.run(*words, check=2)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand a folder to somebody else")
def test_the_store_is_touched_as_its_owner_alone(made, tmp_path):
    """The services own data/: what they plant there must lead root nowhere."""
    made.make_store()
    victim = tmp_path / "victim.db"
    shutil.copy(made.store, victim)
    for path in (made.path / "data", *(made.path / "data").iterdir()):
        shutil.chown(path, "nobody", "nogroup")
    made.queue(made.package())
    pathlib.Path(tmp_path).chmod(0o755)
    for folder in pathlib.Path(tmp_path).parents:
        if folder.is_relative_to("/tmp") and folder != pathlib.Path("/tmp"):
            folder.chmod(folder.stat().st_mode | 0o011)
    made.run("apply")
    assert {path.owner() for path in (made.path / "data").iterdir()} == {"nobody"}
    made.run("undo", "--reason", "x")
    victim.chmod(0o600)
    before = victim.read_bytes()
    for path in (made.path / "data").iterdir():
        path.unlink()
    made.store.symlink_to(victim)
    made.queue(made.package())
    made.run("apply", check=False)
    assert victim.read_bytes() == before and made.state()[:2] == ("1.0.0", "failed")
