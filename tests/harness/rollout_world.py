"""What the tests of rollouts share: a package, services, a fleet of made-up machines, and what is asked of them."""

import contextlib

import pytest
import telehaul
from packages import Package
from sync_service import SyncService
from telehaul import wait_until
from updating_agent import UpdatingAgent

VERSION = "1.2.0"


@pytest.fixture(scope="module")
def update_keys(tmp_path_factory):
    return telehaul.Keys(tmp_path_factory.mktemp("update-keys"), "update")


@pytest.fixture
def package(tmp_path, update_keys):
    return Package(update_keys, version=VERSION).write(tmp_path / "update_v1.2.0.zip")


@pytest.fixture
def make_service(tmp_path, postgres, keys, update_keys):
    """Services on one database; they end with the test. No machine is too slow for them."""
    with contextlib.ExitStack() as ends:
        def make(name="sync", **settings):
            return ends.enter_context(SyncService(tmp_path / "service", postgres, name=name, AUTH_KEY_FILE=keys.private_file,
                                                  UPDATE_PUBLIC_KEY_FILE=update_keys.public_file, PULL_TIMEOUT_SEC=40, **settings))
        yield make


@pytest.fixture
def service(make_service):
    return make_service().migrate()


@pytest.fixture
def fleet(tmp_path, keys, service):
    """fleet("a", "b", c={"approval": "operator"}): made-up machines by name, known to the service."""
    agents = {}

    def make(*names, **special):
        for name in [*names, *special]:
            agents[name] = UpdatingAgent(tmp_path, keys, **special.get(name, {}))
            service.add(name, "127.0.0.1", transport="agent", agent_port=agents[name].port,
                        fingerprint=agents[name].agent_id)
        return agents

    yield make
    for agent in agents.values():
        agent.close()


def start(service, package, *options, check=True):
    return service.run("rollout", "start", package, *options, "--json", check=check)


def rollout(service, word=VERSION):
    return service.json("rollout", "status", word)


def states(service):
    return {vehicle["name"]: vehicle["state"] for vehicle in rollout(service)["vehicles"]}


def state(service):
    return rollout(service)["rollouts"][0]["state"]


def wait_for_states(service, **expected):
    def there():
        found = states(service)
        return all(found[name] in value.split("|") for name, value in expected.items())
    try:
        return wait_until(there, "the states", every_s=0.2)
    except AssertionError:
        raise AssertionError(f"{expected}\n{rollout(service)}\n{service.log()}") from None


def wait_for_state(service, expected):
    return wait_until(lambda: state(service) == expected, f"the rollout {expected}", every_s=0.2)
