"""Rows of `vehicles` that cannot be asked, whoever wrote them: the journal says what to set and how. Hosts that are none, and a
database without the schema, are refused at once. Every vehicle is made up."""

import json

import pytest
import telehaul
from outbound_world import add, service, vehicle, vehicles

__all__ = ["service", "vehicle", "vehicles"]  # fixtures

# what somebody writes into the row; what the note names
ROWS = {
    "a line break in the key": ("api_key = E'k1\\n'", "--api-key-file"),
    "a line break within the key": ("api_key = E'k1\\r\\nX-Other: 1'", "--api-key-file"),
    "a key without an end": ("api_key = repeat('k', 300)", "api_key"),
    "port 0": ("api_port = 0", "--api-port"),
    "port 70000": ("api_port = 70000", "--api-port"),
    "no host": ("host = NULL", "--host"),
    "an empty host": ("host = ''", "--host"),
    "a URL for a host": ("host = 'http://10.0.0.1'", "--host"),
    "a path behind the host": ("host = 'bad host/x'", "--host"),
    "a host without an end": ("host = repeat('h', 300)", "host"),
    "a name without an end": ("name = repeat('n', 300)", "name"),
    "no port of the agent": ("transport = 'agent', agent_port = 0", "--agent-port"),
}


@pytest.mark.parametrize("name", ROWS)
def test_a_row_that_cannot_be_asked_is_journalled_with_what_to_set(service, vehicle, name):
    change, said = ROWS[name]
    add(service, vehicle)
    service.once()
    asked = len(vehicle.asked)
    service.database.query(f"update vehicles set {change}")
    done = service.once(check=1)
    assert (done["vehicles"], done["error"]) == (1, 1)
    status, note = service.database.query("select status, note from sync_journal order by journal_id")[-1]
    assert status == "error" and said in note and "k1" not in note
    assert service.database.query("select sync_status from vehicles") == [("error",)]
    assert len(vehicle.asked) == asked  # nobody was asked


def test_it_comes_home_again_when_the_row_is_right(service, vehicle):
    add(service, vehicle)
    service.database.query("update vehicles set api_port = 70000")
    service.once(check=1)
    service.run("vehicle", "set", "Truck-01", "--api-port", str(vehicle.port))
    service.once()
    assert [entry[0] for entry in service.journal("Truck-01")] == ["error", "ok"]


def test_what_only_files_brought_is_asked_by_nobody(service, tmp_path):
    """As an import makes it: of the signed transport, and nobody has ever known a host."""
    service.database.query("insert into vehicles (client_id, name, transport) values ('filed', 'filed', 'agent')")
    assert service.once()["vehicles"] == 0
    assert service.journal("filed") == []


@pytest.mark.parametrize("ending", ["\r\n", "\n", " \t", "\r"])
def test_a_line_end_behind_the_environments_key_is_none_of_it(service, vehicle, ending):
    add(service, vehicle)
    assert service.once(env={"VEHICLE_DEFAULT_API_KEY": vehicle.key + ending})["ok"] == 1


def test_a_line_break_within_the_environments_key_is_refused(service):
    done = service.run("once", check=2, env={"VEHICLE_DEFAULT_API_KEY": "k1\nk2"})
    assert "VEHICLE_DEFAULT_API_KEY" in done.stderr and "k1" not in done.stderr


@pytest.mark.parametrize("ending", ["\n", "\r\n", " \n", "\t"])
def test_blanks_behind_a_key_in_a_file_are_none_of_it(service, tmp_path, ending):
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(f"k1{ending}", newline="")
    service.run("vehicle", "add", "x", "--host", "h", "--api-key-file", file)
    assert service.database.query("select api_key from vehicles") == [("k1",)]


@pytest.mark.parametrize("host", ["", "http://10.0.0.1", "bad host/x", "[::1]", "user@h", "h?x", " h", "10.0.0.1:8001"])
def test_a_host_that_is_none_is_refused(service, host):
    for word in ("IPv4", "IPv6", "name"):
        assert word in service.run("vehicle", "add", "x", "--host", host, check=2).stderr
    service.add("y", "10.0.0.1")
    assert "IPv6" in service.run("vehicle", "set", "y", "--host", host, check=2).stderr
    assert service.database.query("select name, host from vehicles") == [("y", "10.0.0.1")]


@pytest.mark.parametrize("host", ["truck_1", "a.example-1.org", "10.0.0.1", "::1", "fe80::1%eth0"])
def test_names_and_addresses_are_hosts(service, host):
    service.add("x", host)
    assert service.database.query("select host from vehicles") == [(host,)]


def test_one_that_comes_back_says_how_it_is_reached(service):
    """It is what it was: also of a transport that nobody pulls."""
    service.add("x", "10.0.0.1", transport="push", api_key="k1")
    service.run("vehicle", "remove", "x")
    back = service.run("vehicle", "add", "x", "--host", "10.0.0.2").stderr
    assert "transport push" in back and "vehicle set x --transport" in back
    assert "transport" not in service.run("vehicle", "add", "new", "--host", "10.0.0.3").stderr
    service.run("vehicle", "remove", "x")
    service.run("vehicle", "add", "x", "--host", "10.0.0.2", "--transport", "outbound")
    assert service.database.query("select transport from vehicles where name = 'x'") == [("outbound",)]


@pytest.mark.parametrize("words", [("vehicle", "list"), ("status",), ("vehicle", "add", "x", "--host", "h"),
                                   ("rollout", "status"), ("notify", "list")])
def test_a_database_without_the_schema_says_how_to_make_it(postgres, words):
    done = telehaul.run("sync_service", *words, "--json", check=1, env={"DB_URL": postgres.url})
    assert "sync_service migrate" in done.stderr and "relation" not in done.stderr and done.stdout == ""


def test_the_programs_result_of_an_error_is_whole(service, vehicle):
    add(service, vehicle)
    service.database.query("update vehicles set host = 'bad host/x'")
    service.once(check=1)
    note = json.loads(service.run("status", "--json").stdout)["vehicles"][0]["note"]
    assert note.endswith("--host HOST`")


def test_the_note_of_another_certificate_is_whole(service, agent, keys):
    name = "n" * 64  # the longest that is a client id too
    service.write(AUTH_KEY_FILE=keys.private_file)
    service.add(name, "127.0.0.1", transport="agent", agent_port=agent.port, fingerprint="ab" * 32)
    service.once(check=1)
    (_, _, note), = service.journal(name)
    assert "ab" * 32 in note and agent.agent_id in note
    assert note.endswith(f"`sync_service vehicle set {name} --fingerprint HEX`")
    assert note in service.run("status").stdout  # for people, too
