"""The portal's calls about updates against the contract. Queues, packages and the updater's files are made up and written by
the test (tests/harness/made_up_updates.py)."""

import contextlib
import hashlib
import json
import os
import re
import threading
import time

import httpx
import pytest
import telehaul
from cryptography.hazmat.primitives import serialization
from made_up_updates import NOTES, STEPS, Updates
from portal_root import PIN, PortalRoot
from update_root import UpdateRoot

RIGHT = {"X-Config-Pin": PIN}
NOTHING = {"current_version": "1.0.0", "pending_update": False, "pending_version": None, "notes": None, "received_at": None,
           "manifest_sha256": None, "state": "none", "reason": None}
CALLS = (("GET", "status"), ("GET", "details"), ("GET", "history"), ("GET", "progress"), ("POST", "apply"), ("POST", "later"),
         ("POST", "reject"))


@pytest.fixture(scope="module")
def update_keys(tmp_path_factory):
    return telehaul.Keys(tmp_path_factory.mktemp("keys"), name="update")


@pytest.fixture
def root(tmp_path):
    made = PortalRoot(tmp_path / "root", store=False)
    yield made.start()
    made.clear()


@pytest.fixture
def updates(root, update_keys):
    return Updates(root, update_keys)


@pytest.fixture
def client(root):
    return root.logged_in()


def status(client):
    answer = client.get("/api/update/status")
    assert answer.status_code == 200
    return answer.json()


def details(client):
    answer = client.get("/api/update/details")
    assert answer.status_code == 200
    return answer.json()


def apply(client, body=None, headers=RIGHT):
    return client.post("/api/update/apply", headers=headers, **({} if body is None else {"json": body}))


class Stream:
    """Server-sent events read in the background: (name, id, data)."""
    def __init__(self, client, path, headers=None):
        self.events = []
        self.ended = threading.Event()
        self.open = threading.Event()
        self.thread = threading.Thread(target=self.run, args=(client, path, headers or {}), daemon=True)
        self.thread.start()
        assert self.open.wait(telehaul.DEADLINE_S)

    def run(self, *arguments):
        with contextlib.suppress(httpx.RemoteProtocolError, httpx.ReadError):  # the portal was killed: no clean end
            self.read(*arguments)

    def read(self, client, path, headers):
        with client.stream("GET", path, headers=headers, timeout=telehaul.DEADLINE_S) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            name = number = None
            for line in answer.iter_lines():
                self.open.set()  # "retry:" comes when it is subscribed
                key, _, value = line.rstrip("\n").partition(": ")
                if key == "event":
                    name = value
                elif key == "id":
                    number = value
                elif key == "data":
                    self.events.append((name, number, json.loads(value)))
                    name = number = None
        self.ended.set()

    def steps(self):
        return [data["step"] for _, _, data in self.events]

    def named(self, *names):
        return [(name, data) for name, _, data in self.events if name in names]

    def until(self, condition, what):
        return telehaul.wait_until(lambda: condition(self), f"{what} in {self.events}")


# ---- what there is ----

@pytest.mark.parametrize("method, call", CALLS)
def test_every_call_needs_a_pin_or_a_session(root, method, call):
    answer = root.client().request(method, f"/api/update/{call}")
    assert answer.status_code == 401
    assert answer.json()["error"] == "pin_required"


def test_nothing_waits(client):
    assert status(client) == NOTHING
    assert details(client)["package"] is None
    assert client.get("/api/update/history").json() == {"history": []}


def test_what_waits(client, updates):
    meta = updates.queue(received_at="2026-02-22T10:05:00.123456Z")
    assert status(client) == {
        "current_version": "1.0.0", "pending_update": True, "pending_version": "1.2.0", "notes": NOTES,
        "received_at": "2026-02-22T10:05:00Z", "manifest_sha256": meta["manifest_sha256"], "state": "pending", "reason": None}


def test_every_state(client, updates):
    meta = updates.queue()
    assert apply(client).status_code == 202
    assert status(client)["state"] == "approved"
    updates.state("applying")
    now = status(client)
    assert (now["state"], now["pending_update"], now["pending_version"]) == ("applying", True, "1.2.0")
    updates.state("probation")
    now = status(client)
    assert now == {**NOTHING, "state": "probation"}
    assert details(client)["version"] == "1.2.0"
    assert details(client)["previous_version"] == "1.0.0"
    updates.end("rolled_back", "not_healthy", "collector never answered")
    assert status(client) == {**NOTHING, "state": "rolled_back", "reason": "not_healthy"}
    now = details(client)
    assert (now["reason"], now["text"], now["version"]) == ("not_healthy", "collector never answered", meta["version"])


def test_details_are_the_packages_own(client, updates, root):
    updates.write_release(["bin/portal", "share/old.css"])
    package = updates.package(files={"bin/portal": b"x" * 1000, "bin/new": b"y", "share/new.css": b"z"},
                              remove=["share/old.css"], min_version="0.9.0")
    updates.queue(package)
    now = details(client)
    assert now["probation_s"] == 30
    assert now["from"] == "10.0.0.7"
    assert now["notes"] == NOTES
    facts = now["package"]
    zip_file = updates.folder / updates.meta["file"]
    created = facts.pop("created_at")
    assert created.startswith("2026-02-22T10:00:00")
    assert facts == {"verified": True, "size_bytes": zip_file.stat().st_size, "signer": fingerprint(updates.keys),
                     "content_bytes": 1002 + 34, "min_version": "0.9.0", "base_version": None, "changed": 1, "added": 2,
                     "removed": 1, "migrations": 1, "fits": True}


def fingerprint(keys):
    """SHA-256 of the public key's DER, as `publish inspect` names it."""
    return hashlib.sha256(keys.private.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def test_a_package_that_does_not_verify_is_said(client, updates, tmp_path):
    (tmp_path / "others").mkdir()
    stranger = telehaul.Keys(tmp_path / "others", bits=2048)
    package = updates.package()
    package.keys = stranger
    updates.queue(package)
    facts = details(client)["package"]
    assert facts["verified"] is False
    assert facts["reason"] == "invalid_sig"
    assert "signer" not in facts
    zip_file = updates.folder / updates.meta["file"]
    updates.queue(updates.package(), content=b"no zip")
    facts = details(client)["package"]
    assert (facts["verified"], facts["size_bytes"]) == (False, 6)
    assert not zip_file.exists()


def test_a_zip_in_the_place_of_the_one_that_was_queued(client, updates):
    """Genuine, and not what meta.json names."""
    updates.queue()
    assert details(client)["package"]["verified"] is True
    other = updates.package(notes="another")
    temporary = updates.folder / ".swap"
    temporary.write_bytes(other.build())
    os.replace(temporary, updates.folder / updates.meta["file"])
    facts = details(client)["package"]
    assert (facts["verified"], facts["reason"]) == (False, "changed")


@pytest.mark.parametrize("member, value", [("notes", "Press Apply at once!"), ("version", "9.9.9")])
def test_words_that_nobody_has_signed(client, updates, member, value):
    """meta.json says something else than the package that it names."""
    updates.queue()
    assert details(client)["package"]["verified"] is True
    updates.root.replace("pending_update/meta.json", {**updates.meta, member: value})
    facts = details(client)["package"]
    assert (facts["verified"], facts["reason"]) == (False, "changed")


def test_keys_that_change_are_noticed(client, updates, root):
    updates.queue()
    assert details(client)["package"]["verified"] is True
    (root.path / "keys" / "update_public.pem").unlink()
    facts = details(client)["package"]
    assert (facts["verified"], facts["reason"]) == (False, "no_update_key")


def test_a_package_that_would_be_refused_here(client, updates):
    updates.queue(min_version="1.1.0")
    facts = details(client)["package"]
    assert (facts["verified"], facts["fits"], facts["reason"]) == (True, False, "min_version")


def test_hostile_notes_stay_text(client, updates):
    notes = '</script><img src=x onerror=alert(1)> "quoted" \\ \u202e and a line\nmore'
    updates.queue(notes=notes)
    assert status(client)["notes"] == notes
    assert details(client)["notes"] == notes


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"file":"../../etc/passwd"}', "\0" * 100, '"' + "x" * 500_000 + '"'],
                         ids=("empty", "cut", "array", "no_members", "wrong_name", "nul", "huge"))
def test_files_that_make_no_sense_count_as_none(client, updates, content):
    updates.queue()
    updates.root.replace("pending_update/meta.json", content)
    updates.root.replace("pending_update/state.json", content)
    updates.root.replace("pending_update/progress.jsonl", content)
    assert status(client) == NOTHING
    assert apply(client).json()["error"] == "nothing_pending"


# ---- apply ----

def test_apply_needs_the_pin_itself(root, client, updates):
    updates.queue()
    answer = client.post("/api/update/apply")
    assert answer.status_code == 401
    assert answer.json()["error"] == "pin_required"
    answer = apply(client, headers={"X-Config-Pin": "0000"})
    assert (answer.status_code, answer.json()["error"]) == (401, "wrong_pin")
    assert updates.approval() is None
    answer = apply(root.client())  # the PIN alone is enough
    assert answer.status_code == 202
    assert answer.json() == {"status": "approved"}
    approval = updates.approval()
    assert approval["manifest_sha256"] == updates.meta["manifest_sha256"]
    assert approval["by"] == "operator"
    assert [row["event"] for row in client.get("/api/update/history").json()["history"]] == ["approved", "queued"]


def test_apply_what_was_seen(client, updates):
    updates.queue()
    seen = status(client)["manifest_sha256"]
    updates.queue(notes="another one")
    answer = apply(client, {"manifest_sha256": seen})
    assert (answer.status_code, answer.json()["error"]) == (409, "changed")
    assert updates.approval() is None
    assert apply(client, {"manifest_sha256": status(client)["manifest_sha256"]}).status_code == 202
    assert apply(client).status_code == 202, "once more changes nothing"


def test_apply_with_nothing_or_while_busy(client, updates):
    answer = apply(client)
    assert (answer.status_code, answer.json()["error"]) == (409, "nothing_pending")
    updates.queue()
    for state in ("applying", "probation"):
        updates.state(state)
        for answer in (apply(client), client.post("/api/update/reject", json={"reason": "no"})):
            assert (answer.status_code, answer.json()["error"]) == (409, "busy")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b'{"manifest_sha256":1}', b'{"manifest_sha256":"12"}',
                                  b'{"manifest_sha256":"' + b"g" * 64 + b'"}', b'{"sha":"x"}', b"x" * 4000], ids=range(8))
def test_malformed_approvals(client, updates, body):
    updates.queue()
    answer = client.post("/api/update/apply", headers=RIGHT, content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert updates.approval() is None


def test_another_site_cannot_apply(client, updates):
    updates.queue()
    answer = apply(client, headers={**RIGHT, "Origin": "http://evil.example"})
    assert (answer.status_code, answer.json()["error"]) == (403, "wrong_origin")
    assert updates.approval() is None


# ---- wrong PINs ----

def test_five_wrong_pins_lock_it_as_at_login(root, client, updates):
    updates.queue()
    began = time.monotonic()
    assert [apply(client, headers={"X-Config-Pin": "1"}).status_code for _ in range(5)] == [401] * 5
    answer = apply(client)
    assert (answer.status_code, answer.json()["error"]) == (429, "locked")
    assert 299 - (time.monotonic() - began) <= int(answer.headers["retry-after"]) <= 300
    assert root.client().post("/api/login", json={"pin": PIN}).status_code == 429, "they count for the address, too"
    assert status(client)["state"] == "pending", "who is logged in stays so"


def test_strangers_cannot_keep_an_operator_from_applying(root, client, updates):
    """50 wrong PINs in an hour, five of them at the operator's own address."""
    updates.queue()
    for address in range(10):
        stranger = root.client(source=f"127.0.0.{address + 1}")
        for _ in range(5):
            assert apply(stranger, headers={"X-Config-Pin": "1"}).status_code == 401
    assert apply(root.client(source="127.0.3.1")).status_code == 429, "without a session nobody gets a try"
    assert apply(client, headers={"X-Config-Pin": "1"}).status_code == 401
    assert apply(client).status_code == 202


# ---- later, reject ----

def test_later_keeps_it(client, updates):
    assert client.post("/api/update/later").status_code == 409
    updates.queue()
    answer = client.post("/api/update/later")
    assert (answer.status_code, answer.json()) == (200, {"status": "later"})
    assert status(client)["state"] == "pending"


def test_reject_with_a_reason(client, updates):
    updates.queue()
    answer = client.post("/api/update/reject", json={"reason": "Not during the harvest\n\u2026", "manifest_sha256":
                                                     updates.meta["manifest_sha256"]})
    assert (answer.status_code, answer.json()) == (200, {"status": "rejected"})
    assert status(client) == {**NOTHING, "state": "rejected", "reason": "Not during the harvest?\u2026"}
    assert not (updates.folder / updates.meta["file"]).exists()
    newest = client.get("/api/update/history").json()["history"][0]
    assert (newest["event"], newest["reason"], newest["by"]) == ("rejected", "rejected", "operator")
    assert newest["text"] == "Not during the harvest?\u2026"
    assert client.post("/api/update/reject", json={"reason": "again"}).json()["error"] == "nothing_pending"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"reason":""}', b'{"reason":" \t"}', b'{"reason":1}',
                                  b'{"reason":"' + b"x" * 421 + b'"}', b'{"reason":"x","more":1}', b'{"reason":"a\\u0000b"}'],
                         ids=range(8))
def test_malformed_rejections(client, updates, body):
    updates.queue()
    answer = client.post("/api/update/reject", content=body)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")
    assert status(client)["state"] == "pending"


def test_reject_what_was_seen(client, updates):
    updates.queue()
    answer = client.post("/api/update/reject", json={"reason": "no", "manifest_sha256": "0" * 64})
    assert (answer.status_code, answer.json()["error"]) == (409, "changed")
    assert status(client)["state"] == "pending"


# ---- events ----

def test_an_update_is_announced_the_moment_it_is_queued(client, updates):
    stream = Stream(client, "/api/events")
    stream.until(lambda s: s.named("service"), "what comes first")
    assert stream.named("update", "update_available") == [], "nothing to tell"
    updates.queue()
    stream.until(lambda s: s.named("update_available"), "the news")
    assert stream.named("update_available") == [("update_available", status(client))]
    for state, change in {"approved": lambda: apply(client), "applying": lambda: updates.state("applying"),
                          "probation": lambda: updates.state("probation"), "committed": lambda: updates.end("committed")}.items():
        change()
        stream.until(lambda s: [data["state"] for _, data in s.named("update")][-1:] == [state], state)
    states = [data["state"] for _, data in stream.named("update", "update_available")]
    assert states == ["pending", "approved", "applying", "probation", "committed"], "each once"
    updates.queue(notes="the next one")
    stream.until(lambda s: len(s.named("update_available")) == 2, "the next one")


def test_one_that_waits_already_comes_first(client, updates):
    updates.queue()
    stream = Stream(client, "/api/events")
    stream.until(lambda s: s.named("update_available"), "what waits")


# ---- progress ----

def test_progress_is_told_step_by_step(client, updates):
    updates.queue()
    stream = Stream(client, "/api/update/progress")
    apply(client)
    updates.run_to("done")
    updates.end("committed")
    stream.until(lambda s: len(s.events) == 6, "all steps")
    assert [(data["step"], data["pct"], data["msg"]) for _, _, data in stream.events] == [*STEPS, ("committed", 100, "1.2.0")]
    assert all(set(data) == {"step", "pct", "msg"} for _, _, data in stream.events)
    assert all(name is None for name, _, _ in stream.events), "an EventSource takes them as `message`"
    assert len({number for _, number, _ in stream.events}) == 6
    late = Stream(client, "/api/update/progress")
    late.until(lambda s: s.events == stream.events, "the same for who comes late")


def test_last_event_id_across_a_restart(root, client, updates):
    """The page has seen the first three lines; the portal is restarted, as by the update itself."""
    updates.queue()
    apply(client)
    stream = Stream(client, "/api/update/progress")
    updates.run_to("patch")
    stream.until(lambda s: s.steps() == ["verify", "backup", "patch"], "three steps")
    last = stream.events[-1][1]
    root.restart()
    assert stream.ended.wait(telehaul.DEADLINE_S), "the stop ends the stream cleanly"
    updates.progress(*STEPS[3])
    again = Stream(client, "/api/update/progress", {"Last-Event-ID": last})
    updates.progress(*STEPS[4])
    again.until(lambda s: len(s.events) == 2, "the rest")
    assert again.steps() == ["migrate", "done"]
    for forgotten in ("", "nonsense", "1-1", last.replace("-3", "-99999999999999999999")):
        whole = Stream(client, "/api/update/progress", {"Last-Event-ID": forgotten})
        whole.until(lambda s: len(s.events) == 5, f"everything for {forgotten!r}")


def test_the_progress_of_an_earlier_update_is_not_this_ones(client, updates):
    updates.queue()
    apply(client)
    updates.run_to("done")
    updates.end("committed")
    updates.queue(version="1.3.0")
    apply(client)
    stream = Stream(client, "/api/update/progress")
    updates.state("applying")
    updates.progress(*STEPS[0])
    stream.until(lambda s: s.events, "the first step")
    assert stream.steps() == ["verify"]


def test_a_failure_says_why(client, updates):
    updates.queue()
    apply(client)
    stream = Stream(client, "/api/update/progress")
    updates.run_to("backup")
    updates.end("failed", "no_space", "no_space: the disk is full")
    stream.until(lambda s: len(s.events) == 3, "the failure")
    assert stream.events[-1][2] == {"step": "failed", "pct": 100, "msg": "no_space: the disk is full"}


def test_a_torn_line_is_told_when_it_is_whole(client, updates):
    updates.queue()
    apply(client)
    stream = Stream(client, "/api/update/progress")
    updates.progress(*STEPS[0])
    stream.until(lambda s: s.steps() == ["verify"], "the first step")
    file = updates.folder / "progress.jsonl"
    with open(file, "a") as out:
        out.write('{"step":"backup","pct":40,')
    with open(file, "a") as out:
        out.write('"msg":"Saving"}\nno line of ours\n{"step":"patch","pct":70,"msg":""}\n')
    stream.until(lambda s: s.steps() == ["verify", "backup", "patch"], "both")


def test_history_newest_first_and_bounded(client, updates):
    updates.queue()
    for number in range(150):
        updates.history("failed", reason=f"reason_{number}")
    history = client.get("/api/update/history").json()["history"]
    assert len(history) == 100
    assert history[0]["reason"] == "reason_149"
    assert set(history[0]) == {"time", "event", "version", "previous", "by", "reason", "text"}


# ---- with the updater itself ----

def test_the_updater_is_followed_to_the_end_and_back(tmp_path, update_keys):
    """The portal of a real ROOT approves, the real updater applies and undoes; only the package's files are made up."""
    port = telehaul.free_port()
    made = UpdateRoot(tmp_path, update_keys)
    config = made.path / "config.txt"
    config.write_text(config.read_text().replace("\nPORTAL_PORT = 8000\n", f"\nPORTAL_PORT = {port}\n"))
    made.make_store()
    right = {"X-Config-Pin": re.search(r"(?m)^CONFIG_PIN = (\d+)$", (made.path / "credentials.env").read_text()).group(1)}
    package = made.queue(made.package(), approved=False)
    program = telehaul.Program([telehaul.BIN / "portal", "--root", made.path], tmp_path / "portal.log")
    try:
        telehaul.wait_until(lambda: "serving on" in program.output(), "the portal's start")
        client = httpx.Client(base_url=f"http://127.0.0.1:{port}", headers=right, timeout=telehaul.DEADLINE_S)
        facts = details(client)["package"]
        assert (facts["verified"], facts["changed"], facts["added"], facts["removed"]) == (True, 2, 1, 1)
        stream = Stream(client, "/api/update/progress")
        assert apply(client, {"manifest_sha256": package.manifest_sha256()}, headers=right).status_code == 202
        made.run("apply")
        stream.until(lambda s: s.steps() == [step for step, _, _ in STEPS], "the steps")
        assert [data["pct"] for _, _, data in stream.events] == [20, 40, 70, 90, 100]
        assert status(client)["state"] == "probation"
        made.run("undo", "--reason", "not_healthy", "--text", "it never answered")
        stream.until(lambda s: s.steps()[-1] == "rolled_back", "the way back")
        assert status(client) == {**NOTHING, "state": "rolled_back", "reason": "not_healthy"}
        assert [row["event"] for row in client.get("/api/update/history").json()["history"]] == ["rolled_back", "applied", "approved"]
    finally:
        program.stop(expect=None)
