"""A made-up fleet with people who may be told of it: two trucks; a superuser, an owner of the first, somebody without any, and
somebody who is blocked and has all."""

import pathlib

import pytest
from notice_servers import MailServer, WebServer
from sync_service import SyncService
from telehaul import wait_until


class World:
    def __init__(self, folder, database):
        self.folder, self.database, self.query = pathlib.Path(folder), database, database.query
        self.services = []
        self.service().migrate()
        self.query("insert into users (email, role, status) values ('admin@example.org', 'superuser', 'active'),"
                   " ('owner@example.org', 'owner', 'active'), ('stranger@example.org', 'owner', 'active'),"
                   " ('blocked@example.org', 'superuser', 'blocked')")
        self.query("insert into vehicles (client_id, name) values ('truck_1', 'Truck-01'), ('truck_2', 'Truck-02')")
        self.query("insert into vehicle_access (vehicle_id, user_id) values (1, 2), (1, 4), (2, 4)")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for service in self.services:
            service.__exit__()

    def service(self, **settings):
        """Not started yet; several are several processes on one database."""
        service = SyncService(self.folder, self.database, name=f"sync{len(self.services)}", **settings)
        self.services.append(service)
        return service

    def rule(self, user, channel, target=None, **columns):
        """Written as fleet_api would; returns its number."""
        values = {"channel": channel, "target": target or user, **columns}
        (rule,), = self.query(f"insert into notice_rules (user_id, {', '.join(values)}) select user_id"
                              f"{', %s' * len(values)} from users where email = %s returning rule_id", *values.values(), user)
        return rule

    # ---- what happens to the vehicles ----

    def raise_alarm(self, alarm_id, message, vehicle=1, severity="critical", raised="now()", resolved="null"):
        self.query(f"insert into alarms_log (vehicle_id, alarm_id, severity, message, raised_at, resolved_at)"
                   f" values (%s, %s, %s, %s, {raised}, {resolved}) on conflict (vehicle_id, alarm_id)"
                   f" do update set resolved_at = excluded.resolved_at", vehicle, alarm_id, severity, message)

    def resolve_alarm(self, alarm_id, vehicle=1):
        self.query("update alarms_log set resolved_at = now() where vehicle_id = %s and alarm_id = %s", vehicle, alarm_id)

    # ---- what came of it ----

    def states(self):
        return [state for state, in self.query("select state from notices order by notice_id")]

    def told(self):
        """(user, kind, subject) of all that was queued, in order."""
        return self.query("select u.email, n.kind, n.subject from notices n join users u using (user_id) order by notice_id")

    def wait_for_quiet(self):
        """Until nothing waits any more."""
        wait_until(lambda: not {"waiting", "sending"} & set(self.states()), "the end of all notices")


def by_mail(world, server, **more):
    return world.service(SMTP_URL=server.url, SMTP_FROM="fleet@example.org", **more)


# ---- fixtures ----

@pytest.fixture
def world(tmp_path, postgres):
    with World(tmp_path, postgres) as made:
        yield made


@pytest.fixture
def mail():
    with MailServer() as server:
        yield server


@pytest.fixture
def web():
    with WebServer() as server:
        yield server
