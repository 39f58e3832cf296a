"""sync_service's settings and options: what --check-config accepts starts, what it refuses does not, with the same words and
the same exit code; an option is never ignored. Keys, addresses and tokens are made up."""

import pytest
import telehaul
from notice_servers import make_certificate
from sync_service import SyncService


@pytest.fixture
def service(tmp_path, postgres):
    with SyncService(tmp_path, postgres) as made:
        yield made.migrate()


def private_key(folder, keys, mode=0o600):
    path = folder / "key.pem"
    path.write_bytes(keys.private_file.read_bytes())
    path.chmod(mode)
    return path


def words(folder):
    path = folder / "words.pem"
    path.write_text("made up\n")
    path.chmod(0o600)
    return path


WRONG = {  # a name -> settings, what is said beside the key, the exit code
    "no key": (lambda folder, keys: {"AUTH_KEY_FILE": "no_such.pem"}, "RSA private key", 2),
    "a key that is none": (lambda folder, keys: {"AUTH_KEY_FILE": words(folder).name}, "RSA private key", 2),
    "a key for all to read": (lambda folder, keys: {"AUTH_KEY_FILE": private_key(folder, keys, 0o644)}, "chmod 600", 4),
    "no update keys": (lambda folder, keys: {"UPDATE_PUBLIC_KEY_FILE": "no_such.pem"}, "public keys", 2),
    "update keys that are none": (lambda folder, keys: {"UPDATE_PUBLIC_KEY_FILE": words(folder)}, "public keys", 2),
    "no authorities": (lambda folder, keys: {"NOTICE_CA_FILE": "no_such.pem"}, "certificates", 2),
    "authorities that are none": (lambda folder, keys: {"NOTICE_CA_FILE": words(folder)}, "certificates", 2),
    "a mail server of the web": (lambda folder, keys: {"SMTP_URL": "http://x"}, "smtp|smtps", 2),
    "no sender": (lambda folder, keys: {"SMTP_FROM": "nobody"}, "email address", 2),
    "gopher": (lambda folder, keys: {"TELEGRAM_URL": "gopher://x"}, "https", 2),
    "a token in the clear": (lambda folder, keys: {"TELEGRAM_URL": "http://10.0.0.1"}, "https", 2),
    "no token": (lambda folder, keys: {"TELEGRAM_TOKEN": "no/token"}, "bot's token", 2),
    "metrics nowhere": (lambda folder, keys: {"METRICS_BIND": "here"}, "address", 2),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_the_service_refuses_the_check_refuses_with_file_and_line(service, keys, tmp_path, wrong):
    settings, said, code = WRONG[wrong]
    values = settings(tmp_path, keys)
    key, = values
    service.write(**values)
    line = service.config.read_text().splitlines().index(f"{key} = {values[key]}") + 1
    for words in (["--check-config"], [], ["once"]):
        done = service.run(*words, check=code)
        assert f"{service.config.name}:{line}: {key}: " in done.stderr and said in done.stderr and done.stdout == "", words
    assert "no/token" not in done.stderr


def test_what_the_check_accepts_starts(service, keys, tmp_path):
    _, authorities = make_certificate(tmp_path)
    service.write(AUTH_KEY_FILE=private_key(tmp_path, keys).name, UPDATE_PUBLIC_KEY_FILE=keys.public_file,
                  NOTICE_CA_FILE=authorities.name, SMTP_URL="smtp://127.0.0.1:9", SMTP_FROM="fleet@example.org",
                  TELEGRAM_URL="http://127.0.0.1:9", TELEGRAM_TOKEN="1:a", METRICS_BIND="::1")
    assert service.run("--check-config").stdout == "ok\n"
    service.start()
    telehaul.wait_until(lambda: "Sync service starting" in service.log(), "the start")


def test_a_wrong_value_of_the_environment_is_told_as_such(service):
    env = {"AUTH_KEY_FILE": "/no/such.pem"}
    assert "the environment: AUTH_KEY_FILE: " in service.run("--check-config", check=2, env=env).stderr
    assert "TELEHAUL_KEY: AUTH_KEY_FILE: " in service.run("--check-config", check=2, env={"TELEHAUL_KEY": "/no/such.pem"}).stderr


def test_a_command_that_needs_no_key_works_without(service):
    service.write(AUTH_KEY_FILE="no_such.pem")
    assert service.json("vehicle", "list") == {"vehicles": []}


# ---- options ----

OPTIONS = {"once": ["vehicle"],
           "vehicle add": ["host", "transport", "agent-port", "api-port", "api-key", "api-key-file", "name", "kind", "client-id",
                           "fingerprint", "accept-new-host", "silent-after"],
           "rollout start": ["waves", "max-failures", "healthy", "vehicles", "public-key"],
           "notify add": ["user", "channel", "target", "kinds", "min-severity", "quiet-hours", "time-zone", "secret",
                          "secret-file"]}


@pytest.mark.parametrize("option", [name for names in OPTIONS.values() for name in names])
def test_an_option_without_its_command_is_wrong_usage(service, option):
    done = service.run(f"--{option}", "x", check=2)
    assert f"--{option} does not go with no command" in done.stderr and "Sync service starting" not in done.stderr
    assert f"--{option} does not go with the command status" in service.run("status", f"--{option}", "x", check=2).stderr


@pytest.mark.parametrize("typed", [["--json"], ["status", "--check-config"], ["vehicle", "list", "--host", "h"],
                                   ["rollout", "status", "--waves", "1"], ["notify", "test", "1", "--target", "x"]])
def test_an_option_of_another_command_is_wrong_usage(service, typed):
    assert "does not go with" in service.run(*typed, check=2).stderr


def test_the_table_here_has_every_option(service):
    told = telehaul.run("sync_service", "--help").stdout
    shown = {line.split()[0] for line in told.splitlines() if line.startswith("  --")}
    assert shown == {f"--{name}" for names in OPTIONS.values() for name in names} | {
        "--config", "--check-config", "--json", "--quiet", "--help", "--version"}


# ---- exit codes ----

def test_a_package_that_cannot_be_read_is_a_bad_input_file(service, tmp_path):
    assert "no_such.zip" in service.run("rollout", "start", tmp_path / "no_such.zip", check=5).stderr
    assert "5 bad input file" in telehaul.run("sync_service", "--help").stdout


def test_a_time_zone_that_is_none_is_wrong_usage(service):
    service.database.query("insert into users (email, role, status) values ('a@example.org', 'superuser', 'active')")
    done = service.run("notify", "add", "--user", "a@example.org", "--channel", "email", "--time-zone", "Mars/Phobos", check=2)
    assert "--time-zone: expected a time zone as Europe/Kyiv or UTC, found `Mars/Phobos`" in done.stderr
    service.run("notify", "add", "--user", "a@example.org", "--channel", "email", "--time-zone", "Europe/Kyiv")
