"""A vehicle with the Outbound API of docs/data_contract.md, of the tests' own: it shares no code with the product. Everything
it measures is made up."""

import contextlib
import datetime
import gzip
import http.server
import json
import socket
import threading
import time
import urllib.parse

US = 1_000_000
EPOCH = datetime.datetime(1970, 1, 1)
CHANNELS = [{"channel_id": 3, "name": "engine_rpm", "unit": "rpm", "phys_min": 0, "phys_max": 8000},
            {"channel_id": 7, "name": "coolant_temp", "unit": "°C", "phys_min": -40, "phys_max": 150}]


def time_text(time_us):
    return (EPOCH + datetime.timedelta(microseconds=time_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def time_us_of(text):
    parsed = datetime.datetime.strptime(text, "%Y-%m-%dT%H:%M:%S.%fZ")
    return (parsed - EPOCH) // datetime.timedelta(microseconds=1)


def now_us():
    return int(time.time() * US)


class FakeVehicle:
    """rows: (time_us, channel_id, value). offset_us: its clock minus ours. max_rows: of one answer. hooks: "/data" ->
    function of (request, its own answer), which is a function."""

    def __init__(self, address="127.0.0.1", key="made-up-key", rows=()):
        self.key, self.rows = key, sorted(rows)
        self.channels, self.alarms = list(CHANNELS), []
        self.offset_us, self.max_rows = 0, 100_000
        self.name, self.version, self.db_ok = "Truck-01", "1.1.0", True
        self.frozen_us = None  # its clock stands still here
        self.asked = []        # (path, query as a dict)
        self.hooks = {}
        self.address = address
        self.lock = threading.Lock()
        self.server = http.server.ThreadingHTTPServer((address, 0), self._handler(), bind_and_activate=False)
        self.server.request_queue_size = 128
        self.server.server_bind()
        self.server.server_activate()
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    # ---- what it measures ----
    def clock_us(self):
        return self.frozen_us if self.frozen_us is not None else now_us() + self.offset_us

    def measure(self, first_us, count, step_us=US, channels=(3, 7)):
        """count times each channel, from first_us of its clock on; None: from its now on, before which nobody was asked."""
        with self.lock:
            first_us = self.clock_us() if first_us is None else first_us
            new = [(first_us + i * step_us + k, channel, float(i % 1000) + k / 4)
                   for i in range(count) for k, channel in enumerate(channels)]
            self.rows = sorted([*self.rows, *new])
        return new

    # ---- what it was asked ----
    def paths(self):
        return [path for path, _ in self.asked]

    def windows(self, path="/data"):
        """Of each such request: (from, to) in us."""
        return [(time_us_of(query["from"]), time_us_of(query["to"])) for asked, query in self.asked if asked == path]

    # ---- the calls ----
    def status(self, _):
        return {"name": self.name, "software_version": self.version, "time": time_text(self.clock_us()), "uptime_s": 5,
                "db_ok": self.db_ok, "last_reading_at": None, "readings": len(self.rows)}

    def data(self, query):
        first, last = time_us_of(query["from"]), time_us_of(query["to"])
        with self.lock:
            rows = [row for row in self.rows if first <= row[0] < last]
        cut = rows[:self.max_rows]
        return {"from": query["from"], "to": query["to"], "truncated": len(cut) < len(rows), "count": len(cut),
                "rows": [{"time": time_text(t), "channel_id": c, "value": v} for t, c, v in cut]}

    def alarm_list(self, query):
        first, last = time_us_of(query["from"]), time_us_of(query["to"])

        def within(time_us):
            return time_us is not None and first <= time_us < last
        return {"alarms": [{**alarm, "raised_at": time_text(alarm["raised_at"]),
                            "resolved_at": None if alarm["resolved_at"] is None else time_text(alarm["resolved_at"])}
                           for alarm in self.alarms if within(alarm["raised_at"]) or within(alarm["resolved_at"])]}

    def answer_to(self, path, query):
        calls = {"/status": self.status, "/channels": lambda _: {"channels": self.channels}, "/data": self.data,
                 "/alarms": self.alarm_list}
        return calls[path](query)

    def _handler(vehicle):  # noqa: N805: the handler's own self is the request
        class Request(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = -1

            def log_message(self, *_):
                pass

            def handle(self):
                with contextlib.suppress(OSError):
                    super().handle()

            def do_GET(self):
                parts = urllib.parse.urlsplit(self.path)
                query = dict(urllib.parse.parse_qsl(parts.query))
                with vehicle.lock:
                    vehicle.asked.append((parts.path, query))
                if self.headers.get("X-API-Key") != vehicle.key:
                    return self.json({"error": "unauthorized"}, 401)
                hook = vehicle.hooks.get(parts.path)

                def own():
                    return self.json(vehicle.answer_to(parts.path, query))
                return hook(self, own) if hook else own()

            def json(self, value, status=200):
                self.raw(json.dumps(value).encode(), status)

            def raw(self, body, status=200, **headers):
                if "gzip" in self.headers.get("Accept-Encoding", "") and status == 200:
                    body, headers["Content-Encoding"] = gzip.compress(body, 1), "gzip"
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
                self.wfile.flush()

            def start_body(self, size):
                self.send_response(200)
                self.send_header("Content-Length", str(size))
                self.end_headers()
                self.wfile.flush()

            def cut(self):
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)

        return Request


def hang(seconds):
    """A hook: nothing is answered for so long."""
    def hook(request, _):
        time.sleep(seconds)
        request.cut()
    return hook


def body(text, status=200, **headers):
    """A hook: this and nothing else."""
    return lambda request, _: request.raw(text if isinstance(text, bytes) else text.encode(), status, **headers)


def slowly(total=10_000_000):
    """A hook: a byte a second."""
    def hook(request, _):
        request.start_body(total)
        while True:
            request.wfile.write(b" ")
            request.wfile.flush()
            time.sleep(1)
    return hook


def until_it_closes(cut=0, packed=False, behind=b""):
    """A hook: its own answer as a server of HTTP/1.0 sends it, with no length: the connection's end is the body's. cut: so
    many bytes are missing; behind: what follows on it."""
    def hook(request, own):
        def raw(text, status=200):
            text = (gzip.compress(text, 1) if packed else text) + behind
            coding = b"Content-Encoding: gzip\r\n" if packed else b""
            request.wfile.write(b"HTTP/1.0 %d made up\r\n%s\r\n" % (status, coding) + text[:len(text) - cut])
            request.wfile.flush()
            request.close_connection = True
        request.raw = raw
        own()
    return hook


def without_end(text=b" " * 65536):
    """A hook: a gigabyte."""
    def hook(request, _):
        request.start_body(1 << 30)
        for _ in range((1 << 30) // len(text)):
            request.wfile.write(text)
    return hook
