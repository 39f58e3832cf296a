"""The watchdog as an operator knows it: what dies or hangs comes back, nothing is left behind."""

import json
import os
import re
import shutil
import signal
import time

import telehaul
from telehaul import wait_until
from watched_machine import BEATS_ONCE, DAEMON, alive, command_line, machine, restarted  # noqa: F401  fixtures


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
    wait_until(lambda: f"start of {collector['pid']} in {machine.path}" in machine.log("collector"), "its word in its log")
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
    collector = machine.service("collector")["pid"]

    def look(before):
        """(the agent, the exit code) once it is another than the one that was killed."""
        done = telehaul.run("watchdog", "--root", machine.path, "status", "--json", check=False)
        agent = next(one for one in json.loads(done.stdout)["services"] if one["name"] == "agent")
        return agent["pid"] != before["pid"] and (agent, done.returncode)

    for kills in range(1, 6):  # on a slow machine its wait may have passed unseen: the next one is twice as long
        before = machine.service("agent")
        killed = time.monotonic()
        os.kill(before["pid"], signal.SIGKILL)
        waiting, code = wait_until(lambda before=before: look(before), "its end")
        if waiting["state"] == "waiting":
            break
        wait_until(lambda before=before: restarted(machine, "agent", before), "its next start")
    assert (waiting["state"], waiting["pid"], waiting["last_exit"], code) == ("waiting", None, "signal 9 (Killed)", 1)
    after = wait_until(lambda: restarted(machine, "agent", before), "the agent's next start")
    assert time.monotonic() - killed >= 2 ** (kills - 1)
    assert after["restarts"] == kills
    assert machine.service("collector")["pid"] == collector
    for kill in range(kills):
        assert f"agent ended (signal 9 (Killed)); it is started again in {2 ** kill} s" in machine.log()


def test_what_ends_at_once_is_started_less_and_less_often(machine):
    machine.tell("portal", "exit 3")
    machine.start(wait=False)
    wait_until(lambda: "portal ended (exit 3); it is started again in 8 s" in machine.log(), "four attempts")
    waits = [int(s) for s in re.findall(r"portal ended \(exit 3\); it is started again in (\d+) s", machine.log())]
    assert waits[:4] == [1, 2, 4, 8]
    wait_until(lambda: machine.service("collector")["state"] == machine.service("agent")["state"] == "running", "the others")


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
    wait_until(lambda: "no such program in PATH" in machine.log("unknown"), "the word of the other one's guard")
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
