"""Who sync_client talks to, and who it shows itself to be."""

import shutil
import time

import pytest
import telehaul
from sync_home import ROWS, expected, on_terminal, times


# ---- who is there ----

@pytest.mark.parametrize("accept", ["no", "ask"])
def test_a_stranger_is_refused_and_told_nothing(agent, home, accept):
    done = home.sync(agent, accept=accept, check=4)
    assert agent.agent_id in done.stderr
    assert agent.requests == ["GET /auth/challenge"]
    assert not (home.folder / "known_hosts").exists()


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

    known = agent.certificate

    def change(request, default):
        """This connection is still of the known one; whoever connects from now on meets another."""
        agent.new_certificate()
        other.append(agent.agent_id)
        agent.certificate = known
        request.close_connection = True
        default()

    other = []
    agent.hooks["auth"] = change
    done = home.sync(agent, check=4)
    assert agent.requests[-1] == "POST /auth" and len(agent.tokens) == 2  # it was let in, and did not use it
    assert agent.agent_id in done.stderr and other[0] in done.stderr


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
    assert time.monotonic() - began < 91  # what waiting takes at least
    assert agent.requests.count("POST /auth") == 1


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
