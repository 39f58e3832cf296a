"""The central database's roles: made by `sync_service migrate`, each with no more than its rights; months made and dropped by
a role that owns nothing; sync_client as each role that it may be given."""

import contextlib
import re
import subprocess
import threading

import citus_rules
import psycopg2
import psycopg2.errors
import pytest
import telehaul
from fake_agent import make_readings
from fleet_database import ROLES, ask, connected, migrate, tables, url_of
from sync_home import expected
from test_central_postgres import pack, rows_in, run_import

FLAGS = "rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls, rolcanlogin"
MONTH_US = 31 * 86_400_000_000


@pytest.fixture
def fleet(postgres):
    migrate(postgres)
    return postgres


@contextlib.contextmanager
def plain_role(database):
    """A log-in that owns the database, and may make neither roles nor exceptions from row-level security."""
    name = f"plain_{database.name}"
    database.query(f"create role {name} login; alter database {database.name} owner to {name}")
    yield name
    database.query(f"alter database {database.name} owner to postgres; drop owned by {name} cascade; drop role {name}")


# ---- making them ----

def test_the_roles_and_nothing_more(fleet):
    known = len(list((telehaul.PROJECT / "migrations/central_postgres").glob("0*.sql")))
    assert migrate(fleet) == {"applied": 0, "migrations": known, "missing": []}
    assert fleet.query(f"select rolname, {FLAGS} from pg_roles where rolname = any(%s) order by 1", list(ROLES)) == [
        ("telehaul_api", False, False, False, False, False, True), ("telehaul_owner", False, False, False, False, False, True),
        ("telehaul_sync", False, False, False, False, True, True)]
    assert fleet.query("select rolname from pg_authid where rolpassword is not null and rolname = any(%s)", list(ROLES)) == []
    owned = "select distinct pg_get_userbyid(relowner) from pg_class where relnamespace = 'public'::regnamespace"
    assert fleet.query(owned) == [("telehaul_owner",)]


def test_every_table_has_its_row_in_roles_sql(fleet):
    text = (telehaul.PROJECT / "migrations/central_postgres/roles.sql").read_text()
    listed = re.findall(r"(?m)^ +\('(\w+)', +'[^']*', +'[^']*'\)", text)
    assert listed == sorted(listed)
    assert [name for name in listed if name in tables(fleet)] == tables(fleet)


def test_functions_with_their_owners_rights_cannot_be_led_astray(fleet):
    """Names are bound when they are made (SQL) or looked up where nobody else may make any; and few may call them."""
    everybody = {"app_active_user_id", "app_vehicle_ids"}  # of what app.user_id may see, and no more
    found = fleet.query("""
        select proname, prosqlbody is not null or array_to_string(proconfig, ';') ~ 'search_path=public, pg_temp',
               has_function_privilege('telehaul_api', oid, 'execute'), pg_get_userbyid(proowner)
        from pg_proc where pronamespace = 'public'::regnamespace and prosecdef order by 1""")
    assert {name for name, *_ in found} >= everybody | {"fleet_make_month", "fleet_drop_months"}
    for name, is_bound, for_api, owner in found:
        assert (is_bound, for_api, owner) == (True, name in everybody, "telehaul_owner"), name


def test_what_was_changed_by_hand_is_put_right(fleet):
    fleet.query("grant insert, delete on measurements to telehaul_api; grant select on measurements_from_2100 to telehaul_api;"
                "revoke all on vehicles from telehaul_sync; alter table vehicles owner to postgres")
    fleet.query("alter role telehaul_api bypassrls")
    assert migrate(fleet)["missing"] == []
    assert fleet.query("""select has_table_privilege('telehaul_api', 'measurements', 'insert, delete'),
        has_table_privilege('telehaul_api', 'measurements_from_2100', 'select'), tableowner,
        has_table_privilege('telehaul_sync', 'vehicles', 'update'), (select rolbypassrls from pg_roles
        where rolname = 'telehaul_api') from pg_tables where tablename = 'vehicles'""") == [
            (False, False, "telehaul_owner", True, False)]


def test_what_only_a_person_can_put_right_is_said(fleet):
    fleet.query("grant telehaul_sync to telehaul_api; grant create on schema public to public")
    try:
        said = migrate(fleet)["missing"]
    finally:
        fleet.query("revoke telehaul_sync from telehaul_api")
    assert len(said) == 3 and "telehaul_api can become telehaul_sync" in said[0]
    assert "REVOKE CREATE ON SCHEMA public FROM PUBLIC" in said[1] and "sync_service migrate" in said[2]


@pytest.mark.parametrize("role", ["telehaul_owner", "telehaul_sync"])
def test_each_may_look_whether_there_is_something_to_do(fleet, role):
    assert migrate(fleet, role)["missing"] == []


def test_an_old_schema_and_a_role_that_may_not_change_it(fleet):
    fleet.query("delete from schema_migrations where name like '0002%'")
    assert "run `sync_service migrate` as telehaul_owner or a superuser" in migrate(fleet, "telehaul_sync", check=4)


def test_a_role_that_may_not_make_roles(own_cluster, tmp_path):
    """It works without them; who may make them does it later, and everybody goes on."""
    rows = make_readings(100)
    with own_cluster.database() as database, plain_role(database) as plain:
        first = migrate(database, plain)
        assert first["applied"] == first["migrations"]
        assert first["missing"][0] == f"the database's roles are not there: {', '.join(ROLES)}"
        assert "a superuser" in first["missing"][-1] and "ALTER ROLE telehaul_sync PASSWORD" in first["missing"][-1]
        assert run_import(url_of(database, plain), pack(tmp_path / "first", rows[:50]))["added"] == 50

        assert migrate(database) == {"applied": 0, "migrations": first["migrations"], "missing": []}
        assert migrate(database, plain)["missing"] == []
        assert run_import(url_of(database, plain), pack(tmp_path / "next", rows[50:]))["added"] == 50
        assert rows_in(database) == expected(rows)


def test_a_table_of_a_later_migration_made_by_the_owner(fleet):
    """As 0006 would do it: a superuser was needed once."""
    with connected(fleet, "telehaul_owner") as owner:
        ask(owner, "create table later (vehicle_id integer primary key references vehicles); select fleet_protect('later');"
                   "set app.user_role = 'superuser'; insert into vehicles (client_id, name) values ('m1', 'm1')")
        assert ask(owner, "select client_id from vehicles") == [("m1",)]
        ask(owner, "reset app.user_role")
        assert ask(owner, "select client_id from vehicles") == []  # FORCE: the owner too


def test_rows_that_are_there_get_what_later_migrations_add(postgres):
    files = sorted((telehaul.PROJECT / "migrations/central_postgres").glob("0*.sql"))
    for file in files[:6]:
        postgres.query(file.read_text())
    postgres.query("insert into vehicles (client_id, name) values ('m1', 'm1');"
                   "insert into sync_journal values (1, 1, '2026-02-22T10:00:00Z', '2026-02-22T10:00:01.2345Z', 'ok', 0, 0, '')")
    for file in files[6:]:
        postgres.query(file.read_text())
    assert postgres.query("select transport, added_at > now() - interval '1 minute', duration_ms from vehicles "
                          "join sync_journal using (vehicle_id)") == [("agent", True, 1235)]


# ---- the catalog ----

def test_every_table_with_a_vehicle_or_a_user_is_protected(fleet):
    found = fleet.query("""
        select relname, relrowsecurity, relforcerowsecurity, relispartition,
               (select count(*) from pg_policy where polrelid = c.oid and polname in ('fleet_superuser', 'fleet_own')),
               (select count(*) from pg_policy where polrelid = c.oid and polname = 'fleet_superuser'
                and pg_get_expr(polqual, c.oid) ~ 'app_is_superuser' and pg_get_expr(polwithcheck, c.oid) ~ 'app_is_superuser')
        from pg_class c where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace and exists (
            select from pg_attribute where attrelid = c.oid and attname in ('vehicle_id', 'user_id') and not attisdropped)""")
    assert len(found) > 15
    for name, enabled, forced, is_partition, policies, of_superuser in found:
        assert (enabled, forced) == (True, True), name
        assert (policies, of_superuser) == ((0, 0) if is_partition else (2, 1)), name


def test_no_policy_lets_anybody_but_a_superuser_write_what_is_a_vehicles(fleet):
    own = fleet.query("select tablename, cmd, permissive from pg_policies where policyname <> 'fleet_superuser' "
                      "and cmd <> 'SELECT' order by 1, 2")
    assert own == [("notice_rules", "ALL", "PERMISSIVE"), ("revoked_tokens", "INSERT", "PERMISSIVE"),
                   ("users", "UPDATE", "PERMISSIVE")]


def test_partitions_are_nobodys_also_where_a_default_would_give_them_away(fleet):
    fleet.query("alter default privileges for role telehaul_owner grant select on tables to telehaul_api, public")
    with connected(fleet, "telehaul_sync") as sync:
        assert ask(sync, "select fleet_make_month(2031, 5)") == [(True,)]
    assert fleet.query("select relname from pg_inherits join pg_class on oid = inhrelid, aclexplode(relacl) as acl "
                       "where inhparent = 'measurements'::regclass and acl.grantee <> relowner") == []
    assert fleet.query("select has_table_privilege('telehaul_api', 'measurements_2031_05', 'select')") == [(False,)]


def test_views_look_with_the_rights_of_who_asks(fleet):
    fleet.query("create view mine as select * from vehicles")
    found = fleet.query("select relname from pg_class where relkind in ('v', 'm') and relnamespace = 'public'::regnamespace "
                        "and not coalesce(reloptions @> '{security_invoker=true}', false)")
    assert found == [("mine",)]  # which shows that the question finds one


# ---- months ----

def months(database):
    return [name for name, in database.query(
        "select relname from pg_inherits join pg_class on oid = inhrelid where inhparent = 'measurements'::regclass "
        "and relname ~ '_[0-9]{4}_[0-9]{2}$' order by 1")]


def test_this_month_and_the_next_two_are_there(fleet):
    [wanted] = fleet.query("select array_agg(to_char(date_trunc('month', now() at time zone 'UTC') + n * interval '1 month', "
                           "'\"measurements_\"YYYY_MM') order by n) from generate_series(0, 2) n")
    assert [months(fleet)] == list(wanted)


def test_a_month_begins_and_ends_in_utc_whatever_the_session_has(fleet):
    with connected(fleet, "telehaul_sync") as sync:
        ask(sync, "set timezone = 'Europe/Kyiv'; set datestyle = 'German'; set search_path = pg_temp")
        for year, month in ((2027, 3), (2027, 12), (2099, 12), (2000, 1)):
            assert ask(sync, "select public.fleet_make_month(%s, %s)", year, month) == [(True,)]
            assert ask(sync, "select public.fleet_make_month(%s, %s)", year, month) == [(False,)]
    assert fleet.query("select pg_get_expr(relpartbound, oid) from pg_class where relname = any(%s) order by relname",
                       ["measurements_2000_01", "measurements_2027_03", "measurements_2027_12", "measurements_2099_12"]) == [
        (f"FOR VALUES FROM ('{first} 00:00:00+00') TO ('{next_} 00:00:00+00')",) for first, next_ in (
            ("2000-01-01", "2000-02-01"), ("2027-03-01", "2027-04-01"), ("2027-12-01", "2028-01-01"), ("2099-12-01", "2100-01-01"))]


@pytest.mark.parametrize("call", ["fleet_make_month(1999, 12)", "fleet_make_month(2100, 1)", "fleet_make_month(2026, 13)",
                                  "fleet_make_month(2026, 0)", "fleet_make_month(null, 1)", "fleet_drop_months(0, now())",
                                  "fleet_drop_months(-1, now())", "fleet_drop_months(null, now())",
                                  "fleet_drop_months(2147483647, now())"])
def test_months_that_are_none(fleet, call):
    before = months(fleet)
    with connected(fleet, "telehaul_sync") as sync, pytest.raises(psycopg2.errors.DataError):
        ask(sync, f"select {call}")
    assert months(fleet) == before


@pytest.mark.parametrize("call", ["fleet_make_month(2030, 1)", "fleet_drop_months(1, now())", "fleet_protect('vehicles')"])
def test_nobody_else_makes_or_drops_months(fleet, call):
    with connected(fleet, "telehaul_api") as api, pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(api, f"select {call}")


def old_months(database, *ages):
    """Made so many months ago; their names."""
    return [ask_name for age in ages for ask_name, in database.query(
        "with m as (select date_trunc('month', now() at time zone 'UTC') - make_interval(months => %s) as t) "
        "select to_char(t, '\"measurements_\"YYYY_MM') from m where "
        "fleet_make_month(extract(year from t)::int, extract(month from t)::int)", age)]


def test_a_month_is_dropped_when_it_has_been_over_for_long_enough(fleet):
    oldest, older, old = old_months(fleet, 15, 13, 12)
    kept = months(fleet)[2:]
    with connected(fleet, "telehaul_sync") as sync:
        drop = "select fleet_drop_months(12, %s)"
        assert [ask(sync, drop, "infinity")[0][0] for _ in range(3)] == [oldest, older, None]
        assert ask(sync, drop, "-infinity") == [(None,)]
        assert ask(sync, "select fleet_drop_months(12, now() + interval '20 years')") == [(None,)]  # a clock gone mad here
    assert months(fleet) == kept and old in kept
    assert fleet.query("select to_regclass(%s), to_regclass('measurements_before_2000') is not null", oldest) == [(None, True)]


def test_who_reads_an_old_month_is_not_disturbed_and_delays_nobody(fleet):
    [old] = old_months(fleet, 14)
    with connected(fleet, "telehaul_sync") as reader, connected(fleet, "telehaul_sync") as sync, \
            connected(fleet, "telehaul_sync") as writer:
        ask(reader, "begin; select count(*) from measurements")
        ask(writer, "set lock_timeout = '2s'")
        written = []

        def write():
            ask(writer, "insert into measurements values (1, 1, now(), 1)")
            written.append(True)

        with pytest.raises(psycopg2.errors.LockNotAvailable):
            thread = threading.Timer(0.05, write)
            thread.start()
            ask(sync, "select fleet_drop_months(12, now())")
        thread.join()
        assert written
        assert old in months(fleet)
        ask(reader, "commit")
        assert ask(sync, "select fleet_drop_months(12, now())") == [(old,)]


# ---- sync_client, whoever it is ----

def months_apart():
    rows = make_readings(400)
    return [(seq, time_us + (MONTH_US if seq > 200 else 0), *rest) for seq, time_us, *rest in rows]


def import_over_itself(database, role, folder):
    rows = months_apart()
    url = url_of(database, role)
    assert run_import(url, pack(folder / "odd", rows[1::2]))["added"] == 200
    assert run_import(url, pack(folder / "whole", rows))["added"] == 200
    assert run_import(url, folder / "whole" / "20260222T100000Z.gz")["added"] == 0
    assert rows_in(database) == expected(rows)


def test_sync_client_as_telehaul_sync(fleet, tmp_path):
    import_over_itself(fleet, "telehaul_sync", tmp_path)
    assert fleet.query("select distinct tableowner from pg_tables where tablename ~ '^measurements_'") == [("telehaul_owner",)]


def test_sync_client_as_the_owner_of_the_database_alone(postgres, tmp_path):
    with plain_role(postgres) as plain:
        import_over_itself(postgres, plain, tmp_path)
        with connected(postgres, plain) as connection:
            assert ask(connection, "select row_security_active('measurements'), (select count(*) from measurements)") == [(True, 0)]


def test_sync_client_as_telehaul_api_changes_nothing(fleet, tmp_path):
    done = subprocess.run([str(telehaul.BIN / "sync_client"), "import", str(pack(tmp_path, make_readings(10))), "--client-id", "m1",
                           "--db", url_of(fleet, "telehaul_api")], capture_output=True, text=True, timeout=60)
    assert done.returncode == 4 and "permission denied" in done.stderr, done.stderr
    assert rows_in(fleet) == []


# ---- readings would be spread over machines (citus.sql) ----

OF_PEOPLE_AND_SERVICES = {"deployments", "notice_rules", "notices", "oauth_accounts", "revoked_tokens", "schema_migrations",
                          "sync_workers", "users", "vehicles"}


def test_every_key_of_what_grows_with_vehicles_begins_with_the_vehicle(fleet):
    keys = fleet.query("""
        select relname, indexrelid::regclass::text, (select attname from pg_attribute where attrelid = indrelid
               and attnum = indkey[0]) from pg_index join pg_class c on c.oid = indrelid
        where indisunique and relnamespace = 'public'::regnamespace and not relispartition""")
    grows = set(tables(fleet)) - OF_PEOPLE_AND_SERVICES
    assert {"measurements", "alarms_log", "sync_journal", "channel_config", "sync_cursor"} <= grows <= {table for table, *_ in keys}
    for table, key, first in keys:
        assert table in OF_PEOPLE_AND_SERVICES or first == "vehicle_id", key


def test_what_citus_refuses_is_refused_here(fleet):
    """Which is also why these tables stay where they are."""
    citus_rules.make_rules(fleet)
    for table, why in (("measurements", "subqueries in a policy"), ("alarms_log", "triggers"), ("users", "triggers"),
                       ("vehicles", "IDENTITY"), ("deployments", "IDENTITY")):
        with pytest.raises(psycopg2.errors.RaiseException, match=why):
            citus_rules.spread_one(fleet, table)
    fleet.query("drop policy fleet_own on sync_journal; drop policy fleet_superuser on sync_journal")
    with pytest.raises(psycopg2.errors.RaiseException, match="foreign keys"):
        citus_rules.spread_one(fleet, "sync_journal")
    fleet.query("create table numbered (vehicle_id integer, number integer unique)")
    with pytest.raises(psycopg2.errors.RaiseException, match="unique without"):
        citus_rules.spread_one(fleet, "numbered")
    fleet.query("create table asked (vehicle_id integer); create policy p on asked using (app_is_superuser())")
    with pytest.raises(psycopg2.errors.RaiseException, match="functions in a policy"):
        citus_rules.spread_one(fleet, "asked")


def test_citus_takes_what_citus_sql_gives_it(fleet):
    assert citus_rules.spread(fleet) == [("measurements", "vehicle_id")]
    assert fleet.query("select policyname, cmd from pg_policies where tablename = 'measurements' order by 1") == [
        ("fleet_own", "SELECT"), ("fleet_superuser", "ALL")]
