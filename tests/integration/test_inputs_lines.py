"""The input `lines`, from outside: what is sent is in the store, whatever else is sent."""

import contextlib
import os
import socket
import time

from inputs_root import NOW_NS, Lines, lines, rss_kib  # noqa: F401  fixtures
from telehaul import wait_until

CONNECTIONS_MAX = 64  # LINES_CONNECTIONS_MAX


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
