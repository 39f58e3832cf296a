"""The watchdog as an operator knows it: what dies or hangs comes back, nothing is left behind, one flood or one
broken service harms no other. The services are small scripts that do what the test tells them."""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import tempfile
import time

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


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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


def working_folder(pid):
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/cwd")
    return ""


@pytest.fixture
def machine(tmp_path, keys):
    one = Machine(tmp_path / "machine", keys)
    yield one
    one.clear()


def restarted(machine, name, before):
    now = machine.service(name)
    return now["state"] == "running" and now["pid"] != before["pid"] and now


def test_all_services_run_and_status_says_so(machine):
    machine.configure("SERVICE = sleeper sleep 1000")
    watchdog = machine.start()
    status = machine.status()
    assert status["running"] is True and status["pid"] == watchdog.pid and status["version"] == "1.0.0"
    assert [one["name"] for one in status["services"]] == ["collector", "agent", "portal", "sleeper"]
    collector = status["services"][0]
    assert collector["restarts"] == 0 and collector["last_exit"] is None
    assert collector["status"] == "collector is fine"
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", collector["since"])
    assert collector["rss_bytes"] > 1000 * 1000
    # the services come from the release itself, not through the symlink that may move
    assert str(machine.path / "releases/1.0.0/bin/collector") in command_line(collector["pid"])
    assert f"start of {collector['pid']} in {machine.path}" in machine.log("collector")
    sleeper = status["services"][3]  # a guard and its command
    assert sleeper["rss_bytes"] > 1000 * 1000 and sleeper["status"] is None
    table = telehaul.run("watchdog", "--root", machine.path, "status").stdout
    assert re.search(r"(?m)^sleeper +running +\d+", table), table
    assert (machine.path / "run/status.json").stat().st_mode & 0o777 == 0o644


def test_status_of_what_does_not_run(machine):
    done = telehaul.run("watchdog", "--root", machine.path, "status", check=1)
    assert "no watchdog runs" in done.stdout
    assert json.loads(telehaul.run("watchdog", "--root", machine.path, "status", "--json", check=1).stdout) == {
        "running": False, "services": []}
    machine.start().stop()
    telehaul.run("watchdog", "--root", machine.path, "status", check=1)  # what the last one wrote is no proof


def test_a_killed_service_comes_back_and_the_others_stay(machine):
    machine.start()
    before = machine.service("agent")
    collector = machine.service("collector")["pid"]
    killed = time.monotonic()
    os.kill(before["pid"], signal.SIGKILL)
    waiting = wait_until(lambda: machine.service("agent")["state"] == "waiting" and machine.service("agent"), "waiting")
    assert waiting["pid"] is None and waiting["last_exit"] == "signal 9 (Killed)"
    telehaul.run("watchdog", "--root", machine.path, "status", check=1)
    after = wait_until(lambda: restarted(machine, "agent", before), "the agent's second start")
    assert time.monotonic() - killed >= 1
    assert after["restarts"] == 1
    assert machine.service("collector")["pid"] == collector
    assert "agent ended (signal 9 (Killed)); it is started again in 1 s" in machine.log()


def test_what_ends_at_once_is_started_less_and_less_often(machine):
    machine.tell("portal", "exit 3")
    machine.start(wait=False)
    wait_until(lambda: "portal ended (exit 3); it is started again in 8 s" in machine.log(), "four attempts")
    waits = [int(s) for s in re.findall(r"portal ended \(exit 3\); it is started again in (\d+) s", machine.log())]
    assert waits == [1, 2, 4, 8]
    assert machine.service("collector")["state"] == machine.service("agent")["state"] == "running"


def test_what_hangs_is_killed_and_started_again(machine):
    """Three at a time, because a hang takes ten seconds to be one: a stopped process, one that goes silent after its
    first beat, and a healthy one that must not be taken for either."""
    once = machine.script("beats_once", BEATS_ONCE)
    machine.configure(f"SERVICE = once {once}", "SERVICE = quiet sleep 1000")
    machine.start()
    before = {name: machine.service(name) for name in ("collector", "agent", "once", "quiet")}
    wait_until(lambda: machine.service("once")["status"] == "beaten once", "the beat of the SERVICE")
    os.kill(before["collector"]["pid"], signal.SIGSTOP)
    after = wait_until(lambda: restarted(machine, "collector", before["collector"]), "the end of the hang")
    assert after["last_exit"] == "signal 9 (Killed)"
    wait_until(lambda: restarted(machine, "once", before["once"]), "the end of the silent SERVICE")
    assert "collector missed its beats for 10 s: killed" in machine.log()
    assert machine.service("agent")["pid"] == before["agent"]["pid"]
    assert machine.service("quiet")["pid"] == before["quiet"]["pid"]
    assert not alive(before["collector"]["pid"])


def test_a_release_without_one_program_runs_the_others(machine):
    program = machine.path / "releases/1.0.0/bin/portal"
    aside = machine.folder / "portal"
    program.rename(aside)
    machine.configure("SERVICE = nothing /nowhere/at-all", "SERVICE = unknown no-such-program-anywhere")
    machine.start(wait=False)
    wait_until(lambda: machine.service("agent")["state"] == "running", "the agent")
    wait_until(lambda: machine.service("nothing").get("last_exit") == "exit 127", "what cannot be started")
    assert machine.service("portal")["last_exit"].startswith("not started:")
    assert "no such program in PATH" in machine.log("unknown")
    assert "bin/portal: No such file or directory" in machine.log()
    aside.rename(program)
    wait_until(lambda: machine.service("portal")["state"] == "running", "the portal, once it is there")


def test_kill_9_leaves_no_process(machine):
    daemon = machine.script("daemon", DAEMON)
    machine.configure(f"SERVICE = daemon {daemon}", 'SERVICE = tree /bin/sh -c "sleep 1001 & sleep 1002 & wait"')
    machine.start()
    wait_until(lambda: len([1 for _, line in machine.below() if "daemon" in line and "guard" not in line]) >= 2,
               "the daemon's second process")
    wait_until(lambda: len([1 for _, line in machine.below() if line.startswith("sleep 100")]) == 2, "the tree")
    assert len(machine.below()) >= 3 + 2 + 2 + 3
    machine.watchdog.kill()
    wait_until(lambda: not machine.below(), "the end of everything that the watchdog had started")


def test_killed_guards_leave_no_process_either(machine):
    daemon = machine.script("daemon", DAEMON)
    machine.configure(f"SERVICE = daemon {daemon}")
    machine.start()
    before = machine.service("daemon")
    wait_until(lambda: len([1 for _, line in machine.below() if str(daemon) in line]) >= 3, "the daemon")
    old = {pid for pid, line in machine.below() if str(daemon) in line}
    os.kill(before["pid"], signal.SIGKILL)
    wait_until(lambda: restarted(machine, "daemon", before), "the second start")
    wait_until(lambda: not any(alive(pid) for pid in old), "the end of what the dead guard watched over")


def test_what_a_command_leaves_behind_ends_with_it(machine):
    leaver = machine.script("leaver", "#!/bin/sh\nsetsid sleep 1003 >/dev/null 2>&1 &\nexit 7\n")
    machine.configure(f"SERVICE = leaver {leaver}")
    machine.start(wait=False)
    wait_until(lambda: machine.service("leaver").get("last_exit") == "exit 7", "its end")
    wait_until(lambda: machine.service("leaver")["state"] == "waiting"
               and not [1 for _, line in machine.below() if line.startswith("sleep 1003")], "nothing left of it")


def test_stops_in_reverse_order_and_leaves_nothing(machine):
    machine.configure("SERVICE = first sleep 1000", "SERVICE = second sleep 1000")
    machine.start()
    machine.watchdog.stop()
    stopped = re.findall(r"watchdog: (\w+) stopped", machine.log())
    assert stopped == ["second", "first", "portal", "agent", "collector"]
    ends = [float(re.search(r"end at ([\d.]+)", machine.log(name))[1]) for name in ("portal", "agent", "collector")]
    assert ends == sorted(ends)
    assert machine.below() == []
    assert not (machine.path / "run/notify.sock").exists()


def test_who_does_not_stop_is_killed_and_asking_twice_is_faster(machine):
    deaf = machine.script("deaf", "#!/usr/bin/python3\nimport signal, time\n"
                          "signal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('deaf', flush=True)\ntime.sleep(1000)\n")
    machine.configure(f"SERVICE = deaf {deaf}")
    machine.start()
    wait_until(lambda: "deaf" in machine.log("deaf"), "its deafness")
    began = time.monotonic()
    machine.watchdog.stop()
    assert 7 < time.monotonic() - began < 15  # the guard's grace
    assert machine.below() == []
    machine.start()
    wait_until(lambda: machine.log("deaf").count("deaf") >= 2, "its deafness")
    began = time.monotonic()
    machine.watchdog.process.send_signal(signal.SIGINT)
    wait_until(lambda: machine.log().count("stopping on SIGINT") == 1, "its first answer")
    machine.watchdog.stop()
    assert time.monotonic() - began < 6
    assert machine.below() == []


def test_a_second_instance_is_refused(machine):
    first = machine.start()
    done = telehaul.run("watchdog", "--root", machine.path, check=1)
    assert f"process {first.pid} holds" in done.stderr
    assert first.running() and machine.all_in("running")
    # looking at the status must never keep a watchdog from starting
    first.stop()
    assert machine.start().running()


def test_restart_flag_restarts_all_from_the_current_release(machine):
    machine.configure("SERVICE = sleeper sleep 1000")
    machine.start()
    before = {one["name"]: one for one in machine.status()["services"]}
    shutil.copytree(machine.path / "releases/1.0.0", machine.path / "releases/1.1.0")
    (machine.path / "next").symlink_to("releases/1.1.0")
    (machine.path / "next").rename(machine.path / "current")
    (machine.path / "restart.flag").touch()
    wait_until(lambda: all(restarted(machine, name, one) for name, one in before.items()), "the restart of all")
    assert not (machine.path / "restart.flag").exists()
    assert machine.status()["version"] == "1.1.0"
    assert "releases/1.1.0/bin/agent" in command_line(machine.service("agent")["pid"])
    assert os.readlink(f"/proc/{machine.watchdog.pid}/exe") == str(machine.path / "releases/1.1.0/bin/watchdog")


def test_restart_flag_restarts_all_of_the_same_release(machine):
    machine.configure("SERVICE = sleeper sleep 1000")
    machine.start()
    before = {one["name"]: one for one in machine.status()["services"]}
    (machine.path / "restart.flag").touch()
    wait_until(lambda: all(restarted(machine, name, one) for name, one in before.items()), "the restart of all")
    assert machine.service("agent")["last_exit"] == "exit 0"
    assert machine.watchdog.running()
    assert machine.log().count("restarting all") == 1


def test_a_flag_that_waited_is_done_with_the_start(machine):
    (machine.path / "restart.flag").touch()
    machine.start()
    assert not (machine.path / "restart.flag").exists()
    assert all(one["restarts"] == 0 for one in machine.status()["services"])


def test_a_flood_of_output_harms_nobody(machine):
    machine.configure("SERVICE = flood yes this-is-a-flood-of-output")
    machine.start()
    before = machine.service("agent")
    began, used = time.monotonic(), cpu_s(machine.watchdog.pid)
    wait_until(lambda: "bytes of output were lost here]" in logs_of(machine, "flood")
               and time.monotonic() - began > 4, "a flood that is cut")
    assert cpu_s(machine.watchdog.pid) - used < 0.25 * (time.monotonic() - began)
    sizes = [path.stat().st_size for path in (machine.path / "log").glob("flood.log*")]
    assert sum(sizes) < 2 * 1024 * 1024 + 4096, sizes
    assert machine.service("agent")["pid"] == before["pid"] and machine.all_in("running")
    machine.watchdog.stop()


def logs_of(machine, name):
    return "".join(path.read_text(errors="replace") for path in (machine.path / "log").glob(f"{name}.log*"))


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
    wait_until(lambda: machine.log("says"), "its words")
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
    listener.settimeout(telehaul.DEADLINE_S)
    machine.start(wait=False, env={"NOTIFY_SOCKET": f"{folder}/notify", "WATCHDOG_USEC": "400000"})
    messages = []
    while not any(message.startswith("READY=1") for message in messages) or messages.count("WATCHDOG=1") < 5:
        messages.append(listener.recv(4096).decode())
    ready = next(message for message in messages if message.startswith("READY=1"))
    assert ready == "READY=1\nSTATUS=version 1.0.0: 3 of 3 services run"
    assert machine.all_in("running")
    machine.watchdog.process.terminate()
    while "STOPPING=1" not in messages:
        messages.append(listener.recv(4096).decode())
    machine.watchdog.process.wait(20)
    shutil.rmtree(folder)


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
                pid = int(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()[0])
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


def test_wrong_use(machine, tmp_path):
    assert "--root" in telehaul.run("watchdog", check=2).stderr
    telehaul.run("watchdog", "--root", machine.path, "stauts", check=2)
    assert "updater" in telehaul.run("watchdog", "--root", tmp_path, check=1).stderr
    assert telehaul.run("watchdog", "--root", machine.path, "--check-config").stdout == "ok\n"
    machine.configure("SERVICE = twice sleep 1", "SERVICE = twice sleep 2")
    last_line = len((machine.path / "config.txt").read_text().splitlines())
    said = telehaul.run("watchdog", "--root", machine.path, "--check-config", check=2).stderr
    assert f"config.txt:{last_line}: SERVICE twice: this name is taken" in said
    assert "guard" not in telehaul.run("watchdog", "--help").stdout
