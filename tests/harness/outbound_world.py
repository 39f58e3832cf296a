"""What the tests of the Outbound API's puller share: vehicles of their own, a service on a database of its own, and what is
in it."""

import datetime

import pytest
from fake_vehicle import US, FakeVehicle
from sync_service import SyncService

MINUTE, HOUR = 60 * US, 3600 * US
SETTLE = 2 * US


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
