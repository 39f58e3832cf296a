"""A machine whose exports are of a table in PostgreSQL; all its rows are made up."""

import datetime

import pytest
from agent_root import Machine

FIRST = datetime.datetime(2026, 2, 22, 10, 0, tzinfo=datetime.timezone.utc)


def time_of(seconds):
    return (FIRST + datetime.timedelta(seconds=seconds)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def make_table(postgres, rows=300, name="plant.log", types=("timestamptz", "text", "float8")):
    """A row a second, channels a and b in turn; the second half first, so that the order is not that of the table."""
    postgres.query("create schema if not exists plant")
    postgres.query(f"create table {name} (at {types[0]}, name {types[1]}, v {types[2]})")
    if rows:
        postgres.query(f"insert into {name} select timestamptz '2026-02-22T10:00:00Z' + i * interval '1 second', "
                       f"case i % 2 when 0 then 'a' else 'b' end, i / 8.0 from generate_series(0, {rows - 1}) i "
                       f"order by i < {rows // 2}")
    return [{"time": time_of(i), "channel": "ab"[i % 2], "value": i / 8} for i in range(rows)]


@pytest.fixture
def make_machine(tmp_path, keys):
    made = []

    def make(url, table="plant.log(at, name, v)", password=None):
        machine = Machine(tmp_path / f"root{len(made)}", keys, rows=0, start=False,
                          config={"EXPORT_SOURCE": f'"{url}"', "EXPORT_TABLE": table})
        if password is not None:
            with open(machine.root.path / "credentials.env", "a") as file:
                file.write(f"EXPORT_DB_PASSWORD='{password}'\n")
        made.append(machine)
        machine.start()
        return machine

    yield make
    for machine in made:
        machine.clear()


@pytest.fixture
def machine(make_machine, postgres):
    return make_machine(postgres.url)


def refused(answer):
    return answer.status_code, answer.json()["error"]
