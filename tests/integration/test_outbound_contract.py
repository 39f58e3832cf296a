"""docs/data_contract.md, "Outbound API", is true: its examples are what an agent answers, its refusals too, its limits are
the constants, and what `sync_service` demands of a machine is what it refuses a made-up one for."""

import json
import math
import re
import urllib.parse

import httpx
import pytest
import telehaul
from docs_text import names, number, read, section, table
from fake_vehicle import US, body, now_us, time_text
from outbound_world import add, home, stand_still, vehicle, vehicles  # noqa: F401  fixtures
from outbound_world import patient as service  # noqa: F401  a fixture
from test_data_contract import machine, us_of  # noqa: F401  a fixture

DOC = "docs/data_contract.md"
CALLS = ("/status", "/channels", "/data", "/data/latest", "/alarms")
REFUSES, DEMANDS = "What the Outbound API refuses", "What `sync_service` demands of an answer"
OF_THE_MOMENT = ("name", "time", "uptime_s")  # at the top of an answer


@pytest.fixture(scope="module")
def api(machine):
    """Of the machine whose store holds what the document's lines say; the key is not yet among its headers."""
    telehaul.wait_until(lambda: telehaul.listens(machine.root.outbound_port), "the Outbound API's port")
    key = re.search(r"(?m)^OUTBOUND_API_KEY = (\S+)$", (machine.root.path / "credentials.env").read_text()).group(1)
    with httpx.Client(base_url=f"http://127.0.0.1:{machine.root.outbound_port}", timeout=60) as client:
        client.key = {"X-API-Key": key}
        yield client


# ---- what a machine answers ----

def stated_call(call):
    """The request and the answer of a call's section."""
    [(target, answer)] = re.findall(r"(?m)^    GET (\S+)\n    (\{.*)$", section(DOC, f"`{call}`"))
    assert target.partition("?")[0] == call
    return target, answer


def members(value):
    """Every name in it, each once, in the order in which they come."""
    found = []
    for each in value if isinstance(value, list) else [value]:
        for name, inner in each.items():
            found += [name, *(members(inner) if isinstance(inner, list) else [])]
    return list(dict.fromkeys(found))


@pytest.mark.parametrize("call", CALLS)
def test_the_example_is_what_an_agent_answers(api, call):
    target, stated = stated_call(call)
    answer = api.get(target, headers=api.key)
    assert answer.status_code == 200, answer.text
    got, want = answer.json(), json.loads(stated)
    for name in set(OF_THE_MOMENT) & set(want):
        assert isinstance(got[name], type(want[name])) and (name != "time" or abs(us_of(got[name]) - now_us()) < 30 * US)
        got[name] = want[name]
    assert json.dumps(got, ensure_ascii=False, separators=(",", ":")) == stated


@pytest.mark.parametrize("call", CALLS)
def test_every_member_of_an_answer_is_explained(call):
    explained = [name for row in table(DOC, f"`{call}`") for name in names(row[0])]
    assert sorted(explained) == sorted(members(json.loads(stated_call(call)[1])))


def test_the_refusals_are_those_of_an_agent(api):
    window = stated_call("/data")[0]
    answers = [api.get(target, headers=api.key) for target in ("/data", f"{window}&limit=5", "/nothing")] + [
        api.post("/data", headers=api.key), api.get("/status"), api.get("/nothing", headers={"X-API-Key": "x"})]
    shown = json.loads(re.search(r"(?m)^    (\{.*)$", section(DOC, REFUSES)).group(1))
    assert answers[0].json() == shown
    assert all(answer.json()["detail"] for answer in answers)
    refused = {(answer.status_code, answer.json()["error"]) for answer in answers}
    known = {(int(status), word) for status, word in re.findall(r'answer_error\(request, (5\d\d), "(\w+)"',
                                                                read("agent/outbound_routes.c"))}
    stated = {(int(row[0]), word) for row in table(DOC, REFUSES) for word in names(row[1])}
    assert stated == refused | known - {(500, "internal")}


def constant(header, name):
    [value] = re.findall(rf"\b{name} = ([\d *]+)", read(header))
    return math.prod(map(int, value.split("*")))


def test_the_sizes_are_the_constants():
    demands, data, service = section(DOC, DEMANDS), section(DOC, "`/data`"), "server_tools/sync_service"
    for text, pattern, header, name in (
            (data, r"at most ([\d,]+), in order", "agent/outbound.h", "OUTBOUND_ROWS_MAX"),
            (data, r"more than ([\d,]+) rows in the window", "agent/outbound.h", "OUTBOUND_ROWS_MAX"),
            (section(DOC, "`/status`"), r"a span of ([\d,]+) `seq`", "agent/outbound.h", "OUTBOUND_EXACT_SEQS"),
            (section(DOC, REFUSES), r"(\d+) answers are under way", "agent/outbound.h", "OUTBOUND_ANSWERS_MAX"),
            (demands, r"more than ([\d,]+) rows", f"{service}/data_answer.h", "DATA_ANSWER_MAX_ROWS"),
            (demands, r"at most (\d+), and neither", f"{service}/data_answer.c", "OTHERS_MAX"),
            (demands, r"deeper than (\d+)", "common/net/json.h", "JSON_MAX_DEPTH"),
            (demands, r"more than ([\d,]+) channels", f"{service}/channel_book.h", "CHANNEL_BOOK_MAX"),
            (demands, r"more than ([\d,]+)\nalarms", "server_tools/central/central.h", "CENTRAL_ALARMS_MAX")):
        assert {number(stated) for stated in re.findall(pattern, text)} == {constant(header, name)}, name
    sizes = [number(size) << (10 * "BKM".index(unit[0])) for size, unit in re.findall(r"([\d,]+) (KiB|MiB)", demands)]
    assert sizes == [constant(f"{service}/data_row.h", "DATA_ROW_BYTES"),
                     constant(f"{service}/outbound_internal.h", "OUTBOUND_DATA_MAX_BYTES"),
                     constant(f"{service}/outbound_answers.h", "OUTBOUND_STATUS_MAX_BYTES"),
                     constant(f"{service}/outbound_answers.h", "OUTBOUND_ANSWER_MAX_BYTES")]


# ---- what sync_service demands ----

ALARM = {"alarm_id": 7, "channel_id": 3, "severity": "warning", "message": "made up", "resolved_at": None}


def demanded():
    """(call, member, must it be there)."""
    for call, needed, used in (row for row in table(DOC, DEMANDS) if len(row) == 3):
        yield from ((names(call)[0], member, True) for member in names(needed))
        yield from ((names(call)[0], member, False) for member in names(used))


def without(value, member):
    """The answer with the member taken out, wherever it is."""
    if isinstance(value, list):
        return [without(each, member) for each in value]
    if not isinstance(value, dict):
        return value
    return {name: without(inner, member) for name, inner in value.items() if name != member}


def changed(vehicle, change):
    """A hook: the vehicle's own answer, changed; a text as it is."""
    def hook(request, _):
        parts = urllib.parse.urlsplit(request.path)
        answer = change(vehicle.answer_to(parts.path, dict(urllib.parse.parse_qsl(parts.query))))
        request.raw(answer.encode() if isinstance(answer, str) else json.dumps(answer).encode())
    return hook


@pytest.fixture
def measured(service, vehicle):
    """A vehicle with 10 readings of each channel and an alarm, all of which are asked for."""
    begin = stand_still(vehicle) - 40 * US
    vehicle.measure(begin, 10)
    vehicle.alarms = [{**ALARM, "raised_at": begin}]
    add(service, vehicle)
    return vehicle


def turn(service):
    """(status, rows, note) of one."""
    service.once(check=False)
    return service.journal("Truck-01")[0]


def test_all_that_may_be_there_is_taken(service, measured):
    measured.hooks["/data"] = changed(measured, lambda answer: {"more": 5, **answer, "rows": [
        {**row, "more": {"a": [1]}} for row in answer["rows"]]})
    assert turn(service) == ("ok", 20, "")


@pytest.mark.parametrize("call, member, needed", list(demanded()))
def test_what_must_be_there(service, measured, call, member, needed):
    assert member in members(measured.answer_to(call, {"from": time_text(0), "to": time_text(now_us())})) or \
        (call, member) == ("/channels", "description")
    measured.hooks[call] = changed(measured, lambda answer: without(answer, member))
    status, rows, note = turn(service)
    if not needed:
        assert (status, rows, note) == ("ok", 20, "")
    elif call in ("/status", "/data"):
        assert (status, rows) == ("error", 0) and call in note and f"`{member}`" in note
    else:
        assert (status, rows) == ("ok", 20) and call in note and f"`{member}`" in note


def rows_of(change):
    """change: of the list of rows; the count is theirs again."""
    def edit(answer):
        rows = change(answer["rows"])
        return {**answer, "rows": rows, "count": len(rows)}
    return edit


def later(text, us):
    return time_text(us_of(text) + us)


# row of the table: what makes an answer so
BROKEN = {
    "another structure, or no JSON": lambda answer: "<html>not for you</html>",
    "a body that ends too early": lambda answer: json.dumps(answer)[:-1],
    "bytes behind it": lambda answer: json.dumps(answer) + "{}",
    "`truncated`, `count` or `rows` missing": lambda answer: without(answer, "count"),
    "a member twice": lambda answer: '{"count":0,' + json.dumps(answer)[1:],
    "`from` or `to` a second or more from what was asked for": lambda answer: {**answer, "to": later(answer["to"], US)},
    "a row outside from <= time < to": rows_of(lambda rows: [*rows, {**rows[-1], "time": time_text(now_us())}]),
    "rows not in order of time (of one time any order will do)": rows_of(lambda rows: rows[::-1]),
    "a `count` that is not the rows'": lambda answer: {**answer, "count": 19},
    "more than 100,000 rows": rows_of(lambda rows: rows[:1] * 100_001),
    "a row of more than 1 KiB": rows_of(lambda rows: [{**rows[0], "more": "x" * 1024}]),
    "a `value` that is neither number nor null, NaN among them": rows_of(lambda rows: [{**rows[0], "value": "1"}]),
    "a row of a channel that is not the machine's (below)": rows_of(lambda rows: [{**rows[0], "channel_id": 99}]),
}


def test_the_broken_answers_are_those_of_the_document():
    assert [row[0] for row in table(DOC, DEMANDS) if len(row) == 2] == list(BROKEN)


@pytest.mark.parametrize("what, note", [row for row in table(DOC, DEMANDS) if len(row) == 2], ids=list(BROKEN))
def test_a_broken_answer_is_refused_whole(service, measured, what, note):
    measured.hooks["/data"] = changed(measured, BROKEN[what])
    status, rows, said = turn(service)
    assert (status, rows) == ("error", 0) and "/data" in said and names(note)[0] in said
    assert home(service)[0] is None


@pytest.mark.parametrize("change", [
    rows_of(lambda rows: [{**rows[0], "channel_id": 7}, {**rows[0], "channel_id": 3}]),
    lambda answer: {**answer, "from": later(answer["from"], US - 1), "to": later(answer["to"], 1 - US)},
    lambda answer: {**answer, **{f"more{i}": i for i in range(32)}}], ids=["one time", "within a second", "32 members"])
def test_what_the_document_lets_pass(service, measured, change):
    measured.hooks["/data"] = changed(measured, change)
    assert turn(service)[::2] == ("ok", "")


@pytest.mark.parametrize("more", [{f"more{i}": i for i in range(33)}, {"more": {"a": 1}}, {"more": [1]}],
                         ids=["33 members", "an object", "an array"])
def test_members_that_are_not_left_alone(service, measured, more):
    measured.hooks["/data"] = changed(measured, lambda answer: {**more, **answer})
    assert turn(service)[:2] == ("error", 0)


def test_a_body_that_is_no_answer(service, measured):
    measured.hooks["/data"] = body("", 302, Location="http://127.0.0.1:1/data")
    assert "a redirect is not followed" in turn(service)[2]
