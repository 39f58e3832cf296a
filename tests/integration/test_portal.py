"""The portal's calls against the contract: who may ask, what is answered, what is pushed."""

import concurrent.futures
import contextlib
import datetime
import hashlib
import json
import socket
import ssl
import stat
import time

import httpx
import pytest
import telehaul
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from portal_root import CHANNELS, PIN, PortalRoot, service

API = ("/api/status", "/api/channels", "/api/data/latest", "/api/events")
RIGHT = {"X-Config-Pin": PIN}


@pytest.fixture
def portal(tmp_path):
    made = []

    def make(**more):
        root = PortalRoot(tmp_path / f"root{len(made)}", **more)
        made.append(root)
        return root

    yield make
    for root in made:
        root.clear()


@pytest.fixture
def root(portal):
    """Measured, written, running."""
    made = portal()
    made.write_all()
    made.write_services()
    made.write_collector()
    return made.start()


def log_in(client, pin=PIN, **more):
    return client.post("/api/login", json={"pin": pin}, **more)


def events(client, wanted, deadline_s=telehaul.DEADLINE_S, during=None):
    """The first events of the stream until wanted(event, data) is true; `during` is called with each one."""
    found = []
    with client.stream("GET", "/api/events", headers=RIGHT, timeout=deadline_s) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        name = None
        for line in answer.iter_lines():
            line = line.rstrip("\n")
            if line.startswith("event: "):
                name = line[7:]
            elif line.startswith("data: "):
                data = json.loads(line[6:])
                found.append((name, data))
                if wanted(name, data):
                    return found
                if during:
                    during(name, data)
    raise AssertionError(f"the stream ended: {found}")


# ---- who may ask ----

def test_health_needs_no_pin(root):
    answer = root.client().get("/api/health")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "version": "1.0.0"}
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("call", [*API, "/api/nothing", "/api/"])
def test_everything_else_needs_the_pin(root, call):
    client = root.client()
    answer = client.get(call)
    assert answer.status_code == 401
    assert answer.json()["error"] == "pin_required"
    answer = client.get(call, headers={"X-Config-Pin": "0"})
    assert answer.status_code == 401
    assert answer.json()["error"] == "wrong_pin"
    assert client.post("/api/logout").status_code == 401


def test_session_cookie(root):
    client = root.client()
    assert client.get("/api/session").json() == {"logged_in": False}
    answer = log_in(client)
    assert answer.status_code == 200
    assert answer.json() == {"status": "ok", "expires_in": 43200}
    cookie = answer.headers["set-cookie"]
    assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= set(cookie.split("; "))
    assert "Secure" not in cookie  # plain HTTP on loopback
    assert PIN not in cookie
    assert client.get("/api/status").status_code == 200
    assert client.get("/api/session").json() == {"logged_in": True}
    root.restart()
    assert client.get("/api/status").status_code == 200, "a session outlives a restart"
    answer = client.post("/api/logout")
    assert answer.status_code == 200
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert client.get("/api/status").status_code == 401


def test_session_ends_with_the_pin(root):
    client = root.logged_in()
    (root.path / "credentials.env").write_text("CONFIG_PIN=99999999\n")
    root.restart()
    assert client.get("/api/status").status_code == 401


def test_forged_cookies(root):
    good = log_in(root.client()).cookies["telehaul_portal"]
    expiry, nonce, mac = good.split(".")
    for forged in ("", "x", f"{expiry}.{nonce}", f"{int(expiry) + 1}.{nonce}.{mac}", f"{expiry}.{nonce}x.{mac}",
                   f"{expiry}.{nonce}.{mac[:-1]}", f"{expiry}.{nonce}.{mac}0", f"9{expiry}.{nonce}.{mac}", "9" * 4000):
        answer = root.client(headers={"Cookie": f"telehaul_portal={forged}"}).get("/api/status")
        assert answer.status_code == 401, forged


def test_session_key_is_private(root):
    key = root.path / "data" / "portal_session.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_five_wrong_pins_lock_the_address(root):
    client = root.client()
    session = root.logged_in()
    for _ in range(5):
        began = time.monotonic()
        assert log_in(client, "0000").status_code == 401
    for answer in (log_in(client), client.get("/api/status", headers=RIGHT)):
        assert answer.status_code == 429
        assert answer.json()["error"] == "locked"
        assert 299 - (time.monotonic() - began) <= int(answer.headers["retry-after"]) <= 300
    assert session.get("/api/status").status_code == 200, "who is logged in stays so"
    assert log_in(root.client(source="127.0.0.2")).status_code == 200, "other addresses are not locked"


def test_fifty_wrong_pins_lock_all_log_ins(root):
    session = root.logged_in()
    for address in range(10):
        client = root.client(source=f"127.0.1.{address + 1}")
        for _ in range(5):
            assert client.get("/api/status", headers={"X-Config-Pin": "1"}).status_code == 401
    answer = log_in(root.client(source="127.0.2.1"))
    assert answer.status_code == 429
    assert 3500 <= int(answer.headers["retry-after"]) <= 3600
    assert session.get("/api/status").status_code == 200


def test_wrong_pins_side_by_side_are_all_counted(root):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        codes = list(pool.map(lambda _: log_in(root.client(), "0").status_code, range(24)))
    assert sorted(codes) == [401] * 5 + [429] * 19


def test_an_empty_pin_lets_nobody_in(portal):
    root = portal(pin="").start()
    for pin in ("", "0", "48151623"):
        answer = log_in(root.client(), pin)
        assert answer.status_code == 403
        assert answer.json()["error"] == "no_pin"
        assert root.client().get("/api/status", headers={"X-Config-Pin": pin}).status_code == 403
    assert "CONFIG_PIN in credentials.env is empty" in root.program.output()


@pytest.mark.parametrize("body", [b"", b"pin", b'{"pin":48151623}', b'{"pin":null}', b"{}", b'["48151623"]',
                                  b'{"pin":"48151623","pin":"48151623"}', b'{"pin":"48151623","more":1}',
                                  b'{"pin":"48151623"} x', b'\xef\xbb\xbf{"pin":"48151623"}', b'{"pin":"\xff"}',
                                  b'{"pin":"' + b"1" * 200 + b'"}', b'{"pin":"4815\\u00001623"}'])
def test_malformed_log_ins(root, body):
    answer = root.client().post("/api/login", content=body)
    assert answer.status_code == 400
    assert answer.json()["error"] == "bad_request"


def test_a_body_that_is_too_large(root):
    answer = root.client().post("/api/login", content=b" " * 9000)
    assert (answer.status_code, answer.json()["error"]) == (413, "too_large") and answer.json()["detail"]
    assert root.client().get("/api/health").status_code == 200


# ---- whose page asks ----

@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "192.168.0.1", "[::1]",
                                  "user@localhost"])
def test_other_names_are_refused(root, host):
    for call in ("/", "/api/health", "/api/status"):
        answer = root.client().get(call, headers={"Host": host, **RIGHT})
        assert answer.status_code == 421
        assert answer.json()["error"] == "wrong_host"


def test_no_host_is_refused(root):
    with socket.create_connection(("127.0.0.1", root.port)) as connection:
        connection.sendall(b"GET /api/health HTTP/1.0\r\n\r\n")
        assert b" 421 " in connection.recv(4096).split(b"\r\n")[0]


def test_own_and_configured_names(portal):
    root = portal(config={"PORTAL_HOSTS": "plant-7.example, other.example:444"}).start()
    for host in ("localhost", f"localhost:{root.port}", f"127.0.0.1:{root.port}", "localhost:18000", "plant-7.example",
                 "PLANT-7.example:8000", "other.example:444"):
        assert root.client().get("/api/health", headers={"Host": host}).status_code == 200, host
    assert root.client().get("/api/health", headers={"Host": "other.example:445"}).status_code == 421


def test_other_origins_are_refused(root):
    client = root.logged_in()
    own = f"http://127.0.0.1:{root.port}"
    assert client.get("/api/status", headers={"Origin": own}).status_code == 200
    for origin in ("http://evil.example", "null", own.replace("http", "https"), "http://127.0.0.1:1", own + ".evil.example"):
        answer = client.post("/api/logout", headers={"Origin": origin})
        assert answer.status_code == 403
        assert answer.json()["error"] == "wrong_origin"
    assert client.get("/api/status").status_code == 200


# ---- pages ----

def test_pages_and_their_headers(root):
    client = root.client()
    for path, kind in (("/", "text/html"), ("/app.js", "text/javascript"), ("/portal.css", "text/css"),
                       ("/common/theme.css", "text/css"), ("/common/mark.svg", "image/svg+xml")):
        answer = client.get(path)
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith(kind)
        assert answer.headers["cache-control"] == "no-cache"
        policy = answer.headers["content-security-policy"]
        for rule in ("default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'",
                     "base-uri 'none'", "form-action 'self'"):
            assert rule in policy.split("; ")
        assert "unsafe" not in policy
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        again = client.get(path, headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        assert again.content == b""
    page = client.get("/").text
    assert "<style" not in page and " style=" not in page and " onclick" not in page


def test_no_other_paths(root):
    client = root.client()
    for path in ("/nothing", "/../config.txt", "/%2e%2e/credentials.env", "/common/", "/web/index.html"):
        assert client.get(path).status_code == 404, path
    assert client.put("/api/login").status_code == 405
    assert client.post("/", content=b"x").status_code in (405, 413)


# ---- what is answered ----

def test_status(root):
    (root.path / "agent" / "last_sync.txt").write_text("2026-02-22T10:00:00.000000Z\n")
    status = root.client().get("/api/status", headers=RIGHT).json()
    assert status["version"] == "1.0.0"
    assert status["product"] == "telehaul"
    assert status["agent_id"] is None
    assert status["last_sync"].startswith("2026-02-22T10:00:00")
    assert status["store"]["state"] == "ok"
    assert status["store"]["store_id"] == root.store_id
    assert status["store"]["readings"] == len(CHANNELS)
    assert status["store"]["bytes"] > 0
    assert status["disk"]["free_bytes"] > 0
    assert status["watchdog"]["state"] == "running"
    assert [one["name"] for one in status["services"]] == ["collector", "agent", "portal"]
    assert status["collector"]["inputs"][0]["name"] == "drive"
    assert status["uptime_s"] >= 0 and status["machine_uptime_s"] > 0


def test_agent_id_is_that_of_the_certificate(root):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "x")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
    made = made.not_valid_before(now).not_valid_after(now + datetime.timedelta(days=1)).sign(key, hashes.SHA256())
    (root.path / "agent" / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    assert root.client().get("/api/status", headers=RIGHT).json()["agent_id"] == hashlib.sha256(spki).hexdigest()


def test_status_of_a_machine_that_has_just_begun(portal):
    root = portal(store=False).start()
    client = root.logged_in()
    status = client.get("/api/status").json()
    assert status["store"]["state"] == "missing"
    assert status["watchdog"] is status["services"] is status["collector"] is None
    for call in ("/api/channels", "/api/data/latest"):
        answer = client.get(call)
        assert answer.status_code == 503
        assert answer.json()["error"] == "no_store"


@pytest.mark.parametrize("content", ["", "{", "[]", '{"a":1,"a":2}', "null", '{"services":[' + "[" * 100, "x" * 300_000],
                         ids=["empty", "cut", "list", "twice", "null", "deep", "large"])
def test_damaged_state_files_are_told_from_none(root, content):
    root.replace("run/status.json", content)
    root.replace("run/collector.json", content)
    status = root.client().get("/api/status", headers=RIGHT).json()
    assert status["services"] is None and status["collector"] is None
    assert "run/status.json" in root.program.output()


def test_a_watchdog_that_is_gone(root):
    root.write_services(pid=2**22 + 1)  # above the largest pid
    assert root.client().get("/api/status", headers=RIGHT).json()["watchdog"]["state"] == "stopped"


def test_channels_and_latest_values(root):
    client = root.logged_in()
    channels = client.get("/api/channels").json()["channels"]
    assert [one["name"] for one in channels] == [row[0] for row in CHANNELS]
    assert channels[0] == {"channel_id": 1, "name": "engine_rpm", "unit": "rpm", "phys_min": 0, "phys_max": 8000,
                           "description": "engine speed"}
    assert channels[14]["phys_min"] is None
    root.write({"engine_rpm": 1523.25, "gear": None})
    latest = client.get("/api/data/latest").json()
    values = {one["channel_id"]: one for one in latest["values"]}
    assert len(values) == len(CHANNELS)
    assert values[1]["value"] == 1523.25
    assert values[8]["value"] is None
    assert values[1]["time"].endswith("Z") and values[1]["time"] <= latest["time"]


def test_another_store_is_taken_up(root):
    client = root.logged_in()
    first = client.get("/api/status").json()["store"]["store_id"]
    root.make_store("telemetry-2.db")
    root.write({"engine_rpm": 7})
    root.replace("data/current_store", "telemetry-2.db\n")
    assert client.get("/api/status").json()["store"]["store_id"] == root.store_id != first
    assert [one["value"] for one in client.get("/api/data/latest").json()["values"]] == [7]


# ---- what is pushed ----

def test_events_begin_with_everything_and_follow(root):
    def write_once(name, data):
        if name == "reading":
            root.write({"engine_rpm": 4711})

    found = events(root.client(), lambda name, data: name == "reading" and
                   any(one["value"] == 4711 for one in data["values"]), during=write_once)
    names = [name for name, _ in found]
    assert names[:2] == ["service", "reading"]
    assert len(found[1][1]["values"]) == len(CHANNELS)
    assert [one["name"] for one in found[0][1]["services"]] == ["collector", "agent", "portal"]


def test_a_change_of_the_services_is_pushed(root):
    def change(name, data):
        if data.get("services") and data["services"][0]["state"] == "running":
            root.write_services([service("collector", "hung")])

    found = events(root.client(), lambda name, data: name == "service" and data["services"][0]["state"] == "hung",
                   during=change)
    assert found[-1][1]["services"][0]["name"] == "collector"


def test_the_first_values_of_a_new_machine_are_pushed(portal):
    root = portal(store=False).start()

    def measure(name, data):
        if not (root.path / "data/telemetry.db").exists():  # other events may come first
            root.make_store()
            root.write_all()

    found = events(root.client(), lambda name, data: name == "reading", during=measure)
    assert len(found[-1][1]["values"]) == len(CHANNELS)


def test_a_machine_with_as_many_channels_as_a_store_takes(portal):
    """The first event and each later one carry a value of every channel, and the stream lives on."""
    channels = [(f"a_channel_with_a_name_{number}", "kPa", None, None, "") for number in range(10000)]
    root = portal(store=False)
    root.make_store(channels=channels)
    root.write_all()
    root.start()

    def measure(name, data):
        if name == "reading":
            root.write_all(step=1)

    seen = []
    events(root.client(), lambda name, data: name == "reading" and (seen.append(len(data["values"])) or len(seen) == 3),
           during=measure)
    assert seen == [10000] * 3


def test_many_watchers(root):
    with contextlib.ExitStack() as stack:
        answers = [stack.enter_context(root.client().stream("GET", "/api/events", headers=RIGHT)) for _ in range(40)]
        assert [answer.status_code for answer in answers] == [200] * 40
        root.write({"gear": 5})
        for answer in answers:
            for line in answer.iter_lines():
                if line.startswith("data: ") and any(one["value"] == 5 for one in json.loads(line[6:]).get("values", [])):
                    break
    assert root.client().get("/api/health").status_code == 200


def test_a_stop_ends_the_streams(root):
    with root.client().stream("GET", "/api/events", headers=RIGHT) as answer:
        lines = answer.iter_lines()
        next(lines)
        root.program.stop()  # which would wait for ever for a stream that does not end
        for _ in lines:
            pass  # cut off it would be an error


# ---- TLS and starting ----

def test_tls(portal):
    root = portal(config={"PORTAL_TLS": "yes"})
    root.start()
    client = httpx.Client(base_url=f"https://127.0.0.1:{root.port}", verify=False, timeout=telehaul.DEADLINE_S)
    answer = log_in(client)
    assert answer.status_code == 200
    assert "Secure" in answer.headers["set-cookie"]
    assert client.get("/api/health", headers={"Origin": f"https://127.0.0.1:{root.port}"}).status_code == 200
    shown = ssl.get_server_certificate(("127.0.0.1", root.port))
    assert stat.S_IMODE((root.path / "data" / "portal_key.pem").stat().st_mode) == 0o600
    root.restart()
    assert ssl.get_server_certificate(("127.0.0.1", root.port)) == shown, "the certificate stays the same"
    with pytest.raises(httpx.HTTPError):
        root.client().get("/api/health")  # plain HTTP


@pytest.mark.parametrize("missing", ["portal_cert.pem", "portal_key.pem"])
def test_half_of_an_operators_pair_is_never_replaced(portal, missing):
    root = portal(config={"PORTAL_TLS": "yes"})
    root.start().program.stop()
    other = {"portal_cert.pem": "portal_key.pem", "portal_key.pem": "portal_cert.pem"}[missing]
    (root.path / "data" / missing).unlink()
    before = (root.path / "data" / other).read_bytes()
    done = telehaul.run("portal", "--root", root.path, check=2)
    assert f"{missing} is missing: put it back, or move both away" in done.stderr
    assert (root.path / "data" / other).read_bytes() == before
    assert not (root.path / "data" / missing).exists()


def test_tls_is_automatic_beyond_loopback(portal):
    root = portal(config={"PORTAL_BIND": "0.0.0.0"})
    root.start()
    assert "-----BEGIN CERTIFICATE-----" in ssl.get_server_certificate(("127.0.0.1", root.port))


def test_secrets_that_others_may_read_stop_it(portal):
    root = portal()
    (root.path / "credentials.env").chmod(0o644)
    done = telehaul.run("portal", "--root", root.path, check=4)
    assert "chmod 600" in done.stderr
    assert PIN not in done.stderr
    assert "chmod 600" in telehaul.run("portal", "--root", root.path, "--check-config", check=4).stderr


def test_check_config(portal):
    root = portal()
    assert telehaul.run("portal", "--root", root.path, "--check-config").stdout.strip() == "ok"


def test_the_log_names_no_pin(root):
    log_in(root.client(), "31415926")
    log_in(root.client())
    root.client().get("/api/status", headers=RIGHT)
    assert PIN not in root.program.output()
    assert "31415926" not in root.program.output()
