"""Links that break, stores that change, crashes: what comes home is whole and comes once."""

import concurrent.futures
import contextlib
import fcntl
import gzip
import resource
import signal
import subprocess
import time

import telehaul
from fake_agent import line, make_readings
from sync_home import ROWS, Home, expected, flip, times


# ---- links that break ----

def test_an_answer_cut_off_in_its_headers_is_a_break(agent, home):
    def cut(request, _):
        request.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/gzip\r\nX-Store")
        request.wfile.flush()
        request.close_connection = True
        request.connection.unwrap()  # with a polite goodbye

    agent.hooks["export"] = times(1, cut)
    assert home.sync(agent).result["records"] == ROWS


def positions(size):
    return sorted({0, 1, 9, 10, 11, 100, size // 4, size // 2, size - 16384, size - 9, size - 8, size - 1, size})


def test_a_break_at_any_byte_brings_everything_once(make_agent, keys, tmp_path):
    size = len(gzip.compress("".join(map(line, make_readings(ROWS))).encode(), 1))

    def one(cut):
        agent = make_agent()
        home = Home(tmp_path / f"home-{cut}", keys)
        agent.breaks = [cut]
        result = home.sync(agent).result
        assert home.rows() == expected(agent.rows), cut
        assert home.archived_lines() == "".join(map(line, agent.rows)), cut
        assert (result["records"], result["added"], result["last_seq"]) == (ROWS, ROWS, ROWS), cut
        assert not [name for name in home.files() if name.endswith(".part")]
        return len(result["archives"])

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        archives = list(pool.map(one, positions(size)))
    # a thousand at first, then twice as many each time
    assert max(archives) > 1


def test_a_link_that_breaks_again_and_again(make_agent, home):
    agent = make_agent(make_readings(20000))
    agent.breaks = [20000, 10, None, 30000, None]
    result = home.sync(agent).result
    assert home.rows() == expected(agent.rows)
    assert home.archived_lines() == "".join(map(line, agent.rows))
    assert len(result["archives"]) > 1


def test_what_came_stays_when_the_link_is_given_up(make_agent, home):
    agent = make_agent(make_readings(20000))
    agent.breaks = [10, None] + [10] * 5
    done = home.sync(agent, check=3)
    assert "given up after 5 attempts" in done.stderr
    assert home.rows() == expected(agent.rows[:1000])
    assert home.cursor(agent.store_id) == [(1000,)]
    assert home.query("select status from sync_journal") == [("timeout",)]
    assert home.sync(agent).result["records"] == 19000
    assert home.rows() == expected(agent.rows)


def slow(request, _):
    with contextlib.suppress(OSError):
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.flush()
        while True:
            request.wfile.write(b"{")
            request.wfile.flush()
            time.sleep(0.2)  # the slowness itself, not a wait for something


def test_below_the_floor_of_progress(agent, home):
    home.sync(agent)
    agent.hooks["status"] = slow
    done = home.sync(agent, "--floor-seconds", "1", check=3)  # the whole answer would take 200 s, and be none
    assert "too slow" in done.stderr and "the last 1 seconds" in done.stderr


def test_a_slow_export_is_dropped_and_asked_for_again(agent, home):
    def crawl(request, _):
        rows = agent.select(request.query)
        request.send_response(200)
        for name, value in {**agent.headers_of(rows), "Transfer-Encoding": "chunked"}.items():
            request.send_header(name, str(value))
        request.end_headers()
        with contextlib.suppress(OSError):
            for byte in gzip.compress("".join(map(line, rows)).encode(), 1):
                request.chunk(bytes([byte]))
                time.sleep(0.2)  # the slowness itself

    agent.hooks["export"] = times(1, crawl)
    done = home.sync(agent, "--floor-seconds", "3")  # the second one must come above it, also where everything is slow
    assert "too slow" in done.stderr and "trying again" in done.stderr
    assert home.rows() == expected(agent.rows)


def test_nobody_is_there(home, agent, tmp_path, keys):
    gone = telehaul.free_port()
    done = telehaul.run("sync_client", "--host", "127.0.0.1", "--port", gone, "--client-id", "m1", "--key", keys.private_file,
                        "--data-storage", home.folder, check=3)
    assert f"127.0.0.1:{gone}" in done.stderr
    assert home.query("select sync_status from vehicles") == [("timeout",)]
    telehaul.run("sync_client", "--host", "does-not-exist.invalid", "--key", keys.private_file, "--data-storage", home.folder,
                 check=3)


def test_plain_http_is_not_spoken(make_agent, home):
    agent = make_agent(tls=False)
    home.sync(agent, check=3)
    assert agent.requests == []


# ---- stores that change ----

def test_a_new_store_is_fetched_from_its_beginning(agent, home):
    home.sync(agent)
    agent.store_id = "22222222-2222-4222-8222-222222222222"
    agent.rows = [(seq, time_us + 10**12, channel, value) for seq, time_us, channel, value in make_readings(100)]
    result = home.sync(agent).result
    assert (result["records"], result["last_seq"], result["store_id"]) == (100, 100, agent.store_id)


def test_a_store_that_changes_within_a_session(agent, home):
    def change(request, default):
        agent.store_id = "33333333-3333-4333-8333-333333333333"
        agent.rows = make_readings(100)
        default()

    agent.hooks["export"] = times(1, change)
    result = home.sync(agent).result
    assert (result["records"], result["store_id"]) == (100, agent.store_id)
    counter = iter(range(100))

    def change_always(request, _):
        agent.store_id = f"44444444-4444-4444-8444-{next(counter):012d}"
        request.json(409, {"error": "store_changed"})

    agent.hooks["export"] = change_always
    home.sync(agent, check=1)


# ---- crashes ----

def test_an_archive_that_was_not_imported_is_imported_next_time(agent, home):
    home.sync(agent, "--db", "none")
    agent.rows += make_readings(10, ROWS + 1)
    done = home.sync(agent)
    assert done.result["records"] == 10
    assert done.result["imported"] == ROWS + 10
    assert home.rows() == expected(agent.rows)
    assert home.sync(agent).result["imported"] == 0


def test_an_archive_that_a_clock_ahead_has_named_hides_no_other(agent, home):
    """What the machine has forgotten by now is in an archive that was not imported: it must be found."""
    home.sync(agent)
    for path in home.folder.joinpath("m1").glob("2*"):
        path.rename(path.with_name("20991231T000000Z" + path.suffix))
    agent.rows += make_readings(10, ROWS + 1)
    home.sync(agent, "--db", "none")
    every, agent.rows = agent.rows, make_readings(1, ROWS + 11)
    done = home.sync(agent)
    assert "which an earlier run had only fetched" in done.stderr
    assert home.rows() == expected(every + agent.rows)


def test_a_damaged_archive_is_fetched_again(agent, home):
    home.sync(agent, "--db", "none")
    [archive] = home.archives()
    archive.write_bytes(flip(archive.read_bytes(), 1000))
    done = home.sync(agent)
    assert archive.name in done.stderr
    assert done.result["records"] == ROWS
    assert home.rows() == expected(agent.rows)


def test_what_was_left_unfinished_is_removed(agent, home):
    folder = home.folder / "m1"
    folder.mkdir(parents=True)
    for name in ("20260101T000000Z.gz.part", ".20260101T000000Z.json.tmp"):
        (folder / name).write_text("half")
    (folder / "notes.txt").write_text("mine")
    home.sync(agent)
    assert [name for name in home.files() if "20260101" in name] == []
    assert "notes.txt" in home.files()


def test_an_archive_without_its_json_does_not_count(agent, home):
    home.sync(agent, "--db", "none")
    home.archives()[0].with_suffix(".json").unlink()
    assert home.sync(agent, "--db", "none").result["records"] == ROWS


def test_killed_at_any_moment_nothing_is_lost_or_doubled(make_agent, home):
    agent = make_agent(make_readings(60000))
    arguments = [str(telehaul.BIN / "sync_client"), *map(str, home.arguments(agent)), "--accept-new-host", "yes", "--quiet"]
    for wait_ms in (5, 20, 40, 80, 120, 160, 200, 300):
        process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(wait_ms / 1000)  # a moment to be killed in
        process.kill()
        process.wait()
    home.sync(agent)
    assert home.rows() == expected(agent.rows)
    assert len(home.archived_lines()) >= len("".join(map(line, agent.rows)))
    assert not [name for name in home.files() if name.endswith((".part", ".tmp"))]


def test_two_for_one_client_do_not_run_together(agent, home):
    (home.folder / "m1").mkdir(parents=True)
    with open(home.folder / "m1" / ".lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "another sync_client" in home.sync(agent, check=1).stderr
        assert home.sync(agent, client_id="m2").result["records"] == ROWS
    assert home.sync(agent).result["records"] == ROWS


def test_a_full_disk_leaves_nothing_behind(make_agent, home):
    agent = make_agent(make_readings(60000))

    def small_files():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))

    arguments = [str(telehaul.BIN / "sync_client"), *map(str, home.arguments(agent)), "--accept-new-host", "yes", "--db", "none"]
    done = subprocess.run(arguments, preexec_fn=small_files, capture_output=True, text=True, timeout=300)
    assert done.returncode == 1, done.stderr
    assert "archive" in done.stderr
    assert home.files() == []
    assert agent.requests.count("GET /data/export") == 1  # the link is not to blame: no further attempts
