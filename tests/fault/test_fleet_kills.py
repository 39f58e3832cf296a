"""kill -9 of sync_service, of PostgreSQL (immediate stop) and of the vehicles at any moment, with load on: afterwards every
reading of every vehicle is in PostgreSQL once, by count and hash.

Two sync_services share made-up vehicles of the farm and one real machine, whose agent and collector are killed too.
TELEHAUL_KILLS says how often (20; `make soak`: 200), TELEHAUL_SEED makes a run the same choices again."""

import contextlib
import os
import random
import signal
import time

import farm
import pytest
from sync_service import SyncService
from test_kill_campaign import BACKOFF_MAX_S, KILLS, SEED, pid_of

import telehaul
from telehaul import wait_until

VEHICLES, FAR_BEHIND = 40, 4  # the last ones have a gap that no single answer holds
GAP_S = 6000
DROPPED = ["dead", "mid_close", "hang", "silent", "error", "garbage", "slow_start"]


class Fleet:
    def __init__(self, folder, cluster, database, root):
        self.folder, self.cluster, self.database, self.root = folder, cluster, database, root
        self.added_us = farm.now_us()
        self.farm = farm.Farm(folder / "farm", VEHICLES, start_us=self.added_us - GAP_S * 10**6)
        self.farm.start()
        self.services = [SyncService(folder, database, name, PULL_TIMEOUT_SEC=2, AUTH_KEY_FILE=root.keys.private_file)
                         for name in ("first", "second")]
        self.faulty = None
        self.watchdog = None

    def start(self):
        self.services[0].migrate()
        self.farm.add_to(self.database)
        self.last_sync(range(VEHICLES - FAR_BEHIND), self.added_us)
        self.last_sync(range(VEHICLES - FAR_BEHIND, VEHICLES), self.farm.start_us)
        self.services[0].add("machine", "127.0.0.1", transport="agent", agent_port=self.root.agent_port, accept_new_host="yes")
        self.watchdog = telehaul.Program([self.root.path / "boot" / "start"], self.folder / "watchdog.log")
        self.root.programs.append(self.watchdog)
        for service in self.services:
            service.start()

    def last_sync(self, vehicles, utc_us):
        """As if everything before it were home: what is fetched is known then."""
        self.database.query("update vehicles set last_sync_at = to_timestamp(%s) where client_id = any(%s)", utc_us / 1e6,
                            [farm.client_id(vehicle) for vehicle in vehicles])

    # ---- who is killed ----
    def kill_service(self, choice):
        service = choice.choice(self.services)
        assert service.program.running(), service.log()
        service.stop(kill=True)
        service.start()

    def kill_postgres(self, choice):
        self.cluster.stop(immediately=True)
        time.sleep(choice.uniform(0, 1))  # a random time, not a wait for something
        self.cluster.start()

    def kill_farm(self, choice):
        self.farm.kill()
        time.sleep(choice.uniform(0, 1))
        self.farm.start()

    def break_vehicles(self, choice):
        self.heal()
        first = choice.randrange(VEHICLES - 5)
        self.faulty = range(first, first + 5)
        self.farm.fault(self.faulty, choice.choice(DROPPED), choice.choice(["all", "data"]))

    def kill_machine(self, choice):
        pid = pid_of(self.root, choice.choice(["agent", "collector"]))
        if pid is not None:  # else the watchdog is about to start it
            with contextlib.suppress(ProcessLookupError):  # it was dying from the last time
                os.kill(pid, signal.SIGKILL)

    def heal(self):
        if self.faulty is not None:
            self.farm.fault(self.faulty, "none")
        self.faulty = None

    # ---- what is home ----
    def differences(self, frozen_us):
        near, far = range(VEHICLES - FAR_BEHIND), range(VEHICLES - FAR_BEHIND, VEHICLES)
        return {**self.farm.differences(self.database, near, self.added_us, frozen_us),
                **self.farm.differences(self.database, far, to_us=frozen_us)}

    def machine_differs(self, last_seq):
        """The machine's readings against those at home, up to the time of one of them."""
        stored = self.root.query("select r.time_us, c.name, r.value from readings r join channels c using (channel_id) "
                                 "where r.seq <= ? order by 1, 2", last_seq)
        home = [row for row in self.services[0].rows("machine") if row[0] <= stored[-1][0]]
        return stored != home

    def clear(self):
        for service in self.services:
            if service.program is not None:
                service.stop(kill=True)
        self.farm.stop()


def until_none(differences):
    """Says what differs when it does not end."""
    with contextlib.suppress(AssertionError):
        wait_until(lambda: not differences(), "nothing to differ", 120, 1)
    assert not differences()


@pytest.fixture
def fleet(tmp_path, own_cluster, make_root):
    with own_cluster.database() as database:
        fleet = Fleet(tmp_path, own_cluster, database, make_root())
        yield fleet
        fleet.clear()


def test_kill_at_random_and_every_row_is_home_once(fleet):
    choice = random.Random(SEED)
    print(f"seed {SEED}, {KILLS} kills")
    fleet.start()
    wait_until(lambda: fleet.database.query("select 1 from sync_journal where status = 'ok' limit 1"), "a first turn")
    killed = {}
    for _ in range(KILLS):
        deed = choice.choice([fleet.kill_service, fleet.kill_service, fleet.kill_postgres, fleet.kill_farm, fleet.break_vehicles,
                              fleet.kill_machine])
        deed(choice)
        killed[deed.__name__] = killed.get(deed.__name__, 0) + 1
        time.sleep(choice.uniform(0, 2))  # a random moment, not a wait for something
    print(f"done: {killed}")
    fleet.heal()
    wait_until(lambda: fleet.root.readings() > 0, "the machine's store", BACKOFF_MAX_S + telehaul.DEADLINE_S)
    last_seq = fleet.root.query("select max(seq) from readings")[0][0]
    frozen_us = fleet.farm.freeze()
    until_none(lambda: fleet.differences(frozen_us))
    until_none(lambda: fleet.machine_differs(last_seq))
    rows = fleet.database.query("select count(*) from measurements")[0][0]
    print(f"{rows} readings, each of them once")
    for service in fleet.services:
        assert service.stop() == 0
