"""What the campaigns against updates share: scenes (a machine right before an apply, a commit, an undo ...), and the promise
that is kept when any of them was cut off and recovered: one version whole, by content, with its schema and all readings."""

import concurrent.futures
import contextlib
import dataclasses
import io
import json
import multiprocessing
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import tempfile
import zipfile

import recorder
import telehaul
import update_root
from packages import Package
from recorder import File, Folder, below, without_inodes

SOAK = bool(os.environ.get("TELEHAUL_SOAK"))
SEED = int(os.environ.get("TELEHAUL_SEED", str(random.SystemRandom().randrange(10**6))))
JOBS = 2
PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # fsync costs nothing there
NAMES = ["apply", "apply that fails", "recovery of half an apply", "recovery behind the switch", "commit", "undo", "rollback",
         "rollback of a probation", "third start"]
LEAST = 20  # points of a scene
GOES_ON_EVERY = 5  # of how many recovered machines one is asked to go on
READINGS, IN_LOG = 300, 200  # made-up readings; those that only the store's log has

# Made up: 1.0.0 -> 1.1.0 -> 1.2.0, each with changed, new and removed files; the last one with a migration.
FILES_1_1 = {"share/www/app.css": b"body { color: blue }\n", "share/doc/first.txt": b"comes with 1.1.0\n" * 300}
FILES_1_2 = {"bin/watchdog": b"#!/bin/sh\necho new\n", "share/www/app.css": b"body { color: black }\n",
             "share/www/new/page.html": b"<p>made up</p>\n" * 1500, "share/doc/first.txt": b"changed with 1.2.0\n" * 200}
REMOVED_1_2 = ["share/old.txt"]
MIGRATION = "0901_made_up.sql"
REFUSED = {MIGRATION: b"CREATE TABLE first (x INTEGER PRIMARY KEY);\nINSERT INTO first SELECT channel_id FROM readings;\n"}
STORE = "data/telemetry.db"
FAILS = 1  # exit code
PROBLEMS = (AssertionError, sqlite3.Error, OSError, ValueError, KeyError, zipfile.BadZipFile, subprocess.TimeoutExpired)


def program(name):
    return telehaul.BIN / name


def overlay(tree, files, migrations, removed, version):
    """What a release is with a package on it, by the tests' own reckoning."""
    tree = {name: entry for name, entry in tree.items() if name not in removed and isinstance(entry, File)}
    for name, content in files.items():
        tree[name] = File(0o755 if name.startswith("bin/") else 0o644, content, 0)
    for name, content in migrations.items():
        tree[f"migrations/{name}"] = File(0o644, content, 0)
    tree["version.txt"] = File(0o644, f"{version}\n".encode(), 0)
    folders = {name[:i]: Folder(0o755) for name in tree for i, letter in enumerate(name) if letter == "/"}
    return {**tree, **folders}


@dataclasses.dataclass
class Scene:
    """A machine right before something is done to it."""
    name: str
    tree: dict
    words: tuple  # what is done: words of updater; () for boot/start
    ends: dict  # version that may run afterwards -> states that it may be in
    end: str  # which one runs when nobody interferes
    code: int = 0  # with which it ends then

    def command(self, root):
        if not self.words:
            return [root / "boot/start"]
        return [program("updater"), "--root", root, *self.words]


class Scenes:
    """All scenes, made with the real programs once, and the promise that is held against what comes of them."""

    def __init__(self, folder, keys):
        self.keys = keys
        folder.mkdir()
        self.machine = update_root.UpdateRoot(folder, keys)
        self.releases = {}
        self.readings = None
        self.scenes = {}
        self._make()

    def __getitem__(self, name):
        return self.scenes[name]

    def package(self, files=None, migrations=None):
        return Package(self.keys, files=FILES_1_2 if files is None else files, version="1.2.0", remove=REMOVED_1_2,
                       migrations=update_root.ADDED if migrations is None else migrations)

    def _scene(self, name, words, ends, end, code=0):
        self.scenes[name] = Scene(name, recorder.take(self.machine.path), words, ends, end, code)

    def _make(self):
        machine = self.machine
        self._fill_store()
        machine.queue(Package(self.keys, files=FILES_1_1, migrations={}, version="1.1.0"))
        machine.run("apply")
        machine.run("commit")
        self.releases["1.0.0"] = overlay({}, {**update_root.OLD, **{f"migrations/{path.name}": path.read_bytes()
                                                                    for path in update_root.MIGRATIONS}}, {}, [], "1.0.0")
        self.releases["1.1.0"] = overlay(self.releases["1.0.0"], FILES_1_1, {}, [], "1.1.0")
        self.releases["1.2.0"] = overlay(self.releases["1.1.0"], FILES_1_2, update_root.ADDED, REMOVED_1_2, "1.2.0")
        still = {"approved", "pending", "failed"}
        machine.queue(self.package(migrations=REFUSED))
        self._scene("apply that fails", ("apply",), {"1.1.0": still}, "1.1.0", FAILS)
        machine.queue(self.package())
        self._scene("apply", ("apply",), {"1.1.0": still, "1.2.0": {"probation"}}, "1.2.0")
        self._cut_scenes(still)
        machine.run("apply")
        self._scene("commit", ("commit",), {"1.2.0": {"probation", "committed"}}, "1.2.0")
        back = {"1.2.0": {"probation"}, "1.1.0": {"rolled_back"}}
        self._scene("undo", ("undo", "--reason", "made_up", "--text", "made up"), back, "1.1.0")
        self._scene("rollback of a probation", ("rollback",), back, "1.1.0")
        (machine.path / "probation").write_text("1.1.0 2\n")
        self._scene("third start", (), back, "1.1.0")
        (machine.path / "probation").write_text("1.1.0 0\n")
        machine.run("commit")
        self._scene("rollback", ("rollback",), {"1.2.0": {"committed"}, "1.1.0": {"rolled_back"}}, "1.1.0")

    def _cut_scenes(self, still):
        """An apply is killed, and the recovery is what is done."""
        records = self.records(self["apply"])
        for name, renamed_to, ends, end in [
                ("recovery of half an apply", "1.2.0", {"1.1.0": still}, "1.1.0"),
                ("recovery behind the switch", "current", {"1.2.0": {"probation"}}, "1.2.0")]:
            at = next(record.number for record in records if record.kind == "rename" and record.name2 == renamed_to)
            with self.placed(self["apply"].tree) as root:
                recorder.run(self["apply"].command(root), "after", at)
                self.scenes[name] = Scene(name, recorder.take(root), ("recover",), ends, end)

    def _fill_store(self):
        """Some readings lie in the store's log only, as while the collector measures, or after a power cut."""
        self.machine.make_store(rows=READINGS - IN_LOG)
        aside = self.machine.path.parent / "aside"
        with contextlib.closing(sqlite3.connect(self.machine.store, isolation_level=None)) as db:
            db.execute("pragma wal_checkpoint(truncate)")
            db.execute("pragma wal_autocheckpoint=0")
            for start in range(READINGS - IN_LOG, READINGS, 50):
                db.execute("with recursive n(i) as (select ? union all select i + 1 from n where i < ?) "
                           "insert into readings select i, i, 1, random() from n", (start + 1, start + 50))
            aside.mkdir()
            for path in self.machine.store.parent.iterdir():
                if not path.name.endswith("-shm"):
                    shutil.copy2(path, aside)
        for path in list(self.machine.store.parent.iterdir()):
            path.unlink()
        for path in aside.iterdir():
            shutil.copy2(path, self.machine.store.parent)
        self.readings = self.machine.query("select * from readings order by seq")
        assert len(self.readings) == READINGS and (self.machine.path / f"{STORE}-wal").stat().st_size > 0

    # ---- the promise ----

    @staticmethod
    def recover(root, do=None, at=0):
        words = [program("updater"), "--root", root, "recover", "--json"]
        if do:
            return recorder.run(words, do, at)
        done = subprocess.run(list(map(str, words)), capture_output=True, stdin=subprocess.DEVNULL, check=False,
                              close_fds=False, timeout=recorder.TIMEOUT_S)
        assert done.returncode == 0, f"recover fails: {done.stderr.decode()}"
        return json.loads(done.stdout)

    def check(self, scene, root):
        """After a recovery. Returns which version runs."""
        said = self.recover(root)
        tree = recorder.take(root)
        version = tree["current"].target.removeprefix("releases/")
        assert version == said["version"] and version in scene.ends, f"{version} runs"
        assert said["state"] in scene.ends[version], f"{version} runs and is `{said['state']}`"
        self._check_releases(tree, version, said)
        self._check_left_over(tree)
        self._check_queue(scene, tree, said)
        self._check_store(scene, root, version)
        return version

    def _check_releases(self, tree, version, said):
        there = {name.split("/")[0] for name in below(tree, "releases")}
        assert version in there
        for release in there:
            assert release in self.releases, f"releases/{release} is left over"
            found, right = without_inodes(below(tree, f"releases/{release}")), without_inodes(self.releases[release])
            different = sorted(name for name in found.keys() | right.keys() if found.get(name) != right.get(name))
            assert not different, f"release {release} is neither the old nor the new one: {different}"
        assert len(there) <= 2, f"{there} are kept"
        on_probation = said["state"] == "probation"
        assert said["probation"] == on_probation
        if on_probation:
            assert tree["probation"].content.split()[0] == b"1.1.0" and there == {"1.1.0", "1.2.0"}, f"{there} on probation"
        else:
            assert "probation" not in tree, "the file probation is left over"
        if said["state"] in ("approved", "pending", "failed"):
            assert there == {"1.0.0", "1.1.0"}, f"{there} although nothing was changed"
        if said["state"] == "committed":
            assert there == {"1.1.0", "1.2.0"}, f"{there} is left to go back to"

    @staticmethod
    def _check_left_over(tree):
        left = [name for name in tree
                if name.endswith(".tmp") or os.path.basename(name).startswith((".new-", ".old-", ".update"))]
        assert not left, f"left over: {left}"
        for name, entry in below(tree, "backups").items():
            with zipfile.ZipFile(io.BytesIO(entry.content)) as backup:
                assert backup.testzip() is None and "version.txt" in backup.namelist(), f"backup {name}"

    @staticmethod
    def _check_queue(scene, tree, said):
        queue = "pending_update/update_v1.2.0.zip"
        if said["state"] in ("approved", "pending"):
            assert tree[queue].content == scene.tree[queue].content, "what waits is another package"
        elif said["state"] in ("failed", "committed", "rolled_back"):
            assert queue not in tree, "what was queued is left over"

    def _check_store(self, scene, root, version):
        with contextlib.closing(sqlite3.connect(root / STORE, timeout=5)) as db:
            assert db.execute("pragma integrity_check").fetchall() == [("ok",)], "the store is damaged"
            assert db.execute("select * from readings order by seq").fetchall() == self.readings, "readings are lost"
            ledger = {name for name, in db.execute("select name from schema_migrations")}
            assert not db.execute("select name from sqlite_master where name = 'first'").fetchall(), "half a migration"
            made = {name for name, in db.execute("select name from sqlite_master where name = 'made_up'")}
            rows = db.execute("select x from made_up").fetchall() if made else [(1,)]
        assert ledger - {MIGRATION} == {path.name for path in update_root.MIGRATIONS}
        assert (MIGRATION in ledger) == bool(made) and rows == [(1,)], "half a migration"
        unmigrated = version == "1.1.0" and scene.words in (("apply",), ("recover",))
        assert made or unmigrated, f"{version} runs on a schema without its migration"

    def goes_on(self, scene, root):
        """What was recovered is no dead end: the update can be applied, or decided."""
        said = self.recover(root)
        if scene.code != 0:
            return
        updater = [program("updater"), "--root", root]
        if said["state"] in ("pending", "approved"):
            meta = json.loads((root / "pending_update/meta.json").read_text())
            (root / "pending_update/approved.json").write_text(json.dumps({
                "manifest_sha256": meta["manifest_sha256"], "approved_at": "2026-02-22T11:00:00Z", "by": "operator"}))
            subprocess.run([*updater, "apply"], check=True, capture_output=True, timeout=recorder.TIMEOUT_S)
            done = Scene("going on", scene.tree, (), {"1.2.0": {"probation"}}, "1.2.0")
        elif said["state"] == "probation":
            subprocess.run([*updater, "commit"], check=True, capture_output=True, timeout=recorder.TIMEOUT_S)
            done = Scene("going on", scene.tree, (), {"1.2.0": {"committed"}}, "1.2.0")
        else:
            return
        self.check(done, root)

    # ---- one run ----

    @contextlib.contextmanager
    def placed(self, tree):
        """A folder with that tree, for one run."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="telehaul-faults-", dir=PLACE))
        try:
            recorder.put(tree, folder / "root")
            yield folder / "root"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def records(self, scene):
        """Of the scene, when nobody interferes; the promise holds at its end."""
        with self.placed(scene.tree) as root:
            log = root.parent / "log"
            done = recorder.run(scene.command(root), log=log)
            assert done.returncode == scene.code, done.stderr.decode()
            assert self.check(scene, root) == scene.end
            return recorder.read_records(log)


# ---- many runs ----

_work = {}  # set before the workers are forked


def _one(number):
    point = _work["points"][number]
    try:
        return point, _work["try"](point), None
    except PROBLEMS as problem:
        return point, None, f"{type(problem).__name__}: {problem}"


def campaign(name, points, attempt):
    """attempt(point) for all of them, in JOBS processes. Prints how many; returns what the attempts returned, and fails the
    test with those that broke. attempt may be any callable: the workers are forked."""
    _work.update({"points": points, "try": attempt})
    with concurrent.futures.ProcessPoolExecutor(JOBS, mp_context=multiprocessing.get_context("fork")) as pool:
        outcomes = list(pool.map(_one, range(len(points)), chunksize=8))
    broken = [f"{point}: {problem}" for point, _result, problem in outcomes if problem]
    print(f"{name}: {len(points)} points tried, {len(broken)} broke (seed {SEED})")
    assert not broken, f"{len(broken)} of {len(points)} broke (TELEHAUL_SEED={SEED}):\n" + "\n".join(broken[:20])
    return [result for _point, result, _problem in outcomes]


def spread(everything, name, most):
    """Of the points of all scenes at most so many, each scene its share, those of one scene evenly spread; all in a soak. The
    seed says where they begin."""
    points = everything[name]
    share = max(LEAST, most * len(points) // sum(map(len, everything.values())))
    if SOAK or len(points) <= share:
        return points
    offset = random.Random(SEED).random()
    return [points[int((i + offset) * len(points) / share)] for i in range(share)]
