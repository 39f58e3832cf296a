"""The central database as a fleet has it: migrated by `sync_service migrate`, with its roles. Log-ins go through the tests'
own Unix socket, without passwords."""

import contextlib
import json
import subprocess

import psycopg2

import telehaul

ROLES = ("telehaul_owner", "telehaul_sync", "telehaul_api")


def url_of(database, role):
    """Of a database of postgres.Cluster, for a program of ours."""
    cluster = database.cluster
    return f"postgresql://{role}@/{database.name}?host={cluster.folder}&port={cluster.port}"


def migrate(database, role="postgres", check=0):
    """What `sync_service migrate --json` says; with check another code than 0: what it says on stderr."""
    done = subprocess.run([str(telehaul.BIN / "sync_service"), "migrate", "--json"], capture_output=True, text=True,
                          timeout=100, env={"PATH": "/usr/bin:/bin", "DB_URL": url_of(database, role)})
    assert done.returncode == check, (done.returncode, done.stdout, done.stderr)
    return json.loads(done.stdout) if check == 0 else done.stderr


@contextlib.contextmanager
def connected(database, role):
    """A connection as that role, each statement its own transaction unless the test begins one."""
    connection = psycopg2.connect(url_of(database, role))
    connection.autocommit = True
    try:
        yield connection
    finally:
        connection.close()


def ask(connection, sql, *values):
    """The rows, [] for a statement that gives none."""
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)
        return cursor.fetchall() if cursor.description else []


def tables(database):
    """Every table of the schema but partitions."""
    return [name for name, in database.query("select relname from pg_class where relkind in ('r', 'p') and not relispartition "
                                             "and relnamespace = 'public'::regnamespace order by 1")]
