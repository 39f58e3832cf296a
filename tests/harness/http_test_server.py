"""http_test_server (tests/integration/http_test_server.c), which has one route of each kind, started with the limits that a
test wants; and a peer of it that has sockets."""

import contextlib
import pathlib
import re
import socket
import ssl
import subprocess
import time

import httpx
import pytest
import telehaul

SERVER = telehaul.BIN.parent / "test-tools" / "http_test_server"
HELLO = b"GET /hello HTTP/1.1\r\nHost: x\r\n\r\n"


class Server:
    """http_test_server with the given options; limits in ms."""

    def __init__(self, folder, tls=False, **options):
        assert SERVER.exists(), f"{SERVER} is missing: make test-tools"
        arguments = [str(SERVER)] + (["--tls"] if tls else [])
        arguments += [f"--{name}={value}" for name, value in options.items()]
        self.tls = tls
        self.errors = pathlib.Path(folder) / "server.log"
        with open(self.errors, "ab") as errors:
            self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=errors, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("port "), self.errors.read_text()
        self.port = int(line.split()[1])
        self.url = f"http{'s' if tls else ''}://127.0.0.1:{self.port}"
        self.client = httpx.Client(base_url=self.url, verify=False, timeout=telehaul.DEADLINE_S)

    def get(self, target, **more):
        return self.client.get(target, **more)

    def connect(self, source=None, receive_bytes=None, tls=None):
        plain = socket.socket()
        if receive_bytes:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        plain.settimeout(telehaul.DEADLINE_S)
        if source:
            plain.bind((source, 0))
        plain.connect(("127.0.0.1", self.port))
        return trusting().wrap_socket(plain) if (self.tls if tls is None else tls) else plain

    def exchange(self, request):
        """Sends raw bytes and returns all that comes until the server closes or is silent for a moment."""
        with self.connect() as connection:
            with contextlib.suppress(OSError):  # it may be refused before its end
                connection.sendall(request)
            return read_answer(connection)

    def stop(self):
        """Seconds that stopping took."""
        self.client.close()
        begin = time.monotonic()
        self.process.terminate()
        try:
            code = self.process.wait(telehaul.DEADLINE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("the server did not stop") from None
        assert code == 0, self.errors.read_text()
        return time.monotonic() - begin


def trusting():
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def read_answer(connection):
    """One answer: its headers and as much body as Content-Length says, or what comes until the end."""
    data = b""
    with contextlib.suppress(ConnectionError):
        while True:
            headers, found, body = data.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", headers)
            if found and length and len(body) >= int(length[1]):
                break
            piece = connection.recv(65536)
            if not piece:
                break
            data += piece
    return data


def is_closed(connection):
    """True when the peer closed or reset it."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def count(server):
    return int(server.get("/subscribers").text)


@pytest.fixture
def serve(tmp_path):
    started = []

    def start(**options):
        server = Server(tmp_path, **options)
        started.append(server)
        return server

    yield start
    for server in started:
        if server.process.poll() is None:
            server.stop()


@pytest.fixture(params=[False, True], ids=["http", "https"])
def server(request, serve):
    return serve(tls=request.param)
