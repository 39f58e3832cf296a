"""The streams of alarms and channels, zstd, and what the agent remembers of its sessions."""

import gzip
import json
import subprocess
import uuid

import pytest
from agent_root import CHANNELS, FIRST_US, Machine, time_of
from telehaul import wait_until

ROWS = 20000
SECOND_US = 1000000
# alarm_id, seq, channel, severity, message, raised, resolved; all made up
ALARMS = [
    (FIRST_US + 1, ROWS + 1, 1, "warning", "engine is \"hot\": 112.5", FIRST_US + 1, None),
    (FIRST_US + 2, ROWS + 6, 3, "critical", "тиск", FIRST_US + 2, FIRST_US + 9 * SECOND_US),
    (FIRST_US + 3, ROWS + 4, 4, "info", "", FIRST_US + SECOND_US, FIRST_US + 2 * SECOND_US),
]


def fill(machine):
    for alarm in ALARMS:
        values = ", ".join("null" if value is None else repr(value) if isinstance(value, int) else f"'{value}'" for value in alarm)
        machine.change(f"insert into alarms values ({values})")
    machine.change("update channels set unit = '1/min', phys_min = 0, phys_max = 8000.5, description = 'speed' where channel_id = 1",
                   f"update meta set value = {ROWS + 7} where key = 'next_seq'")


@pytest.fixture(scope="module")
def machine(tmp_path_factory, keys):
    made = Machine(tmp_path_factory.mktemp("machine") / "root", keys, rows=ROWS)
    fill(made)
    yield made
    made.clear()


@pytest.fixture
def client(machine):
    """Of each test, for a session lives for five minutes, and the tests of a slow machine for longer."""
    made = machine.client()
    yield made
    made.close()


@pytest.fixture
def own_machine(tmp_path, keys):
    made = Machine(tmp_path / "root", keys, rows=ROWS)
    fill(made)
    yield made
    made.clear()


def line_of(alarm):
    alarm_id, seq, channel, severity, message, raised, resolved = alarm
    return {"seq": seq, "alarm_id": alarm_id, "channel": CHANNELS[channel - 1], "severity": severity, "message": message,
            "raised_at": time_of(raised), "resolved_at": None if resolved is None else time_of(resolved)}


BY_SEQ = [line_of(alarm) for alarm in sorted(ALARMS, key=lambda alarm: alarm[1])]


def when(line):
    return line["resolved_at"] or line["raised_at"]


def expect_alarms(machine, headers, lines, expected):
    assert lines == expected
    assert headers["Content-Type"] == "application/gzip"
    assert headers["X-Record-Count"] == str(len(lines))
    assert headers["X-Store-Id"] == machine.store_id
    assert (headers["X-First-Seq"], headers["X-Last-Seq"]) == (str(lines[0]["seq"]), str(lines[-1]["seq"]))
    assert (headers["X-Period-Start"], headers["X-Period-End"]) == (when(lines[0]), when(lines[-1]))


def test_all_alarms(machine, client):
    headers, lines = client.export(stream="alarms")
    expect_alarms(machine, headers, lines, BY_SEQ)


def test_an_alarm_is_the_contracts_line(client):
    text = gzip.decompress(client.get("/data/export", stream="alarms", limit=1).content).decode()
    assert text == (f'{{"seq":{ROWS + 1},"alarm_id":{FIRST_US + 1},"channel":"engine_rpm","severity":"warning",'
                    '"message":"engine is \\"hot\\": 112.5","raised_at":"2026-02-22T10:00:00.000001Z","resolved_at":null}\n')


@pytest.mark.parametrize("after,rest", [(0, 0), (ROWS, 0), (ROWS + 1, 1), (ROWS + 3, 1), (ROWS + 4, 2), (ROWS + 5, 2)])
def test_alarms_after_a_seq_of_either_stream(machine, client, after, rest):
    headers, lines = client.export(stream="alarms", after=after, store=machine.store_id)
    expect_alarms(machine, headers, lines, BY_SEQ[rest:])


def test_alarms_since(machine, client):
    for since, expected in [(FIRST_US, BY_SEQ), (FIRST_US + 1, BY_SEQ[1:]), (FIRST_US + 2 * SECOND_US - 1, BY_SEQ[1:]),
                            (FIRST_US + 2 * SECOND_US, BY_SEQ[2:])]:
        headers, lines = client.export(stream="alarms", since=time_of(since))
        expect_alarms(machine, headers, lines, expected)


def test_alarms_page_by_page(machine, client):
    got, after = [], 0
    while True:
        headers, lines = client.export(stream="alarms", after=after, store=machine.store_id, limit=2)
        if not lines:
            break
        assert len(lines) <= 2
        got += lines
        after = int(headers["X-Last-Seq"])
    assert got == BY_SEQ
    assert after == ROWS + 6


def test_no_alarms(machine, client):
    headers, lines = client.export(stream="alarms", after=ROWS + 6, store=machine.store_id)
    assert lines == []
    assert headers["X-First-Seq"] == headers["X-Last-Seq"] == str(ROWS + 6)
    headers, lines = client.export(stream="alarms", since="2027-01-01T00:00:00Z")
    assert lines == []
    assert headers["X-Period-End"] == "2027-01-01T00:00:00.000000Z"
    assert headers["X-Last-Seq"] == str(ROWS + 6)


def test_a_resolved_alarm_comes_again_with_a_new_seq(own_machine):
    client = own_machine.client()
    headers, _ = client.export(stream="alarms")
    cursor = int(headers["X-Last-Seq"])
    own_machine.change(f"update alarms set seq = {ROWS + 7}, resolved_us = {FIRST_US + 5} where alarm_id = {FIRST_US + 1}",
                       f"update meta set value = {ROWS + 8} where key = 'next_seq'")
    _, lines = client.export(stream="alarms", after=cursor, store=own_machine.store_id)
    assert [(line["seq"], line["alarm_id"], line["resolved_at"]) for line in lines] == [
        (ROWS + 7, FIRST_US + 1, time_of(FIRST_US + 5))]


def test_more_alarms_than_one_answer_holds(own_machine):
    more = 25000
    own_machine.change(f"with recursive n(i) as (select 1 union all select i + 1 from n where i < {more}) insert into alarms "
                       f"select {FIRST_US} + 100 + i, {ROWS} + 6 + i, 1, 'info', 'a' || i, {FIRST_US} + i, null from n",
                       f"update meta set value = {ROWS} + {more} + 7 where key = 'next_seq'")
    client = own_machine.client()
    seqs, after, counts = [], 0, []
    while not counts or counts[-1] > 0:
        headers, lines = client.export(stream="alarms", after=after, store=own_machine.store_id)
        counts.append(len(lines))
        seqs += [line["seq"] for line in lines]
        after = int(headers["X-Last-Seq"])
    assert counts == [10000, 10000, 5003, 0]
    assert seqs == [line["seq"] for line in BY_SEQ] + [ROWS + 6 + i for i in range(1, more + 1)]


@pytest.mark.parametrize("query,error", [
    ("stream=alarms&after=20007&store={store}", "bad_after"), ("stream=alarms&after=1", "bad_store"),
    ("stream=alarms&limit=0", "bad_limit"), ("stream=alarms&since=x", "bad_since"),
    ("stream=alarms&since=2026-02-22T10:00:00Z&after=1&store={store}", "bad_request"),
    ("stream=channels&since=2026-02-22T10:00:00Z", "bad_request"), ("stream=channels&after=0&store={store}", "bad_request"),
    ("stream=channels&limit=1", "bad_request"), ("stream=channels&store={store}", "bad_request"),
    ("stream=Alarms", "bad_request"), ("stream=alarms&stream=alarms", "bad_request"),
])
def test_a_bad_question(machine, client, query, error):
    answer = client.http.get("/data/export?" + query.format(store=machine.store_id), headers=client.headers())
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_alarms_of_another_store(machine, client):
    answer = client.get("/data/export", stream="alarms", after=1, store=str(uuid.uuid4()))
    assert (answer.status_code, answer.json()["error"], answer.json()["store_id"]) == (409, "store_changed", machine.store_id)


def test_channels(machine, client):
    headers, lines = client.export(stream="channels")
    bare = {"unit": "", "phys_min": None, "phys_max": None, "description": ""}
    assert lines == [{"channel": "engine_rpm", "unit": "1/min", "phys_min": 0, "phys_max": 8000.5, "description": "speed"},
                     *({"channel": name, **bare} for name in CHANNELS[1:])]
    assert headers["X-Record-Count"] == str(len(CHANNELS))
    assert headers["X-Store-Id"] == machine.store_id
    assert not {"X-Period-Start", "X-Period-End", "X-First-Seq", "X-Last-Seq"} & {name.title() for name in headers}


def test_streams_without_a_store(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys, rows=0)
    try:
        client = machine.client()
        for stream in ["alarms", "channels"]:
            answer = client.get("/data/export", stream=stream)
            assert (answer.status_code, answer.json()["error"]) == (503, "no_store")
            assert answer.headers["Retry-After"]
    finally:
        machine.clear()


# ---- zstd ----

def expand(body):
    return subprocess.run(["zstd", "-dc"], input=body, check=True, capture_output=True).stdout


@pytest.mark.parametrize("accept,zstd", [
    ("application/zstd", True), ("application/zstd, application/gzip;q=0.5", True), ("application/zstd;q=0", False),
    ("*/*", False), ("application/gzip", False), (None, False),
])
def test_zstd_when_it_is_asked_for(client, accept, zstd):
    for stream in ["readings", "alarms", "channels"]:
        answer = client.http.get("/data/export", params={"stream": stream},
                                 headers={**client.headers(), **({"Accept": accept} if accept else {})})
        assert answer.headers["Content-Type"] == ("application/zstd" if zstd else "application/gzip")
        assert answer.headers["Vary"] == "Accept"
        text = expand(answer.content) if zstd else gzip.decompress(answer.content)
        assert text.count(b"\n") == int(answer.headers["X-Record-Count"])
        assert text == gzip.decompress(client.get("/data/export", stream=stream).content)


def test_zstd_cut_off_anywhere_is_never_taken_for_whole(client):
    whole = client.http.get("/data/export", headers={**client.headers(), "Accept": "application/zstd"}).content
    assert whole == client.http.get("/data/export", headers={**client.headers(), "Accept": "application/zstd"}).content
    for size in [1, 4, 10, 100, len(whole) // 2, len(whole) - 4, len(whole) - 1]:
        done = subprocess.run(["zstd", "-dc"], input=whole[:size], capture_output=True)
        assert done.returncode != 0
    damaged = bytearray(whole)
    damaged[-1] ^= 1
    assert subprocess.run(["zstd", "-dc"], input=damaged, capture_output=True).returncode != 0  # it has a checksum


# ---- what is said of it ----

def test_status_says_what_is_offered(client):
    status = client.status()
    assert status["export_formats"] == ["gzip", "zstd"]
    assert status["export_streams"] == ["readings", "alarms", "channels"]


def contacts(machine):
    file = machine.root.path / "agent" / "contacts.json"
    return json.loads(file.read_text())["sessions"] if file.exists() else []


def test_contacts(own_machine):
    client = own_machine.client()
    answers = [client.get("/data/export", limit=100), client.get("/data/export", stream="alarms"),
               client.get("/data/export", stream="channels")]
    wait_until(lambda: contacts(own_machine), "the first contact")
    (first,) = contacts(own_machine)
    assert first.pop("ended_at") <= client.status()["clock"]
    assert first == {"address": client.http_source, "records": 100, "alarms": 3, "outcome": "ok", "update_version": None,
                     "bytes": sum(len(answer.content) for answer in answers)}
    refused = own_machine.client()
    refused.get("/data/export", since="x")
    log = own_machine.stop()  # what is not said yet is said and written at the end
    assert "records 100, alarms 3, bytes" in log
    kept = contacts(own_machine)
    assert [session["outcome"] for session in kept] == ["refused", "ok", "ok"]  # one asked for /status again
    assert kept[0]["address"] == refused.http_source
    own_machine.start()
    for _ in range(25):
        own_machine.client()
    own_machine.stop()
    many = contacts(own_machine)
    assert len(many) == 20
    assert {session["outcome"] for session in many} == {"nothing_asked"}
    times = [session["ended_at"] for session in many]
    assert times == sorted(times, reverse=True)


def test_contacts_that_cannot_be_read_are_none(own_machine):
    file = own_machine.root.path / "agent" / "contacts.json"
    own_machine.client()
    own_machine.stop()
    assert len(contacts(own_machine)) == 1
    file.write_text(file.read_text()[:50])
    own_machine.start()
    own_machine.client()
    own_machine.stop()
    assert len(contacts(own_machine)) == 1
