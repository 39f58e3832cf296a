"""citus.sql without Citus, which Debian does not have: create_distributed_table() of a PostgreSQL of the tests' own refuses what
Citus does, by the rules in its source (commands/create_distributed_table.c, policy.c, constraints.c), and what fails later at
the first question: a function of ours within a policy (expected/nested_execution.out)."""

import telehaul

RULES = """
create schema citus_rules;
create table citus_rules.spread (name regclass, by text);
create function citus_rules.create_distributed_table(name regclass, by text, shard_count integer) returns void
language plpgsql as $$
declare
    wrong record;
begin
    for wrong in
        select 'has triggers' as what, tgname as which from pg_trigger where tgrelid = name and not tgisinternal
        union all select 'is numbered GENERATED AS IDENTITY', attname from pg_attribute
            where attrelid = name and attidentity <> '' and not attisdropped
        union all select 'has subqueries in a policy', polname from pg_policy
            where polrelid = name and concat(polqual, polwithcheck) ~ '{SUBLINK'
        union all select 'has functions in a policy', polname from pg_policy join pg_depend on objid = pg_policy.oid
            where polrelid = name and classid = 'pg_policy'::regclass and refclassid = 'pg_proc'::regclass
        union all select 'is unique without the column', indexrelid::regclass::name from pg_index
            where indrelid = name and (indisunique or indisexclusion) and not exists (
                select from pg_attribute where attrelid = name and attname = by and attnum = any (indkey))
        union all select 'has foreign keys to or from an ordinary table', conname from pg_constraint
            where contype = 'f' and name in (conrelid, confrelid)
    loop
        raise exception 'table % cannot be spread: it % (%)', name, wrong.what, wrong.which;
    end loop;
    insert into citus_rules.spread values (name, by);
end $$;
"""
FILE = telehaul.PROJECT / "migrations/central_postgres/citus.sql"
EXTENSION = "CREATE EXTENSION IF NOT EXISTS citus;\n"


def make_rules(database):
    database.query(RULES)


def spread_one(database, table):
    database.query("select citus_rules.create_distributed_table(%s, 'vehicle_id', 64)", table)


def spread(database):
    """As citus.sql does it; gives [(table, column)]."""
    text = FILE.read_text()
    assert text.count(EXTENSION) == 1
    make_rules(database)
    with database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("set search_path = public, citus_rules")
        cursor.execute(text.replace(EXTENSION, ""))
    return database.query("select name::text, by from citus_rules.spread order by 1")
