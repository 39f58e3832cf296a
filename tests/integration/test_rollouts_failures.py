"""Rollouts in which something goes wrong: who counts as healthy, and how one that stands still goes on. Every machine is
made up."""

import pytest
from rollout_world import (VERSION, fleet, make_service, package, rollout, service, start, state, states,  # noqa: F401
                           update_keys, wait_for_state, wait_for_states)
from telehaul import wait_until
from updating_agent import FAIL, ROLL_BACK


def about(service):  # noqa: F811
    return rollout(service)["rollouts"][0]


def vehicle(service, name):  # noqa: F811
    return next(vehicle for vehicle in rollout(service)["vehicles"] if vehicle["name"] == name)


def resume(service):  # noqa: F811
    return service.run("rollout", "resume", VERSION).stdout


# ---- who is healthy ----

def say_old(agent, call, member):
    """Its answer to this call says the old version, whatever happens."""
    def hook(request, default):
        answer = request.json
        request.json = lambda status, value, headers=None: answer(status, {**value, member: "1.0.0"}, headers)
        try:
            default()
        finally:
            request.json = answer
    agent.hooks[call] = hook


@pytest.mark.parametrize("call, member", [("status", "version"), ("update_status", "current_version")])
def test_a_machine_is_healthy_when_all_it_says_agrees(service, fleet, package, call, member):  # noqa: F811
    agents = fleet("a", "b")
    say_old(agents["a"], call, member)
    start(service, package, "--waves", "1,100%")
    service.start()
    wait_until(lambda: agents["a"].state == "committed", "a's own end")
    problem = wait_until(lambda: vehicle(service, "a")["problem"], "the contradiction")
    assert "1.2.0" in problem and "1.0.0" in problem
    looks = agents["a"].requests.count("GET /update/status")
    wait_until(lambda: agents["a"].requests.count("GET /update/status") > looks + 1, "another look")
    assert states(service)["a"] != "healthy" and states(service)["b"] == "waiting"
    assert (state(service), about(service)["with_problem"], agents["b"].updates) == ("running", 1, [])
    agents["a"].hooks.clear()
    wait_for_state(service, "done")
    assert states(service) == {"a": "healthy", "b": "healthy"}


def test_a_machine_that_went_on_to_another_version(service, fleet, package):  # noqa: F811
    agents = fleet(a={"approval": "operator"})
    start(service, package)
    service.start()
    wait_for_states(service, a="queued")
    with agents["a"].lock:
        agents["a"].end("committed")
        agents["a"].pending = {"version": "1.3.0"}
        agents["a"].version = "1.3.0"
        agents["a"].end("committed")
    wait_for_states(service, a="failed")
    assert vehicle(service, "a")["reason"] == "replaced"


# ---- what resume accepts ----

def test_a_canary_that_failed_and_was_accepted_holds_up_nobody(service, fleet, package):  # noqa: F811
    agents = fleet("b", "c", a={"ends": ROLL_BACK})
    start(service, package, "--waves", "1,100%")
    service.start()
    wait_for_state(service, "paused")
    assert (about(service)["failed"], about(service)["accepted"]) == (1, 0)
    assert agents["b"].updates == agents["c"].updates == []
    assert "accepted" in resume(service)
    assert (about(service)["failed"], about(service)["accepted"]) == (1, 1)
    wait_for_state(service, "done")
    assert states(service) == {"a": "rolled_back", "b": "healthy", "c": "healthy"}
    assert [bool(vehicle(service, name)["accepted_at"]) for name in "abc"] == [True, False, False]


def test_failures_are_counted_anew_after_those_that_were_accepted(service, fleet, package):  # noqa: F811
    agents = fleet("d", a={"ends": FAIL}, b={"ends": ROLL_BACK}, c={"ends": FAIL})
    start(service, package, "--waves", "1,3,100%", "--max-failures", "1", "--healthy", "50%")
    service.start()
    wait_for_state(service, "paused")  # a: nobody is left in its wave
    assert about(service)["reason"] == "too few can become healthy"
    resume(service)
    wait_for_states(service, a="failed", b="rolled_back", c="failed")
    wait_for_state(service, "paused")
    assert (about(service)["wave"], about(service)["failed"], about(service)["accepted"]) == (2, 3, 1)
    assert agents["d"].updates == []
    resume(service)
    wait_for_state(service, "done")
    assert (about(service)["failed"], about(service)["accepted"], states(service)["d"]) == (3, 3, "healthy")


def test_a_wave_that_can_never_be_healthy_enough_pauses(service, fleet, package, postgres):  # noqa: F811
    postgres.query("insert into users (email, role, status) values ('chief@example.org', 'superuser', 'active')")
    postgres.query("insert into notice_rules (user_id, channel, target) select user_id, 'email', email from users")
    agents = fleet("a", "d", b={"ends": FAIL}, c={"approval": "operator"})
    start(service, package, "--waves", "3,100%", "--max-failures", "3")
    service.start()
    wait_for_state(service, "paused")  # 2 of 3 at best, whatever the operator of c does
    assert about(service)["reason"] == "too few can become healthy"
    assert postgres.query("select subject from notices") == [
        ("Rollout 1 of version 1.2.0 is paused: too few can become healthy",)]
    wait_for_states(service, a="healthy|queued|approved|applying", c="offered|queued|due")
    resume(service)
    wait_for_states(service, a="healthy", b="failed", c="queued", d="healthy")
    agents["c"].approve()
    wait_for_state(service, "done")


def test_a_canary_that_leaves_the_fleet_proves_nothing(service, fleet, package):  # noqa: F811
    agents = fleet("b", a={"approval": "operator"})
    start(service, package, "--waves", "1,100%")
    service.start()
    wait_for_states(service, a="queued")
    service.run("vehicle", "remove", "a")
    wait_for_state(service, "paused")
    assert (about(service)["reason"], states(service)) == ("too few can become healthy", {"a": "withdrawn", "b": "waiting"})
    assert agents["b"].updates == []
    resume(service)
    wait_for_state(service, "done")
    assert states(service) == {"a": "withdrawn", "b": "healthy"} and about(service)["accepted"] == 0


def test_a_pause_by_hand_accepts_nothing(service, fleet, package):  # noqa: F811
    fleet(a={"ends": FAIL}, b={"approval": "operator"})
    start(service, package, "--waves", "100%", "--max-failures", "1")
    service.start()
    wait_for_states(service, a="failed", b="queued")
    service.run("rollout", "pause", VERSION)
    assert "accepted" not in resume(service)
    assert (state(service), about(service)["failed"], about(service)["accepted"]) == ("running", 1, 0)
