"""An agent of the tests' own that speaks the contract's protocol over TLS and misbehaves on demand. It shares no code
with the product. Each call has a hook: a function (request, default) that answers in place of default()."""

import base64
import datetime
import gzip
import hashlib
import http.server
import json
import os
import socket
import ssl
import subprocess
import threading
import urllib.parse
import uuid

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding

FIRST_US = 1771754400 * 1_000_000  # 2026-02-22T10:00:00Z


def time_text(us):
    seconds, micro = divmod(us, 1_000_000)
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{micro:06d}Z"


def make_readings(count, first_seq=1, channels=5):
    """Rows (seq, time_us, channel, value) of a made-up machine, in the order of their seq."""
    rows = []
    for i in range(count):
        seq = first_seq + i
        value = None if seq % 97 == 0 else round(1000 + (seq % 1009) * 0.25, 2)
        rows.append((seq, FIRST_US + seq * 10_000, f"channel_{seq % channels}", value))
    return rows


def line(row):
    seq, time_us, channel, value = row
    return json.dumps({"seq": seq, "time": time_text(time_us), "channel": channel, "value": value},
                      separators=(",", ":")) + "\n"


# An alarm: seq, alarm_id, channel, severity, message, raised_us, resolved_us (None: it lasts).
def make_alarms(count, first_seq, channels=5):
    return [(first_seq + i, FIRST_US + i * 1000, f"channel_{i % channels}", "warning", f"above {i}", FIRST_US + i * 1000,
             FIRST_US + i * 2000 if i % 3 == 0 else None) for i in range(count)]


def alarm_line(alarm):
    seq, alarm_id, channel, severity, message, raised_us, resolved_us = alarm
    return json.dumps({"seq": seq, "alarm_id": alarm_id, "channel": channel, "severity": severity, "message": message,
                       "raised_at": time_text(raised_us),
                       "resolved_at": None if resolved_us is None else time_text(resolved_us)},
                      separators=(",", ":")) + "\n"


# A channel: name, unit, phys_min, phys_max, description.
def make_channels(count=5, unit="rpm"):
    return [(f"channel_{i}", unit, 0, 100.5 if i else None, f"made up, number {i}") for i in range(count)]


def channel_line(channel):
    return json.dumps(dict(zip(("channel", "unit", "phys_min", "phys_max", "description"), channel)),
                      separators=(",", ":")) + "\n"


def table_line(row):
    """Of a table: no seq."""
    return json.dumps({"time": time_text(row[1]), "channel": row[2], "value": row[3]}, separators=(",", ":")) + "\n"


def pack_zstd(text):
    return subprocess.run(["zstd", "-q", "-1", "-c"], input=text, stdout=subprocess.PIPE, check=True).stdout


def unpack(path):
    """The bytes of a file, gzip or zstd, unpacked by programs that are not ours."""
    packed = path.read_bytes()
    if packed.startswith(b"\x1f\x8b"):
        return gzip.decompress(packed)
    return subprocess.run(["zstd", "-q", "-d", "-c"], input=packed, stdout=subprocess.PIPE, check=True).stdout


class Certificate:
    def __init__(self, folder):
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "a machine")])
        now = datetime.datetime.utcnow()
        cert = (x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(days=1))
                .not_valid_after(now + datetime.timedelta(days=10)).sign(key, hashes.SHA256()))
        self.file = folder / f"cert-{uuid.uuid4().hex}.pem"
        self.file.write_bytes(cert.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.agent_id = hashlib.sha256(key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


class FakeAgent:
    calls = {"/auth/challenge": "challenge", "/auth": "auth", "/status": "status", "/data/export": "export",
             "/update": "update"}

    def __init__(self, folder, keys, rows=(), tls=True):
        self.folder = folder
        self.keys = keys
        self.rows = list(rows)
        self.store_id = str(uuid.uuid4())
        self.version = "1.0.0"
        self.challenges = set()
        self.tokens = set()
        self.requests = []  # "GET /status" ...
        self.hooks = {}     # "challenge", "auth", "status", "export", "update"; "expect": before a body is asked for
        self.updates = []   # each that came whole: its headers and its bytes
        self.alarms = None    # a list: it offers alarms
        self.described = None # a list: it offers channels
        self.formats = None   # ["gzip", "zstd"]: what it says it can
        self.table = False    # its readings come from a table: no seq, `after` is refused
        self.asked = []       # the query of each export, with its Accept
        self.breaks = []    # for each export in turn: bytes of the body before the connection is cut; None: none
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.raw_listener = self.server.socket
        self.certificate = None
        if tls:
            self.new_certificate()
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self.thread.start()

    @property
    def agent_id(self):
        return self.certificate.agent_id

    def new_certificate(self):
        """The machine was set up again, or is another one by now."""
        self.certificate = Certificate(self.folder)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.load_cert_chain(self.certificate.file)
        # handshakes are made in the connection's own thread
        self.server.get_request = lambda: self._accept(context)

    def _accept(self, context):
        connection, address = self.raw_listener.accept()
        return context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False), address

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- the calls ----
    def challenge(self, request):
        text = base64.b64encode(os.urandom(32)).decode()
        self.challenges.add(text)
        request.json(200, {"challenge": text, "agent_id": self.agent_id, "expires_in": 60})

    def auth(self, request):
        body = json.loads(request.body)
        if "challenge" in body:
            message = f"telehaul-auth-v2\n{self.agent_id}\n{body['challenge']}\n"
            if body["challenge"] not in self.challenges:
                return request.json(401, {"error": "unknown challenge"})
            self.challenges.discard(body["challenge"])
        else:
            message = body["timestamp"]
            then = datetime.datetime.strptime(message, "%Y-%m-%dT%H:%M:%SZ")
            if abs((datetime.datetime.utcnow() - then).total_seconds()) > 60:
                return request.json(401, {"error": "stale timestamp"})
        try:
            self.keys.private.public_key().verify(
                base64.b64decode(body["signature"], validate=True), message.encode(),
                padding.PSS(mgf=padding.MGF1(hashes.SHA256()), salt_length=padding.PSS.AUTO), hashes.SHA256())
        except InvalidSignature:
            return request.json(401, {"error": "invalid signature"})
        token = str(uuid.uuid4())
        self.tokens.add(token)
        return request.json(200, {"session_token": token, "expires_in": 300})

    def status(self, request):
        store_id = self.store_id  # before its readings: a test that begins a new store sets it after them
        last = max([row[0] for row in self.rows[-1:]] + [alarm[0] for alarm in (self.alarms or [])[-1:]], default=0)
        about = {"product": "telehaul", "version": self.version, "agent_id": self.agent_id, "store_id": store_id,
                 "next_seq": last + 1}
        if self.formats is not None:
            about["export_formats"] = self.formats
            about["export_streams"] = ["readings"] + ["alarms"] * (self.alarms is not None) + \
                ["channels"] * (self.described is not None)
        request.json(200, about)

    def select(self, query):
        if "after" in query:
            rows = [row for row in self.rows if row[0] > int(query["after"])]
        elif "since" in query:
            # a table is read again a minute back: rows may have been written late
            overlap = 60_000_000 if self.table else 0
            rows = [row for row in self.rows if time_text(row[1] + overlap) > query["since"]]
        else:
            rows = self.rows
        return rows[:int(query["limit"])] if "limit" in query else rows

    def headers_of(self, rows):
        headers = {"Content-Type": "application/gzip", "X-Record-Count": len(rows), "X-Store-Id": self.store_id}
        if rows:
            if not self.table:
                headers.update({"X-First-Seq": rows[0][0], "X-Last-Seq": rows[-1][0]})
            headers.update({"X-Period-Start": time_text(rows[0][1]), "X-Period-End": time_text(rows[-1][1])})
        return headers

    def lines_of(self, query):
        """The headers and the text of an export."""
        stream = query.get("stream", "readings")
        if stream == "alarms":
            rows = [alarm for alarm in self.alarms if alarm[0] > int(query.get("after", 0))]
            headers = {"X-Record-Count": len(rows), "X-Store-Id": self.store_id}
            if rows:
                headers.update({"X-First-Seq": rows[0][0], "X-Last-Seq": rows[-1][0]})
            return headers, "".join(map(alarm_line, rows))
        if stream == "channels":
            return ({"X-Record-Count": len(self.described), "X-Store-Id": self.store_id},
                    "".join(map(channel_line, self.described)))
        rows = self.select(query)
        return self.headers_of(rows), "".join(map(table_line if self.table else line, rows))

    def export(self, request):
        zstd = "zstd" in (self.formats or []) and "application/zstd" in request.headers.get("Accept", "")
        self.asked.append({**request.query, "accept": request.headers.get("Accept")})
        if "after" in request.query and self.table and request.query.get("stream", "readings") == "readings":
            return request.json(400, {"error": "no_cursor", "detail": "the readings of a table have no seq"})
        if "after" in request.query and request.query.get("store") != self.store_id:
            return request.json(409, {"error": "store_changed", "store_id": self.store_id})
        headers, text = self.lines_of(request.query)
        headers["Content-Type"] = "application/zstd" if zstd else "application/gzip"
        body = pack_zstd(text.encode()) if zstd else gzip.compress(text.encode(), 1, mtime=0)
        cut = self.breaks.pop(0) if self.breaks else None
        return request.stream(headers, body, cut)

    def update(self, request):
        self.updates.append((dict(request.headers), request.body))
        return request.json(200, {"status": "queued"})

    # ---- HTTP ----
    def _handler(agent):  # noqa: N805: the handler's own self is the request
        class Request(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def log_message(self, *_):
                pass

            def handle(self):
                try:
                    super().handle()
                except (OSError, ssl.SSLError):
                    pass  # the client went away, or never was one

            def handle_expect_100(self):
                """The hook answers and the connection ends, or returns True."""
                hook = agent.hooks.get("expect")
                if hook is not None and not hook(self):
                    self.close_connection = True
                    return False
                super().handle_expect_100()
                self.wfile.flush()
                return True

            def answer(self):
                parts = urllib.parse.urlsplit(self.path)
                self.query = dict(urllib.parse.parse_qsl(parts.query))
                self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                agent.requests.append(f"{self.command} {parts.path}")
                name = agent.calls.get(parts.path)
                if name is None:
                    return self.json(404, {"error": "not_found"})
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                if name not in ("challenge", "auth") and token not in agent.tokens:
                    return self.json(401, {"error": "unauthorized"})
                call = getattr(agent, name)
                hook = agent.hooks.get(name)
                return hook(self, lambda: call(self)) if hook else call(self)

            do_GET = do_POST = answer

            def json(self, status, value, headers=None):
                self.raw(status, json.dumps(value).encode(), {"Content-Type": "application/json", **(headers or {})})

            def raw(self, status, body, headers=None):
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, str(value))
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def chunk(self, piece):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
                self.wfile.flush()

            def stream(self, headers, body, cut=None):
                self.send_response(200)
                for name, value in headers.items():
                    self.send_header(name, str(value))
                self.send_header("Transfer-Encoding", "chunked")
                self.end_headers()
                sent = body if cut is None else body[:cut]
                for at in range(0, len(sent), 16384):
                    self.chunk(sent[at:at + 16384])
                if cut is None:
                    self.wfile.write(b"0\r\n\r\n")
                    self.wfile.flush()
                else:
                    self.cut()

            def cut(self):
                """The link breaks: nothing more, not even a polite goodbye."""
                self.wfile.flush()
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        return Request
