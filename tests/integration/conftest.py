"""Fixtures of sync_client's tests: an agent that can misbehave, and a --data-storage."""

import pytest
from fake_agent import FakeAgent, make_readings
from sync_home import ROWS, Home


@pytest.fixture
def home(tmp_path, keys):
    return Home(tmp_path / "home", keys)


@pytest.fixture
def make_agent(tmp_path, keys):
    agents = []

    def make(rows=None, **more):
        agent = FakeAgent(tmp_path, more.pop("keys", keys), make_readings(ROWS) if rows is None else rows, **more)
        agents.append(agent)
        return agent

    yield make
    for agent in agents:
        agent.close()


@pytest.fixture
def agent(make_agent):
    return make_agent()
