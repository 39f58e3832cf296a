"""A made-up machine that takes updates as docs/protocol.md has it, and does with them what the test wants. Nothing is ever
installed: time passes with each GET /update/status."""

import hashlib
import io
import json
import threading
import time
import zipfile

from fake_agent import FakeAgent

COMMIT, FAIL, ROLL_BACK = "committed", "failed", "rolled_back"


def now():
    return time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())


class UpdatingAgent(FakeAgent):
    """approval: operator, auto. ends: how an approved update ends. refuse: (status, answer) to every POST /update."""

    calls = {**FakeAgent.calls, "/update/status": "update_status", "/update/withdraw": "withdraw"}

    def __init__(self, folder, keys, approval="auto", ends=COMMIT, refuse=None):
        self.approval, self.ends, self.refuse = approval, ends, refuse
        self.lock = threading.Lock()
        self.pending, self.state, self.history = None, "none", []
        self.queued = []     # the time of each package that was new here
        self.withdrawals = 0
        self.garbage = None  # bytes: what /update/status answers instead
        self.still = None    # an event: so long it says nothing to that
        super().__init__(folder, keys)

    def note(self, event, **more):
        self.history.insert(0, {"time": now(), "event": event, "version": self.pending["version"], "previous": None, "by": None,
                                "reason": None, "text": None, **more})

    def end(self, state, **more):
        self.state = state
        self.note(state, **more)
        self.pending = None

    def approve(self):
        with self.lock:
            assert self.state == "pending"
            self.state = "approved"

    def reject(self, text):
        with self.lock:
            self.end("rejected", reason="rejected", text=text)

    # ---- the calls ----

    def update(self, request):
        with zipfile.ZipFile(io.BytesIO(request.body)) as package:
            text, signature = package.read("manifest.json"), package.read("manifest.sig").decode()
        version, sha256 = json.loads(text)["version"], hashlib.sha256(text).hexdigest()
        assert (request.headers["X-Update-Version"], request.headers["X-Manifest-Signature"]) == (version, signature)
        with self.lock:
            self.updates.append((dict(request.headers), request.body))
            if self.refuse is not None:
                return request.json(*self.refuse)
            if version == self.version:
                return request.json(409, {"status": "same_version", "detail": "it runs"})
            if self.pending is None or self.pending["manifest_sha256"] != sha256:
                self.pending = {"version": version, "manifest_sha256": sha256, "notes": "", "received_at": now(),
                                "from": "127.0.0.1"}
                self.state = "pending"
                self.note("queued")
                self.queued.append(time.monotonic())
            return request.json(200, {"status": "queued"})

    def go_on(self):
        """A step of whatever is under way."""
        if self.state == "pending" and self.approval == "auto":
            self.state = "approved"
        elif self.state == "approved":
            self.state = "applying"
        elif self.state == "applying":
            if self.ends == COMMIT:
                self.version = self.pending["version"]
            self.end(self.ends, **({} if self.ends == COMMIT else {"reason": "not_healthy", "text": "made up: it broke"}))

    def update_status(self, request):
        if self.still is not None:
            self.still.wait(60)
        if self.garbage is not None:
            return request.raw(200, self.garbage, {"Content-Type": "application/json"})
        with self.lock:
            answer = {"current_version": self.version, "state": self.state, "pending": self.pending,
                      "waiting_for": {"pending": self.approval if self.approval != "auto" else "machine"}.get(self.state),
                      "approved": None, "applying": self.state == "applying", "outcome": None, "history": self.history}
            request.json(200, answer)
            return self.go_on()

    def withdraw(self, request):
        sha256 = json.loads(request.body)["manifest_sha256"]
        with self.lock:
            if self.pending is None:
                return request.json(409, {"status": "nothing_pending"})
            if self.pending["manifest_sha256"] != sha256:
                return request.json(409, {"status": "changed"})
            if self.state != "pending":
                return request.json(409, {"status": "busy"})
            self.withdrawals += 1
            self.end("rejected", reason="withdrawn", text="withdrawn by the server")
            return request.json(200, {"status": "withdrawn"})
