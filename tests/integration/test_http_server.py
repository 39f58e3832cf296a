"""The HTTP server as a peer sees it: its routes, what it refuses, bodies and TLS. It is driven with sockets and httpx against
http_test_server."""

import contextlib
import json
import socket
import ssl
import warnings

import httpx
import pytest
import telehaul
from http_test_server import HELLO, count, is_closed, read_answer, serve, server, trusting  # noqa: F401  fixtures


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
    assert (missing.status_code, missing.json()) == (
        404, {"error": "not_found", "detail": "there is no such path: check how it is written"})
    assert missing.headers["Content-Type"] == "application/json"
    assert missing.headers["X-Content-Type-Options"] == "nosniff"
    for method in ("GET", "DELETE", "OPTIONS", "PATCH", "BREW"):
        wrong = server.client.request(method, "/echo")
        assert (wrong.status_code, wrong.json()) == (
            405, {"error": "method_not_allowed", "detail": "this path takes POST, PUT"})
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
    assert (answer.status_code, answer.json()) == (
        500, {"error": "internal", "detail": "nothing answered this request: tell its maker how to repeat it"})


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
    server = serve(tls=tls, deadline=3000 if None in statuses else 10_000)  # what may get no answer is ended then
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
        assert (answer.status_code, answer.json()) == (
            413, {"error": "too_large", "detail": "this call takes a body of at most 8192 bytes"})
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    refused = server.client.post("/nobody", content=b"x")
    assert (refused.status_code, refused.json()) == (413, {"error": "too_large", "detail": "this call takes no body"})
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
    assert (refused.status_code, refused.json()) == (409, {"error": "busy", "detail": "try again later"})
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
