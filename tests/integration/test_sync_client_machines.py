"""Two machines never become one in the central store, whatever is mixed up: names, addresses, files."""

import shutil

import pytest
from fake_agent import make_readings
from sync_home import expected


def other_rows(first=1):
    return [(seq, time_us + 7, channel, value) for seq, time_us, channel, value in make_readings(300, first)]


@pytest.fixture
def two(make_agent, home):
    """m1 and m2, each known and fetched once."""
    first, second = make_agent(make_readings(200)), make_agent(other_rows())
    for more in ([], ["--db", "none"]):
        home.sync(first, *more)
        home.sync(second, *more, client_id="m2")
    second.rows += other_rows(301)
    second.asked.clear()
    return first, second


@pytest.mark.parametrize("more", [[], ["--db", "none"]])
def test_a_known_machine_under_the_name_of_another(two, home, more):
    first, second = two
    files = home.files()
    done = home.sync(second, *more, accept="yes", check=4)
    assert first.agent_id in done.stderr and second.agent_id in done.stderr and "--client-id" in done.stderr
    assert second.asked == [] and home.files() == files
    assert home.rows() == expected(first.rows)
    # nor does the mistake leave a trace that the next one could follow
    assert home.query("select agent_id, agent_port from vehicles where client_id = 'm1'") == [(first.agent_id, first.port)]
    home.sync(second, *more, accept="yes", check=4)
    assert home.sync(first, *more).result["records"] == 0
    assert home.sync(second, *more, client_id="m2").result["records"] == 300


@pytest.mark.parametrize("more", [[], ["--db", "none"]])
def test_a_machine_that_has_taken_the_place_of_another(two, home, more):
    first, second = two
    done = home.sync(second, *more, "--fingerprint", second.agent_id, accept="no")
    assert f"was the agent {first.agent_id} until now and is {second.agent_id}" in done.stderr
    assert done.result["records"] == 600
    assert home.sync(second, *more, accept="no").result["records"] == 0
    home.sync(first, *more, accept="no", check=4)


def test_a_machine_that_is_met_for_the_first_time_is_taken_aloud(two, make_agent, home):
    third = make_agent(other_rows(1000))
    third.rows = third.rows[:5]
    done = home.sync(third)
    assert f"is {third.agent_id} from now on" in done.stderr


def test_a_log_in_that_fails_names_no_machine(two, home, other_keys):
    first, second = two
    home.sync(second, "--key", other_keys.private_file, check=4)
    assert home.query("select agent_id from vehicles where client_id = 'm1'") == [(first.agent_id,)]


def test_archives_of_another_client_are_left_alone(two, home, make_agent):
    first, second = two
    home.sync(second, "--db", "none", client_id="m2")
    for path in (home.folder / "m2").glob("2*"):
        shutil.copy(path, home.folder / "m1" / path.name.replace("Z", "Z-7"))
    first.store_id = second.store_id  # the worst that could be: its cursor would count for this one too
    first.rows = make_readings(350)
    done = home.sync(first, "--db", "none")
    assert "is of the client `m2`" in done.stderr and "--client-id m1" in done.stderr
    assert done.result["last_seq"] == 350
    home.sync(first)
    assert home.rows() == expected(first.rows)


def test_two_machines_of_one_image(make_agent, home):
    """Copied with their store_id: each has its own cursor."""
    first, second = make_agent(make_readings(200)), make_agent(other_rows())
    second.store_id = first.store_id
    for more in ([], ["--db", "none"]):
        assert home.sync(first, *more).result["last_seq"] == 200
        assert home.sync(second, *more, client_id="m2").result["last_seq"] == 300
    assert home.rows("m1") == expected(first.rows) and home.rows("m2") == expected(second.rows)


def test_a_store_that_was_set_back(make_agent, home):
    """An older copy of it was restored: what comes next has numbers that were home already."""
    agent = make_agent(make_readings(200))
    home.sync(agent)
    restored = other_rows(151)
    agent.rows = agent.rows[:150] + restored[:20]

    def refuse(request, default):
        if int(request.query.get("after", 0)) >= 171:
            return request.json(400, {"error": "bad_after", "detail": "the store has not come that far"})
        return default()

    agent.hooks["export"] = refuse
    done = home.sync(agent, check=1)
    assert "older copy" in done.stderr and "--since" in done.stderr and done.stderr.count("\n") == 1
    assert home.sync(agent, "--since", "2026-01-01T00:00:00Z").result["records"] == 170
    assert set(expected(restored[:20])) <= set(home.rows())
