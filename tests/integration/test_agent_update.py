"""POST /update and GET /update/status: what is taken, and what is refused when it is there."""

import json
import os
import re
import subprocess

import pytest
import telehaul
from agent_root import new_source
from packages import Package
from telehaul import BIN
from update_client import post
from update_machine import MIB, client, machine, make_machine, one_machine, queue, stored  # noqa: F401  fixtures

SANITIZED = bool({"asan", "tsan"} & set(BIN.parts))


# a sanitiser keeps what was freed: only the plain build is measured
MEMORY_LIMIT_KIB = 1 << 30 if SANITIZED else 16 * 1024


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
