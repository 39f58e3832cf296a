"""The input `lines` when more comes than the store takes, when the collector restarts or is killed, and when its place is
taken: nothing that was taken is lost."""

import contextlib
import json
import socket
import threading

import telehaul
from inputs_root import NOW_NS, Lines, lines, locked, rss_kib, standing  # noqa: F401  fixtures
from telehaul import wait_until
from test_collector import fill, small_disk  # noqa: F401  fixtures


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
    thread.join(3 * telehaul.DEADLINE_S)
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
