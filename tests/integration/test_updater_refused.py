"""What `updater apply` refuses leaves everything as it was; `plan` and `verify` say it beforehand."""

import json
import shutil
import signal
import subprocess

import pytest
import raw_zip
from packages import tree_sha256
from update_root import ADDED, NEW, OLD, expected_tree, made, steps  # noqa: F401  fixtures


# ---- refusals ----

def not_approved(made):
    made.queue(made.package(), approved=False)


def approved_for_another(made):
    made.queue(made.package())
    (made.path / "pending_update/approved.json").write_text(json.dumps({
        "manifest_sha256": "0" * 64, "approved_at": "2026-02-22T10:00:00Z", "by": "operator"}))


@pytest.mark.parametrize("prepare, reason", [(lambda made: None, "nothing_pending"), (not_approved, "not_approved"),
                                             (approved_for_another, "not_approved")])
def test_nothing_is_applied_that_was_not_approved(made, prepare, reason):
    prepare(made)
    before = made.everything()
    assert f"({reason})" in made.run("apply", check=1).stderr
    assert {name: held for name, held in made.everything().items() if name != "run/update.lock"} == {
        name: held for name, held in before.items() if name != "run/update.lock"}


def broken(change):
    def make(made):
        package = made.package()
        change(package)
        return package
    return make


def change_content(package):
    package.changed = lambda entries: [
        raw_zip.Entry(entry.name, entry.content + b" ", entry.method) if entry.name == b"migrations/0901_made_up.sql" else entry
        for entry in entries]


def change_hash(package):
    package.manifest["files"][0]["sha256"] = "0" * 64


def sign_wrongly(package):
    package.signature = b"AAAA"


REFUSED = {
    "invalid_sig": broken(sign_wrongly),
    "size_mismatch": broken(lambda package: package.manifest["files"][0].update(size=5)),
    "hash_mismatch": broken(change_hash),
    "wrong_product": lambda made: made.package(product="another"),
    "min_version": lambda made: made.package(min_version="1.0.1"),
    "same_version": lambda made: made.package("1.0.0"),
    "older_version": lambda made: made.package("0.9.0"),
    "expired": lambda made: made.package(expires_at="2026-01-01T00:00:00Z"),
    "wrong_base": lambda made: made.package(base={"version": "1.0.0", "tree_sha256": "0" * 64}),
    "protected_path": lambda made: made.package(remove=["version.txt"]),
    "bad_migration": lambda made: made.package(migrations={"0901_bad.sql": b"DROP TABLE readings;\n"}),
    "no_watchdog": lambda made: made.package(files={"share/new": b"x"}, remove=["bin/watchdog"]),
    "file_and_folder": lambda made: made.package(files={"share/kept": b"x"}),
}


# what size says is looked at before the content is, and what is too large for the entry is too_large
REFUSED_AS = {"size_mismatch": ("size_mismatch", "too_large")}


@pytest.mark.parametrize("reason", REFUSED)
def test_a_refused_package_changes_nothing(made, reason):
    made.make_store()
    before, schema = made.tree(), made.query("select sql from sqlite_master order by 1")
    made.queue(REFUSED[reason](made))
    error = made.run("apply", check=False)
    assert error.returncode in (1, 4, 5), error
    version, state, said = made.state()
    assert (version, state) == ("1.0.0", "failed") and said in REFUSED_AS.get(reason, (reason,)), error.stderr
    assert f"({said})" in error.stderr and made.history()[0]["reason"] == said
    assert made.tree() == before and made.releases() == ["1.0.0"] and made.left_over() == []
    assert made.query("select sql from sqlite_master order by 1") == schema
    assert not (made.path / "probation").exists()
    assert steps(made)[-1] == ("failed", 100)
    assert not list((made.path / "pending_update").glob("*.zip"))


def test_a_floor_holds_although_nothing_newer_was_installed(made):
    (made.path / "pending_update/floors.json").write_text(json.dumps({"version": "1.5.0", "time": "2026-02-22T10:00:00Z"}))
    made.queue(made.package("1.4.0"))
    made.run("apply", check=1)
    assert made.state() == ("1.0.0", "failed", "older_version")
    made.queue(made.package("1.5.0"))
    made.run("apply")


def test_a_base_that_is_this_tree_is_taken(made):
    made.queue(made.package(base={"version": "1.0.0", "tree_sha256": tree_sha256(made.path / "releases/1.0.0")}))
    made.run("apply")


def test_of_two_migrations_none_stays_when_the_second_fails(made):
    """It fails on the rows that are there, which no check without rows can see."""
    made.make_store()
    schema = made.query("select sql from sqlite_master order by 1")
    made.queue(made.package(migrations={
        "0901_good.sql": b"CREATE TABLE made_up (x INTEGER);\n",
        "0902_bad.sql": b"CREATE TABLE held (x INTEGER CHECK (x < 0));\nINSERT INTO held SELECT seq FROM readings;\n"}))
    made.run("apply", check=False)
    assert made.state()[:2] == ("1.0.0", "failed")
    assert made.query("select sql from sqlite_master order by 1") == schema and made.releases() == ["1.0.0"]


def test_a_package_swapped_after_the_approval_is_not_applied(made):
    approved = made.package()
    made.queue(approved)
    swapped = made.package(files={**NEW, "bin/portal": b"#!/bin/sh\necho another\n"})
    swapped.write(made.path / "pending_update/update_v1.1.0.zip")
    before = made.tree()
    made.run("apply", check=False)
    assert made.state() == ("1.0.0", "failed", "changed") and made.tree() == before


@pytest.mark.parametrize("plant", ["zip", "queue"])
def test_a_link_in_the_queue_leads_nowhere(made, tmp_path, plant):
    made.queue(made.package())
    queue = made.path / "pending_update"
    if plant == "zip":
        (queue / "update_v1.1.0.zip").rename(tmp_path / "elsewhere.zip")
        (queue / "update_v1.1.0.zip").symlink_to(tmp_path / "elsewhere.zip")
    else:
        queue.rename(tmp_path / "elsewhere")
        queue.symlink_to(tmp_path / "elsewhere")
    before = made.tree()
    assert made.run("apply", check=False).returncode != 0
    assert made.current() == "1.0.0" and made.tree() == before and made.releases() == ["1.0.0"]


def test_links_planted_at_temporary_names_are_not_followed(made, tmp_path):
    made.make_store()
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "precious").write_text("untouched")
    (made.path / "releases/.new-1.1.0").symlink_to(victim)
    (made.path / "releases/.old-1.1.0").symlink_to(victim)
    (made.path / "releases/1.1.0").symlink_to(victim)
    (made.path / "backups/.backup.zip.tmp").symlink_to(victim / "precious")
    (made.path / "data/.update_snapshot.db").symlink_to(victim / "precious")
    (made.path / ".probation.tmp").symlink_to(victim / "precious")
    (made.path / ".current.tmp").symlink_to(victim / "precious")
    package = made.queue(made.package())
    made.run("apply")
    assert made.tree() == expected_tree(package, "1.1.0")
    assert (victim / "precious").read_text() == "untouched" and [path.name for path in victim.iterdir()] == ["precious"]


def test_what_an_earlier_try_left_is_replaced(made):
    shutil.copytree(made.path / "releases/1.0.0", made.path / "releases/1.1.0")
    (made.path / "releases/1.1.0/share/stray").write_text("left")
    (made.path / "releases/.new-1.1.0/bin").mkdir(parents=True)
    package = made.queue(made.package())
    made.run("apply")
    assert made.tree() == expected_tree(package, "1.1.0")


def test_nobody_else_gets_in_between(made):
    made.queue(made.package())
    (made.path / "run/update.lock").touch()
    with subprocess.Popen(["flock", made.path / "run/update.lock", "sh", "-c", "echo held; exec sleep 60"],
                          stdout=subprocess.PIPE) as holder:
        assert holder.stdout.readline() == b"held\n"
        for command in (["apply"], ["recover"], ["commit"], ["undo", "--reason", "x"], ["rollback"]):
            assert "(busy)" in made.run(*command, check=1).stderr
        holder.send_signal(signal.SIGKILL)
    assert made.state()[1] == "approved"


def test_a_probation_lets_no_other_in(made):
    made.queue(made.package())
    made.run("apply")
    state = (made.path / "pending_update/state.json").read_text()
    made.queue(made.package("1.2.0"))
    (made.path / "pending_update/state.json").write_text(state)  # whatever the notes say
    assert "(busy)" in made.run("apply", check=1).stderr
    assert made.current() == "1.1.0"


# ---- plan, verify ----

def test_plan_says_what_would_happen_and_touches_nothing(made, tmp_path):
    made.make_store()
    made.run("recover")
    path = made.package().write(tmp_path / "update.zip")
    before = made.everything()
    plan = json.loads(made.run("plan", path, "--json").stdout)
    assert plan["ok"] is True and (plan["version"], plan["current_version"]) == ("1.1.0", "1.0.0")
    assert {(entry["path"], entry["change"], entry["old_size"], entry["new_size"]) for entry in plan["files"]} == {
        ("bin/watchdog", "replaced", len(OLD["bin/watchdog"]), len(NEW["bin/watchdog"])),
        ("share/www/app.css", "replaced", len(OLD["share/www/app.css"]), len(NEW["share/www/app.css"])),
        ("share/www/new/page.html", "new", 0, len(NEW["share/www/new/page.html"])),
        ("share/old.txt", "removed", len(OLD["share/old.txt"]), 0)}
    assert plan["migrations"] == list(ADDED)
    assert plan["release_bytes"] == sum(map(len, [*NEW.values(), *ADDED.values()]))
    assert plan["snapshot_bytes"] >= made.store.stat().st_size
    assert "would be taken" in made.run("plan", path).stdout
    made.package("1.0.0").write(path)
    refused = made.run("plan", path, "--json", check=1)
    assert json.loads(refused.stdout)["reason"] == "same_version" and "(same_version)" in refused.stderr
    path.write_bytes(b"no zip")
    refused = made.run("plan", path, "--json", check=5)
    assert json.loads(refused.stdout)["ok"] is False and "files" not in json.loads(refused.stdout)
    assert made.everything() == before


def test_verify_uses_the_keys_of_this_machine(made, tmp_path, other_keys):
    package = made.package()
    said = json.loads(made.run("verify", package.write(tmp_path / "good.zip"), "--json").stdout)
    assert said["ok"] is True and said["manifest_sha256"] == package.manifest_sha256() and len(said["signer"]) == 64
    package.keys = other_keys
    refused = made.run("verify", package.write(tmp_path / "bad.zip"), "--json", check=4)
    assert json.loads(refused.stdout)["reason"] == "invalid_sig"
    change_content(package := made.package())
    package.manifest["migrations"][0]["size"] += 1
    made.run("verify", package.write(tmp_path / "bad.zip"), check=5)
    made.run("verify", tmp_path / "nowhere.zip", check=1)


def test_wrong_usage(made):
    for words in (["plan"], ["verify"], ["apply", "x"], ["undo"], ["plan", "a", "b"]):
        made.run(*words, check=2)
