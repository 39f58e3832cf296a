"""The documentation is true where it states a format: every table and example that names something is held against the
programs themselves."""

import base64
import contextlib
import datetime
import gzip
import json
import re
import sqlite3
import subprocess

import httpx
import pytest
import telehaul
from agent_root import Machine, make_store
from docs_text import example, names, number, read, section, table
from packages import Package
from telehaul import PROJECT

SECRET = "credentials.env"


@pytest.fixture(scope="module")
def machine(tmp_path_factory, keys):
    made = Machine(tmp_path_factory.mktemp("docs") / "root", keys, rows=100)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    return tmp_path_factory.mktemp("docs-home")


def sync(machine, home, *more, check=True):
    return telehaul.run("sync_client", "--host", "127.0.0.1", "--port", machine.root.agent_port, "--client-id", "m1",
                        "--key", machine.keys.private_file, "--data-storage", home, *more, check=check)


# ---- README.md ----

def test_the_programs_of_the_readme_are_those_of_a_release():
    programs = {names(row[0])[0] for row in table("README.md", "Programs")}
    released = {path.name for path in (telehaul.DIST / "bin").iterdir()}
    assert released <= programs
    for program in programs:
        assert program in telehaul.run(program, "--help").stdout
        assert re.fullmatch(rf"{program} \d+\.\d+\.\d+\S*\n", telehaul.run(program, "--version").stdout)


def exit_codes(text):
    stated = re.search(r"Exit codes: (.*?)\.\n", text, re.S).group(1).replace("\n", " ")
    return {int(code): words for code, words in re.findall(r"(\d) ([^\d]+?)(?:,|$) ?", stated)}


def test_the_exit_codes_are_those_that_programs_end_with(machine, tmp_path):
    no_archive = tmp_path / "x.gz"
    no_archive.write_text("no archive")
    seen = {
        "done": telehaul.run("sync_client", "--version"),
        "refused or failed": telehaul.run("sync_client", "--host", "127.0.0.1", "--key", tmp_path / "none", check=False,
                                          cwd=tmp_path),
        "wrong usage": telehaul.run("sync_client", "--no-such-option", check=False),
        "could not reach the other side": telehaul.run(
            "sync_client", "--host", "127.0.0.1", "--port", telehaul.free_port(), "--key", machine.keys.private_file,
            check=False, cwd=tmp_path),
        "authentication failed": sync(machine, tmp_path, "--accept-new-host", "no", check=False),
        "bad input file": telehaul.run("sync_client", "import", no_archive, "--client-id", "m1", check=False, cwd=tmp_path),
    }
    assert {done.returncode: words for words, done in seen.items()} == exit_codes(read("README.md"))
    assert exit_codes(section("docs/protocol.md", "What `sync_client` does when something is wrong")).keys() == \
        exit_codes(read("README.md")).keys()


def test_the_make_targets_exist():
    known = set(re.findall(r"(?m)^ +make (\S+)", subprocess.run(
        ["make", "-s", "help"], cwd=PROJECT, capture_output=True, text=True, check=True).stdout))
    for name in ("README.md", *(f"docs/{path.name}" for path in (PROJECT / "docs").glob("*.md"))):
        used = set(re.findall(r"(?:`|^    )make ([a-z][a-z-]*)", read(name), re.M))
        assert used <= known, name


def test_the_words_of_quickstart_are_known_to_it():
    script = read("packaging/quickstart")
    known = {word for label in re.findall(r"(?m)^([-a-z' |]+)\) ?", script[script.rindex("case "):])
             for word in label.replace("'", "").replace("|", " ").split()}
    said = subprocess.run([PROJECT / "packaging/quickstart", "--help"], capture_output=True, text=True, check=True).stdout
    used = set(re.findall(r"packaging/quickstart +([-a-z]+)", read("README.md"))) | set(
        re.findall(r"`(--[a-z]+)` stops everything", read("README.md")))
    assert used and used <= known
    assert all(word in said for word in used)


def test_what_the_readme_points_to_is_there():
    for target in re.findall(r"\]\(([^)#]+)\)", read("README.md")):
        assert (PROJECT / target).exists(), target


# ---- docs/protocol.md: a session ----

def test_the_answers_of_a_log_in(machine):
    client = machine.client(log_in=False)
    shown = json.loads(example("docs/protocol.md", "`GET /auth/challenge`", '{"challenge"'))
    answer = client.http.get("/auth/challenge").json()
    assert (list(answer), answer["expires_in"]) == (list(shown), shown["expires_in"])
    shown = json.loads(example("docs/protocol.md", "`POST /auth`", '{"session_token"'))
    answer = client.log_in().json()
    assert (list(answer), answer["expires_in"]) == (list(shown), shown["expires_in"])


def refusals(machine, other_keys):
    """Every refusal of POST /auth, each from an address of its own."""
    def post(client, **body):
        return client.post_auth(**body)

    client = machine.client(log_in=False)
    challenge = client.challenge()
    good = {"challenge": challenge, "signature": client.signed_challenge(challenge)}
    assert post(client, **good).status_code == 200
    yield post(client, **good)
    yield post(client, **{**good, "more": 1})
    yield post(client, **good)

    client = machine.client(log_in=False)
    challenge = client.challenge()
    yield post(client, challenge=challenge, signature=client.signed_challenge(challenge, keys=other_keys))
    unknown = base64.b64encode(bytes(32)).decode()
    yield post(client, challenge=unknown, signature=client.signed_challenge(unknown))
    old = "2020-01-01T00:00:00Z"
    yield post(client, timestamp=old, signature=base64.b64encode(client.keys.sign(old.encode())).decode())

    client = machine.client(log_in=False)
    yield client.http.post("/auth", content=b"x" * 9000)


def test_the_refusals_of_a_log_in(machine, other_keys):
    stated = {(int(row[0]), names(row[1])[0]) for row in table("docs/protocol.md", "`POST /auth`") if row[0] != "200"}
    assert {(answer.status_code, answer.json()["error"]) for answer in refusals(machine, other_keys)} == stated


def test_the_members_of_status(machine):
    stated = [name for row in table("docs/protocol.md", "`GET /status`") for name in names(row[0])]
    assert sorted(machine.client().status()) == sorted(stated)


def test_the_headers_of_an_export(machine):
    text = section("docs/protocol.md", "`GET /data/export`")
    headers, _ = machine.client().export()
    assert {name.lower() for name in names(text) if name.startswith("X-")} == \
        {name for name in headers if name.startswith("x-")}
    [kind] = re.findall(r"`Content-Type: (.*?)`", text)
    assert headers["Content-Type"] == kind


def test_the_parameters_of_an_export(machine):
    client = machine.client()
    values = {"TIME": "2026-02-22T10:00:00Z", "SEQ": "5", "UUID": machine.store_id, "N": "7"}
    for row in table("docs/protocol.md", "`GET /data/export`"):
        for query in filter(lambda name: "=" in name, names(row[0])):
            filled = re.sub(r"=([A-Z]+)", lambda value: "=" + values[value.group(1)], query)
            assert client.get(f"/data/export?{filled}").status_code == 200, filled
    answer = client.get(f"/data/export?after=1&store={'1' * 8}-1111-4111-8111-{'1' * 12}")
    assert (answer.status_code, answer.json()["error"]) == (409, "store_changed")


def test_the_members_of_update_status(machine):
    stated = [names(row[0])[0] for row in table("docs/protocol.md", "`GET /update/status`")]
    assert sorted(machine.client().get("/update/status").json()) == sorted(stated)


def test_the_answers_to_an_update_are_those_of_the_agent():
    stated = {(int(row[0]), names(row[1])[0]) for row in table("docs/protocol.md", "`POST /update`")}
    source = read("agent/update_route.c")
    known = {(int(status), word) for status, word in re.findall(r'\{ERR_\w+, (\d+), (?:NULL|"\w+"), "(\w+)",', source)}
    assert len(known) >= 8
    assert stated == known | {(200, "queued")}


# ---- docs/protocol.md: what is written ----

def test_the_record_line_is_what_an_agent_writes(tmp_path, keys):
    stated = example("docs/protocol.md", "Record lines", '{"seq"')
    reading = json.loads(stated)
    moment = datetime.datetime.strptime(reading["time"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    made = Machine(tmp_path / "root", keys, rows=0, start=False)
    make_store(made.root.store_file(), 0)
    with contextlib.closing(sqlite3.connect(made.root.store_file())) as db:
        db.execute("insert or ignore into channels(channel_id, name) values (9, ?)", (reading["channel"],))
        db.execute("insert into readings select ?, ?, channel_id, ? from channels where name = ?",
                   (reading["seq"], round(moment.timestamp()) * 1_000_000 + moment.microsecond, reading["value"],
                    reading["channel"]))
        db.execute("update meta set value = ? where key = 'next_seq'", (reading["seq"] + 1,))
        db.commit()
    try:
        made.start()
        answer = made.client().get("/data/export")
        assert gzip.decompress(answer.content).decode() == stated + "\n"
    finally:
        made.clear()


def test_the_line_of_a_known_machine(machine, home):
    sync(machine, home, "--accept-new-host", "yes", "--db", "none")
    [stated] = re.findall(r"lines `(.*?)` in `data_storage/known_hosts`", read("docs/protocol.md"))
    client = machine.client()
    filled = stated.replace("host", "127.0.0.1").replace("port", str(machine.root.agent_port)).replace(
        "agent_id", client.agent_id)
    assert (home / "known_hosts").read_text() == filled + "\n"


# ---- docs/protocol.md: limits ----

def constants(header):
    """NAME = a product of whole numbers, of an enum."""
    found = {}
    for name, value in re.findall(r"\b([A-Z][A-Z_]+) = ([\d *]+)[,\s}]", read(header)):
        product = 1
        for factor in value.split("*"):
            product *= int(factor)
        found[name] = product
    return found


KIB, MS = 1024, 1000
SERVER, CLIENT = "common/net/http_server.h", "common/net/http_client.h"
# row of the table: its numbers in their order, each (header, constant, how many of it make the unit that is stated)
LIMITS = {
    "header of a request": [(SERVER, "HTTP_MAX_HEADER_BYTES", KIB)],
    "body of `POST /auth`": [("agent/authenticator.h", "AUTH_BODY_MAX_BYTES", KIB)],
    "from the connection to the first request's headers, TLS included": [(SERVER, "HTTP_FIRST_HEADER_DEADLINE_MS", MS)],
    "from an answer's end to the next request": [(SERVER, "HTTP_IDLE_MS", MS)],
    "progress of a body or an answer, averaged over 10 s": [(SERVER, "HTTP_PROGRESS_WINDOW_MS", MS),
                                                           (SERVER, "HTTP_PROGRESS_FLOOR_BYTES_S", 1)],
    "connections an address (IPv6: a /64)": [(SERVER, "HTTP_MAX_CONNECTIONS_AN_ADDRESS", 1)],
    "connections in all": [(SERVER, "HTTP_MAX_CONNECTIONS", 1)],
    "exports at the same time": [("agent/agent.h", "AGENT_EXPORTS_MAX", 1)],
    "tokens": [("agent/sessions.h", "SESSIONS_MAX", 1), ("agent/sessions.h", "SESSION_LIFETIME_S", 1)],
    "`POST /auth` from one address": [("agent/rate.h", "RATE_ATTEMPTS", 1), ("agent/rate.h", "RATE_WINDOW_S", 1),
                                      ("agent/rate.h", "RATE_ADDRESSES", 1)],
    "a record line, its LF included": [("common/wire/record.h", "RECORD_LINE_MAX_BYTES", 1)],
    "`sync_client`: progress of an answer": [(CLIENT, "HTTP_CLIENT_FLOOR_BYTES_S", 1), (CLIENT, "HTTP_CLIENT_FLOOR_S", 1)],
    "`sync_client`: waiting after 429 and 503, all in all": [("server_tools/sync_client/session.h", "SESSION_WAIT_MAX_S", 1)],
    "`sync_client`: attempts in a row without an archive": [("server_tools/sync_client/retry.h", "RETRY_ATTEMPTS", 1)],
    "updates at the same time": [("agent/agent.h", "AGENT_UPDATES_MAX", 1)],
    "free disk that an upload leaves": [("agent/update_receiver.h", "UPDATE_RESERVE_BYTES", KIB * KIB)],
    "`sync_client`: waiting for a machine to verify an update": [("server_tools/sync_client/update.h", "UPDATE_ANSWER_S", 1)],
}


def test_the_limits_are_the_constants():
    rows = table("docs/protocol.md", "Limits")
    assert [row[0] for row in rows] == list(LIMITS)
    for row in rows:
        stated = [number(text) for text in re.findall(r"(?<![/\w])\d[\d,]*", " ".join(row).replace("after 429 and 503", ""))]
        assert stated == [constants(header)[name] / unit for header, name, unit in LIMITS[row[0]]], row[0]


# ---- docs/appliance.md ----

def test_the_keys_of_config_txt(tmp_path, keys):
    made = telehaul.run("updater", "--root", tmp_path / "root", "init", "--from", telehaul.DIST, "--version", "1.0.0",
                        "--public-key", keys.public_file)
    assert made.returncode == 0
    text = (tmp_path / "root/config.txt").read_text()
    written = {key: (value, not comment) for comment, key, value in re.findall(r"(?m)^(# )?([A-Z_]+) = (.*)$", text)}
    stated = {}
    for row in table("docs/appliance.md", "config.txt"):
        row_keys = names(row[0])
        defaults = row[1].split(", ") if row[1] else [""] * len(row_keys)
        assert len(defaults) == len(row_keys), row[0]
        stated.update(zip(row_keys, defaults))
    assert stated.keys() == written.keys()
    for key, (value, in_force) in written.items():
        # a line that is commented out shows an example; a default that is a file is one of them
        assert stated[key] == value if in_force else stated[key] in ("", "the same", value), key


def test_the_secrets_of_a_machine(machine):
    path = machine.root.path / SECRET
    [line] = re.findall(rf"(?m)^`{SECRET}` \(mode 0600.*$", read("docs/appliance.md"))
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(re.findall(r"(?m)^([A-Z_]+) *=", path.read_text())) == set(names(line)) - {SECRET}


def status_of(client, method, path, **more):
    with client.stream(method, path, **more) as answer:  # one of them never ends
        return answer.status_code


def test_the_calls_of_the_portal(make_root):
    root = make_root()
    portal = root.start("portal")
    telehaul.wait_until(lambda: telehaul.listens(root.portal_port) or not portal.running(), "the portal's port")
    calls = [name.split() for row in table("docs/appliance.md", "The operator's page") for name in names(row[0])
             if " /api/" in name]
    assert len(calls) >= 8
    with httpx.Client(base_url=f"http://127.0.0.1:{root.portal_port}", timeout=30,
                      headers={"X-Config-Pin": root.pin}) as client:
        assert status_of(client, "GET", "/api/nothing") == 404
        for method, path in calls:
            more = {"json": {"pin": root.pin}} if path == "/api/login" else {}
            assert status_of(client, method, path, **more) not in (404, 405), path
    sources = read("portal/main.c")
    assert set(re.findall(r'"(/api/[a-z/]+)"', sources)) == {path for _, path in calls}


# ---- docs/architecture.md ----

def source_folders():
    """Folders of C sources: the top ones, and those in the two that only gather others."""
    for top in PROJECT.iterdir():
        if not top.is_dir() or top.name in ("build", "demo", "tests") or top.name.startswith("."):
            continue
        for folder in top.iterdir() if top.name in ("common", "server_tools") else [top]:
            if folder.is_dir() and any(folder.rglob("*.c")):
                yield str(folder.relative_to(PROJECT))


def test_the_folders_of_the_architecture():
    stated = [name for row in table("docs/architecture.md", "Where things are") for name in names(row[0])]
    for name in stated:
        assert (PROJECT / name).is_dir(), name
    assert set(source_folders()) <= set(stated)


def test_the_folder_of_a_machine(machine):
    stated = section("docs/architecture.md", "The machine's folder (ROOT)")
    made = re.findall(r"(?m)^    (config\.txt|credentials\.env|boot/start|current|keys/|agent/|data/|log/)", stated)
    assert len(made) == 8
    for name in made:
        assert (machine.root.path / name).exists(), name


# ---- docs/package_format.md ----

def test_the_reasons_of_a_refused_archive_are_those_of_the_reader():
    known = re.findall(r'X\(ZIP_\w+, "(\w+)"', read("common/pack/zip_reason.h"))
    assert len(set(known)) == len(known)
    assert [names(row[0])[0] for row in table("docs/package_format.md", "Why an archive is refused") if names(row[0])] == known


def test_the_reasons_of_a_refused_package_are_those_of_the_verifier():
    sources = [*(PROJECT / "updater").glob("manifest*.c"), *(PROJECT / "updater").glob("package*.c"),
               *(PROJECT / "common/store").glob("migrate*.c")]
    known = {word for source in sources for word in re.findall(
        r'"(too_large|size_mismatch)"|ERR_\w+,\s*"([a-z_]+)",|"(invalid_sig|bad_manifest)"', source.read_text())
             for word in word if word} - {"too_many_entries"}
    stated = [names(row[0])[0] for row in table("docs/package_format.md", "Why a package is refused") if names(row[0])]
    assert len(set(stated)) == len(stated)
    assert set(stated) == known


def test_the_manifest_of_the_example_is_taken(tmp_path, keys):
    package = Package(keys)
    package.text = example("docs/package_format.md", "manifest.json", '{"format"').encode()
    package.files = {"bin/portal": b"#!/bin/sh\nexec new\n"}
    package.migrations = {"0004_acknowledge.sql": b"ALTER TABLE alarms ADD COLUMN acknowledged_us INTEGER;\n"}
    shown = telehaul.run("publish", "inspect", package.write(tmp_path / "update.zip"), "--public-key", keys.public_file)
    lines = section("docs/package_format.md", "What is in it").splitlines()
    listed = [line.strip() for line in lines if line.startswith("      0755 ") or line.startswith("      run ")]
    assert len(listed) == 2 and all(line in shown.stdout for line in listed)
    rows = table("docs/package_format.md", "manifest.json")
    assert [names(row[0])[0] for row in rows] == list(json.loads(package.text))
    for name in (names(row[0])[0] for row in rows if row[1] == "may miss"):
        package.text = json.dumps({key: value for key, value in json.loads(package.text).items() if key != name}).encode()
        telehaul.run("publish", "inspect", package.write(tmp_path / "update.zip"), "--public-key", keys.public_file)
