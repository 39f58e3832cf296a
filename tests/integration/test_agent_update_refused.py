"""POST /update that is refused by its headers, before a byte of the package is asked for."""

import contextlib
import json
import os

import pytest
from packages import Package
from telehaul import DEADLINE_S, wait_until
from update_client import Queue, headers_of, signature_in
from update_machine import (  # noqa: F401  fixtures
    MAX_UPDATE_BYTES, MIB, begin, client, machine, make_machine, one_machine, queue, read_answer, read_head)


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
        connection.settimeout(DEADLINE_S)
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
    wait_until(lambda: queue.names() == [] and queue.history(), "nothing left of it but what is remembered")
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
