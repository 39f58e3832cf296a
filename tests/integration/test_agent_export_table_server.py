"""Exports from a table in PostgreSQL whose server is away, slow or killed, or whose client leaves."""

import contextlib
import gzip
import re
import select
import socket
import threading
import time

import pytest
import telehaul
from agent_root import FREED_IS_FREE
from table_machine import machine, make_machine, make_table, refused  # noqa: F401  fixtures
from telehaul import wait_until

BIG_ROWS = 1_500_000  # more than all buffers between the server and the client hold


def test_no_server(make_machine):
    machine = make_machine(f"postgresql://u@127.0.0.1:{telehaul.free_port()}/d")
    client = machine.client()
    answer = client.get("/data/export")
    assert refused(answer) == (503, "source_away")
    assert 1 <= int(answer.headers["Retry-After"]) <= 60
    assert client.status()["next_seq"] is None


def test_a_server_that_says_nothing_holds_up_nobody(make_machine):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        machine = make_machine(f"postgresql://u@127.0.0.1:{silent.getsockname()[1]}/d")
        client = machine.client()
        others = [machine.client(source=f"127.9.0.{i + 2}") for i in range(16)]
        with contextlib.ExitStack() as stack:
            waiting = [stack.enter_context(machine.begin_export(client.token)) for _ in range(8)]
            talking = [silent.accept()[0] for _ in waiting]  # all of them have connected by now
            for other in others:  # of every thread
                assert other.status()["next_seq"] is None
            assert refused(others[0].get("/data/export")) == (503, "busy")
            assert select.select(waiting, [], [], 0)[0] == [], "those that wait have waited longer than all others"
            for connection in waiting:
                data = bytearray()
                while b"\r\n\r\n" not in data or not data.endswith(b"}"):
                    data += connection.recv(65536)
                assert b'"error":"source_away"' in data
            for connection in talking:
                connection.close()


def test_a_table_that_is_locked(machine, postgres):
    make_table(postgres)
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute("lock table plant.log in access exclusive mode")
        assert refused(machine.client().get("/data/export")) == (503, "source_away")
        cursor.execute("rollback")
    assert len(machine.client().export()[1]) == 300


@pytest.fixture
def big(make_machine, postgres):
    make_table(postgres, rows=0)
    postgres.query("insert into plant.log select timestamptz '2026-02-01T00:00:00Z' + i * interval '1 ms', 'c' || i % 25, "
                   f"random() from generate_series(1, {BIG_ROWS}) i")
    return make_machine(postgres.url)


def backends(postgres):
    return postgres.query("select count(*) from pg_stat_activity where datname = current_database() "
                          "and application_name = 'telehaul agent' and backend_type = 'client backend'")[0][0]


def read_rest(connection):
    data = bytearray()
    with contextlib.suppress(OSError):
        while piece := connection.recv(1 << 20):
            data += piece
    return bytes(data)


def test_the_snapshot_is_that_of_the_beginning(big, postgres):
    client = big.client()
    with big.begin_export(client.token) as connection:
        connection.recv(1)
        postgres.query("insert into plant.log values ('2026-02-01T00:00:00.5Z', 'new', 1)")
        postgres.query("delete from plant.log where at > '2026-02-01T00:20:00Z'")
        connection.settimeout(60)
        data = bytearray(b"H")
        while not data.endswith(b"0\r\n\r\n"):
            data += connection.recv(1 << 20)
    head, _, rest = bytes(data).partition(b"\r\n\r\n")
    assert f"X-Record-Count: {BIG_ROWS}".encode() in head
    body, at = bytearray(), 0
    while (size := int(rest[at:rest.index(b"\r\n", at)], 16)) > 0:
        start = rest.index(b"\r\n", at) + 2
        body += rest[start:start + size]
        at = start + size + 2
    lines = gzip.decompress(body)
    assert lines.count(b"\n") == BIG_ROWS and b'"new"' not in lines


def test_memory_stays_constant(big):
    big.stop()
    big.start(env=FREED_IS_FREE)
    client = big.client()
    client.get("/data/export", limit=1)
    idle = big.memory_kib("VmHWM")
    assert client.get("/data/export").headers["X-Record-Count"] == str(BIG_ROWS)
    assert big.memory_kib("VmHWM") - idle < 16 * 1024


def test_a_client_that_leaves_ends_its_transaction(big, postgres):
    client = big.client()
    with big.begin_export(client.token) as connection:
        connection.recv(1)
        assert backends(postgres) == 1
    wait_until(lambda: backends(postgres) == 0, "the end of the transaction")
    assert client.status()["next_seq"] is None
    assert "outcome cut off" in big.stop()


def test_a_server_that_dies_breaks_it_off(big, postgres):
    client = big.client()
    with big.begin_export(client.token) as connection:
        connection.recv(1)
        postgres.query("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'telehaul agent'")
        assert not read_rest(connection).endswith(b"0\r\n\r\n")
    assert len(client.export(limit=100)[1]) == 100
    assert "broken off: " in big.stop()


def test_a_stop_waits_for_no_server(big, postgres):
    """The agent's own end is not held up by an export that waits for the server, nor by one that the client does not read."""
    client = big.client()
    with postgres.connect() as locker, locker.cursor() as cursor:
        with big.begin_export(client.token) as unread:
            unread.recv(1)
            cursor.execute("begin")
            cursor.execute("lock table pg_catalog.pg_type in access exclusive mode")
            with big.begin_export(client.token):
                begun = time.monotonic()
                big.stop()
                assert time.monotonic() - begun < 8
            cursor.execute("rollback")


class Relay:
    """Between the agent and the server; `stop` passes nothing on any more, and nobody is told."""

    def __init__(self, port):
        self.port, self.flows = port, threading.Event()
        self.flows.set()
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.own_port = self.listening.getsockname()[1]
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                near = self.listening.accept()[0]
                far = socket.create_connection(("127.0.0.1", self.port))
                self.sockets += [near, far]
                for source, target in ((near, far), (far, near)):
                    threading.Thread(target=self.carry, args=(source, target), daemon=True).start()

    def carry(self, source, target):
        with contextlib.suppress(OSError):
            while piece := source.recv(65536):
                self.flows.wait()
                target.sendall(piece)
            target.shutdown(socket.SHUT_WR)

    def close(self):
        self.flows.set()
        for each in (self.listening, *self.sockets):
            each.close()


def test_a_server_that_stops_answering_breaks_it_off(make_machine, postgres, big):
    relay = Relay(postgres.cluster.port)
    try:
        machine = make_machine(re.sub(r":\d+/", f":{relay.own_port}/", postgres.url))
        client = machine.client()
        with machine.begin_export(client.token, receive_bytes=None) as connection:
            connection.recv(1)
            relay.flows.clear()
            connection.settimeout(60)
            assert not read_rest(connection).endswith(b"0\r\n\r\n")
        assert "no answer within 10 s" in machine.stop()
    finally:
        relay.close()
