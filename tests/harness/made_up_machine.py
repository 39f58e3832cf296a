"""A made-up month of a made-up machine, for the page: works by day, is off at night (gaps), warms up, has one spike
that lasts a second, alarms, and calls of a server. Nothing of it was measured anywhere; its seed is fixed."""

import datetime
import functools
import math
import random
import uuid

ROLLUP_S = 30
RAW_S = 10           # between the readings of the last day
SPARSE_S = 600       # and of the days before: the roll-ups tell them
RAW_DAY_S = 24 * 3600
CHANNELS = ("engine_rpm", "coolant_temp", "oil_pressure", "battery_voltage")
SPIKE_RPM = 7950.0


STEADY = {"engine_load": 42.5, "oil_temp": 96.4, "vehicle_speed": 63.2, "gear": 3, "gps_lat": 50.45013,
          "gps_lon": 30.5234, "gps_altitude": 179, "odometer": 184221, "cpu_user": 7.4, "cpu_system": 2.1,
          "memory_used": 412, "memory_free": 1604, "fuel_level": 61.5}


@functools.cache
def spike_s():
    """A noon about twelve days ago at which the machine worked; the same for who asks after midnight."""
    noon = datetime.datetime.now(datetime.timezone.utc).replace(hour=12, minute=0, second=0, microsecond=0)
    day = noon - datetime.timedelta(days=12)
    return int((day if day.weekday() != 6 else day - datetime.timedelta(days=1)).timestamp())


def works(time_s):
    """By day and not on Sundays; the current hour always, so that the live end is one."""
    now = datetime.datetime.now().timestamp()
    moment = datetime.datetime.fromtimestamp(time_s, datetime.timezone.utc)
    return now - time_s < 3 * 3600 or (6 <= moment.hour < 21 and moment.weekday() != 6)


# (began, ended) in s ago: the coolant was too hot; None: it still is
HOT = [(190, None)] + [(day * 86400 + 5000, day * 86400 + 4400 - 60 * day) for day in (1, 2, 5, 9, 12, 20)]

LOW_AGO_S = 2 * 3600  # since then the battery is low


def is_hot(time_s):
    """0 to 1: it heats up for two minutes before it is too hot."""
    ago = datetime.datetime.now().timestamp() - time_s
    near = [(began + 120 - ago) / 120 for began, ended in HOT if (ended or -60) <= ago <= began + 120]
    return min(1, max(near, default=0))


def is_low(time_s):
    return datetime.datetime.now().timestamp() - time_s <= LOW_AGO_S


def value_of(channel, time_s, dice):
    """What the channel would show then."""
    day = math.sin(time_s / 5400) + 0.4 * math.sin(time_s / 700)
    noise = dice.uniform(-1, 1)
    return {
        "engine_rpm": 1450 + 320 * day + 60 * noise,
        "coolant_temp": 84 + 5 * math.sin(time_s / 9000) + 0.5 * noise + 18 * is_hot(time_s),
        "oil_pressure": 4.1 + 0.5 * day + 0.08 * noise,
        "battery_voltage": (11.3 if is_low(time_s) else 13.8) + 0.2 * math.sin(time_s / 20000) + 0.04 * noise,
    }[channel]


def write_month(root, days=30):
    """Roll-ups of all days, readings close together of the last one."""
    dice = random.Random(20261121)
    now = math.floor(datetime.datetime.now().timestamp() / ROLLUP_S) * ROLLUP_S
    ids = {row[0]: number for number, row in enumerate(root.channels, 1)}
    rollups, readings = [], []
    for start in range(now - days * 86400, now, ROLLUP_S):
        if not works(start):
            continue
        for channel in CHANNELS:
            low = value_of(channel, start, dice)
            high = low + abs(value_of(channel, start + ROLLUP_S, dice) - low)
            recent = now - start < RAW_DAY_S
            times = range(start, start + ROLLUP_S, RAW_S) if recent else [start] if start % SPARSE_S == 0 else []
            values = [value_of(channel, time, dice) for time in times]
            readings += [(time * 1_000_000, ids[channel], round(value, 3)) for time, value in zip(times, values)]
            rollups.append([ids[channel], start * 1_000_000, round(min([low, *values]), 3), round(max([high, *values]), 3)])
    for row in rollups:
        if row[0] == ids["engine_rpm"] and row[1] == spike_s() * 1_000_000:
            row[3] = SPIKE_RPM
            readings.append((row[1] + 1_000_000, row[0], SPIKE_RPM))
    readings.sort()
    root.db.execute("begin")
    root.db.executemany("insert or replace into rollups values(?,?,?,?)", rollups)
    root.db.executemany("insert into readings values(?,?,?,?)",
                        [(root.seq + number, *row) for number, row in enumerate(readings, 1)])
    root.seq += len(readings)
    root.db.execute("insert or replace into meta values('rollup_seq', ?)", [root.seq])
    root.db.execute("update meta set value = ? where key = 'next_seq'", [root.seq + 1])
    root.db.execute("commit")


def write_now(root, offset_s=0.0, **other):
    """One reading of each channel, as the month would go on; `other` says otherwise."""
    time_s = datetime.datetime.now().timestamp() + offset_s
    month = {channel: round(value_of(channel, time_s, random.Random(int(time_s))), 3) for channel in CHANNELS}
    values = {**STEADY, **month, **other}
    root.write({name: value for name, value in values.items() if name in {row[0] for row in root.channels}}, offset_s)


def write_alarm(root, channel, severity, message, raised_s, resolved_s=None, alarm_id=None):
    """Offsets in s from now (below 0: ago); resolved None: it lasts. Returns its id: the same id resolves it later."""
    now_us = int(datetime.datetime.now().timestamp() * 1e6)
    raised_us = alarm_id or now_us + int(raised_s * 1e6)
    ids = {row[0]: number for number, row in enumerate(root.channels, 1)}
    root.seq += 1
    root.db.execute("begin")
    root.db.execute("insert or replace into alarms (alarm_id, seq, channel_id, severity, message, raised_us, resolved_us)"
                    " values(?,?,?,?,?,?,?)",
                    [raised_us, root.seq, ids[channel], severity, message, raised_us,
                     None if resolved_s is None else now_us + int(resolved_s * 1e6)])
    root.db.execute("update meta set value = ? where key = 'next_seq'", [root.seq + 1])
    root.db.execute("commit")
    return raised_us


def write_alarms(root):
    """Two that last and a history, in the words of collector/alarm.c."""
    write_alarm(root, "coolant_temp", "critical", "coolant_temp is 104.2 degC, above its limit of 95 degC", -HOT[0][0])
    write_alarm(root, "battery_voltage", "warning", "battery_voltage is 11.3 V, below its limit of 11.6 V", -LOW_AGO_S)
    for began, ended in HOT[1:]:
        write_alarm(root, "coolant_temp", "warning", "coolant_temp is 96.1 degC, above its limit of 95 degC", -began, -ended)
    write_alarm(root, "oil_pressure", "critical", "oil_pressure is 0.8 bar, below its limit of 1 bar", -3 * 86400, -3 * 86400 + 45)
    write_alarm(root, "engine_rpm", "info", "engine_rpm is 7950 rpm, above its limit of 6500 rpm",
                spike_s() - datetime.datetime.now().timestamp(), spike_s() - datetime.datetime.now().timestamp() + 1)


def write_contacts(root):
    """The agent's last sessions with a made-up server."""
    def ago(seconds):
        moment = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(seconds=seconds)
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    root.replace("agent/contacts.json", {"sessions": [
        {"ended_at": ago(720), "address": "10.0.0.7", "records": 250000, "bytes": 2_831_155, "outcome": "ok",
         "update_version": None},
        {"ended_at": ago(87000), "address": "10.0.0.7", "records": 81234, "bytes": 903_200, "outcome": "cut_off",
         "update_version": None},
        {"ended_at": ago(180000), "address": "10.0.0.7", "records": 512345, "bytes": 5_200_300, "outcome": "ok",
         "update_version": "1.0.1"}]})
    root.replace("agent/last_sync.txt", f"{ago(720)} {uuid.uuid4()}\n")
