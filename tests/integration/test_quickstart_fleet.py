"""`packaging/quickstart fleet` as whoever tries it sees it, with the programs under test: three machines come home, a second
run goes on with what the first one left, Ctrl-C ends it, and nothing of it stays behind. The machines are at 127.0.0.2 to
127.0.0.4, at ports that are free there; the demo's folder is the test's own."""

import contextlib
import fcntl
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import tempfile

import psycopg2
import pytest
import telehaul
from postgres import server_account, server_binaries
from telehaul import PROJECT, wait_until

MACHINES = {"truck-1": "127.0.0.2", "truck-2": "127.0.0.3", "plant": "127.0.0.4"}
RUN_S = 5 * telehaul.DEADLINE_S  # two cycles of 5 s behind keys, a cluster and three machines


class Demo:
    """A folder for TELEHAUL_DEMO, and what is in it."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.fleet = self.folder / "fleet"
        self.log = self.folder.with_suffix(".log")
        self.script = None

    def start(self, *words):
        environment = {**os.environ, "TELEHAUL_DEMO": self.folder, "TELEHAUL_BIN": telehaul.BIN, "TELEHAUL_DIST": telehaul.DIST}
        # as in a terminal: a process group of its own, and SIGINT is not ignored, whoever started the tests
        with open(self.log, "wb") as log:
            self.script = subprocess.Popen(["env", "--default-signal=INT", PROJECT / "packaging/quickstart", "fleet", *words],
                                           stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment,
                                           start_new_session=True)
        return self

    def said(self):
        return self.log.read_text(errors="replace")

    def press_ctrl_c(self):
        os.killpg(self.script.pid, signal.SIGINT)

    def clear(self):
        """What the script's death ends by itself is waited for."""
        if self.script is not None and self.script.poll() is None:
            os.killpg(self.script.pid, signal.SIGKILL)
            self.script.wait()
        wait_until(lambda: not self.processes(), "the end of everything that was started")

    # ---- what is there of it ----

    def setting(self, file, key):
        [value] = re.findall(rf"(?m)^{key} *= *(\S+)", (self.fleet / file).read_text())
        return value

    def ports(self):
        return [(address, int(self.setting(f"{name}/config.txt", f"{kind}_PORT"))) for name, address in MACHINES.items()
                for kind in ("AGENT", "OUTBOUND", "PORTAL")]

    def processes(self):
        """Every one with a way into this folder: in its command line, its environment or as its working folder."""
        found = []
        for entry in filter(str.isdigit, os.listdir("/proc")):
            with contextlib.suppress(OSError):  # of somebody else, or gone
                line = pathlib.Path(f"/proc/{entry}/cmdline").read_bytes()
                known = line + pathlib.Path(f"/proc/{entry}/environ").read_bytes() + os.readlink(f"/proc/{entry}/cwd").encode()
                if str(self.folder).encode() in known:
                    found.append((int(entry), line.replace(b"\0", b" ").decode(errors="replace")))
        return found

    def sockets(self):
        """Those that are listened at."""
        lines = pathlib.Path("/proc/net/unix").read_text().splitlines()
        return [line.split()[-1] for line in lines if str(self.folder) in line] + [
            place for place in self.ports() if telehaul.listens(place[1], place[0])]

    # ---- its database ----

    def query(self, sql):
        with contextlib.closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    def connect(self):
        connection = psycopg2.connect(host=self.setting("sync.conf", "DB_HOST"), user="postgres", dbname="fleet")
        connection.autocommit = True
        return connection

    @contextlib.contextmanager
    def database_alone(self):
        """The cluster that a run has left, without the rest of the demo."""
        account = server_account()
        owner = [] if account is None else [f"--reuid={account.pw_uid}", f"--regid={account.pw_gid}", "--clear-groups"]
        place = self.setting("sync.conf", "DB_HOST")
        argv = ["setpriv", "--pdeathsig", "QUIT", *owner, server_binaries() / "postgres", "-D", f"{place}/data", "-c",
                "listen_addresses=", "-c", f"unix_socket_directories={place}"]
        with subprocess.Popen(argv, cwd="/", stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
            try:
                wait_until(self.answers, "PostgreSQL's first answer")
                yield
            finally:
                server.send_signal(signal.SIGINT)

    def answers(self):
        with contextlib.suppress(psycopg2.OperationalError):
            return self.query("select 1")

    def home(self, name, until="infinity"):
        """How many readings of a machine are home up to a time, the newest of their times, and when its first turn was."""
        [row] = self.query("select count(*), max(time)::text, (select min(started_at) from sync_journal j "
                           "where j.vehicle_id = v.vehicle_id) from measurements join vehicles v using (vehicle_id) "
                           f"where client_id = '{name}' and time <= '{until}' group by v.vehicle_id")
        return row


@pytest.fixture(scope="module")
def demo():
    """After `--once`, with what it said."""
    folder = tempfile.mkdtemp(prefix="telehaul-quickstart-")
    os.chmod(folder, 0o755)  # pytest's own folders are closed to PostgreSQL's account
    made = Demo(f"{folder}/demo")
    try:
        code = made.start("--once").script.wait(RUN_S)
        assert code == 0, made.said()
        yield made
    finally:
        made.clear()
        shutil.rmtree(folder)


def test_once_brings_three_machines_home(demo):
    assert "Done: all three are home" in demo.said()
    with demo.database_alone():
        home = {name: demo.home(name)[0] for name in MACHINES}
        journal = demo.query("select client_id, transport, count(*) from sync_journal join vehicles using (vehicle_id) "
                             "where status = 'ok' group by 1, 2 having count(*) >= 2 order by 1")
    assert min(home.values()) > 100, home
    assert [row[:2] for row in journal] == [("plant", "agent"), ("truck-1", "outbound"), ("truck-2", "outbound")]


def test_nothing_of_it_stays_behind(demo):
    assert demo.processes() == [] and demo.sockets() == []


@pytest.fixture
def watched(demo):
    """A second run in the same folder, which goes on; and what was home before it."""
    with demo.database_alone():
        before = {name: demo.home(name) for name in MACHINES}
    demo.start()
    try:
        wait_until(lambda: "It runs until Ctrl-C" in demo.said() or demo.script.poll() is not None, "the journal",
                   deadline_s=RUN_S)
        assert demo.script.poll() is None, demo.said()
        yield demo, before
    finally:
        demo.clear()


def test_a_second_run_goes_on_and_ctrl_c_ends_it(watched):
    demo, before = watched
    assert len(demo.sockets()) > 9 and len(demo.processes()) > 3 * 4
    status = json.loads(telehaul.run("sync_service", "--config", demo.fleet / "sync.conf", "status", "--json").stdout)
    assert {one["name"]: one["sync_status"] for one in status["vehicles"]} == dict.fromkeys(MACHINES, "ok")
    for name, kept in before.items():
        assert demo.home(name)[0] > kept[0] and demo.home(name, until=kept[1]) == kept
    with contextlib.closing(demo.connect()):  # whoever looks at the database does not hold up its end
        demo.press_ctrl_c()
        assert demo.script.wait(RUN_S) == 130, demo.said()
    assert demo.processes() == [] and demo.sockets() == []


def test_two_at_once_in_one_folder_are_refused(demo):
    with open(demo.fleet / "lock", "rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert demo.start("--once").script.wait(RUN_S) == 1
    assert "another quickstart fleet runs in" in demo.said()
