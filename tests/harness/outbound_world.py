"""What the tests of the Outbound API's puller share: vehicles of their own, a service on a database of its own, and what is
in it."""

import datetime

import pytest
from fake_vehicle import US, FakeVehicle, now_us
from sync_service import SyncService

from telehaul import DEADLINE_S, wait_until

MINUTE, HOUR = 60 * US, 3600 * US
SETTLE = 2 * US
PATIENT_S = 60  # PULL_TIMEOUT_SEC where nobody is to be too slow, however busy the machine is
TOO_SLOW_S = round(DEADLINE_S / 6)  # and where somebody is, and his neighbours are not


@pytest.fixture
def vehicles():
    made = []

    def make(**more):
        made.append(FakeVehicle(**more))
        return made[-1]
    yield make
    for vehicle in made:
        vehicle.close()


@pytest.fixture
def vehicle(vehicles):
    return vehicles()


@pytest.fixture
def service(tmp_path, postgres):
    with SyncService(tmp_path / "service", postgres, VEHICLE_DEFAULT_API_KEY="made-up-key") as service:
        yield service.migrate()


@pytest.fixture
def patient(tmp_path, postgres):
    """A service that waits for a machine that is busy; imported as `service`."""
    with SyncService(tmp_path / "service", postgres, VEHICLE_DEFAULT_API_KEY="made-up-key",
                     PULL_TIMEOUT_SEC=PATIENT_S) as service:
        yield service.migrate()


def stand_still(vehicle):
    """Its clock stands at a whole second, so that a window has the same rows however long a turn takes; returns it."""
    vehicle.frozen_us = now_us() // US * US
    return vehicle.frozen_us


def add(service, vehicle, name="Truck-01", **more):
    service.add(name, vehicle.address, transport="outbound", api_port=vehicle.port, **more)


def in_us(time):
    return round((time - datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)) / datetime.timedelta(microseconds=1))


def home(service, name="Truck-01"):
    """(last_sync_at, live_from, live_to) in us."""
    row, = service.database.query("select last_sync_at, live_from, live_to from vehicles left join vehicle_sync"
                                  " using (vehicle_id) where name = %s", name)
    return tuple(time and in_us(time) for time in row)


def stored(service, name="Truck-01"):
    """As the vehicle has them: (time, its channel's number, value)."""
    return service.database.query(
        "select (extract(epoch from m.time) * 1000000)::bigint, c.remote_id, m.value from measurements m"
        " join channel_config c using (vehicle_id, channel_id) join vehicles v using (vehicle_id)"
        " where v.name = %s order by 1, 2", name)


def begin_at(service, last_us, name="Truck-01"):
    """Everything before is home."""
    service.database.query("update vehicles set last_sync_at = to_timestamp(%s / 1000000.0) where name = %s", last_us, name)


def rows_before(vehicle, time_us):
    return [row for row in vehicle.rows if row[0] < time_us]


# ---- turns of a vehicle in the order in which they were committed ----

def gap_pieces_between_turns(service, name):
    """For each turn of the vehicle but its first: pieces of anybody's gap that were committed since the one before."""
    counts, pieces = [], 0
    for whose, note in service.database.query("select name, note from sync_journal join vehicles using (vehicle_id)"
                                              " order by journal_id"):
        if note.startswith(("gap from", "ahead from")):
            pieces += 1
        elif whose == name:
            counts.append(pieces)
            pieces = 0
    return counts[1:]


def wait_for_turns(service, names, count):
    """Until each has had so many more."""
    before = {name: len(gap_pieces_between_turns(service, name)) for name in names}
    wait_until(lambda: all(len(gap_pieces_between_turns(service, name)) >= before[name] + count for name in names),
               f"{count} turns of each of {', '.join(names)}", 3 * DEADLINE_S, 0.2)


def present_is_home(service, name):
    """What was measured until the last turn began is home, but for what settles: by clocks of the product and the vehicle,
    which is asked a moment after the turn's beginning."""
    (began, last, live), = service.database.query(
        "select max(started_at), max(last_sync_at), max(live_to) from vehicles left join vehicle_sync using (vehicle_id)"
        " join sync_journal using (vehicle_id) where name = %s and note !~ '^(gap|ahead) from' and status = 'ok'", name)
    newest = max(row[0] for row in stored(service, name))
    return min(in_us(live or last), newest + US) >= in_us(began) - SETTLE - US
