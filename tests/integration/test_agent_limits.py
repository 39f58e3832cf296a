"""What one client cannot do to the others, and what none of them can make of the agent's memory."""

import contextlib
import socket
import ssl
import time

import httpx
import pytest
from agent_root import FREED_IS_FREE, Machine, new_source
from telehaul import BIN, wait_until

BIG_ROWS = 800000  # about 11 MB: more than the buffers of a connection hold
# AddressSanitizer takes half as much again for its own; what ThreadSanitizer takes tells nothing of the agent
MEMORY_LIMIT_KIB = {"asan": 24 * 1024, "tsan": 1 << 30}.get(BIN.parent.name, 16 * 1024)


@pytest.fixture(scope="module")
def machine(tmp_path_factory, keys):
    made = Machine(tmp_path_factory.mktemp("machine") / "root", keys, rows=BIG_ROWS, start=False)
    made.start(env=FREED_IS_FREE)
    yield made
    made.clear()


@pytest.fixture
def client(machine):
    return machine.client()


def closed_by_peer(connection):
    """True once the other side has ended the connection; reads away what comes."""
    connection.setblocking(False)
    try:
        return connection.recv(65536) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def answers_at_once(client):
    started = time.monotonic()
    client.status()
    return time.monotonic() - started < 5


def test_memory_during_an_export(machine, client):
    client.get("/data/export", limit=1)
    idle = machine.memory_kib("VmHWM")
    for _ in range(3):
        assert len(client.get("/data/export").content) > 5_000_000
    assert machine.memory_kib("VmHWM") - idle < MEMORY_LIMIT_KIB


def test_a_client_that_stops_reading(machine, client):
    idle = machine.memory_kib()
    with machine.begin_export(client.token) as stalled:
        stalled.recv(1)
        for _ in range(3):
            assert answers_at_once(client)
            assert len(client.get("/data/export").content) > 5_000_000
        assert machine.memory_kib() - idle < MEMORY_LIMIT_KIB
        # below the floor of progress for 10 s: dropped, though it never closed
        wait_until(lambda: machine.exports_under_way() == 0, "the end of the stalled export", deadline_s=60)


def ask_for_a_ninth(machine, client, stack):
    """With eight under way. On a slow machine they may have been dropped meanwhile, as who does not read is: then again."""
    while True:
        stalled = [stack.enter_context(machine.begin_export(client.token)) for _ in range(8)]
        for connection in stalled:
            assert connection.recv(12) == b"HTTP/1.1 200"
        ninth = client.get("/data/export", limit=1)
        if machine.exports_under_way() == 8:
            return ninth
        for connection in stalled:
            connection.close()
        wait_until(lambda: machine.exports_under_way() == 0, "the end of the eight")


def test_eight_exports_at_the_same_time(machine, client):
    idle = machine.memory_kib()
    with contextlib.ExitStack() as stack:
        ninth = ask_for_a_ninth(machine, client, stack)
        assert (ninth.status_code, ninth.json()["error"]) == (503, "busy")
        assert 1 <= int(ninth.headers["Retry-After"]) <= 60
        assert answers_at_once(client)
        assert machine.memory_kib() - idle < 2 * MEMORY_LIMIT_KIB
    wait_until(lambda: client.get("/data/export", limit=1).status_code == 200, "the end of the eight")


def test_one_byte_a_second(machine, client):
    """It is ended long before its headers are: at its pace they take 30 s."""
    started = time.monotonic()
    with machine.connect() as slow:
        request, sent = b"GET /auth/challenge HTTP/1.1\r\nHost: ".ljust(60, b"x"), 0
        while sent < len(request):
            try:
                slow.sendall(request[sent:sent + 1])
            except OSError:
                break
            sent += 1
            assert answers_at_once(client)
            if closed_by_peer(slow):
                break
            slow.setblocking(True)
            time.sleep(0.5)
        assert sent < len(request) and time.monotonic() - started > 5


def test_one_byte_of_body_a_second(machine, client):
    with machine.connect() as slow:
        slow.sendall(b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n")
        sent = 0
        while sent < 90:
            try:
                slow.sendall(b"{")
            except OSError:
                break
            sent += 1
            assert answers_at_once(client)
            if closed_by_peer(slow):
                break
            slow.setblocking(True)
            time.sleep(1)
        assert sent < 90


def test_a_thousand_that_say_nothing(machine, client):
    idle = machine.memory_kib()
    with contextlib.ExitStack() as stack:
        silent = []
        for _ in range(20):
            source = new_source()
            for _ in range(50):
                with contextlib.suppress(OSError):
                    silent.append(stack.enter_context(machine.connect(source=source, tls=False)))
        assert len(silent) == 1000
        for _ in range(5):
            assert answers_at_once(client)
        assert machine.client().get("/data/export", limit=5).status_code == 200  # a new one is let in as well
        assert machine.memory_kib() - idle < 4 * MEMORY_LIMIT_KIB
        wait_until(lambda: sum(map(closed_by_peer, silent)) > 990, "the end of the silent ones", deadline_s=60,
                   every_s=0.5)


def test_one_address_has_at_most_64_connections(machine):
    source, open_ones = new_source(), []
    with contextlib.ExitStack() as stack:
        for _ in range(64):  # each asks for something, for who says nothing for 10 s is dropped
            open_ones.append(stack.enter_context(machine.connect(source=source)))
            open_ones[-1].sendall(b"GET /auth/challenge HTTP/1.1\r\nHost: x\r\n\r\n")
            assert open_ones[-1].recv(12) == b"HTTP/1.1 200"
        with pytest.raises(OSError):
            with machine.connect(source=source) as one_more:
                one_more.sendall(b"GET /auth/challenge HTTP/1.1\r\nHost: x\r\n\r\n")
                if not one_more.recv(100):
                    raise OSError("closed")
        assert machine.client().get("/status").status_code == 200  # from another address


def test_a_header_over_16_kib(machine, client):
    answers = []
    for size in [1000, 17000, 100000]:
        with contextlib.suppress(httpx.TransportError):
            answer = machine.client(log_in=False).http.get("/auth/challenge", headers={"X-Long": "x" * size})
            answers.append(answer.status_code)
    assert answers[0] == 200
    assert all(status in (400, 413, 431) for status in answers[1:])
    assert answers_at_once(client)


def test_a_url_over_4_kib(machine, client):
    answer = client.http.get("/data/export?since=" + "x" * 5000, headers=client.headers())
    assert answer.status_code == 414


@pytest.mark.parametrize("junk", [b"\0" * 5000, b"\x16\x03\x01" + b"\xff" * 5000, b"SSH-2.0-x\r\n", b"\r\n" * 5000])
def test_junk_instead_of_tls(machine, client, junk):
    with machine.connect(tls=False) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(junk)
        wait_until(lambda: closed_by_peer(connection), "the end of the connection", deadline_s=40)
    assert answers_at_once(client)


@pytest.mark.parametrize("junk", [b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9.9\r\nHost: x\r\n\r\n", b"\0\0\0\0\r\n\r\n",
                                  b"GET / HTTP/1.1\r\nContent-Length: -1\r\nHost: x\r\n\r\n",
                                  b"POST /auth HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n",
                                  b"POST /auth HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n"])
def test_junk_instead_of_http(machine, client, junk):
    with machine.connect() as connection:
        with contextlib.suppress(OSError):
            connection.sendall(junk)
        with contextlib.suppress(OSError):  # the agent may have ended it by now
            connection.shutdown(socket.SHUT_WR)
        wait_until(lambda: closed_by_peer(connection), "the end of the connection", deadline_s=40)
    assert answers_at_once(client)


def test_a_hundred_tokens_asked_for(machine, client):
    """From one address: three are looked at, the rest costs nothing and changes nothing."""
    source = new_source()
    flood = machine.client(log_in=False, source=source)
    began = time.monotonic()
    answers = [flood.http.post("/auth", content=b'{"challenge":"AAAA","signature":"AAAA"}').status_code
               for _ in range(100)]
    minutes = 1 + (time.monotonic() - began) // 60
    assert 3 <= answers.count(401) <= 3 * minutes and answers.count(401) + answers.count(429) == 100
    assert answers_at_once(client)


def test_the_agent_is_still_the_same(machine, client):
    """After all of this: no restart, nothing it complained of but what it should."""
    assert machine.agent.running()
    assert answers_at_once(client)
    assert "ERROR" not in machine.agent.output() and "error " not in machine.agent.output()
    wait_until(lambda: machine.exports_under_way() == 0, "the end of every export", deadline_s=60)
    machine.stop()
