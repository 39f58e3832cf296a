"""publish: what it makes, read again by zipfile, hashlib and cryptography alone; what it refuses to make; what it shows."""

import base64
import json
import os
import pty
import re
import select
import shutil
import subprocess
import zipfile

import pytest
import telehaul
from agent_root import FREED_IS_FREE
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding
from packages import Package, sha256, tree_sha256

EPOCH = {"SOURCE_DATE_EPOCH": "1771754400"}
PROGRAM = b"#!/bin/sh\necho a made up portal\n"


@pytest.fixture
def source(tmp_path):
    """A release folder, made up but for its migrations."""
    folder = tmp_path / "release"
    for name, content, mode in (("bin/portal", PROGRAM, 0o775), ("bin/watchdog", b"\x7fELF made up", 0o755),
                                ("share/www/app.css", b"body {}\n", 0o664), ("share/empty", b"", 0o600)):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
        (folder / name).chmod(mode)
    shutil.copytree(telehaul.PROJECT / "migrations/appliance", folder / "migrations")
    return folder


@pytest.fixture
def migration(tmp_path):
    return write_migration(tmp_path, "0901_more.sql", "CREATE TABLE more (x INTEGER);\n")


def write_migration(folder, name, sql):
    (folder / name).write_text(sql)
    return folder / name


def publish(keys, source, *arguments, check=True, env=EPOCH, **more):
    return telehaul.run("publish", "--version", "1.2.0", "--notes", "Faster\nand quieter", "--key", keys.private_file,
                        "--source", source, "--output", source.parent, *arguments, check=check, env=env, **more)


def made(keys, source, *arguments, **more):
    return json.loads(publish(keys, source, "--json", *arguments, **more).stdout)


def refused(keys, source, *arguments, **more):
    """(exit code, reason, what it says); no package is left."""
    done = publish(keys, source, *arguments, check=False, **more)
    assert done.returncode != 0
    assert [path for path in source.parent.iterdir() if ".zip" in path.name] == []
    reason = re.search(r" \(([a-z0-9_]+)\)\n$", done.stderr)
    return done.returncode, reason and reason.group(1), done.stderr


def verify(archive, keys):
    """The manifest, after everything that a machine checks of it was checked here."""
    first, second, *others = archive.infolist()
    assert (first.filename, second.filename) == ("manifest.json", "manifest.sig")
    text = archive.read(first)
    signature = base64.b64decode(archive.read(second), validate=True)
    keys.private.public_key().verify(signature, text, padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO),
                                     hashes.SHA256())
    manifest = json.loads(text)
    listed = {**{f"files/{row['path']}": row for row in manifest["files"]},
              **{f"migrations/{row['name']}": row for row in manifest["migrations"]}}
    assert {info.filename for info in others} == set(listed)
    for name, row in listed.items():
        content = archive.read(name)
        assert (len(content), sha256(content)) == (row["size"], row["sha256"])
    return manifest


def test_what_it_makes_others_read(keys, source, migration):
    said = made(keys, source, "--files", "bin", "share/www/app.css", "--migrations", migration, "--min-version", "1.0.0",
                "--expires", "2027-02-22T12:00:00+02:00", "--remove", "share/old.css", "--product", "press")
    path = source.parent / "update_v1.2.0.zip"
    assert said["file"] == str(path)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        manifest = verify(archive, keys)
        text = archive.read("manifest.json")
    assert list(manifest) == ["format", "product", "version", "min_version", "created_at", "expires_at", "notes", "files",
                              "remove", "migrations"]
    assert (manifest["format"], manifest["product"], manifest["version"]) == (1, "press", "1.2.0")
    assert (manifest["min_version"], manifest["notes"]) == ("1.0.0", "Faster\nand quieter")
    assert (manifest["created_at"], manifest["expires_at"]) == ("2026-02-22T10:00:00Z", "2027-02-22T10:00:00Z")
    assert [(row["path"], row["mode"]) for row in manifest["files"]] == [
        ("bin/portal", "0755"), ("bin/watchdog", "0755"), ("share/www/app.css", "0644")]
    assert manifest["remove"] == ["share/old.css"]
    assert manifest["migrations"] == [{"name": migration.name, "sha256": sha256(migration.read_bytes()), "size": 31}]
    assert (said["manifest_sha256"], said["bytes"]) == (sha256(text), path.stat().st_size)
    der = keys.private.public_key().public_bytes(serialization.Encoding.DER,
                                                 serialization.PublicFormat.SubjectPublicKeyInfo)
    assert said["signer"] == sha256(der)


def test_the_same_again_is_the_same_bytes(tmp_path, keys, source, migration):
    packages = set()
    for number, zone in enumerate(("UTC", "Asia/Tokyo")):
        copy = tmp_path / str(number) / "copy"
        shutil.copytree(source, copy, copy_function=shutil.copyfile)
        for name in ("bin/portal", "bin/watchdog"):
            (copy / name).chmod(0o700)
        words = ["share", "bin"] if number else ["bin/portal", "bin", "share/", "./share/empty"]
        made(keys, copy, "--files", *words, "--migrations", migration, "--base", source, env={**EPOCH, "TZ": zone})
        packages.add((copy.parent / "update_v1.2.0.zip").read_bytes())
    assert len(packages) == 1


def test_another_time_another_key_another_file_are_other_bytes(keys, other_keys, source):
    def package(use=keys, epoch="1771754400"):
        made(use, source, "--files", "bin", env={"SOURCE_DATE_EPOCH": epoch})
        return sha256((source.parent / "update_v1.2.0.zip").read_bytes())

    first = package()
    assert package(epoch="1771754401") != first
    assert package(use=other_keys) != first
    (source / "bin/portal").chmod(0o644)
    assert package() != first


def test_a_base_binds_it_to_that_tree(keys, source):
    (source / "version.txt").write_text("1.1.0\n")
    done = publish(keys, source, "--files", "bin", "--base", source, "--remove", "share/empty")
    assert "no --base" not in done.stderr
    with zipfile.ZipFile(source.parent / "update_v1.2.0.zip") as archive:
        manifest = verify(archive, keys)
    assert manifest["base"] == {"version": "1.1.0", "tree_sha256": tree_sha256(source)}


def test_a_base_that_nobody_installed_has_no_version(keys, source):
    made(keys, source, "--files", "bin", "--base", source)
    with zipfile.ZipFile(source.parent / "update_v1.2.0.zip") as archive:
        assert verify(archive, keys)["base"] == {"tree_sha256": tree_sha256(source)}


def test_without_a_base_it_warns(keys, source):
    assert "no --base" in publish(keys, source, "--files", "bin").stderr
    assert publish(keys, source, "--files", "bin", "--quiet").stderr == ""


def test_the_key_is_found_as_sync_client_finds_it(tmp_path, keys, other_keys, source):
    def signer(*arguments, **env):
        done = telehaul.run("publish", "--version", "1.2.0", "--files", "bin", "--source", source, "--json", *arguments,
                            env={**EPOCH, **env}, cwd=tmp_path)
        assert json.loads(done.stdout)["file"] == "./update_v1.2.0.zip"
        with zipfile.ZipFile(tmp_path / "update_v1.2.0.zip") as archive:
            for name, candidate in (("keys", keys), ("other", other_keys)):
                try:
                    verify(archive, candidate)
                    return name
                except InvalidSignature:
                    continue

    shutil.copy(other_keys.private_file, tmp_path / "private.pem")
    assert signer(TELEHAUL_KEY="") == "other"
    assert signer(TELEHAUL_KEY=keys.private_file) == "keys"
    assert signer("--key", other_keys.private_file, TELEHAUL_KEY=keys.private_file) == "other"


def test_the_source_is_the_built_release_when_there_is_one(tmp_path, keys, source):
    shutil.copytree(source, tmp_path / "work/build/dist")
    for folder, words in ((tmp_path / "work", ["bin/portal"]), (source, ["bin/portal"])):
        telehaul.run("publish", "--version", "1.2.0", "--files", *words, "--key", keys.private_file, cwd=folder)
        with zipfile.ZipFile(folder / "update_v1.2.0.zip") as archive:
            assert archive.read("files/bin/portal") == PROGRAM


def test_a_migration_of_the_source(keys, source):
    write_migration(source / "migrations", "0901_more.sql", "CREATE TABLE more (x);")
    assert made(keys, source, "--migrations", "migrations/0901_more.sql")["migrations"] == 1


# ---- what it refuses ----

@pytest.mark.parametrize("word, reason", [
    ("config.txt", "protected_path"), ("LICENSE/x", "protected_path"), ("license.dat", "protected_path"),
    ("credentials.env", "protected_path"), ("version.txt", "protected_path"), ("../release/bin/portal", "path_traversal"),
    ("/etc/passwd", "absolute_path"), ("migrations/0001_telemetry.sql", "outside_release"), ("lib/x", "outside_release"),
    ("bin/../../x", "path_traversal"), ("bin\\portal", "backslash")])
@pytest.mark.parametrize("option", ["--files", "--remove"])
def test_a_path_that_no_update_has(keys, source, option, word, reason):
    (source / "config.txt").write_text("x")
    assert refused(keys, source, option, word)[:2] == (5, reason)


def test_a_file_that_is_not_there(keys, source):
    code, _, said = refused(keys, source, "--files", "bin/portal", "bin/nowhere")
    assert code == 1 and "bin/nowhere" in said and str(source) in said


def test_a_removal_that_is_not_there(keys, source):
    code, _, said = refused(keys, source, "--files", "bin", "--remove", "share/nowhere", "--base", source)
    assert code == 1 and "share/nowhere" in said


def test_files_that_are_none(keys, source):
    (source / "share/link").symlink_to("/etc/passwd")
    assert refused(keys, source, "--files", "share")[0] == 5
    assert refused(keys, source, "--files", "share/link")[0] in (1, 5)
    (source / "share/link").unlink()
    os.mkfifo(source / "share/fifo")
    assert refused(keys, source, "--files", "share/fifo", timeout=30)[0] == 5


def test_paths_that_meet(keys, source):
    (source / "share/EMPTY").write_text("")
    assert refused(keys, source, "--files", "share")[:2] == (5, "case_clash")
    assert refused(keys, source, "--files", "bin/portal", "--remove", "bin/portal")[:2] == (5, "duplicate_entry")


@pytest.mark.parametrize("version", ["1.2", "v1.2.0", "1.2.0.0", "01.2.0", "newest", "../1.2.0", "1.2.0-" + "a" * 70])
def test_a_version_that_is_none(keys, source, version):
    done = telehaul.run("publish", "--version", version, "--files", "bin", "--source", source, check=2)
    assert "SemVer" in done.stderr and version in done.stderr


@pytest.mark.parametrize("arguments, said", [
    ((), "what is to change"), (("--files", "bin", "--min-version", "1"), "--min-version"),
    (("--files", "bin", "--expires", "soon"), "--expires"), (("--files", "bin", "--product", ""), "--product"),
    (("--files", "bin", "--public-key", "x"), "inspect"), (("--files", "bin", "--", "what"), "what")])
def test_wrong_usage(keys, source, arguments, said):
    code, _, text = refused(keys, source, *arguments)
    assert code == 2 and said in text


def test_no_version_at_all(source):
    assert "--version V is missing" in telehaul.run("publish", "--files", "bin", "--source", source, check=2).stderr


def test_a_wrong_epoch(keys, source):
    assert refused(keys, source, "--files", "bin", env={"SOURCE_DATE_EPOCH": "now"})[0] == 2


def test_a_key_that_others_may_read(tmp_path, keys, source):
    key = tmp_path / "key.pem"
    shutil.copy(keys.private_file, key)
    key.chmod(0o644)
    code, _, said = refused(keys, source, "--files", "bin", "--key", key)
    assert code != 0 and "chmod" in said


@pytest.mark.parametrize("sql, said", [
    ("DROP TABLE readings;", "drops the table readings"), ("DELETE FROM readings;", "deletes from readings"),
    ("ALTER TABLE readings ADD COLUMN x; UPDATE readings SET value = x;", "rewrites"),
    ("PRAGMA user_version = 1;", "PRAGMA"),
    ("CREATE UNIQUE INDEX i ON readings (value);", "unique"), ("nonsense", "syntax error")])
def test_a_migration_that_does_more_than_add(tmp_path, keys, source, sql, said):
    bad = write_migration(tmp_path, "0901_bad.sql", sql)
    for more in ((), ("--base", source)):
        code, reason, text = refused(keys, source, "--migrations", bad, *more)
        assert (code, reason) == (5, "bad_migration") and said in text and "0901_bad.sql" in text


def test_a_bad_migration_of_the_source_itself(keys, source):
    bad = write_migration(source / "migrations", "0901_bad.sql", "DROP TABLE readings;")
    assert refused(keys, source, "--migrations", bad)[:2] == (5, "bad_migration")


def test_a_migration_that_builds_on_another_of_the_package(tmp_path, keys, source):
    first = write_migration(tmp_path, "0901_a.sql", "CREATE TABLE a (x);")
    second = write_migration(tmp_path, "0902_b.sql", "ALTER TABLE a ADD COLUMN y; CREATE INDEX b ON readings (value);")
    made(keys, source, "--migrations", second, first)
    with zipfile.ZipFile(source.parent / "update_v1.2.0.zip") as archive:
        assert [row["name"] for row in verify(archive, keys)["migrations"]] == ["0901_a.sql", "0902_b.sql"]


def test_a_number_that_is_taken(tmp_path, keys, source):
    taken = write_migration(tmp_path, "0001_other.sql", "CREATE TABLE other (x);")
    for more in ((), ("--base", source)):
        code, reason, said = refused(keys, source, "--migrations", taken, *more)
        assert (code, reason) == (5, "bad_migration") and "0001_telemetry.sql" in said
    there = source / "migrations/0001_telemetry.sql"
    assert refused(keys, source, "--migrations", there, "--base", source)[:2] == (5, "bad_migration")
    edited = write_migration(tmp_path, "0001_telemetry.sql", "CREATE TABLE other (x);")
    assert refused(keys, source, "--migrations", edited)[:2] == (5, "bad_migration")
    twins = [write_migration(tmp_path, f"0901_{name}.sql", f"CREATE TABLE {name} (x);") for name in ("a", "b")]
    assert refused(keys, source, "--migrations", *twins)[:2] == (5, "bad_migration")


def test_a_migration_with_no_name_of_one(tmp_path, keys, source):
    assert refused(keys, source, "--migrations", write_migration(tmp_path, "more.sql", "SELECT 1;"))[0] == 5


def test_a_whole_package_stays_when_the_next_one_fails(keys, source):
    made(keys, source, "--files", "bin")
    path = source.parent / "update_v1.2.0.zip"
    before = path.read_bytes()
    assert publish(keys, source, "--files", "bin/nowhere", check=False).returncode == 1
    assert path.read_bytes() == before
    assert [entry.name for entry in source.parent.iterdir() if ".zip" in entry.name] == [path.name]


# ---- large ones ----

LARGE_BYTES = 256 * 1024 * 1024
MEMORY_MAX_BYTES = LARGE_BYTES // 4


def make_large(keys, source):
    """The command line that packs 256 MiB of zeros."""
    with (source / "bin/large").open("wb") as file:
        file.truncate(LARGE_BYTES)
    return [telehaul.BIN / "publish", "--version", "1.2.0", "--key", keys.private_file, "--source", source, "--output",
            source.parent, "--files", "bin"]


def test_a_large_one_in_little_memory(keys, source):
    assert telehaul.peak_bytes(make_large(keys, source), FREED_IS_FREE) < MEMORY_MAX_BYTES
    package = source.parent / "update_v1.2.0.zip"
    assert telehaul.peak_bytes([telehaul.BIN / "publish", "inspect", package], FREED_IS_FREE) < MEMORY_MAX_BYTES


def on_a_terminal(arguments, env):
    """What it draws on standard error."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(list(map(str, arguments)), stderr=theirs, stdout=subprocess.DEVNULL,
                               env={**os.environ, **env})
    os.close(theirs)
    text = b""
    while select.select([ours], [], [], telehaul.DEADLINE_S)[0]:
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the other end is closed
            break
        if not piece:
            break
        text += piece
    os.close(ours)
    assert process.wait(timeout=telehaul.DEADLINE_S) == 0
    return text.decode()


def test_a_bar_on_a_terminal(keys, source):
    arguments = make_large(keys, source)
    drawn = on_a_terminal(arguments, {"NO_COLOR": ""})
    assert re.search(r"hashing \[#* *\] +\d+%  of 256", drawn) and re.search(r"packing \[#* *\] +\d+%", drawn)
    assert "\r" not in on_a_terminal([*arguments, "--quiet"], {"NO_COLOR": ""})
    assert "hashing" not in on_a_terminal(arguments, {"NO_COLOR": "1"})


# ---- inspect ----

def inspect(path, *arguments, check=True):
    return telehaul.run("publish", "inspect", path, *arguments, check=check)


def test_inspect_shows_what_is_in_it(tmp_path, keys, other_keys):
    package = Package(keys, min_version="1.0.0", base={"version": "1.1.0", "tree_sha256": "ab" * 32},
                      expires_at="2027-02-22T10:00:00Z", remove=["share/old.css"], notes="one\ntwo\x1b[31m")
    path = package.write(tmp_path / "update.zip")
    shown = json.loads(inspect(path, "--public-key", keys.public_file, "--json").stdout)
    assert shown["ok"] is True and shown["signature"] == "valid"
    for member in ("product", "version", "min_version", "base", "notes", "files", "remove", "migrations"):
        assert shown[member] == package.manifest[member], member
    assert shown["manifest_sha256"] == package.manifest_sha256()
    assert shown["expires_at"].startswith("2027-02-22T10:00:00")
    text = inspect(path, "--public-key", keys.public_file).stdout
    for word in ("1.2.0", "one", "two?[31m", "share/old.css", "1.1.0", "ab" * 32, shown["signer"], "valid",
                 *(row["sha256"] for row in package.manifest["files"] + package.manifest["migrations"])):
        assert word in text, word
    assert json.loads(inspect(path, "--json").stdout)["signature"] == "not checked"


def test_inspect_shows_what_claims_to_be_signed(tmp_path, keys, other_keys):
    path = Package(other_keys).write(tmp_path / "update.zip")
    done = inspect(path, "--public-key", keys.public_file, "--json", check=4)
    shown = json.loads(done.stdout)
    assert (shown["ok"], shown["reason"], shown["signature"]) == (False, "invalid_sig", "invalid")
    assert (shown["version"], shown["signer"]) == ("1.2.0", None)
    text = inspect(path, "--public-key", keys.public_file, check=4)
    assert "signature   invalid" in text.stdout and "invalid_sig" in text.stderr


def test_inspect_of_nothing(tmp_path, keys):
    assert inspect(tmp_path / "none.zip", check=1).stderr.count("none.zip") == 1
    assert inspect(tmp_path, check=5).stdout == ""
    assert "which package" in telehaul.run("publish", "inspect", check=2).stderr
    path = Package(keys).write(tmp_path / "update.zip")
    assert inspect(path, "--public-key", tmp_path / "none.pem", check=1).stdout == ""
