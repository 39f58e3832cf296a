"""A machine that lies to sync_service, or sends it to death: nothing of it is kept, the journal says what was wrong, its
neighbour is served meanwhile, and when it tells the truth all of it comes home. Every machine here is made up."""

import gzip
import time
import zlib

import pytest
from fake_agent import line, pack_zstd
from sync_service import SyncService
from test_sync_signed import add, cursor, expected

import telehaul

ROWS = 5000
MIB = 1 << 20


@pytest.fixture
def service(tmp_path, postgres, keys):
    with SyncService(tmp_path / "service", postgres, AUTH_KEY_FILE=keys.private_file, PULL_TIMEOUT_SEC=60) as service:
        yield service.migrate()


def spaces(size):
    """A gzip stream of one line that does not end."""
    packer, piece = zlib.compressobj(9, zlib.DEFLATED, 31), b" " * MIB
    return b"".join(packer.compress(piece) for _ in range(size // MIB)) + packer.flush()


def say(**headers):
    def lie(said, body):
        said.update({name.replace("_", "-"): value for name, value in headers.items()})
        return body
    return lie


def change_lines(change):
    def lie(said, body):
        lines = gzip.decompress(body).splitlines(keepends=True)
        change(lines)
        return gzip.compress(b"".join(lines), 1)
    return lie


def swap(lines):
    lines[10], lines[11] = lines[11], lines[10]


def repeat(lines):
    lines[11] = lines[10]


def wreck(lines):
    lines[4000] = b'{"seq":4001,"time":"yesterday","channel":"a","value":1}\n'


def far_ahead(lines):
    lines[-1] = lines[-1].replace(b'"seq":5000,', b'"seq":4611686018427387904,')


# what is done to the headers and the body of its readings; a word of what the journal says
LIES = {
    "one more than there are": (say(X_Record_Count=ROWS + 1), "holds 5000"),
    "one less than there are": (say(X_Record_Count=ROWS - 1), "sends more"),
    "no number": (say(X_Record_Count="many"), "X-Record-Count"),
    "another store": (say(X_Store_Id="00000000-0000-4000-8000-000000000000"), "not of the store"),
    "another first seq": (say(X_First_Seq=2), "seq 1 in an export"),
    "another last seq": (say(X_Last_Seq=ROWS + 1), "ends at 5000"),
    "another format": (say(Content_Type="application/json"), "not application/gzip"),
    "seq that go back": (change_lines(swap), "follows on seq"),
    "a seq twice": (change_lines(repeat), "follows on seq"),
    "a seq far ahead": (change_lines(far_ahead), "4611686018427387904"),
    "a line that is none": (change_lines(wreck), "line 4001"),
    "a stream that is cut off": (lambda _, body: body[:-5], "cut off"),
    "a stream that is damaged": (lambda _, body: body[:2000] + bytes([body[2000] ^ 255]) + body[2001:], "gzip"),
    "no compressed stream": (lambda _, body: gzip.decompress(body), "neither"),
    "nothing": (lambda _, body: b"", "no body"),
}


def lie_once(agent, lie):
    """The next export of readings is a lie, the others are not."""
    def hook(request, _):
        agent.hooks.pop("export")
        headers, text = agent.lines_of(request.query)
        headers["Content-Type"] = "application/gzip"
        body = lie(headers, gzip.compress(text.encode(), 1, mtime=0))
        request.stream(headers, body)
    agent.hooks["export"] = hook


@pytest.mark.parametrize("name", LIES)
def test_lies_are_not_kept(service, agent, name):
    lie, word = LIES[name]
    lie_once(agent, lie)
    add(service, agent)
    service.once(check=False)
    (status, rows, note), = service.journal("m1")
    assert (status, rows) == ("error", 0) and word in note, note
    assert cursor(service, agent.store_id) == 0 and service.rows("m1") == []
    assert service.once()["rows_written"] == ROWS
    assert service.rows("m1") == expected(agent.rows)


def test_a_zstd_stream_that_is_cut_off(service, agent):
    agent.formats = ["gzip", "zstd"]
    def cut(request, _):
        agent.hooks.pop("export")
        headers, text = agent.lines_of(request.query)
        request.stream({**headers, "Content-Type": "application/zstd"}, pack_zstd(text.encode())[:-4])
    agent.hooks["export"] = cut
    add(service, agent)
    service.once(check=False)
    assert service.journal("m1")[0][0] == "error" and service.rows("m1") == []


def test_a_line_of_a_gigabyte_costs_no_memory(service, agent):
    body = spaces(1024 * MIB)
    lie_once(agent, lambda *_: body)
    add(service, agent)
    argv = [telehaul.BIN / "sync_service", "--config", service.config, "once", "--vehicle", "m1"]
    process = telehaul.Program(argv, service.folder / "once.log")
    peak = 0
    while process.running():
        peak = max(peak, high_water(process.pid))
        time.sleep(0.005)
    (status, rows, note), = service.journal("m1")
    assert (status, rows) == ("error", 0) and "longer than" in note
    assert 0 < peak < 300 * MIB


def high_water(pid):
    try:
        with open(f"/proc/{pid}/status", encoding="ascii") as status:
            return next((int(row.split()[1]) * 1024 for row in status if row.startswith("VmHWM")), 0)
    except OSError:
        return 0


def test_a_break_keeps_what_came_and_the_next_turn_fetches_the_rest(service, agent):
    agent.breaks = [16384]
    add(service, agent)
    service.once(check=False)
    (status, rows, note), = service.journal("m1")
    assert status == "error" and 0 < rows < ROWS, note
    assert cursor(service, agent.store_id) == rows
    service.once()
    assert agent.asked[-1]["after"] == str(rows)
    assert service.rows("m1") == expected(agent.rows)


def test_a_byte_a_second_is_a_time_out_and_nobody_waits_for_it(service, agent, make_agent):
    slow, over = make_agent(), []

    def drip(request, _):
        headers, text = slow.lines_of(request.query)
        request.send_response(200)
        for name, value in {**headers, "Transfer-Encoding": "chunked"}.items():
            request.send_header(name, str(value))
        request.end_headers()
        for byte in gzip.compress(text.encode()):
            if over:
                return
            request.chunk(bytes([byte]))
            time.sleep(1)  # this is how the machine behaves

    slow.hooks["export"] = drip
    add(service, slow, "slow")
    add(service, agent, "m1")
    with service.start():
        service.wait_for_journal("m1", 2, "ok")
        assert service.journal("slow") == []  # it goes on, and nobody waits
    service.write(PULL_TIMEOUT_SEC=3)
    with service.start():
        entries = service.wait_for_journal("slow", 1, "timeout")
        assert entries[-1][1] == 0
        over.append(True)


def test_alarms_that_lie_do_not_cost_the_readings(service, agent):
    agent.formats, agent.alarms = ["gzip"], [(ROWS + 1, 7, "a", "warning", "text", 5, None)]
    real = agent.lines_of
    agent.lines_of = lambda query: (
        ({**real(query)[0], "X-Record-Count": 9}, real(query)[1]) if query.get("stream") == "alarms" else real(query))
    add(service, agent)
    service.once()
    (status, rows, note), = service.journal("m1")
    assert (status, rows) == ("ok", ROWS) and "alarms did not come" in note and "holds 1" in note
    assert cursor(service, agent.store_id, "alarms") == 0
    agent.lines_of = real
    service.once()
    assert service.database.query("select alarm_id from alarms_log") == [(7,)]


def test_an_alarm_that_is_none_blocks_none_behind_it(service, agent):
    agent.formats = ["gzip"]
    agent.alarms = [(ROWS + 1, 6, "a", "warning", "text", 5, None), (ROWS + 2, 7, "a", "warning", "x" * 300, 5, None),
                    (ROWS + 3, "8", "a", "warning", "text", 5, None), (ROWS + 4, 9, "a", "critical", "text", 5, None)]
    add(service, agent)
    service.once()
    (status, rows, note), = service.journal("m1")
    assert (status, rows) == ("ok", ROWS)
    assert note.startswith(f"2 of 4 alarms left out: seq {ROWS + 2}: member `message`"), note
    assert service.database.query("select alarm_id, severity from alarms_log order by 1") == [(6, "warning"), (9, "critical")]
    assert cursor(service, agent.store_id, "alarms") >= ROWS + 4


def test_an_alarm_with_a_member_of_tomorrow_waits_for_a_newer_service(service, agent):
    agent.formats, agent.alarms = ["gzip"], [(ROWS + 1, 7, "a", "warning", "text", 5, None)]
    real = agent.lines_of
    agent.lines_of = lambda query: (real(query)[0], real(query)[1].replace('"alarm_id"', '"place":1,"alarm_id"'))
    add(service, agent)
    service.once()
    (status, rows, note), = service.journal("m1")
    assert (status, rows) == ("ok", ROWS) and "alarms did not come" in note and "unknown member `place`" in note
    assert cursor(service, agent.store_id, "alarms") == 0


def test_a_name_that_sql_might_take_for_its_own(service, agent):
    agent.rows = [(1, 1771754400 * 10**6, "'; drop table measurements; --", 1.0), (2, 1771754401 * 10**6, 'a"\\b', None)]
    assert "drop table" in line(agent.rows[0])
    add(service, agent)
    service.once()
    assert service.rows("m1") == expected(agent.rows)
