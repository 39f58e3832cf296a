"""Fixtures of the Python tests: keys of the tests' own and a ROOT that ends with the test."""

import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent / "harness"))

import postgres as postgresql  # noqa: E402
import telehaul  # noqa: E402


def pytest_configure():
    """Tests that run side by side (pytest -n) have a folder of reports each: a report is of the test that it came in."""
    worker, reports = os.environ.get("PYTEST_XDIST_WORKER"), os.environ.get("TELEHAUL_SANITIZER_REPORTS")
    if worker and reports:
        own = pathlib.Path(reports) / worker
        own.mkdir(exist_ok=True)
        own.chmod(0o1777)
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS", "TELEHAUL_SANITIZER_REPORTS"):
            os.environ[name] = os.environ[name].replace(reports, str(own))


@pytest.fixture(autouse=True)
def no_sanitizer_reports():
    """The sanitizers of a sanitised build write into one folder (tests/harness/run_all), whichever process finds
    something and wherever its stderr goes: any report fails the test that it came in."""
    yield
    reports = telehaul.take_sanitizer_reports()
    assert not reports, "\n".join(reports)


@pytest.fixture(scope="session")
def keys(tmp_path_factory):
    return telehaul.Keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="session")
def other_keys(tmp_path_factory):
    return telehaul.Keys(tmp_path_factory.mktemp("other-keys"), "other")


@pytest.fixture
def make_root(tmp_path, keys):
    """Makes ROOTs below tmp_path; everything started in them ends with the test."""
    made = []

    def make(name="root", **more):
        root = telehaul.Root(tmp_path / name, more.pop("keys", keys), **more)
        made.append(root)
        return root

    yield make
    for root in made:
        root.clear()


@pytest.fixture
def root(make_root):
    return make_root()


@pytest.fixture(scope="session")
def postgres_cluster():
    """One cluster for all tests of a run."""
    with postgresql.running_cluster() as cluster:
        yield cluster


@pytest.fixture
def postgres(postgres_cluster):
    """A fresh database of it: url (of its superuser), query(sql, *values), connect()."""
    with postgres_cluster.database() as database:
        yield database


@pytest.fixture
def own_cluster():
    """A cluster of this test's own, to stop and start."""
    with postgresql.running_cluster() as cluster:
        yield cluster
