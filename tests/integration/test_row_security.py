"""Nobody sees or changes another owner's vehicle through telehaul_api: every kind of asker, every table, every vehicle, however
it asks; all of it once more with the policies that citus.sql makes. What is in the tables is made up."""

import collections
import io

import citus_rules
import psycopg2
import psycopg2.errors
import pytest
from fleet_database import ask, connected, migrate, tables

A, B = 101, 102
OWNER_OF = {"owner_a": {A}, "owner_b": {B}, "owner_of_both": {A, B}, "owner_of_none": set()}
NOT_YET = {"pending": {A}, "blocked": {A}}  # they have access to A as soon as they are active
USERS = {name: number for number, name in enumerate([*OWNER_OF, *NOT_YET, "superuser"], 11)}

# A row of each table for vehicle %(v)s and user %(u)s.
ROWS = {
    "vehicles": None, "users": None, "vehicle_access": None, "schema_migrations": None,  # made by hand below, or there
    "sync_cursor": "values (%(v)s, 'store', 'readings', 1)",
    "channel_config": "(vehicle_id, channel_id, name) values (%(v)s, 1, 'rpm')",
    "channel_changes": "(vehicle_id, change_id, channel_id, seen_at) values (%(v)s, 1, 1, now())",
    "measurements": "values (%(v)s, 1, now(), %(v)s), (%(v)s, 1, '1999-01-01Z', 1), (%(v)s, 1, '2101-01-01Z', 1)",
    "alarms_log": "values (%(v)s, 1, 1, 'high', 'made up', now(), null)",
    "sync_journal": "values (%(v)s, 1, now(), now(), 'ok', 1, 1, '')",
    "oauth_accounts": "(provider, subject, user_id) values ('google', %(u)s, %(u)s)",
    "revoked_tokens": "(token_id, user_id, expires_at) values (%(u)s, %(u)s, now())",
    "vehicle_sync": "(vehicle_id) values (%(v)s)",
    "vehicle_leases": "values (%(v)s, 'nobody')",
    "sync_workers": "(worker_id, host, pid, expires_at) values (%(v)s, 'h', 1, now())",
    "measurements_quarantine": "values (%(v)s, 1, now(), 1)",
    "notice_rules": "(user_id, channel, target) values (%(u)s, 'email', 'a@b.example')",
    "notices": "(user_id, channel, target, kind, vehicle_id, dedupe_key, subject, body) "
               "values (%(u)s, 'email', 'a@b.example', 'silent', %(v)s, %(v)s, 's', 'b'), "
               "(%(u)s, 'email', 'a@b.example', 'flood', null, 'flood:' || %(v)s, 's', 'b')",  # of no vehicle: one's own all the same
    "vehicle_silences": "values (%(v)s, now())",
    "deployments": "(deployment_id, product, version, package_name, package_sha256, package_bytes, manifest_sha256, signature, "
                   "waves, wave_count, healthy_percent, max_failures) "
                   "values (%(v)s, 'p', '1.0.0', 'n', '0', 1, '0', '0', '1', 1, 100, 0)",  # of that vehicle alone
    "deployment_vehicles": "(vehicle_id, deployment_id, wave, state) values (%(v)s, %(v)s, 1, 'waiting')",
}
REAL = [(role, str(USERS[name]), name) for name in USERS
        for role in (["superuser"] if name == "superuser" else ["owner", None, ""])]
HOSTILE_IDS = [None, "", "0", "-1", "1 OR 1=1", "NaN", "1" + "0" * 30, f" {USERS['owner_a']}", f"{USERS['owner_a']} ",
               f"0{USERS['owner_a']}", f"+{USERS['owner_a']}", f"{USERS['owner_a']}.0", "0x0b", f"{USERS['owner_a']}'--",
               f"{USERS['owner_a']}\n", "1\u0661", "\uff11\uff11", "2147483648", "4294967307", "superuser", "\u00a011", "{11}"]
HOSTILE_ROLES = [None, "", "Superuser", "SUPERUSER", "superuser ", " superuser", "superuser\n", "'superuser'", "super", "postgres",
                 "superuser,owner", "\uff53uperuser"]
HOSTILE = [(role, user, "nobody") for user in HOSTILE_IDS for role in HOSTILE_ROLES] + \
          [(role, str(USERS["owner_a"]), "owner_a") for role in HOSTILE_ROLES]
ASKERS = list(dict.fromkeys(REAL + HOSTILE))


@pytest.fixture(scope="module", params=["as migrated", "spread"])
def fleet(request, postgres_cluster):
    with postgres_cluster.database() as database:
        migrate(database)
        assert set(tables(database)) == set(ROWS)  # a new table needs its row here
        fill(database)
        if request.param == "spread":
            citus_rules.spread(database)
        yield database


def fill(database):
    for vehicle in (A, B):
        database.query("insert into vehicles (vehicle_id, client_id, name, api_key) values (%s, %s, 'made up', 'secret')", vehicle,
                       f"m{vehicle}")
    for name, user in USERS.items():
        role = "superuser" if name == "superuser" else "owner"
        status = name if name in NOT_YET else "active"
        database.query("insert into users (user_id, email, role, status) values (%s, %s, %s, %s)", user, f"{name}@x.example", role,
                       status)
        for vehicle in OWNER_OF.get(name, NOT_YET.get(name, set())):
            database.query("insert into vehicle_access values (%s, %s)", vehicle, user)
    for table, values in ROWS.items():
        for vehicle, user in zip((A, B), USERS.values()) if not of_user(database, table) else both(database, table):
            if values is not None:
                database.query(f"insert into {table} " + values.replace("%(v)s", f"'{vehicle}'").replace("%(u)s", f"'{user}'"))
    database.query("analyze")


def has_column(database, table, column):
    return database.query("select 1 from pg_attribute where attrelid = %s::regclass and attname = %s", table, column) != []


def of_user(database, table):
    return has_column(database, table, "user_id")


def both(database, table):
    """Every user, with every vehicle where the table has both."""
    vehicles = (A, B) if has_column(database, table, "vehicle_id") else (A,)
    return [(vehicle, user) for user in USERS.values() for vehicle in vehicles]


def say_who(connection, role, user):
    """As the API does it, within a transaction; None: unset. The list is for spread readings alone."""
    for name, value in (("app.user_role", role), ("app.user_id", user)):
        if value is not None:
            ask(connection, "select set_config(%s, %s, true)", name, value)
    ask(connection, "select set_config('app.vehicle_ids', array_to_string(public.app_vehicle_ids(), ','), true)")


class Asker:
    """telehaul_api in a transaction with its settings."""

    def __init__(self, connection, role, user):
        self.connection, self.role, self.user = connection, role, user

    def ask(self, sql, *values):
        """The rows, or the class of the error."""
        ask(self.connection, "begin")
        try:
            say_who(self.connection, self.role, self.user)
            found = ask(self.connection, sql, *values)
            ask(self.connection, "commit")
            return found
        except psycopg2.Error as error:
            ask(self.connection, "rollback")
            return type(error)


@pytest.fixture
def api(fleet):
    with connected(fleet, "telehaul_api") as connection:
        yield connection


def seen_by(name):
    """(vehicles, users) that this one may see."""
    if name == "superuser":
        return {A, B}, set(USERS.values())
    return OWNER_OF.get(name, set()), {USERS[name]} if name in USERS else set()


def readable(database):
    return [name for name in tables(database) if name != "schema_migrations" and
            database.query("select has_table_privilege('telehaul_api', %s, 'select')", name) == [(True,)]]


NO_VEHICLE = {None}  # a notice of the whole fleet

# What a user who is not active sees of the tables of users: the page says what it waits for.
ALSO_INACTIVE = {"users", "vehicle_access"}


def expected_keys(database, table, name):
    vehicles, users = seen_by(name)
    keys = [column for column in ("vehicle_id", "user_id") if has_column(database, table, column)] or ["deployment_id"]
    everything = database.query(f"select distinct {', '.join(keys)} from {table}")
    if name in NOT_YET and table not in ALSO_INACTIVE:
        users = set()
    return keys, {row for row in everything if all(
        value in (users if key == "user_id" else vehicles | NO_VEHICLE) for key, value in zip(keys, row)
        if not (table == "vehicle_access" and key == "vehicle_id"))}


# ---- reading ----

def test_the_matrix_is_what_it_says(fleet):
    assert len(readable(fleet)) >= 12 and len(ASKERS) > 250
    for table in readable(fleet):
        keys, everything = expected_keys(fleet, table, "superuser")
        assert len(everything) >= 2 and expected_keys(fleet, table, "nobody")[1] == set(), table


def test_everybody_sees_their_own_and_nothing_else(fleet, api):
    for table in readable(fleet):
        wanted = {name: expected_keys(fleet, table, name) for name in [*USERS, "nobody"]}
        for role, user, name in ASKERS:
            keys, rows = wanted[name]
            found = Asker(api, role, user).ask(f"select distinct {', '.join(keys)} from {table}")
            assert set(found) == rows, (table, role, user)


WAYS = ["select vehicle_id from {t}", "table {t}", "select (x).vehicle_id from {t} x",
        "with x as (select * from {t}) select vehicle_id from x", "select vehicle_id from {t} where vehicle_id in (101, 102) or true",
        "select vehicle_id from {t} union all select vehicle_id from {t}",
        "select t.vehicle_id from {t} t right join generate_series(101, 102) n on n = t.vehicle_id where t.vehicle_id is not null",
        "select max(vehicle_id) over () from {t}", "select vehicle_id from {t} tablesample system (100)",
        "select vehicle_id from only {t}", "delete from {t} returning vehicle_id",
        "update {t} set vehicle_id = vehicle_id returning vehicle_id",
        "select vehicle_id from {t} for update"]
REFUSED = {psycopg2.errors.InsufficientPrivilege, psycopg2.errors.FeatureNotSupported, psycopg2.errors.WrongObjectType}


@pytest.mark.parametrize("way", WAYS)
def test_whatever_the_question(fleet, api, way):
    answers = collections.Counter()
    for table in readable(fleet):
        if not has_column(fleet, table, "vehicle_id"):
            continue
        column = fleet.query("select attnum - 1 from pg_attribute where attrelid = %s::regclass and attname = 'vehicle_id'",
                             table)[0][0]
        for role, user, name in REAL + HOSTILE[::7]:
            if name == "superuser":
                continue
            found = Asker(api, role, user).ask(way.format(t=table))
            if isinstance(found, list):
                mine = column if way.startswith("table") else 0
                own = {A} if table == "vehicle_access" and name in NOT_YET else set()
                assert {row[mine] for row in found} <= seen_by(name)[0] | own | (NO_VEHICLE if table == "notices" else set())
                answers["rows" if found else "none"] += 1
            else:
                assert found in REFUSED, (table, found)
                answers["refused"] += 1
    assert sum(answers.values()) > 500
    assert answers["refused" if way.startswith(("delete", "update")) or way.endswith("for update") else "rows"] > 0, answers


@pytest.mark.parametrize("said", [None, "", "{101}", "{101,102}", "101 ", " 101", "0101", "+101", "101;102", "101.0", "101'--", "*",
                                  "%", "null", "true", "any", "1e2", "0x65", "\uff11\uff10\uff11", "101\n", "101\u00a0"])
def test_a_list_of_vehicles_that_is_none_shows_no_reading(fleet, api, said):
    """It counts for readings that are spread; where they are not, nothing looks at it, whatever it says."""
    is_spread = fleet.query("select 1 from pg_policies where strpos(qual, 'app.vehicle_ids') > 0") != []
    for value in (said, "101,102"):
        ask(api, "begin; select set_config('app.user_role', 'owner', true), set_config('app.user_id', 'nobody', true)")
        if value is not None:
            ask(api, "select set_config('app.vehicle_ids', %s, true)", value)
        found = {vehicle for vehicle, in ask(api, "select vehicle_id from measurements")}
        ask(api, "rollback")
        assert found == ({A, B} if is_spread and value == "101,102" else set())


def test_copy_out(fleet, api):
    ask(api, "begin")
    say_who(api, None, str(USERS["owner_a"]))
    for table in readable(fleet):
        if has_column(fleet, table, "vehicle_id"):
            out = io.StringIO()
            with api.cursor() as cursor:
                cursor.copy_expert(f"copy (select vehicle_id from {table} where vehicle_id is not null) to stdout", out)
            assert set(out.getvalue().split()) == {str(A)}, table
    ask(api, "rollback")


def test_a_prepared_statement_asks_who_asks_each_time(api):
    ask(api, "set plan_cache_mode = force_generic_plan; prepare q as select distinct vehicle_id from measurements order by 1")
    for _ in range(2):
        for name in USERS:
            role = "superuser" if name == "superuser" else "owner"
            assert {row for row, in Asker(api, role, str(USERS[name])).ask("execute q")} == seen_by(name)[0]


def test_a_function_of_ones_own_in_the_condition_sees_no_foreign_row(fleet, api):
    """Cheap and talkative: without a barrier it would run before the policy."""
    ask(api, "create function pg_temp.peek(text) returns boolean language plpgsql cost 0.0000001 as "
             "$$ begin raise notice 'saw %', $1; return true; end $$")
    for table in readable(fleet):
        if not has_column(fleet, table, "vehicle_id"):
            continue
        for explain in ("", "explain analyze "):
            del api.notices[:]
            Asker(api, "owner", str(USERS["owner_a"])).ask(f"{explain}select * from {table} x where pg_temp.peek(vehicle_id::text)")
            saw = [notice.split()[-1] for notice in api.notices]
            assert saw and set(saw) - ({"<NULL>"} if table == "notices" else set()) == {str(A)}, (table, saw)
        assert Asker(api, "owner", str(USERS["owner_a"])).ask(f"select 1 from {table} where 1 / (vehicle_id - {B}) = 7") == []


def test_statistics_tell_nothing(api):
    assert ask(api, "select distinct tablename from pg_stats where schemaname = 'public'") in ([], [("schema_migrations",)])
    assert Asker(api, None, None).ask("select 1 from pg_statistic") is psycopg2.errors.InsufficientPrivilege


def test_partitions_are_reached_through_their_parent_alone(fleet, api):
    parts = [name for name, in fleet.query("select relname from pg_inherits join pg_class on oid = inhrelid "
                                           "where inhparent = 'measurements'::regclass")]
    assert len(parts) >= 5
    for part in parts:
        for role, user, _ in REAL:
            for sql in ("select 1 from {}", "insert into {} values (101, 1, now(), 1)", "delete from {}", "update {} set value = 1",
                        "truncate {}", "copy {} to stdout"):
                assert Asker(api, role, user).ask(sql.format(part)) is psycopg2.errors.InsufficientPrivilege, (part, sql)


# ---- becoming somebody else ----

ESCAPES = ["set role telehaul_sync", "set role telehaul_owner", "set role postgres", "set role pg_read_all_data",
           "set session authorization postgres", "set session authorization telehaul_sync",
           "alter table measurements disable row level security", "alter table measurements no force row level security",
           "alter role telehaul_api bypassrls", "grant telehaul_sync to telehaul_api", "drop policy fleet_own on measurements",
           "create policy mine on measurements using (true)", "grant select on measurements_from_2100 to telehaul_api",
           "create table public.mine ()", "create function public.mine() returns int language sql as 'select 1'",
           "create view public.mine as select * from vehicles",
           "create trigger t before update on users execute function users_guard()",
           "create temp table t () inherits (measurements)", "truncate vehicles", "copy vehicles to '/tmp/x'",
           "copy vehicles to program 'cat'", "create extension dblink", "alter function app_is_superuser() owner to telehaul_api",
           "create or replace function public.app_is_superuser() returns boolean language sql as 'select true'",
           "select fleet_tell('rollout', null, 's', 'b', 'd')", "select notice_claim('w', 'email', 10, 10)",
           "alter default privileges for role telehaul_owner grant select on tables to telehaul_api",
           "comment on table vehicles is 'mine'", "security label on table vehicles is 'mine'",
           "reassign owned by telehaul_owner to telehaul_api"]


@pytest.mark.parametrize("sql", ESCAPES)
def test_what_the_api_may_not_do_whoever_asks(api, sql):
    for role, user, _ in (("superuser", str(USERS["superuser"]), ""), ("owner", str(USERS["owner_a"]), "")):
        assert isinstance(Asker(api, role, user).ask(sql), type), sql
    assert ask(api, "select current_user, session_user") == [("telehaul_api", "telehaul_api")]
    assert Asker(api, None, None).ask("select 1 from measurements") == []


def test_reset_role_stays_who_it_is(api):
    for sql in ("reset role", "reset session authorization", "set role none", "reset all", "discard all"):
        ask(api, sql)
    assert ask(api, "select current_user") == [("telehaul_api",)]
    assert ask(api, "select 1 from vehicles") == []


def test_row_security_off_is_an_error_not_a_way_in(fleet, api):
    ask(api, "set row_security = off")
    for table in readable(fleet):
        assert Asker(api, "owner", str(USERS["owner_a"])).ask(f"select 1 from {table}") is psycopg2.errors.InsufficientPrivilege


def test_names_of_ones_own_change_nothing(api):
    """Tables and functions that stand before ours in the search path."""
    ask(api, "create temp table users as select 11 as user_id, 'active'::text as status;"
             "create temp table vehicle_access as select 11 as user_id, 102 as vehicle_id;"
             "create function pg_temp.app_is_superuser() returns boolean language sql as 'select true';"
             "create function pg_temp.app_vehicle_ids() returns int[] language sql as 'select array[101, 102]';"
             "create function pg_temp.eq(int, int) returns boolean language sql as 'select true';"
             "create operator pg_temp.= (leftarg = int, rightarg = int, function = pg_temp.eq);"
             "set search_path = pg_temp, public, pg_catalog")
    asker = Asker(api, "owner", str(USERS["owner_a"]))
    assert asker.ask("select vehicle_id from public.vehicles") == [(A,)]
    assert asker.ask("select public.app_vehicle_ids(), public.app_is_superuser(), public.app_user_id()") == [([A], False, 11)]


def test_our_functions_answer_for_who_asks(fleet, api):
    for role, user, name in ASKERS:
        active = USERS[name] if name in USERS and name not in NOT_YET else None
        access = [A, B] if name == "superuser" else sorted(seen_by(name)[0])
        found = Asker(api, role, user).ask("select app_active_user_id(), app_vehicle_ids(), app_is_superuser()")
        assert (found[0][0], sorted(found[0][1]), found[0][2]) == (active, [] if name == "superuser" else access,
                                                                   role == "superuser"), (role, user)


# ---- changing ----

def snapshot(database):
    return {table: database.query(f"select md5(string_agg(x::text, '|' order by x::text)) from {table} x") for table in tables(database)}


def test_nobody_but_a_superuser_changes_what_is_a_vehicles_or_anothers(fleet, api):
    before = snapshot(fleet)
    for table in tables(fleet):
        keys = [column for column in ("vehicle_id", "user_id") if has_column(fleet, table, column)]
        attempts = [f"delete from {table}", f"delete from {table} where true returning *"]
        attempts += [f"update {table} set {key} = {value}" for key in keys for value in (A, B, USERS["owner_a"])]
        if ROWS[table] is not None and table != "revoked_tokens":
            attempts += [f"insert into {table} " + ROWS[table].replace("%(v)s", f"'{vehicle}'").replace("%(u)s", f"'{user}'")
                         .replace("a@b", "c@d") + " on conflict do nothing" for vehicle, user in ((A, USERS["owner_b"]), (B, USERS["blocked"]))]
        for role, user, name in REAL + HOSTILE[::5]:
            own_rules = table == "notice_rules" and name in OWNER_OF
            for sql in attempts if name != "superuser" and not own_rules else []:
                assert Asker(api, role, user).ask(sql) in ([], *REFUSED, psycopg2.errors.RaiseException), (sql, user)
    assert snapshot(fleet) == before


def test_whether_a_row_is_there_cannot_be_found_out_by_adding_it(api):
    asker = Asker(api, "owner", str(USERS["owner_a"]))
    for user in (USERS["owner_a"], USERS["owner_b"], 999):
        for conflict in ("", " on conflict do nothing", " on conflict (vehicle_id, user_id) do update set granted_at = now()"):
            assert asker.ask(f"insert into vehicle_access values ({B}, {user}){conflict}") is psycopg2.errors.InsufficientPrivilege


@pytest.mark.parametrize("change, works", [
    ("name = 'Ann'", True), ("password_hash = 'made up'", True), ("name = 'Ann', password_hash = null", True),
    ("role = 'superuser'", False), ("status = 'pending'", False), ("email = 'x@y.example'", False), ("user_id = 998", False),
    ("user_id = 17", False), ("created_at = now()", False), ("name = 'Ann', role = 'superuser'", False)])
def test_of_ones_own_row_the_name_and_the_password(fleet, api, change, works):
    try:
        for name, user in USERS.items():
            if name == "superuser":
                continue
            before = fleet.query("select * from users order by 1")
            found = Asker(api, "owner", str(user)).ask(f"update users set {change} returning user_id")
            if name in NOT_YET:
                assert found == []
            elif works:
                assert found == [(user,)]
            else:
                assert found is psycopg2.errors.InsufficientPrivilege
            after = fleet.query("select * from users order by 1")
            assert [row for row in after if row[0] != user] == [row for row in before if row[0] != user]
            assert works or after == before
    finally:
        fleet.query("update users set name = '', password_hash = null")


def test_ones_own_token_can_be_ended_and_no_other(fleet, api):
    sql = "insert into revoked_tokens (token_id, user_id, expires_at) values (%s, %s, now()) returning user_id"
    for name, user in USERS.items():
        if name == "superuser":
            continue
        asker = Asker(api, "owner", str(user))
        assert asker.ask(sql, f"of {name}", user) == (psycopg2.errors.InsufficientPrivilege if name in NOT_YET else [(user,)])
        assert asker.ask(sql, f"of {name} 2", USERS["superuser"]) is psycopg2.errors.InsufficientPrivilege
    fleet.query("delete from revoked_tokens where token_id like 'of %'")


def test_a_superuser_governs_people_and_vehicles_and_not_what_was_measured(fleet, api):
    boss = Asker(api, "superuser", str(USERS["superuser"]))
    assert boss.ask("insert into vehicles (vehicle_id, client_id, name) values (103, 'm103', 'new') returning vehicle_id") == [(103,)]
    assert boss.ask("insert into users (user_id, email) values (99, 'new@x.example') returning status, role") == [("pending", "owner")]
    assert boss.ask("insert into vehicle_access values (103, 99) returning user_id") == [(99,)]
    assert Asker(api, "owner", "99").ask("select 1 from vehicles") == []
    assert boss.ask("update users set status = 'active' where user_id = 99 returning status") == [("active",)]
    assert Asker(api, "owner", "99").ask("select vehicle_id from vehicles") == [(103,)]
    assert boss.ask("update users set status = 'blocked' where user_id = 99 returning status") == [("blocked",)]
    assert Asker(api, "owner", "99").ask("select vehicle_id from vehicles") == []
    assert boss.ask("delete from users where user_id = 99 returning user_id") == [(99,)]
    assert fleet.query("select 1 from vehicle_access where user_id = 99") == []
    assert boss.ask("delete from vehicles where vehicle_id = 103 returning vehicle_id") == [(103,)]
    for table in ("measurements", "alarms_log", "sync_journal", "channel_config"):
        for sql in (f"delete from {table}", f"insert into {table} (vehicle_id) select 101", f"update {table} set vehicle_id = 1"):
            assert boss.ask(sql) is psycopg2.errors.InsufficientPrivilege


def test_an_address_is_one_person_however_it_is_written(fleet, api):
    boss = Asker(api, "superuser", str(USERS["superuser"]))
    assert boss.ask("insert into users (email) values ('OWNER_A@X.example')") is psycopg2.errors.UniqueViolation


# ---- the end of a transaction ----

@pytest.mark.parametrize("end", ["commit", "rollback", "select 1 / 0"])
def test_nothing_remains_after_the_transaction(api, end):
    for role, user in (("superuser", str(USERS["superuser"])), ("owner", str(USERS["owner_of_both"]))):
        ask(api, "begin; select set_config('app.user_role', %s, true), set_config('app.user_id', %s, true)", role, user)
        assert len(ask(api, "select 1 from vehicles")) == 2
        try:
            ask(api, end)
        except psycopg2.errors.DivisionByZero:
            ask(api, "rollback")
        assert ask(api, "select 1 from vehicles") == []
        assert ask(api, "select app_user_id(), app_is_superuser(), coalesce(current_setting('app.user_role', true), '')") == [
            (None, False, "")]
