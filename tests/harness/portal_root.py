"""A ROOT for tests of the portal alone: a store with the collector's schema and the state files of watchdog and
collector, all written by Python."""

import datetime
import json
import math
import os
import pathlib
import sqlite3
import uuid

import httpx
import telehaul

PIN = "48151623"
MIGRATIONS = sorted((telehaul.PROJECT / "migrations" / "appliance").glob("*.sql"))
CHANNELS = [  # name, unit, phys_min, phys_max, description
    ("engine_rpm", "rpm", 0, 8000, "engine speed"),
    ("engine_load", "%", 0, 100, "engine load"),
    ("coolant_temp", "degC", -40, 150, "coolant temperature"),
    ("oil_temp", "degC", -40, 180, "oil temperature"),
    ("oil_pressure", "bar", 0, 10, "oil pressure"),
    ("vehicle_speed", "km/h", 0, 250, "speed over ground"),
    ("battery_voltage", "V", 0, 16, "battery voltage"),
    ("gear", "", 0, 6, "gear engaged"),
    ("gps_lat", "deg", -90, 90, "latitude"),
    ("gps_lon", "deg", -180, 180, "longitude"),
    ("gps_altitude", "m", -500, 9000, "altitude"),
    ("odometer", "km", 0, 1e6, "distance driven"),
    ("cpu_user", "%", 0, 100, "time in user programs"),
    ("cpu_system", "%", 0, 100, "time in the kernel"),
    ("memory_used", "MiB", None, None, "memory in use"),
    ("memory_free", "MiB", None, None, "memory free"),
    ("fuel_level", "%", 0, 100, "fuel in the tank"),
]


def utc(offset_s=0):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=offset_s)
    return now.strftime("%Y-%m-%dT%H:%M:%SZ")


def service(name, state="running", **more):
    return {"name": name, "state": state, "pid": 4711, "since": utc(-3 * 3600 - 700), "restarts": 0, "last_exit": None,
            "status": None, "cpu_percent": 0.3, "rss_bytes": 6_500_000, **more}


class PortalRoot:
    def __init__(self, folder, pin=PIN, config=None, store=True):
        self.path = pathlib.Path(folder)
        for name in ("data", "run", "agent", "log"):
            (self.path / name).mkdir(parents=True)
        self.pin = pin
        self.port = telehaul.free_port()
        values = {"PORTAL_PORT": self.port, **(config or {})}
        (self.path / "config.txt").write_text("".join(f"{key} = {value}\n" for key, value in values.items()))
        credentials = self.path / "credentials.env"
        credentials.write_text(f"CONFIG_PIN={pin}\nOUTBOUND_API_KEY=x\n")
        credentials.chmod(0o600)
        self.program = None
        self.seq = 0
        self.store_id = None
        if store:
            self.make_store()

    # ---- the collector's part ----

    def make_store(self, name="telemetry.db", channels=CHANNELS):
        self.store = self.path / "data" / name
        self.db = sqlite3.connect(self.store, isolation_level=None)
        self.db.execute("PRAGMA journal_mode=WAL")
        for migration in MIGRATIONS:
            self.db.executescript(migration.read_text())
        self.store_id = str(uuid.uuid4())
        self.db.execute("insert into meta values('store_id', ?), ('next_seq', 1)", [self.store_id])
        for number, row in enumerate(channels, 1):
            self.db.execute("insert into channels values(?,?,?,?,?,?)", [number, *row])
        self.channels = channels

    def write(self, values, offset_s=0.0):
        """{channel's name: value}, measured now plus the offset, in one transaction."""
        ids = {row[0]: number for number, row in enumerate(self.channels, 1)}
        time_us = int((datetime.datetime.now().timestamp() + offset_s) * 1e6)
        self.db.execute("begin")
        for name, value in values.items():
            self.seq += 1
            self.db.execute("insert into readings values(?,?,?,?)", [self.seq, time_us, ids[name], value])
        self.db.execute("update meta set value = ? where key = 'next_seq'", [self.seq + 1])
        self.db.execute("commit")

    def write_all(self, step=0, offset_s=0.0):
        """A plausible value of every channel."""
        values = {}
        for number, (name, _, low, high, _) in enumerate(self.channels):
            low, high = (0, 4000) if low is None else (low, high)
            values[name] = round(low + (high - low) * (0.5 + 0.35 * math.sin(number + step / 9)), 3)
            if name == "gear":
                values[name] = 3
        self.write(values, offset_s)

    def write_collector(self, **more):
        self.replace("run/collector.json", {
            "time": utc(), "store": {"state": "ok", "store_id": self.store_id, "path": "data/telemetry.db", "bytes": 1},
            "inputs": [{"name": "drive", "state": "ok", "error": None, "readings": 123456, "dropped": 0,
                        "since": utc(-4000)},
                       {"name": "system", "state": "ok", "error": None, "readings": 45210, "dropped": 0,
                        "since": utc(-4000)}],
            "clock": {"state": "ok", "jumps": 0, "last_jump_s": 0.0},
            "disk": {"state": "ok", "free_bytes": 20_000_000_000}, "days_until_full": 412, **more})

    # ---- the watchdog's part ----

    def write_services(self, services=None, **more):
        services = services or [service("collector", status="17 channels at 1 Hz"), service("agent"),
                                service("portal", rss_bytes=7_100_000)]
        self.replace("run/status.json",
                     {"time": utc(), "pid": os.getpid(), "version": "1.0.0", "services": services, **more})

    def replace(self, name, content):
        target = self.path / name
        temporary = target.with_name(f".{target.name}.tmp")
        temporary.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
        temporary.rename(target)

    # ---- the portal ----

    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def start(self, binary=None):
        log = self.path / "log" / "test-portal.log"
        before = log.read_text().count("serving on") if log.exists() else 0
        self.program = telehaul.Program([binary or telehaul.BIN / "portal", "--root", self.path], log)
        telehaul.wait_until(lambda: self.program.output().count("serving on") > before or not self.program.running(),
                            "the portal's start")
        assert self.program.running(), self.program.output()
        return self

    def restart(self, binary=None):
        self.program.stop()
        return self.start(binary)

    def client(self, source=None, **more):
        transport = httpx.HTTPTransport(local_address=source, verify=False)
        return httpx.Client(base_url=self.url(), transport=transport, timeout=telehaul.DEADLINE_S, **more)

    def logged_in(self, **more):
        client = self.client(**more)
        answer = client.post("/api/login", json={"pin": self.pin})
        assert answer.status_code == 200, answer.text
        return client

    def clear(self):
        if self.program is not None and self.program.running():
            self.program.kill()
