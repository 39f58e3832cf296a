"""`updater apply` as it should go, and what decides about it afterwards: commit, undo, rollback."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import sqlite3
import subprocess
import zipfile

import pytest
import telehaul
from update_root import MIGRATIONS, OLD, expected_tree, made, steps  # noqa: F401  fixtures


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
    first = seq = 20000
    made.make_store(rows=first)
    with contextlib.closing(sqlite3.connect(made.store, isolation_level=None, timeout=telehaul.DEADLINE_S)) as db:
        while seq - first <= 3:  # a writer that stood still all the time was beside no update: it comes again
            made.queue(made.package())
            with subprocess.Popen([telehaul.BIN / "updater", "--root", made.path, "apply"],
                                  stdout=subprocess.DEVNULL) as updater:
                while updater.poll() is None:
                    seq += 1
                    db.execute("insert into readings values (?, ?, 1, 1.0)", (seq, seq))
            assert updater.returncode == 0
            if seq - first <= 3:
                made.run("undo", "--reason", "no_answer")
    assert made.query("select count(*) from readings") == [(seq,)]
    assert made.query("select x from made_up") == [(1,)] and made.current() == "1.1.0"


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


def test_history_is_for_people_too(made):
    made.queue(made.package())
    made.run("apply")
    made.run("undo", "--reason", "no_answer", "--text", "made up")
    lines = made.run("history").stdout.splitlines()
    assert len(lines) == 2 and re.fullmatch(r"\S+Z  rolled_back  1\.1\.0.*no_answer: made up", lines[0])


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
