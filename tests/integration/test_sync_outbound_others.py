"""Vehicles whose Outbound API is somebody else's: a server of HTTP/1.0, whose answers end with the connection; lists of alarms
with some in them that cannot be taken. Everything is made up."""

import pytest
from fake_vehicle import US, until_it_closes
from outbound_world import add, home, patient as service, stand_still, stored, vehicle, vehicles

__all__ = ["service", "vehicle", "vehicles"]  # fixtures

CALLS = ["/status", "/channels", "/data", "/alarms"]


def alarm(number, raised_us, **more):
    return {"alarm_id": number, "channel_id": 3, "severity": "critical", "message": "fine", "raised_at": raised_us,
            "resolved_at": None, **more}


# ---- answers without a length ----

@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_a_server_of_http_1_0_brings_its_rows_home(service, vehicle, packed):
    now = stand_still(vehicle)
    vehicle.measure(now - 40 * US, 30)
    vehicle.alarms = [alarm(5, now - 9 * US)]
    vehicle.hooks = dict.fromkeys(CALLS, until_it_closes(packed=packed))
    add(service, vehicle)
    service.once()
    assert service.journal("Truck-01") == [("ok", 60, "")]
    assert stored(service) == vehicle.rows
    assert service.database.query("select name, unit from channel_config where remote_id = 7") == [("coolant_temp", "°C")]
    assert service.database.query("select alarm_id from alarms_log") == [(5,)]


CUTS = {
    "the last byte": (1, False, b"", "/data: the answer ends too early"),
    "half of it": (1000, False, b"", "/data: the answer ends too early"),
    "packed, the last byte": (1, True, b"", "ends too early"),
    "packed, its trailer": (8, True, b"", "ends too early"),
    "packed, more": (20, True, b"", "ends too early"),
    "more than it": (0, False, b"{}", "/data: byte"),
    "another answer": (0, True, b"HTTP/1.1 200 OK\r\n\r\n", "/data: "),
}


@pytest.mark.parametrize("cut", CUTS)
def test_one_that_ends_elsewhere_is_refused_whole(service, vehicle, cut):
    missing, packed, behind, why = CUTS[cut]
    vehicle.measure(stand_still(vehicle) - 40 * US, 30)
    vehicle.hooks["/data"] = until_it_closes(missing, packed, behind)
    add(service, vehicle)
    service.once(check=1)
    (status, rows, note), = service.journal("Truck-01")
    assert (status, rows) == ("error", 0) and why in note
    assert stored(service) == [] and home(service) == (None, None, None)
    vehicle.hooks.clear()
    service.once()
    assert stored(service) == vehicle.rows  # it was asked for again


@pytest.mark.parametrize("path", ["/status", "/channels", "/alarms"])
def test_so_is_each_of_the_small_answers(service, vehicle, path):
    now = stand_still(vehicle)
    vehicle.measure(now - 40 * US, 30)
    vehicle.alarms = [alarm(5, now - 9 * US)]
    vehicle.hooks[path] = until_it_closes(cut=1)
    add(service, vehicle)
    service.once(check=1 if path == "/status" else 0)
    (status, rows, note), = service.journal("Truck-01")
    assert (status, rows) == (("error", 0) if path == "/status" else ("ok", 60)) and f"{path}: " in note
    assert service.database.query("select count(*) from alarms_log") == [(0 if path != "/channels" else 1,)]


# ---- alarms among which some cannot be taken ----

def alarms_home(service):
    return service.database.query("select alarm_id, severity, message from alarms_log order by alarm_id")


def test_a_message_that_is_too_long_is_cut_and_blocks_nothing(service, vehicle):
    now = stand_still(vehicle)
    vehicle.alarms = [alarm(1, now - 9 * US, message="x" + "ж" * 5000, severity="warning"), alarm(2, now - 8 * US),
                      alarm(3, now - 7 * US, message="a\0b")]
    add(service, vehicle)
    service.once()
    assert service.journal("Truck-01") == [("ok", 0, "")]
    assert alarms_home(service) == [(1, "warning", "x" + "ж" * 127), (2, "critical", "fine"), (3, "critical", "a?b")]


def test_alarms_that_cannot_be_taken_are_left_out_and_named(service, vehicle):
    now = stand_still(vehicle)
    vehicle.alarms = [alarm(1, now - 9 * US), alarm(-5, now - 8 * US), alarm("6", now - 8 * US), alarm(7, now - 8 * US, message=5),
                      alarm(2, now - 7 * US), alarm(2, now - 7 * US)]
    add(service, vehicle)
    service.once()
    (status, _, note), = service.journal("Truck-01")
    assert status == "ok" and note.startswith("/alarms: 4 of 6 left out: element 1: member `alarm_id`"), note
    assert alarms_home(service) == [(1, "critical", "fine"), (2, "critical", "fine")]
    vehicle.frozen_us = now + 60 * US
    vehicle.alarms = [alarm(8, now + 9 * US)]
    service.once()
    assert service.journal("Truck-01")[-1] == ("ok", 0, "")  # what was left out is not asked for again
    assert vehicle.windows("/alarms")[-1][0] == vehicle.windows("/alarms")[0][1]
    assert [each[0] for each in alarms_home(service)] == [1, 2, 8]
