"""Somebody reads what runs, all the time, while versions are applied and taken back.

What holds: whoever opens the folder `current` once and reads through that descriptor sees files of one release only, whole; what
is removed meanwhile is gone, never another's. Each path through `current` always leads to a whole file of one release, and is
never missing. Two paths in a row may lead into two releases: the switch can come between them."""

import contextlib
import errno
import multiprocessing
import os

import pytest
import telehaul
import update_root
from packages import Package
from telehaul import wait_until
from update_campaign import SOAK

TURNS = 100 if SOAK else 25  # each an apply, and a commit or a rollback
FILES = ["bin/watchdog", "share/www/app.css", "share/www/new/page.html", "share/kept/deep.txt", "version.txt"]


def stamped(version):
    """Every file of a release but version.txt says which one it is, from its first line to its last."""
    return {name: f"{version} {name}\n".encode() * 300 for name in FILES if name != "version.txt"}


def stamp_of(content):
    """The only version that the content speaks of; it must be whole."""
    lines = content.decode().splitlines()
    assert lines and content.endswith(b"\n") and len(set(lines)) == 1 and len(lines) in (1, 300), "half a file"
    return lines[0].split()[0]


def read(name, folder=None):
    fd = os.open(name, os.O_RDONLY, dir_fd=folder)
    try:
        return b"".join(iter(lambda: os.read(fd, 1 << 16), b""))
    finally:
        os.close(fd)


def read_one_folder(root):
    """Of everything that one descriptor shows. A release that is removed meanwhile shows less and less."""
    seen, missing = set(), 0
    folder = os.open(root / "current", os.O_RDONLY | os.O_DIRECTORY)
    try:
        for name in FILES:
            try:
                seen.add(stamp_of(read(name, folder)))
            except OSError as problem:
                assert problem.errno == errno.ENOENT
                missing += 1
    finally:
        os.close(folder)
    assert len(seen) <= 1, f"one folder shows {seen}"
    return seen, missing


def reader(root, stop, looked, told):
    """In a process of its own. looked: how often."""
    try:
        looks, versions, missing = 0, set(), 0
        while not stop.is_set():
            seen, gone = read_one_folder(root)
            versions |= seen
            missing += gone
            for name in FILES:
                versions.add(stamp_of(read(root / "current" / name)))  # never missing, never half
            looks += 1
            looked.value = looks
        told.put((looks, versions, missing, None))
    except (AssertionError, OSError) as problem:
        told.put((0, set(), 0, f"{type(problem).__name__}: {problem}"))


@contextlib.contextmanager
def running_reader(root):
    stop, looked, told = multiprocessing.Event(), multiprocessing.Value("Q", 0), multiprocessing.Queue()
    process = multiprocessing.Process(target=reader, args=(root, stop, looked, told))
    process.start()
    result = []

    def one_more_look():
        """A whole one that begins from now on: the first that ends may have begun before."""
        before = looked.value
        wait_until(lambda: looked.value >= before + 2 or not process.is_alive(), "a look", every_s=0.001)

    try:
        yield result, one_more_look
    finally:
        stop.set()
        result += told.get(timeout=telehaul.DEADLINE_S)
        process.join(timeout=telehaul.DEADLINE_S)


@pytest.fixture
def made(tmp_path, keys):
    machine = update_root.UpdateRoot(tmp_path, keys)
    machine.queue(Package(keys, files=stamped("1.0.1"), migrations={}, version="1.0.1",
                          remove=["bin/portal", "share/old.txt"]))
    machine.run("apply")
    machine.run("commit")
    return machine


def test_a_reader_sees_no_mixture(made, keys):
    with running_reader(made.path) as (result, one_more_look):
        for turn in range(TURNS):
            version = f"1.{turn + 1}.0"
            made.queue(Package(keys, files=stamped(version), migrations={}, version=version))
            made.run("apply")
            one_more_look()
            made.run("commit" if turn % 2 else "rollback")
            made.run("recover")
    looks, versions, missing, problem = result
    assert problem is None, problem
    assert looks > TURNS and len(versions) > TURNS, f"{looks} looks at {len(versions)} versions are too few"
    print(f"readers: {looks} looks at {len(versions)} versions during {TURNS} applies; {missing} files were gone, none was "
          "another's")
