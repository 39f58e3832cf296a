"""POST /update/withdraw: the server takes back what nobody has approved, and nothing else."""

import json

import httpx
import pytest
from agent_root import Machine
from packages import Package
from telehaul import DEADLINE_S, listens, wait_until
from update_client import post
from update_machine import client, queue  # noqa: F401  fixtures


@pytest.fixture
def machine(tmp_path, keys):
    made = Machine(tmp_path / "root", keys, rows=10)
    yield made
    made.clear()


def withdraw(client, content=None, **body):
    return client.http.post("/update/withdraw", headers=client.headers(), content=content,
                            **({} if content is not None else {"json": body}))


def queued(client, keys, version="1.2.0"):
    package = Package(keys, version=version)
    assert post(client, package.build(), version=version).status_code == 200
    return package.manifest_sha256()


def expect(answer, status, word):
    assert (answer.status_code, answer.json()["status"]) == (status, word), answer.text


def approve(queue, sha256, state=None):
    """As portal and updater write it."""
    (queue.folder / "approved.json").write_text(json.dumps(
        {"manifest_sha256": sha256, "approved_at": "2026-02-22T10:00:00.000000Z", "by": "operator"}))
    if state:
        meta = queue.meta()
        (queue.folder / "state.json").write_text(json.dumps(
            {"state": state, "version": meta["version"], "manifest_sha256": sha256, "received_at": meta["received_at"],
             "previous": "1.0.0", "reason": "", "text": "", "changed_at": meta["received_at"]}))


def test_it_goes_and_says_so(machine, client, queue, keys):
    sha256 = queued(client, keys)
    answer = withdraw(client, manifest_sha256=sha256)
    assert (answer.status_code, answer.content) == (200, b'{"status":"withdrawn"}')
    assert not {"meta.json", "update_v1.2.0.zip"} & set(queue.names())
    last = queue.history()[-1]
    assert (last["event"], last["reason"], last["version"], last["by"]) == ("rejected", "withdrawn", "1.2.0",
                                                                           client.http_source)
    status = client.get("/update/status").json()
    assert (status["state"], status["pending"], status["outcome"]["reason"]) == ("rejected", None, "withdrawn")
    assert "update withdrawn from" in machine.agent.output()
    expect(withdraw(client, manifest_sha256=sha256), 409, "nothing_pending")
    assert queued(client, keys) == sha256  # it may come again, and then waits as at first
    assert client.get("/update/status").json()["state"] == "pending"


def test_another_package_stays(client, queue, keys):
    expect(withdraw(client, manifest_sha256="0" * 64), 409, "nothing_pending")
    first = queued(client, keys)
    second = queued(client, keys, version="1.3.0")
    expect(withdraw(client, manifest_sha256=first), 409, "changed")
    assert queue.meta()["manifest_sha256"] == second


@pytest.mark.parametrize("state", [None, "applying", "probation"])
def test_what_is_approved_stays(client, queue, keys, state):
    sha256 = queued(client, keys)
    approve(queue, sha256, state)
    assert client.get("/update/status").json()["state"] == (state or "approved")
    names = queue.names()
    expect(withdraw(client, manifest_sha256=sha256), 409, "busy")
    assert queue.names() == names


@pytest.mark.parametrize("content", [
    b"", b"{", b"[]", b"{}", b'{"manifest_sha256":null}', b'{"manifest_sha256":"ab"}', b'{"manifest_sha256":"' + b"x" * 64 + b'"}',
    b'{"manifest_sha256":"' + b"0" * 64 + b'","force":true}', b'{"manifest_sha256":"' + b"0" * 65 + b'"}'])
def test_a_bad_body(client, queue, keys, content):
    queued(client, keys)
    names = queue.names()
    expect(withdraw(client, content=content), 400, "bad_request")
    assert withdraw(client, content=b" " * 2000).status_code == 413
    assert queue.names() == names


def test_nobody_without_a_session(machine, client, queue, keys):
    sha256 = queued(client, keys)
    client.token = None
    assert withdraw(client, manifest_sha256=sha256).status_code == 401
    client.token = "00000000-0000-4000-8000-000000000000"
    assert withdraw(client, manifest_sha256=sha256).status_code == 401
    assert queue.meta()["manifest_sha256"] == sha256


def test_the_page_shows_that_it_went(machine, client, keys):
    machine.root.config({"PORTAL_TLS": "no"})
    machine.root.start("portal")
    wait_until(lambda: listens(machine.root.portal_port), "the portal's port")

    def shown():
        answer = httpx.get(f"http://127.0.0.1:{machine.root.portal_port}/api/update/status",
                           headers={"X-Config-Pin": machine.root.pin}, timeout=DEADLINE_S)
        assert answer.status_code == 200, answer.text
        return answer.json()

    sha256 = queued(client, keys)
    assert (shown()["pending_update"], shown()["state"]) == (True, "pending")
    expect(withdraw(client, manifest_sha256=sha256), 200, "withdrawn")
    assert shown()["pending_update"] is False
    assert (shown()["state"], shown()["reason"]) == ("rejected", "withdrawn by the server")
