"""A ROOT whose releases are made up of small files, for the tests of updates: queued packages as the agent would leave
them, a telemetry store from the project's own migrations, and what of it all an update may change, by hash."""

import contextlib
import hashlib
import json
import os
import shutil
import sqlite3

import pytest
import telehaul
from packages import Package, sha256

MIGRATIONS = sorted((telehaul.PROJECT / "migrations/appliance").glob("*.sql"))
OLD = {"bin/watchdog": b"#!/bin/sh\necho old\n", "bin/portal": b"#!/bin/sh\necho old portal\n",
       "share/www/app.css": b"body { color: red }\n", "share/old.txt": b"goes\n", "share/kept/deep.txt": b"stays\n"}
NEW = {"bin/watchdog": b"#!/bin/sh\necho new\n", "share/www/app.css": b"body { color: black }\n",
       "share/www/new/page.html": b"<p>\n" * 5000}
ADDED = {"0901_made_up.sql": b"CREATE TABLE made_up (x INTEGER);\nINSERT INTO made_up VALUES (1);\n"}


def write_release(folder, files):
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o755 if name.startswith("bin/") else 0o644)
    (folder / "migrations").mkdir(exist_ok=True)
    for path in MIGRATIONS:
        shutil.copy(path, folder / "migrations")
    return folder


class UpdateRoot:
    def __init__(self, folder, keys, config=None):
        self.keys = keys
        self.path = folder / "root"
        self.queued = 0
        telehaul.run("updater", "--root", self.path, "init", "--from", write_release(folder / "from", OLD), "--version",
                     "1.0.0", "--public-key", keys.public_file)
        if config:
            with open(self.path / "config.txt", "a") as out:
                out.writelines(f"{key} = {value}\n" for key, value in config.items())

    def run(self, *arguments, check=True, env=None):
        return telehaul.run("updater", "--root", self.path, *arguments, check=check, env=env)

    def status(self):
        return json.loads(self.run("status", "--json").stdout)

    def history(self):
        return json.loads(self.run("history", "--json").stdout)["history"]

    def state(self):
        status = self.status()
        return status["version"], status["state"], status["reason"]

    # ---- the queue, as the agent and the portal leave it ----

    def package(self, version="1.1.0", files=None, migrations=None, **members):
        return Package(self.keys, files=NEW if files is None else files, migrations=ADDED if migrations is None else migrations,
                       version=version, remove=members.pop("remove", ["share/old.txt"]), **members)

    def queue(self, package, approved=True):
        queue = self.path / "pending_update"
        version = package.manifest["version"]
        manifest_sha256 = package.manifest_sha256()
        self.queued += 1  # the same package again is told by the time
        received_at = f"2026-02-22T10:00:00.{self.queued:06}Z"
        package.write(queue / f"update_v{version}.zip")
        if approved:
            (queue / "approved.json").write_text(json.dumps({"manifest_sha256": manifest_sha256,
                                                             "approved_at": received_at, "by": "operator"}))
        (queue / "meta.json").write_text(json.dumps({
            "file": f"update_v{version}.zip", "version": version, "manifest_sha256": manifest_sha256, "notes": "made up",
            "received_at": received_at, "from": "192.0.2.1"}))
        return package

    # ---- the store ----

    def make_store(self, rows=100):
        with contextlib.closing(sqlite3.connect(self.store, isolation_level=None)) as db:
            db.execute("pragma journal_mode=wal")
            db.execute("create table schema_migrations (name TEXT PRIMARY KEY, sha256 TEXT NOT NULL, applied_at TEXT NOT NULL,"
                       " version TEXT NOT NULL)")
            for path in MIGRATIONS:
                db.executescript(path.read_text())
                db.execute("insert into schema_migrations values (?, ?, '2026-02-22T10:00:00Z', '1.0.0')",
                           (path.name, sha256(path.read_bytes())))
            db.execute("insert into channels(channel_id, name) values (1, 'made_up')")
            db.execute("with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) "
                       "insert into readings select i, i, 1, random() from n", (rows,))

    @property
    def store(self):
        return self.path / "data/telemetry.db"

    def query(self, sql, path=None):
        with contextlib.closing(sqlite3.connect(f"file:{path or self.store}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(sql).fetchall()

    def ledger(self):
        return [name for name, in self.query("select name from schema_migrations order by name")]

    # ---- what there is ----

    def current(self):
        return os.readlink(self.path / "current").removeprefix("releases/")

    def releases(self):
        return sorted(path.name for path in (self.path / "releases").iterdir())

    def tree(self, version=None):
        """Path, mode and hash of every file of a release (the one that runs)."""
        folder = self.path / "releases" / (version or self.current())
        return {path.relative_to(folder).as_posix(): (oct(path.lstat().st_mode), hashlib.sha256(path.read_bytes()).hexdigest())
                for path in folder.rglob("*") if path.is_file() or path.is_symlink()}

    def everything(self):
        """Every path with what it holds; a link is not followed."""
        def content(path):
            if path.is_symlink():
                return os.readlink(path)
            return oct(path.stat().st_mode) if path.is_dir() else hashlib.sha256(path.read_bytes()).hexdigest()
        return {path.relative_to(self.path).as_posix(): content(path) for path in sorted(self.path.rglob("*"))}

    def left_over(self):
        """Names of things that only an update in progress may leave."""
        return [path.relative_to(self.path).as_posix() for path in self.path.rglob("*")
                if path.name.endswith(".tmp") or path.name.startswith((".new-", ".old-", ".update"))]

    def leave(self):
        shutil.rmtree(self.path)


def expected_tree(package, version):
    """Of OLD with that package on it: what apply must make."""
    files = {name: content for name, content in OLD.items() if name not in package.manifest.get("remove", [])}
    files |= package.files
    files |= {f"migrations/{path.name}": path.read_bytes() for path in MIGRATIONS}
    files |= {f"migrations/{name}": content for name, content in package.migrations.items()}
    files["version.txt"] = f"{version}\n".encode()
    return {name: (oct(0o100755 if name.startswith("bin/") else 0o100644), hashlib.sha256(content).hexdigest())
            for name, content in files.items()}


@pytest.fixture
def made(tmp_path, keys):
    return UpdateRoot(tmp_path, keys)


def steps(made):
    lines = (made.path / "pending_update/progress.jsonl").read_text().splitlines()
    return [(line["step"], line["pct"]) for line in map(json.loads, lines)]
