"""docs/data_contract.md is true: its lines are what the agent writes, its json what sync_client writes, its tables those of
both central stores, its examples run."""

import contextlib
import datetime
import gzip
import json
import re
import sqlite3
import subprocess

import pytest
import telehaul
from agent_root import Machine, make_store
from docs_text import example, names, number, section, table

DOC = "docs/data_contract.md"
STREAMS = ("readings", "alarms", "channels")
TABLES = ("vehicles", "sync_cursor", "channel_config", "channel_changes", "measurements", "alarms_log", "sync_journal")


def stated_line(stream):
    return example(DOC, stream.capitalize(), '{"')


def us_of(text):
    moment = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=datetime.timezone.utc)
    return int(moment.timestamp()) * 1_000_000 + moment.microsecond


@pytest.fixture(scope="module")
def machine(tmp_path_factory, keys):
    """Its store holds what the document's lines say."""
    reading, alarm, channel = (json.loads(stated_line(stream)) for stream in STREAMS)
    made = Machine(tmp_path_factory.mktemp("contract") / "root", keys, rows=0, start=False)
    make_store(made.root.store_file(), 0)
    with contextlib.closing(sqlite3.connect(made.root.store_file())) as db:
        db.execute("delete from channels")
        db.execute("insert into channels(channel_id, name, unit, phys_min, phys_max, description) values (1, ?, ?, ?, ?, ?)",
                   tuple(channel.values()))
        db.execute("insert into channels(channel_id, name) values (2, ?)", (alarm["channel"],))
        db.execute("insert into readings values (?, ?, 1, ?)", (reading["seq"], us_of(reading["time"]), reading["value"]))
        db.execute("insert into alarms(alarm_id, seq, channel_id, severity, message, raised_us) values (?, ?, 2, ?, ?, ?)",
                   (alarm["alarm_id"], alarm["seq"], alarm["severity"], alarm["message"], us_of(alarm["raised_at"])))
        db.execute("update meta set value = ? where key = 'next_seq'", (alarm["seq"] + 1,))
        db.commit()
    made.start()
    yield made
    made.clear()


def sync(machine, home, *more):
    return telehaul.run("sync_client", "--host", "127.0.0.1", "--port", machine.root.agent_port, "--client-id", "plant_A",
                        "--key", machine.keys.private_file, "--data-storage", home, "--accept-new-host", "yes", *more)


@pytest.fixture(scope="module")
def home(machine, tmp_path_factory):
    home = tmp_path_factory.mktemp("contract-home") / "data_storage"
    sync(machine, home)
    return home


# ---- streams ----

@pytest.mark.parametrize("stream", STREAMS)
def test_the_line_is_what_an_agent_writes(machine, stream):
    answer = machine.client().get("/data/export", stream=stream)
    assert gzip.decompress(answer.content).decode().splitlines()[0] == stated_line(stream)


@pytest.mark.parametrize("stream", STREAMS)
def test_every_member_of_a_line_is_explained(stream):
    explained = [name for row in table(DOC, stream.capitalize()) for name in names(row[0])]
    assert explained == list(json.loads(stated_line(stream)))


def constants(header):
    return dict(re.findall(r"\b([A-Z_]+) = (\d+)", (telehaul.PROJECT / header).read_text()))


def test_the_sizes_are_the_constants():
    record, alarm = constants("common/wire/record.h"), constants("common/wire/alarm_record.h")
    [name] = re.findall(r"`channel` \| text \| 1 to (\d+) bytes", section(DOC, "Readings"))
    assert int(name) == int(record["RECORD_CHANNEL_BYTES"]) - 1
    [line] = re.findall(r"at most ([\d,]+) bytes, its LF", section(DOC, "Readings"))
    assert number(line) == int(record["RECORD_LINE_MAX_BYTES"])
    [line] = re.findall(r"at most ([\d,]+) bytes, as those", section(DOC, "Alarms"))
    assert number(line) == int(alarm["INFO_LINE_MAX_BYTES"])
    for stream, member, constant in (("Alarms", "severity", "ALARM_SEVERITY_BYTES"), ("Alarms", "message", "ALARM_MESSAGE_BYTES"),
                                     ("Channels", "unit", "CHANNEL_UNIT_BYTES"),
                                     ("Channels", "description", "CHANNEL_DESCRIPTION_BYTES")):
        [stated] = re.findall(rf"`{member}` \| text \| up to (\d+) bytes", section(DOC, stream))
        assert int(stated) == int(alarm[constant]) - 1
    [channels] = re.findall(r"at most ([\d,]+) \|", section(DOC, "Channels"))
    assert number(channels) == int(constants("server_tools/central/channel_cache.h")["CHANNEL_CACHE_MAX"])


# ---- archives ----

def members(value):
    """Names in their order, those of inner objects too."""
    return {name: members(inner) if isinstance(inner, dict) else None for name, inner in value.items()}


def test_the_members_of_an_archive(machine, home):
    stated = json.loads(example(DOC, "Archives", '{"client_id"'))
    sync(machine, home, "--since", "2026-01-01T00:00:00Z")
    by_cursor, by_time = (json.loads(path.read_text()) for path in sorted(
        (home / "plant_A").glob("*.json"), key=lambda path: "since" in path.read_text()))
    assert json.dumps(members(by_cursor)) == json.dumps(members(stated))
    assert list(by_time) == ["since" if name == "after" else name for name in stated]
    explained = {name for row in table(DOC, "Archives")[6:] for name in names(row[0])}
    assert explained == {*stated, "since"}
    assert by_cursor["format"] == stated["format"]
    for name in ("period_start", "period_end", "created_at"):
        assert re.sub(r"\d", "0", by_cursor[name]) == re.sub(r"\d", "0", stated[name])


def test_the_files_of_an_archive(home):
    stated = [names(row[0])[0] for row in table(DOC, "Archives")[:4]]
    assert [path.suffix for path in map(telehaul.pathlib.Path, stated)] == [".zst", ".zst", ".zst", ".json"]
    endings = sorted(name.split(".", 1)[1] for name in stated)
    [json_file] = [path for path in (home / "plant_A").glob("*.json") if "since" not in path.read_text()]
    found = [path.name for path in (home / "plant_A").iterdir() if path.name.split(".")[0] == json_file.stem]
    assert sorted(name.split(".", 1)[1] for name in found) == endings
    assert all(re.fullmatch(r"\d{8}T\d{6}Z(-\d)?\..*", name) for name in found)


# ---- tables ----

def stated_columns(name, store):
    """column -> (type, may be null) as the document says for one of the two stores; the type is — where it is not."""
    found = {}
    for row in table(DOC, f"`{name}`"):
        columns = names(row[0])
        if row[store] != "—":
            found[columns[0] if store == 1 else columns[-1]] = (row[store], row[3] == "yes")
    return found


@pytest.mark.parametrize("name", TABLES)
def test_the_columns_in_sqlite(home, name):
    with contextlib.closing(sqlite3.connect(f"file:{home}/central.db?mode=ro", uri=True)) as db:
        real = db.execute(f"select name, type, \"notnull\", pk from pragma_table_info('{name}')").fetchall()
    assert stated_columns(name, 1) == {column: (kind, not notnull and not key) for column, kind, notnull, key in real}


def test_the_tables_of_sqlite(home):
    with contextlib.closing(sqlite3.connect(f"file:{home}/central.db?mode=ro", uri=True)) as db:
        real = {name for (name,) in db.execute("select name from sqlite_master where type = 'table' and name not like 'sqlite_%'")}
        assert real == {names(row[0])[0] for row in table(DOC, "Central store")} | {"schema_migrations"}
        for row in table(DOC, "Central store"):
            key = [name for name, in db.execute(
                f"select name from pragma_table_info('{names(row[0])[0]}') where pk > 0 order by pk")]
            assert [re.sub("_us$", "", name) for name in key] == re.findall(r"\w+", row[2].split(";")[0].replace("`", ""))


@pytest.fixture
def in_postgres(machine, postgres, tmp_path):
    sync(machine, tmp_path, "--db", postgres.url)
    return postgres


def query(database, sql, *values):
    return database.cluster.query(sql, *values, database=database.name)


def test_the_columns_in_postgres(in_postgres):
    """Whatever the database has is described, and nothing else: a migration brings its tables' sections with it."""
    of_a_fleet = [names(row[0])[0] for row in table(DOC, "A fleet's tables")]
    real = query(in_postgres, "select relname from pg_class where relkind in ('r', 'p', 'v', 'm') and not relispartition "
                 "and relnamespace = 'public'::regnamespace")
    assert sorted(name for name, in real) == sorted([*TABLES, *of_a_fleet, "schema_migrations"])
    for name in [*TABLES, *of_a_fleet]:
        real = query(in_postgres, "select attname, format_type(atttypid, atttypmod), not attnotnull from pg_attribute "
                     "where attrelid = %s::regclass and attnum > 0 and not attisdropped", name)
        stated = stated_columns(name, 2) if name in TABLES else {names(row[0])[0]: (row[1], row[2] == "yes")
                                                                 for row in table(DOC, f"`{name}`")}
        assert stated == {column: (kind, null) for column, kind, null in real}, name


def test_the_keys_of_a_fleets_tables(in_postgres):
    for name, _, key in table(DOC, "A fleet's tables"):
        [(real,)] = query(in_postgres, "select array_agg(attname::text order by array_position(conkey, attnum)) from pg_constraint "
                          "join pg_attribute on attrelid = conrelid and attnum = any(conkey) "
                          "where conrelid = %s::regclass and contype = 'p'", names(name)[0])
        assert names(key) == real, name


def test_the_settings_of_row_level_security(in_postgres):
    """The example as it stands, and the words that count."""
    query(in_postgres, "update vehicles set last_seen_at = '2026-02-22T10:00:00Z'")
    query(in_postgres, "insert into users (user_id, email, status) values (7, 'a@b.example', 'active'); "
          "insert into vehicle_access select vehicle_id, 7 from vehicles; create role contract_reader; "
          "grant select on vehicles to contract_reader")
    try:
        [text] = re.findall(r"(?ms)^    BEGIN;\n(.*?)^    COMMIT;", section(DOC, "Who sees what"))
        ask = f"begin; set local role contract_reader; {text.rsplit('SELECT', 1)[0]}"
        assert query(in_postgres, f"{ask} select {text.rsplit('SELECT', 1)[1]}")[0][0] == "plant_A"
        assert query(in_postgres, f"{ask} select set_config('app.user_id', '8', true); select 1 from vehicles") == []
        assert query(in_postgres, f"{ask} select set_config('app.user_role', 'superuser', true), set_config('app.user_id', '', "
                     "true); select count(*) from vehicles") == [(1,)]
    finally:
        query(in_postgres, "revoke all on vehicles from contract_reader; drop role contract_reader")
    assert [names(row[0])[0] for row in table(DOC, "Who sees what")] == ["app.user_role", "app.user_id", "telehaul_owner",
                                                                          "telehaul_sync", "telehaul_api"]


# ---- examples ----

def commands(program):
    found = re.findall(rf"(?m)^    ({program} .*)$", section(DOC, "Reading it"))
    assert len(found) == 3
    return found


def run(command, cwd, env=None):
    done = subprocess.run(["sh", "-c", command], cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, f"{command}\n{done.stderr}"
    return done.stdout


def test_the_examples_in_sqlite(home):
    newest, lasting, changed = (run(command, home.parent) for command in commands("sqlite3"))
    assert newest == "engine_rpm|1/min|2026-02-22 10:00:00|1523.25\n"
    assert lasting == f"plant_A|coolant_temp|warning|{json.loads(stated_line('alarms'))['message']}|2026-02-22 10:00:00\n"
    assert changed == ""


def test_the_examples_in_postgres(in_postgres, tmp_path):
    newest, lasting, changed = (run(command.replace("psql ", "psql -XAt "), tmp_path, {"URL": in_postgres.url, "TZ": "UTC",
                                                                                       "PATH": "/usr/bin:/bin", "PGTZ": "UTC"})
                                for command in commands("psql"))
    assert newest == "engine_rpm|1/min|2026-02-22 10:00:00+00|1523.25\n"
    assert lasting == f"plant_A|coolant_temp|warning|{json.loads(stated_line('alarms'))['message']}|2026-02-22 10:00:00+00\n"
    assert changed == ""


def test_the_files_alone(home):
    [text] = re.findall(r"Files alone: `(.*?)`, `(.*?)`", section(DOC, "Reading it"))
    [archive] = [path.with_suffix(".zst") for path in (home / "plant_A").glob("*.json") if "since" not in path.read_text()]
    assert run(text[0].replace("X.zst", archive.name), archive.parent) == stated_line("readings") + "\n"
    packed = gzip.compress(b"line\n")
    (home / "X.gz").write_bytes(packed)
    assert run(text[1], home) == "line\n"
