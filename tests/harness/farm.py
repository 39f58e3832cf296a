"""The farm of simulated vehicles (tests/bench/farm.c) as tests and benches use it: started and stopped, its faults switched,
and what must have come home of it compared with PostgreSQL by count and hash. Everything it says is made up."""

import pathlib
import re
import socket
import subprocess
import time

import telehaul
from telehaul import free_port, wait_until

FARM = telehaul.BIN.parent / "bench" / "farm"
API_KEY = "made-up-key"
CHANNELS = 25

# What SQL makes of the rows that are there: the same sum as sim_expected of tests/bench/farm_sim.h.
SQL_SUMS = """
with named as (
    select v.client_id, (date_part('epoch', m.time) * 1000000)::bigint as time_us,
           c.remote_id::bigint * 1000003 + coalesce(round(m.value * 100)::bigint, 123456) + 50001 as told
    from measurements m join channel_config c using (vehicle_id, channel_id) join vehicles v using (vehicle_id)
    where m.time >= to_timestamp(0) + %(from_us)s * interval '1 microsecond'
      and m.time < to_timestamp(0) + %(to_us)s * interval '1 microsecond'),
mixed as (select client_id, told %% 2147483647 as b,
                 (time_us %% 2147483647 + told %% 2147483647) %% 2147483647 as c from named)
select client_id, count(*), sum(c * c %% 2147483647 * (b + 1) %% 2147483647)::bigint from mixed group by client_id"""


def address(vehicle):
    """127.64.0.1 is vehicle 0: farm_sim.h's sim_address."""
    block = vehicle // 250
    return f"127.{64 + block // 250}.{block % 250}.{vehicle % 250 + 1}"


def client_id(vehicle):
    return f"farm-{vehicle:05d}"


def now_us():
    return time.time_ns() // 1000


class Farm:
    """`start_us`: its vehicles have readings from then on. It may be killed and started again: times and faults are kept."""

    def __init__(self, folder, count, channels=CHANNELS, hertz=1, start_us=None, tls=False, lag_ms=200):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.count, self.channels, self.hertz, self.lag_ms = count, channels, hertz, lag_ms
        self.start_us = start_us or now_us() // 1000000 * 1000000
        self.port = free_port()
        self.tls_port = free_port() if tls else None
        self.kept = {}  # commands that a new process is told again
        self.process = None

    def start(self):
        argv = [FARM, "--folder", self.folder, "--count", self.count, "--port", self.port, "--channels", self.channels,
                "--hertz", self.hertz, "--start-us", self.start_us, "--lag-ms", self.lag_ms, "--api-key", API_KEY]
        if self.tls_port:
            argv += ["--tls-port", self.tls_port]
        log = self.folder / "farm.log"
        with open(log, "ab") as out:
            self.process = subprocess.Popen(list(map(str, argv)), stdout=subprocess.PIPE, stderr=out)
        if not self.process.stdout.readline().startswith(b"ready"):
            self.process.wait()
            raise AssertionError(f"the farm did not start: {log.read_text()}")
        for line in self.kept.values():
            self.tell(line)
        return self

    def tell(self, line):
        """One line of its control socket; what follows "ok"."""
        with socket.socket(socket.AF_UNIX) as control:
            control.settimeout(60)
            control.connect(str(self.folder / "control"))
            control.sendall(line.encode() + b"\n")
            answer = b""
            while not answer.endswith(b"\n"):
                piece = control.recv(65536)
                assert piece, f"the farm ended at {line!r}"
                answer += piece
        word, _, rest = answer.decode().strip().partition(" ")
        assert word == "ok", f"{line}: {answer.decode()}"
        return rest

    @staticmethod
    def _range(vehicles):
        return str(vehicles) if isinstance(vehicles, int) else f"{min(vehicles)}-{max(vehicles)}"

    def fault(self, vehicles, word, scope="all"):
        """vehicles: a number, or a range of them without holes."""
        line = f"fault {self._range(vehicles)} {word} {scope}"
        self.kept["fault", self._range(vehicles)] = line
        self.tell(line)

    def clock(self, vehicles, offset_ms, skew_ppm=0):
        line = f"clock {self._range(vehicles)} {offset_ms} {skew_ppm}"
        self.kept["clock", self._range(vehicles)] = line
        self.tell(line)

    def freeze(self):
        """No reading is made any more; returns the time before which all are."""
        frozen_us = int(self.tell("freeze"))
        self.kept["freeze"] = f"freeze {frozen_us}"
        return frozen_us

    def stats(self):
        return {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", self.tell("stats"))}

    def requests(self, vehicle):
        return int(self.tell(f"requests {vehicle}").split(":")[0])

    def kill(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def stop(self):
        if self.process is not None and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        if self.process is not None:
            self.process.stdout.close()

    # ---- what must have come home ----
    def expected(self, vehicles, from_us=0, to_us=None):
        """client_id -> (rows, hash) of [from_us, to_us)."""
        argv = [FARM, "expected", "--vehicles", f"{min(vehicles)}-{max(vehicles)}", "--start-us", self.start_us, "--from-us", from_us,
                "--to-us", to_us or now_us(), "--channels", self.channels, "--hertz", self.hertz]
        done = subprocess.run(list(map(str, argv)), stdout=subprocess.PIPE, text=True, check=True)
        rows = [list(map(int, line.split())) for line in done.stdout.splitlines()]
        return {client_id(vehicle): (count, total) for vehicle, count, total in rows if vehicle in vehicles and count > 0}

    def found(self, database, vehicles, from_us=0, to_us=None):
        """The same of what is in PostgreSQL."""
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.execute(SQL_SUMS, {"from_us": from_us, "to_us": to_us or now_us()})
            names = {client_id(vehicle) for vehicle in vehicles}
            return {name: (count, total) for name, count, total in cursor.fetchall() if name in names}

    def differences(self, database, vehicles, from_us=0, to_us=None):
        """client_id -> (expected, found) where they are not the same."""
        expected = self.expected(vehicles, from_us, to_us)
        found = self.found(database, vehicles, from_us, to_us)
        return {name: (expected.get(name), found.get(name)) for name in {*expected, *found}
                if expected.get(name) != found.get(name)}

    def wait_home(self, database, vehicles, to_us, deadline_s=60):
        """Until all that was measured before to_us is in PostgreSQL once and unharmed."""
        wait_until(lambda: not self.differences(database, vehicles, to_us=to_us), "every vehicle's rows at home",
                   deadline_s, 0.5)

    def add_to(self, database, vehicles=None, transport="outbound"):
        """Rows of `vehicles`, as `sync_service vehicle add` makes them, but quickly."""
        rows = [(client_id(vehicle), f"made up {vehicle}", address(vehicle), self.port, transport, API_KEY)
                for vehicle in (vehicles if vehicles is not None else range(self.count))]
        with database.connect() as connection, connection.cursor() as cursor:
            cursor.executemany("insert into vehicles (client_id, name, host, api_port, transport, api_key) "
                               "values (%s, %s, %s, %s, %s, %s)", rows)
