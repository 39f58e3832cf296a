"""Notices when something is wrong: servers that refuse, are slow or away, two services at once, kill -9 at every point that
can be told apart, PostgreSQL away. Vehicles, people and alarms are made up."""

import collections
import contextlib
import random
import threading
import time

import httpx
import pytest
from notice_servers import WebServer
from notice_world import World, by_mail, mail, web, world  # noqa: F401  fixtures
from telehaul import DEADLINE_S, free_port, wait_until

ADMIN, OWNER = "admin@example.org", "owner@example.org"


def alarms(world, first, last):
    world.query("insert into alarms_log select 1, n, null, 'critical', 'alarm ' || n, now(), null"
                " from generate_series(%s::int, %s::int) n", first, last)


def again_now(world):
    """The next attempt is due, the claims of the dead have run out."""
    world.query("update notices set retry_at = now(), claimed_until = now() - interval '1 second'"
                " where state in ('waiting', 'sending')")


def attempted_once(world):
    """The only notice's state behind its first attempt."""
    ((state,),) = wait_until(lambda: world.query("select state from notices where attempts = 1 and state <> 'sending'"),
                             "the attempt's end")
    return state


# ---- refusals ----

def test_a_refusal_for_now_is_tried_again_and_one_for_good_is_not(world, mail):
    world.rule(ADMIN, "email")
    by_mail(world, mail).start()
    mail.answers["RCPT"] = "450 mailbox busy\u0007"
    world.raise_alarm(1, "oil")
    ((state, attempts, problem),) = wait_until(
        lambda: world.query("select state, attempts, last_error from notices where retry_at is not null"), "the failed attempt")
    assert (state, attempts) == ("waiting", 1) and "450 mailbox busy" in problem and "\x07" not in problem
    mail.answers["RCPT"] = "550 no such mailbox"
    again_now(world)
    wait_until(lambda: world.states() == ["failed"], "the end")
    assert world.query("select attempts, last_error from notices") == [
        (2, "the mail server 127.0.0.1 refused: 550 no such mailbox")]
    del mail.answers["RCPT"]
    again_now(world)
    world.raise_alarm(2, "water")
    wait_until(lambda: mail.mails, "the next notice")
    assert [m.subject for m in mail.mails] == ["[Truck-01] critical: water"]


@pytest.mark.parametrize("stage, answer, state", [
    ("MAIL", "451 later", "waiting"), ("MAIL", "550 not you", "failed"), ("DATA", "452 full", "waiting"),
    ("TEXT", "554 spam", "failed"), ("TEXT", "451 later", "waiting"), ("EHLO", "421 closing", "waiting"),
    ("MAIL", "530 log in first", "waiting"), ("RCPT", "421 closing", "waiting")])
def test_every_stage_of_a_refusal(world, mail, stage, answer, state):
    world.rule(ADMIN, "email")
    mail.answers[stage] = answer
    if stage == "EHLO":
        mail.answers["HELO"] = answer
    by_mail(world, mail).start()
    world.raise_alarm(1, "oil")
    assert attempted_once(world) == state and mail.mails == []
    mail.answers.clear()
    if state == "waiting":
        again_now(world)
        wait_until(lambda: world.states() == ["sent"], "the second attempt", deadline_s=2 * DEADLINE_S)


@pytest.mark.parametrize("status, state", [(200, "sent"), (204, "sent"), (302, "failed"), (400, "failed"), (404, "failed"),
                                           (408, "waiting"), (429, "waiting"), (500, "waiting"), (503, "waiting")])
def test_what_a_webhook_answers(world, web, status, state):
    web.answer = lambda call: (status, {}, b"")
    world.rule(ADMIN, "webhook", web.url)
    world.service(WEBHOOK_ALLOW_PRIVATE="yes").start()
    world.raise_alarm(1, "oil")
    assert attempted_once(world) == state and len(web.calls) == 1


def test_telegram_says_why(world, web):
    web.answer = lambda call: (400, {}, b'{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}')
    world.rule(ADMIN, "telegram", "42")
    world.service(TELEGRAM_URL=web.url, TELEGRAM_TOKEN="1:a").start()
    world.raise_alarm(1, "oil")
    wait_until(lambda: world.states() == ["failed"], "the end")
    assert world.query("select last_error from notices") == [("Telegram answered 400: Bad Request: chat not found",)]


def test_a_wrong_token_holds_everything_and_loses_nothing(world, web):
    web.answer = lambda call: (401, {}, b"<html>not JSON")
    world.rule(ADMIN, "telegram", "42")
    alarms(world, 1, 5)
    service = world.service(TELEGRAM_URL=web.url, TELEGRAM_TOKEN="1:secret_token").start()
    wait_until(lambda: "could not be sent: Telegram answered 401" in service.log(), "the refusal")
    assert world.states() == ["waiting"] * 5 and len(web.calls) == 1
    wait_until(lambda: not world.query("select 1 from notices where claimed_by is not null"), "the others' release")
    (told,) = service.json("status")["notices"]
    assert (told["channel"], told["waiting"], told["sent"], told["failed"], told["last_error"]) == (
        "telegram", 5, 0, 0, "Telegram answered 401")
    assert "secret_token" not in service.log() and not world.query("select 1 from notices where last_error ~ 'secret'")


# ---- one that is slow or dead is alone with it ----

def test_a_mail_server_that_says_nothing_holds_up_nobody_else(world, mail, web):
    mail.hold.clear()
    world.rule(ADMIN, "email")
    world.rule(ADMIN, "webhook", web.url)
    by_mail(world, mail, WEBHOOK_ALLOW_PRIVATE="yes").start()
    world.raise_alarm(1, "oil")
    assert mail.held.wait(DEADLINE_S)
    world.raise_alarm(2, "water")
    wait_until(lambda: sorted(world.query("select channel, state from notices")) == [
        ("email", "sending"), ("email", "waiting"), ("webhook", "sent"), ("webhook", "sent")], "the webhook's calls")
    assert len(web.calls) == 2
    mail.hold.set()
    wait_until(lambda: len(mail.mails) == 2, "the emails")


def test_a_webhook_that_is_dead_is_tried_once_in_a_while_and_others_are_not_kept(world, web):
    world.rule(ADMIN, "webhook", f"http://127.0.0.1:{free_port()}/")
    world.rule(OWNER, "webhook", web.url)
    alarms(world, 1, 20)
    world.service(WEBHOOK_ALLOW_PRIVATE="yes").start()
    wait_until(lambda: len(web.calls) == 20, "the calls of the other one")
    wait_until(lambda: world.query("select 1 from notices where user_id = 1 and attempts = 1 and state = 'waiting'"), "a try")
    (tries,), = world.query("select sum(attempts) from notices where user_id = 1")
    assert tries <= 16, "those that were claimed together, and no more"
    assert world.query("select notice_id from notice_claim('me', 'webhook', 16, 60)") == []


def test_metrics_tell_how_notices_go(world, mail):
    port = free_port()
    world.rule(ADMIN, "email")
    by_mail(world, mail, METRICS_PORT=port).start()
    world.raise_alarm(1, "oil")
    wait_until(lambda: world.states() == ["sent"], "the email")
    mail.answers["RCPT"] = "550 gone"
    world.raise_alarm(2, "water")
    wait_until(lambda: world.states() == ["sent", "failed"], "the refusal")

    def there():
        try:
            lines = httpx.get(f"http://127.0.0.1:{port}/metrics").text.splitlines()
        except httpx.TransportError:  # notices are sent before anybody listens there
            return False
        return {'telehaul_sync_notices_sent_total{channel="email"} 1', "telehaul_sync_notices_given_up_total 1",
                'telehaul_sync_notice_attempts_failed_total{channel="email"} 1', "telehaul_sync_notices_waiting 0"} <= set(lines)
    wait_until(there, "the counts")


# ---- two services, and deaths ----

def test_two_services_send_each_notice_once(world, mail, web):
    world.rule(ADMIN, "email")
    world.rule(OWNER, "webhook", web.url)
    services = [by_mail(world, mail, WEBHOOK_ALLOW_PRIVATE="yes").start() for _ in range(2)]
    for first in range(1, 41, 10):
        alarms(world, first, first + 9)
    world.wait_for_quiet()
    assert world.states() == ["sent"] * 80
    assert sorted(collections.Counter(m.subject for m in mail.mails).values()) == [1] * 40
    assert sorted(collections.Counter(call.json["id"] for call in web.calls).values()) == [1] * 40
    for service in services:
        assert service.stop() == 0


def test_dead_after_claiming_nothing_was_sent_and_it_goes_once(world, mail):
    world.rule(ADMIN, "email")
    alarms(world, 1, 3)
    assert len(world.query("select notice_id from notice_claim('dead', 'email', 16, 60)")) == 3
    by_mail(world, mail).start()
    world.query("update notices set claimed_until = now() - interval '1 second'")
    world.wait_for_quiet()
    assert [m.subject for m in mail.mails] == [f"[Truck-01] critical: alarm {n}" for n in (1, 2, 3)]
    assert world.query("select sum(unsure), sum(attempts) from notices") == [(0, 3)]


def test_dead_while_sending_it_comes_a_second_time_with_the_same_id_and_never_a_third(world, mail):
    mail.hold.clear()
    world.rule(ADMIN, "email")
    world.raise_alarm(1, "oil")
    for number in (1, 2):
        service = by_mail(world, mail).start()
        wait_until(lambda: len(mail.mails) == number, "the mail server's taking it")
        assert world.states() == ["sending"]
        service.die()
        again_now(world)
    mail.hold.set()
    by_mail(world, mail).start()
    wait_until(lambda: world.states() == ["failed"], "the end")
    assert [m.id for m in mail.mails] == [mail.mails[0].id] * 2
    assert "nobody knows whether it was sent" in world.query("select last_error from notices")[0][0]


def test_a_webhooks_second_call_has_the_same_key_and_says_so(world, web):
    world.rule(ADMIN, "webhook", web.url)
    world.raise_alarm(1, "oil")
    world.query("select notice_claim('dead', 'webhook', 16, 60)")
    world.query("select notice_begin('dead', 1, 60); update notices set claimed_until = now() - interval '1 second'")
    world.service(WEBHOOK_ALLOW_PRIVATE="yes").start()
    call = wait_until(lambda: web.calls, "the call")[0]
    assert call.json["perhaps_sent_before"] is True and call.headers["Idempotency-Key"].startswith("notice.1.")


def test_a_claim_that_ran_out_is_not_sent_by_its_old_owner(world):
    world.rule(ADMIN, "email")
    world.raise_alarm(1, "oil")
    world.query("select notice_claim('old', 'email', 16, 60)")
    world.query("update notices set claimed_until = now() - interval '1 second'")
    assert world.query("select notice_begin('old', 1, 60)") == [(False,)]
    world.query("select notice_claim('new', 'email', 16, 60)")
    assert world.query("select notice_begin('old', 1, 60), notice_begin('new', 1, 60)") == [(False, True)]
    assert world.query("select notice_end('old', 1, null, false)") == [(None,)]
    assert world.query("select notice_end('new', 1, null, false)") == [("sent",)]


def test_killed_at_random_each_notice_comes_and_at_most_as_many_twice_as_there_were_deaths(world, mail):
    """Made-up luck: the seed is printed when it fails. What was being sent at a death is sent before the next one: what two
    of them have hit is given up (above)."""
    seed = random.randrange(1 << 32)
    luck = random.Random(seed)
    world.rule(ADMIN, "email")
    deaths, hit = 8, []
    for death in range(deaths):
        service = by_mail(world, mail).start()
        alarms(world, 6 * death + 1, 6 * death + 6)
        wait_until(lambda hit=hit: all(world.query("select state from notices where notice_id = %s", one) == [("sent",)]
                                       for one, in hit), "the one that the last death hit")
        before = len(mail.mails)
        wanted = luck.randrange(1, 7)
        with contextlib.suppress(AssertionError):
            wait_until(lambda: len(mail.mails) >= before + wanted, "some emails", deadline_s=5, every_s=0.001)
        time.sleep(luck.random() / 100)  # somewhere between two of its steps
        service.die()
        hit = world.query("select notice_id from notices where state = 'sending'")
        world.query("update notices set claimed_until = now() where state = 'sending' or claimed_by is not null")
    by_mail(world, mail).start()
    world.wait_for_quiet()
    came = collections.Counter(m.id for m in mail.mails)
    assert len(came) == 6 * deaths and set(world.states()) == {"sent"}, seed
    assert max(came.values()) <= 2 and sum(came.values()) - len(came) <= deaths, (seed, came)


# ---- PostgreSQL ----

def test_postgresql_away_behind_the_email_does_not_send_it_twice(tmp_path, own_cluster, mail):
    with own_cluster.database() as database, World(tmp_path, database) as world:
        world.rule(ADMIN, "email")
        service = by_mail(world, mail).start()
        mail.hold.clear()
        world.raise_alarm(1, "oil")
        assert mail.held.wait(DEADLINE_S)
        own_cluster.stop(immediately=True)
        mail.hold.set()
        wait_until(lambda: "notices by email wait" in service.log(), "the missing database")
        own_cluster.start()
        wait_until(lambda: world.states() == ["sent"], "the notice's end", deadline_s=3 * DEADLINE_S)
        world.raise_alarm(2, "water")
        wait_until(lambda: len(mail.mails) == 2, "the next one", deadline_s=3 * DEADLINE_S)
        assert [m.subject for m in mail.mails] == ["[Truck-01] critical: oil", "[Truck-01] critical: water"]


# ---- webhooks that hang ----

@contextlib.contextmanager
def hanging(count):
    """Webhooks that take a call and say nothing until the end."""
    over = threading.Event()
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(WebServer(answer=lambda call: over.wait() and (200, {}, b""))) for _ in range(count)]
        stack.callback(over.set)
        yield servers


def test_webhooks_that_hang_hold_up_nobody_else(world, web):
    """Each has 20 notices ahead of the healthy one's, more than is claimed at a time; its call comes while they hang in their
    first ones (a slow machine may see a few more)."""
    with hanging(2) as (first, second):
        called = []
        web.answer = lambda call: called.append(len(first.calls) + len(second.calls)) or (200, {}, b"")
        world.rule(ADMIN, "webhook", first.url)
        world.rule("blocked@example.org", "webhook", second.url)
        world.query("update users set status = 'active'")
        alarms(world, 1, 20)
        world.rule(OWNER, "webhook", web.url)
        world.raise_alarm(21, "fire")
        world.service(WEBHOOK_ALLOW_PRIVATE="yes").start()
        wait_until(lambda: called, "the healthy one's call")
        assert called[0] < 20, "it waited behind theirs"
        wait_until(lambda: first.calls and second.calls, "theirs")


def test_a_target_is_called_by_one_at_a_time_and_what_failed_waits_behind_the_others(world):
    world.rule(ADMIN, "webhook", "https://a.example.org/")
    world.rule(OWNER, "webhook", "https://b.example.org/")
    alarms(world, 1, 3)
    claim = "select distinct target from notice_claim(%s, 'webhook', 2, 60)"
    a, = world.query(claim, "one")
    b, = world.query(claim, "two")
    assert {a, b} == {("https://a.example.org/",), ("https://b.example.org/",)}
    assert world.query(claim, "three") == []  # each has a third one, and somebody who calls it
    failed, = world.query("select min(notice_id) from notices where target = %s", a)
    world.query("select notice_begin('one', %s, 60)", *failed)
    world.query("select notice_end('one', %s, 'hung', false)", *failed)
    world.query("select notice_release('one'), notice_release('two'); update notices set retry_at = now() where retry_at is not null")
    assert world.query(claim, "one") == [b] and world.query(claim, "two") == [a]
