"""The zip reader and writer against other people's: Python's zipfile, Info-ZIP's zip and unzip."""

import hashlib
import io
import os
import subprocess
import zipfile

import pytest
import telehaul

TOOL = telehaul.BIN.parent / "test-tools" / "zip_tool"
CONTENTS = {
    "manifest.json": b"{}\n" * 100,
    "manifest.sig": b"x",
    "files/bin/portal": bytes(i * i >> 7 & 255 for i in range(300_000)),
    "files/empty": b"",
    "files/share/ключ": b"key",
}
METHODS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]


def run(*arguments, check=True, **more):
    assert TOOL.exists(), f"{TOOL} is missing: make test-tools"
    return subprocess.run([TOOL, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=check, **more)


def listed(path):
    """{name: (size, sha256)} in the order of the archive."""
    lines = [line.split(" ", 5) for line in run("list", path).stdout.splitlines()]
    return {name: (int(size), sha256) for size, _packed, _method, _mode, sha256, name in lines}


def refused(path):
    done = run("list", path, check=False)
    assert done.returncode == 5, done
    return done.stderr.split(":")[0]


def expected(contents):
    return {name: (len(content), hashlib.sha256(content).hexdigest()) for name, content in contents.items()}


class Pipe(io.RawIOBase):
    """A file that only goes forward, as a network connection does."""

    def __init__(self):
        self.content = b""

    def writable(self):
        return True

    def write(self, piece):
        self.content += bytes(piece)
        return len(piece)


@pytest.mark.parametrize("method", METHODS)
def test_what_python_writes_is_read(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        for name, content in CONTENTS.items():
            archive.writestr(name, content)
    found = listed(tmp_path / "a.zip")
    assert found == expected(CONTENTS)
    assert list(found) == list(CONTENTS)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("zip64", [False, True])
def test_what_python_streams_is_read(tmp_path, method, zip64):
    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", method) as archive:
        for name, content in CONTENTS.items():
            with archive.open(name, "w", force_zip64=zip64) as entry:
                entry.write(content)
    assert zipfile.ZipFile(io.BytesIO(pipe.content)).infolist()[0].flag_bits & 8
    (tmp_path / "a.zip").write_bytes(pipe.content)
    assert listed(tmp_path / "a.zip") == expected(CONTENTS)


def test_zip64_that_turned_out_not_to_be_needed_is_read(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, archive.open("a", "w", force_zip64=True) as entry:
        entry.write(b"hello")
    assert listed(tmp_path / "a.zip") == expected({"a": b"hello"})


def made_files(folder):
    for name, content in CONTENTS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
    return folder


@pytest.mark.parametrize("options", [["-X"], ["-0"], ["-9"], ["-fd"]])
def test_what_info_zip_writes_is_read(tmp_path, options):
    files = made_files(tmp_path / "files-to-pack")
    ascii_names = [name for name in CONTENTS if name.isascii()]
    subprocess.run(["zip", "-q", *options, tmp_path / "a.zip", *ascii_names], cwd=files, check=True)
    assert listed(tmp_path / "a.zip") == expected({name: CONTENTS[name] for name in ascii_names})


@pytest.mark.parametrize("reason, options, name", [
    ("directory_entry", ["-r"], "files"), ("symlink", ["-y"], "link"), ("encrypted", ["-P", "x"], "manifest.json")])
def test_what_info_zip_writes_and_no_package_has(tmp_path, reason, options, name):
    files = made_files(tmp_path / "files-to-pack")
    (files / "link").symlink_to("manifest.json")
    subprocess.run(["zip", "-q", *options, tmp_path / "a.zip", name], cwd=files, check=True)
    assert refused(tmp_path / "a.zip") == reason


def test_names_that_python_writes_twice(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("manifest.json", "{}")
        archive.writestr("manifest.json", "{ }")
    assert refused(tmp_path / "a.zip") == "duplicate_entry"


def write(folder, path, **more):
    made_files(folder)
    arguments = [argument for name in CONTENTS for argument in (name, "755" if "bin" in name else "644", folder / name)]
    run("write", path, *arguments, **more)
    return path.read_bytes()


def test_what_is_written_others_read(tmp_path):
    write(tmp_path / "content", tmp_path / "a.zip")
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        assert archive.testzip() is None
        assert {info.filename: archive.read(info) for info in archive.infolist()} == CONTENTS
        assert [info.external_attr >> 16 for info in archive.infolist()] == [
            0o100755 if "bin" in name else 0o100644 for name in CONTENTS]
    done = subprocess.run(["unzip", "-t", tmp_path / "a.zip"], capture_output=True, text=True, check=True)
    assert "No errors detected" in done.stdout


def test_the_same_bytes_in_every_zone_and_under_every_umask(tmp_path):
    archives = {
        write(tmp_path / zone.replace("/", "-"), tmp_path / f"{i}.zip", umask=umask,
              env={**os.environ, "TZ": zone, "LC_ALL": locale})
        for i, (zone, umask, locale) in enumerate([
            ("UTC", 0o022, "C"), ("Asia/Tokyo", 0o077, "C.UTF-8"), ("America/New_York", 0o002, "C")])}
    assert len(archives) == 1


def test_twenty_thousand_entries_and_one_too_many(tmp_path):
    with zipfile.ZipFile(tmp_path / "most.zip", "w") as archive:
        for number in range(20_002):
            archive.writestr(f"files/{number % 100}/{number}", b"")
    assert len(listed(tmp_path / "most.zip")) == 20_002
    with zipfile.ZipFile(tmp_path / "most.zip", "a") as archive:
        archive.writestr("files/more", b"")
    assert refused(tmp_path / "most.zip") == "too_many_entries"


def test_no_more_is_written_than_is_read(tmp_path):
    (tmp_path / "e").touch()
    entries = [argument for number in range(20_002) for argument in (f"files/{number}", "644", "e")]
    run("write", "most.zip", *entries, cwd=tmp_path)
    assert len(listed(tmp_path / "most.zip")) == 20_002
    done = run("write", "more.zip", *entries, "files/more", "644", "e", check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "more than 20002 files" in done.stderr
