"""What an agent sends that is not what it should be: none of it is kept."""

import contextlib
import gzip
import json
import socket

import pytest
from fake_agent import line, make_readings, time_text
from sync_home import ROWS, edit, expected, flip, times


# ---- what comes is not what it should be ----

LIES = {
    "one more": (lambda h: h.update({"X-Record-Count": ROWS + 1}), None),
    "one less": (lambda h: h.update({"X-Record-Count": ROWS - 1}), None),
    "none": (lambda h: h.update({"X-Record-Count": 0}), None),
    "no count": (lambda h: h.pop("X-Record-Count"), None),
    "a negative count": (lambda h: h.update({"X-Record-Count": -1}), None),
    "last seq": (lambda h: h.update({"X-Last-Seq": ROWS + 7}), None),
    "first seq": (lambda h: h.update({"X-First-Seq": 2}), None),
    "no last seq": (lambda h: h.pop("X-Last-Seq"), None),
    "another store": (lambda h: h.update({"X-Store-Id": "11111111-1111-4111-8111-111111111111"}), None),
    "no gzip": (lambda h: h.update({"Content-Type": "application/json"}), None),
    "no time": (lambda h: h.update({"X-Period-End": "yesterday"}), None),
    "garbage": (None, lambda body: b"garbage" * 100),
    "a flipped bit": (None, lambda body: flip(body, len(body) // 2)),
    "another checksum": (None, lambda body: flip(body, len(body) - 6)),
    "bytes behind": (None, lambda body: body + b"more"),
    "no lines": (None, lambda body: gzip.compress(b"x" * 4096)),
    "no line feed at the end": (None, lambda body: gzip.compress(gzip.decompress(body)[:-1])),
    "an endless line": (None, lambda body: gzip.compress(b"x" * 10_000_000 + b"\n" * ROWS)),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lie_is_not_kept(agent, home, lie):
    agent.hooks["export"] = edit(agent, *LIES[lie])
    home.sync(agent, check=1)
    assert home.files() == []
    assert home.rows() == []
    agent.hooks.clear()
    assert home.sync(agent).result["added"] == ROWS


def test_an_archive_says_what_it_holds_not_what_was_said(agent, home):
    agent.hooks["export"] = edit(agent, lambda h: h.update({"X-Period-Start": time_text(0), "X-Period-End": time_text(1)}))
    result = home.sync(agent).result
    about = json.loads(home.archives()[0].with_suffix(".json").read_text())
    for said in (result, about):
        assert (said["period_start"], said["period_end"]) == (time_text(agent.rows[0][1]), time_text(agent.rows[-1][1]))


def test_a_stream_that_ends_early_is_fetched_again(agent, home):
    agent.hooks["export"] = times(1, edit(agent, None, lambda body: body[:-1]))
    assert home.sync(agent).result["records"] == ROWS
    assert home.rows() == expected(agent.rows)


def redirect(request, _):
    request.raw(302, b"", {"Location": f"https://127.0.0.1:{request.server.server_address[1]}/elsewhere"})


def endless_headers(request, _):
    request.wfile.write(b"HTTP/1.1 200 OK\r\n")
    with contextlib.suppress(OSError):
        while True:
            request.wfile.write(b"X-More: " + b"x" * 1000 + b"\r\n")


def garbage(request, _):
    request.raw(200, b"\x1b[31m{garbage", {"Content-Type": "application/json"})


def no_http(request, _):
    request.wfile.write(b"220 mail.example.org ESMTP\r\n")
    request.cut()


def server_error(request, _):
    request.json(500, {"error": "inter\x1bnal", "detail": "words\nwords"})


@pytest.mark.parametrize("call", ["challenge", "auth", "status", "export"])
@pytest.mark.parametrize("answer", [redirect, endless_headers, garbage, server_error])
def test_nonsense_is_refused(agent, home, call, answer):
    home.sync(agent)  # known by now: nothing but the hook is asked
    agent.rows += make_readings(10, ROWS + 1)
    before = home.files()
    agent.hooks[call] = answer
    done = home.sync(agent, check=1)
    assert "/elsewhere" not in " ".join(agent.requests)
    assert "\x1b" not in done.stderr and done.stderr.count("\n") == 1
    assert home.files() == before


@pytest.mark.parametrize("call", ["challenge", "auth", "status"])
def test_what_is_no_http_is_refused(agent, home, call):
    agent.hooks[call] = no_http
    home.sync(agent, check=1)
    assert home.files() == []


TOKENS = ["", "a b", "x\r\nX-Evil: 1", "a" * 100, 5]


@pytest.mark.parametrize("token", TOKENS)
def test_a_token_that_is_none(agent, home, token):
    agent.hooks["auth"] = lambda request, _: request.json(200, {"session_token": token, "expires_in": 300})
    home.sync(agent, check=1)
    assert "GET /status" not in agent.requests


@pytest.mark.parametrize("status", [
    {"version": "1", "store_id": "../../etc", "next_seq": 1}, {"version": "1", "store_id": 5, "next_seq": 1},
    {"version": "1", "store_id": "", "next_seq": 1}, {"version": "1", "next_seq": 1}, [],
    {"version": "1", "store_id": "11111111-1111-4111-8111-111111111111", "next_seq": -1}])
def test_a_status_that_is_none(agent, home, status):
    agent.hooks["status"] = lambda request, _: request.json(200, status)
    home.sync(agent, check=1)
    assert "GET /data/export" not in agent.requests


def hold_little(request):
    """What was sent is what the client has taken, but for a little: the system keeps no megabytes for it."""
    request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 16)


def endless_lines(agent, sent):
    """An export that says what there is and then never ends."""
    def hook(request, _):
        hold_little(request)
        rows = agent.select(request.query)
        request.send_response(200)
        for name, value in {**agent.headers_of(rows), "Transfer-Encoding": "chunked"}.items():
            request.send_header(name, str(value))
        request.end_headers()
        member = gzip.compress("".join(map(line, rows)).encode(), 1)
        with contextlib.suppress(OSError):
            for _ in range(400):
                request.chunk(member)
                sent[0] += 1
    return hook


def test_more_than_was_said_is_refused_at_once(agent, home):
    sent = [0]
    agent.hooks["export"] = endless_lines(agent, sent)
    home.sync(agent, check=1)
    assert sent[0] < 100
    assert home.files() == []


def test_bytes_without_lines_are_refused_at_once(make_agent, home):
    agent = make_agent(make_readings(10))
    sent = [0]

    def hook(request, _):
        hold_little(request)
        request.send_response(200)
        for name, value in {**agent.headers_of(agent.rows), "Transfer-Encoding": "chunked"}.items():
            request.send_header(name, str(value))
        request.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(400):
                request.chunk(gzip.compress(b"") * 3000)
                sent[0] += 1

    agent.hooks["export"] = hook
    home.sync(agent, check=1)
    assert sent[0] < 100
    assert home.files() == []


def test_seqs_that_go_backwards_are_not_kept(agent, home):
    agent.rows = [agent.rows[9], agent.rows[4]]
    assert "not kept" in home.sync(agent, "--db", "none", check=1).stderr
    assert home.files() == []


MIDDLES = {
    "backwards": lambda text: text.replace(b'"seq":2500,', b'"seq":2400,'),
    "no reading": lambda text: text.replace(b'"seq":2500,', b'"seq":"?",'),
    "no time": lambda text: text.replace(b'"seq":2500,"time":"2026', b'"seq":2500,"time":"yyyy'),
    "no UTF-8": lambda text: text.replace(b"channel_3", b"channel_\xff", 1),
}


@pytest.mark.parametrize("middle", MIDDLES)
@pytest.mark.parametrize("more", [[], ["--db", "none"]])
def test_a_wrong_line_in_the_middle_is_not_kept(agent, home, middle, more):
    """Also where nobody imports it: the machine would forget what its archive can never give."""
    agent.hooks["export"] = edit(agent, None, lambda body: gzip.compress(MIDDLES[middle](gzip.decompress(body))))
    assert "line " in home.sync(agent, *more, check=1).stderr
    assert home.files() == []
    agent.hooks.clear()
    assert home.sync(agent, *more).result["records"] == ROWS


def test_more_than_was_asked_for_comes_home_once(agent, home):
    """After a break less is asked for; who sends all the same sends what is new."""
    default = agent.select
    agent.select = lambda query: default({name: value for name, value in query.items() if name != "limit"})
    agent.breaks = [2000]
    result = home.sync(agent).result
    assert (result["records"], len(result["archives"]), result["last_seq"]) == (ROWS, 1, ROWS)
    assert home.rows() == expected(agent.rows)


def test_a_damaged_reading_in_the_middle_is_the_machines_fault(agent, home):
    agent.hooks["export"] = edit(agent, None, lambda body: gzip.compress(
        gzip.decompress(body).replace(b'"seq":2500,', b'"seq":"?",')))
    assert "line 2500" in home.sync(agent, check=1).stderr
    assert home.files() == []
    agent.hooks.clear()
    home.sync(agent)
    assert home.rows() == expected(agent.rows)


def test_control_characters_of_two_bytes_do_not_reach_a_terminal(agent, home):
    agent.hooks["status"] = lambda request, _: request.json(500, {"error": "a\u009b31mb", "detail": "пояснення"})
    error = home.sync(agent, check=1).stderr
    assert "\u009b" not in error and "a??31mb, пояснення" in error
