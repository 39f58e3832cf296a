"""Exports from a table in PostgreSQL: what its rows become, what is refused, and who the machine is then."""

import contextlib
import gzip
import json
import re
import sqlite3
import subprocess
import time
import uuid

import pytest
import telehaul
from agent_root import FREED_IS_FREE
from table_machine import machine, make_machine, make_table, refused, time_of  # noqa: F401  fixtures


# ---- what comes ----

def test_every_row_in_order_of_time(machine, postgres):
    rows = make_table(postgres)
    headers, lines = machine.client().export()
    assert lines == rows
    assert headers["Content-Type"] == "application/gzip"
    assert headers["X-Record-Count"] == "300"
    assert str(uuid.UUID(headers["X-Store-Id"])) == headers["X-Store-Id"]
    assert (headers["X-Period-Start"], headers["X-Period-End"]) == (time_of(0), time_of(299))
    assert not {"x-first-seq", "x-last-seq"} & set(headers)


def test_a_line_is_the_contracts_line_without_seq(machine, postgres):
    make_table(postgres, rows=2)
    text = gzip.decompress(machine.client().get("/data/export").content).decode()
    assert text == ('{"time":"2026-02-22T10:00:00.000000Z","channel":"a","value":0}\n'
                    '{"time":"2026-02-22T10:00:01.000000Z","channel":"b","value":0.125}\n')


def test_zstd(machine, postgres):
    make_table(postgres)
    client = machine.client()
    packed = client.http.get("/data/export", headers={**client.headers(), "Accept": "application/zstd"})
    assert packed.headers["Content-Type"] == "application/zstd"
    text = subprocess.run(["zstd", "-dc"], input=packed.content, check=True, capture_output=True).stdout
    assert text == gzip.decompress(client.get("/data/export").content)


def test_an_empty_table(machine, postgres):
    make_table(postgres, rows=0)
    client = machine.client()
    headers, lines = client.export()
    assert lines == []
    assert headers["X-Period-Start"] == headers["X-Period-End"] == "1970-01-01T00:00:00.000000Z"
    headers, _ = client.export(since="2026-02-22T10:00:00Z")
    assert headers["X-Period-End"] == "2026-02-22T10:00:00.000000Z"


def test_a_minute_is_read_again(machine, postgres):
    rows = make_table(postgres)
    client = machine.client()
    assert client.export(since=time_of(200))[1] == rows[141:]  # strictly later than a minute before
    postgres.query("insert into plant.log values ('2026-02-22T10:04:50.5Z', 'late', 7)")  # committed after later ones
    _, lines = client.export(since=time_of(299))
    assert {"time": time_of(290.5), "channel": "late", "value": 7} in lines
    assert len(lines) == 61


@pytest.mark.parametrize("limit", [1, 100, 299, 300, 301, 10**15])
def test_at_most_limit_and_the_oldest(machine, postgres, limit):
    rows = make_table(postgres)
    headers, lines = machine.client().export(limit=limit)
    assert lines == rows[:limit]
    assert headers["X-Period-End"] == lines[-1]["time"]


def test_page_by_page_it_is_the_whole(machine, postgres):
    rows = make_table(postgres)
    client = machine.client()
    got, since = {}, "1970-01-01T00:00:00Z"
    while True:
        headers, lines = client.export(since=since, limit=100)  # a minute holds 60
        got.update({(line["time"], line["channel"]): line for line in lines})
        if len(lines) < 100:
            break
        since = headers["X-Period-End"]
    assert sorted(got.values(), key=lambda line: line["time"]) == rows


@pytest.mark.parametrize("time", ["timestamptz", "timestamp", "timestamptz(0)"])
@pytest.mark.parametrize("value", ["smallint", "integer", "bigint", "real", "float8", "numeric", "numeric(10,3)"])
def test_types_of_time_and_value(machine, postgres, time, value):
    postgres.query("create schema plant")
    postgres.query(f"create table plant.log (at {time}, name varchar(20), v {value})")
    # a timestamp without a zone is taken as UTC, whatever the database thinks of zones
    postgres.query(f"alter database {postgres.name} set timezone = 'Asia/Tokyo'")
    postgres.query("insert into plant.log values ('2026-02-22 10:00:00', 'c', 42), ('2026-02-22 10:00:01', 'c', null)"
                   if time == "timestamp" else
                   "insert into plant.log values ('2026-02-22 10:00:00Z', 'c', 42), ('2026-02-22 10:00:01Z', 'c', null)")
    assert machine.client().export()[1] == [{"time": time_of(0), "channel": "c", "value": 42},
                                            {"time": time_of(1), "channel": "c", "value": None}]


@pytest.mark.parametrize("kind,value,name", [
    ("text", "'x y'", "x y"), ("char(5)", "'ab'", "ab"), ("name", "'n'", "n"), ("integer", "17", "17"), ("bigint", "-3", "-3"),
    ("numeric(5,2)", "1.50", "1.50"), ("mood", "'glad'", "glad"), ("word", "'w'", "w"),
])
def test_types_of_channel(machine, postgres, kind, value, name):
    postgres.query("create type mood as enum ('sad', 'glad')")
    postgres.query("create domain word as varchar(9)")
    make_table(postgres, rows=0, types=("timestamptz", f"public.{kind}" if kind in ("mood", "word") else kind, "float8"))
    postgres.query(f"insert into plant.log values ('2026-02-22T10:00:00Z', {value}, 1)")
    assert [line["channel"] for line in machine.client().export()[1]] == [name]


def test_numbers_of_every_size(machine, postgres):
    make_table(postgres, rows=0, types=("timestamptz", "text", "numeric"))
    values = [("1e400", None), ("-1e400", None), ("1e-400", 0), ("NaN", None), ("Infinity", None), ("-Infinity", None),
              ("1.7976931348623157e308", 1.7976931348623157e308), ("-12.5", -12.5), ("0", 0), ("1e-300", 1e-300),
              ("123456789012345678901234567890", 123456789012345678901234567890.0)]
    for second, (value, _) in enumerate(values):
        postgres.query("insert into plant.log values (timestamptz '2026-02-22T10:00:00Z' + %s * interval '1 second', 'c', %s)",
                       second, value)
    assert [line["value"] for line in machine.client().export()[1]] == [value for _, value in values]


def test_doubles_that_are_no_numbers(machine, postgres):
    make_table(postgres, rows=0)
    postgres.query("insert into plant.log values ('2026-02-22T10:00:00Z', 'c', 'NaN'), ('2026-02-22T10:00:01Z', 'c', 'Infinity'),"
                   " ('2026-02-22T10:00:02Z', 'c', 5e-324), ('2026-02-22T10:00:03Z', 'c', 0.1)")
    assert [line["value"] for line in machine.client().export()[1]] == [None, None, 5e-324, 0.1]


def test_no_row_is_lost_for_its_channel(machine, postgres):
    make_table(postgres, rows=0)
    names = [None, "", "a\nb", "a\tb", "x" * 127, "x" * 128, "x" * 129, "x" * 4096, "x" * 4097, "ї" * 100, 'q"\\', "\x7f"]
    for second, name in enumerate(names):
        postgres.query("insert into plant.log values (timestamptz '2026-02-22T10:00:00Z' + %s * interval '1 second', %s, 1)",
                       second, name)
    got = [line["channel"] for line in machine.client().export()[1]]
    assert got[:2] == ["(null)", "(empty)"]
    assert got[4] == "x" * 127 and got[10] == 'q"\\'
    assert len(set(got)) == len(names)  # two names stay two
    for name in got:
        assert 1 <= len(name.encode()) <= 127 and not re.search(r"[\x00-\x1f\x7f]", name)
    assert got[2].startswith("a?b~") and got[3].startswith("a?b~")
    assert got[9].startswith("ї" * 55 + "~")
    assert "10 rows have a channel that no line can hold" in machine.stop()


def test_names_of_any_length_cost_no_memory(machine, postgres):
    machine.stop()
    machine.start(env=FREED_IS_FREE)
    make_table(postgres, rows=0)
    postgres.query("insert into plant.log values ('2026-02-22T10:00:00Z', null, 0)")
    client = machine.client()
    assert len(client.export()[1]) == 1
    idle = machine.memory_kib("VmHWM")
    for second, tail in enumerate(("a", "b", "a")):
        postgres.query("insert into plant.log values (timestamptz '2026-02-22T10:00:01Z' + %s * interval '1 second', "
                       "repeat('x', 50000000) || %s, 1)", second, tail)
    names = [line["channel"] for line in client.export()[1][1:]]
    assert names[0] == names[2] != names[1]
    assert all(re.fullmatch("x{110}~[0-9a-f]{16}", name) for name in names)
    assert machine.memory_kib("VmHWM") - idle < 16 * 1024


def test_what_has_no_time_or_one_to_come_is_left_out_and_said(machine, postgres):
    rows = make_table(postgres, rows=3)
    postgres.query("insert into plant.log values (null, 'a', 1), ('infinity', 'a', 1), ('-infinity', 'a', 1), "
                   "(now() + interval '1 hour', 'a', 1), ('0044-03-15 BC', 'a', 1)")
    headers, lines = machine.client().export()
    assert lines == rows
    assert headers["X-Period-End"] == rows[-1]["time"]  # the next `since` is not in the future
    assert "5 rows of the table have no time, one in the future or one before the year 1" in machine.stop()


def test_names_are_quoted(make_machine, postgres):
    make_table(postgres, rows=2)
    postgres.query('create table "we""ird; drop table plant.log; --" ("At" timestamptz, "na""me" text, "(v)" int)')
    postgres.query('insert into "we""ird; drop table plant.log; --" values (\'2026-02-22T10:00:00Z\', \'c\', 5)')
    machine = make_machine(postgres.url, '"we""ird; drop table plant.log; --"("At", "na""me", "(v)")')
    assert machine.client().export()[1] == [{"time": time_of(0), "channel": "c", "value": 5}]
    assert postgres.query("select count(*) from plant.log") == [(2,)]


def test_columns_and_schema_have_defaults(make_machine, postgres):
    postgres.query("create view readings as select timestamptz '2026-02-22T10:00:00Z' as time, 'c'::text as channel, 1 as value")
    assert make_machine(postgres.url, "readings").client().export()[1] == [{"time": time_of(0), "channel": "c", "value": 1}]


def test_nobody_else_s_operators_are_used(machine, postgres):
    rows = make_table(postgres, rows=3)
    postgres.query("create function public.never(timestamptz, timestamptz) returns boolean language sql as 'select false'")
    postgres.query("create operator public.> (leftarg = timestamptz, rightarg = timestamptz, function = public.never)")
    postgres.query(f"alter database {postgres.name} set search_path = public, pg_catalog")
    assert machine.client().export()[1] == rows


# ---- what is refused ----

def test_there_is_no_seq_to_ask_by(machine, postgres):
    make_table(postgres)
    client = machine.client()
    store = client.status()["store_id"]
    assert refused(client.get("/data/export", after=1, store=store)) == (400, "no_cursor")
    assert refused(client.get("/data/export", after="x")) == (400, "no_cursor")
    assert refused(client.get("/data/export", store=store)) == (400, "bad_store")
    assert refused(client.get("/data/export", since="x")) == (400, "bad_since")
    assert refused(client.get("/data/export", limit=0)) == (400, "bad_limit")
    for stream in ["alarms", "channels"]:
        assert refused(client.get("/data/export", stream=stream)) == (400, "no_stream")


def test_status(machine, postgres):
    make_table(postgres)
    client = machine.client()
    status = client.status()
    assert status["next_seq"] is None
    assert status["store_id"] == client.export()[0]["X-Store-Id"]
    assert status["export_streams"] == ["readings"]
    assert status["export_formats"] == ["gzip", "zstd"]


@pytest.mark.parametrize("table,word", [
    ("plant.missing", "there is no table plant.missing"), ("nowhere.log", "there is no table nowhere.log"),
    ("plant.log(at, name, w)", "has no column w"), ("plant.log(name, name, v)", "column name is text, not a timestamp"),
    ("plant.log(at, at, v)", "neither a text nor a number"), ("plant.log(at, name, name)", "column name is text, not a number"),
])
def test_a_table_that_is_not_as_the_config_says(make_machine, postgres, table, word):
    make_table(postgres)
    machine = make_machine(postgres.url, table)
    answer = machine.client().get("/data/export")
    assert refused(answer) == (503, "source_failed")
    assert answer.headers["Retry-After"]
    assert word in machine.stop()


# ---- who it is ----

def test_the_store_id_is_kept(make_machine, postgres, tmp_path):
    make_table(postgres)
    make_table(postgres, name="plant.other")
    machine = make_machine(postgres.url)

    def restarted(**config):
        machine.stop()
        machine.root.config(config)
        machine.start()
        return machine.client().status()["store_id"]

    first = machine.client().status()["store_id"]
    assert restarted() == first
    other_password = postgres.url.replace("made-up", "another")
    assert restarted(EXPORT_SOURCE=f'"{other_password}"') == first  # the same source
    second = restarted(EXPORT_TABLE="plant.other(at, name, v)")
    assert second != first
    assert restarted(EXPORT_TABLE="plant.other(at,name,v)") == second
    kept = (machine.root.path / "agent" / "export_store_id").read_text()
    assert "made-up" not in kept and "another" not in kept
    (machine.root.path / "agent" / "export_store_id").write_text("")
    assert restarted() not in (first, second)


def test_the_password_of_credentials_env(make_machine, postgres):
    rows = make_table(postgres)
    bare = postgres.url.replace(":made-up%20for%20tests@", "@")
    assert make_machine(bare, password="made-up for tests").client().export()[1] == rows
    machine = make_machine(bare + "?connect_timeout=60", password="wr=ong&%/@secret")
    assert refused(machine.client().get("/data/export")) == (503, "source_failed")
    log = machine.stop()
    assert "password authentication failed" in log
    assert "secret" not in log


# ---- all the way ----

def test_sync_client_brings_it_home(make_machine, postgres, keys, tmp_path):
    rows = make_table(postgres)
    machine = make_machine(postgres.url)

    def sync(number):
        done = telehaul.run("sync_client", "--host", "127.0.0.1", "--port", machine.root.agent_port, "--client-id", "m", "--key",
                            keys.private_file, "--data-storage", tmp_path / "home", "--accept-new-host", "yes", "--bind",
                            f"127.8.0.{number}", "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    assert sync(2)["records"] == len(rows)
    sync(3)
    postgres.query("insert into plant.log values ('2026-02-22T10:04:30.5Z', 'late', 7), ('2026-02-22T11:00:00Z', 'new', 8)")
    sync(4)
    with contextlib.closing(sqlite3.connect(tmp_path / "home" / "central.db")) as db:
        assert db.execute("select count(*) from measurements").fetchone() == (len(rows) + 2,)
