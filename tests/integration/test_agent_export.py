"""What an export brings home, what its headers say, and what a bad question gets."""

import contextlib
import gzip
import re
import sqlite3
import time
import zlib

import httpx
import pytest
import telehaul
from agent_root import CHANNELS, FIRST_US, Machine, make_store, time_of
from telehaul import wait_until

ROWS = 20000
BIG_ROWS = 500000


@pytest.fixture(scope="module")
def machine(tmp_path_factory, keys):
    began = time.monotonic()
    made = Machine(tmp_path_factory.mktemp("machine") / "root", keys, rows=ROWS)
    made.began = began
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
    """Of one test, which changes its store or ends its agent."""
    made = Machine(tmp_path / "root", keys, rows=ROWS)
    yield made
    made.clear()


def stored(machine, where="1"):
    return [{"seq": seq, "time": time_of(time_us), "channel": name, "value": value}
            for seq, time_us, name, value in machine.root.query(
                f"select seq, time_us, name, value from readings join channels using (channel_id) where {where} "
                "order by seq")]


def expect_headers(headers, machine, lines):
    assert headers["Content-Type"] == "application/gzip"
    assert headers["X-Record-Count"] == str(len(lines))
    assert headers["X-Store-Id"] == machine.store_id
    assert headers["X-First-Seq"] == str(lines[0]["seq"])
    assert headers["X-Last-Seq"] == str(lines[-1]["seq"])
    assert headers["X-Period-Start"] == lines[0]["time"]
    assert headers["X-Period-End"] == lines[-1]["time"]


def test_everything_as_it_is_stored(machine, client):
    headers, lines = client.export()
    assert lines == stored(machine)  # the same doubles, to the bit
    expect_headers(headers, machine, lines)
    assert {line["channel"] for line in lines} == set(CHANNELS)
    assert sum(line["value"] is None for line in lines) == ROWS // 10


def test_a_line_is_the_contracts_line(client):
    answer = client.get("/data/export", limit=2)
    first, second = gzip.decompress(answer.content).decode().splitlines()
    assert re.fullmatch(r'\{"seq":1,"time":"2026-02-22T10:00:00\.000001Z","channel":"a \\"quoted\\" \\\\ name",'
                        r'"value":-?[0-9.e+-]+\}', first)
    assert '"channel":"температура"' in second


def test_numbers_of_every_size(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys, rows=0, start=False)
    make_store(machine.root.store_file(), 1)
    values = [0.0, 1.0, 1523.25, 0.1, 1 / 3, 5e-324, 1.7976931348623157e308, -2.5e-10, 123456789012345680.0, 1e21]
    for seq, value in enumerate(values, 10):
        machine.change(f"insert into readings values ({seq}, {seq}, 1, {value!r})")
    machine.change("insert into readings values (100, 100, 1, 9e999)", "update meta set value = 101 where key = 'next_seq'")
    machine.start()
    try:
        client = machine.client()
        _, lines = client.export(after=9, store=machine.root.query("select value from meta where key = 'store_id'")[0][0])
        got = [line["value"] for line in lines]
        assert got[:-1] == values
        assert got[-1] is None  # JSON has no infinity
    finally:
        machine.clear()


def test_after_a_seq(machine, client):
    headers, lines = client.export(after=12345, store=machine.store_id)
    assert lines == stored(machine, "seq > 12345")
    expect_headers(headers, machine, lines)
    assert client.export(after=0, store=machine.store_id)[1] == stored(machine)


def test_since_is_strictly_later(machine, client):
    headers, lines = client.export(since=time_of(FIRST_US + 15000))
    assert lines == stored(machine, "seq > 15000")
    expect_headers(headers, machine, lines)
    _, again = client.export(since="2026-02-22t12:00:00.015+02:00")
    assert again == lines
    assert client.export(since="1970-01-01T00:00:00Z")[1] == stored(machine)


@pytest.mark.parametrize("limit", [1, 4096, 4097, ROWS, 10**15])
def test_at_most_limit(machine, client, limit):
    headers, lines = client.export(limit=limit)
    assert lines == stored(machine, f"seq <= {limit}")
    expect_headers(headers, machine, lines)
    assert len(client.export(after=100, store=machine.store_id, limit=limit)[1]) == min(limit, ROWS - 100)
    assert len(client.export(since=time_of(FIRST_US + 200), limit=limit)[1]) == min(limit, ROWS - 200)


def test_page_by_page_it_is_the_whole(machine, client):
    got, after = [], 0
    while True:
        headers, lines = client.export(after=after, store=machine.store_id, limit=6000)
        if not lines:
            break
        got += lines
        after = int(headers["X-Last-Seq"])
    assert got == stored(machine)


def test_an_empty_export(machine, client):
    headers, lines = client.export(after=ROWS, store=machine.store_id)
    assert lines == []
    assert headers["X-First-Seq"] == headers["X-Last-Seq"] == str(ROWS)
    assert headers["X-Period-Start"] == headers["X-Period-End"] == time_of(FIRST_US + ROWS)
    headers, lines = client.export(since="2027-01-01T00:00:00Z")
    assert lines == []
    assert headers["X-Last-Seq"] == str(ROWS)
    assert headers["X-Period-Start"] == headers["X-Period-End"] == "2027-01-01T00:00:00.000000Z"


def test_an_empty_store(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys, rows=0, start=False)
    make_store(machine.root.store_file(), 1)
    machine.change("delete from readings")
    machine.start()
    try:
        headers, lines = machine.client().export()
        assert lines == []
        assert headers["X-Last-Seq"] == "1"  # seq goes on, though retention emptied the store
        assert headers["X-Period-End"] == "1970-01-01T00:00:00.000000Z"
    finally:
        machine.clear()


@pytest.mark.parametrize("query,error", [
    ("since=yesterday", "bad_since"), ("since=2026-02-22", "bad_since"), ("since=", "bad_since"),
    ("since=2026-02-30T00:00:00Z", "bad_since"), ("since=2026-02-22T10:00:00", "bad_since"),
    ("after=-1&store={store}", "bad_after"), ("after=x&store={store}", "bad_after"), ("after=&store={store}", "bad_after"),
    ("after=1.0&store={store}", "bad_after"), ("after=99999999999999999999&store={store}", "bad_after"),
    ("after=9223372036854775807&store={store}", "bad_after"), ("after=20001&store={store}", "bad_after"),
    ("after=1", "bad_store"), ("after=1&store=", "bad_store"), ("after=1&store=x", "bad_store"), ("store={store}", "bad_store"),
    ("limit=0", "bad_limit"), ("limit=-1", "bad_limit"), ("limit=all", "bad_limit"), ("limit=1e3", "bad_limit"),
    ("stream=everything", "bad_request"), ("stream=", "bad_request"), ("unknown=1", "bad_request"),
    ("since=2026-02-22T10:00:00Z&after=1&store={store}", "bad_request"), ("limit=1&limit=2", "bad_request"),
    ("limit=1&LIMIT=2", "bad_request"), ("since=%00", "bad_request"), ("since=%ff", "bad_request"),
])
def test_a_bad_question(machine, client, query, error):
    answer = client.http.get("/data/export?" + query.format(store=machine.store_id), headers=client.headers())
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"] == error


def test_another_store(machine, client):
    answer = client.get("/data/export", after=1, store="00000000-0000-4000-8000-000000000000")
    assert answer.status_code == 409
    assert answer.json()["error"] == "store_changed"
    assert answer.json()["store_id"] == machine.store_id


def test_a_new_store_begins(own_machine):
    client = own_machine.client()
    client.export(after=10, store=own_machine.store_id)
    new_id = make_store(own_machine.root.path / "data" / "telemetry-2.db", 50)
    (own_machine.root.path / "data" / "current_store").write_text("telemetry-2.db\n")
    answer = client.get("/data/export", after=10, store=own_machine.store_id)
    assert (answer.status_code, answer.json()["store_id"]) == (409, new_id)
    assert len(client.export(after=10, store=new_id)[1]) == 40
    assert client.status()["store_id"] == new_id


def test_no_store_yet(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys, rows=0)
    try:
        client = machine.client()
        answer = client.get("/data/export")
        assert (answer.status_code, answer.json()["error"]) == (503, "no_store")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert client.status()["store_id"] is None
        make_store(machine.root.store_file(), 5)
        assert len(client.export()[1]) == 5
    finally:
        machine.clear()


def test_a_damaged_store(own_machine):
    client = own_machine.client()
    store = own_machine.root.store_file()
    store.write_bytes(b"no database" * 1000)
    answer = client.get("/data/export")
    assert (answer.status_code, answer.json()["error"]) == (503, "store_failed")
    assert client.status()["next_seq"] is None
    assert "export:" in own_machine.stop()


# ---- while it runs ----

def read_all(connection):
    """The body of a chunked answer until the other side closes or ends it; None: it broke off."""
    data = bytearray()
    with contextlib.suppress(OSError):
        while piece := connection.recv(1 << 20):
            data += piece
            if data.endswith(b"0\r\n\r\n"):
                break
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    body, at = bytearray(), 0
    while (end := rest.find(b"\r\n", at)) > 0:
        size = int(rest[at:end], 16)
        at = end + 2 + size + 2
        if at > len(rest):
            break
        if size == 0:
            return head, bytes(body)
        body += rest[end + 2:at - 2]
    return head, None


@pytest.fixture
def big_machine(tmp_path, keys):
    """More readings than all buffers between agent and client hold, so that an export waits for its client."""
    made = Machine(tmp_path / "root", keys, rows=BIG_ROWS)
    yield made
    made.clear()


def test_the_range_is_fixed_at_the_start(big_machine):
    client = big_machine.client()
    with big_machine.begin_export(client.token) as connection:
        connection.recv(1)
        big_machine.change(f"insert into readings select {BIG_ROWS} + seq, {BIG_ROWS} + time_us, 1, 0 from readings "
                           "limit 5000", f"update meta set value = {BIG_ROWS} + 5001 where key = 'next_seq'")
        _, body = read_all(connection)
    assert gzip.decompress(body).count(b"\n") == BIG_ROWS
    headers, _ = client.export(after=BIG_ROWS, store=big_machine.store_id)
    assert headers["X-Record-Count"] == "5000"


def test_rows_that_vanish_break_it_off(big_machine):
    client = big_machine.client()
    with big_machine.begin_export(client.token) as connection:
        connection.recv(1)
        big_machine.change(f"delete from readings where seq > {BIG_ROWS - 9000}")
        head, body = read_all(connection)
    assert f"X-Record-Count: {BIG_ROWS}".encode() in head
    assert body is None
    assert gzip.decompress(client.get("/data/export").content).count(b"\n") == BIG_ROWS - 9000
    log = big_machine.stop()
    assert f"9000 of {BIG_ROWS} rows were removed" in log
    assert "outcome cut off" in log


def test_the_collector_is_never_held_up(big_machine):
    """A client that does not read holds no transaction: the write-ahead log can be emptied under it."""
    client = big_machine.client()
    with big_machine.begin_export(client.token) as connection:
        connection.recv(1)
        with contextlib.closing(sqlite3.connect(big_machine.root.store_file(), timeout=telehaul.DEADLINE_S,
                                                isolation_level=None)) as db:
            db.execute("insert into readings values (2000000, 5, 1, 5)")
            busy, pages, done = db.execute("pragma wal_checkpoint(truncate)").fetchone()
        assert (busy, pages, done) == (0, 0, 0)
        assert big_machine.exports_under_way() == 1, "the client was dropped first"


def test_last_sync(own_machine):
    file = own_machine.root.path / "agent" / "last_sync.txt"
    client = own_machine.client()
    assert client.status()["last_sync"] is None
    client.export(limit=100)
    wait_until(file.exists, "last_sync.txt")
    assert file.read_text() == time_of(FIRST_US + 100) + "\n"
    assert client.status()["last_sync"] == time_of(FIRST_US + 100)
    client.export(after=ROWS, store=own_machine.store_id)  # an empty one changes nothing
    own_machine.stop()
    assert file.read_text() == time_of(FIRST_US + 100) + "\n"
    own_machine.start()
    assert own_machine.client().status()["last_sync"] == time_of(FIRST_US + 100)


def test_its_headers_alone_are_no_export(own_machine):
    client = own_machine.client()
    answer = client.http.head("/data/export", headers=client.headers())
    assert (answer.status_code, answer.headers["X-Record-Count"], answer.content) == (200, str(ROWS), b"")
    log = own_machine.stop()
    assert re.search(r"records 0, bytes 0, .*outcome ok$", log, re.M)
    assert "cut off" not in log
    assert not (own_machine.root.path / "agent" / "last_sync.txt").exists()


def test_one_log_line_a_session(own_machine):
    client = own_machine.client()
    answer = client.get("/data/export", limit=100)
    client.status()
    own_machine.client().get("/data/export", since="x")
    own_machine.client()
    lines = [line for line in own_machine.stop().splitlines() if "session: began" in line]
    assert len(lines) == 3
    assert re.search(rf"began 20\S+Z, address {client.http_source}, records 100, bytes {len(answer.content)}, update none, "
                     r"outcome ok$", lines[0])
    assert re.search(r"records 0, bytes 0, update none, outcome refused$", lines[1])
    assert re.search(r"outcome nothing asked$", lines[2])


def test_the_line_of_an_idle_session(own_machine):
    client = own_machine.client()
    client.export(limit=10)
    wait_until(lambda: "session: began" in own_machine.agent.output(), "the line")
    assert own_machine.stop().count("session: began") == 1


def test_status(machine, client):
    status = client.status()
    assert status["product"] == "telehaul"
    assert status["agent_id"] == client.agent_id
    assert status["version"] == (machine.root.path / "current" / "version.txt").read_text().strip()
    assert (status["store_id"], status["next_seq"]) == (machine.store_id, ROWS + 1)
    assert re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", status["clock"])
    assert 0 <= status["uptime_s"] <= time.monotonic() - machine.began
    assert status["free_disk_bytes"] > 0
    assert status["pending_update"] is None and status["last_update"] is None
    assert status["days_until_full"] is None and status["collector"] is None


def test_status_has_the_collectors_report(own_machine):
    report = own_machine.root.path / "run" / "collector.json"
    client = own_machine.client()
    report.write_text('{"days_until_full":12.5,"inputs":[{"name":"drive"}]}')
    assert client.status()["collector"] == {"days_until_full": 12.5, "inputs": [{"name": "drive"}]}
    assert client.status()["days_until_full"] == 12.5
    for nonsense in ["", "{", '{"days_until_full":', "x" * 100000]:
        report.write_text(nonsense)
        assert client.status()["collector"] is None


# ---- cut off ----

def test_cut_off_anywhere_it_is_never_taken_for_whole(machine, client):
    whole = client.get("/data/export").content
    for size in [0, 1, 10, 18, 100, len(whole) // 2, len(whole) - 9, len(whole) - 8, len(whole) - 1]:
        with pytest.raises((EOFError, zlib.error, gzip.BadGzipFile)):
            if not gzip.decompress(whole[:size]):
                raise EOFError
    assert gzip.decompress(whole)


def test_a_client_that_goes_away_at_random_bytes(machine, client):
    import random
    whole = client.get("/data/export").content
    for _ in range(20):
        with machine.begin_export(client.token, receive_bytes=None) as connection:
            left = random.randrange(1, len(whole))
            while left > 0 and (piece := connection.recv(left)):
                left -= len(piece)
        wait_until(lambda: machine.exports_under_way() < 8, "room for another")
    assert client.get("/data/export").content == whole  # the same range: the same bytes


def test_killed_during_an_export(big_machine):
    client = big_machine.client()
    with big_machine.begin_export(client.token) as connection:
        connection.recv(1)
        big_machine.agent.kill()
        _, body = read_all(connection)
    assert body is None
    assert not (big_machine.root.path / "agent" / "last_sync.txt").exists()
    agent_id = client.agent_id
    big_machine.start()
    client = big_machine.client()
    assert client.agent_id == agent_id
    assert gzip.decompress(client.get("/data/export").content).count(b"\n") == BIG_ROWS


def test_stopped_during_an_export(big_machine):
    client = big_machine.client()
    with big_machine.begin_export(client.token) as connection:
        connection.recv(1)
        log = big_machine.stop()
        _, body = read_all(connection)
    assert body is None
    assert "outcome cut off" in log


def test_an_error_in_the_middle_reaches_the_client(big_machine):
    """As an ordinary HTTP client sees it: no end of the body, an error."""
    client = big_machine.client()
    with pytest.raises(httpx.RemoteProtocolError):
        with client.http.stream("GET", "/data/export", headers=client.headers()) as answer:
            assert answer.status_code == 200
            big_machine.agent.kill()
            for _ in answer.iter_raw():
                pass
    assert telehaul.listens(big_machine.root.agent_port) is False
