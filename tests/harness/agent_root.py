"""A machine for the agent's tests: a ROOT with a telemetry store written here from the contract's schema (no
collector), and clients that each come from an address of their own, for the rate limit's sake."""

import contextlib
import datetime
import itertools
import os
import pathlib
import re
import socket
import sqlite3
import ssl
import uuid

import telehaul

SCHEMA = telehaul.PROJECT / "migrations" / "appliance" / "0001_telemetry.sql"
FIRST_US = 1771754400000000  # 2026-02-22T10:00:00Z
# Of a program whose memory is measured: AddressSanitizer keeps 256 MiB of what was freed, else.
FREED_IS_FREE = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}
CHANNELS = ["engine_rpm", 'a "quoted" \\ name', "температура", "last"]

_sources = itertools.count(2)


def new_source():
    """An address of 127.0.0.0/8 that nobody else used in this run."""
    number = next(_sources)
    return f"127.{10 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


def time_of(utc_us):
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(microseconds=utc_us)
    return moment.isoformat(timespec="microseconds") + "Z"


def make_store(path, rows, store_id=None):
    """Readings seq 1 to rows, a microsecond apart, of CHANNELS in turn; every 10th is null, the others random bits
    (they hardly compress). Returns its store_id."""
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    store_id = store_id or str(uuid.uuid4())
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma journal_mode=wal")
        db.executescript(SCHEMA.read_text())
        db.execute("begin")
        db.execute("insert into meta values ('store_id', ?), ('next_seq', ?)", (store_id, rows + 1))
        db.executemany("insert into channels(channel_id, name) values (?, ?)", enumerate(CHANNELS, 1))
        db.execute("with recursive n(i) as (select 1 union all select i + 1 from n where i < ?) "
                   "insert into readings select i, ? + i, i % 4 + 1, "
                   "case when i % 10 = 0 then null else random() / 1024.0 end from n where i <= ?",
                   (rows, FIRST_US, rows))
        db.execute("commit")
        db.execute("pragma wal_checkpoint(truncate)")
    return store_id


class Machine:
    """A ROOT with a store and a running agent."""

    def __init__(self, folder, keys, rows=1000, config=None, start=True):
        self.root = telehaul.Root(folder, keys, config=config)
        self.keys = keys
        self.store_id = make_store(self.root.store_file(), rows) if rows else None
        self.rows = rows
        self.agent = None
        if start:
            self.start()

    def start(self, **more):
        self.agent = self.root.start_agent(**more)
        return self.agent

    def stop(self):
        self.agent.stop()
        return self.agent.output()

    def client(self, keys=None, log_in=True, source=None):
        source = source or new_source()
        client = telehaul.AgentClient(self.root.agent_port, keys or self.keys, source=source)
        client.http_source = source
        if log_in:
            answer = client.log_in()
            assert answer.status_code == 200, answer.text
        return client

    def change(self, *statements):
        with contextlib.closing(sqlite3.connect(self.root.store_file(), timeout=10)) as db:
            for statement in statements:
                db.execute(statement)
            db.commit()

    def memory_kib(self, field="VmRSS"):
        status = pathlib.Path(f"/proc/{self.agent.pid}/status").read_text()
        return int(re.search(rf"{field}:\s+(\d+) kB", status).group(1))

    def exports_under_way(self):
        """Each has a connection to the store of its own."""
        store = str(self.root.store_file())
        count = 0
        for fd in os.listdir(f"/proc/{self.agent.pid}/fd"):
            with contextlib.suppress(OSError):
                count += os.readlink(f"/proc/{self.agent.pid}/fd/{fd}") == store
        return count

    def connect(self, source=None, tls=True, receive_bytes=None):
        """A bare connection, for what httpx does not let one do."""
        plain = socket.socket()
        plain.settimeout(30)
        if receive_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        plain.bind((source or new_source(), 0))
        plain.connect(("127.0.0.1", self.root.agent_port))
        if not tls:
            return plain
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context.wrap_socket(plain)

    def begin_export(self, token, receive_bytes=65536, target="/data/export"):
        """Asks for an export and returns the connection, from which nothing was read."""
        connection = self.connect(receive_bytes=receive_bytes)
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        return connection

    def clear(self):
        self.root.clear()
