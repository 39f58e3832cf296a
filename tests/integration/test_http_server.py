"""The HTTP server as a peer sees it: its routes, its limits and what slow, silent and hostile clients get. It is
driven with sockets and httpx against http_test_server, which has one route of each kind."""

import contextlib
import json
import os
import pathlib
import re
import select
import socket
import ssl
import struct
import subprocess
import time
import warnings

import httpx
import pytest

import telehaul

SERVER = telehaul.BIN.parent / "test-tools" / "http_test_server"
HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


class Server:
    """http_test_server with the given options; limits in ms."""

    def __init__(self, folder, tls=False, **options):
        assert SERVER.exists(), f"{SERVER} is missing: make test-tools"
        arguments = [str(SERVER)] + (["--tls"] if tls else [])
        arguments += [f"--{name}={value}" for name, value in options.items()]
        self.tls = tls
        self.errors = pathlib.Path(folder) / "server.log"
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=errors, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("port "), self.errors.read_text()
        self.port = int(line.split()[1])
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, verify=False, timeout=telehaul.DEADLINE_S)

    def get(self, target, **more):
        return self.client.get(target, **more)

    def connect(self, source=None, receive_bytes=None, tls=None):
        plain = socket.socket()
        if receive_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        plain.settimeout(telehaul.DEADLINE_S)
        if source:
            plain.bind((source, 0))
        plain.connect(("127.0.0.1", self.port))
        return trusting().wrap_socket(plain) if (self.tls if tls is None else tls) else plain

    def exchange(self, request):
        """Sends raw bytes and returns all that comes until the server closes or is silent for a moment."""
        with self.connect() as connection:
            with contextlib.suppress(OSError):  # it may be refused before its end
                connection.sendall(request)
            return read_answer(connection)

    def stop(self):
        """Seconds that stopping took."""
        self.client.close()
        begin = time.monotonic()
        self.process.terminate()
        try:
            code = self.process.wait(telehaul.DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the server did not stop") from None
        assert code == 0, self.errors.read_text()
        return time.monotonic() - begin


def trusting():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_answer(connection):
    """One answer: its headers and as much body as Content-Length says, or what comes until the end."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while True:
            headers, found, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", headers)
            if found and length and len(body) >= int(length[1]):
                break
            piece = connection.recv(65536)
            if not piece:
                break
            data += piece
    return data


def is_closed(connection):
    """True when the peer closed or reset it."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(**options):
        server = Server(tmp_path, **options)
        started.append(server)
        return server

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(params=[False, True], ids=["http", "https"])
def server(request, serve):
    return serve(tls=request.param)


# ---- routes and answers ----

def test_routes(server):
    answer = server.get("/hello")
    assert (answer.status_code, answer.text) == (200, "hello")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert server.get("/assets/app.js").text.startswith("path=/assets/app.js")
    text = server.get("/show", params={"q": "два + two&x"}, headers={"X-TEST": "v", "Cookie": "a=1; session=s"}).text
    assert text == "path=/show q=два + two&x count=1 cookie=s header=v peer=127.0.0.1 key=127.0.0.1"


def test_unknown_path_and_method(server):
    missing = server.get("/missing")
    assert (missing.status_code, missing.json()) == (404, {"error": "not_found"})
    assert missing.headers["Content-Type"] == "application/json"
    assert missing.headers["X-Content-Type-Options"] == "nosniff"
    for method in ("GET", "DELETE", "OPTIONS", "PATCH", "BREW"):
        wrong = server.client.request(method, "/echo")
        assert (wrong.status_code, wrong.json()) == (405, {"error": "method_not_allowed"})
        assert wrong.headers["Allow"] == "POST, PUT"
        assert wrong.headers["X-Content-Type-Options"] == "nosniff"
    assert server.client.post("/hello").headers["Allow"] == "GET, HEAD"


def test_head_is_get_without_the_body(server):
    for target in ("/hello", "/stream?bytes=100000", "/events"):
        answer = server.client.head(target)
        assert (answer.status_code, answer.content) == (200, b"")
    assert server.client.head("/hello").headers["Content-Length"] == "5"
    assert server.client.head("/missing").status_code == 404
    telehaul.wait_until(lambda: count(server) == 0, "the end of the event stream")


def test_the_hook_comes_first(server):
    for target in ("/hello", "/missing"):
        answer = server.get(target, headers={"X-Refuse": "1"})
        assert (answer.status_code, answer.json()) == (403, {"error": "refused", "detail": "by the hook"})


def test_a_handler_that_forgets_to_answer(server):
    answer = server.get("/silent")
    assert (answer.status_code, answer.json()) == (500, {"error": "internal"})


# ---- bad requests ----

@pytest.mark.parametrize("target", [
    "/show?q=1&q=2", "/show?q=%00", "/show?q=%ff", "/show?q=%c0%af", "/show?q=%", "/show?=1", "/%00", "/%ff", "/%0d%0a",
    "*", "http://127.0.0.1/hello", "/" + "?" + "&".join(f"p{i}=1" for i in range(40)), "/" + "a" * 5000])
def test_bad_targets(server, target):
    answer = server.exchange(f"GET {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    status = int(answer.split()[1])
    assert status in (400, 414)
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"] in ("bad_request", "url_too_long")
    assert server.get("/hello").status_code == 200


@pytest.mark.parametrize("request_text, statuses", [
    (b"GET /hello\r\n\r\n", (400, 505)),
    (b"GET /hello HTTP/0.9\r\n\r\n", (400, 505)),
    (b"GET /hello HTTP/2.0\r\nHost: x\r\n\r\n", (400, 505)),
    (b"GET /hello HTTP/1.1\r\n\r\n", (400,)),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", (400,)),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1x\r\n\r\nab", (400,)),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n", (400, 413)),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", (400,)),
    (b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", (400,)),
    (b"\r\n" * 50 + b"nonsense\r\n\r\n", (400, 505, None)),
    (b"\x00\x01\x02\x03\r\n\r\n", (400, 505, None)),
    (b"GET /hello HTTP/1.1\r\nHost x\r\n\r\n", (400, None)),
])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_broken_requests(serve, tls, request_text, statuses):
    server = serve(tls=tls, deadline=500)
    answer = server.exchange(request_text)
    status = int(answer.split()[1]) if answer.startswith(b"HTTP/1.") else None
    assert status in statuses, answer
    assert server.get("/hello").status_code == 200


def test_headers_have_a_limit(server):
    assert server.get("/hello", headers={"X-Big": "a" * 15000}).status_code == 200
    for size in (16500, 20000, 40000, 200000):
        answer = server.exchange(b"GET /hello HTTP/1.1\r\nHost: x\r\nX-Big: " + b"a" * size + b"\r\n\r\n")
        assert answer == b"" or answer.split()[1] == b"431"
    answer = server.get("/hello", headers={"X-Big": "a" * 16500})
    assert answer.json()["error"] == "header_too_large"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


# ---- bodies ----

def test_bodies(server):
    for size in (0, 1, 100, 8192):
        assert server.client.post("/echo", content=b"x" * size).content == b"x" * size
    chunked = server.client.post("/echo", content=iter([b"ab", b"cd" * 1000]))
    assert chunked.content == b"ab" + b"cd" * 1000


def test_a_body_over_its_limit(server):
    for content in (b"x" * 8193, b"x" * 200000, iter([b"x" * 5000, b"x" * 5000])):
        answer = server.client.post("/echo", content=content)
        assert (answer.status_code, answer.json()) == (413, {"error": "too_large"})
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert server.client.post("/nobody", content=b"x").status_code == 413
    assert server.client.post("/nobody").status_code == 200


def test_a_body_far_over_its_limit_is_not_read(server):
    with server.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999\r\n\r\n")
        assert b" 413 " in read_answer(connection).splitlines()[0]
        telehaul.wait_until(lambda: is_closed(connection), "the connection's end")


def test_who_sends_before_it_reads_sees_the_refusal(server):
    size = 30 << 20
    with server.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % size)
        connection.sendall(b"x" * size)
        assert read_answer(connection).startswith(b"HTTP/1.1 413 ")


def test_an_endless_chunked_body_is_cut_off(server):
    with server.connect() as connection:
        connection.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        sent = 0
        with contextlib.suppress(OSError):
            while sent < 100 << 20:
                connection.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                sent += 65536
        assert sent < 32 << 20
    assert server.get("/hello").status_code == 200


def test_uploads_are_streamed(server):
    size = 20 << 20
    assert server.client.post("/upload", content=b"x" * size).text == str(size)
    assert server.client.post("/upload", content=(b"x" * 65536 for _ in range(100))).text == str(6553600)
    refused = server.client.post("/upload?busy=1", content=b"x" * size)
    assert (refused.status_code, refused.json()) == (409, {"error": "busy"})
    bad = server.client.post("/upload?bad=1", content=b"x" * size)
    assert (bad.status_code, bad.json()["error"]) == (400, "bad_package")
    assert server.get("/hello").status_code == 200


def test_expect_100_continue(server):
    head = b"POST /upload%s HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n"
    with server.connect() as connection:
        connection.sendall(head % b"")
        assert connection.recv(100).startswith(b"HTTP/1.1 100 ")
        connection.sendall(b"0123456789")
        assert read_answer(connection).endswith(b"\r\n\r\n10")
    for target in (b"?busy=1",):
        answer = server.exchange(head % target)
        assert answer.startswith(b"HTTP/1.1 409 ") and b" 100 " not in answer
    too_large = server.exchange(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 9000\r\nExpect: 100-continue\r\n\r\n")
    assert too_large.startswith(b"HTTP/1.1 413 ")


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
        self.connection = server.connect()
        self.connection.sendall(b"GET /events HTTP/1.1\r\nHost: x\r\nLast-Event-ID: 41\r\n\r\n")
        self.text = b""

    def expect(self, pattern):
        """Reads on until the pattern came; what came before is forgotten."""
        end = time.monotonic() + telehaul.DEADLINE_S
        while not (found := re.search(pattern, self.text)):
            assert time.monotonic() < end, self.text
            piece = self.connection.recv(65536)
            assert piece, f"ended after {self.text}"
            self.text += piece
        self.text = self.text[found.end():]
        return found


def count(server):
    return int(server.get("/subscribers").text)


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
    begin = time.monotonic()
    for subscriber in subscribers:
        for _ in range(5):
            subscriber.expect(rb":\n\n")
    assert time.monotonic() - begin > 0.5, "heartbeats come in their time and not faster"
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
    assert (answer.status_code, answer.json()) == (503, {"error": "too_many_streams"})
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


# ---- the table of connections ----

def test_an_address_gets_64_connections(serve):
    server = serve()
    mine = [server.connect(source="127.0.0.9") for _ in range(64)]
    for connection in mine:
        connection.sendall(HELLO)
        assert read_answer(connection).endswith(b"hello")
    extra = server.connect(source="127.0.0.9")
    extra.sendall(HELLO)
    assert read_answer(extra) == b""
    assert server.get("/hello").status_code == 200, "another address is not affected"
    mine.pop().close()

    def fits():
        with server.connect(source="127.0.0.9") as again:
            with contextlib.suppress(ConnectionError):
                again.sendall(HELLO)
            return read_answer(again).endswith(b"hello")

    telehaul.wait_until(fits, "room for one more")


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_thousands_of_silent_connections_keep_nobody_out(serve, tls):
    server = serve(tls=tls)
    silent = []
    for number in range(2500):
        connection = socket.socket()
        connection.bind((f"127.{1 + number % 3}.{number // 60 % 250}.{1 + number % 7}", 0))
        connection.setblocking(False)
        connection.connect_ex(("127.0.0.1", server.port))
        silent.append(connection)
        if number % 100 == 99:
            with httpx.Client(base_url=server.url, verify=False, timeout=telehaul.DEADLINE_S) as client:
                assert client.get("/hello").text == "hello"
    assert server.get("/hello").text == "hello"
    for connection in silent:
        connection.close()


def test_a_thousand_idle_connections_and_one_that_works(serve):
    server = serve()
    idle = []
    for number in range(1000):
        connection = server.connect(source=f"127.0.{2 + number % 100}.1")
        if number % 2:
            connection.sendall(HELLO)
            assert read_answer(connection).endswith(b"hello")
        idle.append(connection)
    begin = time.monotonic()
    for _ in range(200):
        assert server.get("/hello").text == "hello"
    assert time.monotonic() - begin < 10
    for connection in idle:
        connection.close()


def test_silence_has_a_deadline(serve):
    server = serve(deadline=500, idle=500)
    silent, partial, kept = (server.connect() for _ in range(3))
    partial.sendall(b"GET /hello HTTP/1.1\r\nX: ")
    kept.sendall(HELLO)
    assert read_answer(kept).endswith(b"hello")
    for connection in (silent, partial, kept):
        telehaul.wait_until(lambda connection=connection: is_closed(connection), "the connection's end")


def test_a_tls_handshake_has_the_same_deadline(serve):
    server = serve(tls=True, deadline=500)
    silent = server.connect(tls=False)
    partial = server.connect(tls=False)
    partial.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
    for connection in (silent, partial):
        telehaul.wait_until(lambda connection=connection: is_closed(connection), "the connection's end")


def trickle(connection, text, per_second=20, piece_bytes=1):
    """Sends a byte (or as many) at a time; returns True when the server ends it."""
    connection.settimeout(telehaul.DEADLINE_S)
    end = time.monotonic() + telehaul.DEADLINE_S
    for at in range(0, len(text), piece_bytes):
        try:
            connection.sendall(text[at:at + piece_bytes])
        except OSError:
            return True
        time.sleep(1 / per_second)
        if time.monotonic() > end:
            return False
    return False


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_headers_a_byte_at_a_time(serve, tls):
    server = serve(tls=tls, deadline=1000)
    assert trickle(server.connect(), b"GET /hello HTTP/1.1\r\nX: " + b"a" * 10000)
    assert server.get("/hello").text == "hello"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_body_a_byte_at_a_time(serve, tls):
    server = serve(tls=tls, window=1000)
    slow = server.connect()
    slow.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 8000\r\n\r\n")
    assert trickle(slow, b"x" * 8000, per_second=1 if tls else 20)
    assert server.get("/hello").text == "hello"


# Clients that keep ten times the floor, so that they are above it in every window on a busy machine too.
FAIR_WINDOW_MS = 1500


def test_a_body_above_the_floor_is_left_alone(serve):
    server = serve(window=FAIR_WINDOW_MS)
    slow = server.connect()
    slow.sendall(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n\r\n")
    assert not trickle(slow, b"x" * 3000, per_second=25, piece_bytes=40)
    assert read_answer(slow).endswith(b"x" * 3000)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
@pytest.mark.parametrize("a_second", [0, 10], ids=["stops", "trickles"])
def test_an_answer_that_is_not_taken(serve, tls, a_second):
    server = serve(tls=tls, window=1000)
    slow = server.connect(receive_bytes=4096)
    slow.sendall(b"GET /stream?bytes=100000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    slow.settimeout(1)
    end = time.monotonic() + telehaul.DEADLINE_S
    while server.get("/released").text == "0":
        assert time.monotonic() < end, "the stream is still held"
        with contextlib.suppress(OSError):
            if a_second and not slow.recv(1):
                break
        time.sleep(1 / (a_second or 10))
    assert server.get("/released").text == "1"


def test_a_slow_client_does_not_slow_others(serve):
    server = serve(tls=True)
    slow = [server.connect(receive_bytes=4096) for _ in range(20)]
    for connection in slow:
        connection.sendall(b"GET /stream?bytes=100000000 HTTP/1.1\r\nHost: x\r\n\r\n")
    begin = time.monotonic()
    for _ in range(100):
        assert server.get("/hello").text == "hello"
    assert len(server.get("/stream?bytes=50000000").content) == 50000000
    assert time.monotonic() - begin < 15
    for connection in slow:
        connection.close()


def test_a_reader_above_the_floor_is_left_alone(serve):
    server = serve(window=FAIR_WINDOW_MS)
    slow = server.connect(receive_bytes=4096)
    slow.sendall(b"GET /stream?bytes=120000 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    taken = 0
    while piece := slow.recv(1500):
        taken += len(piece)
        time.sleep(0.05)
    assert taken > 120000


# ---- TLS ----

def test_plain_http_on_the_tls_port_gets_no_answer(serve):
    server = serve(tls=True)
    with server.connect(tls=False) as plain:
        plain.sendall(HELLO)
        answer = b""
        with contextlib.suppress(ConnectionError):
            while piece := plain.recv(4096):
                answer += piece
    assert b"HTTP" not in answer
    assert server.get("/hello").text == "hello"


def handshake(server, minimum, maximum, ciphers=None):
    context = trusting()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = minimum, maximum
    context.set_ciphers(ciphers or "ALL:@SECLEVEL=0")
    with server.connect(tls=False) as plain, context.wrap_socket(plain) as connection:
        return connection.version(), connection.cipher()[0]


def test_tls_versions(serve):
    server = serve(tls=True)
    versions = ssl.TLSVersion
    assert handshake(server, versions.TLSv1_2, versions.TLSv1_2)[0] == "TLSv1.2"
    assert handshake(server, versions.TLSv1_2, versions.TLSv1_3)[0] == "TLSv1.3"
    for old in (versions.TLSv1, versions.TLSv1_1):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(server, old, old)
    assert server.get("/hello").text == "hello"


def test_tls_prefers_aes_gcm(serve):
    server = serve(tls=True)
    version = ssl.TLSVersion.TLSv1_2
    preferred = handshake(server, version, version, "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-ECDSA-AES128-GCM-SHA256")
    assert "AES128-GCM" in preferred[1]
    for weak in ("AES128-SHA", "ECDHE-ECDSA-AES128-SHA", "NULL", "DHE-RSA-AES128-GCM-SHA256"):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            handshake(server, version, version, f"{weak}:@SECLEVEL=0")


# ---- IPv6 ----

def test_ipv6_and_ipv4_on_one_socket(serve):
    try:
        socket.socket(socket.AF_INET6).bind(("::1", 0))
    except OSError:
        pytest.skip("no IPv6 here")
    server = serve(bind="::")
    assert "peer=127.0.0.1 key=127.0.0.1" in server.get("/show").text
    with httpx.Client() as client:
        assert "peer=::1 key=::/64" in client.get(f"http://[::1]:{server.port}/show").text


# ---- stopping ----

@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_it_stops_with_everything_open(serve, tls):
    server = serve(tls=tls)
    open_connections = [server.connect(receive_bytes=4096) for _ in range(6)]
    for connection, text in zip(open_connections, [
            b"", b"GET /hel", HELLO, b"GET /stream?bytes=1000000000000 HTTP/1.1\r\nHost: x\r\n\r\n",
            b"GET /events HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST /upload HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\nabc"]):
        connection.sendall(text)
    telehaul.wait_until(lambda: count(server) == 1, "the subscriber")
    assert server.stop() < 3
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
