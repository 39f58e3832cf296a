"""The input `exec`, from outside: what a command says is in the store, what it leaves behind is gone."""

import contextlib
import json
import os
import time

import pytest
from inputs_root import Lines, locked, rss_kib, standing
from telehaul import wait_until


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


def alive_with(mark):
    """Processes that have a mark in their command line, but for guards."""
    found = []
    for entry in os.listdir("/proc"):
        with contextlib.suppress(OSError):
            line = open(f"/proc/{entry}/cmdline", "rb").read().replace(b"\0", b" ").decode() if entry.isdigit() else ""
            if mark in line and " guard " not in line:
                found.append((int(entry), line))
    return found


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
               "open('telling', 'w').write(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]))\n"
               "os.rename('telling', 'told')\nprint('m v=1')\n",  # it comes again and again
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


# A shell, for it is there at once: its children have to be before its time is over. All of them are deaf to SIGTERM.
HANGING = """#!/bin/sh
trap '' TERM
(setsid sleep {mark} &)
echo m v=1
sleep {mark}
"""


@pytest.fixture
def mark():
    """Seconds to sleep that no other process sleeps."""
    return f"{1000 + os.getpid() % 1000}.{time.monotonic_ns() % 10**6:06d}"


def test_a_command_that_hangs_is_ended_with_all_its_children(make_root, mark):
    one = Exec(make_root, HANGING.format(mark=mark), "timeout_ms=4000")
    wait_until(lambda: len(alive_with(f"sleep {mark}")) == 2, "its children")
    found = one.exec_reported(lambda it: it["state"] == "failing", "the end of its time")
    assert found["error"] == "it took longer than 4000 ms and was ended"
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
    first, second = ({pid for pid, _ in alive_with(f"sleep {mark}")} for _ in range(2))
    assert len(first & second) <= 1, "each run leaves one, and it has ended before the next begins"
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
    began = time.monotonic()
    one = Exec(make_root, "#!/bin/sh\nyes 'all is lost' | head -n 100000 >&2\necho m v=1\n", "interval_ms=100")
    one.wait_rows(3)
    said = one.collector.output().count("all is lost")
    assert 20 <= said <= 20 * (1 + (time.monotonic() - began) // 60), "20 a minute"


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
    processes = [value for _, _, value in one.wait_rows(2)]
    assert len(set(processes)) == len(processes)
