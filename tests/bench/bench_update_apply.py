#!/usr/bin/python3
"""What an update costs on the machine: verify and stage of 256 MiB in 500 files against `unzip` and `sha256sum` of the same
files, the updater's memory meanwhile, and the time from Apply until the new version answers.

The rival writes and reads the files and compares nothing; neither side's time has an fsync in it. Files are made up: half of
them random, half of them text."""

import hashlib
import json
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "harness"))

import httpx  # noqa: E402
import telehaul  # noqa: E402
from telehaul import wait_until  # noqa: E402

FILES, FILE_BYTES, TURNS = 500, 256 * 2**20 // 500, 3


def make_release(folder):
    (folder / "bin").mkdir(parents=True)
    (folder / "share" / "big").mkdir(parents=True)
    shutil.copytree(telehaul.DIST / "migrations", folder / "migrations")
    (folder / "bin" / "watchdog").write_text("#!/bin/sh\n")
    (folder / "bin" / "watchdog").chmod(0o755)
    source = random.Random(1)
    words = [source.randbytes(6).hex().encode() for _ in range(4096)]
    for number in range(FILES):
        text = b" ".join(source.choices(words, k=FILE_BYTES // 13 + 1))[:FILE_BYTES]
        (folder / "share" / "big" / f"{number:03}").write_bytes(text if number % 2 else source.randbytes(FILE_BYTES))
    return folder


def seconds_between(progress, first, second):
    times = {line["step"]: line["time"] for line in map(json.loads, progress.read_text().splitlines())}
    at = [time.strptime(times[step][:19], "%Y-%m-%dT%H:%M:%S") for step in (first, second)]
    return time.mktime(at[1]) - time.mktime(at[0]) + float("0" + times[second][19:-1]) - float("0" + times[first][19:-1])


def queue(root, package):
    with zipfile.ZipFile(package) as archive:
        digest = hashlib.sha256(archive.read("manifest.json")).hexdigest()
    shutil.copy(package, root / "pending_update")
    received_at = "2026-02-22T10:00:00.000000Z"
    (root / "pending_update/approved.json").write_text(json.dumps(
        {"manifest_sha256": digest, "approved_at": received_at, "by": "operator"}))
    (root / "pending_update/meta.json").write_text(json.dumps(
        {"file": package.name, "version": "1.1.0", "manifest_sha256": digest, "notes": "made up", "received_at": received_at,
         "from": "192.0.2.1"}))


def stage(folder, keys, release, package, turn):
    """Seconds of verify and stage, peak memory of apply and of a command that does nothing large."""
    root = folder / f"root{turn}"
    small = folder / "small"
    if not small.exists():
        shutil.copytree(release, small, ignore=lambda *_: ["big"])
    telehaul.run("updater", "--root", root, "init", "--from", small, "--version", "1.0.0", "--public-key", keys.public_file)
    queue(root, package)
    idle = telehaul.peak_bytes([telehaul.BIN / "updater", "--root", root, "status"])
    peak = telehaul.peak_bytes([telehaul.BIN / "updater", "--root", root, "apply"])
    seconds = seconds_between(root / "pending_update/progress.jsonl", "verify", "backup")
    assert os.readlink(root / "current") == "releases/1.1.0"
    shutil.rmtree(root)
    return seconds, peak - idle


def unzip_and_sum(folder, package, turn):
    target = folder / f"unzipped{turn}"
    begin = time.monotonic()
    subprocess.run(["unzip", "-q", package, "-d", target], check=True)
    files = sorted((target / "files/share/big").iterdir())
    subprocess.run(["sha256sum", *files], check=True, stdout=subprocess.DEVNULL)
    seconds = time.monotonic() - begin
    assert len(files) == FILES
    shutil.rmtree(target)
    return seconds


def apply_to_answer(folder, keys):
    """Seconds from Apply until the portal of the new version answers: the real programs, under their watchdog."""
    root = telehaul.Root(folder / "machine", keys, config={"PROBATION_S": 5}, inputs=["drive"])
    migration = folder / "0901_made_up.sql"
    migration.write_text("CREATE TABLE made_up (x INTEGER);\n")
    telehaul.run("publish", "--version", "1.1.0", "--source", telehaul.DIST, "--files", "bin/portal", "--migrations", migration,
                 "--notes", "made up", "--key", keys.private_file, "--output", folder / "machine")
    watchdog = telehaul.Program([root.path / "boot/start"], folder / "watchdog.out")
    try:
        wait_until(lambda: telehaul.listens(root.agent_port) and telehaul.listens(root.portal_port), "the start")
        telehaul.run("sync_client", "--host", "127.0.0.1", "--port", root.agent_port, "--key", keys.private_file,
                     "--data-storage", folder / "home", "--accept-new-host", "yes", "--update",
                     folder / "machine/update_v1.1.0.zip")
        page = f"http://127.0.0.1:{root.portal_port}"
        begin = time.monotonic()
        answer = httpx.post(f"{page}/api/update/apply", headers={"X-Config-Pin": root.pin})
        assert answer.status_code == 202, answer.text

        def version():
            try:
                return httpx.get(f"{page}/api/health", timeout=1).json()["version"]
            except httpx.HTTPError:
                return ""
        wait_until(lambda: version() == "1.1.0", "the new version", every_s=0.01)
        return time.monotonic() - begin
    finally:
        watchdog.stop(expect=None)


def main():
    keys_folder = tempfile.mkdtemp()
    with tempfile.TemporaryDirectory(dir=os.environ.get("TELEHAUL_BENCH_FOLDER")) as name:
        folder, keys = pathlib.Path(name), telehaul.Keys(keys_folder, "update")
        release = make_release(folder / "release")
        telehaul.run("publish", "--version", "1.1.0", "--source", release, "--files", "share/big", "--notes",
                     "made up", "--key", keys.private_file, "--output", folder)
        package = folder / "update_v1.1.0.zip"
        ours, rival = [], []
        for turn in range(TURNS):
            rival.append(unzip_and_sum(folder, package, turn))
            ours.append(stage(folder, keys, release, package, turn))
        answer_s = apply_to_answer(folder, keys)
    shutil.rmtree(keys_folder)
    stage_s, rival_s = min(seconds for seconds, _ in ours), min(rival)
    memory = max(peak for _, peak in ours) / 2**20
    print(f"verify and stage {stage_s:.2f} s, unzip and sha256sum {rival_s:.2f} s")
    print(json.dumps({"results": [
        {"what": "verify and stage of 256 MiB, times unzip and sha256sum", "value": round(rival_s / stage_s, 2), "target": 1,
         "better": "higher", "holds": rival_s >= stage_s},
        {"what": "updater: memory above idle while it applies that, MiB", "value": round(memory, 1), "target": 16,
         "better": "lower", "holds": memory <= 16},
        {"what": "from Apply to the new version's answer, s", "value": round(answer_s, 2), "target": 3, "better": "lower",
         "holds": answer_s < 3}]}))


if __name__ == "__main__":
    main()
