"""The sync service as the source document describes it, from Debian's packages: asyncio.gather over all vehicles, httpx for
the Outbound API, psycopg2 with execute_values ON CONFLICT DO NOTHING; windows of ten minutes when an answer is truncated, of
an hour when the gap is longer than a day. What bench_fleet.py compares with.

In its favour: one page of execute_values holds 10,000 rows (100 is what it does unasked), no certificates are loaded for plain
HTTP (httpx does, for every client, unasked), and one connection to PostgreSQL is kept for all transactions.

Usage: fleet_seed.py URL NOW_US...   one cycle for each NOW_US, which is what each takes for now; prints the CPU seconds, the
seconds and the rows of all of them as one line of JSON."""

import asyncio
import contextlib
import datetime
import json
import logging
import sys
import time

import httpx
import psycopg2
import psycopg2.extras

TIMEOUT_S, WINDOW_S, PAGE_ROWS = 10.0, 60, 10_000
log = logging.getLogger("sync")


def moment(when):
    return when.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


# ---- puller ----
class VehiclePuller:
    def __init__(self, vehicle):
        self.base = f"http://{vehicle['host']}:{vehicle['api_port']}"
        self.headers = {"X-API-Key": vehicle["api_key"]}

    async def __aenter__(self):
        self.http = httpx.AsyncClient(base_url=self.base, headers=self.headers, timeout=TIMEOUT_S, verify=False)
        return self

    async def __aexit__(self, *_):
        await self.http.aclose()

    async def get(self, path, **query):
        answer = await self.http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    async def window(self, begin, end):
        return await self.get("/data", **{"from": moment(begin), "to": moment(end)})


def pieces(begin, end, step):
    while begin < end:
        yield begin, min(begin + step, end)
        begin += step


# ---- writer ----
@contextlib.contextmanager
def transaction(connection):
    with connection, connection.cursor() as cursor:
        cursor.execute("select set_config('app.user_role', 'superuser', true)")
        yield cursor


def write_status(connection, vehicle, status):
    with transaction(connection) as cursor:
        cursor.execute("update vehicles set last_seen_at = now(), sync_status = 'ok', software_version = %s where vehicle_id = %s",
                       (status["software_version"], vehicle["vehicle_id"]))


def write_channels(connection, vehicle, channels):
    with transaction(connection) as cursor:
        psycopg2.extras.execute_values(
            cursor, "insert into channel_config (vehicle_id, channel_id, remote_id, name, unit, min_value, max_value, synced_at) "
            "values %s on conflict (vehicle_id, channel_id) do update set name = excluded.name, unit = excluded.unit, "
            "min_value = excluded.min_value, max_value = excluded.max_value, synced_at = excluded.synced_at",
            [(vehicle["vehicle_id"], c["channel_id"], c["channel_id"], c["name"], c["unit"], c["phys_min"], c["phys_max"],
              datetime.datetime.now(datetime.timezone.utc)) for c in channels])


def write_rows(connection, vehicle, rows):
    with transaction(connection) as cursor:
        psycopg2.extras.execute_values(
            cursor, "insert into measurements (vehicle_id, channel_id, time, value) values %s on conflict do nothing",
            [(vehicle["vehicle_id"], row["channel_id"], row["time"], row["value"]) for row in rows], page_size=PAGE_ROWS)


def write_alarms(connection, vehicle, alarms):
    with transaction(connection) as cursor:
        psycopg2.extras.execute_values(
            cursor, "insert into alarms_log values %s on conflict (vehicle_id, alarm_id) do update "
            "set resolved_at = excluded.resolved_at",
            [(vehicle["vehicle_id"], *(a[key] for key in ("alarm_id", "channel_id", "severity", "message", "raised_at", "resolved_at")))
             for a in alarms])


def write_end(connection, vehicle, started, status, rows, note, last_sync_at=None):
    with transaction(connection) as cursor:
        if last_sync_at is not None:
            cursor.execute("update vehicles set last_sync_at = %s where vehicle_id = %s", (last_sync_at, vehicle["vehicle_id"]))
        cursor.execute("insert into sync_journal select %s, coalesce(max(journal_id), 0) + 1, %s, now(), %s, %s, 0, %s "
                       "from sync_journal where vehicle_id = %s",
                       (vehicle["vehicle_id"], started, status, rows, note, vehicle["vehicle_id"]))


# ---- the cycle ----
async def pull_rows(connection, puller, vehicle, begin, end):
    """Rows written; windows as the document says."""
    if end - begin > datetime.timedelta(hours=24):
        windows = list(pieces(begin, end, datetime.timedelta(hours=1)))
    else:
        answer = await puller.window(begin, end)
        if not answer["truncated"]:
            write_rows(connection, vehicle, answer["rows"])
            return len(answer["rows"])
        windows = list(pieces(begin, end, datetime.timedelta(minutes=10)))
    written = 0
    for window in windows:
        rows = (await puller.window(*window))["rows"]
        write_rows(connection, vehicle, rows)
        written += len(rows)
    return written


async def sync_vehicle(connection, vehicle, now):
    started = datetime.datetime.now(datetime.timezone.utc)
    try:
        async with VehiclePuller(vehicle) as puller:
            write_status(connection, vehicle, await puller.get("/status"))
            write_channels(connection, vehicle, (await puller.get("/channels"))["channels"])
            begin = vehicle["last_sync_at"] or now - datetime.timedelta(seconds=WINDOW_S)
            rows = await pull_rows(connection, puller, vehicle, begin, now)
            window = {"from": moment(begin), "to": moment(now)}
            write_alarms(connection, vehicle, (await puller.get("/alarms", **window))["alarms"])
            write_end(connection, vehicle, started, "ok", rows, "", now)
            log.info("[%s] wrote %d measurements", vehicle["name"], rows)
            return rows
    except httpx.TimeoutException:
        write_end(connection, vehicle, started, "timeout", 0, "timeout")
    except httpx.HTTPError as problem:
        write_end(connection, vehicle, started, "error", 0, str(problem))
    return 0


async def cycle(connection, now):
    with transaction(connection) as cursor:
        cursor.execute("select vehicle_id, name, host, api_port, api_key, last_sync_at from vehicles")
        names = [column.name for column in cursor.description]
        vehicles = [dict(zip(names, row)) for row in cursor.fetchall()]
    return sum(await asyncio.gather(*(sync_vehicle(connection, vehicle, now) for vehicle in vehicles)))


def main(url, moments):
    rows, started, cpu = 0, time.monotonic(), time.process_time()
    connection = psycopg2.connect(url)
    for utc_us in moments:
        rows += asyncio.run(cycle(connection, datetime.datetime.fromtimestamp(utc_us / 1e6, datetime.timezone.utc)))
    print(json.dumps({"cpu_s": time.process_time() - cpu, "s": time.monotonic() - started, "rows": rows}))


if __name__ == "__main__":
    main(sys.argv[1], [int(word) for word in sys.argv[2:]])
