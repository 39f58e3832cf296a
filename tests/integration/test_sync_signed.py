"""sync_service over the signed session, from a real agent and from one of the tests' own, into a PostgreSQL of the tests'
own. Every machine here is made up."""

import base64
import contextlib
import threading
import time

import pytest
from agent_root import Machine
from fake_agent import make_alarms, make_channels, make_readings
from sync_service import SyncService

from telehaul import wait_until

ROWS = 5000


@pytest.fixture
def service(tmp_path, postgres, keys):
    with SyncService(tmp_path / "service", postgres, AUTH_KEY_FILE=keys.private_file, PULL_TIMEOUT_SEC=60) as service:
        yield service.migrate()


def add(service, agent, name="m1", **more):
    more.setdefault("fingerprint", agent.agent_id)
    service.add(name, "127.0.0.1", transport="agent", agent_port=agent.port,
                **{key: value for key, value in more.items() if value is not None})


def cursor(service, store_id, stream="readings"):
    rows = service.database.query("select seq from sync_cursor where store_id = %s and stream = %s", store_id, stream)
    return rows[0][0] if rows else 0


def expected(rows):
    return sorted((time_us, channel, value) for _, time_us, channel, value in rows)


def log_ins(agent):
    return agent.requests.count("POST /auth")


def exports(agent, stream="readings"):
    return [query for query in agent.asked if query.get("stream", "readings") == stream]


# ---- what is well ----

def test_first_everything_then_only_what_is_new(service, agent):
    add(service, agent)
    assert service.once()["rows_written"] == ROWS
    assert service.rows("m1") == expected(agent.rows)
    assert cursor(service, agent.store_id) == ROWS
    agent.rows += make_readings(7, first_seq=ROWS + 1)
    assert service.once()["rows_written"] == 7
    assert [query["after"] for query in exports(agent)] == ["0", str(ROWS)]
    assert service.rows("m1") == expected(agent.rows)
    assert service.once()["rows_written"] == 0
    assert len(exports(agent)) == 2  # /status says that there is nothing
    assert [entry[:2] for entry in service.journal("m1")] == [("ok", ROWS), ("ok", 7), ("ok", 0)]


def test_zstd_is_taken_where_it_is_offered(service, make_agent):
    agent = make_agent()
    agent.formats = ["gzip", "zstd"]
    add(service, agent)
    service.once()
    assert exports(agent)[0]["accept"] == "application/zstd"
    assert service.rows("m1") == expected(agent.rows)


def test_alarms_are_raised_and_resolved(service, agent):
    agent.formats = ["gzip"]
    raised = make_alarms(3, ROWS + 1)
    agent.alarms = raised
    add(service, agent)
    service.once()
    query = ("select a.alarm_id, c.name, severity, message, resolved_at is null from alarms_log a"
             " left join channel_config c using (vehicle_id, channel_id) order by alarm_id")
    assert service.database.query(query) == [(alarm[1], alarm[2], alarm[3], alarm[4], alarm[6] is None) for alarm in raised]
    lasting = next(alarm for alarm in raised if alarm[6] is None)
    agent.alarms = raised + [(ROWS + 4, *lasting[1:6], lasting[5] + 5_000_000)]
    service.once()
    assert not any(row[4] for row in service.database.query(query) if row[0] == lasting[1])
    assert cursor(service, agent.store_id, "alarms") >= ROWS + 4


def test_more_alarms_than_an_answer_holds(service, agent):
    agent.formats, agent.alarms = ["gzip"], make_alarms(10_050, ROWS + 1)

    def some(request, _):
        after = int(request.query.get("after", 0))
        kept, agent.alarms = agent.alarms, [alarm for alarm in agent.alarms if alarm[0] > after][:10_000]
        try:
            agent.export(request)
        finally:
            agent.alarms = kept

    agent.hooks["export"] = lambda request, default: (
        some(request, default) if request.query.get("stream") == "alarms" else default())
    add(service, agent)
    service.once()
    assert service.database.query("select count(*) from alarms_log") == [(10_050,)]


def test_channels_are_described_at_first_and_when_a_new_one_comes(service, agent):
    agent.formats, agent.described = ["gzip"], make_channels()
    add(service, agent)
    with service.start():
        service.wait_for_journal("m1", 3)
        assert len(exports(agent, "channels")) == 1
        assert service.database.query("select name, unit, min_value, max_value, description from channel_config order by 1") \
            == [(name, unit, low, high, text) for name, unit, low, high, text in make_channels()]
        agent.described = make_channels() + [("extra", "K", 0, 400, "came later")]
        agent.rows += [(ROWS + 1, agent.rows[-1][1] + 1, "extra", 300.0)]
        wait_until(lambda: service.database.query("select unit from channel_config where name = 'extra'") == [("K",)],
                   "the new channel's description")
        assert len(exports(agent, "channels")) == 2


def test_a_machine_that_measured_nothing(service, agent):
    agent.hooks["status"] = lambda request, _: request.json(200, {"version": "1.0.0", "store_id": None, "next_seq": None})
    add(service, agent)
    service.once()
    assert service.journal("m1") == [("ok", 0, "")]
    assert exports(agent) == []


# ---- who it is ----

def test_an_agent_that_was_never_met_is_not_called(service, agent):
    add(service, agent, fingerprint=None)
    service.once(check=False)
    (status, _, note), = service.journal("m1")
    assert status == "error" and "vehicle set m1 --fingerprint HEX" in note
    assert agent.requests == []


def test_the_first_agent_is_taken_and_then_it_alone(service, agent):
    add(service, agent, fingerprint=None, accept_new_host="yes")
    service.once()
    assert service.database.query("select agent_id from vehicles") == [(agent.agent_id,)]
    before, known = len(agent.requests), agent.agent_id
    agent.new_certificate()
    service.once(check=False)
    status, rows, note = service.journal("m1")[-1]
    assert (status, rows) == ("error", 0)
    assert known in note or known[:40] in note
    assert agent.agent_id[:20] in note
    assert len(agent.requests) == before  # not a byte of a request


def test_a_key_that_is_not_trusted(service, agent, other_keys):
    service.write(AUTH_KEY_FILE=other_keys.private_file)
    add(service, agent)
    service.once(check=False)
    (status, rows, note), = service.journal("m1")
    assert (status, rows) == ("error", 0) and "AUTH_PUBLIC_KEY_FILE" in note


def test_without_a_key(service, agent):
    service.write(AUTH_KEY_FILE=None)
    add(service, agent)
    service.once(check=False)
    assert "AUTH_KEY_FILE" in service.journal("m1")[0][2]
    assert agent.requests == []


# ---- when it was seen ----

def last_seen(service):
    (seen,), = service.database.query("select last_seen_at from vehicles")
    return seen


def another_challenge(request, _):
    request.json(200, {"challenge": base64.b64encode(bytes(32)).decode(), "agent_id": "0" * 64, "expires_in": 60})


# what a stranger, or a machine that is ill, does in place of a call
NOT_SEEN = {
    "another certificate": lambda agent: agent.new_certificate(),
    "another's challenge": lambda agent: agent.hooks.update(challenge=another_challenge),
    "a refused log-in": lambda agent: agent.hooks.update(auth=lambda request, _: request.json(401, {"error": "no"})),
    "an error": lambda agent: agent.hooks.update(status=lambda request, _: request.json(503, {"error": "busy"})),
    "garbage": lambda agent: agent.hooks.update(status=lambda request, _: request.raw(200, b"<html>")),
    "a redirection": lambda agent: agent.hooks.update(
        status=lambda request, _: request.raw(302, b"", {"Location": f"https://127.0.0.1:{agent.port}/update/status"})),
    "a status without an end": lambda agent: agent.hooks.update(
        status=lambda request, _: request.raw(200, b" " * (1 << 20) + b"{}")),
    "the status of another agent": lambda agent: agent.hooks.update(status=lambda request, _: request.json(
        200, {"version": "1.0.0", "agent_id": "0" * 64, "store_id": agent.store_id, "next_seq": ROWS + 1})),
}


@pytest.mark.parametrize("name", NOT_SEEN)
def test_only_a_status_that_is_understood_moves_last_seen(service, agent, name):
    add(service, agent)
    service.once()
    seen, known = last_seen(service), agent.agent_id
    NOT_SEEN[name](agent)
    service.once(check=False)
    assert service.journal("m1")[-1][0] == "error"
    assert last_seen(service) == seen
    if agent.agent_id == known:
        agent.hooks.clear()
        service.once()
        assert last_seen(service) > seen


def test_a_machine_that_was_never_met_was_never_seen(service, agent):
    add(service, agent, fingerprint=None)
    service.once(check=False)
    assert (service.journal("m1")[0][0], last_seen(service)) == ("error", None)


def test_an_export_that_fails_after_a_good_status_was_seen(service, agent):
    add(service, agent)
    service.once()
    seen = last_seen(service)
    agent.rows += make_readings(7, first_seq=ROWS + 1)
    agent.hooks["export"] = lambda request, _: request.json(503, {"error": "busy"})
    service.once(check=False)
    assert service.journal("m1")[-1][0] == "error"
    assert last_seen(service) > seen


# ---- the token ----

def test_a_token_is_kept_over_turns(service, agent):
    add(service, agent)
    with service.start():
        service.wait_for_journal("m1", 4)
    assert log_ins(agent) == 1


def test_an_agent_that_was_restarted_knows_no_token(service, agent):
    add(service, agent)
    with service.start():
        service.wait_for_journal("m1", 1)
        agent.tokens.clear()
        agent.rows += make_readings(7, first_seq=ROWS + 1)
        wait_until(lambda: len(service.rows("m1")) == ROWS + 7, "the new readings")
        assert all(entry[0] == "ok" for entry in service.journal("m1"))
    assert log_ins(agent) == 2


def test_a_token_that_expires_is_renewed_before(service, agent):
    def short(request, default):
        answer = request.json
        request.json = lambda status, value, headers=None: answer(
            status, {**value, "expires_in": 2} if status == 200 else value, headers)
        default()

    agent.hooks["auth"] = short
    add(service, agent)
    with service.start():
        wait_until(lambda: log_ins(agent) >= 2, "a second log-in")
        service.wait_for_journal("m1", 3)
        assert all(entry[0] == "ok" for entry in service.journal("m1"))


def test_too_many_log_ins_hold_up_nobody_else(service, agent, make_agent):
    busy, tries, held = make_agent(), [], threading.Event()

    def later(request, default):
        tries.append(time.monotonic())
        if len(tries) > 1:
            held.wait(50)  # so that the others' turns are before it, however slow they are
            return default()
        return request.json(429, {"error": "too_many_attempts"}, {"Retry-After": "3"})

    busy.hooks["auth"] = later
    add(service, busy, "busy")
    add(service, agent, "m1")
    with service.start():
        service.wait_for_journal("m1", 2)
        assert service.journal("busy") == []
        held.set()
        service.wait_for_journal("busy", 1)
    assert tries[1] - tries[0] >= 3
    assert service.journal("busy")[0][:2] == ("ok", ROWS)


# ---- the store ----

def test_a_new_store_is_fetched_from_its_beginning(service, agent):
    add(service, agent)
    service.once()
    first = expected(agent.rows)
    agent.store_id = agent.store_id[::-1].replace("-", "a")[:8] + agent.store_id[8:]
    agent.rows = [(seq, time_us + 3600 * 10**6, channel, value) for seq, time_us, channel, value in make_readings(100)]
    service.once()
    assert service.rows("m1") == sorted(first + expected(agent.rows))
    assert cursor(service, agent.store_id) == 100
    assert "new store" in service.journal("m1")[-1][2]


def test_a_store_that_changes_between_status_and_export(service, agent):
    add(service, agent)
    service.once()
    before, old = expected(agent.rows), agent.store_id
    agent.rows += make_readings(7, first_seq=ROWS + 1)
    late = [(seq, time_us + 3600 * 10**6, channel, value) for seq, time_us, channel, value in make_readings(100)]

    def change(_, default):
        agent.hooks.clear()
        agent.store_id, agent.rows = "0" * 8 + old[8:], late
        default()

    agent.hooks["export"] = change
    service.once()
    assert service.journal("m1")[-1][0] == "ok"
    assert service.rows("m1") == sorted(before + expected(late))


def test_a_store_that_went_back_is_an_error_that_says_so(service, agent):
    add(service, agent)
    service.once()
    agent.rows = agent.rows[:ROWS - 10]
    service.once(check=False)
    status, _, note = service.journal("m1")[-1]
    assert status == "error" and "went back" in note and "sync_client --since" in note
    assert cursor(service, agent.store_id) == ROWS


# ---- a real machine ----

def test_a_real_machine_beside_the_others(service, tmp_path, keys):
    with contextlib.ExitStack() as stack:
        machine = Machine(tmp_path / "machine", keys, rows=20_000)
        stack.callback(machine.clear)
        service.add("real", "127.0.0.1", transport="agent", agent_port=machine.root.agent_port, accept_new_host="yes")
        assert service.once()["rows_written"] == 20_000
        assert service.database.query("select agent_id, software_version from vehicles") == \
            [(machine.client().agent_id, "1.0.0")]
        assert cursor(service, machine.store_id) == 20_000
        with service.start():
            service.wait_for_journal("real", 3)
            machine.agent.kill()
            service.wait_for_journal("real", 1, "error")
            machine.start()
            entries = len(service.journal("real"))
            service.wait_for_journal("real", entries + 2)
            wait_until(lambda: service.journal("real")[-1][0] == "ok", "the machine's return")
