"""A machine that takes updates, its queue and its clients; packages of a size, and uploads by bare sockets."""

import json
import os
import re

import pytest
from agent_root import Machine
from packages import Package
from update_client import Queue

KIB, MIB = 1024, 1024 * 1024
MAX_UPDATE_BYTES = 64 * MIB


@pytest.fixture(scope="module")
def one_machine(tmp_path_factory, keys):
    made = Machine(tmp_path_factory.mktemp("machine") / "root", keys, rows=10,
                   config={"MAX_UPDATE_BYTES": MAX_UPDATE_BYTES, "LOG_LEVEL": "debug"})
    yield made
    made.clear()


@pytest.fixture
def machine(one_machine):
    """With nothing queued and nothing remembered."""
    Queue(one_machine.root.path).clear()
    if not one_machine.agent.running():
        one_machine.start()
    return one_machine


@pytest.fixture
def queue(machine):
    return Queue(machine.root.path)


@pytest.fixture
def client(machine):
    made = machine.client()
    yield made
    made.close()


@pytest.fixture
def make_machine(tmp_path, keys):
    machines = []

    def make(name="root", **more):
        machines.append(Machine(tmp_path / name, keys, rows=10, **more))
        return machines[-1]

    yield make
    for machine in machines:
        machine.clear()


def stored(keys, size, version="1.2.0"):
    """A package of about so many bytes."""
    package = Package(keys, version=version, files={"share/big": os.urandom(MIB) * (size // MIB)})
    package.method = 0
    return package.build()


def begin(machine, headers, source=None):
    """A connection that has sent the headers, and what they were answered with."""
    connection = machine.connect(source)
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    connection.sendall(f"POST /update HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
    return connection


def read_head(connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        piece = connection.recv(1)
        assert piece, head
        head += piece
    return int(head.split()[1]), head.decode()


def read_answer(connection):
    status, head = read_head(connection)
    left = int(re.search(r"(?i)content-length: (\d+)", head).group(1))
    body = b""
    while len(body) < left:
        body += connection.recv(left - len(body))
    return status, json.loads(body)
