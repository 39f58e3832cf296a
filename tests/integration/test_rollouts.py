"""Rollouts: a package goes to made-up vehicles wave by wave, and the service may die at any moment."""

import contextlib
import os
import random
import threading
import time

import pytest
import telehaul
from agent_root import Machine
from packages import Package
from rollout_world import (VERSION, fleet, make_service, package, rollout, service, start, state, states,  # noqa: F401
                           update_keys, wait_for_state, wait_for_states)
from telehaul import wait_until
from updating_agent import FAIL, ROLL_BACK

# ---- waves ----

def test_waves_go_on_when_enough_are_healthy(service, fleet, package):
    agents = fleet(*"abefghij", c={"ends": FAIL}, d={"approval": "operator"})
    start(service, package, "--waves", "1,50%,100%", "--healthy", "70%", "--max-failures", "1", "--vehicles", *"abcdefghij")
    service.start()
    wait_for_states(service, **dict.fromkeys("abefghij", "healthy"), c="failed", d="queued")
    # a wave began when the one before was healthy: a, then b to e, then the others
    assert agents["a"].queued[0] < min(agents[name].queued[0] for name in "bcde")
    assert max(agents[name].queued[0] for name in "be") < min(agents[name].queued[0] for name in "fghij")
    assert all(len(agent.queued) == len(agent.updates) == 1 for agent in agents.values())

    shown = rollout(service)
    about = shown["rollouts"][0]
    assert (about["state"], about["wave"], about["waves"]) == ("running", 3, "1,5,10")
    assert (about["vehicles"], about["healthy"], about["waiting_for_operator"], about["failed"]) == (10, 8, 1, 1)
    assert [waiting["name"] for waiting in shown["waiting_for_operator"]] == ["d"]
    failed = next(vehicle for vehicle in shown["vehicles"] if vehicle["name"] == "c")
    assert (failed["reason"], failed["detail"], failed["previous_version"]) == ("not_healthy", "made up: it broke", "1.0.0")
    assert "d " in service.run("rollout", "status", VERSION).stdout

    agents["d"].approve()
    wait_for_state(service, "done")
    assert states(service)["d"] == "healthy"


def test_a_wave_without_enough_healthy_ones_holds(service, fleet, package):
    agents = fleet("a", "b", "c", "d", "e")
    agents["b"].garbage = b'{"current_version":7}'
    start(service, package, "--waves", "2,100%", "--healthy", "60%")
    service.start()
    wait_for_states(service, a="healthy", b="due")
    wait_until(lambda: any("no current_version" in vehicle["problem"] for vehicle in rollout(service)["vehicles"]), "b's problem")
    assert states(service) == {"a": "healthy", "b": "due", "c": "waiting", "d": "waiting", "e": "waiting"}
    agents["b"].garbage = None
    wait_for_state(service, "done")
    assert set(states(service).values()) == {"healthy"}


def test_those_that_wait_for_an_operator_alone_prove_nothing(service, fleet, package):
    agents = fleet("b", a={"approval": "operator"})
    start(service, package, "--waves", "1,100%", "--healthy", "1%")
    service.start()
    wait_for_states(service, a="queued")
    looks = len(agents["a"].requests)
    wait_until(lambda: agents["a"].requests[looks:].count("GET /update/status") > 3, "some looks")
    assert states(service) == {"a": "queued", "b": "waiting"}
    agents["a"].reject("not during the harvest")
    wait_for_state(service, "paused")
    assert rollout(service)["vehicles"][0]["detail"] == "not during the harvest"


def test_those_that_die_while_they_wait_hold_the_wave(service, fleet, package):
    """All are seen waiting; ten of them are approved, and six of those die before the next look."""
    died = [f"died{number}" for number in range(6)]
    well = [f"well{number}" for number in range(4)]
    agents = fleet("z", **{name: {"approval": "operator"} for name in [*died, *well, "waits"]})
    start(service, package, "--waves", "11,100%", "--healthy", "50%", "--vehicles", *died, *well, "waits", "z")
    service.start()
    wait_until(lambda: len(rollout(service)["waiting_for_operator"]) == 11, "all to wait")

    def a_few_looks():
        looks = len(agents["waits"].requests)
        wait_until(lambda: agents["waits"].requests[looks:].count("GET /update/status") > 3, "some looks")
        about = rollout(service)["rollouts"][0]
        assert (about["wave"], about["healthy"], states(service)["z"]) == (1, 4, "waiting")
        return about

    for name in died:
        agents[name].still = threading.Event()  # it takes the question and says nothing
    for name in well:
        agents[name].approve()
    try:
        wait_for_states(service, **dict.fromkeys(well, "healthy"))
        a_few_looks()  # nobody has heard of the six since
    finally:
        for name in died:
            agents[name].garbage = b"?"
            agents[name].still.set()
    wait_until(lambda: rollout(service)["rollouts"][0]["with_problem"] == 6, "the six to be missed")
    about = a_few_looks()
    assert (about["waiting_for_operator"], about["failed"], about["state"]) == (1, 0, "running")
    shown = rollout(service)
    assert [vehicle["name"] for vehicle in shown["vehicles"] if vehicle["problem"]] == died
    assert [vehicle["name"] for vehicle in shown["waiting_for_operator"]] == ["waits"]

    for name in died[:2]:
        agents[name].garbage = None
        agents[name].approve()
    wait_for_states(service, z="healthy")  # 6 of 10, without the one that waits


def test_too_many_failures_pause_it_and_people_are_told(service, fleet, package, postgres):
    agents = fleet("c", "d", a={"ends": ROLL_BACK}, b={"ends": FAIL})
    postgres.query("insert into users (email, role, status) values ('chief@example.org', 'superuser', 'active')")
    postgres.query("insert into notice_rules (user_id, channel, target) select user_id, 'email', email from users")
    start(service, package, "--waves", "2,100%", "--healthy", "1%", "--max-failures", "1")
    service.start()
    wait_for_state(service, "paused")
    assert rollout(service)["rollouts"][0]["reason"] == "too many failures"
    assert states(service) == {"a": "rolled_back", "b": "failed", "c": "waiting", "d": "waiting"}
    told = postgres.query("select kind, subject, body from notices")
    assert [(kind, subject) for kind, subject, _ in told] == [
        ("rollout", "Rollout 1 of version 1.2.0 is paused: too many failures")]
    assert "a: rolled_back not_healthy" in told[0][2]
    assert agents["c"].updates == agents["d"].updates == []


def test_pause_and_resume(service, fleet, package):
    agents = fleet("b", "c", a={"approval": "operator"})
    start(service, package, "--waves", "1,2,100%")
    service.start()
    wait_for_states(service, a="queued")
    service.run("rollout", "pause", VERSION)
    agents["a"].approve()
    wait_for_states(service, a="healthy")  # it is followed all the same
    assert (state(service), states(service)["b"]) == ("paused", "waiting")
    assert "there is nothing to pause" in service.run("rollout", "pause", VERSION, check=1).stderr
    service.run("rollout", "resume", "1")
    wait_for_state(service, "done")
    assert [len(agents[name].updates) for name in "abc"] == [1, 1, 1]


# ---- the end before the end ----

def test_abort_takes_back_what_nobody_has_approved(service, fleet, package):
    agents = fleet("a", "d", b={"approval": "operator"}, c={"approval": "operator"})
    start(service, package, "--waves", "3,100%", "--healthy", "100%")
    service.start()
    wait_for_states(service, a="healthy", b="queued", c="queued")
    agents["b"].requests.clear()
    with agents["c"].lock:
        agents["c"].state = "applying"  # approved at this very moment
        agents["c"].go_on = lambda: None
    said = service.json("rollout", "abort", package)
    assert "a" in [vehicle["name"] for vehicle in said["applied"]]
    assert "b" in [vehicle["name"] for vehicle in said["withdrawing"]]
    wait_for_states(service, a="healthy", b="withdrawn", c="applying", d="withdrawn")
    assert (agents["b"].withdrawals, agents["b"].state, agents["d"].updates) == (1, "rejected", [])
    assert state(service) == "aborting"  # c is followed to its end
    with agents["c"].lock:
        agents["c"].version = VERSION
        agents["c"].end("committed")
    wait_for_state(service, "aborted")
    assert states(service)["c"] == "healthy"
    start(service, package)  # and may be begun again


def test_a_package_that_somebody_else_replaced(service, fleet, package):
    agents = fleet(a={"approval": "operator"})
    start(service, package)
    service.start()
    wait_for_states(service, a="queued")
    with agents["a"].lock:
        agents["a"].pending = {**agents["a"].pending, "version": "1.3.0", "manifest_sha256": "0" * 64}
    wait_for_states(service, a="failed")
    assert rollout(service)["vehicles"][0]["reason"] == "replaced"


def test_an_earlier_failure_is_not_taken_for_this_one(service, fleet, package):
    agents = fleet(a={"approval": "operator"})
    agents["a"].pending = {"version": VERSION}
    agents["a"].end("failed", reason="no_space", text="last week")
    start(service, package)
    service.start()
    wait_for_states(service, a="queued")
    agents["a"].approve()
    wait_for_state(service, "done")
    assert states(service) == {"a": "healthy"}


def test_a_vehicle_that_leaves_the_fleet_leaves_the_rollout(service, fleet, package):
    agents = fleet("a", "b")
    start(service, package, "--waves", "1,100%")
    service.run("vehicle", "remove", "b")
    service.start()
    wait_for_state(service, "done")
    assert states(service) == {"a": "healthy", "b": "withdrawn"} and agents["b"].updates == []


@pytest.mark.parametrize("status, answer, reason", [
    (409, {"status": "older_version", "detail": "1.5.0 runs"}, "older_version"),
    (400, {"status": "bad_package", "reason": "wrong_product", "detail": "x"}, "wrong_product"),
    (413, {"status": "too_large", "detail": "x"}, "too_large")])
def test_a_machine_that_refuses(service, fleet, package, status, answer, reason):
    fleet(a={"refuse": (status, answer)})
    start(service, package)
    service.start()
    wait_for_state(service, "paused")
    vehicle = rollout(service)["vehicles"][0]
    assert (vehicle["state"], vehicle["reason"], vehicle["detail"]) == ("refused", reason, answer["detail"])


def test_a_machine_that_is_busy_is_asked_again(service, fleet, package):
    agents = fleet(a={"refuse": (409, {"status": "busy", "detail": "another is coming in"})})
    start(service, package)
    service.start()
    wait_until(lambda: "409 busy: another is coming in" in rollout(service)["vehicles"][0]["problem"], "the problem")
    assert states(service) == {"a": "offered"}
    agents["a"].refuse = None
    wait_for_state(service, "done")


# ---- services that die, services side by side ----

def test_killed_again_and_again(service, fleet, package, postgres):
    agents = fleet(*(f"v{number}" for number in range(10)))
    chance = random.Random(5)
    start(service, package, "--waves", "1,50%,100%")
    for _ in range(15):
        service.start()
        time.sleep(chance.uniform(0.5, 3))  # the moment of its death is the test's input
        service.die()
        # what it held runs out after 20 s; here at once
        postgres.query("update sync_workers set expires_at = now()")
        postgres.query("update deployment_vehicles set next_at = now()")
    service.start()
    wait_for_state(service, "done")
    assert set(states(service).values()) == {"healthy"}
    # sent again at most where it died between the last byte and the answer; queued once
    assert [len(agent.queued) for agent in agents.values()] == [1] * 10


def test_two_services_deliver_once(service, make_service, fleet, package):
    agents = fleet(*(f"v{number}" for number in range(10)))
    start(service, package, "--waves", "2,100%")
    other = make_service("other")
    service.start()
    other.start()
    wait_for_state(service, "done")
    assert [len(agent.updates) for agent in agents.values()] == [1] * 10
    said = service.log() + other.log()
    assert said.count("wave 2 of 2 begins") == 1 and said.count("is over") == 1


# ---- what is refused at once ----

def test_what_cannot_be_rolled_out(service, fleet, package, tmp_path, update_keys, other_keys):
    fleet("a")
    service.add("by-api", "127.0.0.1", transport="outbound")
    foreign = Package(other_keys, version=VERSION).write(tmp_path / "foreign.zip")
    damaged = tmp_path / "damaged.zip"
    damaged.write_bytes(package.read_bytes()[:-40])
    for path, word in ((foreign, "no trusted key has signed"), (damaged, "damaged.zip"), (tmp_path / "none.zip", "none.zip")):
        assert word in start(service, path, check=False).stderr
    assert start(service, package, "--waves", "5,2", check=2).stderr
    assert start(service, package, "--waves", "0", check=2).stderr
    assert start(service, package, "--healthy", "0%", check=2).stderr
    assert "there is no vehicle nobody" in start(service, package, "--vehicles", "nobody", check=False).stderr
    assert "none of the vehicles takes updates" in start(service, package, "--vehicles", "by-api", check=False).stderr
    assert service.json("rollout", "status")["rollouts"] == []
    assert list((service.folder / "rollouts").glob(".*")) == []  # nothing half taken

    unused, other = service.folder / "rollouts" / f"{'0' * 64}.zip", service.folder / "rollouts" / "mine.zip"
    for path in (unused, other):
        path.write_bytes(b"x")
        os.utime(path, (0, 0))
    said = telehaul.json.loads(start(service, package).stdout)
    assert not unused.exists() and other.exists()  # of a rollout that is over; somebody else's
    assert (said["vehicles"], said["waves"], said["not_reachable"]) == (1, [1], ["by-api"])
    assert said["signer"] and states(service) == {"a": "due", "by-api": "unsupported"}
    assert "a (rollout 1)" in start(service, package, check=False).stderr  # in one at a time
    assert "there is no rollout of 9.9.9" in service.run("rollout", "pause", "9.9.9", check=False).stderr


def test_without_a_key_only_the_machines_judge_the_signature(service, fleet, package, other_keys, tmp_path):
    fleet("a")
    service.write(UPDATE_PUBLIC_KEY_FILE=None)
    said = service.run("rollout", "start", Package(other_keys, version=VERSION).write(tmp_path / "foreign.zip")).stdout
    assert "its signature was not verified" in said


def test_a_stored_package_that_was_changed_is_not_sent(service, fleet, package):
    agents = fleet("a")
    start(service, package)
    stored, = (service.folder / "rollouts").glob("*.zip")
    stored.write_bytes(stored.read_bytes() + b"x")
    service.start()
    wait_until(lambda: "other bytes" in rollout(service)["vehicles"][0]["problem"], "the problem")
    assert agents["a"].updates == []


# ---- a real agent ----

def test_a_real_machine(service, tmp_path, keys, update_keys, package):
    machine = Machine(tmp_path / "machine", update_keys, rows=10, start=False)
    machine.root.config({"AUTH_PUBLIC_KEY_FILE": keys.public_file})
    machine.start()
    try:
        with contextlib.closing(telehaul.AgentClient(machine.root.agent_port, keys)) as client:
            service.add("real", "127.0.0.1", transport="agent", agent_port=machine.root.agent_port, fingerprint=client.agent_id)
        start(service, package)
        service.start()
        wait_for_states(service, real="queued")
        wait_until(lambda: [waiting["name"] for waiting in rollout(service)["waiting_for_operator"]] == ["real"],
                   "its operator's name")
        assert (machine.root.path / "pending_update" / "update_v1.2.0.zip").read_bytes() == package.read_bytes()
        service.run("rollout", "abort", VERSION)
        wait_for_state(service, "aborted")
        assert states(service) == {"real": "withdrawn"}
        assert not (machine.root.path / "pending_update" / "update_v1.2.0.zip").exists()
    finally:
        machine.clear()
