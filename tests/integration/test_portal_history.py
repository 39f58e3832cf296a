"""GET /api/history and GET /api/alarms, the event `alarm`, and what /api/status says of alarms and of the server's visits."""

import datetime
import json
import time

import pytest
import telehaul
from portal_root import PIN, PortalRoot

RIGHT = {"X-Config-Pin": PIN}
START_S = 1_771_754_700  # 2026-02-22T10:05:00Z


def rfc3339(time_s):
    return datetime.datetime.fromtimestamp(time_s, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@pytest.fixture
def root(tmp_path):
    made = PortalRoot(tmp_path / "root")
    made.write_services()
    made.write_collector()
    made.start()
    yield made
    made.clear()


def fill(root, count, step_s=1, channel=1, value=lambda i: i % 60):
    root.db.execute("begin")
    for i in range(count):
        root.seq += 1
        root.db.execute("insert into readings values(?,?,?,?)",
                        [root.seq, int((START_S + i * step_s) * 1e6), channel, value(i)])
    root.db.execute("update meta set value = ? where key = 'next_seq'", [root.seq + 1])
    root.db.execute("commit")


def history(root, from_s, to_s, expect=200, channel="engine_rpm", **more):
    with root.client() as client:
        answer = client.get("/api/history", headers=RIGHT, params={
            "channel": channel, "from": rfc3339(from_s), "to": rfc3339(to_s), **more})
    assert answer.status_code == expect, answer.text
    return answer.json()


def test_a_short_range_gives_every_reading(root):
    fill(root, 100)
    body = history(root, START_S + 10, START_S + 20)
    assert body["channel"] == "engine_rpm" and body["unit"] == "rpm" and body["step_ms"] == 0
    assert body["t"] == [(START_S + 10 + i) * 1000 for i in range(10)]
    assert body["min"] == body["max"] == [float(10 + i) for i in range(10)]


def test_a_long_range_loses_no_spike(root):
    fill(root, 40_000, value=lambda i: 1e6 if i == 31_234 else -i % 7)
    body = history(root, START_S, START_S + 40_000, points=100)
    assert 50 < len(body["t"]) <= 100 and body["step_ms"] > 0
    assert max(body["max"]) == 1e6 and min(body["min"]) == 0
    spike = body["t"][body["max"].index(1e6)]
    assert spike <= (START_S + 31_234) * 1000 < spike + body["step_ms"]
    assert body["t"] == sorted(set(body["t"]))


def test_gaps_and_nulls(root):
    fill(root, 5, value=lambda i: None if i == 3 else i)
    body = history(root, START_S - 100, START_S + 100)
    assert body["min"] == [0, 1, 2, None, 4]
    assert history(root, START_S + 50, START_S + 60)["t"] == []


@pytest.mark.parametrize("change", [
    {"points": 1}, {"points": 4001}, {"points": "many"}, {"from": "yesterday"}, {"to": ""}, {"more": 1},
    {"to": "2020-01-01T00:00:00Z"}])
def test_a_bad_question_is_refused(root, change):
    fill(root, 1)
    assert history(root, START_S, START_S + 10, expect=400, **change)["error"] == "bad_request"


def test_an_unknown_channel_is_not_found(root):
    fill(root, 1)
    assert history(root, START_S, START_S + 10, expect=404, channel="nothing")["error"] == "unknown_channel"


def test_both_need_the_pin_and_a_store(tmp_path):
    empty = PortalRoot(tmp_path / "empty", store=False).start()
    try:
        with empty.client() as client:
            assert client.get("/api/alarms").status_code == 401
            assert client.get("/api/history").status_code == 401
            answer = client.get("/api/alarms", headers=RIGHT)
            assert (answer.status_code, answer.json()["error"]) == (503, "no_store")
        assert history(empty, START_S, START_S + 10, expect=503)["error"] == "no_store"
    finally:
        empty.clear()


# ---- alarms ----

def raise_alarm(root, raised_s, resolved_s=None, severity="warning", channel=3):
    root.seq += 1
    root.db.execute("begin")
    root.db.execute("insert into alarms (alarm_id, seq, channel_id, severity, message, raised_us, resolved_us)"
                    " values(?,?,?,?,?,?,?)",
                    [int(raised_s * 1e6), root.seq, channel, severity, f"coolant_temp is high at {raised_s}",
                     int(raised_s * 1e6), None if resolved_s is None else int(resolved_s * 1e6)])
    root.db.execute("update meta set value = ? where key = 'next_seq'", [root.seq + 1])
    root.db.execute("commit")


def resolve_alarm(root, raised_s, resolved_s):
    root.seq += 1
    root.db.execute("begin")
    root.db.execute("update alarms set seq = ?, resolved_us = ? where alarm_id = ?",
                    [root.seq, int(resolved_s * 1e6), int(raised_s * 1e6)])
    root.db.execute("update meta set value = ? where key = 'next_seq'", [root.seq + 1])
    root.db.execute("commit")


def alarms(root, **params):
    with root.client() as client:
        answer = client.get("/api/alarms", headers=RIGHT, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_alarms_come_newest_first_with_those_that_last(root):
    assert alarms(root) == {"open": 0, "alarms": [], "more": False}
    raise_alarm(root, START_S, START_S + 60)
    raise_alarm(root, START_S + 100, severity="critical")
    raise_alarm(root, START_S + 200, START_S + 260)
    body = alarms(root)
    assert body["open"] == 1 and not body["more"]
    assert [alarm["raised_at"] for alarm in body["alarms"]] == [rfc3339(START_S + at) for at in (200, 100, 0)]
    assert body["alarms"][1] == {
        "alarm_id": str(int((START_S + 100) * 1e6)), "channel": "coolant_temp", "unit": "degC", "severity": "critical",
        "message": f"coolant_temp is high at {START_S + 100}", "raised_at": rfc3339(START_S + 100), "resolved_at": None}


def test_a_window_has_what_was_open_in_it(root):
    raise_alarm(root, START_S, START_S + 60)
    raise_alarm(root, START_S + 100)
    def raised(from_s, to_s):
        found = alarms(root, **{"from": rfc3339(from_s), "to": rfc3339(to_s)})["alarms"]
        return [alarm["raised_at"] for alarm in found]
    assert raised(START_S + 30, START_S + 40) == [rfc3339(START_S)]
    assert raised(START_S + 70, START_S + 90) == []
    assert raised(START_S + 5000, START_S + 6000) == [rfc3339(START_S + 100)]


def test_a_limit_says_that_there_is_more(root):
    for i in range(5):
        raise_alarm(root, START_S + i * 10, START_S + i * 10 + 5)
    body = alarms(root, limit=2)
    assert len(body["alarms"]) == 2 and body["more"]
    assert not alarms(root, limit=5)["more"]


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 1001}, {"from": "x"}, {"to": "x"}, {"more": 1}])
def test_bad_questions_for_alarms_are_refused(root, params):
    with root.client() as client:
        answer = client.get("/api/alarms", headers=RIGHT, params=params)
    assert (answer.status_code, answer.json()["error"]) == (400, "bad_request")


def next_alarm(lines):
    event = None
    for line in lines:
        if line.startswith("event:"):
            event = line.split(":", 1)[1].strip()
        elif line.startswith("data:") and event == "alarm":
            return json.loads(line.split(":", 1)[1])
    raise AssertionError("the stream ended")


def test_an_alarm_is_pushed_when_it_is_raised_and_when_it_is_resolved(root):
    root.write_all()
    now = time.time()
    raise_alarm(root, now - 500, now - 400)  # before anybody watches: not pushed
    with root.client() as client, client.stream("GET", "/api/events", headers=RIGHT,
                                                timeout=telehaul.DEADLINE_S) as stream:
        lines = stream.iter_lines()
        while not next(lines).startswith("event: reading"):
            pass
        deadline = time.monotonic() + telehaul.DEADLINE_S
        # the stream's own beginning is the mark; what is raised from the next second on is news
        root.write_all(step=1)
        while not next(lines).startswith("event: reading"):
            assert time.monotonic() < deadline
        raise_alarm(root, now)
        pushed = next_alarm(lines)
        assert (pushed["raised_at"][:19], pushed["resolved_at"]) == (rfc3339(now)[:19], None)
        resolve_alarm(root, now, now + 5)
        assert next_alarm(lines)["resolved_at"][:19] == rfc3339(now + 5)[:19]


# ---- /api/status ----

def status(root):
    with root.client() as client:
        return client.get("/api/status", headers=RIGHT).json()


def test_status_counts_open_alarms_and_names_the_worst(root):
    assert status(root)["alarms"] == {"open": 0, "worst": None}
    raise_alarm(root, START_S, severity="info")
    raise_alarm(root, START_S + 1, severity="critical")
    raise_alarm(root, START_S + 2, START_S + 3, severity="critical")
    raise_alarm(root, START_S + 4, severity="warning")
    assert status(root)["alarms"] == {"open": 3, "worst": "critical"}


def test_status_tells_of_the_servers_visits_and_the_settings(root):
    body = status(root)
    assert body["contacts"] is None
    assert (body["portal_language"], body["retention_days"], body["max_store_bytes"]) == ("auto", 30, 0)
    visits = {"sessions": [{"ended_at": "2026-02-22T10:00:00Z", "address": "192.0.2.7", "records": 250000,
                            "bytes": 2700000, "outcome": "ok", "update_version": None}]}
    root.replace("agent/contacts.json", visits)
    assert status(root)["contacts"] == visits
    root.replace("agent/contacts.json", "{ damaged")
    assert status(root)["contacts"] is None
