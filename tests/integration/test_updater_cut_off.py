"""`updater apply` cut off by a full disk, by kill -9 or by boot/start: the new version whole or the old one untouched."""

import contextlib
import json
import os
import random
import shutil
import subprocess
import time

import pytest
import telehaul
from update_root import MIGRATIONS, UpdateRoot, expected_tree, made  # noqa: F401  fixtures


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
    tries = 0
    while tries < 30 or len(seen) < 2:
        tries += 1
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
        # the first one may have been slower, or faster, than those that follow
        whole_s *= 0.8 if version == "1.1.0" else 1.02 if tries < 30 else 1.5
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
