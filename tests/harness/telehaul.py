"""What the tests in Python share: a ROOT of their own, programs started and stopped by their own pid, waiting for a
condition with a deadline, and a client of the agent's protocol that shares no code with the product."""

import base64
import contextlib
import datetime
import gzip
import hashlib
import itertools
import json
import os
import pathlib
import random
import re
import signal
import socket
import ssl
import subprocess
import time

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

PROJECT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("TELEHAUL_BIN", PROJECT / "build" / "bin")).resolve()
DIST = pathlib.Path(os.environ.get("TELEHAUL_DIST", BIN.parent / "dist")).resolve()

# Sanitised programs are several times slower: deadlines are for hangs, not for speed.
DEADLINE_S = float(os.environ.get("TELEHAUL_DEADLINE_S", "30"))


def take_sanitizer_reports():
    """What sanitizers have written since the last call: log_path of their options is a file in this folder."""
    folder = os.environ.get("TELEHAUL_SANITIZER_REPORTS")
    reports = []
    for file in sorted(pathlib.Path(folder).iterdir()) if folder else ():
        text = file.read_text(errors="replace")
        file.unlink()
        if text.strip():
            reports.append(f"{file.name}:\n{text}")
    return reports


def wait_until(condition, what="the condition", deadline_s=None, every_s=0.02):
    """Polls until condition() is truthy and returns it; AssertionError after the deadline."""
    end = time.monotonic() + (deadline_s or DEADLINE_S)
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"{what} did not come true in {deadline_s or DEADLINE_S} s")
        time.sleep(every_s)


def ports_of_this_worker():
    """Those below the ones that the kernel gives to connections (any test may make one meanwhile), shared out among
    the workers that run side by side: none may take what another was given and has not bound yet. None comes twice
    before all have come once."""
    worker, workers = (int(re.sub(r"\D", "", os.environ.get(name, "")) or default)
                       for name, default in (("PYTEST_XDIST_WORKER", 0), ("PYTEST_XDIST_WORKER_COUNT", 1)))
    share = range(15000, 32768)[worker::workers]
    start = random.randrange(len(share))
    return itertools.cycle((*share[start:], *share[:start]))


PORTS = ports_of_this_worker()


def free_port():
    """Free on every address."""
    for port in PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("0.0.0.0", port))
            return port
    raise AssertionError("unreachable: the ports never end")


def listens(port, address="127.0.0.1"):
    with contextlib.suppress(OSError):
        with socket.create_connection((address, port), timeout=1):
            return True
    return False


def run(program, *arguments, check=True, env=None, cwd=None, timeout=300, text_input=None):
    """Runs a built program to its end. `check`: its exit code must be 0 (or the number given)."""
    done = subprocess.run([str(BIN / program), *map(str, arguments)], capture_output=True, text=True, cwd=cwd,
                          timeout=timeout, env={**os.environ, **(env or {})}, input=text_input)
    want = 0 if check is True else check
    if want is not False and done.returncode != want:
        raise AssertionError(f"{program} {' '.join(map(str, arguments))}: exit {done.returncode}, expected {want}\n"
                             f"{done.stdout}{done.stderr}")
    return done


def peak_bytes(argv, env=None):
    """Runs it; the most memory that it had, looked at until it ended. (What wait4 says begins with the memory of the process
    that forked it, which is this one.)"""
    process, peak = subprocess.Popen(list(map(str, argv)), stdout=subprocess.DEVNULL, env={**os.environ, **(env or {})}), 0
    while process.poll() is None:
        with contextlib.suppress(OSError):
            found = re.search(r"VmHWM:\s*(\d+) kB", pathlib.Path(f"/proc/{process.pid}/status").read_text())
            if found and os.readlink(f"/proc/{process.pid}/exe") == str(argv[0]):
                peak = int(found[1]) * 1024
        time.sleep(0.001)
    assert process.returncode == 0 and peak > 0, f"{argv}: exit {process.returncode}"
    return peak


class Program:
    """A program in the background, its output in a file."""

    def __init__(self, argv, log, env=None, cwd=None):
        self.log = pathlib.Path(log)
        with open(self.log, "ab") as out:
            self.process = subprocess.Popen(list(map(str, argv)), stdout=out, stderr=out, stdin=subprocess.DEVNULL,
                                            env={**os.environ, **(env or {})}, cwd=cwd)
        self.pid = self.process.pid

    def output(self):
        return self.log.read_text(errors="replace")

    def running(self):
        return self.process.poll() is None

    def kill(self):
        self.process.kill()
        return self.process.wait()

    def wait_for_its_signals(self):
        """Until it has taken SIGTERM on itself: one that has just been started ends of it as any program does."""
        def minded():
            if not self.running():
                return True
            status = pathlib.Path(f"/proc/{self.pid}/status").read_text()
            taken = [int(mask, 16) for mask in re.findall(r"(?m)^Sig(?:Blk|Cgt):\s*(\w+)", status)]
            return any(mask >> (signal.SIGTERM - 1) & 1 for mask in taken)
        wait_until(minded, f"{self.process.args[0]}'s minding SIGTERM")

    def stop(self, expect=0, deadline_s=None):
        """SIGTERM; the exit code must be `expect` (None: any)."""
        deadline_s = deadline_s or DEADLINE_S
        if expect == 0:
            self.wait_for_its_signals()
        if self.running():
            self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.process.args[0]} did not stop in {deadline_s} s:\n{self.output()}") from None
        assert expect is None or code == expect, f"{self.process.args[0]}: exit {code}\n{self.output()}"
        return code


class Keys:
    """A pair of RSA keys made here, not by the product."""

    def __init__(self, folder, name="auth", bits=3072):
        self.private = rsa.generate_private_key(public_exponent=65537, key_size=bits)
        self.private_file = pathlib.Path(folder) / f"{name}_private.pem"
        self.public_file = pathlib.Path(folder) / f"{name}_public.pem"
        self.private_file.write_bytes(self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.private_file.chmod(0o600)
        self.public_file.write_bytes(self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    def sign(self, message, hash_algorithm=None, salt=None):
        algorithm = hash_algorithm or hashes.SHA256()
        pss = padding.PSS(mgf=padding.MGF1(algorithm), salt_length=32 if salt is None else salt)
        return self.private.sign(message, pss, algorithm)


class Root:
    """A ROOT made by `updater init`, with ports of its own on 127.0.0.1."""

    def __init__(self, folder, keys, config=None, inputs=("drive",), version="1.0.0"):
        self.path = pathlib.Path(folder)
        self.keys = keys
        self.programs = []
        made = run("updater", "--root", self.path, "init", "--from", DIST, "--version", version, "--public-key",
                   keys.public_file, "--json")
        self.made = json.loads(made.stdout)
        self.pin = self.made["pin"]
        self.agent_port = free_port()
        self.portal_port = free_port()
        self.outbound_port = free_port()
        self.config({"AGENT_BIND": "127.0.0.1", "AGENT_PORT": self.agent_port, "PORTAL_PORT": self.portal_port,
                     "OUTBOUND_PORT": self.outbound_port, **(config or {})})
        self.repeat("INPUT", inputs)

    @property
    def config_file(self):
        return self.path / "config.txt"

    def config(self, values):
        """Sets keys of config.txt; a key's line is replaced where it stands, also when it is commented out."""
        text = self.config_file.read_text()
        for key, value in values.items():
            line = f"{key} = {value}"
            text, found = re.subn(rf"(?m)^#?[ ]?{key}[ ]*=.*$", lambda _, line=line: line, text, count=1)
            if not found:
                text += line + "\n"
        self.config_file.write_text(text)

    def repeat(self, key, values):
        """Replaces every line of a repeatable key."""
        text = re.sub(rf"(?m)^{key}[ ]*=.*\n", "", self.config_file.read_text())
        self.config_file.write_text(text + "".join(f"{key} = {value}\n" for value in values))

    def start(self, name, *arguments, env=None, binary=None):
        program = Program([binary or BIN / name, "--root", self.path, *arguments],
                          self.path / "log" / f"test-{name}.log", env=env)
        self.programs.append(program)
        return program

    def start_collector(self, **more):
        program = self.start("collector", **more)
        wait_until(lambda: self.readings() > 0 or not program.running(), "a first reading")
        assert program.running(), program.output()
        return program

    def start_agent(self, **more):
        program = self.start("agent", **more)
        wait_until(lambda: listens(self.agent_port) or not program.running(), "the agent's port")
        assert program.running(), program.output()
        return program

    def store_file(self):
        pointer = self.path / "data" / "current_store"
        name = pointer.read_text().strip() if pointer.exists() else "telemetry.db"
        return self.path / "data" / name

    def query(self, sql, *values):
        import sqlite3
        with contextlib.closing(sqlite3.connect(f"file:{self.store_file()}?mode=ro", uri=True, timeout=10)) as db:
            return db.execute(sql, values).fetchall()

    def readings(self):
        import sqlite3
        try:
            return self.query("select count(*) from readings")[0][0]
        except sqlite3.OperationalError:
            return 0

    def client(self, keys=None, source=None):
        return AgentClient(self.agent_port, keys or self.keys, source=source)

    def clear(self):
        for program in reversed(self.programs):
            if program.running():
                program.kill()


class AgentClient:
    """The server's side of the protocol, written from the contract with httpx and cryptography."""

    def __init__(self, port, keys, host="127.0.0.1", source=None):
        self.keys = keys
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # the key is compared with agent_id below
        transport = httpx.HTTPTransport(verify=context, local_address=source)
        self.http = httpx.Client(base_url=f"https://{host}:{port}", transport=transport, timeout=2 * DEADLINE_S)
        certificate = x509.load_pem_x509_certificate(ssl.get_server_certificate((host, port)).encode())
        self.agent_id = hashlib.sha256(certificate.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)).hexdigest()
        self.token = None

    def challenge(self):
        answer = self.http.get("/auth/challenge")
        assert answer.status_code == 200, answer.text
        body = answer.json()
        assert body["agent_id"] == self.agent_id
        assert len(base64.b64decode(body["challenge"], validate=True)) == 32
        return body["challenge"]

    def post_auth(self, **body):
        return self.http.post("/auth", json=body)

    def signed_challenge(self, challenge, agent_id=None, keys=None):
        message = f"telehaul-auth-v2\n{agent_id or self.agent_id}\n{challenge}\n".encode()
        return base64.b64encode((keys or self.keys).sign(message)).decode()

    def log_in(self):
        challenge = self.challenge()
        answer = self.post_auth(challenge=challenge, signature=self.signed_challenge(challenge))
        return self._take(answer)

    def log_in_plain(self, when=None):
        now = when or datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = self.post_auth(timestamp=now, signature=base64.b64encode(self.keys.sign(now.encode())).decode())
        return self._take(answer)

    def _take(self, answer):
        if answer.status_code == 200:
            self.token = answer.json()["session_token"]
        return answer

    def headers(self):
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def get(self, target, **query):
        return self.http.get(target, params=query, headers=self.headers())

    def status(self):
        answer = self.get("/status")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def export(self, **query):
        """The answer's headers and its lines; the body must be a whole gzip stream of as many lines as it says."""
        answer = self.get("/data/export", **query)
        assert answer.status_code == 200, f"{answer.status_code} {answer.text}"
        lines = [json.loads(line) for line in gzip.decompress(answer.content).splitlines()]
        assert len(lines) == int(answer.headers["X-Record-Count"])
        return answer.headers, lines

    def close(self):
        self.http.close()
