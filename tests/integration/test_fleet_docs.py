"""docs/fleet.md is true: its keys are the program's, its commands are known to it."""

import re

import telehaul
from docs_text import names, read, table

KEY = re.compile(r'\{\.name = "(\w+)",(.*?)\.help =\s*((?:"[^"]*"\s*)+)\}', re.S)


def keys_of_the_program():
    for name, middle, words in KEY.findall(read("server_tools/sync_service/settings_keys.c")):
        default = re.search(r'\.default_value = "([^"]*)"', middle).group(1)
        yield name, default, "".join(re.findall(r'"([^"]*)"', words))


def test_the_keys_are_those_of_the_program():
    stated = [(names(row[0])[0], (names(row[1]) or [""])[0], row[2]) for row in table("docs/fleet.md", "Keys")]
    assert len(stated) > 20
    assert stated == list(keys_of_the_program())


def test_every_key_is_taken_at_its_default(tmp_path):
    config = tmp_path / "sync.conf"
    config.write_text("".join(f'{name} = "{default}"\n' if default == "" else f"{name} = {default}\n"
                              for name, default, _ in keys_of_the_program()))
    assert telehaul.run("sync_service", "--config", config, "--check-config").stdout == "ok\n"


def test_the_commands_are_known_to_the_program():
    said = telehaul.run("sync_service", "--help").stdout
    used = set(re.findall(r"sync_service --config FILE (\w+(?: add| list| set| remove)?)", read("docs/fleet.md")))
    assert {"once", "status", "vehicle add"} <= used
    for words in used:
        assert all(word in said for word in words.split()), words
