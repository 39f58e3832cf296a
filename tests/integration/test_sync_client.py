"""A session of sync_client that goes well, its command line, and the real agent."""

import gzip
import json
import re
import threading
import time

import pytest
import telehaul
from fake_agent import line, make_readings, time_text
from sync_home import ROWS, expected, on_terminal
from telehaul import wait_until


# ---- a session that goes well ----

def test_everything_comes_home(agent, home):
    done = home.sync(agent)
    result = done.result
    assert home.rows() == expected(agent.rows)
    assert home.archived_lines() == "".join(map(line, agent.rows))
    [archive] = home.archives()
    assert re.fullmatch(r"\d{8}T\d{6}Z\.gz", archive.name)
    facts = home.about(archive)
    assert {name: facts[name] for name in ("client_id", "agent_id", "store_id", "stream", "after", "first_seq", "last_seq",
                                           "count", "bytes", "period_start", "period_end", "format")} == {
        "client_id": "m1", "agent_id": agent.agent_id, "store_id": agent.store_id, "stream": "readings", "after": 0,
        "first_seq": 1, "last_seq": ROWS, "count": ROWS, "bytes": archive.stat().st_size,
        "period_start": time_text(agent.rows[0][1]), "period_end": time_text(agent.rows[-1][1]), "format": "gzip"}
    # an agent that says nothing of other streams and formats
    assert not {"since", "alarms", "channels"} & facts.keys()
    assert agent.asked == [{"after": "0", "store": agent.store_id, "accept": "application/gzip"}]
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


@pytest.mark.parametrize("taken, number", [([""], "-2"), (["", "-2"], "-3")])
def test_archives_of_one_second_get_a_number(agent, home, taken, number):
    """Whatever second it will be by then: each of the next ten minutes has its archives already."""
    (home.folder / "m1").mkdir(parents=True)
    began = time.time()
    for second in range(600):
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(began + second))
        for other in taken:
            (home.folder / "m1" / f"{stamp}{other}.json").write_text("{")
    home.sync(agent)
    [archive] = home.archives()
    assert re.fullmatch(r"\d{8}T\d{6}Z" + number + r"\.gz", archive.name)
    assert home.rows() == expected(agent.rows)


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
    drawn = threading.Event()
    piece_bytes = 4096

    def in_two_pieces(request, default):
        rows = agent.select(request.query)
        body = gzip.compress("".join(map(line, rows)).encode(), 1)
        request.send_response(200)
        for name, value in {**agent.headers_of(rows), "Transfer-Encoding": "chunked"}.items():
            request.send_header(name, str(value))
        request.end_headers()
        half = len(body) // 2
        for at in range(0, half, piece_bytes):
            request.chunk(body[at:min(at + piece_bytes, half)])
            drawn.wait(0.02)  # so that there is a while to draw in
        request.chunk(body[half:])
        request.wfile.write(b"0\r\n\r\n")

    agent.hooks["export"] = in_two_pieces
    program = str(telehaul.BIN / "sync_client")
    arguments = [program, *map(str, home.arguments(agent)), "--accept-new-host", "yes", "--db", "none"]
    for number, (more, env, bar) in enumerate([([], {"NO_COLOR": ""}, True), ([], {"NO_COLOR": "1"}, False),
                                               (["--quiet"], {}, False)]):
        options = ["--data-storage", str(home.folder / str(number)), *more]
        piece_bytes = 64 if bar else 4096  # where one is to come, the second half waits for it
        drawn.clear()
        code, shown = on_terminal(arguments + options, env=env, look=lambda text: b"receiving [" in text and drawn.set())
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
