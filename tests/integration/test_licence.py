"""The licence: what `keytool license` issues is what the documented format says, and a watchdog that needs one starts
with a good one alone, and says why not otherwise. Licences are signed here a second time, by other code."""

import base64
import json
import pathlib

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

import telehaul
from telehaul import wait_until

DOMAIN = b"telehaul-license-v1\n"


def licence(keys, **members):
    """As docs/security.md describes it."""
    line = json.dumps({"product": "telehaul", "customer": "A customer made up for the test", "machine": "any",
                       "issued_at": "2026-01-01T00:00:00Z", "expires_at": None, **members}).encode()
    return line + b"\n" + base64.b64encode(keys.sign(DOMAIN + line)) + b"\n"


def machine_id():
    return telehaul.run("keytool", "license", "machine-id").stdout.strip()


@pytest.fixture
def root(make_root, keys):
    made = make_root(config={"LICENSE_PUBLIC_KEY_FILE": "keys/license_public.pem"}, inputs=())
    (made.path / "keys" / "license_public.pem").write_bytes(keys.public_file.read_bytes())
    return made


def watchdog(root):
    return telehaul.run("watchdog", "--root", root.path, check=1).stderr


def starts(root):
    program = root.start("watchdog")
    wait_until(lambda: "version 1.0.0" in program.output(), "the start")
    program.stop()
    return program.output()


def test_keytool_issues_what_the_format_says(tmp_path, keys):
    file = tmp_path / "license.dat"
    telehaul.run("keytool", "license", "issue", "--key", keys.private_file, "--customer", "Harvest \"North\"", "--machine",
                 machine_id(), "--expires", "2099-12-31T00:00:00Z", "--output", file)
    line, signature, rest = file.read_bytes().split(b"\n")
    assert rest == b""
    members = json.loads(line)
    assert members.pop("issued_at").endswith("Z")
    assert members == {"product": "telehaul", "customer": "Harvest \"North\"", "machine": machine_id(),
                       "expires_at": "2099-12-31T00:00:00.000000Z"}
    keys.private.public_key().verify(base64.b64decode(signature), DOMAIN + line,
                                     padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.AUTO), hashes.SHA256())
    shown = json.loads(telehaul.run("keytool", "license", "show", file, "--key", keys.public_file, "--json").stdout)
    assert shown["customer"] == "Harvest \"North\"" and len(shown["signer"]) == 64
    telehaul.run("keytool", "license", "issue", "--key", keys.private_file, "--customer", "x", "--output", file, check=1)
    assert json.loads(file.read_bytes().split(b"\n")[0])["customer"] == "Harvest \"North\"", "never over an existing one"


@pytest.mark.parametrize("options", [(), ("--customer", "c"), ("--customer", "", "--output", "x"),
                                     ("--customer", "c", "--output", "x", "--machine", "mine"),
                                     ("--customer", "c", "--output", "x", "--expires", "tomorrow")])
def test_what_keytool_cannot_issue(tmp_path, keys, options):
    done = telehaul.run("keytool", "license", "issue", "--key", keys.private_file, *options, check=2, cwd=tmp_path)
    assert done.stderr.startswith("keytool: ") and not (tmp_path / "x").exists()


def test_a_good_one_lets_the_machine_start(root, keys):
    (root.path / "license.dat").write_bytes(licence(keys))
    assert "licensed to A customer made up for the test, ends: never" in starts(root)


def test_one_for_this_machine(root, keys):
    (root.path / "license.dat").write_bytes(licence(keys, machine=machine_id(), expires_at="2099-01-01T00:00:00Z"))
    assert "ends: 2099-01-01T00:00:00Z" in starts(root)


def test_none_is_needed_without_a_key(make_root):
    root = make_root(inputs=())
    program = root.start("watchdog")
    wait_until(lambda: (root.path / "run" / "status.json").exists(), "the start")
    program.stop()
    assert "licen" not in program.output()


BAD = {
    "missing": (None, "license.dat"),
    "forged": ("other", "its signature is by no key that is trusted here"),
    "expired": ({"expires_at": "2026-02-01T00:00:00Z"}, "it ended at 2026-02-01T00:00:00Z"),
    "another machine": ({"machine": "f" * 32}, "it is for machine " + "f" * 32),
    "another product": ({"product": "plough"}, "it is for the product plough"),
    "no licence": (b"hello\n", "it is no licence"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_one_stops_the_start_and_says_why(root, keys, other_keys, case):
    content, why = BAD[case]
    file = pathlib.Path(root.path / "license.dat")
    if isinstance(content, dict):
        file.write_bytes(licence(keys, **content))
    elif content == "other":
        file.write_bytes(licence(other_keys))
    elif content is not None:
        file.write_bytes(content)
    said = watchdog(root)
    assert f"no valid licence in {root.path}/license.dat" in said and why in said


def test_a_clock_set_back_revives_nothing(root, keys):
    """Floors of time come with verified packages; the file stands in for one."""
    (root.path / "pending_update" / "floors.json").write_text('{"version":"1.0.0","time":"2098-01-01T00:00:00Z"}')
    (root.path / "license.dat").write_bytes(licence(keys, expires_at="2097-01-01T00:00:00Z"))
    assert "it ended at 2097-01-01T00:00:00Z" in watchdog(root)
