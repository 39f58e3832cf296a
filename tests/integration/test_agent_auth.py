"""Who gets a token from the agent and who does not, against the contract and from outside."""

import base64
import datetime
import re
import ssl
import subprocess
import time

import pytest
import telehaul
from agent_root import Machine, new_source
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


@pytest.fixture(scope="module")
def machine(tmp_path_factory, keys):
    made = Machine(tmp_path_factory.mktemp("machine") / "root", keys)
    yield made
    made.clear()


@pytest.fixture(scope="module")
def other_machine(tmp_path_factory, keys):
    made = Machine(tmp_path_factory.mktemp("other") / "root", keys)
    yield made
    made.clear()


def now(seconds=0, zone="Z"):
    moment = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=seconds)
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + zone


def send_timestamp(client, timestamp, keys=None):
    signature = base64.b64encode((keys or client.keys).sign(timestamp.encode())).decode()
    return client.post_auth(timestamp=timestamp, signature=signature)


def refused(answer, word, status=401):
    assert answer.status_code == status, answer.text
    assert answer.json()["error"] == word and answer.json()["detail"]


def test_a_signed_challenge_gives_a_token(machine):
    client = machine.client(log_in=False)
    answer = client.http.get("/auth/challenge")
    assert answer.json().keys() == {"challenge", "agent_id", "expires_in"}
    assert answer.json()["expires_in"] == 60
    answer = client.log_in()
    assert answer.json().keys() == {"session_token", "expires_in"}
    assert answer.json()["expires_in"] == 300
    assert UUID4.fullmatch(answer.json()["session_token"])
    assert client.status()["agent_id"] == client.agent_id


def test_a_signed_timestamp_gives_a_token(machine):
    client = machine.client(log_in=False)
    assert client.log_in_plain(now()).status_code == 200
    client.status()


@pytest.mark.parametrize("salt", [0, 20, 32, 350])
def test_any_salt_length(machine, salt):
    client = machine.client(log_in=False)
    challenge = client.challenge()
    message = f"telehaul-auth-v2\n{client.agent_id}\n{challenge}\n".encode()
    signature = base64.b64encode(client.keys.sign(message, salt=salt)).decode()
    assert client.post_auth(challenge=challenge, signature=signature).status_code == 200


def forged_signatures(keys, other_keys, message):
    yield other_keys.sign(message)
    yield keys.sign(message + b"\n")
    yield keys.sign(message, hashes.SHA512())
    yield keys.private.sign(message, padding.PKCS1v15(), hashes.SHA256())
    yield keys.sign(message)[:-1]
    yield keys.sign(message) + b"\0"
    yield b"\0" * 384
    yield b""


@pytest.mark.parametrize("number", range(8))
def test_a_wrong_signature(machine, keys, other_keys, number):
    client = machine.client(log_in=False)
    challenge, timestamp = client.challenge(), now()
    for form, message in [({"challenge": challenge},
                           f"telehaul-auth-v2\n{client.agent_id}\n{challenge}\n".encode()),
                          ({"timestamp": timestamp}, timestamp.encode())]:
        signature = list(forged_signatures(keys, other_keys, message))[number]
        refused(client.post_auth(**form, signature=base64.b64encode(signature).decode()), "invalid signature")
    assert client.log_in().status_code == 200


def test_a_signature_that_is_no_base64(machine):
    client = machine.client(log_in=False)
    refused(client.post_auth(challenge=client.challenge(), signature="*" * 512), "invalid signature")


def test_a_challenge_is_taken_once(machine):
    client = machine.client(log_in=False)
    challenge = client.challenge()
    body = {"challenge": challenge, "signature": client.signed_challenge(challenge)}
    assert client.post_auth(**body).status_code == 200
    refused(client.post_auth(**body), "replayed signature")
    refused(client.post_auth(challenge=challenge, signature=client.signed_challenge(challenge)), "replayed signature")


def test_a_challenge_that_nobody_issued(machine):
    client = machine.client(log_in=False)
    challenge = base64.b64encode(bytes(32)).decode()
    refused(client.post_auth(challenge=challenge, signature=client.signed_challenge(challenge)), "unknown challenge")


def test_another_agents_challenge(machine, other_machine):
    here, there = machine.client(log_in=False), other_machine.client(log_in=False)
    assert here.agent_id != there.agent_id
    challenge = there.challenge()
    refused(here.post_auth(challenge=challenge, signature=here.signed_challenge(challenge)), "unknown challenge")
    refused(here.post_auth(challenge=challenge, signature=there.signed_challenge(challenge)), "unknown challenge")


def test_a_relayed_challenge(machine, other_machine):
    """The other agent hands this one's challenge on; what its server signs for it is worth nothing here."""
    here, there = machine.client(log_in=False), other_machine.client(log_in=False)
    challenge = here.challenge()
    relayed = here.signed_challenge(challenge, agent_id=there.agent_id)
    refused(here.post_auth(challenge=challenge, signature=relayed), "invalid signature")


@pytest.mark.parametrize("seconds", [-3600, -61, 62, 3600])
def test_a_timestamp_too_far_off(machine, seconds):
    while True:
        timestamp = now(seconds)
        answer = send_timestamp(machine.client(log_in=False), timestamp)
        if seconds < 0 or timestamp > now(60):
            break  # else it came near while it was asked, on a machine that is slow
    refused(answer, "stale timestamp")


def test_a_timestamp_of_before_the_start(tmp_path, keys):
    before = now()
    machine = Machine(tmp_path / "root", keys)
    try:
        refused(send_timestamp(machine.client(log_in=False), before), "stale timestamp")
    finally:
        machine.clear()


def test_a_timestamp_is_taken_once(machine):
    client = machine.client(log_in=False)
    timestamp = now(1)
    assert send_timestamp(client, timestamp).status_code == 200
    refused(send_timestamp(client, timestamp), "replayed signature")
    refused(send_timestamp(client, timestamp[:-1] + "+00:00"), "replayed signature")


def test_a_replay_after_a_restart(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys)
    try:
        client = machine.client()
        challenge, timestamp = client.challenge(), now()
        signature = client.signed_challenge(challenge)
        assert send_timestamp(client, timestamp).status_code == 200
        token = client.token
        machine.agent.kill()
        machine.start()
        client = machine.client(log_in=False)
        refused(client.post_auth(challenge=challenge, signature=signature), "unknown challenge")
        refused(send_timestamp(client, timestamp), "stale timestamp")
        client.token = token
        assert client.get("/status").status_code == 401
    finally:
        machine.clear()


def test_the_timestamp_form_turned_off(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys, config={"AUTH_TIMESTAMP": "no"})
    try:
        refused(send_timestamp(machine.client(log_in=False), now()), "bad_request", status=400)
        machine.client()
    finally:
        machine.clear()


def test_each_of_two_trusted_keys(tmp_path, keys, other_keys):
    machine = Machine(tmp_path / "root", keys, start=False)
    trusted = tmp_path / "root" / "keys" / "two.pem"
    trusted.write_bytes(keys.public_file.read_bytes() + other_keys.public_file.read_bytes())
    machine.root.config({"AUTH_PUBLIC_KEY_FILE": "keys/two.pem"})
    machine.start()
    try:
        machine.client(keys)
        machine.client(other_keys)
    finally:
        machine.clear()


def test_a_key_removed_while_it_runs(tmp_path, keys, other_keys):
    machine = Machine(tmp_path / "root", keys, start=False)
    trusted = tmp_path / "root" / "keys" / "auth.pem"
    trusted.write_bytes(keys.public_file.read_bytes() + other_keys.public_file.read_bytes())
    machine.root.config({"AUTH_PUBLIC_KEY_FILE": "keys/auth.pem"})
    machine.start()
    try:
        machine.client(other_keys)
        trusted.write_bytes(keys.public_file.read_bytes())
        refused(machine.client(other_keys, log_in=False).log_in(), "invalid signature")
        machine.client(keys)
        trusted.write_bytes(b"no key")
        assert machine.client(keys, log_in=False).log_in().status_code == 500
    finally:
        machine.clear()


BAD_BODIES = [
    b"", b"{", b"[]", b"null", b'"x"', b"{}", b"not json", b'{"challenge":"AAAA"}', b'{"signature":"AAAA"}',
    b'{"challenge":1,"signature":"AAAA"}', b'{"challenge":"AAAA","signature":null}',
    b'{"timestamp":["2026-02-22T10:00:00Z"],"signature":"AAAA"}', b'{"timestamp":"yesterday","signature":"AAAA"}',
    b'{"challenge":"AAAA","timestamp":"2026-02-22T10:00:00Z","signature":"AAAA"}',
    b'{"challenge":"AAAA","signature":"AAAA","more":1}', b'{"challenge":"AAAA","signature":"AAAA","signature":"AAAA"}',
    b'{"challenge":"AAAA","challenge":"AAAB","signature":"AAAA"}', b'\xef\xbb\xbf{"challenge":"AAAA","signature":"AAAA"}',
    b'{"challenge":"AAAA","signature":"AAAA"}x', b'{"challenge":"\xff","signature":"AAAA"}',
    b'{"challenge":"AAAA","signature":' + b"[" * 1000 + b"]" * 1000 + b"}", b"{'challenge':'AAAA','signature':'AAAA'}",
    b'{"challenge":"AAAA\\u0000","signature":"AAAA"}', b'{"challenge":"AAAA","signature":"' + b"A" * 7000 + b'"}',
]


@pytest.mark.parametrize("body", BAD_BODIES, ids=range(len(BAD_BODIES)))
def test_a_body_that_is_neither_form(machine, body):
    client = machine.client(log_in=False)
    refused(client.http.post("/auth", content=body), "bad_request", status=400)


def test_a_body_over_8_kib(machine):
    client = machine.client(log_in=False)
    body = b'{"challenge":"AAAA","signature":"AAAA"}'
    refused(client.http.post("/auth", content=body + b" " * (8192 - len(body))), "unknown challenge")
    refused(client.http.post("/auth", content=body + b" " * (8193 - len(body))), "too_large", status=413)

    def in_chunks():
        for _ in range(100):
            yield b" " * 1000
    refused(client.http.post("/auth", content=in_chunks()), "too_large", status=413)


def test_the_fourth_attempt_in_a_minute(machine):
    source = new_source()
    client = machine.client(log_in=False, source=source)
    began = time.monotonic()
    refused(client.http.post("/auth", content=b"x"), "bad_request", status=400)
    assert client.log_in().status_code == 200
    refused(client.http.post("/auth", content=b" " * 10000), "too_large", status=413)
    challenge = client.challenge()  # is not counted
    fourth = client.post_auth(challenge=challenge, signature=client.signed_challenge(challenge))
    refused(fourth, "too_many_attempts", status=429)
    assert 59 - (time.monotonic() - began) <= int(fourth.headers["Retry-After"]) <= 60
    again = machine.client(log_in=False, source=source)
    assert again.log_in().status_code == 429  # a new connection is no new address
    client.status()  # a token that was given goes on
    assert machine.client(log_in=False).log_in().status_code == 200


@pytest.mark.parametrize("header", [None, "", "Bearer", "Basic {}", "{}", "Bearer {}x", "Bearer  {}",
                                    "Bearer 00000000-0000-4000-8000-000000000000"])
def test_without_the_right_token(machine, header):
    client = machine.client()
    headers = {"Authorization": header.format(client.token)} if header is not None else {}
    for method, target in [("GET", "/status"), ("GET", "/data/export"), ("GET", "/data/export?bad=1"),
                           ("POST", "/update"), ("GET", "/update/status"), ("GET", "/nothing"), ("GET", "/")]:
        answer = client.http.request(method, target, headers=headers)
        assert answer.status_code == 401, target
        assert answer.headers["WWW-Authenticate"] == "Bearer"
    assert client.http.get("/status", headers={"Authorization": f"bearer {client.token}"}).status_code == 200


def test_another_agents_token(machine, other_machine):
    client, there = machine.client(), other_machine.client()
    client.token = there.token
    assert client.get("/status").status_code == 401


def test_the_65th_token_ends_the_oldest(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys)
    try:
        clients = [machine.client() for _ in range(64)]
        assert all(client.get("/status").status_code == 200 for client in clients)
        machine.client().status()
        assert clients[0].get("/status").status_code == 401
        assert all(client.get("/status").status_code == 200 for client in clients[1:])
    finally:
        machine.clear()


def test_what_is_not_there(machine):
    client = machine.client()
    assert client.get("/nothing").status_code == 404
    assert client.http.post("/status", headers=client.headers()).status_code == 405
    assert client.http.get("/auth").status_code == 405
    assert client.get("/update").status_code == 405


# ---- TLS and the certificate ----

def certificate_of(machine):
    pem = ssl.get_server_certificate(("127.0.0.1", machine.root.agent_port))
    return x509.load_pem_x509_certificate(pem.encode())


def test_the_certificate_made_on_the_first_start(machine):
    certificate = certificate_of(machine)
    assert certificate.public_key().curve.name == "secp256r1"
    assert certificate.issuer == certificate.subject
    years = (certificate.not_valid_after - certificate.not_valid_before).days / 365.25
    assert 9.9 < years < 10.1
    assert (machine.root.path / "agent" / "key.pem").stat().st_mode & 0o777 == 0o600


def test_the_certificate_stays(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys)
    try:
        first = machine.client(log_in=False).agent_id
        machine.stop()
        machine.start()
        assert machine.client(log_in=False).agent_id == first
    finally:
        machine.clear()


def test_a_pair_made_with_openssl(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys, start=False)
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-keyout", tmp_path / "root/agent/key.pem",
                    "-out", tmp_path / "root/agent/cert.pem", "-days", "3650", "-nodes", "-subj", "/CN=plant"],
                   check=True, capture_output=True)
    machine.start()
    try:
        machine.client().status()
        assert certificate_of(machine).public_key().key_size == 2048
    finally:
        machine.clear()


@pytest.mark.parametrize("missing", ["cert.pem", "key.pem"])
def test_half_a_pair_is_refused(tmp_path, keys, missing):
    machine = Machine(tmp_path / "root", keys)
    machine.stop()
    (tmp_path / "root" / "agent" / missing).rename(tmp_path / "aside.pem")
    failed = telehaul.run("agent", "--root", tmp_path / "root", check=2)
    assert f"{missing} is missing" in failed.stderr


def test_a_pair_that_is_none(tmp_path, keys):
    machine = Machine(tmp_path / "root", keys)
    machine.stop()
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out",
                    tmp_path / "root/agent/key.pem"], check=True, capture_output=True)
    failed = telehaul.run("agent", "--root", tmp_path / "root", check=5)
    assert "key.pem" in failed.stderr


def test_plain_http_gets_no_answer(machine):
    with machine.connect(tls=False) as plain:
        plain.sendall(b"GET /auth/challenge HTTP/1.1\r\nHost: x\r\n\r\n")
        answer = b""
        try:
            while piece := plain.recv(4096):
                answer += piece
        except ConnectionError:
            pass
    assert b"HTTP/" not in answer and b"challenge" not in answer


@pytest.mark.parametrize("version,works", [("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)])
def test_tls_versions(machine, version, works):
    done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{machine.root.agent_port}", version,
                           "-cipher", "ALL:@SECLEVEL=0"], input=b"", capture_output=True, timeout=30)
    assert (b"BEGIN CERTIFICATE" in done.stdout) == works
