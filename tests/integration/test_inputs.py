"""The inputs `lines` and `exec`, from outside: what is sent is in the store, whatever else is sent; what a command leaves
behind is gone. Made-up senders, written from the public description of line protocol."""

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time

import pytest
import telehaul
import test_docs
from test_collector import fill, small_disk  # noqa: F401  a fixture
from telehaul import wait_until

NOW_NS = 1_771_754_700_000_000_000
CONNECTIONS_MAX = 64  # LINES_CONNECTIONS_MAX


# ---- a collector with inputs ----

class Lines:
    """A ROOT whose collector has `lines` on a port and on a Unix socket, and nothing else."""

    def __init__(self, make_root, more_inputs=(), options="", config=None):
        self.port = telehaul.free_port()
        self.root = make_root(inputs=[f"lines listen=127.0.0.1:{self.port} {options}",
                                      f"lines listen=unix:run/lines.sock {options}", *more_inputs],
                              config={"SAMPLE_INTERVAL_MS": 100, **(config or {})})
        self.path = self.root.path / "run" / "lines.sock"
        self.collector = None

    def start(self):
        self.collector = self.root.start("collector")
        wait_until(lambda: telehaul.listens(self.port) or not self.collector.running(), "the port")
        assert self.collector.running(), self.collector.output()
        wait_until(lambda: self.root.store_file().exists(), "the store")
        return self

    def connect(self):
        return socket.create_connection(("127.0.0.1", self.port), timeout=30)

    def connect_unix(self):
        sender = socket.socket(socket.AF_UNIX)
        sender.settimeout(30)
        sender.connect(str(self.path))
        return sender

    def send(self, text):
        with self.connect() as sender:
            sender.sendall(text if isinstance(text, bytes) else text.encode())

    def report(self, name="lines"):
        found = json.loads((self.root.path / "run" / "collector.json").read_text())
        return next(one for one in found["inputs"] if one["name"] == name)

    def reported(self, condition, what, name="lines"):
        """The report is written every few seconds, and at once when a state changes."""
        def look():
            with contextlib.suppress(OSError, ValueError):
                found = self.report(name)
                return found if condition(found) else None
        return wait_until(look, what)

    def rows(self):
        """(channel, time_us, value) in the order of seq."""
        with contextlib.suppress(sqlite3.OperationalError):
            return self.root.query("select name, time_us, value from readings join channels using (channel_id) order by seq")
        return []

    def wait_rows(self, count):
        wait_until(lambda: self.root.readings() >= count, f"{count} readings")
        return self.rows()


@pytest.fixture
def lines(make_root):
    return Lines(make_root).start()


def rss_kib(pid):
    [size] = re.findall(r"VmRSS:\s+(\d+) kB", open(f"/proc/{pid}/status").read())
    return int(size)


def alive_with(mark):
    """Processes that have a mark in their command line, but for guards."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            line = open(f"/proc/{entry}/cmdline", "rb").read().replace(b"\0", b" ").decode() if entry.isdigit() else ""
            if mark in line and " guard " not in line:
                found.append((int(entry), line))
    return found


# ---- lines: what arrives ----

def test_points_over_tcp_and_a_unix_socket(lines):
    assert os.stat(lines.path).st_mode & 0o777 == 0o660
    lines.send(f"cpu,host=a,cpu=cpu0 usage_idle=97.25,usage_user=1i {NOW_NS}\r\n# a comment\n\n"
               f"door open=true,closed=F {NOW_NS + 1_999}\n")
    with lines.connect_unix() as sender:
        sender.sendall(f"my\\ boiler,room=cellar\\ 1 t=-0.1 {NOW_NS}\n".encode())
        rows = lines.wait_rows(5)
    assert sorted(rows) == sorted([
        ("cpu.usage_idle{cpu=cpu0,host=a}", NOW_NS // 1000, 97.25), ("cpu.usage_user{cpu=cpu0,host=a}", NOW_NS // 1000, 1.0),
        ("door.open", NOW_NS // 1000 + 1, 1.0), ("door.closed", NOW_NS // 1000 + 1, 0.0),
        ("my boiler.t{room=cellar 1}", NOW_NS // 1000, -0.1)])


def test_a_point_without_a_time_gets_that_of_its_arrival(lines):
    before = time.time()
    lines.send("m v=1\n")
    [(_, time_us, _)] = lines.wait_rows(1)
    assert before - 1 <= time_us / 1e6 <= time.time() + 1


def test_points_of_one_time_are_all_kept(lines):
    lines.send("".join(f"m v={i} {NOW_NS}\n" for i in range(100)))
    assert lines.wait_rows(100) == [("m.v", NOW_NS // 1000 + i, float(i)) for i in range(100)]


def test_lines_cut_at_every_place(lines):
    line = f"cpu,host=a usage=1.5,t=\"a b\n c\",n=2i {NOW_NS}\n".encode()
    with lines.connect() as sender:
        sender.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(line) + 1):
            sender.sendall(line[:at])
            sender.sendall(line[at:])
        rows = lines.wait_rows(2 * (len(line) + 1))
    assert {name for name, _, _ in rows} == {"cpu.usage{host=a}", "cpu.n{host=a}"}
    assert len(rows) == 2 * (len(line) + 1)


def test_a_slow_sender_costs_the_others_nothing(lines):
    with lines.connect() as slow, lines.connect() as quick:
        slow.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for i, byte in enumerate(b"slow v=1\n"):
            slow.sendall(bytes([byte]))
            quick.sendall(f"quick v={i} {NOW_NS + 1000 * i}\n".encode())
            wait_until(lambda count=i + 1: lines.root.readings() >= count, "the quick one's reading")
        rows = lines.wait_rows(10)
    assert [name for name, _, _ in rows].count("slow.v") == 1


def test_precision_and_times_that_cannot_be(make_root):
    lines = Lines(make_root, options="precision=s").start()
    lines.send(f"m a=1 {NOW_NS // 10**9}\nm b=2 {NOW_NS}\nm c=3 0\nm d=4 {NOW_NS // 10**9 + 1}\n")
    assert [(name, time_us) for name, time_us, _ in lines.wait_rows(2)] == [
        ("m.a", NOW_NS // 1000), ("m.d", NOW_NS // 1000 + 10**6)]
    found = lines.reported(lambda one: one["counts"]["lines_refused"] == 2, "the refused lines")
    assert "precision=" in found["error"] and found["state"] == "flooding"


# ---- lines: what must not be taken ----

def test_garbage_is_counted_said_once_and_harms_nobody(lines):
    with lines.connect() as good, lines.connect() as bad:
        for i in range(50):
            good.sendall(f"good v={i} {NOW_NS + 1000 * i}\n".encode())
            bad.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + os.urandom(500).replace(b'="', b"xx") + b"\n")
        rows = lines.wait_rows(50)
    assert [value for name, _, value in rows if name == "good.v"] == [float(i) for i in range(50)]
    found = lines.reported(lambda one: one["state"] == "flooding" and one["counts"]["lines_refused"] >= 100, "the count")
    assert found["error"]
    assert lines.collector.output().count("a line was refused") == 1
    assert lines.report("lines#2")["state"] == "ok"


def test_texts_are_left_out_counted_and_said(lines):
    lines.send(f'm,t=x a="text",b=1,c="more \\" text" {NOW_NS}\n' * 3)
    assert [name for name, _, _ in lines.wait_rows(3)] == ["m.b{t=x}"] * 3
    lines.reported(lambda one: one["counts"]["texts_skipped"] > 0, "the first of them")
    lines.collector.stop()
    found = lines.report()
    assert found["counts"]["texts_skipped"] == 6
    assert found["state"] == "ok" and found["counts"]["lines_refused"] == 0
    assert lines.collector.output().count("texts are left out") == 1


def test_a_line_without_end_costs_no_memory(lines):
    lines.send("m before=1\n")
    lines.wait_rows(1)
    before = rss_kib(lines.collector.pid)
    piece = b"x" * (1 << 20)
    with lines.connect() as endless:
        for _ in range(1024):
            endless.sendall(piece)
        lines.send("m beside=1\n")
        lines.wait_rows(2)
        assert rss_kib(lines.collector.pid) - before < 4096
        endless.sendall(b"\nm behind=1\n")
        rows = lines.wait_rows(3)
    assert [name for name, _, _ in rows] == ["m.before", "m.beside", "m.behind"]
    lines.reported(lambda one: one["counts"]["lines_refused"] == 1, "one refused line")


def test_a_line_cut_by_its_senders_end_is_not_taken(lines):
    lines.send(f"m v=1 {NOW_NS}\nm v=12")
    lines.reported(lambda one: one["counts"]["lines_refused"] == 1, "the cut line")
    assert [value for _, _, value in lines.rows()] == [1.0]


def test_a_thousand_connections(lines):
    with contextlib.ExitStack() as stack:
        first = stack.enter_context(lines.connect())
        first.sendall(b"first v=1\n")
        lines.wait_rows(1)
        idle = [stack.enter_context(lines.connect()) for _ in range(1000)]
        for sender in idle[CONNECTIONS_MAX:]:
            assert sender.recv(1) == b"", "one beyond the limit is closed"
        lines.reported(lambda one: one["counts"]["connections_refused"] > 0, "the first refusal")
        first.sendall(b"first v=2\n")
        lines.wait_rows(2)
        assert lines.collector.output().count("further ones are closed") == 1

    def one_more():
        with contextlib.suppress(ConnectionError):  # until it has seen that the others have gone
            lines.send("later v=3\n")
        return lines.root.readings() >= 3
    wait_until(one_more, "a place for another")
    assert {name for name, _, _ in lines.rows()} == {"first.v", "later.v"}
    lines.collector.stop()
    assert lines.report()["counts"]["connections_refused"] >= 1000 - CONNECTIONS_MAX


def test_channels_have_a_limit_and_what_is_there_goes_on(make_root):
    lines = Lines(make_root, options="max_channels=5").start()
    for _ in range(2):
        lines.send("".join(f"m{i} v=1\n" for i in range(20)))
        found = lines.reported(lambda one: one["state"] == "flooding" and one["dropped"] >= 15, "the limit")
        assert found["error"] == "channels beyond the limit: the machine has 5, and no new one is made: m19.v"
        names = lambda: {name for name, _, _ in lines.rows()}  # noqa: E731
        assert names() == {f"m{i}.v" for i in range(5)}
        lines.collector.stop()
        lines.start()
    lines.send("m19 v=1\nm4 v=7\n")
    wait_until(lambda: lines.rows()[-1][::2] == ("m4.v", 7.0), "the channel that was there")
    assert names() == {f"m{i}.v" for i in range(5)}


def test_a_name_that_is_too_long_is_refused_not_cut(lines):
    tag = "x" * 110
    lines.send(f"m,t={tag} a=1,{'b' * 20}=2,{'b' * 19}c=3 {NOW_NS}\n")
    found = lines.reported(lambda one: one["dropped"] == 2, "the refused names")
    assert "127 bytes" in found["error"]
    assert [name for name, _, _ in lines.rows()] == [f"m.a{{t={tag}}}"]


def test_a_name_that_is_none_is_refused_and_told_apart_from_the_limit(lines):
    lines.send(b"a\x00b v=1\n\xff\xfe v=1\nok v=1\n")
    found = lines.reported(lambda one: one["dropped"] == 2, "the refused names")
    assert "without a valid name" in found["error"] and "control characters" in found["error"]
    assert [name for name, _, _ in lines.rows()] == ["ok.v"]


def test_a_channel_line_for_a_series(make_root):
    lines = Lines(make_root)
    lines.root.repeat("CHANNEL", ['"boiler.t{room=cellar}" unit=°C scale=0.1 offset=1'])
    lines.start()
    lines.send("boiler,room=cellar t=205\n")
    assert lines.wait_rows(1)[0][2] == 21.5
    assert lines.root.query("select unit from channels") == [("°C",)]


# ---- lines: back-pressure, restarts ----

def standing(look):
    """Waits until what it looks at has not moved for 3 s, which is what is asked for, and returns it."""
    last = [look(), time.monotonic()]

    def stands():
        now = look()
        if now != last[0]:
            last[:] = [now, time.monotonic()]
        return time.monotonic() - last[1] >= 3
    wait_until(stands, "a stand-still")
    return last[0]


@contextlib.contextmanager
def locked(root):
    """The store takes nothing: another program holds the writer's place."""
    with contextlib.closing(sqlite3.connect(root.store_file(), isolation_level=None)) as db:
        db.execute("begin immediate")
        try:
            yield
        finally:
            db.execute("rollback")


def test_a_store_that_takes_nothing_holds_the_senders_and_loses_nothing(make_root):
    lines = Lines(make_root, more_inputs=["drive channels=500 rate=20"]).start()
    wanted = 400_000
    sent = []

    def send_all(sender):
        for first in range(0, wanted, 1000):
            sender.sendall("".join(f"m v={i} {NOW_NS + 1000 * i}\n" for i in range(first, first + 1000)).encode())
            sent.append(first + 1000)
        sender.close()

    sender = lines.connect()
    sender.settimeout(None)
    with locked(lines.root):
        thread = threading.Thread(target=send_all, args=(sender,))
        thread.start()
        assert standing(lambda: len(sent)) * 1000 < wanted, "the sender is held"
        wait_until(lambda: "the oldest are lost" in lines.collector.output(), "those of the input that cannot wait to go")
        standing(lambda: rss_kib(lines.collector.pid) // 1024)  # and more are lost all the time
    thread.join(60)
    assert sent[-1] == wanted
    wait_until(lambda: lines.root.query("select count(*) from readings join channels using (channel_id) where name = 'm.v'")
               == [(wanted,)], "every point")
    assert lines.root.query("select count(distinct value), min(value), max(value) from readings join channels"
                            " using (channel_id) where name = 'm.v'") == [(wanted, 0.0, wanted - 1.0)]
    assert lines.report()["dropped"] == 0


def test_a_flow_does_not_outrun_the_deletion_of_the_oldest(make_root):
    most = 16 * 2**20
    lines = Lines(make_root, config={"MAX_STORE_BYTES": most}).start()
    wanted = 1_000_000
    with lines.connect() as sender:
        for first in range(0, wanted, 1000):
            sender.sendall("".join(f"m v={i} {NOW_NS + 1000 * i}\n" for i in range(first, first + 1000)).encode())
    wait_until(lambda: lines.root.query("select max(seq) from readings") == [(wanted,)], "the last point")
    lines.collector.stop()
    store = json.loads((lines.root.path / "run" / "collector.json").read_text())["store"]
    assert store["used_bytes"] < 1.2 * most and store["bytes"] < 1.5 * most
    assert lines.root.readings() > 200_000


def test_a_flow_with_alarms_on_a_full_disk_goes_on(make_root, small_disk):
    """Another program takes all that the reserve gives up: the oldest readings go, and nothing else."""
    lines = Lines(make_root, config={"TELEMETRY_DIR": small_disk})
    lines.root.store_file = lambda: small_disk / "telemetry.db"
    lines.root.repeat("CHANNEL", [f"m{i}.v alarm_high=5 hysteresis=1" for i in range(50)])
    lines.start()
    points = [" ".join(["m{} v={}".format(i, (k + i) % 10), "{time}\n"]) for k in range(10) for i in range(50)]
    batch = "".join(points).replace("{time}", "%d")
    sent = 0  # batches of 10 times, 50 points each

    def send(sender):
        nonlocal sent
        first = NOW_NS + 10_000 * sent
        sender.sendall((batch % tuple(first + 1000 * k for k in range(10) for _ in range(50))).encode())
        sent += 1

    def disk():
        with contextlib.suppress(OSError, ValueError):
            return json.loads((lines.root.path / "run" / "collector.json").read_text())["disk"]["state"]
        return "ok"

    def first_seq():
        return lines.root.query("select min(seq) from readings")[0][0]

    def last_seq():
        return lines.root.query("select max(seq) from readings")[0][0]

    def send_until(sender, condition, what):
        def look():
            for _ in range(20):
                send(sender)
            return condition()
        wait_until(look, what, deadline_s=3 * telehaul.DEADLINE_S)

    with lines.connect() as sender:
        send_until(sender, lambda: lines.root.readings() > 100_000, "a store of some size")
        send_until(sender, lambda: fill(small_disk / "ballast") or disk() != "ok" and first_seq() > 1, "a full disk")
        before = last_seq()
        send_until(sender, lambda: last_seq() > before + 100_000, "readings on the full disk")
    wait_until(lambda: lines.root.query("select count(*) from readings where time_us = ?", NOW_NS // 1000 + 10 * sent - 1)
               == [(50,)], "the last points")
    lines.collector.stop()
    assert lines.report()["readings"] == 500 * sent and lines.report()["dropped"] == 0
    assert lines.root.query("select min(seq) > 1 from readings") == [(1,)], "the oldest made room"
    first, last, count = lines.root.query("select min(time_us), max(time_us), count(*) from readings"
                                          " where time_us > (select min(time_us) from readings)")[0]
    assert last == NOW_NS // 1000 + 10 * sent - 1 and count == 50 * (last - first + 1), "a point is missing between them"
    assert lines.root.query("select count(*) > 0, sum(resolved_us is null) <= 50 from alarms") == [(1, 1)]
    assert lines.root.query("pragma integrity_check") == [("ok",)]


def test_a_restart_while_senders_stay(lines):
    sender = lines.connect()
    sender.sendall(b"m v=1\n")
    lines.wait_rows(1)
    lines.collector.stop()
    assert not lines.path.exists(), "its Unix socket stays behind"
    lines.start()
    assert sender.recv(1) == b"", "its sender does not see the end"
    sender.close()
    lines.send("m v=2\n")
    assert [value for _, _, value in lines.wait_rows(2)] == [1.0, 2.0]


def test_kill_9_in_the_middle_of_a_flow(lines):
    for run in range(3):
        before = lines.root.readings()
        sent = 0
        with lines.connect() as sender, contextlib.suppress(ConnectionError):
            while True:
                sender.sendall("".join(f"m{run} v={i} {NOW_NS + 1000 * i}\n" for i in range(sent, sent + 500)).encode())
                sent += 500
                if lines.collector.running() and sent >= 100_000 * (run + 1) and lines.root.readings() > before:
                    lines.collector.kill()
        rows = lines.root.query("select value from readings join channels using (channel_id) where name = ? order by seq",
                                f"m{run}.v")
        assert rows == [(float(i),) for i in range(len(rows))], "no hole and nothing twice in what was stored"
        assert lines.root.query("pragma integrity_check") == [("ok",)]
        assert lines.path.exists()
        lines.start()  # takes the stale socket over
        with lines.connect_unix() as again:
            again.sendall(b"again v=1\n")
            wait_until(lambda count=run + 1: lines.root.query(
                "select count(*) from readings join channels using (channel_id) where name = 'again.v'") == [(count,)],
                "a reading over the Unix socket")


def test_a_place_that_is_taken_makes_one_input_wait(make_root):
    lines = Lines(make_root, more_inputs=["drive"])
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", lines.port))
        other.listen()
        lines.collector = lines.root.start("collector")
        found = lines.reported(lambda one: one["state"] == "failing", "the failure")
        assert "Address already in use" in found["error"]
        wait_until(lambda: lines.root.readings() > 25, "the other input's readings")
    lines.reported(lambda one: one["state"] == "ok", "its place, once it is free")
    lines.send("m v=1\n")
    wait_until(lambda: any(name == "m.v" for name, _, _ in lines.rows()), "its reading")


def test_a_live_unix_socket_is_not_taken(make_root):
    lines = Lines(make_root)
    lines.path.parent.mkdir(exist_ok=True)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(lines.path))
        other.listen()
        lines.start()
        found = lines.reported(lambda one: one["state"] == "failing", "the failure", "lines#2")
        assert "another program listens there" in found["error"]


def test_an_address_that_others_reach_is_warned_about(make_root):
    root = make_root(inputs=[f"lines listen=0.0.0.0:{telehaul.free_port()}"])
    collector = root.start("collector")
    wait_until(lambda: "no authentication" in collector.output(), "the warning")


# ---- exec ----

def script(root, name, text):
    path = root.path / name
    path.write_text(text)
    path.chmod(0o755)
    return path


class Exec(Lines):
    """A ROOT whose collector runs a script."""

    def __init__(self, make_root, text, options="interval_ms=200", more_inputs=(), arguments="some arguments", env=None):
        self.root = make_root(inputs=[], config={"SAMPLE_INTERVAL_MS": 100})
        self.script = script(self.root, "sensor", text)
        self.root.repeat("INPUT", [f'exec command="{self.script} {arguments}" {options}', *more_inputs])
        self.collector = self.root.start("collector", env=env)

    def exec_reported(self, condition, what):
        return self.reported(condition, what, "exec")


def test_a_command_runs_again_and_again(make_root):
    one = Exec(make_root, "#!/bin/sh\necho \"run,by=$2 pid=$$\"\necho 'run n=1'\n")
    rows = one.wait_rows(8)
    assert {name for name, _, _ in rows} == {"run.pid{by=arguments}", "run.n"}
    assert len({value for name, _, value in rows if name.startswith("run.pid")}) >= 4
    assert one.report("exec")["state"] == "ok"


def test_one_number_a_line(make_root):
    one = Exec(make_root, "#!/bin/sh\nprintf 21.5\n", "interval_ms=200 format=value channel=room_temperature")
    assert {(name, value) for name, _, value in one.wait_rows(3)} == {("room_temperature", 21.5)}


def test_no_shell_stands_between(make_root):
    one = Exec(make_root, "#!/usr/bin/python3\nimport json, os, sys\n"
               "open('told', 'w').write(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))\nprint('m v=1')\n",
               arguments="'two words' $HOME *.txt ; x", env={"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "10000000"})
    one.wait_rows(1)
    words, environment, folder = json.loads((one.root.path / "told").read_text())
    assert words == ["two words", "$HOME", "*.txt", ";", "x"]
    assert "NOTIFY_SOCKET" not in environment and "WATCHDOG_USEC" not in environment
    assert folder == str(one.root.path)


def test_a_command_that_fails_says_why_and_is_tried_again(make_root):
    one = Exec(make_root, "#!/bin/sh\ntest -e fine && exec echo 'm v=2'\necho 'm v=1'\necho 'no such sensor' >&2\nexit 3\n",
               more_inputs=["drive"])
    found = one.exec_reported(lambda it: it["state"] == "failing", "the failure")
    assert found["error"] == "it ended with exit 3: no such sensor"
    assert any(row[::2] == ("m.v", 1.0) for row in one.rows()), "what it gave before counts"
    wait_until(lambda: one.collector.output().count("no such sensor") >= 3, "the second run")
    assert one.collector.output().count("input exec is failing") == 1
    (one.root.path / "fine").touch()
    one.exec_reported(lambda it: it["state"] == "ok" and it["error"] is None, "its health")
    assert one.collector.output().count("input exec works again") == 1


@pytest.mark.parametrize("command", ["/nowhere/at-all", "no-such-program-anywhere"])
def test_a_program_that_is_not_there(make_root, command):
    root = make_root(inputs=[f'exec command="{command}"', "drive"])
    collector = root.start_collector()
    lines = Lines.__new__(Lines)
    lines.root = root
    found = lines.reported(lambda one: one["state"] == "failing", "the failure", "exec")
    assert "exit 127" in found["error"] and command in found["error"]
    assert collector.running()


HANGING = """#!/usr/bin/python3
import os, signal, subprocess, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execvp("sleep", ["sleep", "{mark}"])
    os._exit(0)
print("m v=1", flush=True)
subprocess.run(["sleep", "{mark}"])
"""


@pytest.fixture
def mark():
    """Seconds to sleep that no other process sleeps."""
    return f"{1000 + os.getpid() % 1000}.{time.monotonic_ns() % 10**6:06d}"


def test_a_command_that_hangs_is_ended_with_all_its_children(make_root, mark):
    one = Exec(make_root, HANGING.format(mark=mark), "timeout_ms=1000")
    wait_until(lambda: len(alive_with(f"sleep {mark}")) == 2, "its children")
    found = one.exec_reported(lambda it: it["state"] == "failing", "the end of its time")
    assert found["error"] == "it took longer than 1000 ms and was ended"
    one.root.repeat("INPUT", ["drive"])
    one.collector.stop()
    wait_until(lambda: not alive_with(f"sleep {mark}"), "the end of its children")


def test_kill_9_of_the_collector_leaves_no_orphan(make_root, mark):
    one = Exec(make_root, HANGING.format(mark=mark), "timeout_ms=100000")
    wait_until(lambda: len(alive_with(f"sleep {mark}")) == 2, "its children")
    one.collector.kill()
    wait_until(lambda: not alive_with(f"sleep {mark}") and not alive_with(str(one.script)), "the end of all of them")


def test_what_a_run_leaves_behind_ends_with_it(make_root, mark):
    one = Exec(make_root, f"#!/bin/sh\nsetsid sleep {mark} >/dev/null 2>&1 &\necho m v=$$\n", "interval_ms=100")
    one.wait_rows(3)
    assert len(alive_with(f"sleep {mark}")) <= 1, "each run leaves one"
    one.collector.stop()
    wait_until(lambda: not alive_with(f"sleep {mark}"), "the last one's end")


def test_a_command_that_floods_is_made_to_wait_and_stops_nobody(make_root):
    one = Exec(make_root, "#!/usr/bin/python3\nimport sys\n"
               "line = 'm ' + ','.join(f'f{i}={i}' for i in range(20)) + '\\n'\n"
               "while True: sys.stdout.write(line * 100)\n", "mode=stream", more_inputs=["drive"])
    wait_until(lambda: one.root.readings() > 0, "the store")
    with locked(one.root):
        standing(lambda: rss_kib(one.collector.pid) // 1024)
    before = one.root.readings()
    wait_until(lambda: one.root.readings() > before + 200_000, "a flow")
    values = lambda: one.root.query("select count(*) from readings join channels using (channel_id)"  # noqa: E731
                                    " where name = 'engine_rpm'")[0][0]
    seen = values()
    wait_until(lambda: values() > seen + 1, "the other input's readings")
    assert one.report("exec")["dropped"] == 0


def test_a_command_that_floods_stderr_fills_no_log(make_root):
    one = Exec(make_root, "#!/bin/sh\nyes 'all is lost' | head -n 100000 >&2\necho m v=1\n", "interval_ms=100")
    one.wait_rows(3)
    assert one.collector.output().count("all is lost") == 20


def test_a_stream_is_read_as_it_prints_and_started_again(make_root):
    one = Exec(make_root, "#!/usr/bin/python3\nimport os, time\n"
               "for i in range(3):\n    print(f'm pid={os.getpid()},i={i}', flush=True)\n"
               "    while not os.path.exists(f'go{i}'): time.sleep(0.01)\n", "mode=stream")
    wait_until(lambda: [value for name, _, value in one.rows() if name == "m.i"] == [0.0], "its first line")
    (one.root.path / "go0").touch()
    wait_until(lambda: [value for name, _, value in one.rows() if name == "m.i"] == [0.0, 1.0], "its second line")
    for i in (1, 2):
        (one.root.path / f"go{i}").touch()
    found = one.exec_reported(lambda it: it["state"] == "failing", "its end")
    assert found["error"] == "it ended with exit 0"
    wait_until(lambda: len({value for name, _, value in one.rows() if name == "m.pid"}) >= 2, "its second start")


def test_a_stream_that_falls_silent_is_started_again(make_root, mark):
    one = Exec(make_root, f"#!/bin/sh\necho m v=$$\nexec sleep {mark}\n", "mode=stream timeout_ms=500")
    found = one.exec_reported(lambda it: it["state"] == "failing", "its silence")
    assert found["error"] == "it said nothing for 500 ms and was ended"
    assert len({value for _, _, value in one.wait_rows(2)}) == 2


# ---- the config, --test ----

@pytest.mark.parametrize("value, says", [
    ("lines", "expected listen=ADDRESS:PORT"),
    ("lines listen=8094", "expected listen=ADDRESS:PORT"),
    ("lines listen=localhost:8094", "expected listen=ADDRESS:PORT"),
    ("lines listen=127.0.0.1:0", "expected listen=ADDRESS:PORT"),
    ("lines listen=127.0.0.1:65536", "expected listen=ADDRESS:PORT"),
    ("lines listen=::1:8094", "expected listen=ADDRESS:PORT"),
    ("lines listen=[127.0.0.1]:8094", "expected listen=ADDRESS:PORT"),
    ("lines listen=unix:", "expected a path behind listen=unix:"),
    ("lines listen=127.0.0.1:8094 listen=127.0.0.1:8095", "expected listen= once"),
    ("lines listen=127.0.0.1:8094 precision=m", "expected one of ns|us|ms|s|auto behind precision="),
    ("lines listen=127.0.0.1:8094 max_channels=0", "expected a whole number from 1 to 10000 behind max_channels="),
    ("lines listen=127.0.0.1:8094 colour=red", "unknown option `colour`, expected listen="),
    ("exec", "expected command="),
    ('exec command=""', "behind command="),
    ("exec command=\"sh -c 'open\"", "expected a ' that ends"),
    ('exec command="a" mode=twice', "expected one of once|stream behind mode="),
    ('exec command="a" interval_ms=1', "expected a whole number from 100 to 86400000 behind interval_ms="),
    ('exec command="a" timeout_ms=x', "expected a whole number from 100 to 86400000 behind timeout_ms="),
    ('exec command="a" format=value', "expected channel=NAME with format=value"),
    ('exec command="a" channel=b', "expected channel= with format=value alone"),
    ('exec command="a" format=json', "expected one of lines|value behind format="),
])
def test_a_bad_option_is_refused_with_its_place(make_root, value, says):
    root = make_root(inputs=[value])
    [number] = [number for number, line in enumerate(root.config_file.read_text().splitlines(), 1)
                if line.startswith("INPUT")]
    refused = telehaul.run("collector", "--root", root.path, "--check-config", check=2)
    assert f"config.txt:{number}: INPUT: {value.split()[0]}: " in refused.stderr and says in refused.stderr, refused.stderr


@pytest.mark.parametrize("value", [
    "lines listen=[::1]:8094", "lines listen=unix:/run/telehaul/lines.sock precision=auto max_channels=10000",
    'exec command="read_sensors --json" interval_ms=86400000 timeout_ms=100 mode=stream',
    'exec command="cat /sys/x" format=value channel="room temperature"'])
def test_a_good_option_is_taken(make_root, value):
    root = make_root(inputs=[value])
    assert telehaul.run("collector", "--root", root.path, "--check-config").stdout == "ok\n"


def test_the_test_of_a_config_beside_a_running_collector(make_root):
    lines = Lines(make_root, more_inputs=["exec command=\"sh -c 'sleep 0.5; echo made,by=hand up=7'\""]).start()
    shown = telehaul.run("collector", "--root", lines.root.path, "--test")
    assert shown.stdout == "made.up{by=hand} 7\n"
    assert f"listens at 127.0.0.1:{lines.port} (not for --test)" in shown.stderr
    as_json = json.loads(telehaul.run("collector", "--root", lines.root.path, "--test", "--json").stdout)
    assert [one["state"] for one in as_json["inputs"]] == ["ok", "ok", "ok"]
    lines.send("m v=1\n")
    wait_until(lambda: any(name == "m.v" for name, _, _ in lines.rows()), "the running one, undisturbed")
    lines.root.repeat("INPUT", ["exec command=\"sh -c 'echo broken >&2; exit 2'\""])
    failed = telehaul.run("collector", "--root", lines.root.path, "--test", check=5)
    assert "it ended with exit 2: broken" in failed.stderr


# ---- docs ----

def test_the_example_of_the_docs(make_root):
    text = (telehaul.PROJECT / "docs" / "appliance.md").read_text()
    [example] = re.findall(r"(?m)^    (echo .*>/dev/tcp/127\.0\.0\.1/8094)$", text)
    [stated] = re.findall(r"channel becomes `([^`]+)`", text)
    lines = Lines(make_root).start()
    subprocess.run([shutil.which("bash"), "-c", example.replace("8094", str(lines.port))], check=True, timeout=30)
    assert lines.wait_rows(1)[0][0] == stated


def test_the_examples_of_a_command_and_of_its_limits(make_root):
    """The INPUT and CHANNEL lines of the docs, as they stand there; the commands that every machine has are run."""
    lines = (telehaul.PROJECT / "docs" / "appliance.md").read_text().splitlines()
    found = {key: [line.split(" = ", 1)[1] for line in lines if line.startswith(f"    {key} = ")]
             for key in ("INPUT", "CHANNEL")}
    assert len(found["INPUT"]) >= 4 and len(found["CHANNEL"]) >= 2
    root = make_root(inputs=found["INPUT"])
    root.repeat("CHANNEL", found["CHANNEL"])
    assert telehaul.run("collector", "--root", root.path, "--check-config").stdout == "ok\n"
    [load] = [line for line in found["INPUT"] if "/proc/loadavg" in line]
    heat = "exec command=\"printf '61\\n104.2\\n96\\n'\" format=value channel=engine_temp"
    root.repeat("INPUT", [load, heat])
    root.start("collector")
    wait_until(lambda: root.readings() >= 5, "readings of both")
    values = root.query("select value from readings join channels using (channel_id) where name = 'load_1min'")
    assert values and all(0 <= value < 10_000 for (value,) in values)
    [message] = re.findall(r"value that raised it\*\*: `([^`]+)`", "\n".join(lines))
    assert (message, "critical") in root.query("select message, severity from alarms")


LIMITS = {
    "connections; further ones are closed at once": [("collector/input_lines.c", "LINES_CONNECTIONS_MAX", 1)],
    "a line, its LF included": [("collector/line_protocol.h", "LINE_MAX_BYTES", 1024)],
    "tags of a point": [("collector/line_protocol.h", "LINE_MAX_TAGS", 1)],
    "fields of a point": [("collector/line_protocol.h", "LINE_MAX_FIELDS", 1)],
    "channels: by default, and at most": [("collector/lines_reader.h", "LINES_MAX_CHANNELS", 1),
                                          ("collector/telemetry_store.h", "STORE_CHANNELS_MAX", 1)],
    "readings that are written before the tick": [("collector/input.h", "INPUT_FLUSH_READINGS", 1)],
    "readings that wait before senders have to": [("collector/input.h", "INPUT_STREAM_READINGS", 1)],
}


def test_the_limits_of_the_docs_are_the_constants():
    rows = test_docs.table("docs/appliance.md", "Readings from other programs: `lines`")
    rows = [row for row in rows if len(row) == 2]
    assert [row[0] for row in rows] == list(LIMITS)
    for what, value in rows:
        stated = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", value)]
        assert stated == [test_docs.constants(file)[name] / unit for file, name, unit in LIMITS[what]], what
