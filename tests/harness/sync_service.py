"""sync_service as the tests run it: a config of its own on a database of the tests' own, its commands, and the service in
the background."""

import json
import os
import pathlib
import signal

import telehaul
from telehaul import Program, wait_until


class SyncService:
    """settings: KEY=value over a config that is quick (an interval of a second)."""

    def __init__(self, folder, database, name="sync", **settings):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.database, self.name = database, name
        self.config = self.folder / f"{name}.conf"
        self.settings = {"DB_URL": database.url, "SYNC_INTERVAL_SEC": 1, "PULL_TIMEOUT_SEC": 3, **settings}
        self.write()
        self.program = None

    def write(self, **settings):
        self.settings.update(settings)
        self.config.write_text("".join(f"{key} = {value}\n" for key, value in self.settings.items() if value is not None))

    # ---- commands ----

    def run(self, *words, check=True, env=None, timeout=120):
        return telehaul.run("sync_service", "--config", self.config, *words, check=check, env=env, timeout=timeout)

    def json(self, *words, **more):
        return json.loads(self.run(*words, "--json", **more).stdout)

    def migrate(self):
        self.run("migrate")
        return self

    def add(self, name, host, **options):
        self.run("vehicle", "add", name, "--host", host, *flags(options))

    def once(self, *words, check=True, **more):
        done = self.run("once", "--json", *words, check=check, **more)
        return json.loads(done.stdout) if done.stdout else None

    # ---- the service ----

    def start(self, env=None):
        self.program = Program([telehaul.BIN / "sync_service", "--config", self.config], self.folder / f"{self.name}.log", env=env)
        return self

    def log(self):
        return self.program.output()

    def stop(self, kill=False):
        if self.program is None:
            return None
        if not kill:
            self.program.wait_for_its_signals()
        self.program.process.send_signal(signal.SIGKILL if kill else signal.SIGTERM)
        code = self.program.process.wait(telehaul.DEADLINE_S)
        self.program = None
        return code

    def die(self):
        """kill -9, and until PostgreSQL has noticed: a statement that was under way is carried out after it. Of the only
        service on its database."""
        self.stop(kill=True)
        wait_until(lambda: not self.database.query(
            "select 1 from pg_stat_activity where datname = current_database() and application_name = 'telehaul sync_service'"),
            "the end of its sessions")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.program is not None and self.program.process.poll() is None:
            assert (code := self.stop()) == 0, code

    # ---- what is in the database ----

    def journal(self, name):
        """The vehicle's entries as (status, rows_written, note), oldest first."""
        return self.database.query("select status, rows_written, note from sync_journal join vehicles v using (vehicle_id)"
                                   " where v.name = %s order by journal_id", name)

    def wait_for_journal(self, name, count=1, status=None):
        """Until so many entries (of a status) are there; returns all."""
        def there():
            entries = self.journal(name)
            return entries if sum(status in (None, entry[0]) for entry in entries) >= count else None
        return wait_until(there, f"{count} entries {status or ''} of {name} in the journal")

    def rows(self, name):
        """(time in us, channel's name, value), in order."""
        return self.database.query(
            "select (extract(epoch from m.time) * 1000000)::bigint, c.name, m.value from measurements m"
            " join channel_config c using (vehicle_id, channel_id) join vehicles v using (vehicle_id)"
            " where v.name = %s order by 1, 2", name)


def flags(options):
    """api_key="k" -> --api-key k"""
    return [word for key, value in options.items() for word in (f"--{key.replace('_', '-')}", str(value))]


def environment(**settings):
    return {**os.environ, **{key: str(value) for key, value in settings.items()}}
