"""What is queued for whom and when: the functions and triggers of 0005_notices.sql in a real PostgreSQL. Vehicles, people and
alarms are made up."""

import io

import psycopg2
import pytest
from fleet_database import ask, connected
from notice_world import world  # noqa: F401  fixtures
from telehaul import wait_until

ADMIN, OWNER = "admin@example.org", "owner@example.org"


# ---- quiet hours ----

@pytest.mark.parametrize("at, begin, end, zone, want", [
    # over midnight, in winter (UTC+2) and in summer (UTC+3)
    ("2026-02-22 19:59:59Z", "22:00", "07:00", "Europe/Kyiv", "2026-02-22 19:59:59Z"),
    ("2026-02-22 20:00:00Z", "22:00", "07:00", "Europe/Kyiv", "2026-02-23 05:00:00Z"),
    ("2026-02-22 23:30:00Z", "22:00", "07:00", "Europe/Kyiv", "2026-02-23 05:00:00Z"),
    ("2026-02-23 04:59:59Z", "22:00", "07:00", "Europe/Kyiv", "2026-02-23 05:00:00Z"),
    ("2026-02-23 05:00:00Z", "22:00", "07:00", "Europe/Kyiv", "2026-02-23 05:00:00Z"),
    ("2026-07-22 19:00:00Z", "22:00", "07:00", "Europe/Kyiv", "2026-07-23 04:00:00Z"),
    # within a day
    ("2026-02-22 11:59:00Z", "12:00", "13:30", "UTC", "2026-02-22 11:59:00Z"),
    ("2026-02-22 12:00:00Z", "12:00", "13:30", "UTC", "2026-02-22 13:30:00Z"),
    ("2026-02-22 13:30:00Z", "12:00", "13:30", "UTC", "2026-02-22 13:30:00Z"),
    # another date there than here
    ("2026-12-31 12:00:00Z", "22:00", "07:00", "Pacific/Auckland", "2026-12-31 18:00:00Z"),
    ("2027-01-01 06:30:00Z", "22:00", "07:00", "America/Los_Angeles", "2027-01-01 15:00:00Z"),
    # the night in which an hour is skipped (03:00 to 04:00), and the one that has it twice
    ("2026-03-29 00:30:00Z", "22:00", "03:30", "Europe/Kyiv", "2026-03-29 01:30:00Z"),
    ("2026-03-28 21:00:00Z", "22:00", "07:00", "Europe/Kyiv", "2026-03-29 04:00:00Z"),
    ("2026-10-24 21:00:00Z", "22:00", "07:00", "Europe/Kyiv", "2026-10-25 05:00:00Z"),
    # to and from midnight
    ("2026-02-22 23:30:00Z", "23:00", "00:00", "UTC", "2026-02-23 00:00:00Z"),
    ("2026-02-22 00:30:00Z", "00:00", "01:00", "UTC", "2026-02-22 01:00:00Z"),
    ("2026-02-22 03:00:00Z", None, None, "UTC", "2026-02-22 03:00:00Z"),
])
def test_quiet_hours_end_when_they_end_there(world, at, begin, end, zone, want):
    (same, got), = world.query("select notice_not_before(%s, %s, %s, %s) = %s::timestamptz,"
                               " notice_not_before(%s, %s, %s, %s)::text", at, begin, end, zone, want, at, begin, end, zone)
    assert same, got


def quiet_now(world):
    """Quiet hours that began an hour ago and last for two more."""
    (times,) = world.query("select date_trunc('minute', now() at time zone 'UTC' - interval '1 hour')::time,"
                           " date_trunc('minute', now() at time zone 'UTC' + interval '2 hours')::time")
    return dict(quiet_from=times[0], quiet_to=times[1])


def test_what_comes_in_quiet_hours_is_held_and_a_critical_alarm_is_not(world):
    world.rule(ADMIN, "email", **quiet_now(world))
    world.raise_alarm(1, "oil", severity="warning")
    world.raise_alarm(2, "fire", severity="critical")
    world.resolve_alarm(2)
    held = world.query("select subject, extract(epoch from not_before - now())::int from notices order by notice_id")
    assert [subject for subject, _ in held] == ["[Truck-01] warning: oil", "[Truck-01] critical: fire",
                                                "[Truck-01] critical over: fire"]
    assert 7000 < held[0][1] <= 7200 and held[1][1] <= 0 and 7000 < held[2][1] <= 7200
    claimed = world.query("select subject from notice_claim('me', 'email', 16, 60)")
    assert claimed == [("[Truck-01] critical: fire",)]
    world.query("update notice_rules set quiet_from = null, quiet_to = null; update notices set not_before = now()")
    assert len(world.query("select subject from notice_claim('me', 'email', 16, 60)")) == 2


def test_one_that_still_waits_when_quiet_hours_begin_is_held_too(world):
    world.rule(ADMIN, "email")
    world.raise_alarm(1, "oil", severity="warning")
    quiet = quiet_now(world)
    world.query("update notice_rules set quiet_from = %s, quiet_to = %s", quiet["quiet_from"], quiet["quiet_to"])
    assert world.query("select * from notice_claim('me', 'email', 16, 60)") == []
    assert world.query("select not_before > now() + interval '1 hour', attempts from notices") == [(True, 0)]


@pytest.mark.parametrize("column, value", [
    ("time_zone", "Mars/Base"), ("quiet_from", "22:00"), ("target", "a@b\nc"), ("target", "a b"), ("target", ""),
    ("kinds", "{}"), ("kinds", "{all}"), ("min_severity", "bad"), ("channel", "pigeon")])
def test_a_rule_that_would_break_the_queue_cannot_be_made(world, column, value):
    columns = {"channel": "email", **({column: value} if column != "target" else {})}
    with pytest.raises(psycopg2.Error):
        world.query(f"insert into notice_rules (user_id, target, {', '.join(columns)})"
                    f" values (1, %s{', %s' * len(columns)})", value if column == "target" else "a@b", *columns.values())


# ---- alarms ----

def test_an_alarm_is_told_once_and_its_end_once(world):
    world.rule(ADMIN, "email")
    for _ in range(3):
        world.raise_alarm(1, "oil")
    for _ in range(3):
        world.raise_alarm(1, "oil", resolved="now()")
        world.resolve_alarm(1)
    world.query("update alarms_log set resolved_at = null")
    world.resolve_alarm(1)
    assert world.told() == [(ADMIN, "alarm", "[Truck-01] critical: oil"), (ADMIN, "resolved", "[Truck-01] critical over: oil")]


def test_an_alarm_that_came_and_went_between_two_turns_is_told_both_ways(world):
    world.rule(ADMIN, "email")
    world.raise_alarm(1, "oil", raised="now() - interval '20 seconds'", resolved="now()")
    assert [kind for _, kind, _ in world.told()] == ["alarm", "resolved"]


def test_what_comes_home_late_is_history(world):
    world.rule(ADMIN, "email")
    world.raise_alarm(1, "old and over", raised="now() - interval '30 days'", resolved="now() - interval '29 days'")
    world.raise_alarm(2, "old and lasting", raised="now() - interval '25 hours'")
    assert world.told() == []
    world.resolve_alarm(2)
    assert world.told() == [(ADMIN, "resolved", "[Truck-01] critical over: old and lasting")]


def test_a_transaction_that_is_rolled_back_tells_nothing(world):
    world.rule(ADMIN, "email")
    with world.database.connect() as connection, connection.cursor() as cursor:
        cursor.execute("begin")
        cursor.execute("insert into alarms_log values (1, 1, null, 'critical', 'oil', now(), null)")
        cursor.execute("select count(*) from notices")
        assert cursor.fetchone() == (1,)
        cursor.execute("rollback")
    assert world.told() == []


def test_kinds_and_severity_are_minded(world):
    world.rule(ADMIN, "email", kinds=["alarm"], min_severity="critical")
    world.rule(OWNER, "email", kinds=["resolved", "silent"], min_severity="warning")
    for number, severity in enumerate(("info", "warning", "critical", "made-up word"), 1):
        world.raise_alarm(number, severity, severity=severity)
        world.resolve_alarm(number)
    assert world.told() == [(OWNER, "resolved", "[Truck-01] warning over: warning"),
                            (ADMIN, "alarm", "[Truck-01] critical: critical"),
                            (OWNER, "resolved", "[Truck-01] critical over: critical"),
                            (OWNER, "resolved", "[Truck-01] made-up word over: made-up word")]


def test_alarms_that_are_copied_in_are_told_too(world):
    world.rule(ADMIN, "email")
    with connected(world.database, "telehaul_sync") as connection, connection.cursor() as cursor:
        ask(connection, "select set_config('app.user_role', 'superuser', false)")
        (now,), = ask(connection, "select now()::text")
        cursor.copy_expert("copy alarms_log from stdin", io.StringIO(f"1\t1\t\\N\tinfo\ta\t{now}\t\\N\n"))
    assert world.told() == [(ADMIN, "alarm", "[Truck-01] info: a")]


def test_a_storm_of_alarms_is_not_a_storm_of_notices(world):
    world.rule(ADMIN, "email")
    world.rule(OWNER, "email", kinds=["silent"])
    world.query("insert into alarms_log select 1, n, null, 'warning', 'alarm ' || n, now(), null from generate_series(1, 500) n")
    told = world.told()
    assert len(told) == 61 and [kind for _, kind, _ in told[:60]] == ["alarm"] * 60
    assert told[60] == (ADMIN, "flood", "More than 60 notices within an hour")
    world.query("update notices set created_at = now() - interval '61 minutes'")
    world.raise_alarm(501, "the next hour")
    assert world.told()[-1] == (ADMIN, "alarm", "[Truck-01] critical: the next hour")


def test_a_vehicle_with_thousands_of_alarms_holds_up_nobody(world):
    """Seen to take 12 s before only the 100 most severe of a vehicle were looked at; now a fifth of a second. PostgreSQL counts
    the looks."""
    world.rule(ADMIN, "email")
    world.rule(OWNER, "email", min_severity="critical")
    world.query(f"alter database {world.database.name} set track_functions = 'all'")
    with connected(world.database, "telehaul_sync") as connection:
        ask(connection, "select set_config('app.user_role', 'superuser', false)")
        ask(connection, "insert into alarms_log select 1, n, null, case n when 9999 then 'critical' else 'info' end,"
                        " 'alarm ' || n, now() + n * interval '1 us', null from generate_series(1, 10000) n returning 1")
    calls = wait_until(lambda: world.query("select calls from pg_stat_user_functions where funcname = 'notice_of_alarm'"),
                       "the count of its session that has ended")
    assert calls == [(100,)]
    assert [told for told in world.told() if told[0] == OWNER] == [(OWNER, "alarm", "[Truck-01] critical: alarm 9999")]


def test_who_is_blocked_does_not_hear_of_a_storm_either(world):
    world.rule(ADMIN, "email")
    world.query("insert into alarms_log select 1, n, null, 'warning', 'a', now(), null from generate_series(1, 100) n")
    world.query("delete from notices where kind <> 'flood'")
    world.query("update users set status = 'blocked' where email = %s", ADMIN)
    assert world.query("select subject from notice_claim('me', 'email', 16, 60)") == []
    assert world.query("select kind, state from notices") == [("flood", "failed")]


def test_a_notice_that_somebody_else_is_about_to_queue_keeps_the_alarm_for_the_next_try(world):
    world.rule(ADMIN, "email")
    world.raise_alarm(1, "oil")
    world.query("create table saved as select * from notices; grant select on saved to telehaul_owner")
    world.query("delete from notices; delete from alarms_log")
    with connected(world.database, "telehaul_sync") as connection, connected(world.database, "telehaul_owner") as other:
        ask(other, "begin")
        ask(other, "set local app.user_role = 'superuser'")
        ask(other, "insert into notices select * from saved")
        ask(connection, "set app.user_role = 'superuser'; set lock_timeout = '100ms'")
        with pytest.raises(psycopg2.errors.LockNotAvailable):
            ask(connection, "insert into alarms_log (vehicle_id, alarm_id, severity, message, raised_at)"
                            " values (1, 1, 'critical', 'oil', now())")
        assert world.query("select count(*) from alarms_log") == [(0,)]
        ask(other, "rollback")
    world.raise_alarm(1, "oil")
    assert world.told() == [(ADMIN, "alarm", "[Truck-01] critical: oil")]


def test_a_queue_that_is_broken_does_not_keep_alarms_from_coming_home(world):
    world.rule(ADMIN, "email")
    world.query("alter table notices add check (subject <> '[Truck-01] critical: oil')")
    world.raise_alarm(1, "oil")
    assert world.query("select count(*) from alarms_log") == [(1,)] and world.told() == []
    world.raise_alarm(2, "water")
    assert world.told() == [(ADMIN, "alarm", "[Truck-01] critical: water")]


# ---- silence ----

def look(world, watched="1 day", limit=300):
    (count,), = world.query("select fleet_tell_silent(%s, now() - %s::interval)", limit, watched)
    return count


def seen(world, vehicle, ago):
    world.query("update vehicles set last_seen_at = now() - %s::interval where vehicle_id = %s", ago, vehicle)


def test_a_silence_is_told_once_and_its_end_once(world):
    world.rule(ADMIN, "email")
    seen(world, 1, "10 minutes")
    seen(world, 2, "4 minutes")
    assert [look(world), look(world)] == [1, 0]
    assert world.told()[0][1:2] == ("silent",) and "[Truck-01] silent since 20" in world.told()[0][2]
    seen(world, 1, "0 seconds")
    assert [look(world), look(world)] == [1, 0]
    assert world.told()[1][1:] == ("returned", "[Truck-01] is back")
    seen(world, 1, "6 minutes")
    assert [look(world), look(world)] == [1, 0], "the next silence is told anew"


def test_the_limit_is_the_vehicles_own_where_it_has_one(world):
    world.rule(ADMIN, "email")
    world.query("insert into vehicle_sync (vehicle_id, silent_after_s) values (1, 86400), (2, null)")
    seen(world, 1, "10 hours")
    seen(world, 2, "10 hours")
    assert look(world) == 1 and "[Truck-02]" in world.told()[0][2]


def test_nobody_is_silent_while_nobody_has_looked(world):
    """The service, or PostgreSQL, was away: every vehicle gets its limit anew."""
    world.rule(ADMIN, "email")
    seen(world, 1, "10 hours")
    assert look(world, watched="4 minutes") == 0
    assert look(world, watched="6 minutes") == 1


def added(world, vehicle, ago, host="10.0.0.11"):
    world.query("update vehicles set added_at = now() - %s::interval, host = %s where vehicle_id = %s", ago, host, vehicle)


def test_a_vehicle_that_never_answered_is_told_once_when_it_was_added_longer_ago_than_its_limit(world):
    world.rule(ADMIN, "email")
    added(world, 1, "4 minutes")
    assert look(world) == 0
    added(world, 1, "6 minutes")
    assert look(world, watched="4 minutes") == 0, "nobody has looked for that long"
    assert [look(world), look(world)] == [1, 0]
    assert world.told() == [(ADMIN, "silent", "[Truck-01] has not answered since it was added")]
    assert "No answer that counts came from it yet" in world.query("select body from notices")[0][0]
    seen(world, 1, "0 seconds")
    assert [look(world), look(world)] == [1, 0]
    assert world.told()[1] == (ADMIN, "returned", "[Truck-01] has answered for the first time")
    seen(world, 1, "10 minutes")
    assert look(world) == 1 and "[Truck-01] silent since 20" in world.told()[2][2]
    seen(world, 1, "0 seconds")
    assert look(world) == 1 and world.told()[3] == (ADMIN, "returned", "[Truck-01] is back")


def test_its_own_limit_counts_for_one_that_never_answered_too(world):
    world.rule(ADMIN, "email")
    world.query("insert into vehicle_sync (vehicle_id, silent_after_s) values (1, 86400)")
    added(world, 1, "23 hours")
    assert look(world, watched="10 days") == 0
    added(world, 1, "25 hours")
    assert look(world, watched="10 days") == 1


def test_whom_nobody_asks_is_not_silent(world):
    """Made by an import; or removed. A tracker calls us, and has no host."""
    world.rule(ADMIN, "email")
    for host in (None, ""):
        added(world, 1, "10 hours", host)
        assert look(world) == 0
    world.query("update vehicles set transport = 'push' where vehicle_id = 1")
    assert look(world) == 1
    for vehicle in (1, 2):
        seen(world, vehicle, "10 hours")
    added(world, 2, "10 hours")
    world.query("delete from vehicle_silences; insert into vehicle_sync (vehicle_id, removed_at) values (1, now()), (2, now())")
    assert look(world) == 0


def test_one_that_comes_back_to_the_fleet_gets_its_limit_anew(world):
    world.rule(ADMIN, "email")
    added(world, 1, "20 days")
    world.services[0].run("vehicle", "remove", "Truck-01")
    world.services[0].add("Truck-01", "10.0.0.12", client_id="truck_1")
    assert look(world) == 0
    added(world, 1, "6 minutes")
    assert look(world) == 1


# ---- who ----

def test_news_of_the_fleet_are_for_superusers_and_news_of_a_vehicle_for_who_sees_it(world):
    for user in (ADMIN, OWNER, "stranger@example.org", "blocked@example.org"):
        world.rule(user, "email")
    world.query("select fleet_tell('rollout', null, 'paused', 'text', 'rollout:1:paused')")
    world.query("select fleet_tell('rollout', null, 'paused', 'text', 'rollout:1:paused')")
    world.query("select fleet_tell('rollout', 1, 'failed', 'text', 'rollout:1:failed:1')")
    assert sorted(world.told()) == [(ADMIN, "rollout", "failed"), (ADMIN, "rollout", "paused"), (OWNER, "rollout", "failed")]


def test_people_see_their_own_rules_and_notices_alone(world):
    world.rule(ADMIN, "email")
    rule = world.rule(OWNER, "email", kinds=["alarm"])
    world.raise_alarm(1, "oil")
    world.raise_alarm(2, "water", vehicle=2)
    world.query("insert into alarms_log select 1, n, null, 'critical', 'a', now(), null from generate_series(3, 99) n")
    [(told,)] = world.query("select count(*) from notices where user_id = 2")
    assert told == 61 and world.query("select vehicle_id, kind from notices where vehicle_id is null and user_id = 2") == [
        (None, "flood")]
    with connected(world.database, "telehaul_api") as api:
        for user, rules, notices in ((2, [(rule,)], told), (3, [], 0), ("", [], 0)):
            ask(api, "select set_config('app.user_id', %s, false), set_config('app.user_role', 'owner', false)", str(user))
            assert ask(api, "select rule_id from notice_rules") == rules
            assert ask(api, "select count(*) from notices") == [(notices,)]
            assert ask(api, "select count(*) from vehicle_silences") == [(0,)]
        ask(api, "select set_config('app.user_id', '3', false)")
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(api, "insert into notice_rules (user_id, channel, target) values (2, 'email', 'x@y')")
        ask(api, "insert into notice_rules (user_id, channel, target) values (3, 'email', 'x@y')")
        ask(api, "delete from notice_rules where user_id = 2")
        for call in ("fleet_tell('rollout', 1, 'a', 'b', 'c')", "notice_claim('w', 'email', 9, 60)", "notice_forget()",
                     "notice_end('w', 1, null, true)", "fleet_tell_silent(1, now())"):
            with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                ask(api, f"select {call}")
    assert world.query("select count(*) from notice_rules") == [(3,)]


# ---- the end ----

def test_an_attempt_that_failed_waits_longer_each_time_and_for_a_day(world):
    world.rule(ADMIN, "email")
    world.raise_alarm(1, "oil")
    waits = []
    for _ in range(9):
        world.query("update notices set retry_at = null")
        assert world.query("select notice_id from notice_claim('me', 'email', 1, 60)") == [(1,)]
        assert world.query("select notice_begin('me', 1, 60)") == [(True,)]
        with world.database.connect() as connection:
            ask(connection, "begin")  # now() is the same in all of it
            assert ask(connection, "select notice_end('me', 1, 'no luck', false)") == [("waiting",)]
            (wait,), = ask(connection, "select extract(epoch from retry_at - now())::float from notices")
            ask(connection, "commit")
        waits.append(wait)
    for number, wait in enumerate(waits):
        middle = min(3600, 30 * 2 ** number)
        assert 0.79 * middle < wait < 1.21 * middle, waits
    world.query("update notices set retry_at = null, not_before = now() - interval '25 hours'")
    world.query("select notice_claim('me', 'email', 1, 60)")
    world.query("select notice_begin('me', 1, 60)")
    assert world.query("select notice_end('me', 1, 'no luck', false)") == [("failed",)]


def test_what_is_done_is_forgotten_after_30_days_and_what_nobody_could_send_after_three(world):
    world.rule(ADMIN, "email")
    for number in range(1, 5):
        world.raise_alarm(number, "oil")
    world.query("update notices set state = 'sent', created_at = now() - interval '31 days' where notice_id = 1;"
                "update notices set state = 'sent', created_at = now() - interval '29 days' where notice_id = 2;"
                "update notices set not_before = now() - interval '73 hours' where notice_id = 3")
    assert world.query("select notice_forget()") == [(1,)]
    assert world.query("select notice_id, state from notices order by 1") == [(2, "sent"), (3, "failed"), (4, "waiting")]


def test_what_a_machine_says_cannot_pretend_to_be_something_else(world):
    """Control characters and those that turn the direction of writing, in a message, a channel's and a vehicle's name."""
    turned = "\u202a \u202e \u2066 \u2069 \u200e \u200f \u061c"
    world.query("update vehicles set name = %s where vehicle_id = 1", "Truck\u202e\u009b10")
    world.rule(ADMIN, "webhook", "https://example.org/")
    world.raise_alarm(1, f"oil\x07\x1b[31m\u0085\u2028Severity: info {turned} \u043c\u0430\u0441\u043b\u043e", severity="critical")
    (subject, body), = world.query("select subject, body from notices")
    line = "oil [31m Severity: info " + " ".join(["\ufffd"] * 7) + " \u043c\u0430\u0441\u043b\u043e"
    assert subject == f"[Truck\ufffd 10] critical: {line}"
    assert body.split("\n")[:3] == ["Vehicle:  Truck\ufffd 10 (truck_1)", f"Alarm:    {line}", "Severity: critical"]
    assert world.query("select vehicle from notice_claim('me', 'webhook', 16, 60)") == [("Truck\ufffd 10",)]
