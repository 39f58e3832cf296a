"""Readings, alarms and channels in one session, in zstd where the agent has it; and readings of a table, which have no
seq. The agent is the tests' own and says what is made up here."""

import gzip
import json
import pathlib

import pytest
import telehaul
from fake_agent import (FIRST_US, alarm_line, channel_line, make_alarms, make_channels, make_readings, pack_zstd,
                        time_text, unpack)
from sync_home import ROWS, Home, expected, expected_alarms, flip, times


@pytest.fixture
def whole(make_agent):
    """An agent that offers everything."""
    agent = make_agent()
    agent.formats = ["gzip", "zstd"]
    agent.alarms = make_alarms(20, ROWS + 1)
    agent.described = make_channels()
    return agent


# ---- three streams ----

def test_one_session_brings_the_three_streams(whole, home):
    result = home.sync(whole).result
    assert home.rows() == expected(whole.rows)
    assert home.alarms() == expected_alarms(whole.alarms)
    assert home.channels() == sorted(whole.described)
    [archive] = home.archives()
    stem = archive.name.removesuffix(".zst")
    assert home.files() == sorted(f"{stem}{ending}" for ending in (".zst", ".alarms.zst", ".channels.zst", ".json"))
    about = home.about(archive)
    assert about["format"] == "zstd"
    assert {name: about["alarms"][name] for name in ("file", "after", "first_seq", "last_seq", "count")} == {
        "file": f"{stem}.alarms.zst", "after": 0, "first_seq": ROWS + 1, "last_seq": ROWS + 20, "count": 20}
    assert (about["channels"]["file"], about["channels"]["count"]) == (f"{stem}.channels.zst", 5)
    assert unpack(archive.with_name(f"{stem}.alarms.zst")).decode() == "".join(map(alarm_line, whole.alarms))
    assert unpack(archive.with_name(f"{stem}.channels.zst")).decode() == "".join(map(channel_line, whole.described))
    # channels after the readings: every channel of those is described
    assert [query.get("stream", "readings") for query in whole.asked] == ["readings", "alarms", "channels"]
    assert {query["accept"] for query in whole.asked} == {"application/zstd"}
    assert {name: result[name] for name in ("records", "alarms", "alarms_added", "alarms_last_seq", "channels_changed",
                                            "bytes")} == {
        "records": ROWS, "alarms": 20, "alarms_added": 20, "alarms_last_seq": ROWS + 20, "channels_changed": 0,
        "bytes": about["bytes"] + about["alarms"]["bytes"] + about["channels"]["bytes"]}


def test_gzip_where_there_is_no_zstd(whole, home):
    whole.formats = ["gzip"]
    home.sync(whole)
    assert {name.split(".", 1)[1] for name in home.files()} == {"gz", "alarms.gz", "channels.gz", "json"}
    assert home.about(home.archives()[0])["format"] == "gzip"
    assert home.alarms() == expected_alarms(whole.alarms)


def test_nothing_new_makes_no_archive(whole, home):
    for more in ([], ["--db", "none"]):
        other = Home(home.folder / str(len(more)), home.keys)
        other.sync(whole, *more)
        before = other.files()
        result = other.sync(whole, *more).result
        assert (result["records"], result["alarms"], result["archives"]) == (0, 0, [])
        assert other.files() == before


def test_alarms_that_end_come_without_new_readings(whole, home):
    home.sync(whole)
    raised = whole.alarms[1]
    whole.alarms.append((ROWS + 21, *raised[1:-1], FIRST_US + 10**6))
    result = home.sync(whole).result
    assert (result["records"], result["alarms"], result["alarms_added"], result["alarms_last_seq"]) == (0, 1, 0, ROWS + 21)
    about = json.loads(open(result["archives"][0].replace(".zst", ".json"), encoding="utf-8").read())
    assert (about["count"], about["first_seq"], about["period_end"], about["alarms"]["after"]) == (0, None, None, ROWS + 20)
    assert dict((alarm[0], alarm[-1]) for alarm in home.alarms())[raised[1]] == FIRST_US + 10**6
    assert home.sync(whole).result["archives"] == []


def test_channels_that_changed_come_alone_once(whole, home):
    home.sync(whole)
    whole.described = make_channels(unit="1/min")
    done = telehaul.run("sync_client", *home.arguments(whole))
    assert "5 channels mean something else since" in done.stdout and "channel_changes" in done.stdout
    assert {channel[1] for channel in home.channels()} == {"1/min"}
    assert home.query("select count(*) from channel_changes") == [(5,)]
    [note] = home.query("select note from sync_journal order by journal_id desc limit 1")[0]
    assert "5 channels mean something else since" in note
    assert home.sync(whole).result["archives"] == []
    whole.described = make_channels(4) + [("channel_4", "K", 0, 100.5, "made up, number 4")]
    assert home.sync(whole).result["channels_changed"] == 5


def test_the_cursors_without_a_database_are_each_their_own(whole, home):
    assert home.sync(whole, "--db", "none").result["alarms_last_seq"] == ROWS + 20
    whole.rows += make_readings(10, ROWS + 21)
    assert home.sync(whole, "--db", "none").result["last_seq"] == ROWS + 30
    whole.asked.clear()
    home.sync(whole, "--db", "none")
    assert [query.get("after") for query in whole.asked] == [str(ROWS + 30), str(ROWS + 20), None]
    assert home.sync(whole).result["channels"] == 5
    assert home.rows() == expected(whole.rows)
    assert home.alarms() == expected_alarms(whole.alarms)


def test_since_brings_alarms_by_their_own_cursor(whole, home):
    result = home.sync(whole, "--since", time_text(whole.rows[-2][1])).result
    assert (result["records"], result["alarms_added"], result["alarms_last_seq"], result["last_seq"]) == (1, 20, ROWS + 20, 0)
    result = home.sync(whole).result
    assert (result["added"], result["alarms"]) == (ROWS - 1, 0)


def test_since_never_moves_the_cursor_over_the_seq_of_an_alarm(whole, home):
    """The seq between may have been an alarm's, or a reading's that is not here: nobody knows."""
    whole.rows = make_readings(50) + make_readings(50, 52)
    whole.alarms = make_alarms(1, 51)
    home.sync(whole)
    whole.rows += make_readings(5, 102) + make_readings(5, 108)
    result = home.sync(whole, "--since", time_text(whole.rows[99][1])).result
    assert (result["added"], result["last_seq"]) == (10, 101)
    assert home.sync(whole).result["last_seq"] == 112


def test_a_session_of_several_archives_has_its_alarms_in_the_last(whole, home):
    whole.breaks = [10]
    result = home.sync(whole).result
    assert len(result["archives"]) > 1
    with_alarms = [path for path in result["archives"] if "alarms" in json.loads(
        open(path.replace(".zst", ".json"), encoding="utf-8").read())]
    assert with_alarms == result["archives"][-1:]
    assert home.alarms() == expected_alarms(whole.alarms)


def test_more_alarms_than_one_export_holds(whole, home):
    whole.alarms = make_alarms(10_500, ROWS + 1)
    default = whole.lines_of

    def at_most(query):
        if query.get("stream") != "alarms":
            return default(query)
        every, whole.alarms = whole.alarms, [alarm for alarm in whole.alarms if alarm[0] > int(query["after"])][:10_000]
        try:
            return default(query)
        finally:
            whole.alarms = every

    whole.lines_of = at_most
    result = home.sync(whole).result
    assert (result["alarms"], result["alarms_added"], len(result["archives"])) == (10_500, 10_500, 2)
    assert home.alarms() == expected_alarms(whole.alarms)


# ---- what goes wrong with the small streams does not cost the readings ----

def small(agent, stream, change_text=None, change_headers=None, change_body=None):
    """A hook: one stream's export says or holds something else than it should."""
    def hook(request, default):
        if request.query.get("stream") != stream:
            return default()
        headers, text = agent.lines_of(request.query)
        headers["Content-Type"] = "application/zstd"
        (change_headers or (lambda h: None))(headers)
        body = pack_zstd((change_text or (lambda t: t))(text).encode())
        return request.stream(headers, (change_body or (lambda b: b))(body))
    return hook


def swap_two(text):
    rows = text.splitlines(keepends=True)
    return "".join([rows[1], rows[0], *rows[2:]])


LIES = {
    "alarms: one more": ("alarms", None, lambda h: h.update({"X-Record-Count": 21}), None),
    "alarms: one less": ("alarms", None, lambda h: h.update({"X-Record-Count": 19}), None),
    "alarms: last seq": ("alarms", None, lambda h: h.update({"X-Last-Seq": 7}), None),
    "alarms: no first seq": ("alarms", None, lambda h: h.pop("X-First-Seq"), None),
    "alarms: another store": ("alarms", None, lambda h: h.update({"X-Store-Id": "1" * 8}), None),
    "alarms: gzip is said": ("alarms", None, lambda h: h.update({"Content-Type": "application/gzip"}), None),
    "alarms: gzip is sent": ("alarms", None, None, lambda body: gzip.compress(b"x\n" * 20)),
    "alarms: backwards": ("alarms", swap_two, None, None),
    "alarms: twice the same seq": ("alarms", lambda t: t.replace(f'"seq":{ROWS + 2}', f'"seq":{ROWS + 1}'), None, None),
    "alarms: seqs of before": ("alarms", lambda t: t.replace('{"seq":500', '{"seq":0'), None, None),
    "alarms: a member more": ("alarms", lambda t: t.replace('{"seq"', '{"more":1,"seq"', 1), None, None),
    "alarms: no number": ("alarms", lambda t: t.replace('"alarm_id":', '"alarm_id":"', 1), None, None),
    "alarms: no time": ("alarms", lambda t: t.replace("2026-02-22", "yesterday", 1), None, None),
    "alarms: no channel's name": ("alarms", lambda t: t.replace('"channel_0"', '"\\u0007"', 1), None, None),
    "alarms: damaged": ("alarms", None, None, lambda body: flip(body, len(body) - 3)),
    "alarms: endless": ("alarms", lambda t: t + "x" * 100_000 + "\n", None, None),
    "channels: one more": ("channels", None, lambda h: h.update({"X-Record-Count": 6}), None),
    "channels: twice": ("channels", lambda t: t.replace('"channel_1"', '"channel_0"'), None, None),
    "channels: a unit that is none": ("channels", lambda t: t.replace('"rpm"', "5", 1), None, None),
    "channels: no line feed at the end": ("channels", lambda t: t[:-1], None, None),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_stream_is_not_kept_and_the_readings_are(whole, home, lie):
    stream, change_text, change_headers, change_body = LIES[lie]
    whole.hooks["export"] = small(whole, stream, change_text, change_headers, change_body)
    done = home.sync(whole, check=1)
    assert "sync_client: " in done.stderr
    assert home.rows() == expected(whole.rows)
    [archive] = home.archives()
    assert stream not in home.about(archive)
    assert not [name for name in home.files() if f".{stream}." in name or name.endswith(".part")]
    assert home.query("select status from sync_journal") == [("error",)]
    whole.hooks.clear()
    assert home.sync(whole).result["records"] == 0
    assert home.alarms() == expected_alarms(whole.alarms)
    assert home.channels() == sorted(whole.described)


def test_an_alarm_of_an_unknown_channel_makes_it(whole, home):
    whole.alarms.append((ROWS + 50, 7, "nobody_described_me", "critical", "made up", FIRST_US, None))
    home.sync(whole)
    assert home.alarms() == expected_alarms(whole.alarms)
    assert ("nobody_described_me", None, None, None, None) in home.channels()


def test_one_alarm_twice_in_one_stream_ends_once(whole, home):
    seq, *same, _ = whole.alarms[4]
    whole.alarms += [(ROWS + 30, *same, FIRST_US + 77), (ROWS + 31, *same, FIRST_US + 99)]
    result = home.sync(whole).result
    assert (result["alarms"], result["alarms_added"]) == (22, 20)
    assert len(home.alarms()) == 20
    ended = dict((alarm[0], alarm[-1]) for alarm in home.alarms())[same[0]]
    assert ended == FIRST_US + 99  # the line with the greater seq says how it is now


@pytest.mark.parametrize("stream", ["readings", "alarms", "channels"])
@pytest.mark.parametrize("part", [0, 0.5, 0.99])
def test_zstd_that_is_cut_off_comes_again(whole, home, stream, part):
    def cut(request, default):
        if request.query.get("stream", "readings") != stream:
            return default()
        whole.hooks.clear()
        headers, text = whole.lines_of(request.query)
        body = pack_zstd(text.encode())
        return request.stream({**headers, "Content-Type": "application/zstd"}, body, int(len(body) * part))

    whole.hooks["export"] = cut
    done = home.sync(whole)
    assert "trying again in 1 s" in done.stderr
    assert home.rows() == expected(whole.rows)
    assert home.alarms() == expected_alarms(whole.alarms)
    assert home.channels() == sorted(whole.described)


def test_a_stream_that_is_whole_for_http_alone_comes_again(whole, home):
    """The chunks end as they should, the zstd frame does not."""
    whole.hooks["export"] = times(1, lambda request, _: request.stream(
        {**whole.headers_of(whole.rows), "Content-Type": "application/zstd"},
        pack_zstd(whole.lines_of({})[1].encode())[:-4]))
    assert "no end" in home.sync(whole).stderr
    assert home.rows() == expected(whole.rows)


def test_a_store_that_changes_before_its_alarms(whole, home):
    old = list(whole.rows)

    def change(request, default):
        if request.query.get("stream") == "alarms":
            whole.store_id = "33333333-3333-4333-8333-333333333333"
            whole.rows = [(seq, time_us + 10**12, *rest) for seq, time_us, *rest in make_readings(100)]
            whole.alarms = make_alarms(2, 101)
            whole.hooks.clear()
        return default()

    whole.hooks["export"] = change
    result = home.sync(whole).result
    assert (result["records"], result["store_id"], result["alarms"]) == (ROWS + 100, whole.store_id, 2)
    assert home.rows() == expected(old + whole.rows)


# ---- busy ----

def test_a_busy_agent_is_waited_for_aloud(whole, home):
    whole.hooks["export"] = times(2, lambda request, _: request.json(
        503, {"error": "busy", "detail": "8 exports are under way"}, {"Retry-After": 1}))
    done = home.sync(whole)
    assert done.stderr.count("is busy with others for now (503): waiting 1 s") == 2
    assert done.result["records"] == ROWS


def test_an_agent_that_stays_busy_is_given_up(whole, home):
    whole.hooks["export"] = lambda request, _: request.json(503, {"error": "busy"}, {"Retry-After": 91})
    assert "is busy with others for 91 s (503)" in home.sync(whole, check=1).stderr
    whole.hooks["export"] = lambda request, _: request.json(503, {"error": "store_failed", "detail": "no disk"})
    assert "store_failed, no disk" in home.sync(whole, check=1).stderr


# ---- import ----

def test_import_of_an_archive_brings_its_small_streams(whole, home, tmp_path):
    home.sync(whole, "--db", "none")
    [archive] = home.archives()
    base = tmp_path / "other.db"
    first = json.loads(telehaul.run("sync_client", "import", archive, "--db", base, "--json").stdout)
    assert (first["added"], first["alarms"], first["alarms_added"], first["channels_changed"]) == (ROWS, 20, 20, 0)
    again = json.loads(telehaul.run("sync_client", "import", archive, "--db", base, "--json").stdout)
    assert (again["added"], again["alarms_added"], again["channels_changed"]) == (0, 0, 0)
    done = telehaul.run("sync_client", "import", archive, "--db", base)
    assert "20 alarms read, 0 of them new" in done.stdout
    alarms = archive.with_name(archive.name.replace(".zst", ".alarms.zst"))
    assert "give the archive itself" in telehaul.run("sync_client", "import", alarms, "--db", base, check=2).stderr
    alarms.unlink()
    assert alarms.name in telehaul.run("sync_client", "import", archive, "--db", base, check=1).stderr


def test_an_older_archive_changes_no_meaning(whole, home):
    home.sync(whole)
    [old] = home.archives()
    whole.described = make_channels(unit="1/min")
    whole.rows += make_readings(1, ROWS + 21)
    assert home.sync(whole).result["channels_changed"] == 5
    again = json.loads(telehaul.run("sync_client", "import", old, "--data-storage", home.folder, "--json").stdout)
    assert again["channels_changed"] == 0
    assert {channel[1] for channel in home.channels()} == {"1/min"}


# ---- crashes ----

def test_what_was_sealed_is_completed(whole, home):
    """Killed while the alarms came: the readings were whole."""
    def kill(request, default):
        if request.query.get("stream") == "alarms":
            process.kill()
            process.wait()
            whole.hooks.clear()
            return request.cut()
        return default()

    whole.hooks["export"] = kill
    program = telehaul.Program([telehaul.BIN / "sync_client", *home.arguments(whole), "--accept-new-host", "yes"],
                               home.folder.parent / "killed.log")
    process = program.process
    telehaul.wait_until(lambda: not program.running(), "the kill")
    assert {name.split(".", 1)[1] for name in home.files()} >= {"zst.part", "json.part"}
    done = home.sync(whole)
    assert "completed the archive" in done.stderr and "which an earlier run had received" in done.stderr
    assert (done.result["records"], done.result["imported"]) == (0, ROWS)
    assert home.rows() == expected(whole.rows)
    assert home.alarms() == expected_alarms(whole.alarms)


def test_a_file_without_its_json_is_set_aside(whole, home):
    home.sync(whole, "--db", "none")
    [archive] = home.archives()
    archive.with_suffix(".json").unlink()
    done = home.sync(whole)
    assert f"{archive.name} has no json beside it" in done.stderr
    assert done.result["records"] == ROWS
    aside = home.folder / "m1" / "aside"
    assert sorted(path.name for path in aside.iterdir()) == sorted(
        archive.name.replace(".zst", ending) for ending in (".zst", ".alarms.zst", ".channels.zst"))
    result = json.loads(telehaul.run("sync_client", "import", aside / archive.name, "--client-id", "m1", "--data-storage",
                                     home.folder, "--json").stdout)
    assert (result["imported"], result["added"]) == (ROWS, 0)


# ---- readings of a table ----

@pytest.fixture
def table(make_agent):
    agent = make_agent([(None, FIRST_US + i * 10**6, f"channel_{i % 5}", i / 4) for i in range(ROWS)])
    agent.formats = ["gzip", "zstd"]
    agent.table = True
    agent.next_seq = None
    agent.hooks["status"] = lambda call, _: call.json(200, {
        "version": "1.0.0", "store_id": agent.store_id, "next_seq": agent.next_seq, "export_formats": ["gzip", "zstd"],
        "export_streams": ["readings"]})
    return agent


@pytest.mark.parametrize("next_seq", [None, 1])  # the second does not say it: it turns out
def test_a_table_is_fetched_by_time(table, home, next_seq):
    table.next_seq = next_seq
    result = home.sync(table).result
    assert (result["records"], result["first_seq"], result["last_seq"]) == (ROWS, None, None)
    assert home.rows() == expected(table.rows)
    about = home.about(home.archives()[0])
    assert (about["first_seq"], about["last_seq"], about["after"]) == (None, None, 0)
    assert home.cursor(table.store_id) == [(table.rows[-1][1],)]
    table.rows.append((None, table.rows[-1][1] + 10**6, "channel_0", 7.0))
    table.asked.clear()
    result = home.sync(table).result
    assert (result["records"], result["added"]) == (61, 1)
    assert table.asked[-1]["since"] == time_text(table.rows[-2][1])
    about = home.about(pathlib.Path(result["archives"][0]))
    assert (about["since"], about["after"]) == (time_text(table.rows[-2][1]), table.rows[-2][1])
    assert home.rows() == expected(table.rows)


def test_a_tables_repeated_minute_makes_no_archive(table, home):
    home.sync(table)
    before = home.files()
    result = home.sync(table).result
    assert (result["records"], result["archives"]) == (0, [])
    assert home.files() == before


def test_a_row_that_was_written_late_comes_home(table, home):
    home.sync(table)
    late = (None, table.rows[-1][1] - 30 * 10**6 + 5, "late", 1.0)
    table.rows.insert(ROWS - 30, late)
    assert home.sync(table).result["added"] == 1
    assert home.rows() == expected(table.rows)


def test_a_time_to_come_hides_nothing(table, home):
    table.rows.append((None, FIRST_US + 10**15, "channel_0", 1.0))  # 31 years on
    home.sync(table)
    table.rows.insert(ROWS, (None, FIRST_US + (ROWS + 1) * 10**6, "channel_1", 2.0))
    cursor = home.cursor(table.store_id)
    assert cursor[0][0] < FIRST_US + 10**15
    assert home.rows() == expected(table.rows[:ROWS] + table.rows[-1:])


def test_a_table_over_a_link_that_breaks(table, home):
    table.breaks = [20000, 10, None, 30000, None]
    result = home.sync(table).result
    assert home.rows() == expected(table.rows)
    assert len(result["archives"]) > 1
    assert home.cursor(table.store_id) == [(table.rows[-1][1],)]


def test_a_table_without_a_database(table, home):
    home.sync(table, "--db", "none")
    table.rows.append((None, table.rows[-1][1] + 10**6, "channel_0", 7.0))
    assert home.sync(table, "--db", "none").result["records"] == 61
    assert home.sync(table).result["imported"] == ROWS + 61 + 60
    assert home.rows() == expected(table.rows)


def test_a_table_since_a_time_leaves_the_cursor(table, home):
    result = home.sync(table, "--since", time_text(table.rows[3999][1])).result
    assert result["records"] == 1000 + 60
    assert home.cursor(table.store_id) == []
    assert home.sync(table).result["added"] == ROWS - 1060


def test_a_table_that_is_never_content_is_given_up(table, home):
    table.hooks["export"] = lambda request, _: request.json(400, {"error": "no_cursor"})
    assert "no_cursor" in home.sync(table, check=1).stderr
    assert home.files() == []
