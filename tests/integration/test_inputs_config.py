"""The options of the inputs `lines` and `exec`, `collector --test`, and what docs/appliance.md says of them."""

import json
import re
import shutil
import subprocess

import pytest
import telehaul
import test_docs
from inputs_root import Lines
from telehaul import wait_until


# ---- the config, --test ----

@pytest.mark.parametrize("value, says", [
    ("lines", "expected listen=ADDRESS:PORT"),
    ("lines listen=8094", "expected listen=ADDRESS:PORT"),
    ("lines listen=localhost:8094", "expected listen=ADDRESS:PORT"),
    ("lines listen=127.0.0.1:0", "expected listen=ADDRESS:PORT"),
    ("lines listen=127.0.0.1:65536", "expected listen=ADDRESS:PORT"),
    ("lines listen=::1:8094", "expected listen=ADDRESS:PORT"),
    ("lines listen=[127.0.0.1]:8094", "expected listen=ADDRESS:PORT"),
    ("lines listen=unix:", "expected a path behind listen=unix:"),
    ("lines listen=127.0.0.1:8094 listen=127.0.0.1:8095", "expected listen= once"),
    ("lines listen=127.0.0.1:8094 precision=m", "expected one of ns|us|ms|s|auto behind precision="),
    ("lines listen=127.0.0.1:8094 max_channels=0", "expected a whole number from 1 to 10000 behind max_channels="),
    ("lines listen=127.0.0.1:8094 colour=red", "unknown option `colour`, expected listen="),
    ("exec", "expected command="),
    ('exec command=""', "behind command="),
    ("exec command=\"sh -c 'open\"", "expected a ' that ends"),
    ('exec command="a" mode=twice', "expected one of once|stream behind mode="),
    ('exec command="a" interval_ms=1', "expected a whole number from 100 to 86400000 behind interval_ms="),
    ('exec command="a" timeout_ms=x', "expected a whole number from 100 to 86400000 behind timeout_ms="),
    ('exec command="a" format=value', "expected channel=NAME with format=value"),
    ('exec command="a" channel=b', "expected channel= with format=value alone"),
    ('exec command="a" format=json', "expected one of lines|value behind format="),
])
def test_a_bad_option_is_refused_with_its_place(make_root, value, says):
    root = make_root(inputs=[value])
    [number] = [number for number, line in enumerate(root.config_file.read_text().splitlines(), 1)
                if line.startswith("INPUT")]
    refused = telehaul.run("collector", "--root", root.path, "--check-config", check=2)
    assert f"config.txt:{number}: INPUT: {value.split()[0]}: " in refused.stderr and says in refused.stderr, refused.stderr


@pytest.mark.parametrize("value", [
    "lines listen=[::1]:8094", "lines listen=unix:/run/telehaul/lines.sock precision=auto max_channels=10000",
    'exec command="read_sensors --json" interval_ms=86400000 timeout_ms=100 mode=stream',
    'exec command="cat /sys/x" format=value channel="room temperature"'])
def test_a_good_option_is_taken(make_root, value):
    root = make_root(inputs=[value])
    assert telehaul.run("collector", "--root", root.path, "--check-config").stdout == "ok\n"


def test_the_test_of_a_config_beside_a_running_collector(make_root):
    lines = Lines(make_root, more_inputs=["exec command=\"sh -c 'sleep 0.5; echo made,by=hand up=7'\""]).start()
    shown = telehaul.run("collector", "--root", lines.root.path, "--test")
    assert shown.stdout == "made.up{by=hand} 7\n"
    assert f"listens at 127.0.0.1:{lines.port} (not for --test)" in shown.stderr
    as_json = json.loads(telehaul.run("collector", "--root", lines.root.path, "--test", "--json").stdout)
    assert [one["state"] for one in as_json["inputs"]] == ["ok", "ok", "ok"]
    lines.send("m v=1\n")
    wait_until(lambda: any(name == "m.v" for name, _, _ in lines.rows()), "the running one, undisturbed")
    lines.root.repeat("INPUT", ["exec command=\"sh -c 'echo broken >&2; exit 2'\""])
    failed = telehaul.run("collector", "--root", lines.root.path, "--test", check=5)
    assert "it ended with exit 2: broken" in failed.stderr


# ---- docs ----

def test_the_example_of_the_docs(make_root):
    text = (telehaul.PROJECT / "docs" / "appliance.md").read_text()
    [example] = re.findall(r"(?m)^    (echo .*>/dev/tcp/127\.0\.0\.1/8094)$", text)
    [stated] = re.findall(r"channel becomes `([^`]+)`", text)
    lines = Lines(make_root).start()
    subprocess.run([shutil.which("bash"), "-c", example.replace("8094", str(lines.port))], check=True, timeout=30)
    assert lines.wait_rows(1)[0][0] == stated


def test_the_examples_of_a_command_and_of_its_limits(make_root):
    """The INPUT and CHANNEL lines of the docs, as they stand there; the commands that every machine has are run."""
    lines = (telehaul.PROJECT / "docs" / "appliance.md").read_text().splitlines()
    found = {key: [line.split(" = ", 1)[1] for line in lines if line.startswith(f"    {key} = ")]
             for key in ("INPUT", "CHANNEL")}
    assert len(found["INPUT"]) >= 4 and len(found["CHANNEL"]) >= 2
    root = make_root(inputs=found["INPUT"])
    root.repeat("CHANNEL", found["CHANNEL"])
    assert telehaul.run("collector", "--root", root.path, "--check-config").stdout == "ok\n"
    [load] = [line for line in found["INPUT"] if "/proc/loadavg" in line]
    heat = "exec command=\"printf '61\\n104.2\\n96\\n'\" format=value channel=engine_temp"
    root.repeat("INPUT", [load, heat])
    root.start("collector")
    wait_until(lambda: root.readings() >= 5, "readings of both")
    values = root.query("select value from readings join channels using (channel_id) where name = 'load_1min'")
    assert values and all(0 <= value < 10_000 for (value,) in values)
    [message] = re.findall(r"value that raised it\*\*: `([^`]+)`", "\n".join(lines))
    assert (message, "critical") in root.query("select message, severity from alarms")


LIMITS = {
    "connections; further ones are closed at once": [("collector/input_lines.c", "LINES_CONNECTIONS_MAX", 1)],
    "a line, its LF included": [("collector/line_protocol.h", "LINE_MAX_BYTES", 1024)],
    "tags of a point": [("collector/line_protocol.h", "LINE_MAX_TAGS", 1)],
    "fields of a point": [("collector/line_protocol.h", "LINE_MAX_FIELDS", 1)],
    "channels: by default, and at most": [("collector/lines_reader.h", "LINES_MAX_CHANNELS", 1),
                                          ("collector/telemetry_store.h", "STORE_CHANNELS_MAX", 1)],
    "readings that are written before the tick": [("collector/input.h", "INPUT_FLUSH_READINGS", 1)],
    "readings that wait before senders have to": [("collector/input.h", "INPUT_STREAM_READINGS", 1)],
}


def test_the_limits_of_the_docs_are_the_constants():
    rows = test_docs.table("docs/appliance.md", "Readings from other programs: `lines`")
    rows = [row for row in rows if len(row) == 2]
    assert [row[0] for row in rows] == list(LIMITS)
    for what, value in rows:
        stated = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d", value)]
        assert stated == [test_docs.constants(file)[name] / unit for file, name, unit in LIMITS[what]], what
