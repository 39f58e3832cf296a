"""A made-up updater for tests of the portal: packages that Python builds and signs are put into pending_update as the agent
does it, and state.json, progress.jsonl and history.jsonl are written as the updater does it. Nothing is ever applied."""

import datetime
import json
import shutil

import telehaul
from packages import Package

STEPS = (("verify", 20, "Verifying..."), ("backup", 40, "Saving a backup..."), ("patch", 70, "Placing the files..."),
         ("migrate", 90, "Migrating the data..."), ("done", 100, "Restarting..."))
NOTES = """Fuel is shown in litres.

- the overview shows the level of the tank
- the collector takes lines that end in CR LF
- 3 mistakes are mended"""


def now_us():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


class Updates:
    """What agent and updater would write below one ROOT."""

    def __init__(self, root, keys):
        self.root = root
        self.folder = root.path / "pending_update"
        self.folder.mkdir(exist_ok=True)
        (root.path / "keys").mkdir(exist_ok=True)
        self.keys = keys
        (root.path / "keys" / "update_public.pem").write_bytes(keys.public_file.read_bytes())
        self.meta = None
        self.previous = "1.0.0"

    def write_release(self, files, version="1.0.0"):
        for name in files:
            target = self.root.path / "releases" / version / name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(b"made up\n")

    def portal_of(self, version):
        """The portal as another version's would be: the same program below a release of that name."""
        release = self.root.path / "releases" / version
        (release / "bin").mkdir(parents=True, exist_ok=True)
        (release / "version.txt").write_text(version + "\n")
        return shutil.copy(telehaul.BIN / "portal", release / "bin" / "portal")

    # ---- the agent's part ----

    def package(self, version="1.2.0", notes=NOTES, **more):
        return Package(self.keys, version=version, notes=notes, **more)

    def queue(self, package=None, content=None, received_at=None, **more):
        """content: of the zip, when it is not the package's own. Returns meta.json."""
        package = package or self.package(**more)
        (self.folder / "approved.json").unlink(missing_ok=True)
        name = f"update_v{package.manifest['version']}.zip"
        while (self.folder / name).exists():
            name = name.replace(".zip", "-2.zip")
        old, self.meta = self.meta, {
            "file": name, "version": package.manifest["version"], "manifest_sha256": package.manifest_sha256(),
            "notes": package.manifest["notes"], "received_at": received_at or now_us(), "from": "10.0.0.7"}
        (self.folder / name).write_bytes(package.build() if content is None else content)
        self.root.replace("pending_update/meta.json", self.meta)
        if old is not None and old["file"] != name:
            (self.folder / old["file"]).unlink(missing_ok=True)
        self.history("queued", by="10.0.0.7")
        return self.meta

    def withdraw(self):
        """The server takes the queued one back."""
        text = "withdrawn by the server"
        self.history("rejected", by="10.0.0.7", reason="withdrawn", text=text)
        self.state("rejected", "withdrawn", text)
        for name in ("meta.json", self.meta["file"]):
            (self.folder / name).unlink()

    # ---- the updater's part ----

    def approval(self):
        file = self.folder / "approved.json"
        return json.loads(file.read_text()) if file.exists() else None

    def history(self, event, version=None, by="operator", reason="", text="", previous="1.0.0", time=None):
        line = {"time": time or now_us(), "event": event, "version": version or self.meta["version"], "previous": previous,
                "by": by, "reason": reason, "text": text}
        with open(self.folder / "history.jsonl", "a") as file:
            file.write(json.dumps(line) + "\n")

    def state(self, state, reason="", text="", previous=None):
        self.previous = previous or self.previous
        self.root.replace("pending_update/state.json", {
            "state": state, "version": self.meta["version"], "manifest_sha256": self.meta["manifest_sha256"],
            "received_at": self.meta["received_at"], "previous": self.previous, "reason": reason, "text": text,
            "changed_at": now_us()})

    def progress(self, step, pct, msg):
        file = self.folder / "progress.jsonl"
        if step == "verify":
            file.unlink(missing_ok=True)
        with open(file, "a") as out:
            out.write(json.dumps({"step": step, "pct": pct, "msg": msg, "time": now_us()}) + "\n")

    def end(self, state, reason="", text=""):
        """committed, rolled_back or failed: the queue is emptied."""
        self.progress(state, 100, text or self.meta["version"])
        self.history(state, reason=reason, text=text)
        self.state(state, reason, text)
        for name in ("meta.json", "approved.json", self.meta["file"]):
            (self.folder / name).unlink(missing_ok=True)

    def run_to(self, last, previous="1.0.0"):
        """From the approval up to a step; at "done" the new version is on probation."""
        self.state("applying", previous=previous)
        for step in STEPS:
            self.progress(*step)
            if step[0] == last:
                break
        if last == "done":
            self.history("applied")
            self.state("probation", previous=previous)
