"""Every hostile package is refused with its own reason by everything that takes packages, and leaves nothing behind; good
ones in all their forms are taken. Another verifier joins by a row of VERIFIERS."""

import base64
import io
import json
import zipfile

import pytest
import raw_zip
import telehaul
from hostile_packages import CASES
from packages import Package, sha256

ALL = [case for case in CASES if not case.needs_machine]


def by_inspect(path, keys):
    """None: taken; else the reason."""
    done = telehaul.run("publish", "inspect", path, "--public-key", keys.public_file, "--json", check=False, cwd=path.parent)
    said = json.loads(done.stdout)
    assert said["ok"] == (done.returncode == 0), done
    if said["ok"]:
        return None
    assert done.returncode == (4 if said["reason"] == "invalid_sig" else 5), done
    assert f"({said['reason']})" in done.stderr and said["detail"] in done.stderr
    assert all(character.isprintable() for character in done.stderr.rstrip("\n"))
    return said["reason"]


VERIFIERS = {"publish inspect": by_inspect}


def test_the_corpus_is_one():
    assert len(ALL) >= 150
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("case", ALL, ids=str)
def test_it_is_refused(tmp_path, keys, other_keys, verifier, case):
    path = tmp_path / "update.zip"
    path.write_bytes(case.make(keys, other_keys))
    before = sha256(path.read_bytes())
    assert VERIFIERS[verifier](path, keys) == case.reason
    assert [entry.name for entry in tmp_path.iterdir()] == ["update.zip"]
    assert sha256(path.read_bytes()) == before


# ---- good ones ----

def by_zipfile(package, method):
    """As somebody writes it who knows nothing but Python's zipfile."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for entry in package.entries():
            archive.writestr(entry.name.decode(), entry.content)
    return made.getvalue()


def with_entries(change):
    def make(keys):
        package = Package(keys)
        package.changed = change
        return package.build()
    return make


def with_salt(salt):
    def make(keys):
        package = Package(keys)
        package.signature = base64.b64encode(keys.sign(package.manifest_bytes(), salt=salt))
        return package.build()
    return make


GOOD = {
    "as it is": lambda keys: Package(keys).build(),
    "by zipfile, stored": lambda keys: by_zipfile(Package(keys), zipfile.ZIP_STORED),
    "by zipfile, deflated": lambda keys: by_zipfile(Package(keys), zipfile.ZIP_DEFLATED),
    "with data descriptors": with_entries(lambda made: [raw_zip.streamed(entry) for entry in made]),
    "entries in another order": with_entries(lambda made: made[:2] + made[:1:-1]),
    "without a salt": with_salt(0),
    "with the longest salt": with_salt(384 - 32 - 2),
    "no files": lambda keys: Package(keys, files={}).build(),
    "no migrations": lambda keys: Package(keys, migrations={}).build(),
    "an empty file": lambda keys: Package(keys, files={"share/empty": b""}).build(),
    "a path beyond ASCII": lambda keys: Package(keys, files={"share/ключ": b"x"}).build(),
    "the longest path": lambda keys: Package(keys, files={"share/" + "p/" * 508 + "qq": b"x"}).build(),
    "a protected name further down": lambda keys: Package(keys, files={"share/config.txt": b"x"}).build(),
    "every member": lambda keys: Package(
        keys, min_version="1.0.0", base={"version": "1.1.0", "tree_sha256": "0" * 64}, remove=["share/old.css"],
        expires_at="2030-01-01T00:00:00+02:00", notes="line\nждать").build(),
    "a version with everything": lambda keys: Package(keys, version="1.2.0-rc.1+build.5").build(),
}


@pytest.mark.parametrize("verifier", VERIFIERS)
@pytest.mark.parametrize("name", GOOD)
def test_it_is_taken(tmp_path, keys, verifier, name):
    path = tmp_path / "update.zip"
    path.write_bytes(GOOD[name](keys))
    assert VERIFIERS[verifier](path, keys) is None
