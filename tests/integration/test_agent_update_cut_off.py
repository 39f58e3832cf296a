"""POST /update by several at once, by slow ones and by ones that leave; a full disk and kill -9 in the middle of it."""

import contextlib
import os
import subprocess
import time

import pytest
import telehaul
from packages import Package, sha256
from telehaul import wait_until
from update_client import Queue, headers_of, post, signature_in
from update_machine import (  # noqa: F401  fixtures
    KIB, MIB, begin, client, machine, make_machine, one_machine, queue, read_answer, stored)


# ---- several, slow ones, ones that leave ----

def half_sent(machine, client, content, source=None):
    connection = begin(machine, headers_of(client, content, "1.2.0", signature_in(content)), source)
    connection.sendall(content[:len(content) // 2])
    return connection


def receives(queue):
    return ".upload.zip" in queue.names()


def test_one_at_a_time(machine, client, queue, keys):
    content = stored(keys, MIB)
    second = machine.client()
    with half_sent(machine, client, content) as first:
        wait_until(lambda: receives(queue), "an upload under way")
        upload = queue.folder / ".upload.zip"
        assert upload.stat().st_mode & 0o777 == 0o600
        busy = post(second, content)
        assert (busy.status_code, busy.json()["status"]) == (409, "busy")
        assert second.get("/update/status").json()["state"] == "none"
        first.sendall(content[len(content) // 2:])
        assert read_answer(first) == (200, {"status": "queued"})
    assert (queue.folder / "update_v1.2.0.zip").read_bytes() == content


def test_a_client_that_leaves_frees_its_place(machine, client, queue, keys):
    content = stored(keys, MIB)
    with half_sent(machine, client, content):
        wait_until(lambda: receives(queue), "an upload under way")
    wait_until(lambda: queue.names() == [], "nothing left of it")
    assert "the upload was cut off" in machine.agent.output()
    assert wait_until(lambda: post(client, content).status_code == 200, "the next one")


def test_a_slow_client_is_dropped_and_holds_nobody_up(machine, client, queue, keys):
    content = stored(keys, MIB)
    began = time.monotonic()
    with half_sent(machine, client, content) as slow:
        with contextlib.suppress(OSError):
            for at in range(len(content) // 2, len(content)):  # a byte a second, with TLS around it 23
                asked = time.monotonic()
                assert client.status()["version"]
                assert time.monotonic() - asked < 5
                slow.sendall(content[at:at + 1])
                slow.settimeout(1)
                with contextlib.suppress(TimeoutError):
                    if not slow.recv(1):
                        break
                assert time.monotonic() - began < telehaul.DEADLINE_S + 10
    wait_until(lambda: queue.names() == [], "nothing left of it")
    assert time.monotonic() - began >= 9  # 10 s of too little
    assert wait_until(lambda: post(client, content).status_code == 200, "the next one")  # its file goes first


def test_a_planted_link_is_not_followed(machine, client, queue, keys, tmp_path):
    victim = tmp_path / "victim"
    victim.write_text("precious")
    (queue.folder / ".upload.zip").symlink_to(victim)
    assert post(client, Package(keys).build()).status_code == 200
    assert victim.read_text() == "precious"
    assert queue.names() == ["meta.json", "update_v1.2.0.zip"]


def test_the_token_may_expire_meanwhile(machine, client, queue, keys):
    """It was good when the request began; the 65th token ends the oldest one."""
    content = stored(keys, MIB)
    half = len(content) // 2
    with half_sent(machine, client, content) as connection:
        for at in range(64):
            machine.client().close()
            connection.sendall(content[half + at * KIB:half + (at + 1) * KIB])  # it goes on coming
        assert client.get("/status").status_code == 401
        connection.sendall(content[half + 64 * KIB:])
        assert read_answer(connection) == (200, {"status": "queued"})


# ---- the disk, the power ----

FULL_DISK = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
static size_t taken;
ssize_t write(int fd, const void *data, size_t size)
{
    char link[64], path[4096];
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, sizeof(path) - 1);
    path[length < 0 ? 0 : length] = '\0';
    if (strstr(path, "/.upload.zip") && (taken += size) > 1000000) {
        errno = ENOSPC;
        return -1;
    }
    return ((ssize_t(*)(int, const void *, size_t))dlsym(RTLD_NEXT, "write"))(fd, data, size);
}
"""


def test_a_disk_that_fills_up(make_machine, tmp_path, keys):
    (tmp_path / "full.c").write_text(FULL_DISK)
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", tmp_path / "full.so", tmp_path / "full.c", "-ldl"], check=True)
    machine = make_machine(start=False)
    machine.agent = machine.root.start_agent(env={
        "LD_PRELOAD": str(tmp_path / "full.so"), "ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":verify_asan_link_order=0"})
    client, queue = machine.client(), Queue(machine.root.path)
    answer = post(client, stored(keys, 3 * MIB))
    assert (answer.status_code, answer.json()["status"]) == (507, "no_space")
    assert queue.names() == queue.history() == []
    assert client.status()["version"]  # it lives on


def test_killed_while_it_comes_in(make_machine, keys):
    machine = make_machine()
    queue = Queue(machine.root.path)
    content = stored(keys, MIB)
    with half_sent(machine, machine.client(), content):
        wait_until(lambda: receives(queue), "an upload under way")
        machine.agent.kill()
    assert receives(queue)  # a crash leaves it
    machine.start()
    assert queue.names() == queue.history() == []
    assert post(machine.client(), content).status_code == 200


@pytest.mark.parametrize("tenth", range(10))
def test_killed_while_it_is_verified(make_machine, keys, tenth):
    """Wherever it happens, it is queued whole or not at all."""
    machine = make_machine()
    queue = Queue(machine.root.path)
    content = stored(keys, 12 * MIB)
    with contextlib.suppress(OSError), half_sent(machine, machine.client(), content) as connection:
        connection.sendall(content[len(content) // 2:])
        connection.settimeout(0.012 * tenth + 0.001)
        with contextlib.suppress(TimeoutError):
            connection.recv(1)
        machine.agent.kill()
    machine.start()
    assert queue.names() in ([], ["meta.json", "update_v1.2.0.zip"])
    if queue.names():
        assert sha256((queue.folder / "update_v1.2.0.zip").read_bytes()) == sha256(content)
    assert post(machine.client(), content).status_code == 200
    assert queue.names() == ["meta.json", "update_v1.2.0.zip"]


def test_stopped_while_it_comes_in(make_machine, keys):
    machine = make_machine()
    queue = Queue(machine.root.path)
    with half_sent(machine, machine.client(), stored(keys, MIB)):
        wait_until(lambda: receives(queue), "an upload under way")
        machine.stop()
    assert queue.names() == []
