"""sync_service's writer when PostgreSQL goes away in the middle of a job or of a COMMIT: fetched and written again, every
row is there once. Driven with made-up jobs by tests/bench/write_jobs."""

import contextlib
import json
import os
import subprocess
import threading

import psycopg2
import pytest

import postgres
import telehaul

WRITE_JOBS = telehaul.BIN.parent / "bench" / "write_jobs"


@pytest.fixture(name="cluster")
def fixture_cluster():
    with postgres.running_cluster() as cluster:
        yield cluster


def migrate(url):
    subprocess.run([telehaul.BIN / "sync_service", "migrate"], check=True, stdout=subprocess.DEVNULL,
                   env={**os.environ, "DB_URL": url})


def start_jobs(url, lane, jobs, rows):
    return subprocess.Popen([WRITE_JOBS, url, lane, str(jobs), str(rows)], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                            text=True)


def end_jobs(process):
    """(exit, rows that were new, what it said)"""
    out, said = process.communicate(timeout=120)
    return process.returncode, json.loads(out)["rows"], said


def contents(database):
    """Rows, and how many different keys: repeated ones cannot be, but a table without its key could have them."""
    return database.query("select count(*), count(distinct (vehicle_id, channel_id, time)) from measurements")[0]


@contextlib.contextmanager
def held_at_half(database, jobs):
    """No more than half of the jobs can be committed: the next one sleeps in front of its COMMIT."""
    database.query("create function hold() returns trigger language plpgsql security definer as $$ begin"
                   f" if (select count(*) from sync_journal) > {jobs // 2} then perform pg_sleep(3600); end if;"
                   " return null; end $$;"
                   " create trigger hold after insert on sync_journal for each statement execute function hold()")
    yield
    database.query("drop trigger hold on sync_journal")


@pytest.mark.parametrize("lane,jobs,rows", [("gap", 20, 50_000), ("live", 400, 750)])
def test_a_server_that_crashed_in_the_middle(cluster, lane, jobs, rows):
    with cluster.database() as database:
        migrate(database.url)
        with held_at_half(database, jobs):
            first = start_jobs(database.url, lane, jobs, rows)
            telehaul.wait_until(lambda: database.query("select count(*) from pg_stat_activity where application_name"
                                                       " = 'telehaul sync_service' and (query like 'COPY%%' or wait_event ="
                                                       " 'PgSleep')")[0][0] > 0, "a COPY under way")
            cluster.stop(immediately=True)
            cluster.start()
        code, added, said = end_jobs(first)
        assert code == 1 and added < jobs * rows
        assert "PostgreSQL" in said
        there, _ = contents(database)
        assert there >= added
        code, again, said = end_jobs(start_jobs(database.url, lane, jobs, rows))
        assert (code, said) == (0, "")
        assert again == jobs * rows - there
        assert contents(database) == (jobs * rows, jobs * rows)


def wait_for_the_standby(database):
    """Until a COMMIT hangs: what pg_reload_conf has told the checkpointer is in force some time later."""
    def hangs():
        with database.connect() as connection:
            connection.cursor().execute("set synchronous_commit = on")
            probe = threading.Thread(target=commit, args=(connection,))
            probe.start()
            telehaul.wait_until(lambda: not probe.is_alive() or waiting(), "a COMMIT that waits, or does not")
            found = waiting()
            for pid in found:
                database.query("select pg_terminate_backend(%s)", pid)
            probe.join()
            return found

    def commit(connection):
        with contextlib.suppress(psycopg2.Error):
            connection.cursor().execute("create or replace function probe() returns int language sql as 'select 1'")

    def waiting():
        return [pid for pid, in database.query("select pid from pg_stat_activity where wait_event = 'SyncRep'")]
    telehaul.wait_until(hangs, "a standby that everybody waits for")


def test_a_commit_that_is_done_though_nobody_heard_of_it(cluster):
    """With a standby to wait for that does not exist, a COMMIT is on the disk and hangs: there the connection is cut."""
    with cluster.database() as database:
        migrate(database.url)
        database.query("insert into vehicles (vehicle_id, client_id, name)"
                       " select n, 'v' || n, 'v' || n from generate_series(1, 5) n")
        database.query("select fleet_make_month(2026, 2)")
        database.query("alter system set synchronous_standby_names = 'nobody'")
        database.query("alter system set synchronous_commit = 'local'")  # of everybody but the writer
        database.query("select pg_reload_conf()")
        wait_for_the_standby(database)
        first = start_jobs(database.url + "?options=-c%20synchronous_commit%3Don", "live", 5, 750)
        telehaul.wait_until(lambda: database.query("select count(*) from pg_stat_activity where wait_event = 'SyncRep'"
                                                   " and query = 'COMMIT'")[0][0] > 0, "a COMMIT that waits")
        while first.poll() is None:  # a job after the other
            database.query("select pg_terminate_backend(pid) from pg_stat_activity where wait_event = 'SyncRep'")
        code, added, said = end_jobs(first)
        assert (code, added) == (1, 0)
        assert "broke" in said or "terminating" in said
        assert contents(database)[0] > 0  # it was committed
        code, _, said = end_jobs(start_jobs(database.url, "live", 5, 750))
        assert (code, said) == (0, "")
        assert contents(database) == (5 * 750, 5 * 750)
