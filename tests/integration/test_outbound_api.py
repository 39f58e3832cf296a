"""The Outbound API against the store's file, which is read here with SQLite alone."""

import contextlib
import gzip
import json
import re
import socket
import sqlite3
import threading
import time

import httpx
import pytest
import telehaul
from agent_root import CHANNELS, FIRST_US, Machine, make_store, time_of
from telehaul import wait_until

ROWS = 150000  # more than one answer holds
MOST = 100000
FROM, TO = time_of(FIRST_US), time_of(FIRST_US + ROWS + 1)


def api_key(root):
    return re.search(r"(?m)^OUTBOUND_API_KEY = (\S+)$", (root.path / "credentials.env").read_text()).group(1)


def served(machine):
    wait_until(lambda: telehaul.listens(machine.root.outbound_port), "the Outbound API's port")
    machine.api = httpx.Client(base_url=f"http://127.0.0.1:{machine.root.outbound_port}", timeout=60,
                               headers={"X-API-Key": api_key(machine.root), "Accept-Encoding": "identity"})
    return machine


@pytest.fixture(scope="module")
def machine(tmp_path_factory, keys):
    made = served(Machine(tmp_path_factory.mktemp("machine") / "root", keys, rows=ROWS))
    with contextlib.closing(sqlite3.connect(made.root.store_file())) as db:
        for number, (raised, resolved) in enumerate(((10, None), (20, 30), (40, 1000), (2000, 2500))):
            db.execute("insert into alarms values (?, ?, ?, 'warning', ?, ?, ?)",
                       (FIRST_US + raised, ROWS + 10 + number, number + 1, 'too "hot" °C\\', FIRST_US + raised,
                        None if resolved is None else FIRST_US + resolved))
        db.commit()
    yield made
    made.api.close()
    made.clear()


@pytest.fixture
def own_machine(tmp_path, keys):
    made = Machine(tmp_path / "root", keys, rows=1000, start=False)
    yield made
    made.clear()


def ask(machine, target, expect=200, **query):
    answer = machine.api.get(target, params=query)
    assert answer.status_code == expect, answer.text
    assert answer.headers["Content-Type"] == "application/json"
    return answer.json()


def stored(machine, first_us, end_us, most=MOST):
    return [{"time": time_of(time_us), "channel_id": channel, "value": value} for time_us, channel, value in
            machine.root.query("select time_us, channel_id, value from readings where time_us >= ? and time_us < ? "
                               "order by time_us, channel_id limit ?", first_us, end_us, most)]


# ---- what it answers ----

def test_status(machine):
    before = time.time()
    status = ask(machine, "/status")
    assert list(status) == ["name", "software_version", "time", "uptime_s", "db_ok", "last_reading_at", "readings"]
    assert status["name"] == socket.gethostname() and status["software_version"] == "1.0.0"
    assert before - 0.001 <= telehaul.datetime.datetime.fromisoformat(status["time"]).timestamp() <= time.time() + 0.001
    assert 0 <= status["uptime_s"] < 600 and status["db_ok"] is True
    assert status["last_reading_at"] == time_of(FIRST_US + ROWS) and status["readings"] == ROWS


def test_channels(machine):
    machine.change("update channels set unit = '1/min', phys_min = -1.5, phys_max = 8000 where channel_id = 1")
    channels = ask(machine, "/channels")["channels"]
    assert channels[0] == {"channel_id": 1, "name": CHANNELS[0], "unit": "1/min", "phys_min": -1.5, "phys_max": 8000}
    assert [(channel["channel_id"], channel["name"]) for channel in channels] == list(enumerate(CHANNELS, 1))
    assert channels[1]["phys_min"] is None and channels[1]["phys_max"] is None


def test_data_is_the_store_to_the_bit(machine):
    answer = ask(machine, "/data", **{"from": time_of(FIRST_US + 100), "to": time_of(FIRST_US + 50100)})
    assert list(answer) == ["from", "to", "truncated", "count", "rows"]
    assert answer["from"] == time_of(FIRST_US + 100) and answer["to"] == time_of(FIRST_US + 50100)
    assert answer["truncated"] is False and answer["count"] == 50000
    assert answer["rows"] == stored(machine, FIRST_US + 100, FIRST_US + 50100)
    assert any(row["value"] is None for row in answer["rows"])


@pytest.mark.parametrize("rows, truncated", [(MOST - 1, False), (MOST, False), (MOST + 1, True), (ROWS, True)])
def test_at_most_so_many_rows(machine, rows, truncated):
    answer = ask(machine, "/data", **{"from": FROM, "to": time_of(FIRST_US + 1 + rows)})
    assert answer["truncated"] is truncated and answer["count"] == min(rows, MOST)
    assert answer["rows"] == stored(machine, FIRST_US, FIRST_US + 1 + rows)


def test_the_window_is_from_included_to_excluded(machine):
    at = FIRST_US + 77
    assert [row["time"] for row in ask(machine, "/data", **{"from": time_of(at), "to": time_of(at + 2)})["rows"]] == \
        [time_of(at), time_of(at + 1)]
    empty = ask(machine, "/data", **{"from": time_of(at), "to": time_of(at)})
    assert empty == {"from": time_of(at), "to": time_of(at), "truncated": False, "count": 0, "rows": []}
    zoned = ask(machine, "/data", **{"from": "2026-02-22T12:00:00+02:00", "to": "2026-02-22T10:00:00.000003Z"})
    assert zoned["count"] == 2  # FIRST_US itself has none


def test_latest(machine):
    answer = ask(machine, "/data/latest")
    assert list(answer) == ["time", "values"]
    assert answer["values"] == [
        {"channel_id": channel, "time": time_of(time_us), "value": value} for channel, time_us, value in
        machine.root.query("select channel_id, max(time_us), value from readings group by channel_id order by 1")]


@pytest.mark.parametrize("first, end, expected", [
    (0, 10, []), (10, 11, [10]), (25, 35, [20]), (1000, 1001, [40]), (999, 1000, []), (0, 3000, [10, 20, 40, 2000]),
    (2100, 2200, [])])
def test_alarms_raised_or_resolved_in_the_window(machine, first, end, expected):
    answer = ask(machine, "/alarms", **{"from": time_of(FIRST_US + first), "to": time_of(FIRST_US + end)})
    assert [alarm["alarm_id"] - FIRST_US for alarm in answer["alarms"]] == expected
    if 20 in expected:
        assert answer["alarms"][expected.index(20)] == {
            "alarm_id": FIRST_US + 20, "channel_id": 2, "severity": "warning", "message": 'too "hot" °C\\',
            "raised_at": time_of(FIRST_US + 20), "resolved_at": time_of(FIRST_US + 30)}


@pytest.mark.parametrize("target", ["/status", "/channels", "/data", "/data/latest", "/alarms"])
def test_gzip_when_asked_for(machine, target):
    query = {"from": FROM, "to": TO} if target in ("/data", "/alarms") else {}
    with machine.api.stream("GET", target, params=query, headers={"Accept-Encoding": "br, gzip;q=0.5"}) as answer:
        packed = b"".join(answer.iter_raw())
    assert answer.headers["Content-Encoding"] == "gzip" and answer.headers["Vary"] == "Accept-Encoding"
    unpacked = json.loads(gzip.decompress(packed))
    plain = machine.api.get(target, params=query, headers={"Accept-Encoding": "gzip;q=0, *"})
    assert "Content-Encoding" not in plain.headers
    assert {key: value for key, value in unpacked.items() if key not in ("time", "uptime_s")} == \
        {key: value for key, value in plain.json().items() if key not in ("time", "uptime_s")}


# ---- who may ask, and for what ----

@pytest.mark.parametrize("key", [None, "", "x", "KEY-", "-KEY", "KEYKEY"])
@pytest.mark.parametrize("target", ["/status", "/data?from=x", "/nothing"])
def test_nothing_without_the_key(machine, key, target):
    right = machine.api.headers["X-API-Key"]
    headers = {} if key is None else {"X-API-Key": key.replace("KEY-", right[:-1]).replace("-KEY", right[1:])
                                      .replace("KEY", right)}
    answer = httpx.get(f"{machine.api.base_url}{target}", headers=headers, timeout=60)
    assert answer.status_code == 401 and answer.json()["error"] == ("no_key" if key is None else "wrong_key")


@pytest.mark.parametrize("lines, status", [
    ([b"%(key)s"], 200), ([b" \t%(key)s \t"], 200), ([b"%(key)s "], 200), ([b"%(split)s"], 401), ([b"%(key)s x"], 401),
    ([b"%(key)s, %(key)s"], 401), ([b"%(key)s", b"x"], 401), ([b"x", b"%(key)s"], 401), ([b"%(key)s", b"%(key)s"], 401),
    ([b"%(key)s", b""], 401), ([b"%(key)s\0x"], 400), ([b"%(key)s\0\0x"], 400), ([b"\0%(key)s"], 400), ([b""], 401), ([], 401)])
@pytest.mark.parametrize("after", [b"", b"X-After: a\r\n"], ids=["last", "not last"])
def test_the_key_stands_once_and_alone(machine, lines, status, after):
    key = api_key(machine.root).encode()
    words = {b"key": key, b"split": key[:4] + b" " + key[4:]}
    fields = b"".join(b"X-API-Key:" + line % words + b"\r\n" for line in lines)
    with socket.create_connection(("127.0.0.1", machine.root.outbound_port), timeout=60) as connection:
        connection.sendall(b"GET /status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n" + fields + after + b"\r\n")
        answer = b""
        while piece := connection.recv(1 << 16):
            answer += piece
    assert answer.startswith(b"HTTP/1.1 %d " % status)
    assert status == 200 or (b'"error":"' in answer and b'"detail":"' in answer)


def test_wrong_keys_do_not_flood_the_log(machine):
    before = machine.agent.output().count("without the right X-API-Key")
    for _ in range(50):
        assert httpx.get(f"{machine.api.base_url}/status", headers={"X-API-Key": "no"}, timeout=60).status_code == 401
    assert machine.agent.output().count("without the right X-API-Key") <= before + 1
    assert machine.agent.output().count("without the right X-API-Key") >= 1


@pytest.mark.parametrize("query", [
    {}, {"from": FROM}, {"to": TO}, {"from": TO, "to": FROM}, {"from": "yesterday", "to": TO}, {"from": FROM, "to": ""},
    {"from": "1771754400", "to": TO}, {"from": "2026-02-22T10:00:00", "to": TO}, {"from": FROM, "to": "2026-02-30T10:00:00Z"},
    {"from": FROM, "to": TO + "'; drop table readings"}])
@pytest.mark.parametrize("target", ["/data", "/alarms"])
def test_a_bad_window(machine, target, query):
    assert ask(machine, target, expect=400, **query)["error"] == "bad_window"


def test_other_parameters_and_calls(machine):
    window = {"from": FROM, "to": TO}
    assert ask(machine, "/data", expect=400, limit="5", **window)["error"] == "bad_request"
    for target in ("/status", "/channels", "/data/latest"):
        assert ask(machine, target, expect=400, x="1")["error"] == "bad_request"
    assert machine.api.get(f"/data?from={FROM}&from={FROM}&to={TO}").status_code == 400
    assert ask(machine, "/data/", expect=404)["error"] == "not_found"
    assert machine.api.post("/data", params=window).status_code == 405
    assert machine.api.head("/data", params=window).status_code == 200


# ---- the store beneath it ----

def test_without_a_store_nothing_is_known(own_machine):
    own_machine.root.store_file().unlink()
    own_machine.start()
    served(own_machine)
    status = ask(own_machine, "/status")
    assert (status["db_ok"], status["last_reading_at"], status["readings"]) == (False, None, 0)
    window = {"from": FROM, "to": TO}
    for target, query in (("/channels", {}), ("/data/latest", {}), ("/data", window), ("/alarms", window)):
        refusal = ask(own_machine, target, expect=503, **query)
        assert refusal["error"] == "store_failed" and "its disk is not mounted" in refusal["detail"]
    apart = own_machine.root.path / "data" / "apart.db"
    make_store(apart, 0)
    apart.rename(own_machine.root.store_file())  # whole at once, whoever looks meanwhile
    status = ask(own_machine, "/status")
    assert (status["db_ok"], status["last_reading_at"], status["readings"]) == (True, None, 0)
    assert ask(own_machine, "/data", **window) == {**window, "truncated": False, "count": 0, "rows": []}
    assert ask(own_machine, "/data/latest")["values"] == []
    assert (ask(own_machine, "/channels")["channels"] != [], ask(own_machine, "/alarms", **window)) == (True, {"alarms": []})


def test_another_store_takes_over(own_machine):
    own_machine.start()
    served(own_machine)
    assert ask(own_machine, "/status")["readings"] == 1000
    make_store(own_machine.root.path / "data" / "telemetry-2.db", 70)
    (own_machine.root.path / "data" / "current_store").write_text("telemetry-2.db\n")
    assert ask(own_machine, "/status")["readings"] == 70
    assert ask(own_machine, "/data", **{"from": FROM, "to": TO})["count"] == 70
    assert len(ask(own_machine, "/data/latest")["values"]) == 4


def test_a_damaged_store_is_said(own_machine):
    own_machine.root.store_file().write_bytes(b"no database at all" * 1000)
    own_machine.start()
    served(own_machine)
    assert ask(own_machine, "/status")["db_ok"] is False
    for target in ("/channels", "/data/latest"):
        assert ask(own_machine, target, expect=503)["error"] == "store_failed"
    for target in ("/data", "/alarms"):
        assert ask(own_machine, target, expect=503, **{"from": FROM, "to": TO})["error"] == "store_failed"


def test_times_that_are_not_in_order_of_seq(own_machine):
    own_machine.start()
    served(own_machine)
    own_machine.change(f"insert into readings values (2000, {FIRST_US + 5}, 4, 1.5)",  # at that time, another channel
                       f"insert into readings values (2001, {FIRST_US - 5000}, 1, -0.0)",
                       f"insert into readings values (2002, {FIRST_US - 6000}, 1, 1e300)")
    answer = ask(own_machine, "/data", **{"from": time_of(FIRST_US - 10000), "to": TO})
    assert answer["rows"] == stored(own_machine, FIRST_US - 10000, FIRST_US + ROWS)
    assert answer["count"] == 1003 and answer["rows"][0]["value"] == 1e300


def test_rows_written_meanwhile_are_not_half_in_it(machine):
    """An answer begins, its client waits, rows come into its window: it has what there was at its beginning."""
    with machine.api.stream("GET", "/data", params={"from": FROM, "to": time_of(FIRST_US + 90000)}) as answer:
        pieces = answer.iter_raw()
        body = next(pieces)
        machine.change(*(f"insert into readings values ({ROWS + 1000 + i}, {FIRST_US + 89000 + i}, 9, 9)"
                         for i in range(500)))
        body += b"".join(pieces)
    machine.change("delete from readings where channel_id = 9")
    answer = json.loads(body)
    assert answer["count"] == len(answer["rows"]) and 9 not in {row["channel_id"] for row in answer["rows"]}


def test_rows_removed_meanwhile_break_it_off(own_machine):
    own_machine.root.store_file().unlink()
    make_store(own_machine.root.store_file(), MOST)
    own_machine.start()
    served(own_machine)
    with slow_request(own_machine, FROM, TO) as connection:
        connection.recv(1)
        own_machine.change(f"delete from readings where seq > {MOST // 2}")
        body = b""
        with contextlib.suppress(ConnectionResetError):
            while piece := connection.recv(1 << 20):
                body += piece
    assert b'"count":100000' in body and not body.rstrip().endswith(b"0\r\n\r\n") and b"]}" not in body[-100:]
    wait_until(lambda: "broken off" in own_machine.agent.output(), "the line of the log")


# ---- clients that are slow ----

def slow_request(machine, first, end):
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(60)
    connection.connect(("127.0.0.1", machine.root.outbound_port))
    connection.sendall(f"GET /data?from={first}&to={end} HTTP/1.1\r\nHost: x\r\n"
                       f"X-API-Key: {api_key(machine.root)}\r\n\r\n".encode())
    return connection


def test_slow_clients_hold_neither_the_store_nor_others(machine):
    """As many as may be answered at once read a byte a second: the store can be written and checkpointed, others are told
    that it is busy, the floor of progress ends them."""
    ended = threading.Event()
    slow = [slow_request(machine, FROM, TO) for _ in range(8)]

    def trickle():
        while not ended.wait(1):
            for connection in slow:
                with contextlib.suppress(OSError):
                    connection.recv(1)

    for connection in slow:  # before the thread reads from them
        assert connection.recv(1) == b"H"
    thread = threading.Thread(target=trickle)
    thread.start()
    try:
        window = {"from": FROM, "to": TO}
        busy = machine.api.get("/data", params=window)
        assert busy.status_code == 503 and busy.json()["error"] == "busy" and busy.headers["Retry-After"]
        machine.change("update meta set value = value where key = 'next_seq'")
        with contextlib.closing(sqlite3.connect(machine.root.store_file(), timeout=1)) as db:
            assert db.execute("pragma wal_checkpoint(truncate)").fetchone()[0] == 0  # nobody is reading
        wait_until(lambda: machine.api.get("/data", params=window).status_code == 200, "the end of the first slow one",
                   deadline_s=60)
    finally:
        ended.set()
        thread.join()
        for connection in slow:
            connection.close()
    # whose answer has just come may have its place for a moment longer
    answer = wait_until(lambda: (last := machine.api.get("/data", params=window)).status_code == 200 and last, "its turn")
    assert answer.json()["count"] == MOST


# ---- served, or not ----

def test_without_a_key_it_is_not_served(own_machine):
    file = own_machine.root.path / "credentials.env"
    file.write_text(re.sub("OUTBOUND_API_KEY = .*", "OUTBOUND_API_KEY =", file.read_text()))
    own_machine.start()
    wait_until(lambda: "no Outbound API: credentials.env has no OUTBOUND_API_KEY" in own_machine.agent.output(),
               "the line of the log")
    assert not telehaul.listens(own_machine.root.outbound_port)
    own_machine.client()  # the rest of the agent does its work


def test_an_address_that_comes_later(own_machine):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", own_machine.root.outbound_port))
        taken.listen()
        own_machine.start()
        wait_until(lambda: "no Outbound API yet" in own_machine.agent.output(), "the line of the log")
        own_machine.client()
    wait_until(lambda: "Outbound API on 127.0.0.1" in own_machine.agent.output(), "the second attempt")
    served(own_machine)
    assert ask(own_machine, "/status")["readings"] == 1000
    assert own_machine.agent.output().count("no Outbound API yet") == 1
