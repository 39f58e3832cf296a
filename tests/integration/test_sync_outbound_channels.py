"""sync_service and a machine whose channels change: retired, new, numbered anew, listed late or not at all. None of it may hold up
its readings; those of another vehicle are refused all the same. The vehicles are the tests' own and made up."""

from fake_vehicle import US, body, now_us
from outbound_world import (HOUR, MINUTE, add, begin_at, home, patient as service, rows_before, stand_still, stored, vehicle,
                            vehicles)

from telehaul import wait_until

__all__ = ["service", "vehicle", "vehicles"]  # fixtures

RPM, COOLANT = 3, 7  # as the vehicles have them
NEW = {"channel_id": 9, "name": "oil_pressure", "unit": "bar", "phys_min": 0, "phys_max": 10}


def names(service, name="Truck-01"):
    """The machine's number -> the channel's name."""
    return dict(service.database.query("select remote_id, c.name from channel_config c join vehicles v using (vehicle_id)"
                                       " where v.name = %s and remote_id is not null", name))


def retire(vehicle, number):
    vehicle.channels = [channel for channel in vehicle.channels if channel["channel_id"] != number]


# ---- retired ----

def test_a_retired_channel_whose_readings_are_in_the_window(service, vehicle):
    """Each `once` is another process: what it knows it has from the tables."""
    add(service, vehicle)
    vehicle.measure(now_us() - 30 * US, 20)
    service.once()
    late = vehicle.measure(now_us() - US, 4, step_us=1000)
    retire(vehicle, COOLANT)
    assert any(row[1] == COOLANT for row in late)
    begin_at(service, now_us() - 40 * US)
    service.once()
    assert [entry[0] for entry in service.journal("Truck-01")] == ["ok", "ok"]
    assert stored(service) == rows_before(vehicle, home(service)[0])
    assert vehicle.paths()[-4:] == ["/status", "/channels", "/data", "/alarms"]  # nothing was asked twice


def test_a_retired_channel_in_a_running_service(service, vehicle):
    add(service, vehicle)
    vehicle.measure(now_us() - 10 * US, 600)
    service.start()
    service.wait_for_journal("Truck-01", 1, "ok")
    retire(vehicle, COOLANT)
    retired = now_us()
    turns = len(service.journal("Truck-01"))
    service.wait_for_journal("Truck-01", turns + 4)
    wait_until(lambda: any(row[1] == COOLANT and row[0] > retired for row in stored(service)), "what it measured since")
    assert {entry[0] for entry in service.journal("Truck-01")} == {"ok"}


def test_a_retired_channel_whose_readings_are_in_a_gap(service, vehicle):
    add(service, vehicle)
    vehicle.measure(now_us() - 30 * US, 20)
    service.once()
    retire(vehicle, COOLANT)
    first = now_us() - 2 * HOUR
    vehicle.measure(first, 240, step_us=30 * US)
    vehicle.max_rows = 60
    begin_at(service, first)
    service.once()
    assert {entry[0] for entry in service.journal("Truck-01")} == {"ok"}
    assert home(service)[1:] == (None, None) and stored(service) == rows_before(vehicle, home(service)[0])


def test_a_channel_that_got_another_number_while_readings_of_the_old_one_were_missing(service, vehicle):
    """What the name is called by now is committed before any reading of the old number has come."""
    add(service, vehicle)
    service.once()
    first = now_us() - 2 * HOUR
    vehicle.measure(first, 100, step_us=MINUTE)
    vehicle.channels = [{**channel, "channel_id": channel["channel_id"] + 100} for channel in vehicle.channels]
    begin_at(service, first)
    vehicle.hooks["/data"] = body("not now", 503)
    service.once(check=1)
    assert names(service)[RPM + 100] == "engine_rpm"
    del vehicle.hooks["/data"]
    service.once()
    assert service.journal("Truck-01")[-1][0] == "ok"
    assert stored(service) == rows_before(vehicle, home(service)[0])
    assert names(service)[RPM] == "channel_3"  # what is called engine_rpm has another number


# ---- new ----

def appears_behind_channels(vehicle):
    """A hook: the machine has one channel more as soon as it has said which it has."""
    def hook(_, own):
        own()
        if NEW not in vehicle.channels:
            vehicle.channels.append(NEW)
            vehicle.measure(vehicle.clock_us() - 20 * US, 5, channels=(RPM, NEW["channel_id"]))
    return hook


def test_a_channel_that_appears_between_channels_and_data(service, vehicle):
    add(service, vehicle)
    vehicle.measure(stand_still(vehicle) - 40 * US, 10)
    vehicle.hooks["/channels"] = appears_behind_channels(vehicle)
    service.once()
    assert service.journal("Truck-01") == [("ok", 30, "")]
    assert vehicle.paths() == ["/status", "/channels", "/data", "/channels", "/alarms"]
    assert names(service) == {RPM: "engine_rpm", COOLANT: "coolant_temp", NEW["channel_id"]: "oil_pressure"}
    assert stored(service) == vehicle.rows


def test_a_channel_that_appears_while_a_gap_is_filled(service, vehicle):
    add(service, vehicle)
    first = now_us() - 2 * HOUR
    vehicle.measure(first, 240, step_us=30 * US)
    vehicle.max_rows = 60
    begin_at(service, first)

    def imports(_, own):
        if len(vehicle.windows()) == 4 and NEW not in vehicle.channels:  # another tool's readings of an hour ago
            vehicle.channels.append(NEW)
            vehicle.measure(now_us() - HOUR, 5, channels=(NEW["channel_id"],))
        own()
    vehicle.hooks["/data"] = imports
    service.once()
    assert {entry[0] for entry in service.journal("Truck-01")} == {"ok"}
    assert vehicle.paths().count("/channels") == 2
    assert home(service)[1:] == (None, None) and stored(service) == rows_before(vehicle, home(service)[0])
    service.once()
    assert names(service)[NEW["channel_id"]] == "oil_pressure"


# ---- no list ----

def test_an_empty_list_says_nothing(service, vehicle):
    add(service, vehicle)
    vehicle.measure(stand_still(vehicle) - 40 * US, 30)
    vehicle.channels = []
    service.once()
    assert service.journal("Truck-01") == [("ok", 60, "")]
    assert names(service) == {RPM: "channel_3", COOLANT: "channel_7"} and stored(service) == vehicle.rows


def test_a_list_that_fails_from_some_time_on_says_nothing(service, vehicle):
    add(service, vehicle)
    vehicle.measure(now_us() - 10 * US, 5)
    service.start()
    service.wait_for_journal("Truck-01", 1, "ok")
    vehicle.hooks["/channels"] = body("no", 500)
    turns = len(service.journal("Truck-01"))
    service.wait_for_journal("Truck-01", turns + 2)
    new = vehicle.measure(None, 3, step_us=1000, channels=(NEW["channel_id"],))
    turns = len(service.journal("Truck-01"))
    service.wait_for_journal("Truck-01", turns + 6)
    wait_until(lambda: set(new) <= set(stored(service)), "the readings of a channel without a name")
    assert {entry[0] for entry in service.journal("Truck-01")} == {"ok"}
    assert names(service)[NEW["channel_id"]] == "channel_9"


# ---- another vehicle's ----

def test_rows_of_another_vehicle_are_refused_after_the_list_was_asked_for_again(service, vehicle, vehicles):
    good = vehicles()
    add(service, vehicle)
    add(service, good, "Truck-02")
    for each in (vehicle, good):
        each.measure(now_us() - 25 * US, 10)
    service.once()
    before = stored(service)
    for each in (vehicle, good):
        each.measure(now_us() - 2 * US, 3, step_us=1000)
    foreign = vehicle.measure(now_us() - 2 * US, 2, step_us=1000, channels=(NEW["channel_id"],))
    service.database.query("update vehicles set last_sync_at = now() - interval '50 seconds'")
    for _ in range(2):
        service.once(check=1)
        status, rows, note = service.journal("Truck-01")[-1]
        assert (status, rows) == ("error", 0) and "channel 9, which /channels does not have: another vehicle's?" in note
        assert vehicle.paths()[-4:] == ["/status", "/channels", "/data", "/channels"]
    assert stored(service) == before and set(names(service)) == {RPM, COOLANT}
    assert {entry[0] for entry in service.journal("Truck-02")} == {"ok"}
    vehicle.rows = [row for row in vehicle.rows if row not in foreign]
    service.once()
    assert stored(service) == rows_before(vehicle, home(service)[0])


def test_a_second_list_that_does_not_come_accepts_nothing(service, vehicle):
    add(service, vehicle)
    vehicle.measure(stand_still(vehicle) - 40 * US, 5, channels=(RPM, NEW["channel_id"]))

    def once_only(request, own):
        if vehicle.paths().count("/channels") == 1:
            own()
        else:
            request.raw(b"no", 500)
    vehicle.hooks["/channels"] = once_only
    service.once(check=1)
    (status, rows, note), = service.journal("Truck-01")
    assert (status, rows) == ("error", 0) and "channel 9, and /channels did not come again: /channels: HTTP 500" in note
    assert stored(service) == []
