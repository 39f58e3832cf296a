"""A machine whose readings come from a table: no seq, a cursor by time, the last minute again with each answer. Every machine
here is made up."""

import time

import pytest
from fake_agent import FIRST_US, make_readings
from sync_service import SyncService
from test_sync_signed import ROWS, add, cursor, expected, exports

YEAR_US = 365 * 86400 * 10**6
DENSE = 200_000  # readings of one request at first


@pytest.fixture
def service(tmp_path, postgres, keys):
    with SyncService(tmp_path / "service", postgres, AUTH_KEY_FILE=keys.private_file, PULL_TIMEOUT_SEC=60) as service:
        yield service.migrate()


@pytest.fixture
def machine(make_agent):
    agent = make_agent()
    agent.table = True
    agent.hooks["status"] = lambda request, _: request.json(
        200, {"version": "1.0.0", "store_id": agent.store_id, "next_seq": None})
    return agent


def now_us():
    return int(time.time() * 10**6)


def test_readings_of_a_table_come_by_time(service, machine):
    add(service, machine)
    service.once()
    machine.rows += make_readings(7, first_seq=ROWS + 1)
    assert service.once()["rows_written"] == 7
    assert service.rows("m1") == expected(machine.rows)
    assert "since" in exports(machine)[1] and "after" not in exports(machine)[1]


def test_a_clock_that_was_a_year_ahead_hides_nothing(service, machine):
    add(service, machine)
    ahead = (ROWS + 1, now_us() + YEAR_US, "channel_1", 7.0)
    machine.rows.append(ahead)
    service.once()
    assert cursor(service, machine.store_id) <= now_us()
    assert service.database.query("select count(*) from measurements_quarantine") == [(1,)]
    machine.rows.insert(ROWS, (ROWS + 2, now_us(), "channel_1", 8.0))  # its clock is right again
    assert service.once()["rows_written"] == 1
    assert service.rows("m1") == expected(row for row in machine.rows if row is not ahead)
    assert service.database.query("select count(*) from measurements_quarantine") == [(1,)]


def test_a_cursor_that_is_a_year_ahead_already(service, machine):
    add(service, machine)
    service.once()
    service.database.query("update sync_cursor set seq = %s", now_us() + YEAR_US)
    machine.rows.append((ROWS + 1, now_us() + 30 * 10**6, "channel_1", 8.0))
    assert service.once()["rows_written"] == 1


def test_more_readings_in_a_minute_than_a_request_asks_for(service, machine):
    """The repeated minute alone fills the answer: more is asked for, until there is something new in it."""
    machine.rows = [(seq, FIRST_US + seq * 100, f"channel_{seq % 5}", float(seq)) for seq in range(1, DENSE + 1)]
    add(service, machine)
    service.once()
    machine.rows += [(DENSE + 1 + i, FIRST_US + (DENSE + 1 + i) * 100, "channel_1", -1.0) for i in range(100)]
    assert service.once()["rows_written"] == 100
    assert service.rows("m1") == expected(machine.rows)
    assert [int(query["limit"]) for query in exports(machine)[1:]] == [DENSE, 2 * DENSE]
