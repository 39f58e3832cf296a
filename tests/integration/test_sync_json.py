"""--json of sync_service: one object as the result of every command, whatever commands there are; and secrets that no list of
processes shows. Vehicles, people and packages are made up."""

import json
import re

import pytest
import telehaul
from docs_text import read, table
from fake_vehicle import FakeVehicle
from notice_world import mail  # noqa: F401  a fixture
from packages import Package
from sync_service import SyncService

VERSION = "1.2.0"


def commands():
    """Of the program's own table: {"once", "vehicle add", ...}."""
    rows = re.findall(r'\{"(\w+)", (?:"(\w+)"|NULL), \d+, \d+, [\w"]+, command_\w+\}',
                      read("server_tools/sync_service/commands.c"))
    assert len(rows) > 10 and len(rows) == read("server_tools/sync_service/commands.c").count(", command_")
    return {" ".join(filter(None, row)) for row in rows}


@pytest.fixture
def service(tmp_path, postgres):
    with SyncService(tmp_path, postgres, VEHICLE_DEFAULT_API_KEY="made-up-key") as service:
        yield service


@pytest.fixture
def vehicle():
    made = FakeVehicle()
    yield made
    made.close()


@pytest.fixture
def package(tmp_path):
    keys = telehaul.Keys(tmp_path, "update")
    return Package(keys, version=VERSION).write(tmp_path / "update_v1.2.0.zip"), keys.public_file


def story(vehicle, package, public_key):
    """(words, what of the result is known): each command at least once, so that each has something to say."""
    rule = {"rule_id": 1, "user": "a@example.org", "channel": "email", "target": "a@example.org", "secret": None, "missing": None}
    truck, plant = ({"vehicle_id": i, "client_id": name, "name": name} for i, name in ((1, "truck"), (2, "plant")))
    return [
        (["migrate"], {"applied", "migrations", "missing"}),
        (["status"], {"vehicles": [], "services": [], "notices": []}),
        (["vehicle", "add", "truck", "--host", vehicle.address, "--api-port", vehicle.port], truck),
        (["vehicle", "add", "plant", "--host", "127.0.0.1", "--transport", "agent"], plant),
        (["vehicle", "set", "truck", "--name", "Lorry \"1\""], {**truck, "name": "Lorry \"1\""}),
        (["vehicle", "list"], {"vehicles"}),
        (["once", "--vehicle", "truck"], {"vehicles", "ok", "timeout", "error", "left_out", "rows_written", "bytes", "duration_us"}),
        (["status"], {"vehicles", "services", "notices"}),
        (["rollout", "start", package, "--public-key", public_key],
         {"deployment_id", "version", "manifest_sha256", "signer", "vehicles", "waves", "not_reachable"}),
        (["rollout", "status"], {"rollouts"}),
        (["rollout", "status", VERSION], {"rollouts", "waiting_for_operator", "vehicles"}),
        (["rollout", "pause", VERSION], {"deployment_id": 1, "version": VERSION, "state": "paused"}),
        (["rollout", "resume", VERSION], {"deployment_id": 1, "version": VERSION, "state": "running"}),
        (["rollout", "abort", VERSION],
         {"deployment_id": 1, "version": VERSION, "state": "aborting", "applied": [], "withdrawing": []}),
        (["vehicle", "remove", "plant"], plant),
        (["notify", "add", "--user", "a@example.org", "--channel", "email"], rule),
        (["notify", "test", 1], {"rule_id": 1, "channel": "email", "target": "a@example.org", "sent": True}),
        (["notify", "list"], {"rules"}),
        (["notify", "remove", 1], {"rule_id": 1, "removed": True}),
    ]


def name_of(words):
    return " ".join(words[:2]) if words[0] in ("vehicle", "rollout", "notify") else words[0]


def documented():
    """docs/fleet.md: command -> its members."""
    return {row[0].strip("`"): set(re.findall(r"`(\w+)`", row[1])) for row in table("docs/fleet.md", "Results for programs")}


def test_every_command_says_one_object_with_the_members_that_the_documents_name(service, vehicle, mail, package):
    service.write(SMTP_URL=mail.url, SMTP_FROM="fleet@example.org")
    ran, stated = set(), documented()
    for words, known in story(vehicle, *package):
        said = service.run(*words, "--json").stdout
        result = json.loads(said)
        assert isinstance(result, dict) and said.count("\n") == 1 and said.endswith("}\n"), (words, said)
        assert result == known if isinstance(known, dict) else set(result) == known, (words, result)
        assert set(result) <= stated[name_of(words)], words
        ran.add(name_of(words))
        if words == ["migrate"]:
            service.database.query("insert into users (email, role, status) values ('a@example.org', 'superuser', 'active')")
    assert ran == commands() and set(stated) == ran | {"--check-config"}
    assert len(mail.mails) == 1


def test_a_config_that_is_right_and_one_that_is_not(service):
    assert service.json("--check-config") == {"ok": True}
    service.write(SYNC_INTERVAL_SEC="soon")
    done = service.run("--check-config", "--json", check=2)
    assert done.stdout == "" and "SYNC_INTERVAL_SEC" in done.stderr


@pytest.mark.parametrize("words, code", [
    (["vehicle", "add", "x"], 2), (["vehicle", "set", "x", "--host", "h"], 1), (["vehicle", "remove", "x"], 1),
    (["notify", "remove", 7], 1), (["notify", "test", 7], 1), (["notify", "add", "--user", "x", "--channel", "email"], 1),
    (["rollout", "pause", "9"], 1), (["rollout", "resume", "9"], 1), (["rollout", "abort", "9"], 1),
    (["rollout", "status", "9"], 1), (["rollout", "start", "no_such.zip"], 5), (["once", "--vehicle", "x"], 1), (["nothing"], 2)])
def test_what_fails_has_no_result_and_says_why(service, words, code):
    service.migrate()
    done = service.run(*words, "--json", check=code)
    assert done.stdout == "" and "sync_service: " in done.stderr


def test_a_webhooks_secret_that_was_made_is_in_the_result(service):
    service.migrate()
    service.database.query("insert into users (email, role, status) values ('a@example.org', 'superuser', 'active')")
    words = ["notify", "add", "--user", "a@example.org", "--channel", "webhook", "--target"]
    made = service.json(*words, "https://x.example/1")
    assert re.fullmatch(r"[0-9a-f-]{36}", made["secret"])
    assert service.database.query("select secret from notice_rules") == [(made["secret"],)]
    assert service.json(*words, "https://x.example/2", "--secret", "ours")["secret"] is None  # who gave it knows it
    telegram = service.json("notify", "add", "--user", "a@example.org", "--channel", "telegram", "--target", "@x")
    assert "TELEGRAM_TOKEN" in telegram["missing"]


def test_the_last_turns_duration_is_shown(service, vehicle):
    service.migrate().add("truck", vehicle.address, api_port=vehicle.port)
    assert service.json("status")["vehicles"][0]["duration_ms"] is None  # no turn yet
    service.once()
    service.database.query("update sync_journal set started_at = finished_at - interval '3601.5 s'")
    assert service.json("status")["vehicles"][0]["duration_ms"] == 3601500
    head, row = service.run("status").stdout.splitlines()[:2]
    assert "duration_ms" in head and "3601500" in row.split()
    service.once()
    last, = service.database.query("select duration_ms from sync_journal order by journal_id desc limit 1")[0]
    assert 0 <= service.json("status")["vehicles"][0]["duration_ms"] == last < 3600000  # of the last one, as it was


# ---- secrets ----

def private(path, text, mode=0o600):
    path.write_bytes(text.encode())
    path.chmod(mode)
    return path


def api_keys(service):
    return service.database.query("select name, api_key from vehicles order by name")


def test_an_api_key_comes_from_a_file_or_standard_input(service, tmp_path):
    service.migrate()
    file = private(tmp_path / "key", "made-up 1\n")
    service.add("a", "127.0.0.1", api_key_file=file)
    service.add("b", "127.0.0.1")
    for ending in ("\n", "\r\n", ""):
        key = f"made-up {len(ending)}"
        done = telehaul.run("sync_service", "--config", service.config, "vehicle", "set", "b", "--api-key-file", "-",
                            text_input=key + ending)
        assert api_keys(service) == [("a", "made-up 1"), ("b", key)] and key not in done.stdout + done.stderr


def test_a_rules_secret_comes_from_a_file(service, tmp_path):
    service.migrate()
    service.database.query("insert into users (email, role, status) values ('a@example.org', 'superuser', 'active')")
    service.run("notify", "add", "--user", "a@example.org", "--channel", "webhook", "--target", "https://x.example/",
                "--secret-file", private(tmp_path / "secret", "made-up secret"))
    assert service.database.query("select secret from notice_rules") == [("made-up secret",)]


@pytest.mark.parametrize("text, mode, code, said", [
    ("made-up word\n", 0o644, 4, "--api-key-file"), ("", 0o600, 2, "one line"), ("\n", 0o600, 2, "one line"),
    ("one\ntwo\n", 0o600, 2, "one line"), ("a\0b", 0o600, 2, "one line"), ("x" * 1100, 0o600, 1, "--api-key-file"),
    ("tab\there", 0o600, 2, "control"), ("x" * 1000, 0o600, 2, "--api-key")],
    ids=["for all to read", "empty", "an empty line", "two lines", "a NUL", "too long", "a control character", "too long for a key"])
def test_a_file_that_holds_no_key_is_refused(service, tmp_path, text, mode, code, said):
    service.migrate()
    file = private(tmp_path / "key", text, mode)
    done = service.run("vehicle", "add", "a", "--host", "h", "--api-key-file", file, check=code)
    assert said in done.stderr and api_keys(service) == []
    assert text.strip() == "" or text.strip() not in done.stderr


def test_both_ways_at_once_are_refused_and_a_missing_file_is_said(service, tmp_path):
    service.migrate()
    words = ["vehicle", "add", "a", "--host", "h", "--api-key-file"]
    assert "not both" in service.run(*words, private(tmp_path / "k", "x"), "--api-key", "y", check=2).stderr
    assert "no_such" in service.run(*words, tmp_path / "no_such", check=1).stderr
    assert api_keys(service) == []
