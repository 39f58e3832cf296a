"""Somebody who may write into the queue swaps what lies there, the zip and the folder itself, while a package is verified and
applied, and wins never: what is installed is what was signed and approved, or nothing. Only the approval is left alone: who may
write that may approve.

The patient one does it between two calls of the updater, each in turn (tests/fault/recorder.c: swap, pour), and so needs no
luck; the hasty one does it as fast as it can. `make soak` tries all places, and 10,000 hasty swaps; else a sample."""

import collections
import json
import multiprocessing
import os
import random
import shutil
import subprocess

import pytest
import recorder
from packages import Package
from recorder import below, without_inodes
from update_campaign import REMOVED_1_2, SEED, SOAK, Scenes, campaign, program, spread

SAMPLE = 150
SWAPS = 10000 if SOAK else 2000
EVIL = {"bin/watchdog": b"#!/bin/sh\necho evil\n", "share/evil.txt": b"made up\n" * 4000}
HOW = ["signed, another", "changed", "link", "pour", "pour a change", "folder", "folder link"]

Point = collections.namedtuple("Point", "how at")


@pytest.fixture(scope="module")
def scenes(tmp_path_factory, keys):
    return Scenes(tmp_path_factory.mktemp("racer") / "scenes", keys)


def evil_zips(scenes):
    """One that is signed and was not approved, and the approved one with a changed byte in a file's content."""
    good = scenes["apply"].tree["pending_update/update_v1.2.0.zip"].content
    changed = bytearray(good)
    changed[len(good) // 2] ^= 1
    another = Package(scenes.keys, files=EVIL, migrations={}, version="1.2.0", remove=REMOVED_1_2)
    return another.build(), bytes(changed)


def lay_out(scenes, root, how):
    """What is swapped with what: two paths."""
    queue, aside = root / "pending_update", root / "aside"
    another, changed = evil_zips(scenes)
    zip_name = "update_v1.2.0.zip"
    aside.mkdir()
    (aside / zip_name).write_bytes(changed if how in ("changed", "pour a change") else another)
    if how == "link":
        (aside / "link").symlink_to(aside / zip_name)
        return queue / zip_name, aside / "link"
    if how.startswith("folder"):
        evil = root / "evil_queue"
        shutil.copytree(queue, evil, symlinks=True)
        shutil.copy(aside / zip_name, evil / zip_name)
        if how == "folder link":
            (root / "link_queue").symlink_to("evil_queue")
            return queue, root / "link_queue"
        return queue, evil
    return queue / zip_name, aside / zip_name


def check(scenes, root):
    """Old or new, whole; nothing of the evil one. The queue's own state is the attacker's to spoil."""
    tree = recorder.take(root)
    version = tree["current"].target.removeprefix("releases/")
    for release in {name.split("/")[0] for name in below(tree, "releases")} - {"1.0.0"}:
        if release.startswith("."):
            continue  # never visible, and gone with the next recovery
        found, right = without_inodes(below(tree, f"releases/{release}")), without_inodes(scenes.releases[release])
        assert found == right, f"release {release} is not what was signed and approved"
    assert version in ("1.1.0", "1.2.0")
    return version


def attempt(scenes, point):
    scene = scenes["apply"]
    with scenes.placed(scene.tree) as root:
        paths = lay_out(scenes, root, point.how)
        do = "pour" if point.how.startswith("pour") else "swap"
        done = recorder.run(scene.command(root), do, point.at, swap=paths)
        assert done.returncode >= 0, f"it ended by signal {-done.returncode}"
        version = check(scenes, root)
        assert done.returncode != 0 or version == "1.2.0", f"it says that it is done, and {version} runs"
        noted = not point.how.startswith("folder")  # the note behind the switch may have lost its folder
        assert version == "1.1.0" or done.returncode == 0 or not noted, f"exit code {done.returncode}, and {version} runs"
        return version


def test_the_patient_one_wins_nowhere(scenes):
    with scenes.placed(scenes["apply"].tree) as root:
        log = root.parent / "log"
        recorder.run(scenes["apply"].command(root), "swap", 10**9, log=log, swap=(root / "x", root / "y"))
        calls = len(recorder.read_records(log))
    everything = {"apply": [Point(how, at) for at in range(1, calls + 1) for how in HOW]}
    points = spread(everything, "apply", SAMPLE)
    ran = campaign(f"the patient racer, {len(points)} of {len(everything['apply'])}", points,
                   lambda point: attempt(scenes, point))
    assert set(ran) == {"1.1.0", "1.2.0"}, "it came too late, or too early, each time"


# ---- the hasty one ----

def swap(first, second):
    """Exchanges two names; False when one of them is not there just now."""
    beside = f"{first}.swap"
    try:
        os.rename(first, beside)
        os.rename(second, first)
        os.rename(beside, second)
        return True
    except OSError:
        for path, to in ((beside, first), (beside, second)):
            if os.path.lexists(path) and not os.path.lexists(to):
                os.rename(path, to)
        return False


def racer(pairs, stop, swaps, seed):
    """In a process of its own, until it is told to stop."""
    choice = random.Random(seed)
    while not stop.is_set():
        if swap(*choice.choice(pairs)):
            swaps.value += 1
        if choice.random() < 0.3:
            stop.wait(choice.random() * 0.004)  # or the updater would never see the true one twice


def race(scenes, number, swaps):
    """One apply and one verify with the racer beside them. Returns which version runs then."""
    scene = scenes["apply"]
    with scenes.placed(scene.tree) as root:
        pairs = [lay_out(scenes, root, HOW[number % len(HOW)])]
        stop = multiprocessing.Event()
        process = multiprocessing.Process(target=racer, args=(pairs, stop, swaps, f"{SEED} {number}"))
        process.start()
        try:
            zip_file = root / "pending_update/update_v1.2.0.zip"
            verified = subprocess.run([program("updater"), "--root", root, "verify", zip_file, "--json"], capture_output=True,
                                      check=False, timeout=recorder.TIMEOUT_S)
            applied = subprocess.run([str(word) for word in scene.command(root)], capture_output=True, check=False,
                                     timeout=recorder.TIMEOUT_S)
        finally:
            stop.set()
            process.join()
        if verified.returncode == 0:
            signed = {json.loads(scene.tree["pending_update/approved.json"].content)["manifest_sha256"],
                      Package(scenes.keys, files=EVIL, migrations={}, version="1.2.0", remove=REMOVED_1_2).manifest_sha256()}
            assert json.loads(verified.stdout)["manifest_sha256"] in signed
        assert applied.returncode >= 0 and verified.returncode >= 0
        return check(scenes, root)


def test_the_hasty_one_wins_never(scenes):
    swaps = multiprocessing.Value("Q", 0)
    ran = collections.Counter()
    while swaps.value < SWAPS or len(ran) < 2:
        ran[race(scenes, sum(ran.values()), swaps)] += 1
    print(f"the hasty racer: {swaps.value} swaps during {sum(ran.values())} times verify and apply: {ran['1.2.0']} times the "
          f"approved version, {ran['1.1.0']} times none (seed {SEED})")
