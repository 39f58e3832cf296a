"""sync_client with its central store in PostgreSQL: sessions, imports again, over each other and at the same time, and a
server that goes away in the middle."""

import contextlib
import hashlib
import json
import subprocess

import pytest
import telehaul
from fake_agent import line, make_alarms, make_channels, make_readings
from postgres import PASSWORD
from sync_home import ROWS, expected, expected_alarms
from telehaul import wait_until

ROW_QUERY = """select (extract(epoch from m.time) * 1000000)::bigint, c.name, m.value from measurements m
               join channel_config c using (vehicle_id, channel_id) join vehicles v using (vehicle_id)
               where v.client_id = %s order by 1, 2"""
MANY = 600_000  # six batches


def rows_in(database, client_id="m1"):
    return database.query(ROW_QUERY, client_id)


def cursors(database):
    return database.query("select client_id, stream, seq from sync_cursor join vehicles using (vehicle_id) order by 1, 2")


def import_argv(database_url, *archives, client_id="m1"):
    return [str(telehaul.BIN / "sync_client"), "import", *map(str, archives), "--db", database_url, "--client-id", client_id,
            "--json"]


def run_import(database_url, *archives, client_id="m1"):
    done = subprocess.run(import_argv(database_url, *archives, client_id=client_id), capture_output=True, text=True,
                          timeout=200)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def pack(folder, rows, store_id="6f9b7b0e-8f3e-4a53-9d53-0f6f3f1d2c11", name="20260222T100000Z", client_id="m1"):
    """An archive of the tests' own making, with its json."""
    folder.mkdir(parents=True, exist_ok=True)
    archive = folder / f"{name}.gz"
    text = "".join(map(line, rows)).encode()
    packed = subprocess.run(["gzip", "-1", "-c"], input=text, stdout=subprocess.PIPE, check=True).stdout
    archive.write_bytes(packed)
    archive.with_suffix(".json").write_text(json.dumps({
        "client_id": client_id, "agent_id": "0" * 64, "store_id": store_id, "stream": "readings", "first_seq": rows[0][0],
        "last_seq": rows[-1][0], "count": len(rows), "bytes": len(packed), "sha256": hashlib.sha256(packed).hexdigest(),
        "after": rows[0][0] - 1, "created_at": "2026-02-22T10:00:00Z"}))
    return archive


@contextlib.contextmanager
def held_row(database, row, value=12345.5):
    """Somebody else writes it meanwhile, and does not come to an end; gives that one's cursor."""
    _, time_us, channel, _ = row
    with database.connect() as other, other.cursor() as cursor:
        cursor.execute("insert into channel_config (vehicle_id, channel_id, name) select 1, 99, %s", (channel,))
        cursor.execute("begin; insert into measurements values (1, 99, to_timestamp(%s::numeric / 1000000), %s)",
                       (time_us, value))
        yield cursor


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """An archive of several batches, and what must be there after it."""
    rows = make_readings(MANY, channels=17)
    return pack(tmp_path_factory.mktemp("many"), rows), rows


def digest(rows):
    return len(rows), hashlib.sha256(repr(rows).encode()).hexdigest()


# ---- sessions ----

def test_everything_comes_home(agent, home, postgres):
    agent.formats = ["gzip", "zstd"]
    agent.alarms = make_alarms(20, ROWS + 1)
    agent.described = make_channels()
    first = home.sync(agent, "--db", postgres.url).result
    assert first["added"] == ROWS and first["channels"] == 5
    assert rows_in(postgres) == expected(agent.rows)
    assert postgres.query(
        "select host, agent_port, agent_id, software_version, sync_status, last_seen_at > now() - interval '1 minute', "
        "last_sync_at > now() - interval '1 minute', transport from vehicles") == [
        ("127.0.0.1", agent.port, agent.agent_id, "1.0.0", "ok", True, True, "agent")]
    assert postgres.query("select a.alarm_id, c.name, a.severity, a.message, (extract(epoch from raised_at) * 1000000)::bigint, "
                          "(extract(epoch from resolved_at) * 1000000)::bigint from alarms_log a "
                          "left join channel_config c using (vehicle_id, channel_id) order by 1") == expected_alarms(agent.alarms)
    assert postgres.query("select name, unit, min_value, max_value, description from channel_config "
                          "order by 1") == sorted(agent.described)
    assert postgres.query("select status, rows_written, bytes > 0, note from sync_journal") == [("ok", ROWS, True, "")]
    assert [stream for _, stream, _ in cursors(postgres)] == ["alarms", "readings"]

    agent.rows += make_readings(100, ROWS + 1000)
    second = home.sync(agent, "--db", postgres.url).result
    assert second["records"] == second["added"] == 100
    assert rows_in(postgres) == expected(agent.rows)


def test_a_changed_unit_is_seen(agent, home, postgres):
    agent.formats = ["gzip"]
    agent.described = make_channels(unit="bar")
    home.sync(agent, "--db", postgres.url)
    agent.described = make_channels(unit="kPa")
    agent.rows += make_readings(10, ROWS + 1)
    home.sync(agent, "--db", postgres.url)
    assert postgres.query("select distinct unit from channel_config") == [("kPa",)]
    assert postgres.query("select name, changes.unit, held_until is not null, held_until < seen_at from channel_changes changes "
                          "join channel_config using (vehicle_id, channel_id) order by 1") == [
        (f"channel_{i}", "bar", True, True) for i in range(5)]


def test_passwords_are_never_shown(agent, home, postgres):
    done = home.sync(agent, "--db", postgres.url)
    assert done.result["database"].startswith("postgresql://postgres:***@127.0.0.1:")
    assert "made-up" not in done.stdout + done.stderr
    done = subprocess.run(import_argv(postgres.url, *home.archives()), capture_output=True, text=True)
    assert done.returncode == 0 and "made-up" not in done.stdout + done.stderr


def test_the_password_may_come_from_the_environment(agent, home, postgres):
    url = postgres.cluster.url(postgres.name).replace(":made-up%20for%20tests@", "@")
    assert home.sync(agent, "--db", url, env={"PGPASSWORD": PASSWORD}).result["added"] == ROWS


# ---- what does not work ----

@pytest.mark.parametrize("change, code, words", [
    (lambda url: url.replace("made-up", "sesame"), 4, "password authentication failed"),
    (lambda url: url.replace("postgres:", "nobody:"), 4, "password authentication failed"),
    (lambda url: url.split("@")[0] + "@127.0.0.1:9/x", 3, "refused"),
    (lambda url: url + "_none", 1, "does not exist"),
    (lambda url: url.replace("@", "%zz@"), 2, "no PostgreSQL URL"),
])
def test_a_log_in_that_fails(home, postgres, tmp_path, change, code, words):
    archive = pack(tmp_path, make_readings(10))
    done = subprocess.run(import_argv(change(postgres.url), archive), capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stderr
    assert words in done.stderr and "***" in done.stderr
    assert "sesame" not in done.stderr and "made-up" not in done.stderr and done.stdout == ""


@pytest.fixture
def role(postgres):
    """A log-in that may do nothing but what a test grants it."""
    name = f"role_of_{postgres.name}"
    postgres.query(f"create role {name} login password 'made-up for tests'; revoke create on schema public from public")
    yield name
    postgres.query(f"drop owned by {name}; drop role {name}")


READ = "select on all tables in schema public"


@pytest.mark.parametrize("rights, words", [
    (None, "schema_migrations"),
    (READ, "permission denied for table vehicles"),
    (READ + "; grant insert, update on vehicles", "permission denied for"),
    (READ + "; grant insert, update, delete on all tables in schema public", "measurements_2026_03"),
])
def test_a_role_without_rights(postgres, tmp_path, role, rights, words):
    """It says which right is missing, and what is there stays as it was."""
    first = make_readings(10)
    run_import(postgres.url, pack(tmp_path / "first", first))
    if rights is not None:
        postgres.query("; ".join(f"grant {right.removeprefix('grant ')} to {role}" for right in rights.split("; ")))
    march = pack(tmp_path / "march", [(seq, time_us + 30 * 86_400_000_000, *rest) for seq, time_us, *rest in make_readings(10, 11)])
    url = postgres.url.replace("postgres:", f"{role}:", 1)
    done = subprocess.run(import_argv(url, march), capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and words in done.stderr and "made-up" not in done.stderr, done.stderr
    assert done.stdout == ""
    assert rows_in(postgres) == expected(first)
    assert cursors(postgres) == [("m1", "readings", 10)]


def test_a_role_that_may_write_and_make_nothing_works_within_a_month(postgres, tmp_path, role):
    run_import(postgres.url, pack(tmp_path / "first", make_readings(10)))
    postgres.query(f"grant select, insert, update, delete on all tables in schema public to {role}; "
                   f"grant temporary on database {postgres.name} to {role}")
    url = postgres.url.replace("postgres:", f"{role}:", 1)
    assert run_import(url, pack(tmp_path / "next", make_readings(10, 11)))["added"] == 10


def test_a_database_of_another_encoding_is_refused(own_cluster, tmp_path):
    """Some names and messages could not be kept in it."""
    own_cluster.query("create database old encoding 'LATIN1' locale 'C' template template0")
    done = subprocess.run(import_argv(own_cluster.url("old"), pack(tmp_path, make_readings(10))), capture_output=True, text=True)
    assert done.returncode == 2 and "LATIN1" in done.stderr and "ENCODING 'UTF8'" in done.stderr, done.stderr


def test_a_session_without_its_database_asks_the_machine_for_nothing(agent, home, postgres):
    done = home.sync(agent, "--db", postgres.url.replace("made-up", "sesame"), check=4)
    assert "password authentication failed" in done.stderr
    assert agent.requests == [] and home.archives() == []


# ---- imports ----

def test_repeated_and_half_overlapping_imports(postgres, tmp_path):
    rows = make_readings(300_000, channels=17)
    half = pack(tmp_path / "half", rows[:150_000])
    whole = pack(tmp_path / "whole", rows)
    odd = pack(tmp_path / "odd", rows[1::2])
    assert run_import(postgres.url, odd)["added"] == 150_000
    assert run_import(postgres.url, half)["added"] == 75_000
    assert run_import(postgres.url, half, half)["added"] == 0
    assert run_import(postgres.url, whole)["added"] == 75_000
    assert run_import(postgres.url, whole)["added"] == 0
    assert digest(rows_in(postgres)) == digest(expected(rows))
    assert cursors(postgres) == [("m1", "readings", 300_000)]


def test_two_importers_of_one_vehicle_at_once(postgres, many):
    archive, rows = many
    running = [subprocess.Popen(import_argv(postgres.url, archive), stdout=subprocess.PIPE, text=True) for _ in range(2)]
    results = [json.loads(importer.communicate(timeout=200)[0]) for importer in running]
    assert sorted(result["added"] for result in results) == [0, MANY]  # one after the other
    assert digest(rows_in(postgres)) == digest(expected(rows))


def test_two_vehicles_at_once(postgres, many):
    archive, rows = many
    running = [subprocess.Popen(import_argv(postgres.url, archive, client_id=client), stdout=subprocess.PIPE, text=True)
               for client in ("m1", "m2")]
    results = [json.loads(importer.communicate(timeout=200)[0]) for importer in running]
    assert [result["added"] for result in results] == [MANY, MANY]
    for client in ("m1", "m2"):
        assert digest(rows_in(postgres, client)) == digest(expected(rows))
    # each saw the other only where it had to: one partition was made, once
    assert postgres.query("select count(*) from pg_inherits where inhparent = 'measurements'::regclass "
                          "and inhrelid = 'measurements_2026_02'::regclass") == [(1,)]


def test_an_importer_that_is_killed_leaves_its_lock_and_whole_batches(postgres, many):
    archive, rows = many
    first = subprocess.Popen(import_argv(postgres.url, archive))
    wait_until(lambda: cursors_or_none(postgres), "a first batch")
    first.kill()
    first.wait()
    wait_until(lambda: postgres.query("select count(*) from pg_stat_activity where application_name = 'telehaul' and "
                                      "datname = current_database()") == [(0,)], "the end of its session")
    [(_, _, reached)] = cursors(postgres)
    assert digest(rows_in(postgres)) == digest(expected(rows[:reached]))
    assert run_import(postgres.url, archive)["added"] == MANY - reached
    assert digest(rows_in(postgres)) == digest(expected(rows))


def cursors_or_none(database):
    """None until every migration is through: reading while tables are altered may end in a deadlock."""
    files = len(list((telehaul.PROJECT / "migrations" / "central_postgres").glob("0*.sql")))
    if database.query("select to_regclass('schema_migrations')") == [(None,)] or \
            database.query("select count(*) from schema_migrations") != [(files,)]:
        return []
    return cursors(database)


def test_the_server_stops_in_the_middle(own_cluster, many):
    archive, rows = many
    with own_cluster.database() as database:
        run_import(database.url, pack(archive.parent / "first", rows[:1]))
        with held_row(database, rows[MANY - 1]):  # however late we are, it is not through
            importer = subprocess.Popen(import_argv(database.url, archive), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                        text=True)
            wait_until(lambda: cursors(database) != [("m1", "readings", 1)], "a first batch")
            own_cluster.stop(immediately=True)
        out, err = importer.communicate(timeout=200)
        assert importer.returncode == 3 and out == "", err
        assert "PostgreSQL" in err and "try again" in err and "made-up" not in err
        own_cluster.start()
        [(_, _, reached)] = cursors(database)
        assert reached % 100_000 == 0 and 0 < reached < MANY  # whole batches, and the cursor with them
        assert digest(rows_in(database)) == digest(expected(rows[:reached]))
        assert run_import(database.url, archive)["added"] == MANY - reached
        assert digest(rows_in(database)) == digest(expected(rows))
        assert cursors(database) == [("m1", "readings", MANY)]


def test_many_servers_make_the_tables_at_once(postgres, tmp_path):
    archives = [pack(tmp_path / str(number), make_readings(1000), client_id=f"v{number}") for number in range(8)]
    running = [subprocess.Popen(import_argv(postgres.url, archive, client_id=f"v{number}"), stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True) for number, archive in enumerate(archives)]
    assert [importer.communicate(timeout=100)[1] for importer in running] == [""] * 8
    assert postgres.query("select count(*), count(distinct vehicle_id) from measurements") == [(8000, 8)]


def test_an_alarm_that_comes_again_ends(agent, home, postgres):
    agent.formats = ["gzip"]
    lasting = (ROWS + 1, 77, "channel_1", "high", "made up", agent.rows[0][1], None)
    agent.alarms = [lasting]
    home.sync(agent, "--db", postgres.url)
    assert postgres.query("select resolved_at from alarms_log") == [(None,)]
    agent.alarms = [(ROWS + 2, *lasting[1:6], agent.rows[0][1] + 5)]
    home.sync(agent, "--db", postgres.url)
    assert postgres.query("select alarm_id, message, (extract(epoch from resolved_at) * 1000000)::bigint "
                          "from alarms_log") == [(77, "made up", agent.rows[0][1] + 5)]


def test_a_migration_of_the_server_that_differs(postgres, tmp_path):
    archive = pack(tmp_path, make_readings(10))
    run_import(postgres.url, archive)
    postgres.query("update schema_migrations set sha256 = 'x' where name = '0001_central.sql'")
    done = subprocess.run(import_argv(postgres.url, archive), capture_output=True, text=True)
    assert done.returncode == 1 and "0001_central.sql" in done.stderr and "differs" in done.stderr, done.stderr


# ---- others at the same time ----

def test_rows_that_another_writer_adds_in_the_middle(postgres, many):
    """Somebody without our lock: what was new when the keys were read is not any more when it is written."""
    archive, rows = many
    run_import(postgres.url, pack(archive.parent / "first", rows[:1]))
    (_, time_us, channel, _), theirs = rows[150_000], 12345.5
    with held_row(postgres, rows[150_000], theirs) as other:
        importer = subprocess.Popen(import_argv(postgres.url, archive), stdout=subprocess.PIPE, text=True)
        wait_until(lambda: postgres.query("select count(*) from pg_stat_activity where application_name = 'telehaul' and "
                                          "wait_event_type = 'Lock' and datname = current_database()") == [(1,)],
                   "the importer that waits for the other's row")
        other.execute("commit")
    result = json.loads(importer.communicate(timeout=200)[0])
    assert (importer.returncode, result["added"]) == (0, MANY - 2)
    assert digest(rows_in(postgres)) == digest(sorted(
        (when, name, theirs if (when, name) == (time_us, channel) else value) for _, when, name, value in rows))
    assert cursors(postgres) == [("m1", "readings", MANY)]


# ---- tables that were changed by hand ----

def test_an_operators_own_column_is_left_alone(postgres, tmp_path):
    rows = make_readings(200)
    run_import(postgres.url, pack(tmp_path / "first", rows[:100]))
    postgres.query("alter table measurements add column note text default 'mine'; alter table alarms_log add column note text")
    assert run_import(postgres.url, pack(tmp_path / "next", rows))["added"] == 100
    assert rows_in(postgres) == expected(rows)
    assert postgres.query("select distinct note from measurements") == [("mine",)]


def test_values_that_were_changed_by_hand_stay(postgres, tmp_path):
    archive = pack(tmp_path, make_readings(100))
    run_import(postgres.url, archive)
    postgres.query("update measurements set value = -1; delete from measurements where channel_id = 2")
    assert run_import(postgres.url, archive)["added"] == 20
    assert postgres.query("select channel_id = 2, bool_and(value = -1) from measurements group by 1 order by 1")[0] == (False, True)


@pytest.mark.parametrize("change, words", [
    ("alter table measurements alter value type real", "incorrect binary data format"),
    ("alter table measurements rename value to reading", "value"),
    ("alter table measurements add constraint mine check (value < 0) not valid", "mine"),
    ("drop table measurements", "measurements"),
    ("drop table sync_cursor", "sync_cursor"),
])
def test_a_table_that_cannot_take_it_costs_no_archive(agent, home, postgres, change, words):
    """Not the archive is wrong: it stays, and comes in when the table is right again."""
    agent.formats = ["gzip"]
    agent.rows, later = agent.rows[:100], agent.rows[100:]
    home.sync(agent, "--db", postgres.url)
    agent.rows += later
    postgres.query(change)
    done = home.sync(agent, "--db", postgres.url, check=1)
    assert words in done.stderr and "damaged" not in done.stderr, done.stderr
    if change != "drop table sync_cursor":  # then nothing was asked for
        assert len(home.archives()) == 2
    again = home.sync(agent, "--db", postgres.url, check=1)
    assert words in again.stderr
    assert len(home.archives()) <= 2  # run by run it does not fill the folder


def test_a_table_that_was_put_right_again(agent, home, postgres):
    agent.rows, later = agent.rows[:100], agent.rows[100:]
    home.sync(agent, "--db", postgres.url)
    agent.rows += later
    postgres.query("alter table measurements add constraint mine check (value < 0) not valid")
    home.sync(agent, "--db", postgres.url, check=1)
    postgres.query("alter table measurements drop constraint mine")
    done = home.sync(agent, "--db", postgres.url)
    assert "which an earlier run had only fetched" in done.stderr and done.result["records"] == 0
    assert rows_in(postgres) == expected(agent.rows)


# ---- a full disk ----

@contextlib.contextmanager
def small_disk(cluster, limit_bytes):
    """No file of the server grows beyond it: a write stops in the middle of a page, as on a full disk."""
    cluster.run("prlimit", "--pid", cluster.process.pid, f"--fsize={limit_bytes}:")
    yield
    cluster.run("prlimit", "--pid", cluster.process.pid, "--fsize=unlimited:")


def test_a_full_disk_of_the_server(own_cluster, many):
    archive, rows = many
    with own_cluster.database() as database:
        with small_disk(own_cluster, 16 * 2**20 + 4096):  # files of its log have 16 MiB
            done = subprocess.run(import_argv(database.url, archive), capture_output=True, text=True, timeout=200)
        assert done.returncode == 1 and done.stdout == "", done.stderr
        assert "53100" in done.stderr and archive.name in done.stderr
        [(_, _, reached)] = cursors(database)
        assert reached % 100_000 == 0 and 0 < reached < MANY
        assert digest(rows_in(database)) == digest(expected(rows[:reached]))
        assert run_import(database.url, archive)["added"] == MANY - reached
        assert digest(rows_in(database)) == digest(expected(rows))
        assert cursors(database) == [("m1", "readings", MANY)]
