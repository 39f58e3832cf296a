"""`updater init` and `status`, and boot/start: a machine's folder that is whole or can be made again, and a bad new
version that never stays in power, wherever the power goes."""

import hashlib
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess

import pytest
import telehaul
from telehaul import run

WATCHDOG = "#!/bin/sh\necho \"$0 $*\" >>\"${0%/current/*}/started\"\necho \"$0 $*\"\n"

# System calls that change what is on the disk: a power cut may come before each of them.
CHANGING = "openat,write,fsync,rename,renameat,renameat2,unlink,unlinkat,symlink,symlinkat,ftruncate,mkdir,mkdirat,fchmod"


def release(folder, mark=""):
    folder.mkdir(parents=True)
    (folder / "bin").mkdir()
    (folder / "share").mkdir()
    (folder / "migrations").mkdir()
    (folder / "bin/watchdog").write_text(WATCHDOG)
    (folder / "bin/watchdog").chmod(0o755)
    (folder / "share/mark").write_text(mark)
    return folder


@pytest.fixture
def source(tmp_path):
    return release(tmp_path / "from")


@pytest.fixture
def made(tmp_path, source):
    run("updater", "--root", tmp_path / "root", "init", "--from", source, "--version", "1.0.0")
    return tmp_path / "root"


def tree(folder):
    """Every path below with what it is and holds; the random secrets are left out."""
    entries = {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            entries[name] = os.readlink(path)
        elif path.is_dir():
            entries[name] = oct(path.stat().st_mode)
        else:
            content = b"secret" if name == "credentials.env" else path.read_bytes()
            entries[name] = (oct(path.stat().st_mode), hashlib.sha256(content).hexdigest())
    return entries


# ---- init ----

def test_init_makes_a_whole_root(tmp_path, source, keys):
    root = tmp_path / "deep" / "root"
    done = run("updater", "--root", root, "init", "--from", source, "--version", "1.0.0", "--public-key",
               keys.public_file, "--json")
    made = json.loads(done.stdout)
    assert set(made) == {"root", "version", "pin", "api_key"}
    assert made["root"] == str(root) and made["version"] == "1.0.0"
    assert re.fullmatch(r"\d{8}", made["pin"]) and re.fullmatch(r"[0-9a-f]{64}", made["api_key"])
    for folder in ("agent", "data", "pending_update", "backups", "log", "run", "keys", "releases", "boot"):
        assert (root / folder).is_dir()
    assert (root / "agent").stat().st_mode & 0o777 == 0o700
    assert os.readlink(root / "current") == "releases/1.0.0"
    assert (root / "current/version.txt").read_text() == "1.0.0\n"
    assert (root / "keys/update_public.pem").read_bytes() == keys.public_file.read_bytes()
    secrets = (root / "credentials.env").read_text()
    assert f"CONFIG_PIN = {made['pin']}" in secrets and f"OUTBOUND_API_KEY = {made['api_key']}" in secrets
    assert (root / "credentials.env").stat().st_mode & 0o777 == 0o600
    config = (root / "config.txt").read_text()
    assert "AGENT_PORT = 9876" in config
    assert os.access(root / "boot/start", os.X_OK)
    assert [path for path in root.rglob("*") if path.name.endswith(".tmp")] == []


def test_two_roots_have_different_secrets(tmp_path, source):
    texts = set()
    for name in ("a", "b"):
        done = run("updater", "--root", tmp_path / name, "init", "--from", source, "--version", "1.0.0")
        texts.add(re.search(r"PIN +(\d{8})", done.stdout)[1] + re.search(r"API key +(\w+)", done.stdout)[1])
    assert len(texts) == 2


def test_a_root_is_not_made_twice(made, source):
    before = tree(made)
    secrets = (made / "credentials.env").read_text()
    done = run("updater", "--root", made, "init", "--from", source, "--version", "2.0.0", check=1)
    assert "already" in done.stderr and done.stdout == ""
    assert tree(made) == before and (made / "credentials.env").read_text() == secrets


def test_what_init_refuses_it_refuses_before_making_anything(tmp_path, source, keys):
    root = tmp_path / "root"
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("no key")
    cases = [
        (["--from", tmp_path, "--version", "1.0.0"], 5, "bin/watchdog"),
        (["--from", tmp_path / "nowhere", "--version", "1.0.0"], 1, "nowhere"),
        (["--from", source, "--version", "1.0"], 2, "SemVer"),
        (["--from", source, "--version", "../../etc"], 2, "SemVer"),
        (["--from", source], 2, "--version"),
        (["--version", "1.0.0"], 2, "--from"),
        (["--from", source, "--version", "1.0.0", "--public-key", nonsense], 5, "nonsense.pem"),
        (["--from", source, "--version", "1.0.0", "--public-key", tmp_path / "missing.pem"], 1, "missing.pem"),
    ]
    for arguments, code, word in cases:
        assert word in run("updater", "--root", root, "init", *arguments, check=code).stderr
        assert not root.exists()
    assert "--root" in run("updater", "init", check=2).stderr
    run("updater", "--root", root, "aply", check=2)
    run("updater", "--root", root, check=2)


# LeakSanitizer cannot work under a tracer.
QUIET = {**os.environ, "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_init_killed_anywhere_can_be_made_again(tmp_path, source, keys):
    """Before each call that changes the disk, kind by kind, until a run comes through."""
    def init(root):
        return [telehaul.BIN / "updater", "--root", root, "init", "--from", source, "--version", "1.0.0", "--public-key",
                keys.public_file]

    assert subprocess.run(list(map(str, init(tmp_path / "whole"))), check=False, capture_output=True).returncode == 0
    whole = tree(tmp_path / "whole")
    tried = 0
    for kind in CHANGING.removeprefix("openat,").split(","):  # what it makes, it changes with the next call
        for number in range(1, 400):
            root = tmp_path / "killed"
            trace = subprocess.run(["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={kind}", "-e",
                                    f"inject={kind}:signal=KILL:when={number}", *map(str, init(root))],
                                   capture_output=True, check=False, env=QUIET)
            if trace.returncode == 0:
                shutil.rmtree(root)
                break
            tried += 1
            if not (root / "config.txt").exists():
                run("updater", *list(map(str, init(root)))[1:])
            assert tree(root) == whole, f"killed at {kind} {number}"
            shutil.rmtree(root)
    assert tried > 50


def test_an_init_that_was_cut_off_goes_on_with_the_same_release_only(tmp_path, source, made):
    (made / "config.txt").unlink()
    other = release(tmp_path / "other", "another build of the same version")
    done = run("updater", "--root", made, "init", "--from", other, "--version", "1.0.0", check=1)
    assert "remove it" in done.stderr
    run("updater", "--root", made, "init", "--from", source, "--version", "1.0.0")


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
def test_what_a_cut_off_init_has_left_is_made_durable(tmp_path, source, made):
    """The cut may have come between the release's rename and the fsync of its folder."""
    (made / "config.txt").unlink()
    calls = tmp_path / "calls"
    subprocess.run(["strace", "-f", "-y", "-o", calls, "-e", "trace=fsync", telehaul.BIN / "updater", "--root", made, "init",
                    "--from", source, "--version", "1.0.0"], check=True, capture_output=True, env=QUIET)
    assert f"{made}/releases>)" in calls.read_text()


# ---- status ----

def test_status(made):
    status = json.loads(run("updater", "--root", made, "status", "--json").stdout)
    assert status == {"root": str(made), "version": "1.0.0", "releases": ["1.0.0"], "previous": "", "probation": False,
                      "pending": False, "state": "none", "update": "", "reason": ""}
    shutil.copytree(made / "releases/1.0.0", made / "releases/1.10.0")
    shutil.copytree(made / "releases/1.0.0", made / "releases/1.9.0")
    (made / "pending_update/update_v2.0.0.zip").write_text("made up")
    (made / "pending_update/meta.json").write_text(json.dumps({
        "file": "update_v2.0.0.zip", "version": "2.0.0", "manifest_sha256": "0" * 64, "notes": "",
        "received_at": "2026-02-22T10:00:00Z", "from": "192.0.2.1"}))
    status = json.loads(run("updater", "--root", made, "status", "--json").stdout)
    assert status["releases"] == ["1.0.0", "1.9.0", "1.10.0"] and status["pending"] is True
    assert (status["state"], status["update"]) == ("pending", "2.0.0")
    text = run("updater", "--root", made, "status").stdout
    assert re.search(r"version +1\.0\.0\n", text) and "one waits" in text
    (made / "current").unlink()
    (made / "current").symlink_to("/etc")
    assert "current" in run("updater", "--root", made, "status", check=1).stderr


def test_status_of_no_root(tmp_path):
    assert "config.txt" in run("updater", "--root", tmp_path, "status", check=1).stderr


def test_version_alone_is_the_programs_own():
    assert re.fullmatch(r"updater \d+\.\d+\.\d+\S*\n", run("updater", "--version").stdout)


# ---- boot/start ----

@pytest.fixture
def updated(made):
    """Two releases; the newer one runs on probation."""
    shutil.copytree(made / "releases/1.0.0", made / "releases/1.1.0")
    (made / "current").unlink()
    (made / "current").symlink_to("releases/1.1.0")
    (made / "probation").write_text("1.0.0 0\n")
    return made


def boot(root, *arguments):
    done = subprocess.run([root / "boot/start", *arguments], capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stdout.strip()


def current(root):
    return os.readlink(root / "current")


def test_boot_start_becomes_the_watchdog(made):
    assert boot(made) == (0, f"{made}/current/bin/watchdog --root {made}")
    assert boot(made, "--some", "words")[1].endswith(f"--root {made} --some words")
    assert not (made / "log/boot.log").exists()


def test_the_third_start_on_probation_points_back(updated):
    for start in (1, 2):
        assert boot(updated)[0] == 0
        assert (updated / "probation").read_text() == f"1.0.0 {start}\n"
        assert current(updated) == "releases/1.1.0"
    assert boot(updated)[0] == 0
    assert current(updated) == "releases/1.0.0"
    assert not (updated / "probation").exists()
    assert "back to release 1.0.0" in (updated / "log/boot.log").read_text()
    started = (updated / "started").read_text().splitlines()
    assert len(started) == 3
    assert boot(updated)[0] == 0 and current(updated) == "releases/1.0.0"


def test_what_is_no_start_of_the_machine_is_not_counted(updated):
    for words in (["status"], ["--check-config"], ["--version"], ["--json", "status"]):
        boot(updated, *words)
    assert (updated / "probation").read_text() == "1.0.0 0\n"
    (updated / "run/watchdog.lock").touch()
    with subprocess.Popen(["flock", updated / "run/watchdog.lock", "sh", "-c", "echo held; exec sleep 60"],
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        boot(updated)
        holder.send_signal(signal.SIGKILL)
    assert (updated / "probation").read_text() == "1.0.0 0\n"


@pytest.mark.parametrize("content", [
    b"", b"\0" * 64, b"1.0.0", b"1.0.0 x\n", b"1.0.0 -1\n", b"1.0.0 1 more\n", b"../../etc 2\n", b"/etc 2\n", b".. 2\n",
    b"1.0.0 99999999999\n", b"x" * 100000, b"1.0.0\n2\n3\n", b"current 2\n"])
def test_a_malformed_probation_never_keeps_the_machine_from_starting(updated, content):
    (updated / "probation").write_bytes(content)
    assert boot(updated)[0] == 0
    assert current(updated) == "releases/1.1.0"
    assert "makes no sense" in (updated / "log/boot.log").read_text()


def test_a_probation_that_is_no_file_neither(updated):
    for make in (lambda path: path.mkdir(), os.mkfifo, lambda path: path.symlink_to("/etc/passwd")):
        (updated / "probation").unlink()
        make(updated / "probation")
        assert boot(updated)[0] == 0
        if (updated / "probation").is_dir() and not (updated / "probation").is_symlink():
            (updated / "probation").rmdir()
            (updated / "probation").touch()


def test_it_never_points_at_a_release_that_cannot_start(updated):
    (updated / "probation").write_text("1.0.0 2\n")
    (updated / "releases/1.0.0/bin/watchdog").unlink()
    assert boot(updated)[0] == 0
    assert current(updated) == "releases/1.1.0"
    assert "cannot be started either" in (updated / "log/boot.log").read_text()


def test_a_release_without_a_watchdog_is_undone_by_starts_alone(updated):
    (updated / "releases/1.1.0/bin/watchdog").unlink()
    assert boot(updated)[0] == 1 and boot(updated)[0] == 1
    assert boot(updated) == (0, f"{updated}/current/bin/watchdog --root {updated}")
    assert current(updated) == "releases/1.0.0"


def test_its_log_stays_small(updated):
    (updated / "log/boot.log").write_text("x" * 300 * 1024)
    (updated / "probation").write_text("nonsense\n")
    boot(updated)
    assert (updated / "log/boot.log").stat().st_size < 1024


@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("starts", [0, 1, 2])
def test_boot_start_killed_at_every_call(updated, tmp_path, starts):
    """Killed before and after each disk-changing call and started again: the release is the old one or the new one, the
    machine always starts, and the new version gets its two starts at most, and one more for each cut."""
    tried = 0
    for kind in CHANGING.split(","):
        for number in range(1, 60):
            for name in (".probation.tmp", ".current.tmp", "current", "started"):
                (updated / name).unlink(missing_ok=True)
            (updated / "current").symlink_to("releases/1.1.0")
            (updated / "probation").write_text(f"1.0.0 {starts}\n")
            # a killed one never gets to exec the watchdog, which strace would count on in
            trace = subprocess.run(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={kind}", "-e",
                                    f"inject={kind}:signal=KILL:when={number}", updated / "boot/start"],
                                   capture_output=True, check=False, env=QUIET)
            if trace.returncode == 0:
                break
            tried += 1
            assert current(updated) in ("releases/1.0.0", "releases/1.1.0"), f"{kind} {number}"
            if (updated / "probation").exists():
                assert re.fullmatch(r"1\.0\.0 [0-2]\n", (updated / "probation").read_text()), f"{kind} {number}"
            for _ in range(3 - starts):
                assert boot(updated)[0] == 0
            assert current(updated) == "releases/1.0.0" and not (updated / "probation").exists(), f"{kind} {number}"
    assert tried >= 5
