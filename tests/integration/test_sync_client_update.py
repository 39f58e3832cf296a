"""sync_client --update ZIP: against an agent that misbehaves, and against a real one."""

import json
import os
import re
import time

import pytest
import telehaul
from agent_root import Machine
from packages import Package
from sync_home import ROWS, on_terminal
from update_client import Queue, signature_in

MIB = 1024 * 1024
REFUSED, USAGE, DENIED, BAD_INPUT = 1, 2, 4, 5


@pytest.fixture
def package(tmp_path, keys):
    return Package(keys).write(tmp_path / "update_v1.2.0.zip")


@pytest.fixture
def big(tmp_path, keys):
    made = Package(keys, files={"share/big": os.urandom(24 * MIB)})
    made.method = 0
    return made.write(tmp_path / "big.zip")


def deliver(home, agent, package, *more, check=0, json_too=True):
    """stdout is the result also when something failed."""
    done = telehaul.run("sync_client", *home.arguments(agent), "--accept-new-host", "yes", "--update", package,
                        *["--json"] * json_too, *more, check=check)
    if json_too:
        done.result = json.loads(done.stdout) if done.stdout else None
    return done


def answers(status, value):
    return lambda request, default: request.json(status, value)


def refuses_at_once(status, value):
    """Before it has seen a byte of the body."""
    def hook(request):
        request.json(status, value, {"Connection": "close"})
        return False
    return hook


# ---- delivered ----

def test_it_is_delivered_after_the_export(home, agent, package):
    began = time.monotonic()
    done = deliver(home, agent, package)
    took_s = time.monotonic() - began
    [(headers, body)] = agent.updates
    assert body == package.read_bytes()
    assert headers["X-Update-Version"] == "1.2.0"
    assert headers["X-Manifest-Signature"] == signature_in(body)
    assert (headers["Expect"], headers["Content-Length"]) == ("100-continue", str(len(body)))
    asked = [request for request in agent.requests if request != "GET /status"]
    assert asked[-4:] == ["GET /auth/challenge", "POST /auth", "GET /data/export", "POST /update"]
    update = done.result["update"]
    assert 0 < update.pop("sending_seconds") <= update.pop("seconds") < took_s
    assert update == {"outcome": "queued", "version": "1.2.0", "file": str(package), "bytes": len(body), "status": "queued",
                      "reason": None, "detail": None}
    assert (done.result["exported"], done.result["records"]) == (True, ROWS)


def test_what_happens_next_is_said(home, agent, package):
    text = deliver(home, agent, package, json_too=False).stdout
    assert re.search(r"update +1\.2\.0 is delivered", text)
    assert "waits for the operator's approval at the machine's page" in text


def test_without_it_the_result_says_so(home, agent):
    assert home.sync(agent).result["update"] is None
    assert "POST /update" not in agent.requests


def test_a_real_machine_queues_it(tmp_path, keys, home, big):
    machine = Machine(tmp_path / "root", keys, rows=100)
    machine.port = machine.root.agent_port
    try:
        assert deliver(home, machine, big).result["update"]["outcome"] == "queued"
        queue = Queue(machine.root.path)
        assert queue.names() == ["meta.json", "update_v1.2.0.zip"]
        assert (queue.folder / "update_v1.2.0.zip").read_bytes() == big.read_bytes()
        again = Package(keys, version="1.0.0").write(tmp_path / "again.zip")
        done = deliver(home, machine, again, check=REFUSED)
        assert done.result["update"]["status"] == "same_version"
    finally:
        machine.clear()


def test_a_machine_may_take_its_time_to_verify(home, agent, package):
    """Longer than it may be silent otherwise."""
    def verify(request, default):
        time.sleep(5)
        default()

    agent.hooks["update"] = verify
    assert deliver(home, agent, package, "--floor-seconds", 3).result["update"]["outcome"] == "queued"


# ---- a failed export ----

def fails(request, default):
    request.json(500, {"error": "internal"})


@pytest.mark.parametrize("call", ["export", "status"])
def test_a_failed_export_delivers_it_all_the_same(home, agent, package, call):
    agent.hooks[call] = fails
    done = deliver(home, agent, package, check=REFUSED)
    assert len(agent.updates) == 1
    assert (done.result["exported"], done.result["update"]["outcome"]) == (False, "queued")
    assert re.search(r"the export failed, the update goes all the same: .*500", done.stderr)


def test_a_database_that_is_away_delivers_it_all_the_same(home, agent, package):
    done = deliver(home, agent, package, "--db", f"postgresql://nobody@127.0.0.1:{telehaul.free_port()}/x", check=REFUSED)
    assert len(agent.updates) == 1
    assert (done.result["exported"], done.result["update"]["outcome"]) == (False, "queued")


def test_both_may_fail(home, agent, package):
    agent.hooks["export"] = fails
    agent.hooks["update"] = answers(507, {"status": "no_space", "detail": "full"})
    done = deliver(home, agent, package, check=REFUSED)
    assert "the export failed" in done.stderr and "(no_space)" in done.stderr


def test_without_a_log_in_nothing_is_delivered(home, agent, package, other_keys):
    done = deliver(home, agent, package, "--key", other_keys.private_file, check=DENIED)
    assert done.stdout == "" and "POST /update" not in agent.requests


# ---- refused ----

REFUSALS = {
    (409, "same_version", None): "runs this version already",
    (409, "older_version", None): "versions only go up",
    (409, "busy", None): "try again in some minutes",
    (503, "stopping", None): "being restarted",
    (400, "invalid_sig", None): "UPDATE_PUBLIC_KEY_FILE",
    (400, "bad_package", "wrong_product"): "for another product",
    (400, "bad_package", "min_version"): "one in between",
    (400, "bad_package", "expired"): "--expires",
    (400, "bad_package", "wrong_base"): "--base",
    (400, "bad_package", "bad_migration"): "migrations",
    (400, "bad_package", "a_word_of_tomorrow"): "publish inspect",
    (413, "too_large", None): "MAX_UPDATE_BYTES",
    (507, "no_space", None): "no room",
    (500, "internal", None): "agent's log",
}


@pytest.mark.parametrize("answer", REFUSALS, ids=str)
def test_a_refusal_says_what_to_do(home, agent, package, answer):
    status, word, reason = answer
    said = {"status": word, "detail": "as \u0007it is\u009b", **({"reason": reason} if reason else {})}
    agent.hooks["update"] = answers(status, said)
    done = deliver(home, agent, package, check=REFUSED)
    assert REFUSALS[answer] in done.stderr
    assert f"refused the update to 1.2.0 ({reason or word})" in done.stderr
    assert "as ?it is??" in done.stderr or "as ?it is?" in done.stderr
    update = done.result["update"]
    assert (update["outcome"], update["status"], update["reason"]) == ("refused", word, reason)


def test_a_refusal_at_once_costs_no_upload(home, agent, big):
    agent.hooks["expect"] = refuses_at_once(409, {"status": "older_version", "detail": "1.3.0 runs"})
    done = deliver(home, agent, big, check=REFUSED)
    assert "older_version" in done.stderr
    assert agent.updates == [] and "POST /update" not in agent.requests


@pytest.mark.parametrize("status, value", [(404, {"error": "not_found"}), (501, {"error": "not_implemented"}),
                                           (405, {"error": "method_not_allowed"})])
def test_an_older_agent_knows_no_updates(home, agent, package, status, value):
    agent.hooks["update"] = answers(status, value)
    done = deliver(home, agent, package, check=REFUSED)
    assert "takes no updates over the network" in done.stderr


@pytest.mark.parametrize("answer", [
    lambda request, _: request.raw(200, b"queued"),
    lambda request, _: request.raw(200, b"{}"),
    lambda request, _: request.json(200, {"status": "done"}),
    lambda request, _: request.raw(409, b"<html>"),
    lambda request, _: request.raw(302, b"", {"Location": "http://127.0.0.1/"}),
])
def test_only_queued_is_queued(home, agent, package, answer):
    agent.hooks["update"] = answer
    assert deliver(home, agent, package, check=REFUSED).result["update"]["outcome"] == "refused"


# ---- broken links, tokens, turns ----

def in_turn(*hooks):
    left = list(hooks)

    def hook(request, default):
        return left.pop(0)(request, default) if left else default()
    return hook


def cut(request, default):
    request.cut()


def test_a_broken_upload_is_begun_anew(home, agent, big):
    agent.hooks["update"] = in_turn(cut, answers(409, {"status": "busy"}))  # it has not noticed yet
    done = deliver(home, agent, big)
    assert done.result["update"]["outcome"] == "queued"
    assert agent.requests.count("POST /update") == 3
    assert [body for _, body in agent.updates] == [big.read_bytes()]
    assert "trying again in 1 s" in done.stderr and "trying again in 2 s" in done.stderr


def test_a_token_that_is_worth_nothing_any_more(home, agent, package):
    def forget(request, default):
        agent.tokens.clear()
        request.json(401, {"error": "invalid_token"})

    agent.hooks["update"] = in_turn(forget)
    assert deliver(home, agent, package).result["update"]["outcome"] == "queued"
    assert agent.requests.count("POST /auth") == 2


def test_it_waits_for_its_turn(home, agent, package):
    agent.hooks["update"] = in_turn(lambda request, _: request.json(503, {"error": "busy"}, {"Retry-After": "1"}))
    done = deliver(home, agent, package)
    assert done.result["update"]["outcome"] == "queued" and "waiting 1 s" in done.stderr


# ---- here ----

@pytest.mark.parametrize("spoil", [lambda content: content[:-1], lambda content: b"", lambda content: b"no zip" * 100,
                                   lambda content: content.replace(b'"version"', b'"Version"')])
def test_a_bad_package_is_not_sent(home, agent, tmp_path, package, spoil):
    path = tmp_path / "bad.zip"
    path.write_bytes(spoil(package.read_bytes()))
    if path.read_bytes() == package.read_bytes():  # its manifest is packed
        made = Package(home.keys)
        made.manifest["Version"] = made.manifest.pop("version")
        made.write(path)
    done = deliver(home, agent, path, check=BAD_INPUT)
    assert "is no good update" in done.stderr and str(path) in done.stderr
    assert agent.requests == [] and done.stdout == ""


def test_a_damaged_content_is_not_sent(home, agent, tmp_path, big):
    content = bytearray(big.read_bytes())
    content[10 * MIB] ^= 1
    big.write_bytes(content)
    deliver(home, agent, big, check=BAD_INPUT)
    assert agent.requests == []


def test_no_package_at_all(home, agent, tmp_path):
    done = deliver(home, agent, tmp_path / "none.zip", check=REFUSED)
    assert "none.zip" in done.stderr and agent.requests == []


@pytest.mark.parametrize("arguments, words", [
    (["--host", "x", "--update", "a.zip", "--support", "b"], "--update have no place"),
    (["--host", "x", "--update", ""], "--update: expected the name"),
    (["import", "a.gz", "--update", "b.zip"], "options of a session have no place"),
])
def test_where_it_has_no_place(arguments, words):
    assert words in telehaul.run("sync_client", *arguments, check=USAGE).stderr


# ---- the bar ----

def shown(home, agent, package, *more, env=None):
    code, text = on_terminal([str(telehaul.BIN / "sync_client"), *map(str, home.arguments(agent)), "--accept-new-host", "yes",
                              "--update", str(package), *more], env=env)
    assert code == 0, text
    return text


class Slow:
    """A body that is read a piece at a time, so that there is something to see."""

    def __init__(self, body):
        self.body = body

    def __getattr__(self, name):
        return getattr(self.body, name)

    def read(self, size):
        content = b""
        while len(content) < size:
            content += self.body.read(min(MIB, size - len(content)))
            time.sleep(0.03)
        return content


def test_a_bar_on_a_terminal(home, agent, big):
    def slowly(request):
        request.rfile = Slow(request.rfile)
        return True

    def verify(request, default):
        time.sleep(0.5)
        default()

    agent.hooks["expect"] = slowly
    agent.hooks["update"] = verify
    text = shown(home, agent, big)
    assert re.search(r"sending \[#* *\] +\d+%  [\d.]+ \w+ of 24\.0 MiB  [\d.]+ \w+/s", text)
    assert "the machine verifies it" in text


@pytest.mark.parametrize("more, env", [(["--quiet"], {}), ([], {"NO_COLOR": "1"})])
def test_no_bar_where_none_is_wanted(home, agent, big, more, env):
    assert "sending" not in shown(home, agent, big, *more, env=env)
