"""sync_client against an agent of the tests' own that can misbehave: what comes home is whole, comes once, and comes
from the right machine."""

import concurrent.futures
import contextlib
import fcntl
import gzip
import hashlib
import json
import os
import pathlib
import pty
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import threading
import time

import pytest

import telehaul
from fake_agent import FakeAgent, line, make_readings, time_text
from telehaul import wait_until

ROWS = 5000


class Home:
    """A --data-storage of its own."""

    def __init__(self, folder, keys):
        self.folder = pathlib.Path(folder)
        self.keys = keys

    def arguments(self, agent, client_id="m1"):
        return ["--host", "127.0.0.1", "--port", agent.port, "--client-id", client_id, "--key", self.keys.private_file,
                "--data-storage", self.folder]

    def sync(self, agent, *more, check=True, client_id="m1", accept="yes", env=None):
        done = telehaul.run("sync_client", *self.arguments(agent, client_id), "--accept-new-host", accept, "--json",
                            *more, check=check, env=env)
        if done.returncode == 0:
            done.result = json.loads(done.stdout)
        else:
            assert done.stdout == ""
        return done

    def query(self, sql, *values, db=None):
        with contextlib.closing(sqlite3.connect(f"file:{db or self.folder / 'central.db'}?mode=ro", uri=True)) as base:
            return base.execute(sql, values).fetchall()

    def rows(self, client_id="m1", db=None):
        return self.query("select m.time_us, c.name, m.value from measurements m join channel_config c using (vehicle_id, "
                          "channel_id) join vehicles v using (vehicle_id) where v.client_id = ? order by 1, 2",
                          client_id, db=db)

    def cursor(self, store_id):
        return self.query("select seq from sync_cursor where store_id = ?", store_id)

    def files(self, client_id="m1"):
        folder = self.folder / client_id
        return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.exists() else []

    def archives(self, client_id="m1"):
        return [self.folder / client_id / name for name in self.files(client_id) if name.endswith(".gz")]

    def archived_lines(self):
        """Of all archives, in the order in which they were made."""
        made = sorted(self.archives(), key=lambda path: json.loads(path.with_suffix(".json").read_text())["first_seq"])
        return "".join(gzip.decompress(path.read_bytes()).decode() for path in made)


def expected(rows):
    return sorted((time_us, channel, value) for _, time_us, channel, value in rows)


@pytest.fixture
def home(tmp_path, keys):
    return Home(tmp_path / "home", keys)


@pytest.fixture
def make_agent(tmp_path, keys):
    agents = []

    def make(rows=None, **more):
        agent = FakeAgent(tmp_path, more.pop("keys", keys), make_readings(ROWS) if rows is None else rows, **more)
        agents.append(agent)
        return agent

    yield make
    for agent in agents:
        agent.close()


@pytest.fixture
def agent(make_agent):
    return make_agent()


# ---- a session that goes well ----

def test_everything_comes_home(agent, home):
    done = home.sync(agent)
    result = done.result
    assert home.rows() == expected(agent.rows)
    assert home.archived_lines() == "".join(map(line, agent.rows))
    [archive] = home.archives()
    assert re.fullmatch(r"\d{8}T\d{6}Z\.gz", archive.name)
    facts = json.loads(archive.with_suffix(".json").read_text())
    assert facts["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()
    assert {name: facts[name] for name in ("client_id", "agent_id", "store_id", "stream", "after", "first_seq", "last_seq",
                                           "count", "bytes", "period_start", "period_end")} == {
        "client_id": "m1", "agent_id": agent.agent_id, "store_id": agent.store_id, "stream": "readings", "after": 0,
        "first_seq": 1, "last_seq": ROWS, "count": ROWS, "bytes": archive.stat().st_size,
        "period_start": time_text(agent.rows[0][1]), "period_end": time_text(agent.rows[-1][1])}
    assert "since" not in facts
    assert {name: result[name] for name in ("client_id", "agent_id", "store_id", "records", "bytes", "archives", "imported",
                                            "added", "channels", "first_seq", "last_seq", "software_version")} == {
        "client_id": "m1", "agent_id": agent.agent_id, "store_id": agent.store_id, "records": ROWS,
        "bytes": archive.stat().st_size, "archives": [str(archive)], "imported": ROWS, "added": ROWS, "channels": 5,
        "first_seq": 1, "last_seq": ROWS, "software_version": "1.0.0"}
    assert result["seconds"] > 0 and result["rate"] > 0
    assert (home.folder / "known_hosts").read_text() == f"127.0.0.1:{agent.port} {agent.agent_id}\n"
    assert home.query("select client_id, host, agent_port, agent_id, software_version, sync_status from vehicles") == [
        ("m1", "127.0.0.1", agent.port, agent.agent_id, "1.0.0", "ok")]
    assert home.query("select status, rows_written, bytes from sync_journal") == [("ok", ROWS, archive.stat().st_size)]
    assert home.files() == sorted([archive.name, archive.with_suffix(".json").name])


def test_only_what_is_new_comes_next_time(agent, home):
    home.sync(agent)
    again = home.sync(agent).result
    assert (again["records"], again["archives"], again["first_seq"], again["last_seq"]) == (0, [], None, ROWS)
    agent.rows += make_readings(10, ROWS + 1)
    more = home.sync(agent).result
    assert (more["records"], more["added"], more["first_seq"], more["last_seq"]) == (10, 10, ROWS + 1, ROWS + 10)
    assert home.rows() == expected(agent.rows)
    assert home.archived_lines() == "".join(map(line, agent.rows))


def test_people_read_what_came(agent, home):
    done = telehaul.run("sync_client", *home.arguments(agent), "--accept-new-host", "yes")
    assert "m1: 5,000 readings came home" in done.stdout
    assert "5 channels" in done.stdout and "central.db" in done.stdout and "bytes a reading" in done.stdout
    assert agent.agent_id in done.stderr
    done = telehaul.run("sync_client", *home.arguments(agent), "--quiet")
    assert "nothing new" in done.stdout and done.stderr == ""


def test_plain_auth_signs_the_time(agent, home):
    agent.hooks["challenge"] = lambda request, default: request.json(404, {"error": "not_found"})
    refused = home.sync(agent, check=1)
    assert "--plain-auth" in refused.stderr
    assert home.sync(agent, "--plain-auth").result["records"] == ROWS


def test_plain_auth_waits_for_a_second_of_its_own(agent, home):
    seen = set()

    def once(request, default):
        timestamp = json.loads(request.body)["timestamp"]
        if timestamp in seen:
            return request.json(401, {"error": "replayed signature"})
        seen.add(timestamp)
        return default()

    agent.hooks["auth"] = once
    for _ in range(2):
        home.sync(agent, "--plain-auth")
    assert len(seen) == 2


def test_since_leaves_the_cursor(agent, home):
    since = time_text(agent.rows[3999][1])
    result = home.sync(agent, "--since", since).result
    assert (result["records"], result["first_seq"], result["last_seq"]) == (1000, 4001, 0)
    assert home.rows() == expected(agent.rows[4000:])
    facts = json.loads(home.archives()[0].with_suffix(".json").read_text())
    assert facts["since"] == since and "after" not in facts
    assert home.sync(agent).result["added"] == 4000
    assert home.rows() == expected(agent.rows)
    again = home.sync(agent, "--since", since).result
    assert (again["records"], again["added"], again["last_seq"]) == (1000, 0, ROWS)


def test_archives_of_one_second_get_a_number(agent, home):
    for _ in range(4):
        home.sync(agent, "--since", time_text(agent.rows[-2][1]))
    names = [path.name.removesuffix(".gz") for path in home.archives()]
    assert len(set(names)) == 4
    assert all(re.fullmatch(r"\d{8}T\d{6}Z(-[2-4])?", name) for name in names)
    assert any(name.endswith("-2") for name in names)


def test_without_a_database_the_archives_are_the_cursor(agent, home):
    assert home.sync(agent, "--db", "none").result["last_seq"] == ROWS
    assert home.sync(agent, "--db", "none").result["records"] == 0
    home.sync(agent, "--db", "none", "--since", time_text(agent.rows[10][1]))
    agent.rows += make_readings(10, ROWS + 1)
    result = home.sync(agent, "--db", "none").result
    assert (result["records"], result["database"], result["channels"]) == (10, None, None)
    assert not (home.folder / "central.db").exists()


def test_without_a_database_a_clock_that_was_ahead_costs_nothing(agent, home):
    home.sync(agent, "--db", "none")
    for path in home.folder.joinpath("m1").glob("2*"):
        path.rename(path.with_name("20991231T000000Z" + path.suffix))
    agent.rows += make_readings(10, ROWS + 1)
    assert home.sync(agent, "--db", "none").result["records"] == 10
    assert home.sync(agent, "--db", "none").result["records"] == 0


def test_without_a_database_a_damaged_json_is_left_out(agent, home):
    home.sync(agent, "--db", "none")
    home.archives()[0].with_suffix(".json").write_text("{")
    done = home.sync(agent, "--db", "none")
    assert "left out" in done.stderr
    assert done.result["records"] == ROWS


def test_a_machine_that_measured_nothing_yet(make_agent, home):
    agent = make_agent([])
    assert home.sync(agent).result["records"] == 0
    agent.hooks["status"] = lambda request, default: request.json(
        200, {"version": "1.0.0", "store_id": None, "next_seq": None})
    result = home.sync(agent).result
    assert (result["records"], result["store_id"]) == (0, None)
    assert home.files() == []


# ---- who is there ----

@pytest.mark.parametrize("accept", ["no", "ask"])
def test_a_stranger_is_refused_and_told_nothing(agent, home, accept):
    done = home.sync(agent, accept=accept, check=4)
    assert agent.agent_id in done.stderr
    assert agent.requests == ["GET /auth/challenge"]
    assert not (home.folder / "known_hosts").exists()


def on_terminal(arguments, typed=b"", env=None):
    """Runs with a terminal for all three; returns the exit code and what was shown."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(arguments[0], arguments, {**os.environ, **(env or {})})
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65536):
            shown += piece
            if typed and b"(yes/no)?" in shown:
                os.write(terminal, typed)
                typed = b""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


@pytest.mark.parametrize("typed, code", [(b"yes\n", 0), (b"no\n", 4), (b"y\n", 4)])
def test_a_person_is_asked(agent, home, typed, code):
    arguments = [str(telehaul.BIN / "sync_client"), *map(str, home.arguments(agent))]
    exit_code, shown = on_terminal(arguments, typed)
    assert exit_code == code, shown
    assert agent.agent_id in shown
    assert (home.folder / "known_hosts").exists() == (code == 0)


def test_the_fingerprint_is_told(agent, home):
    other = "ab" * 32
    done = home.sync(agent, "--fingerprint", other, accept="no", check=4)
    assert other in done.stderr and agent.agent_id in done.stderr
    assert agent.requests == ["GET /auth/challenge"]
    assert home.sync(agent, "--fingerprint", agent.agent_id.upper(), accept="no").result["records"] == ROWS
    assert home.sync(agent, accept="no").result["records"] == 0


def test_a_changed_key_is_refused_before_anything_is_sent(agent, home):
    home.sync(agent)
    old = agent.agent_id
    agent.new_certificate()
    agent.requests.clear()
    done = home.sync(agent, check=4)
    assert old in done.stderr and agent.agent_id in done.stderr
    assert agent.requests == []
    assert home.sync(agent, "--fingerprint", agent.agent_id).result["records"] == 0
    assert home.sync(agent, accept="no").result["records"] == 0
    assert (home.folder / "known_hosts").read_text() == f"127.0.0.1:{agent.port} {agent.agent_id}\n"


def test_a_key_that_changes_within_a_session_is_refused(agent, home):
    home.sync(agent)

    def change(request, default):
        agent.new_certificate()
        request.close_connection = True
        default()

    agent.hooks["auth"] = change
    home.sync(agent, check=4)
    assert agent.requests[-1] == "POST /auth"


def test_a_relayed_challenge_is_not_signed(agent, make_agent, home):
    other = make_agent()
    agent.hooks["challenge"] = lambda request, default: other.challenge(request)
    done = home.sync(agent, check=4)
    assert other.agent_id in done.stderr
    assert "POST /auth" not in agent.requests


CHALLENGES = {"31 bytes": "A" * 40 + "AA==", "33 bytes": "A" * 44, "empty": "", "no base64": "!" * 44, "blanks": "A" * 43 + " ",
              "a text to sign": "telehaul-update-v1", "4 KiB": "A" * 4096}


@pytest.mark.parametrize("kind", CHALLENGES)
def test_only_32_bytes_are_signed(agent, home, kind):
    agent.hooks["challenge"] = lambda request, default: request.json(
        200, {"challenge": CHALLENGES[kind], "agent_id": agent.agent_id, "expires_in": 60})
    home.sync(agent, check=1)
    assert "POST /auth" not in agent.requests


# ---- who we are ----

def test_a_key_that_is_not_trusted(agent, home, other_keys):
    done = home.sync(agent, "--key", other_keys.private_file, check=4)
    assert "invalid signature" in done.stderr and "AUTH_PUBLIC_KEY_FILE" in done.stderr
    assert home.query("select sync_status from vehicles") == [("error",)]


def test_keys_that_cannot_be_used(agent, home, tmp_path, keys):
    assert "keytool" in home.sync(agent, "--key", tmp_path / "none.pem", check=1).stderr
    (tmp_path / "words.pem").write_text("words")
    (tmp_path / "words.pem").chmod(0o600)
    home.sync(agent, "--key", tmp_path / "words.pem", check=5)
    shutil.copy(keys.private_file, tmp_path / "open.pem")
    (tmp_path / "open.pem").chmod(0o644)
    assert "chmod 600" in home.sync(agent, "--key", tmp_path / "open.pem", check=4).stderr
    assert agent.requests == []


def test_the_key_of_the_environment(agent, home):
    arguments = ["--host", "127.0.0.1", "--port", agent.port, "--data-storage", home.folder, "--accept-new-host", "yes"]
    telehaul.run("sync_client", *arguments, env={"TELEHAUL_KEY": str(home.keys.private_file)})
    assert home.rows("127.0.0.1") == expected(agent.rows)


def times(count, first, then=None):
    """A hook that answers `first` so many times."""
    left = [count]

    def hook(request, default):
        if left[0] == 0:
            return then(request, default) if then else default()
        left[0] -= 1
        return first(request, default)

    return hook


def test_429_is_waited_out_aloud(agent, home):
    agent.hooks["auth"] = times(1, lambda request, _: request.json(429, {"error": "too_many"}, {"Retry-After": 1}))
    done = home.sync(agent)
    assert done.result["records"] == ROWS
    assert "waiting 1 s" in done.stderr
    assert agent.requests.count("POST /auth") == 2


def test_429_for_too_long_is_given_up_at_once(agent, home):
    agent.hooks["auth"] = lambda request, _: request.json(429, {"error": "too_many"}, {"Retry-After": 91})
    began = time.monotonic()
    assert "91 s" in home.sync(agent, check=1).stderr
    assert time.monotonic() - began < 20


def test_an_expired_token_is_renewed(agent, home):
    def expire(request, default):
        agent.tokens.clear()
        request.json(401, {"error": "unauthorized"})

    agent.hooks["export"] = times(1, expire)
    assert home.sync(agent).result["records"] == ROWS
    agent.hooks["export"] = expire
    home.sync(agent, check=4)


def test_no_token_is_good_enough(agent, home):
    agent.hooks["status"] = lambda request, _: request.json(401, {"error": "unauthorized"})
    home.sync(agent, check=4)


# ---- what comes is not what it should be ----

def edit(agent, change_headers=None, change_body=None):
    """An export with other headers or another body than it should have."""
    def hook(request, _):
        rows = agent.select(request.query)
        headers = agent.headers_of(rows)
        (change_headers or (lambda h: None))(headers)
        body = gzip.compress("".join(map(line, rows)).encode(), 1)
        request.stream(headers, (change_body or (lambda b: b))(body))
    return hook


def flip(body, at):
    return body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1:]


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


def endless_lines(agent, sent):
    """An export that says what there is and then never ends."""
    def hook(request, _):
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


# ---- links that break ----

def test_an_answer_cut_off_in_its_headers_is_a_break(agent, home):
    def cut(request, _):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\nX-Store")
        request.wfile.flush()
        request.close_connection = True
        request.connection.unwrap()  # with a polite goodbye

    agent.hooks["export"] = times(1, cut)
    assert home.sync(agent).result["records"] == ROWS


def positions(size):
    return sorted({0, 1, 9, 10, 11, 100, size // 4, size // 2, size - 16384, size - 9, size - 8, size - 1, size})


def test_a_break_at_any_byte_brings_everything_once(make_agent, keys, tmp_path):
    size = len(gzip.compress("".join(map(line, make_readings(ROWS))).encode(), 1))

    def one(cut):
        agent = make_agent()
        home = Home(tmp_path / f"home-{cut}", keys)
        agent.breaks = [cut]
        result = home.sync(agent).result
        assert home.rows() == expected(agent.rows), cut
        assert home.archived_lines() == "".join(map(line, agent.rows)), cut
        assert (result["records"], result["added"], result["last_seq"]) == (ROWS, ROWS, ROWS), cut
        assert not [name for name in home.files() if name.endswith(".part")]
        return len(result["archives"])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        archives = list(pool.map(one, positions(size)))
    # a thousand at first, then twice as many each time
    assert max(archives) > 1


def test_a_link_that_breaks_again_and_again(make_agent, home):
    agent = make_agent(make_readings(20000))
    agent.breaks = [20000, 10, None, 30000, None]
    result = home.sync(agent).result
    assert home.rows() == expected(agent.rows)
    assert home.archived_lines() == "".join(map(line, agent.rows))
    assert len(result["archives"]) > 1


def test_what_came_stays_when_the_link_is_given_up(make_agent, home):
    agent = make_agent(make_readings(20000))
    agent.breaks = [10, None] + [10] * 5
    done = home.sync(agent, check=3)
    assert "given up after 5 attempts" in done.stderr
    assert home.rows() == expected(agent.rows[:1000])
    assert home.cursor(agent.store_id) == [(1000,)]
    assert home.query("select status from sync_journal") == [("timeout",)]
    assert home.sync(agent).result["records"] == 19000
    assert home.rows() == expected(agent.rows)


def slow(request, _):
    with contextlib.suppress(OSError):
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.flush()
        while True:
            request.wfile.write(b"{")
            request.wfile.flush()
            time.sleep(0.2)  # the slowness itself, not a wait for something


def test_below_the_floor_of_progress(agent, home):
    home.sync(agent)
    agent.hooks["status"] = slow
    began = time.monotonic()
    home.sync(agent, "--floor-seconds", "1", check=3)
    assert time.monotonic() - began < 15


def test_a_slow_export_is_dropped_and_asked_for_again(agent, home):
    def crawl(request, _):
        rows = agent.select(request.query)
        request.send_response(200)
        for name, value in {**agent.headers_of(rows), "Transfer-Encoding": "chunked"}.items():
            request.send_header(name, str(value))
        request.end_headers()
        with contextlib.suppress(OSError):
            for byte in gzip.compress("".join(map(line, rows)).encode(), 1):
                request.chunk(bytes([byte]))
                time.sleep(0.2)  # the slowness itself

    agent.hooks["export"] = times(1, crawl)
    done = home.sync(agent, "--floor-seconds", "1")
    assert "too slow" in done.stderr and "trying again" in done.stderr
    assert home.rows() == expected(agent.rows)


def test_nobody_is_there(home, agent, tmp_path, keys):
    gone = telehaul.free_port()
    done = telehaul.run("sync_client", "--host", "127.0.0.1", "--port", gone, "--client-id", "m1", "--key", keys.private_file,
                        "--data-storage", home.folder, check=3)
    assert f"127.0.0.1:{gone}" in done.stderr
    assert home.query("select sync_status from vehicles") == [("timeout",)]
    telehaul.run("sync_client", "--host", "does-not-exist.invalid", "--key", keys.private_file, "--data-storage", home.folder,
                 check=3)


def test_plain_http_is_not_spoken(make_agent, home):
    agent = make_agent(tls=False)
    home.sync(agent, check=3)
    assert agent.requests == []


# ---- stores that change ----

def test_a_new_store_is_fetched_from_its_beginning(agent, home):
    home.sync(agent)
    agent.store_id = "22222222-2222-4222-8222-222222222222"
    agent.rows = [(seq, time_us + 10**12, channel, value) for seq, time_us, channel, value in make_readings(100)]
    result = home.sync(agent).result
    assert (result["records"], result["last_seq"], result["store_id"]) == (100, 100, agent.store_id)


def test_a_store_that_changes_within_a_session(agent, home):
    def change(request, default):
        agent.store_id = "33333333-3333-4333-8333-333333333333"
        agent.rows = make_readings(100)
        default()

    agent.hooks["export"] = times(1, change)
    result = home.sync(agent).result
    assert (result["records"], result["store_id"]) == (100, agent.store_id)
    counter = iter(range(100))

    def change_always(request, _):
        agent.store_id = f"44444444-4444-4444-8444-{next(counter):012d}"
        request.json(409, {"error": "store_changed"})

    agent.hooks["export"] = change_always
    home.sync(agent, check=1)


# ---- crashes ----

def test_an_archive_that_was_not_imported_is_imported_next_time(agent, home):
    home.sync(agent, "--db", "none")
    agent.rows += make_readings(10, ROWS + 1)
    done = home.sync(agent)
    assert done.result["records"] == 10
    assert done.result["imported"] == ROWS + 10
    assert home.rows() == expected(agent.rows)
    assert home.sync(agent).result["imported"] == 0


def test_a_damaged_archive_is_fetched_again(agent, home):
    home.sync(agent, "--db", "none")
    [archive] = home.archives()
    archive.write_bytes(flip(archive.read_bytes(), 1000))
    done = home.sync(agent)
    assert archive.name in done.stderr
    assert done.result["records"] == ROWS
    assert home.rows() == expected(agent.rows)


def test_what_was_left_unfinished_is_removed(agent, home):
    folder = home.folder / "m1"
    folder.mkdir(parents=True)
    for name in ("20260101T000000Z.gz.part", ".20260101T000000Z.json.tmp"):
        (folder / name).write_text("half")
    (folder / "notes.txt").write_text("mine")
    home.sync(agent)
    assert [name for name in home.files() if "20260101" in name] == []
    assert "notes.txt" in home.files()


def test_an_archive_without_its_json_does_not_count(agent, home):
    home.sync(agent, "--db", "none")
    home.archives()[0].with_suffix(".json").unlink()
    assert home.sync(agent, "--db", "none").result["records"] == ROWS


def test_killed_at_any_moment_nothing_is_lost_or_doubled(make_agent, home):
    agent = make_agent(make_readings(60000))
    arguments = [str(telehaul.BIN / "sync_client"), *map(str, home.arguments(agent)), "--accept-new-host", "yes", "--quiet"]
    for wait_ms in (5, 20, 40, 80, 120, 160, 200, 300):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_ms / 1000)  # a moment to be killed in
        process.kill()
        process.wait()
    home.sync(agent)
    assert home.rows() == expected(agent.rows)
    assert len(home.archived_lines()) >= len("".join(map(line, agent.rows)))
    assert not [name for name in home.files() if name.endswith((".part", ".tmp"))]


def test_two_for_one_client_do_not_run_together(agent, home):
    (home.folder / "m1").mkdir(parents=True)
    with open(home.folder / "m1" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another sync_client" in home.sync(agent, check=1).stderr
        assert home.sync(agent, client_id="m2").result["records"] == ROWS
    assert home.sync(agent).result["records"] == ROWS


def test_a_full_disk_leaves_nothing_behind(make_agent, home):
    agent = make_agent(make_readings(60000))

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    arguments = [str(telehaul.BIN / "sync_client"), *map(str, home.arguments(agent)), "--accept-new-host", "yes", "--db", "none"]
    done = subprocess.run(arguments, preexec_fn=small_files, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1, done.stderr
    assert "archive" in done.stderr
    assert home.files() == []
    assert agent.requests.count("GET /data/export") == 1  # the link is not to blame: no further attempts


# ---- import ----

def test_import_changes_nothing_the_second_time(agent, home, tmp_path):
    home.sync(agent, "--db", "none")
    [archive] = home.archives()
    base = tmp_path / "other.db"
    first = json.loads(telehaul.run("sync_client", "import", archive, "--db", base, "--json").stdout)
    assert (first["imported"], first["added"]) == (ROWS, ROWS)
    again = json.loads(telehaul.run("sync_client", "import", archive, archive, "--db", base, "--json").stdout)
    assert (again["files"], again["imported"], again["added"]) == (2, 2 * ROWS, 0)
    assert home.rows(db=base) == expected(agent.rows)
    telehaul.run("sync_client", "import", archive, "--db", base, "--client-id", "m9")
    assert home.rows("m9", db=base) == expected(agent.rows)


def test_import_over_a_gap_leaves_the_cursor(agent, home):
    home.sync(agent, "--db", "none")
    agent.rows += make_readings(10, ROWS + 1)
    later = home.sync(agent, "--db", "none").result["archives"][0]
    shutil.move(later, home.folder / "later.gz")
    shutil.move(later.replace(".gz", ".json"), home.folder / "later.json")
    for path in home.archives():
        path.unlink()
        path.with_suffix(".json").unlink()
    telehaul.run("sync_client", "import", home.folder / "later.gz", "--data-storage", home.folder)
    assert home.rows() == expected(agent.rows[-10:])
    assert home.sync(agent).result["records"] == ROWS + 10
    assert home.rows() == expected(agent.rows)


def test_import_of_what_is_no_archive(tmp_path):
    words = tmp_path / "words.gz"
    words.write_text("words")
    base = tmp_path / "central.db"
    telehaul.run("sync_client", "import", words, "--db", base, "--client-id", "m1", check=5)
    telehaul.run("sync_client", "import", tmp_path / "none.gz", "--db", base, "--client-id", "m1", check=1)


# ---- the command line ----

@pytest.mark.parametrize("arguments", [
    [], ["--host"], ["--host", "h", "--port", "0"], ["--host", "h", "--port", "65536"], ["--host", "h", "--client-id", "a/b"],
    ["--host", "h", "--client-id", ".."], ["--host", "::1"], ["--host", "h", "--since", "yesterday"],
    ["--host", "h", "--fingerprint", "abc"], ["--host", "h", "--accept-new-host", "maybe"], ["--host", "h", "words"],
    ["--host", "h", "--no-such-option"], ["import"], ["import", "f", "--host", "h"], ["import", "f", "--db", "none"],
    ["--host", "h", "--floor-seconds", "0"]])
def test_wrong_usage(arguments, tmp_path):
    done = telehaul.run("sync_client", *arguments, cwd=tmp_path, check=2)
    assert done.stdout == "" and done.stderr
    assert list(tmp_path.iterdir()) == []


def test_help_and_version():
    assert "--accept-new-host" in telehaul.run("sync_client", "--help").stdout
    assert telehaul.run("sync_client", "--version").stdout.strip()


def test_a_damaged_known_hosts_file_is_not_ignored(agent, home):
    home.folder.mkdir()
    (home.folder / "known_hosts").write_text(f"# machines\n127.0.0.1:{agent.port} abc\n")
    assert "known_hosts:2" in home.sync(agent, check=1).stderr
    assert agent.requests == []


def test_a_bar_on_a_terminal_alone(make_agent, home):
    agent = make_agent(make_readings(30000))
    gate = threading.Event()

    def in_two_pieces(request, default):
        rows = agent.select(request.query)
        body = gzip.compress("".join(map(line, rows)).encode(), 1)
        request.send_response(200)
        for name, value in {**agent.headers_of(rows), "Transfer-Encoding": "chunked"}.items():
            request.send_header(name, str(value))
        request.end_headers()
        half = len(body) // 2
        for at in range(0, half, 4096):
            request.chunk(body[at:min(at + 4096, half)])
            gate.wait(0.02)  # so that there is a while to draw in
        request.chunk(body[half:])
        request.wfile.write(b"0\r\n\r\n")

    agent.hooks["export"] = in_two_pieces
    program = str(telehaul.BIN / "sync_client")
    arguments = [program, *map(str, home.arguments(agent)), "--accept-new-host", "yes", "--db", "none"]
    for number, (more, env, bar) in enumerate([([], {"NO_COLOR": ""}, True), ([], {"NO_COLOR": "1"}, False),
                                               (["--quiet"], {}, False)]):
        options = ["--data-storage", str(home.folder / str(number)), *more]
        code, shown = on_terminal(arguments + options, env=env)
        assert code == 0, shown
        assert ("receiving [" in shown) == bar
        assert "\x1b[3" not in shown  # no colours


# ---- the real agent ----

@pytest.fixture
def machine(make_root):
    if not (telehaul.BIN / "agent").exists() or not (telehaul.BIN / "collector").exists():
        pytest.skip("agent and collector are not built")
    root = make_root()
    root.start_collector()
    root.start_agent()
    return root


@pytest.mark.parametrize("form", [[], ["--plain-auth"]])
def test_the_real_agent(machine, home, form):
    machine.port = machine.agent_port
    if form:
        machine.config({"AUTH_TIMESTAMP": "yes"})
    wait_until(lambda: machine.readings() > 100, "a hundred readings")
    first = home.sync(machine, *form).result
    assert first["records"] > 100 and first["software_version"] == "1.0.0"
    wait_until(lambda: machine.query("select max(seq) from readings")[0][0] > first["last_seq"], "more readings")
    second = home.sync(machine, *form).result
    assert second["first_seq"] > first["last_seq"]
    store = machine.query("select r.time_us, c.name, r.value from readings r join channels c using (channel_id) "
                          "where r.seq <= ? order by 1, 2", second["last_seq"])
    assert home.rows() == store
