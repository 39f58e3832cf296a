"""POST /update and GET /update/status: what is taken, what is refused and when, and what is left of it."""

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import time

import pytest
import telehaul
from agent_root import Machine, new_source
from packages import Package, sha256
from telehaul import BIN, wait_until
from update_client import Queue, headers_of, post, signature_in

KIB, MIB = 1024, 1024 * 1024
SANITIZED = bool({"asan", "tsan"} & set(BIN.parts))
MAX_UPDATE_BYTES = 64 * MIB
# a sanitiser keeps what was freed: only the plain build is measured
MEMORY_LIMIT_KIB = 1 << 30 if SANITIZED else 16 * 1024


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory, keys):
    made = Machine(tmp_path_factory.mktemp("machine") / "root", keys, rows=10,
                   config={"MAX_UPDATE_BYTES": MAX_UPDATE_BYTES, "LOG_LEVEL": "debug"})
    yield made
    made.clear()


@pytest.fixture
def machine(one_machine):
    """With nothing queued and nothing remembered."""
    Queue(one_machine.root.path).clear()
    if not one_machine.agent.running():
        one_machine.start()
    return one_machine


@pytest.fixture
def queue(machine):
    return Queue(machine.root.path)


@pytest.fixture
def client(machine):
    made = machine.client()
    yield made
    made.close()


@pytest.fixture
def make_machine(tmp_path, keys):
    machines = []

    def make(name="root", **more):
        machines.append(Machine(tmp_path / name, keys, rows=10, **more))
        return machines[-1]

    yield make
    for machine in machines:
        machine.clear()


def stored(keys, size, version="1.2.0"):
    """A package of about so many bytes."""
    package = Package(keys, version=version, files={"share/big": os.urandom(MIB) * (size // MIB)})
    package.method = 0
    return package.build()


# ---- taken ----

def test_it_is_queued(machine, client, queue, keys):
    package = Package(keys)
    content = package.build()
    answer = post(client, content)
    assert (answer.status_code, answer.content) == (200, b'{"status":"queued"}')
    assert queue.names() == ["meta.json", "update_v1.2.0.zip"]
    assert (queue.folder / "update_v1.2.0.zip").read_bytes() == content
    meta = queue.meta()
    assert (meta["version"], meta["manifest_sha256"], meta["notes"], meta["from"], meta["file"]) == (
        "1.2.0", package.manifest_sha256(), "made up", client.http_source, "update_v1.2.0.zip")
    assert [(line["event"], line["version"]) for line in queue.history()] == [("queued", "1.2.0")]
    assert f"update 1.2.0 from {client.http_source}: {len(content)} bytes, verified and queued" in machine.agent.output()


def test_the_queue_is_told(machine, client, queue, keys):
    nothing = client.get("/update/status").json()
    assert (nothing["state"], nothing["pending"], nothing["waiting_for"], nothing["approved"], nothing["applying"],
            nothing["outcome"], nothing["history"]) == ("none", None, None, None, False, None, [])
    assert (client.status()["pending_update"], client.status()["last_update"]) == (None, None)
    package = Package(keys)
    assert post(client, package.build()).status_code == 200
    told = client.get("/update/status").json()
    meta = queue.meta()
    assert told["pending"] == {"version": "1.2.0", "manifest_sha256": package.manifest_sha256(), "notes": "made up",
                               "received_at": meta["received_at"], "from": client.http_source}
    assert (told["current_version"], told["state"], told["waiting_for"]) == ("1.0.0", "pending", "operator")
    assert [entry["event"] for entry in told["history"]] == ["queued"]
    assert client.status()["pending_update"] == {"version": "1.2.0", "state": "pending", "received_at": meta["received_at"]}

    approved = "2026-02-22T11:00:00.000000Z"
    (queue.folder / "approved.json").write_text(json.dumps(
        {"manifest_sha256": package.manifest_sha256(), "approved_at": approved, "by": "operator"}))
    told = client.get("/update/status").json()
    assert (told["state"], told["waiting_for"], told["approved"]) == (
        "approved", "machine", {"by": "operator", "at": approved})


def test_the_outcome_is_told_with_its_reason(client, queue):
    lines = [{"time": f"2026-02-22T10:00:0{second}.000000Z", "event": event, "version": version, "previous": "1.0.0",
              "by": "operator", "reason": reason, "text": text}
             for second, (event, version, reason, text) in enumerate([
                 ("committed", "1.1.0", "", ""), ("rolled_back", "1.2.0", "not_ready", "the portal did not answer"),
                 ("refused", "1.3.0", "invalid_sig", "")])]
    (queue.folder / "history.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    outcome = {"version": "1.2.0", "outcome": "rolled_back", "previous": "1.0.0", "reason": "not_ready",
               "detail": "the portal did not answer", "at": "2026-02-22T10:00:01.000000Z"}
    told = client.get("/update/status").json()
    assert told["outcome"] == client.status()["last_update"] == outcome
    assert told["history"] == lines[::-1]


@pytest.mark.parametrize("approval, waiting_for", [("auto", "machine"), ("window 02:00-04:00", "window 02:00-04:00")])
def test_whom_it_waits_for(make_machine, keys, approval, waiting_for):
    machine = make_machine(config={"UPDATE_APPROVAL": approval})
    client = machine.client()
    assert post(client, Package(keys).build()).status_code == 200
    assert client.get("/update/status").json()["waiting_for"] == waiting_for


def test_the_same_again_changes_nothing(client, queue, keys):
    content = Package(keys).build()
    assert [post(client, content).status_code for _ in range(2)] == [200, 200]
    assert queue.names() == ["meta.json", "update_v1.2.0.zip"]
    assert [line["event"] for line in queue.history()] == ["queued"]


def test_a_newer_one_replaces_it_and_an_older_one_does_not(client, queue, keys):
    assert post(client, Package(keys).build()).status_code == 200
    newer = Package(keys, version="1.3.0").build()
    assert post(client, newer, "1.3.0").status_code == 200
    older = post(client, Package(keys).build())
    assert (older.status_code, older.json()["status"]) == (409, "older_version")
    assert queue.names() == ["meta.json", "update_v1.3.0.zip"]
    assert (queue.folder / "update_v1.3.0.zip").read_bytes() == newer


def test_the_session_says_which_update(make_machine, keys):
    machine = make_machine()
    source = new_source()
    client = machine.client(source=source)
    assert post(client, Package(keys).build()).status_code == 200
    output = machine.stop()
    assert re.search(rf"session: .*address {source}, .*update 1\.2\.0, outcome ok", output)
    [contact] = json.loads((machine.root.path / "agent" / "contacts.json").read_text())["sessions"]
    assert (contact["address"], contact["update_version"], contact["outcome"]) == (source, "1.2.0", "ok")


# ---- refused by its headers: not one byte of it is asked for ----

def begin(machine, headers, source=None):
    """A connection that has sent the headers, and what they were answered with."""
    connection = machine.connect(source)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"POST /update HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    return connection


def read_head(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, head
        head += piece
    return int(head.split()[1]), head.decode()


def read_answer(connection):
    status, head = read_head(connection)
    left = int(re.search(r"(?i)content-length: (\d+)", head).group(1))
    body = b""
    while len(body) < left:
        body += connection.recv(left - len(body))
    return status, json.loads(body)


def write_state(queue, state):
    queue.folder.joinpath("state.json").write_text(json.dumps({
        "state": state, "version": "1.1.0", "manifest_sha256": "0" * 64, "received_at": "2026-02-22T10:00:00.000000Z",
        "reason": "", "text": "", "changed_at": "2026-02-22T10:00:00.000000Z"}))


def other(**changes):
    return lambda queue: changes


def during(state):
    def change(queue):
        write_state(queue, state)
        return {}
    return change


def after_newer(queue):
    queue.folder.joinpath("floors.json").write_text(json.dumps(
        {"version": "1.2.1", "time": "2026-02-22T10:00:00.000000Z"}))
    return {}


# what is changed in the headers or on the machine -> the answer; and whether the history has it
REFUSED = {
    "the version that runs": (other(**{"X-Update-Version": "1.0.0"}), 409, "same_version", None, True),
    "the same but for its build": (other(**{"X-Update-Version": "1.0.0+5"}), 409, "same_version", None, True),
    "an older version": (other(**{"X-Update-Version": "1.0.0-rc.1"}), 409, "older_version", None, True),
    "older than what came before": (after_newer, 409, "older_version", None, True),
    "one is being applied": (during("applying"), 409, "busy", None, False),
    "one is on probation": (during("probation"), 409, "busy", None, False),
    "too large": (other(**{"Content-Length": MAX_UPDATE_BYTES + 1}), 413, "too_large", None, True),
    "no version": (other(**{"X-Update-Version": None}), 400, "bad_package", "bad_header", True),
    "no SemVer": (other(**{"X-Update-Version": "v1.2"}), 400, "bad_package", "bad_header", True),
    "a version of 64 characters": (other(**{"X-Update-Version": "1.2.0-" + "a" * 58}), 400, "bad_package", "bad_header", True),
    "no signature": (other(**{"X-Manifest-Signature": None}), 400, "invalid_sig", None, True),
    "an empty signature": (other(**{"X-Manifest-Signature": ""}), 400, "invalid_sig", None, True),
    "a signature that is no base64": (other(**{"X-Manifest-Signature": "A*BC"}), 400, "invalid_sig", None, True),
    "a signature longer than any": (other(**{"X-Manifest-Signature": "A" * 2000}), 400, "invalid_sig", None, True),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_the_headers_show_costs_no_upload(machine, client, queue, keys, name):
    change, status, word, reason, noted = REFUSED[name]
    content = Package(keys).build()
    headers = {**headers_of(client, content, "1.2.0", signature_in(content)), "Expect": "100-continue", **change(queue)}
    before = queue.names()
    sent = {key: value for key, value in headers.items() if value is not None}
    with begin(machine, sent, client.http_source) as connection:
        got, said = read_answer(connection)  # and not 100 first
        assert (got, said["status"], said.get("reason")) == (status, word, reason)
        assert said["detail"]
    assert queue.names() == before
    assert [(line["event"], line["reason"]) for line in queue.history()] == [("refused", reason or word)] * noted
    assert f"from {client.http_source} refused: {word}" in machine.agent.output()


def test_no_room_costs_no_upload(make_machine, keys):
    machine = make_machine(config={"MAX_UPDATE_BYTES": 1 << 40})
    client = machine.client()
    free = os.statvfs(machine.root.path).f_bavail * os.statvfs(machine.root.path).f_frsize
    headers = {**headers_of(client, b"", "1.2.0", "AAAA"), "Content-Length": min(2 * free, 1 << 40), "Expect": "100-continue"}
    with begin(machine, headers) as connection:
        status, said = read_answer(connection)
    assert (status, said["status"]) == (507, "no_space")
    assert Queue(machine.root.path).names() == []


def test_without_a_token_there_is_no_upload(machine, queue):
    with begin(machine, {"Content-Length": 10 * MIB, "Expect": "100-continue", "X-Update-Version": "1.2.0"}) as connection:
        status, said = read_answer(connection)
        assert (status, said["error"]) == (401, "no_token")
    assert queue.names() == queue.history() == []


def test_what_is_good_is_asked_for(machine, client, queue, keys):
    content = Package(keys).build()
    headers = {**headers_of(client, content, "1.2.0", signature_in(content)), "Expect": "100-continue"}
    with begin(machine, headers) as connection:
        assert read_head(connection)[0] == 100
        connection.sendall(content)
        assert read_answer(connection) == (200, {"status": "queued"})
    assert "update_v1.2.0.zip" in queue.names()


def test_without_expect_it_is_thrown_away_first(machine, client, queue, keys):
    headers = {**headers_of(client, b"", "1.0.0", "AAAA"), "Content-Length": MAX_UPDATE_BYTES}
    with begin(machine, headers) as connection:
        for _ in range(MAX_UPDATE_BYTES // MIB - 1):
            connection.sendall(bytes(MIB))
        connection.settimeout(0.2)
        with pytest.raises(TimeoutError):  # it still reads
            connection.recv(1)
        connection.settimeout(30)
        connection.sendall(bytes(MIB))
        status, said = read_answer(connection)
        assert (status, said["status"]) == (409, "same_version")
    assert queue.names() == []


def test_what_is_too_large_is_answered_at_once(machine, client, queue, keys):
    headers = {**headers_of(client, b"", "1.2.0", "AAAA"), "Content-Length": MAX_UPDATE_BYTES + 1}
    with begin(machine, headers) as connection:
        status, said = read_answer(connection)
        assert (status, said["status"]) == (413, "too_large")
    assert queue.names() == []


def test_without_an_end_it_is_cut_at_the_limit(machine, client, queue):
    """Chunked: nothing says beforehand how long it is."""
    headers = {**headers_of(client, b"", "1.2.0", "AAAA"), "Transfer-Encoding": "chunked"}
    del headers["Content-Length"]
    with begin(machine, headers) as connection:
        sent = 0
        with contextlib.suppress(OSError):
            while sent <= MAX_UPDATE_BYTES + 32 * MIB:
                connection.sendall(b"100000\r\n" + bytes(MIB) + b"\r\n")
                sent += MIB
        assert sent < MAX_UPDATE_BYTES + 16 * MIB  # closed; what lay in buffers is all that went further
    wait_until(lambda: queue.names() == [], "nothing left of it")
    assert [line["reason"] for line in queue.history()] == ["too_large"]


def test_a_little_too_much_of_it_is_answered(machine, client, queue):
    headers = {**headers_of(client, b"", "1.2.0", "AAAA"), "Transfer-Encoding": "chunked"}
    del headers["Content-Length"]
    with begin(machine, headers) as connection:
        for _ in range(MAX_UPDATE_BYTES // MIB):
            connection.sendall(b"100000\r\n" + bytes(MIB) + b"\r\n")
        connection.sendall(b"1\r\nx\r\n0\r\n\r\n")
        status, said = read_answer(connection)
        assert (status, said["status"]) == (413, "too_large")
    assert queue.names() == []


# ---- refused when it is there ----

def test_the_headers_must_be_the_packages(client, queue, keys, other_keys):
    package = Package(keys)
    content = package.build()
    version = post(client, content, "1.3.0")
    assert (version.status_code, version.json()["status"], version.json()["reason"]) == (400, "bad_package", "version_mismatch")
    another = Package(keys)
    another.manifest["notes"] = "another"
    signature = post(client, content, signature=another.signature_bytes().decode())
    assert (signature.status_code, signature.json()["status"]) == (400, "invalid_sig")
    foreign = post(client, Package(other_keys).build())
    assert (foreign.status_code, foreign.json()["status"]) == (400, "invalid_sig")
    assert queue.names() == []
    assert [line["reason"] for line in queue.history()] == ["version_mismatch", "invalid_sig"]  # the last two say the same


def test_one_wrong_bit_is_found(client, queue, keys):
    content = bytearray(stored(keys, 3 * MIB))
    content[2 * MIB] ^= 1
    answer = post(client, bytes(content))
    assert (answer.status_code, answer.json()["reason"]) == (400, "wrong_crc")
    assert queue.names() == []


def test_no_body(client, queue):
    answer = post(client, b"", signature="AAAA")
    assert (answer.status_code, answer.json()["reason"]) == (400, "no_end_record")
    assert queue.names() == []


# ---- several, slow ones, ones that leave ----

def half_sent(machine, client, content, source=None):
    connection = begin(machine, headers_of(client, content, "1.2.0", signature_in(content)), source)
    connection.sendall(content[:len(content) // 2])
    return connection


def receives(queue):
    return ".upload.zip" in queue.names()


def test_one_at_a_time(machine, client, queue, keys):
    content = stored(keys, MIB)
    with half_sent(machine, client, content) as first:
        wait_until(lambda: receives(queue), "an upload under way")
        upload = queue.folder / ".upload.zip"
        assert upload.stat().st_mode & 0o777 == 0o600
        second = machine.client()
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
    assert post(client, content).status_code == 200


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


# ---- memory ----

def test_memory_does_not_grow_with_the_package(make_machine, keys):
    machine = make_machine()
    client = machine.client()
    assert post(client, Package(keys, version="1.1.0").build(), "1.1.0").status_code == 200
    idle = machine.memory_kib("VmHWM")
    content = stored(keys, 256 * MIB)
    assert post(client, content).status_code == 200
    assert machine.memory_kib("VmHWM") - idle <= MEMORY_LIMIT_KIB
    assert (machine.root.path / "pending_update" / "update_v1.2.0.zip").stat().st_size == len(content)


# ---- the key compiled in ----

def test_a_key_can_be_compiled_in(tmp_path, keys):
    """What `make UPDATE_PUBLIC_KEY=FILE` builds; tests/unit/keys/trusted_test.c has what it is good for."""
    made = tmp_path / "out" / "gen" / "update_key_assets.c"

    def build(*more):
        subprocess.run(["make", "-s", f"OUT={tmp_path / 'out'}", *more, made], cwd=telehaul.PROJECT, check=True,
                       env={name: value for name, value in os.environ.items() if not name.startswith("MAKE")})
        return made.read_text()

    assert "incbin" not in build()
    assert f'.incbin \\"{keys.public_file}\\"' in build(f"UPDATE_PUBLIC_KEY={keys.public_file}")
    assert "incbin" not in build()
