"""What the tests of sync_client share: a --data-storage of their own, what must be in it, and hooks for an agent that
misbehaves (fake_agent.py)."""

import contextlib
import gzip
import hashlib
import json
import os
import pathlib
import pty
import re
import sqlite3

import telehaul
from fake_agent import line, unpack

ROWS = 5000


class Home:
    """A --data-storage of its own."""

    def __init__(self, folder, keys):
        self.folder = pathlib.Path(folder)
        self.keys = keys

    def arguments(self, agent, client_id="m1"):
        return ["--host", "127.0.0.1", "--port", agent.port, "--client-id", client_id, "--key", self.keys.private_file,
                "--data-storage", self.folder]

    def sync(self, agent, *more, check=True, client_id="m1", accept="yes", env=None):
        done = telehaul.run("sync_client", *self.arguments(agent, client_id), "--accept-new-host", accept, "--json",
                            *more, check=check, env=env)
        if done.returncode == 0:
            done.result = json.loads(done.stdout)
        else:
            assert done.stdout == ""
        return done

    def query(self, sql, *values, db=None):
        with contextlib.closing(sqlite3.connect(f"file:{db or self.folder / 'central.db'}?mode=ro", uri=True)) as base:
            return base.execute(sql, values).fetchall()

    def rows(self, client_id="m1", db=None):
        return self.query("select m.time_us, c.name, m.value from measurements m join channel_config c using (vehicle_id, "
                          "channel_id) join vehicles v using (vehicle_id) where v.client_id = ? order by 1, 2",
                          client_id, db=db)

    def cursor(self, store_id):
        return self.query("select seq from sync_cursor where store_id = ?", store_id)

    def files(self, client_id="m1"):
        folder = self.folder / client_id
        return sorted(path.name for path in folder.iterdir() if path.name != ".lock") if folder.exists() else []

    def archives(self, client_id="m1"):
        """The files of readings."""
        return [self.folder / client_id / name for name in self.files(client_id)
                if re.fullmatch(r"\d{8}T\d{6}Z(-\d+)?\.(gz|zst)", name)]

    def about(self, archive):
        """Its json, with every file of it compared with what is said of it."""
        about = json.loads(archive.with_suffix(".json").read_text())
        for said, path in [(about, archive)] + [(about[name], archive.with_name(about[name]["file"]))
                                                for name in ("alarms", "channels") if name in about]:
            packed = path.read_bytes()
            assert (said["bytes"], said["sha256"]) == (len(packed), hashlib.sha256(packed).hexdigest())
            assert said["count"] == unpack(path).count(b"\n")
        return about

    def archived_lines(self):
        """Readings of all archives, in the order in which they were made."""
        made = sorted(self.archives(), key=lambda path: self.about(path)["first_seq"] or 0)
        return "".join(unpack(path).decode() for path in made)

    def alarms(self):
        return self.query("select a.alarm_id, c.name, a.severity, a.message, a.raised_us, a.resolved_us from alarms_log a "
                          "left join channel_config c using (vehicle_id, channel_id) order by 1")

    def channels(self):
        return self.query("select name, unit, min_value, max_value, description from channel_config order by 1")


def expected_alarms(alarms):
    return sorted(alarm[1:] for alarm in alarms)


def expected(rows):
    return sorted((time_us, channel, value) for _, time_us, channel, value in rows)


def on_terminal(arguments, typed=b"", env=None, look=None):
    """Runs with a terminal for all three; returns the exit code and what was shown. look: called with what was shown yet."""
    pid, terminal = pty.fork()
    if pid == 0:
        os.execve(arguments[0], arguments, {**os.environ, **(env or {})})
    shown = b""
    with contextlib.suppress(OSError):
        while piece := os.read(terminal, 65536):
            shown += piece
            if look:
                look(shown)
            if typed and b"(yes/no)?" in shown:
                os.write(terminal, typed)
                typed = b""
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown.decode()


def times(count, first, then=None):
    """A hook that answers `first` so many times."""
    left = [count]

    def hook(request, default):
        if left[0] == 0:
            return then(request, default) if then else default()
        left[0] -= 1
        return first(request, default)

    return hook


def edit(agent, change_headers=None, change_body=None):
    """An export with other headers or another body than it should have."""
    def hook(request, _):
        rows = agent.select(request.query)
        headers = agent.headers_of(rows)
        (change_headers or (lambda h: None))(headers)
        body = gzip.compress("".join(map(line, rows)).encode(), 1)
        request.stream(headers, (change_body or (lambda b: b))(body))
    return hook


def flip(body, at):
    return body[:at] + bytes([body[at] ^ 0x10]) + body[at + 1:]
