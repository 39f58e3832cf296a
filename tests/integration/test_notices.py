"""Notices to people: by email, webhook and Telegram, against servers of the tests' own. Vehicles, people and alarms are made
up; the alarms are written as any writer of the central store writes them."""

import hashlib
import hmac
import re

import pytest
from notice_servers import MailServer, WebServer, make_certificate
from notice_world import by_mail, mail, web, world  # noqa: F401  fixtures
from telehaul import DEADLINE_S, free_port, wait_until

HOSTILE = 'oil\r\nBcc: all@example.org\r\n\r\n.\r\n<b onclick="x">{"a":1}\u202e \u0436\u0430\u0440 100 % %s $(id) \\'


# ---- each way ----

def test_an_alarm_is_told_by_email_when_it_comes_and_when_it_goes(world, mail):
    world.rule("admin@example.org", "email")
    service = by_mail(world, mail).start()
    world.raise_alarm(1, "oil pressure low")
    first = wait_until(lambda: mail.mails, "the first email")[0]
    assert (first.sender, first.recipients) == ("fleet@example.org", ["admin@example.org"])
    assert first.subject == "[Truck-01] critical: oil pressure low"
    assert "Vehicle:  Truck-01 (truck_1)\nAlarm:    oil pressure low\nSeverity: critical\nRaised:   20" in first.text
    assert first.parsed["Auto-Submitted"] == "auto-generated" and first.parsed["Date"].datetime is not None
    assert re.fullmatch(r"<notice\.\d+\.\d{16}@example\.org>", first.id)
    world.resolve_alarm(1)
    wait_until(lambda: len(mail.mails) == 2, "the second email")
    assert mail.mails[1].subject == "[Truck-01] critical over: oil pressure low" and "\nResolved: 20" in mail.mails[1].text
    assert service.stop() == 0
    assert world.states() == ["sent", "sent"]


def test_a_webhook_gets_signed_json(world, web):
    rule = world.rule("owner@example.org", "webhook", web.url + "/hook?x=1", secret="made-up secret")
    world.service(WEBHOOK_ALLOW_PRIVATE="yes").start()
    world.raise_alarm(1, "oil")
    call = wait_until(lambda: web.calls, "the call")[0]
    assert call.path == "/hook?x=1" and call.headers["Content-Type"] == "application/json"
    signed = call.headers["X-Telehaul-Timestamp"].encode() + b"." + call.body
    assert call.headers["X-Telehaul-Signature"] == "sha256=" + hmac.new(b"made-up secret", signed, hashlib.sha256).hexdigest()
    assert {key: call.json[key] for key in ("kind", "severity", "vehicle", "client_id", "subject", "perhaps_sent_before")} == {
        "kind": "alarm", "severity": "critical", "vehicle": "Truck-01", "client_id": "truck_1",
        "subject": "[Truck-01] critical: oil", "perhaps_sent_before": False}
    assert call.headers["Idempotency-Key"] == call.json["id"] and call.json["created_at"].endswith("Z")
    assert rule == 1


def test_telegram_is_called_as_its_bots_are(world, web):
    world.rule("admin@example.org", "telegram", "-1001234567890")
    token = "123456:made-up_TOKEN"
    service = world.service(TELEGRAM_URL=web.url, TELEGRAM_TOKEN=token).start()
    world.raise_alarm(1, "<b>oil</b>")
    call = wait_until(lambda: web.calls, "the call")[0]
    assert call.path == f"/bot{token}/sendMessage"
    assert call.json["chat_id"] == "-1001234567890" and "parse_mode" not in call.json
    assert call.json["text"].startswith("[Truck-01] critical: <b>oil</b>\n\nVehicle:  Truck-01")
    wait_until(lambda: world.states() == ["sent"], "the notice's end")
    assert token not in service.log()


def test_who_may_not_know_is_not_told(world, mail):
    for user in ("admin@example.org", "owner@example.org", "stranger@example.org", "blocked@example.org"):
        world.rule(user, "email")
    by_mail(world, mail).start()
    world.raise_alarm(1, "of truck 1")
    world.raise_alarm(2, "of truck 2", vehicle=2)
    wait_until(lambda: len(mail.mails) >= 3, "three emails")
    world.wait_for_quiet()
    assert sorted((m.recipients[0], m.subject) for m in mail.mails) == [
        ("admin@example.org", "[Truck-01] critical: of truck 1"), ("admin@example.org", "[Truck-02] critical: of truck 2"),
        ("owner@example.org", "[Truck-01] critical: of truck 1")]


def test_access_that_was_withdrawn_before_sending_counts(world, mail):
    world.rule("owner@example.org", "email")
    world.raise_alarm(1, "a secret of truck 1")
    world.query("delete from vehicle_access")
    by_mail(world, mail).start()
    wait_until(lambda: world.states() == ["failed"], "the notice's end")
    assert mail.mails == [] and mail.attempts == 0
    assert world.query("select last_error from notices") == [("the user is not to be told any more",)]


@pytest.mark.parametrize("withdraw", ["delete from notice_rules", "update users set status = 'blocked'"])
def test_a_rule_that_is_gone_and_a_user_who_is_blocked_are_not_told(world, mail, withdraw):
    world.rule("admin@example.org", "email")
    world.raise_alarm(1, "oil")
    world.query(withdraw)
    by_mail(world, mail).start()
    wait_until(lambda: world.states() == ["failed"], "the notice's end")
    assert mail.mails == []


# ---- hostile texts ----

def test_an_alarms_text_stays_text(world, mail, web):
    world.rule("admin@example.org", "email")
    world.rule("admin@example.org", "webhook", web.url)
    by_mail(world, mail, WEBHOOK_ALLOW_PRIVATE="yes").start()
    world.raise_alarm(1, HOSTILE)
    wait_until(lambda: mail.mails and web.calls, "both notices")
    (sent,) = mail.mails
    one_line = re.sub(r"[\x00-\x1f]+", " ", HOSTILE).replace("\u202e", "\ufffd")
    assert sent.recipients == ["admin@example.org"] and sent.parsed["Bcc"] is None
    assert sorted(sent.parsed.keys()) == sorted(["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type",
                                                 "Content-Transfer-Encoding", "Auto-Submitted"])
    assert sent.subject == f"[Truck-01] critical: {one_line}"
    assert sent.parsed.get_content_type() == "text/plain" and f"Alarm:    {one_line}\nSeverity" in sent.text
    assert all(len(line) <= 78 for line in sent.raw.split(b"\r\n")) and max(sent.raw) < 128
    assert web.calls[0].json["subject"] == f"[Truck-01] critical: {one_line}"


# ---- TLS and secrets ----

def test_starttls_is_taken_where_it_is_offered_and_its_certificate_is_checked(world, tmp_path):
    both, public = make_certificate(tmp_path)
    with MailServer(certificate=both, users={"fleet": "made-up pass"}) as server:
        world.rule("admin@example.org", "email")
        trusting = dict(SMTP_USER="fleet", SMTP_PASSWORD="made-up pass", NOTICE_CA_FILE=public)
        done = by_mail(world, server, **{**trusting, "NOTICE_CA_FILE": None}).run("notify", "test", 1, check=3)
        assert "certificate" in done.stderr and server.mails == []
        by_mail(world, server, **trusting).run("notify", "test", 1)
        assert [(m.tls, m.user) for m in server.mails] == [(True, "fleet")]
        done = by_mail(world, server, **{**trusting, "SMTP_PASSWORD": "not that one"}).run("notify", "test", 1, check=4)
        assert "535" in done.stderr and "not that one" not in done.stderr


def test_a_webhooks_certificate_is_checked(world, tmp_path):
    both, public = make_certificate(tmp_path)
    other, _ = make_certificate(tmp_path, host="127.0.0.2", name="other")
    with WebServer(certificate=both) as right, WebServer(certificate=other) as wrong:
        world.rule("admin@example.org", "webhook", right.url)
        world.rule("admin@example.org", "webhook", wrong.url)
        private = dict(WEBHOOK_ALLOW_PRIVATE="yes")
        for rule, settings in ((1, {}), (2, dict(NOTICE_CA_FILE=public))):
            done = world.service(**private, **settings).run("notify", "test", rule, check=False)
            assert done.returncode == 4 and "certificate does not hold" in done.stderr
        world.service(**private, NOTICE_CA_FILE=public).run("notify", "test", 1)
        assert len(right.calls) == 1 and wrong.calls == []


def test_a_webhook_does_not_get_into_the_servers_own_network(world, tmp_path):
    both, public = make_certificate(tmp_path)
    with WebServer(certificate=both) as inside:
        world.rule("admin@example.org", "webhook", inside.url)
        done = world.service(NOTICE_CA_FILE=public).run("notify", "test", 1, check=4)
        assert "is not a public address" in done.stderr
        world.query("update notice_rules set target = %s", f"https://localhost:{inside.port}/")
        done = world.service(NOTICE_CA_FILE=public).run("notify", "test", 1, check=4)
        assert "is not a public address" in done.stderr and inside.calls == []


def test_redirects_are_not_followed(world, web):
    with WebServer() as secret:
        web.answer = lambda call: (307, {"Location": secret.url}, b"")
        world.rule("admin@example.org", "webhook", web.url)
        world.service(WEBHOOK_ALLOW_PRIVATE="yes").start()
        world.raise_alarm(1, "oil")
        wait_until(lambda: world.states() == ["failed"], "the notice's end")
        assert len(web.calls) == 1 and secret.calls == []
        assert world.query("select last_error from notices") == [("answered 307: redirects are not followed",)]


# ---- commands ----

def test_the_commands(world, mail):
    service = by_mail(world, mail)
    assert "nobody is told of anything" in service.run("notify", "list").stdout
    made = service.run("notify", "add", "--user", "OWNER@example.org", "--channel", "email", "--kinds", "alarm,silent",
                       "--min-severity", "warning", "--quiet-hours", "22:00-07:00", "--time-zone", "Europe/Kyiv")
    assert made.stdout == "rule 1: OWNER@example.org is told by email\n"
    made = service.run("notify", "add", "--user", "owner@example.org", "--channel", "telegram", "--target", "@fleet_news")
    assert "nothing is sent by telegram yet: TELEGRAM_TOKEN is not set" in made.stdout
    made = service.run("notify", "add", "--user", "owner@example.org", "--channel", "webhook", "--target", "https://x.example/")
    secret = re.search(r"signed with the secret (\S{36})\n", made.stdout)[1]
    first, second, third = service.json("notify", "list")["rules"]
    assert (first["target"], first["kinds"], first["quiet_hours"], first["time_zone"], first["min_severity"]) == (
        "owner@example.org", "alarm,silent", "22:00-07:00", "Europe/Kyiv", "warning")
    assert second["channel"] == "telegram" and secret not in str(third)
    assert world.query("select secret from notice_rules where rule_id = 3") == [(secret,)]
    service.run("notify", "test", 1)
    assert mail.mails[0].subject == "Telehaul can reach you here" and mail.mails[0].recipients == ["owner@example.org"]
    assert "removed rule 2" in service.run("notify", "remove", 2).stdout
    assert [rule["rule_id"] for rule in service.json("notify", "list")["rules"]] == [1, 3]


@pytest.mark.parametrize("words, says, code", [
    ([], "notify add needs --channel", 2),
    (["--channel", "pigeon", "--user", "a"], "notify add needs --channel email, webhook or telegram", 2),
    (["--channel", "email"], "notify add needs --user", 2),
    (["--channel", "email", "--user", "nobody@example.org"], "there is no user nobody@example.org", 1),
    (["--channel", "email", "--user", "owner@example.org", "--target", "a@b\r\nRCPT TO:<x@y>"], "expected an email address", 2),
    (["--channel", "webhook", "--user", "owner@example.org"], "needs --target for webhook", 2),
    (["--channel", "webhook", "--user", "owner@example.org", "--target", "http://x.example/"], "expected an address of https", 2),
    (["--channel", "webhook", "--user", "owner@example.org", "--target", "file:///etc/passwd"], "https", 2),
    (["--channel", "webhook", "--user", "owner@example.org", "--target", "https://u:p@x.example/"], "without a user", 2),
    (["--channel", "telegram", "--user", "owner@example.org", "--target", "12/../x"], "expected a chat's number", 2),
    (["--channel", "email", "--user", "owner@example.org", "--kinds", "alarm,all"], "--kinds: expected some of", 2),
    (["--channel", "email", "--user", "owner@example.org", "--min-severity", "bad"], "--min-severity: expected", 2),
    (["--channel", "email", "--user", "owner@example.org", "--quiet-hours", "22-7"], "two different times of day", 2),
    (["--channel", "email", "--user", "owner@example.org", "--quiet-hours", "07:00-07:00"], "two different times of day", 2),
    (["--channel", "email", "--user", "owner@example.org", "--quiet-hours", "24:00-07:00"], "two different times of day", 2),
    (["--channel", "email", "--user", "owner@example.org", "--time-zone", "Mars/Base"], "--time-zone: expected", 2),
])
def test_a_rule_that_cannot_be_is_refused_with_a_reason(world, words, says, code):
    done = world.service().run("notify", "add", *words, check=False)
    assert says in done.stderr and done.returncode == code, (done.returncode, done.stderr)
    assert world.query("select count(*) from notice_rules") == [(0,)]


def test_a_target_has_one_rule_and_a_rule_that_is_not_there_is_said(world):
    service = world.service()
    words = ("notify", "add", "--user", "owner@example.org", "--channel", "email")
    service.run(*words)
    assert "is told by email at that target already" in service.run(*words, check=1).stderr
    for command in ("remove", "test"):
        assert "there is no rule 7" in service.run("notify", command, 7, check=1).stderr
        assert "is no rule's number" in service.run("notify", command, "x", check=2).stderr


def test_a_mail_server_that_is_not_there_is_said(world):
    world.rule("admin@example.org", "email")
    assert "SMTP_URL is not set" in world.service().run("notify", "test", 1, check=2).stderr
    service = world.service(SMTP_URL=f"smtp://127.0.0.1:{free_port()}", SMTP_FROM="fleet@example.org")
    assert "the mail server 127.0.0.1" in service.run("notify", "test", 1, check=3).stderr


# ---- silence ----

def test_a_vehicle_that_falls_silent_is_told_by_the_service_itself_and_so_is_its_return(world, mail):
    world.rule("owner@example.org", "email", kinds=["silent"])
    world.query("update vehicles set last_seen_at = now() - interval '1 hour', transport = 'push'")
    world.query("insert into vehicle_sync (vehicle_id, silent_after_s) values (1, 1), (2, 1)")
    by_mail(world, mail).start()
    first = wait_until(lambda: mail.mails, "the email", deadline_s=2 * DEADLINE_S)[0]
    assert first.subject.startswith("[Truck-01] silent since 20") and "Last seen: 20" in first.text
    world.query("update vehicle_sync set silent_after_s = 3600; update vehicles set last_seen_at = now()")
    wait_until(lambda: len(mail.mails) == 2, "the second email", deadline_s=2 * DEADLINE_S)
    assert mail.mails[1].subject == "[Truck-01] is back" and mail.mails[1].recipients == ["owner@example.org"]
