"""A fleet of the signed transport that comes back with a backlog while PostgreSQL is held up: what is fetched before it can be
written stays within QUEUE_MAX_MB, and all of it comes home once. Every machine here is made up."""

import contextlib
import gzip
import itertools
import pathlib

import psycopg2
import pytest
from agent_root import FREED_IS_FREE
from fake_agent import line, make_readings
from sync_service import SyncService
from test_sync_signed import add

from telehaul import wait_until

VEHICLES = 32
ROWS = 100_000  # of each: 2.4 MB in memory
QUEUE_MB = 4
OTHER_MB = VEHICLES * 1.25  # a connection's own: TLS, libcurl's buffers, the unpacker, what one piece brings

CONNECTIONS = 9  # that write, keep and send notices: not the fleet's, and their memory neither


@pytest.fixture
def service(tmp_path, postgres, keys):
    with SyncService(tmp_path / "service", postgres, AUTH_KEY_FILE=keys.private_file, PULL_TIMEOUT_SEC=30,
                     QUEUE_MAX_MB=QUEUE_MB) as service:
        yield service.migrate()


class Backlog:
    """Machines that all have the same readings, sent in pieces that are counted."""

    def __init__(self, make_agent):
        self.rows = make_readings(ROWS)
        self.body = gzip.compress("".join(map(line, self.rows)).encode(), 1)
        self.pieces = itertools.count()
        self.seen = None
        self.agents = [make_agent(self.rows) for _ in range(VEHICLES)]
        for agent in self.agents:
            agent.hooks["export"] = lambda request, default, agent=agent: self.export(agent, request, default)

    def export(self, agent, request, default):
        if request.query.get("after") != "0":
            return default()
        agent.asked.append(request.query)
        whole = request.chunk

        def chunk(piece):
            whole(piece)
            next(self.pieces)

        request.chunk = chunk
        return request.stream(agent.headers_of(self.rows), self.body)

    def is_still(self):
        """Every machine was asked, and nothing was taken since the last look."""
        before, self.seen = self.seen, repr(self.pieces)
        return all(agent.asked for agent in self.agents) and self.seen == before


def peak_mb(service):
    status = pathlib.Path(f"/proc/{service.program.process.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def connections(service):
    (count,), = service.database.query("select count(*) from pg_stat_activity where datname = current_database()"
                                       " and pid <> pg_backend_pid() and state = 'idle'")
    return count


def test_a_fleet_with_a_backlog_while_postgresql_is_held_up(service, make_agent):
    fleet = Backlog(make_agent)
    with service.start(env=FREED_IS_FREE):
        wait_until(lambda: connections(service) == CONNECTIONS, "all that it has without a fleet")
        before = peak_mb(service)
        with contextlib.closing(psycopg2.connect(service.database.url)) as holder:
            holder.cursor().execute("lock table measurements in access exclusive mode")
            for number, agent in enumerate(fleet.agents):
                add(service, agent, f"m{number}")
            wait_until(fleet.is_still, "all that is taken while nothing can be written", deadline_s=120, every_s=1)
        wait_until(lambda: service.database.query("select count(*) from measurements") == [(VEHICLES * ROWS,)],
                   "all of it", deadline_s=120)
        for number in range(VEHICLES):
            service.wait_for_journal(f"m{number}", 1)
            assert [rows for _, rows, _ in service.journal(f"m{number}") if rows > 0] == [ROWS]
        assert peak_mb(service) - before < QUEUE_MB + OTHER_MB
