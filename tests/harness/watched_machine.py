"""A ROOT whose release holds the real watchdog and made-up services: small scripts that do what the test tells them."""

import contextlib
import json
import os
import pathlib
import shutil

import pytest
import telehaul
from telehaul import wait_until


# What a built-in service does, by the words in ROOT/told/<name>: `exit N` at once, `child` (one of it speaks too).
SERVICE = r'''#!/usr/bin/python3
import contextlib, os, pathlib, signal, socket, sys, time
name, root = pathlib.Path(sys.argv[0]).name, pathlib.Path(sys.argv[sys.argv.index("--root") + 1])
told = root / "told" / name
words = told.read_text().split() if told.exists() else []
print(f"{name}: start of {os.getpid()} in {os.getcwd()}", flush=True)
if words[:1] == ["exit"]:
    sys.exit(int(words[1]))
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
def tell(text):
    with contextlib.suppress(OSError):  # it goes on without a watchdog, if it is let
        notify.sendto(text.encode(), os.environ["NOTIFY_SOCKET"])
def end(*_):
    print(f"{name}: end at {time.monotonic():.6f}", flush=True)
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
tell(f"READY=1\nSTATUS={name} is fine")
parent = os.getpid()
if words[:1] == ["child"] and os.fork() == 0:
    tell("STATUS=all is lost")
    print("the child has spoken", flush=True)
    while os.getppid() == parent:
        time.sleep(0.05)
    os._exit(0)
while True:
    tell("WATCHDOG=1")
    time.sleep(int(os.environ["WATCHDOG_USEC"]) / 4e6)
'''


# A command that leaves a daemon behind as daemons do: two forks, a session of its own, deaf to SIGTERM.
DAEMON = r'''#!/usr/bin/python3
import os, signal, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
    os._exit(0)
os.wait()
time.sleep(1000)
'''


BEATS_ONCE = r'''#!/usr/bin/python3
import os, socket, time
notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notify.sendto(b"WATCHDOG=1\nSTATUS=beaten once", os.environ["NOTIFY_SOCKET"])
time.sleep(1000)
'''


def command_line(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return ""


def alive(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


def working_folder(pid):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/cwd")
    return ""


class Machine:
    """A ROOT whose release holds the real watchdog and made-up services."""

    def __init__(self, folder, keys):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.path = self.folder / "root"
        self.watchdog = None
        self.started = []
        source = self.release_folder("from")
        telehaul.run("updater", "--root", self.path, "init", "--from", source, "--version", "1.0.0", "--public-key",
                     keys.public_file)
        (self.path / "told").mkdir()

    def release_folder(self, name):
        source = self.folder / name
        (source / "bin").mkdir(parents=True)
        shutil.copy(telehaul.BIN / "watchdog", source / "bin" / "watchdog")
        for service in ("collector", "agent", "portal"):
            (source / "bin" / service).write_text(SERVICE)
            (source / "bin" / service).chmod(0o755)
        return source

    def script(self, name, text):
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o755)
        return path

    def configure(self, *lines):
        with open(self.path / "config.txt", "a") as config:
            config.write("".join(line + "\n" for line in lines))

    def tell(self, service, words):
        (self.path / "told" / service).write_text(words)

    def start(self, wait=True, env=None):
        self.watchdog = telehaul.Program([self.path / "boot" / "start"], self.folder / "watchdog.out", env=env)
        self.started.append(self.watchdog)
        if wait:
            wait_until(lambda: self.status()["running"] and self.all_in("running"), "the start of all services")
        return self.watchdog

    def status(self):
        return json.loads(telehaul.run("watchdog", "--root", self.path, "status", "--json", check=False).stdout)

    def service(self, name):
        return next((one for one in self.status()["services"] if one["name"] == name), {"state": "none", "pid": None})

    def all_in(self, state):
        services = self.status()["services"]
        return services and all(one["state"] == state for one in services)

    def log(self, name="watchdog"):
        path = self.path / "log" / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def below(self):
        """Every process that was started for this ROOT or from this folder, but the watchdog."""
        ours = []
        for entry in os.listdir("/proc"):
            if entry.isdigit() and alive(entry) and str(self.folder) in command_line(entry) + working_folder(entry):
                if int(entry) not in (os.getpid(), self.watchdog.pid):
                    ours.append((int(entry), command_line(entry)))
        return ours

    def clear(self):
        """Faster than a stop: what the watchdog's death ends by itself is waited for."""
        for program in self.started:
            if program.running():
                program.kill()
        if self.watchdog is not None:
            wait_until(lambda: not self.below(), "the end of everything below")


@pytest.fixture
def machine(tmp_path, keys):
    one = Machine(tmp_path / "machine", keys)
    yield one
    one.clear()


def restarted(machine, name, before):
    now = machine.service(name)
    return now["state"] == "running" and now["pid"] != before["pid"] and now
