"""What operations need is there and true: the alert rules (promtool), what /metrics says (promtool), a page for each alert, and
the SQL and the commands of the pages."""

import re
import subprocess

import httpx
import pytest
import telehaul
from docs_text import names, read, table
from sync_service import SyncService
from telehaul import PROJECT, free_port, wait_until

RULES = PROJECT / "packaging/prometheus/telehaul.rules.yml"
PAGES = sorted((PROJECT / "docs/operations").glob("*.md"))
SQL = [(page.name, statement) for page in PAGES for block in re.findall(r"```sql\n(.*?)```", page.read_text(), re.S)
       for statement in block.split(";") if statement.strip()]


def promtool(*words, text=None):
    done = subprocess.run(["promtool", *map(str, words)], capture_output=True, text=True, input=text, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def alerts():
    """Name -> page, as the rules have it."""
    return dict(re.findall(r"- alert: (\w+)\n.*?runbook: (\S+)", RULES.read_text(), re.S))


@pytest.fixture
def service(tmp_path, postgres):
    with SyncService(tmp_path, postgres, METRICS_PORT=free_port()).migrate() as made:
        yield made


def metrics(service):
    url = f"http://127.0.0.1:{service.settings['METRICS_PORT']}/metrics"

    def answer():
        try:
            return httpx.get(url)
        except httpx.TransportError:
            return None
    return wait_until(answer, "the answer of /metrics")


# ---- Prometheus ----

def test_the_rules_hold_and_do_what_they_are_for():
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("check", "config", PROJECT / "packaging/prometheus/prometheus.yml")
    assert "SUCCESS" in promtool("test", "rules", PROJECT / "tests/integration/prometheus_rules.yml")


def test_what_is_served_is_as_prometheus_wants_it(service):
    service.start()
    answer = metrics(service)
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert promtool("check", "metrics", text=answer.text) == ""
    served = set(re.findall(r"^(telehaul_\w+)", answer.text, re.M))
    assert set(re.findall(r"telehaul_sync_\w+", RULES.read_text() + read("tests/integration/prometheus_rules.yml"))) <= served
    stated = {re.match(r"\w+", names(row[0])[0])[0]: row[1] for row in table("docs/operations/README.md", "What is counted")}
    assert stated == dict(re.findall(r"^# HELP (\w+) (.*)$", answer.text, re.M))


def test_it_is_off_unless_it_is_asked_for_and_on_loopback_alone(service):
    port = service.settings["METRICS_PORT"]
    service.start()
    metrics(service)
    assert telehaul.listens(port, "127.0.0.1") and not telehaul.listens(port, "127.0.0.2")
    with SyncService(service.folder, service.database, name="off").start() as off:
        wait_until(lambda: "Sync service starting" in off.log(), "the start")
        assert "/metrics" not in off.log()


# ---- the pages ----

def test_every_alert_has_its_page_and_every_page_its_alert():
    found = alerts()
    assert len(found) == RULES.read_text().count("- alert:")
    for name, page in found.items():
        assert f"`{name}`" in read(page), f"{page} does not name {name}"
    linked = set(re.findall(r"\]\((\w+\.md)\)", read("docs/operations/README.md")))
    assert linked == {page.name for page in PAGES} - {"README.md"}
    rows = table("docs/operations/README.md", "Running the fleet's server: alerts and what to do")
    listed = {alert: re.search(r"\((\w+\.md)\)", row[0])[1] for row in rows
              for alert in re.findall(r"Telehaul\w+", row[1])}
    assert {name: f"docs/operations/{page}" for name, page in listed.items()} == found


def test_every_page_says_what_it_is_and_what_to_do():
    for page in set(alerts().values()):
        assert re.findall(r"^## (.*)$", read(page), re.M) == [
            "What it means", "What people see", "How to look", "What to do"], page
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
            assert (page.parent / target).exists(), (page, target)


def test_the_sql_of_the_pages_runs(service):
    assert len(SQL) > 15
    for page, statement in SQL:
        service.database.query(statement)  # fails with the statement's own error


def test_the_commands_of_the_pages_are_known():
    said = telehaul.run("sync_service", "--help").stdout
    text = "\n".join(page.read_text() for page in PAGES)
    used = set(re.findall(r"sync_service (?:--config FILE )?(status|once|(?:vehicle|notify|rollout) [a-z]+)\b", text))
    assert {"status", "once", "notify add", "notify test", "vehicle set"} <= used
    for words in used:
        assert all(word in said for word in words.split()), words
    for option in set(re.findall(r"(?<![\w-])--([a-z][a-z-]+)", " ".join(
            line for line in text.splitlines() if "sync_service" in line))):
        assert f"--{option}" in said, option
    for key in set(re.findall(r"`([A-Z]+(?:_[A-Z]+)+)\b", text)) - {"OUTBOUND_API_KEY"}:
        assert f'"{key}"' in read("server_tools/sync_service/settings_keys.c"), key
