"""What lasts in the HTTP server: streams, events, handlers that wait; and its stop in the middle of them."""

import contextlib
import os
import pathlib
import re
import select
import socket
import struct
import subprocess
import time

import httpx
import pytest
import telehaul
from http_test_server import HELLO, count, read_answer, serve, server  # noqa: F401  fixtures


# ---- streams ----

def test_a_stream_comes_whole(server):
    for size in (0, 1, 1000000, 50000000):
        assert len(server.get(f"/stream?bytes={size}").content) == size
    telehaul.wait_until(lambda: server.get("/released").text == "4", "four streams' end")


def test_a_stream_that_breaks_off_is_seen_as_broken(server):
    for size in (0, 1000, 1000000):
        with pytest.raises(httpx.RemoteProtocolError):
            server.get(f"/stream?bytes={size}&fail=1")


def test_a_client_that_leaves_half_way(server):
    with server.client.stream("GET", "/stream?bytes=1000000000000") as answer:
        next(answer.iter_bytes())
    telehaul.wait_until(lambda: server.get("/released").text == "1", "the stream's end")


# ---- events ----

class Subscriber:
    def __init__(self, server):
        self.begun, self.beats = time.monotonic(), 0
        self.connection = server.connect()
        self.connection.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 41\r\n\r\n")
        self.text = b""

    def expect(self, pattern):
        """Reads on until the pattern came; what came before is forgotten, but for the number of beats."""
        end = time.monotonic() + telehaul.DEADLINE_S
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end, self.text
            piece = self.connection.recv(65536)
            assert piece, f"ended after {self.text}"
            self.text += piece
        self.beats += self.text[:found.end()].count(b":\n\n")
        self.text = self.text[found.end():]
        return found


def test_events(serve):
    server = serve(tls=True, heartbeat=200)
    subscribers = [Subscriber(server) for _ in range(5)]
    for subscriber in subscribers:
        subscriber.expect(rb"(?i)content-type: text/event-stream")
        subscriber.expect(rb"event: first\nid: 41\ndata: \{\}\n\n")
    for number in (b"1", b"2", b"3"):
        server.client.post("/publish", content=b'{"n":%s}' % number)
        for subscriber in subscribers:
            subscriber.expect(rb'event: news\nid: %s\ndata: \{"n":%s\}\n\n' % (number, number))
    for subscriber in subscribers:
        for _ in range(5):
            subscriber.expect(rb":\n\n")
        assert subscriber.beats <= 1 + (time.monotonic() - subscriber.begun) / 0.2, "they come in their time and not faster"
    subscribers[0].connection.close()
    telehaul.wait_until(lambda: count(server) == 4, "the end of one that left")
    assert server.get("/hello").text == "hello"


def test_idle_event_streams_cost_nothing(serve):
    server = serve()
    subscribers = [Subscriber(server) for _ in range(20)]
    for subscriber in subscribers:
        subscriber.expect(rb"event: first")

    def cpu_ticks():
        fields = pathlib.Path(f"/proc/{server.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(fields[11]) + int(fields[12])

    before = cpu_ticks()
    time.sleep(1)  # what is measured is that nothing happens meanwhile
    assert cpu_ticks() - before < 20


def test_event_streams_have_a_limit(serve):
    server = serve(heartbeat=100)
    subscribers = []
    for number in range(64):
        connection = server.connect(source=f"127.0.1.{1 + number % 4}")
        connection.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
        subscribers.append(connection)
    telehaul.wait_until(lambda: count(server) == 64, "64 subscribers")
    answer = server.get("/events")
    assert (answer.status_code, answer.json()["error"]) == (503, "too_many_streams") and answer.json()["detail"]
    for connection in subscribers:
        connection.close()
    telehaul.wait_until(lambda: count(server) == 0, "the end of those that left")


def test_a_subscriber_that_does_not_read_is_dropped(serve):
    server = serve()
    slow = server.connect(receive_bytes=4096)
    slow.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n")
    quick = Subscriber(server)
    quick.expect(rb"event: first")
    telehaul.wait_until(lambda: count(server) == 2, "two subscribers")
    data = b'"' + b"x" * 100000 + b'"'
    end = time.monotonic() + telehaul.DEADLINE_S
    while count(server) == 2 and time.monotonic() < end:
        number = server.client.post("/publish", content=data).text
        quick.expect(rb"id: %s\n" % number.encode())
        quick.expect(rb'x"\n\n')
    assert count(server) == 1
    slow.close()


# ---- stopping ----

@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_it_stops_with_everything_open(serve, tls):
    server = serve(tls=tls, deadline=600_000, idle=600_000, window=600_000)  # it waits for none of them
    open_connections = [server.connect(receive_bytes=4096) for _ in range(6)]
    for connection, text in zip(open_connections, [
            b"", b"GET /hel", HELLO, b"GET /stream?bytes=1000000000000 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"]):
        connection.sendall(text)
    telehaul.wait_until(lambda: count(server) == 1, "the subscriber")
    assert open_connections[3].recv(1) == b"H", "the stream"
    server.stop()
    assert "released 1" in server.process.stdout.read()
    for connection in open_connections:
        connection.close()


def test_a_port_is_free_again_at_once(serve):
    first = serve()
    with first.connect() as connection:
        connection.sendall(HELLO)
        read_answer(connection)
        first.stop()
    with socket.socket() as probe:  # bound as the server binds it
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", first.port))


def test_a_reset_does_not_hurt(server):
    for _ in range(50):
        connection = server.connect()
        connection.sendall(b"GET /stream?bytes=10000000 HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(1) == b"H"
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.close()
    assert server.get("/hello").text == "hello"
    telehaul.wait_until(lambda: server.get("/released").text == "50", "the streams' end")


# ---- handlers that wait ----

ASIDES_MAX = 16


@pytest.fixture
def bare_fifo(tmp_path):
    """Opening it waits for the other side."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    return path


@pytest.fixture
def fifo(bare_fifo):
    """Both its ends stay open: nobody waits in opening it for a writer that has come and gone, and no byte is lost."""
    with open(bare_fifo, "r+b", buffering=0):
        yield bare_fifo


def aside_request(fifo, more=""):
    return f"GET /aside?fifo={fifo}{more} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def ask_aside(server, fifo, more=""):
    connection = server.connect()
    connection.sendall(aside_request(fifo, more))
    return connection


def release(fifo, count):
    """A byte for each that waits."""
    with open(fifo, "wb", buffering=0) as out:
        out.write(b"x" * count)


def test_handlers_that_wait_hold_up_nobody(server, fifo):
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(ask_aside(server, fifo)) for _ in range(ASIDES_MAX)]
        for _ in range(4 * ASIDES_MAX):  # more connections than threads: every thread has some
            with server.connect() as other:
                other.sendall(HELLO)
                assert read_answer(other).endswith(b"hello")
        release(fifo, ASIDES_MAX)
        for connection in waiting:
            assert read_answer(connection).endswith(b"waited")
            connection.sendall(HELLO)  # and goes on as any other
            assert read_answer(connection).endswith(b"hello")


def test_so_many_may_wait_and_no_more(serve, fifo):
    server = serve()
    with contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(ask_aside(server, fifo)) for _ in range(ASIDES_MAX + 1)]
        [refused], _, _ = select.select(waiting, [], [], telehaul.DEADLINE_S)
        assert b" 503 " in read_answer(refused)
        release(fifo, ASIDES_MAX)
        assert all(read_answer(other).endswith(b"waited") for other in waiting if other is not refused)


def test_who_has_its_answer_has_left_its_place(serve, fifo, tmp_path):
    server = serve()
    other_fifo = tmp_path / "other"
    os.mkfifo(other_fifo)
    with contextlib.ExitStack() as stack, open(other_fifo, "r+b", buffering=0):
        waiting = [stack.enter_context(ask_aside(server, fifo)) for _ in range(ASIDES_MAX - 1)]
        asking = stack.enter_context(server.connect())
        for _ in range(300):
            release(other_fifo, 1)
            asking.sendall(aside_request(other_fifo))
            assert read_answer(asking).endswith(b"waited")
        release(fifo, len(waiting))
        assert all(read_answer(other).endswith(b"waited") for other in waiting)


def test_a_handler_that_waited_and_does_not_answer(server, fifo):
    with ask_aside(server, fifo, "&silent=1") as connection:
        release(fifo, 1)
        assert b" 500 " in read_answer(connection)


def test_who_left_meanwhile_is_no_harm(server, bare_fifo):
    with ask_aside(server, bare_fifo):
        pass
    release(bare_fifo, 1)  # waits until the handler has opened it
    assert server.get("/hello").text == "hello"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_stop_waits_for_them(serve, bare_fifo, tls):
    server = serve(tls=tls)
    with ask_aside(server, bare_fifo) as connection, open(bare_fifo, "wb", buffering=0) as out:  # opened: it waits by now
        server.process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            server.process.wait(1)  # longer than it waits for answers
        out.write(b"x")
        assert server.process.wait(telehaul.DEADLINE_S) == 0
        assert read_answer(connection).endswith(b"waited")
