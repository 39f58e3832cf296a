"""What the watchdog's services say and who they are: logs and floods of them, their word to it, the user that they run as."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import tempfile
import threading
import time

import pytest
import telehaul
from telehaul import wait_until
from watched_machine import BEATS_ONCE, Machine, command_line, machine, restarted  # noqa: F401  fixtures


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_flood_of_output_harms_nobody(machine):
    machine.configure("SERVICE = flood yes this-is-a-flood-of-output")
    machine.start()
    before = machine.service("agent")
    began, used = time.monotonic(), cpu_s(machine.watchdog.pid)
    wait_until(lambda: "bytes of output were lost here]" in logs_of(machine, "flood")
               and time.monotonic() - began > 4, "a flood that is cut")
    assert cpu_s(machine.watchdog.pid) - used < 0.25 * (time.monotonic() - began)
    os.kill(machine.watchdog.pid, signal.SIGSTOP)  # else it may rename one between its name and its size
    sizes = [path.stat().st_size for path in (machine.path / "log").glob("flood.log*")]
    os.kill(machine.watchdog.pid, signal.SIGCONT)
    assert sum(sizes) < 2 * 1024 * 1024 + 4096, sizes
    assert machine.service("agent")["pid"] == before["pid"] and machine.all_in("running")
    machine.watchdog.stop()


def logs_of(machine, name):
    texts = []
    for path in (machine.path / "log").glob(f"{name}.log*"):
        with contextlib.suppress(FileNotFoundError):  # it has just been renamed
            texts.append(path.read_text(errors="replace"))
    return "".join(texts)


def test_logs_rotate_by_size(machine):
    """Slow enough not to be cut: a line of 500 bytes each millisecond, then the rest in files of a MiB each."""
    writer = machine.script("writer", "#!/usr/bin/python3\nimport sys, time\n"
                            "for i in range(2000):\n    print(i, 'x' * 500, flush=True)\ntime.sleep(1000)\n")
    machine.path.joinpath("log/writer.log").write_text("old line\n" * (1024 * 100))
    machine.configure(f"SERVICE = writer {writer}")
    machine.start()
    rotated = machine.path / "log/writer.log.1"
    wait_until(rotated.exists, "a rotated log")
    wait_until(lambda: "\n1999 x" in machine.log("writer"), "its last line")
    assert 1024 * 1024 <= rotated.stat().st_size < 1024 * 1024 + 64 * 1024
    numbers = [int(n) for n in re.findall(r"(?m)^(\d+) x", rotated.read_text() + machine.log("writer"))]
    assert numbers == list(range(2000))
    # a log that an admin deletes is begun again
    (machine.path / "log/agent.log").unlink()
    os.kill(machine.service("agent")["pid"], signal.SIGTERM)
    wait_until(lambda: "agent: end at" in machine.log("agent"), "a new log file")


def test_a_root_deeper_than_a_socket_path(tmp_path, keys):
    one = Machine(tmp_path / ("deep" * 20) / ("er" * 40), keys)
    try:
        assert len(str(one.path / "run/notify.sock")) > 107
        one.start()
        assert one.service("agent")["status"] == "agent is fine"
    finally:
        one.clear()


def test_nobody_else_speaks_for_a_service(machine):
    """Neither a stranger nor a built-in service's own child: only what the kernel says is the service itself."""
    machine.tell("agent", "child")
    machine.start()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as stranger:
        stranger.sendto(b"READY=1\nSTATUS=all is lost", str(machine.path / "run/notify.sock"))
    wait_until(lambda: "the child has spoken" in machine.log("agent"), "the child's word")
    before = machine.service("portal")
    os.kill(before["pid"], signal.SIGKILL)
    after = wait_until(lambda: restarted(machine, "portal", before), "what came later")
    assert after["status"] == "portal is fine"
    assert "all is lost" not in json.dumps(machine.status())


def test_quotes_keep_words_together(machine):
    says = machine.script("says", "#!/bin/sh\nprintf '<%s>' \"$@\"\necho\nexec sleep 1000\n")
    machine.configure(f'SERVICE = says {says} "one word" --name="two words" "" three')
    machine.start()
    wait_until(lambda: machine.log("says").endswith("\n"), "its words")
    assert machine.log("says") == "<one word><--name=two words><><three>\n"


def test_what_a_service_says_commands_no_terminal(machine):
    says = machine.script("says", BEATS_ONCE.replace("WATCHDOG=1\\nSTATUS=beaten once", "STATUS=\\x1b[2Jaha"))
    machine.configure(f"SERVICE = says {says}")
    machine.start()
    wait_until(lambda: machine.service("says")["status"] == "\x1b[2Jaha", "what it says")
    shown = telehaul.run("watchdog", "--root", machine.path, "status").stdout
    assert "?[2Jaha" in shown and "\x1b" not in shown


def test_the_system_is_told(machine, tmp_path):
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    folder = tempfile.mkdtemp(prefix="dog")
    listener.bind(f"{folder}/notify")
    messages = []

    def listen():  # all the time: what finds the queue full is lost
        while "STOPPING=1" not in messages:
            messages.append(listener.recv(4096).decode())

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    machine.start(wait=False, env={"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "400000"})
    [ready] = wait_until(lambda: [message for message in messages if message.startswith("READY=1")], "READY=1")
    assert ready == "READY=1\nSTATUS=version 1.0.0: 3 of 3 services run"
    wait_until(lambda: messages.count("WATCHDOG=1") >= 5, "five beats")
    wait_until(lambda: machine.all_in("running"), "its status, which is written after")
    machine.watchdog.process.terminate()
    wait_until(lambda: "STOPPING=1" in messages, "STOPPING=1")
    machine.watchdog.process.wait(telehaul.DEADLINE_S)
    shutil.rmtree(folder)


def child_in(guard, command):
    """The guard's child once it has become the command: until then it has the guard's own words."""
    children = pathlib.Path(f"/proc/{guard}/task/{guard}/children").read_text().split()
    return next((int(child) for child in children if re.match(rf"\S*{command} ", command_line(child))), None)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_services_run_as_service_user(keys):
    folder = tempfile.mkdtemp(prefix="dog")  # pytest's own folders are closed to others
    os.chmod(folder, 0o755)
    one = Machine(pathlib.Path(folder) / "machine", keys)
    try:
        (one.path / "data/telemetry.db").write_text("from a time without SERVICE_USER")
        (one.path / "run/collector.json").write_text("{}")
        (one.path / "data/planted").symlink_to(one.path / "config.txt")
        (one.path / "log/collector.log").write_text("from that time too\n")
        (one.path / "log/collector.log").chmod(0o644)
        one.configure("SERVICE_USER = nobody", "SERVICE = sleeper sleep 1000")
        one.start()
        nobody = __import__("pwd").getpwnam("nobody").pw_uid
        for service in one.status()["services"]:
            pid = service["pid"]
            if service["name"] == "sleeper":  # the guard stays root, out of its command's reach
                assert os.stat(f"/proc/{pid}").st_uid == 0
                pid = wait_until(lambda guard=pid: child_in(guard, "sleep 1000"), "its command")
            assert os.stat(f"/proc/{pid}").st_uid == nobody
        owner = lambda name: (one.path / name).lstat().st_uid
        assert [owner(name) for name in ("data", "agent", "pending_update", "credentials.env", "data/telemetry.db",
                                         "run/notify.sock", "run/collector.json")] == [nobody] * 7
        assert [owner(name) for name in ("config.txt", "releases", "current", "boot/start", "keys", "run", "log",
                                         "run/watchdog.lock", "run/status.json")] == [0] * 9
        assert (one.path / "credentials.env").stat().st_mode & 0o777 == 0o600
        assert (one.path / "run").stat().st_mode & 0o7777 == 0o1775
        # locks are not for everybody to hold; logs are for the agent's support bundle to read
        group = __import__("pwd").getpwnam("nobody").pw_gid
        mode = lambda name: ((one.path / name).stat().st_mode & 0o7777, (one.path / name).stat().st_gid)
        assert mode("run/watchdog.lock") == (0o600, 0)
        assert mode("run/update.lock") == (0o640, group)
        assert mode("log") == (0o2750, group)
        assert mode("log/collector.log") == (0o640, group)
        one.watchdog.kill()
        wait_until(lambda: not one.below(), "the end of all, of another user too")
    finally:
        one.clear()
        shutil.rmtree(folder)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user")
def test_service_user_with_the_store_elsewhere(keys):
    folder = tempfile.mkdtemp(prefix="dog")
    os.chmod(folder, 0o755)
    one = Machine(pathlib.Path(folder) / "machine", keys)
    try:
        config = one.path / "config.txt"
        config.write_text(config.read_text().replace("TELEMETRY_DIR = data", f"TELEMETRY_DIR = {folder}/store"))
        one.configure("SERVICE_USER = nobody")
        one.start()
        assert pathlib.Path(folder, "store").owner() == "nobody"
        assert (one.path / "data").owner() == "nobody", "the portal's keys lie there"
    finally:
        one.clear()
        shutil.rmtree(folder)
