"""Every hostile package is refused with its own reason by everything that takes packages, and leaves nothing behind; good
ones in all their forms are taken."""

import base64
import io
import zipfile

import pytest
import raw_zip
from hostile_packages import CASES
from packages import Package
from verifiers import VERIFIERS


def test_the_corpus_is_one():
    assert sum(not case.needs_machine for case in CASES) >= 150
    assert len({case.name for case in CASES}) == len(CASES)


@pytest.fixture(scope="module", params=VERIFIERS)
def verifier(request, tmp_path_factory, keys):
    made = VERIFIERS[request.param](tmp_path_factory.mktemp("verifier"), keys)
    yield made
    made.close()


@pytest.mark.parametrize("case", CASES, ids=str)
def test_it_is_refused(tmp_path, keys, other_keys, verifier, case):
    """What only a machine can tell is a good package to whoever is none."""
    path = tmp_path / "update.zip"
    content = case.make(keys, other_keys)
    path.write_bytes(content)
    before = verifier.left()
    assert verifier.reason(path) == (case.reason if verifier.is_machine or not case.needs_machine else None)
    assert verifier.left() == before
    assert list(tmp_path.iterdir()) == [path] and path.read_bytes() == content


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
    "every member": lambda keys, tree="0" * 64: Package(
        keys, min_version="1.0.0", base={"version": "1.1.0", "tree_sha256": tree}, remove=["share/old.css"],
        expires_at="2099-01-01T00:00:00+02:00", notes="line\nждать").build(),
    "a version with everything": lambda keys: Package(keys, version="1.2.0-rc.1+build.5").build(),
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("kind", VERIFIERS)
def test_it_is_taken(tmp_path, keys, kind, name):
    made = VERIFIERS[kind](tmp_path, keys)
    path = tmp_path / "update.zip"
    path.write_bytes(GOOD[name](keys, made.tree) if name == "every member" else GOOD[name](keys))
    try:
        assert made.reason(path) is None
    finally:
        made.close()
