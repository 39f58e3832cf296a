"""A ROOT whose collector has the input `lines`, made-up senders (written from the public description of line protocol), and
what they see of it."""

import contextlib
import json
import re
import socket
import sqlite3
import time

import pytest
import telehaul
from telehaul import wait_until

NOW_NS = 1_771_754_700_000_000_000


class Lines:
    """A ROOT whose collector has `lines` on a port and on a Unix socket, and nothing else."""

    def __init__(self, make_root, more_inputs=(), options="", config=None):
        self.port = telehaul.free_port()
        self.root = make_root(inputs=[f"lines listen=127.0.0.1:{self.port} {options}",
                                      f"lines listen=unix:run/lines.sock {options}", *more_inputs],
                              config={"SAMPLE_INTERVAL_MS": 100, **(config or {})})
        self.path = self.root.path / "run" / "lines.sock"
        self.collector = None

    def start(self):
        self.collector = self.root.start("collector")
        wait_until(lambda: telehaul.listens(self.port) and self.listens_unix() or not self.collector.running(), "both places")
        assert self.collector.running(), self.collector.output()
        wait_until(lambda: self.root.store_file().exists(), "the store")
        return self

    def listens_unix(self):
        """It comes after the port; a socket that a killed one left refuses."""
        with contextlib.suppress(OSError), self.connect_unix():
            return True
        return False

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=telehaul.DEADLINE_S)

    def connect_unix(self):
        sender = socket.socket(socket.AF_UNIX)
        sender.settimeout(telehaul.DEADLINE_S)
        sender.connect(str(self.path))
        return sender

    def send(self, text):
        with self.connect() as sender:
            sender.sendall(text if isinstance(text, bytes) else text.encode())

    def report(self, name="lines"):
        found = json.loads((self.root.path / "run" / "collector.json").read_text())
        return next(one for one in found["inputs"] if one["name"] == name)

    def reported(self, condition, what, name="lines"):
        """The report is written every few seconds, and at once when a state changes."""
        def look():
            with contextlib.suppress(OSError, ValueError):
                found = self.report(name)
                return found if condition(found) else None
        return wait_until(look, what)

    def rows(self):
        """(channel, time_us, value) in the order of seq."""
        with contextlib.suppress(sqlite3.OperationalError):
            return self.root.query("select name, time_us, value from readings join channels using (channel_id) order by seq")
        return []

    def wait_rows(self, count):
        wait_until(lambda: self.root.readings() >= count, f"{count} readings")
        return self.rows()


@pytest.fixture
def lines(make_root):
    return Lines(make_root).start()


def rss_kib(pid):
    [size] = re.findall(r"VmRSS:\s+(\d+) kB", open(f"/proc/{pid}/status").read())
    return int(size)


def standing(look):
    """Waits until what it looks at has not moved for 3 s, which is what is asked for, and returns it."""
    last = [look(), time.monotonic()]

    def stands():
        now = look()
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return time.monotonic() - last[1] >= 3
    wait_until(stands, "a stand-still")
    return last[0]


@contextlib.contextmanager
def locked(root):
    """The store takes nothing: another program holds the writer's place."""
    with contextlib.closing(sqlite3.connect(root.store_file(), isolation_level=None, timeout=telehaul.DEADLINE_S)) as db:
        db.execute("begin immediate")
        try:
            yield
        finally:
            db.execute("rollback")
