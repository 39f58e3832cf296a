"""The farm of simulated vehicles is itself right: what its vehicles answer, written into PostgreSQL by this file, is by count
and hash what it says must have come home; and each of its faults is one."""

import datetime
import ssl
import time

import httpx
import psycopg2.extras
import pytest
from farm import API_KEY, Farm, address, client_id

from telehaul import PROJECT

HOUR_US = 3600 * 10**6
VEHICLES = range(7)
KEY = {"X-API-Key": API_KEY}


@pytest.fixture(scope="module")
def farm(tmp_path_factory):
    farm = Farm(tmp_path_factory.mktemp("farm"), len(VEHICLES), start_us=time.time_ns() // 1000 - HOUR_US, tls=True).start()
    yield farm
    farm.stop()


@pytest.fixture
def healthy(farm):
    yield farm
    farm.fault(VEHICLES, "none")


def moment(utc_us):
    return (datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=utc_us)).isoformat(timespec="microseconds") + "Z"


def ask(farm, vehicle, path, timeout=60, **query):
    return httpx.get(f"http://{address(vehicle)}:{farm.port}{path}", params=query, headers=KEY, timeout=timeout)


def write_home(farm, cursor, vehicle, from_us, to_us):
    """As a puller would, a window of ten minutes at a time."""
    for channel in ask(farm, vehicle, "/channels").json()["channels"]:
        cursor.execute("insert into channel_config (vehicle_id, channel_id, remote_id, name) values (%s, %s, %s, %s)",
                       (vehicle, 100 - channel["channel_id"], channel["channel_id"], channel["name"]))
    for begin_us in range(from_us, to_us, 600 * 10**6):
        end_us = min(begin_us + 600 * 10**6, to_us)
        answer = ask(farm, vehicle, "/data", **{"from": moment(begin_us), "to": moment(end_us)}).json()
        assert answer["count"] == len(answer["rows"]) and not answer["truncated"]
        psycopg2.extras.execute_values(
            cursor, "insert into measurements (vehicle_id, channel_id, time, value) values %s",
            [(vehicle, 100 - row["channel_id"], row["time"], row["value"]) for row in answer["rows"]])


def test_what_it_answers_is_what_it_says_must_be_home(farm, postgres):
    with postgres.connect() as connection, connection.cursor() as cursor:
        cursor.execute((PROJECT / "migrations" / "central_postgres" / "0001_central.sql").read_text())
        cursor.execute("create table measurements_all partition of measurements "
                       "for values from ('2000-01-01Z') to ('2100-01-01Z')")
        to_us = farm.start_us + HOUR_US - 5 * 10**6
        for vehicle in (3, 4):
            cursor.execute("insert into vehicles (vehicle_id, client_id, name) values (%s, %s, '')",
                           (vehicle, client_id(vehicle)))
            write_home(farm, cursor, vehicle, farm.start_us, to_us)
        expected = farm.expected((3, 4), to_us=to_us)
        assert expected[client_id(3)][0] == 3595 * 25
        assert farm.differences(postgres, (3, 4), to_us=to_us) == {}
        # the values of two channels swapped are a difference, and so is a row too few
        last = "time = (select max(time) from measurements where vehicle_id = %s)"
        cursor.execute("update measurements m set value = (select value from measurements o where o.vehicle_id = 3 and "
                       "o.time = m.time and o.channel_id = 197 - m.channel_id) where vehicle_id = 3 and "
                       f"channel_id in (98, 99) and {last}", (3,))
        cursor.execute(f"delete from measurements where vehicle_id = 4 and channel_id = 98 and {last}", (4,))
        assert set(farm.differences(postgres, (3, 4), to_us=to_us)) == {client_id(3), client_id(4)}


def test_a_long_window_is_truncated(farm):
    many = ask(farm, 1, "/data", **{"from": moment(farm.start_us - HOUR_US), "to": moment(farm.start_us + HOUR_US)}).json()
    assert many["truncated"] is False and many["rows"][0]["time"] >= moment(farm.start_us)
    with_more = Farm(farm.folder / "more", 1, channels=1000, start_us=farm.start_us).start()
    try:
        answer = ask(with_more, 0, "/data", **{"from": moment(farm.start_us), "to": moment(farm.start_us + HOUR_US)}).json()
    finally:
        with_more.stop()
    assert answer["truncated"] is True and answer["count"] == len(answer["rows"]) == 100000


def test_the_key_is_asked_for(farm):
    url = f"http://{address(0)}:{farm.port}/status"
    assert httpx.get(url, timeout=60).status_code == 401
    assert httpx.get(url, headers=KEY, timeout=60).status_code == 200


def test_status_over_tls(farm):
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    with httpx.Client(verify=context, timeout=60) as client:
        url = f"https://{address(2)}:{farm.tls_port}/status"
        assert client.get(url).status_code == 401
        assert client.get(url, headers={"Authorization": "Bearer any"}).json()["product"] == "telehaul"


@pytest.mark.parametrize("word, wrong", [("dead", httpx.ConnectError), ("black_hole", httpx.ConnectTimeout),
                                         ("silent", httpx.ReadTimeout), ("hang", httpx.ReadTimeout),
                                         ("mid_close", httpx.RemoteProtocolError)])
def test_faults_of_the_connection(healthy, word, wrong):
    healthy.fault(range(2, 4), word)
    with pytest.raises(wrong):
        ask(healthy, 3, "/status", timeout=1 if "Timeout" in wrong.__name__ else 60)
    assert ask(healthy, 4, "/status").status_code == 200
    healthy.fault(range(2, 4), "none")
    assert ask(healthy, 3, "/status").status_code == 200


@pytest.mark.parametrize("word, status", [("redirect", 302), ("refuse", 401), ("error", 500)])
def test_faults_of_the_status(healthy, word, status):
    healthy.fault(2, word, "data")
    assert ask(healthy, 2, "/data").status_code == status
    assert ask(healthy, 2, "/status").status_code == 200


def rows_of(farm, vehicle):
    answer = ask(farm, vehicle, "/data", **{"from": moment(farm.start_us), "to": moment(farm.start_us + 3 * 10**6)}).json()
    return answer["rows"]


def test_faults_of_the_rows(healthy):
    right = rows_of(healthy, 2)
    assert [row["time"] for row in right] == sorted(row["time"] for row in right) and len(right) == 75
    healthy.fault(2, "disorder", "data")
    assert [row["time"] for row in rows_of(healthy, 2)] != sorted(row["time"] for row in right)
    healthy.fault(2, "outside", "data")
    assert all(row["time"] < moment(healthy.start_us) for row in rows_of(healthy, 2))
    healthy.fault(2, "types", "data")
    assert all(isinstance(row["value"], str) for row in rows_of(healthy, 2) if row["value"] is not None)
    healthy.fault(2, "garbage")
    assert "<html>" in ask(healthy, 2, "/data").text


def test_one_byte_a_second(healthy):
    healthy.fault(2, "trickle")
    with pytest.raises(httpx.ReadTimeout):
        ask(healthy, 2, "/status", timeout=0.5)
    healthy.fault(2, "gigabyte")
    headers = {**KEY, "Accept-Encoding": "identity"}
    with httpx.stream("GET", f"http://{address(2)}:{healthy.port}/status", headers=headers, timeout=60) as answer:
        taken = 0
        for piece in answer.iter_raw():
            taken += len(piece)
            if taken > 20 << 20:
                break
    assert taken > 20 << 20


def test_killed_it_is_the_same_again(healthy):
    before = rows_of(healthy, 5)
    healthy.fault(5, "refuse", "channels")
    healthy.clock(5, 3600_000)
    healthy.kill()
    healthy.start()
    assert rows_of(healthy, 5) == before
    assert ask(healthy, 5, "/channels").status_code == 401
    asked = time.time()
    ahead = datetime.datetime.fromisoformat(ask(healthy, 5, "/status").json()["time"].replace("Z", "+00:00"))
    assert asked - 1 < ahead.timestamp() - 3600 < time.time() + 1
