"""A machine that is far behind: its newest readings come first and go on coming, the rest is filled in the background, and
whoever is killed in the middle loses nothing. Every machine here is made up."""

import contextlib
import gzip
import hashlib
import socket
import sqlite3
import struct
import threading

import pytest
from agent_root import Machine
from fake_agent import make_readings
from sync_service import SyncService
from test_sync_signed import add, expected

from telehaul import wait_until

ROWS = 350_000  # a live range of 1,000, and three batches and a half before it
REAL_ROWS = 900_000


@pytest.fixture
def service(tmp_path, postgres, keys):
    with SyncService(tmp_path / "service", postgres, AUTH_KEY_FILE=keys.private_file, PULL_TIMEOUT_SEC=60) as service:
        yield service.migrate()


def position(service):
    """(cursor, live_after, live_seq) as the tables have them."""
    rows = service.database.query(
        "select c.seq, s.live_after_seq, s.live_seq from vehicle_sync s left join sync_cursor c on c.vehicle_id = s.vehicle_id"
        " and c.store_id = s.store_id and c.stream = 'readings'")
    return rows[0] if rows else (None, None, None)


def connections(service):
    return service.database.query("select query from pg_stat_activity where datname = current_database()"
                                  " and backend_type = 'client backend' and pid <> pg_backend_pid()")


def is_mid_gap(service):
    cursor, live_after, _ = position(service)
    return live_after is not None and cursor is not None and 0 < cursor < live_after


class Held:
    """Lets half of a gap's stream go, and the rest when it is told to."""

    def __init__(self, agent):
        self.agent, self.go = agent, threading.Event()
        agent.hooks["export"] = self

    def __call__(self, request, default):
        if request.query.get("after") != "0" or "limit" not in request.query:
            return default()
        whole = request.chunk
        sent = 0

        def chunk(piece):
            nonlocal sent
            sent += len(piece)
            if sent > self.half:
                self.go.wait(100)
            whole(piece)

        headers, text = self.agent.lines_of(request.query)
        body = gzip.compress(text.encode(), 1)
        self.half = len(body) // 2
        request.chunk = chunk
        return request.stream({**headers, "Content-Type": "application/gzip"}, body)


@pytest.fixture
def far_behind(make_agent):
    return make_agent(make_readings(ROWS))


def test_live_readings_come_while_the_gap_is_filled(service, far_behind):
    held = Held(far_behind)
    add(service, far_behind)
    with service.start():
        wait_until(lambda: is_mid_gap(service), "half of the gap")
        assert position(service)[1] == ROWS - 1000
        far_behind.rows += make_readings(5, first_seq=ROWS + 1)
        wait_until(lambda: position(service)[2] == ROWS + 5, "what is new")
        assert is_mid_gap(service)
        assert any("gap" in note for _, _, note in service.journal("m1"))
        held.go.set()
        wait_until(lambda: position(service) == (ROWS + 5, None, None), "the end of the gap")
    assert service.rows("m1") == expected(far_behind.rows)


def test_a_service_that_is_killed_in_mid_gap_goes_on_where_it_was(service, far_behind):
    held = Held(far_behind)
    add(service, far_behind)
    service.start()
    wait_until(lambda: is_mid_gap(service), "half of the gap")
    service.stop(kill=True)
    held.go.set()
    wait_until(lambda: not connections(service), "the end of what PostgreSQL was doing for it")
    cursor, live_after, _ = position(service)
    assert cursor < live_after
    count = service.database.query("select count(*) from measurements")[0][0]
    assert count == cursor + 1000, "the cursor moves in the transaction of its rows"
    before = len(far_behind.asked)
    service.once()
    assert position(service) == (ROWS, None, None)
    assert service.rows("m1") == expected(far_behind.rows)
    assert min(int(query["after"]) for query in far_behind.asked[before:] if "after" in query) == cursor


def test_a_gap_that_breaks_off_is_told_and_filled_later(service, far_behind):
    broken = []

    def cut(request, default):
        if request.query.get("after") == "0" and not broken:
            broken.append(True)
            far_behind.breaks = [1_000_000]
        default()

    far_behind.hooks["export"] = cut
    add(service, far_behind)
    with service.start():
        entries = service.wait_for_journal("m1", 1, "error")
        assert any("the gap is not filled" in note for _, _, note in entries)
        wait_until(lambda: position(service) == (ROWS, None, None), "the end of the gap")
    assert service.rows("m1") == expected(far_behind.rows)


def test_a_new_store_in_mid_gap(service, far_behind):
    held = Held(far_behind)
    add(service, far_behind)
    with service.start():
        wait_until(lambda: is_mid_gap(service), "half of the gap")
        # the readings first: whoever asks in between finds an old store with less in it, not a new one with all of the old
        far_behind.rows = [(seq, us + 86400 * 10**6, channel, value) for seq, us, channel, value in make_readings(100)]
        far_behind.store_id = "0" * 8 + far_behind.store_id[8:]
        wait_until(lambda: position(service) == (100, None, None), "the new store")
        held.go.set()
        entries = len(service.journal("m1"))
        service.wait_for_journal("m1", entries + 2)
        assert position(service) == (100, None, None)
    assert set(expected(far_behind.rows)) <= set(service.rows("m1"))
    assert any("will not come any more" in note for _, _, note in service.journal("m1"))


# ---- a real machine ----

def digest(rows):
    total = hashlib.sha256()
    for time_us, name, value in rows:
        total.update(struct.pack("<qd", time_us, -0.5 if value is None else value) + name.encode())
    return total.hexdigest()


@pytest.fixture
def machine(tmp_path, keys):
    machine = Machine(tmp_path / "machine", keys, rows=REAL_ROWS)
    yield machine
    machine.clear()


def assert_home(service, machine):
    with contextlib.closing(sqlite3.connect(machine.root.store_file())) as store:
        there = store.execute("select time_us, name, value from readings join channels using (channel_id) order by 1, 2")
        want = digest(there)
    rows = service.rows("real")
    assert len(rows) == REAL_ROWS
    assert digest(rows) == want


class Narrow:
    """A way to the machine on which no more than `most` bytes come back until more are allowed."""

    def __init__(self, port, most):
        self.port, self.most, self.passed, self.lock = port, most, 0, threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                threading.Thread(target=self.join, args=(client,), daemon=True).start()

    def join(self, client):
        with client, contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)) as server:
            threading.Thread(target=self.pump, args=(client, server, False), daemon=True).start()
            self.pump(server, client, True)

    def pump(self, source, target, counted):
        with contextlib.suppress(OSError):
            while piece := source.recv(16384):
                with self.lock:
                    self.passed += len(piece) * counted
                wait_until(lambda: not counted or self.passed <= self.most, "more that is allowed", 200)
                target.sendall(piece)
        for each in (source, target):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def narrow(machine):
    narrow = Narrow(machine.root.agent_port, 4_000_000)
    yield narrow
    narrow.most = 1 << 60
    narrow.listener.close()


def add_real(service, narrow):
    port = narrow.listener.getsockname()[1]
    service.add("real", "127.0.0.1", transport="agent", agent_port=port, accept_new_host="yes")


def test_a_real_machine_that_is_killed_in_mid_stream(service, machine, narrow):
    add_real(service, narrow)
    with service.start():
        wait_until(lambda: is_mid_gap(service), "a part of the gap", every_s=0.005)
        machine.agent.kill()
        narrow.most = 1 << 60
        service.wait_for_journal("real", 1, "error")
        machine.start()
        wait_until(lambda: position(service) == (REAL_ROWS, None, None), "the end of the gap")
    assert_home(service, machine)


def test_a_real_machine_while_everything_is_killed(service, machine, narrow):
    add_real(service, narrow)
    for _ in range(2):  # a lease of the dead lasts 15 s
        before = position(service)[0] or 0
        narrow.most = narrow.passed + 4_000_000
        service.start()
        wait_until(lambda before=before: (position(service)[0] or 0) > before, "another part", every_s=0.005)
        service.stop(kill=True)
    narrow.most = 1 << 60
    service.once()
    assert position(service) == (REAL_ROWS, None, None)
    assert_home(service, machine)
