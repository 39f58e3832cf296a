"""A PostgreSQL cluster of the tests' own, in a temporary folder: on a Unix socket there (trust) and on 127.0.0.1 at a free
port (scram, fsync on). Ends with its starter, by its own pid.

`tests/harness/with_postgres COMMAND...` runs a command with the cluster's URL in TELEHAUL_TEST_POSTGRES."""

import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid

import psycopg2

from telehaul import free_port, wait_until

USER, PASSWORD = "postgres", "made-up for tests"
QUOTED_PASSWORD = "made-up%20for%20tests"


def server_binaries():
    """The newest version's folder: Debian keeps the server's programs out of PATH."""
    folders = [path.parent for path in pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if not folders:
        raise RuntimeError("no PostgreSQL server here: install the package postgresql (packaging/packages)")
    return max(folders, key=lambda folder: int(folder.parent.name))


def server_account():
    """initdb refuses root: then the server runs as postgres, or as nobody."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("neither the account postgres nor nobody is here to run the server")


class Cluster:
    """settings: more of postgresql.conf. start() may follow stop(): the data stays until remove()."""

    def __init__(self, folder=None, **settings):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="telehaul-pg-", dir=folder))
        self.account = server_account()
        self.settings = settings
        self.port = free_port()
        self.process = None
        try:
            self._make()
        except BaseException:
            self.remove()
            raise

    def _make(self):
        password = self.folder / "password"
        password.write_text(PASSWORD + "\n")
        if self.account is not None:
            for path in (self.folder, password):
                os.chown(path, self.account.pw_uid, self.account.pw_gid)
        done = subprocess.run(self._argv("initdb", "-D", self.folder / "data", "-U", USER, f"--pwfile={password}", "-E", "UTF8",
                                         "--locale=C.UTF-8", "--auth-local=trust", "--auth-host=scram-sha-256", "--no-sync"),
                              capture_output=True, text=True, cwd="/")
        if done.returncode != 0:
            raise RuntimeError(f"initdb: {done.stdout}{done.stderr}")

    def _as_server(self, *argv):
        """As the server's account; a server ends when its starter is killed: it gets SIGQUIT then."""
        prefix = ["setpriv", "--pdeathsig", "QUIT"]
        if self.account is not None:
            prefix += [f"--reuid={self.account.pw_uid}", f"--regid={self.account.pw_gid}", "--clear-groups"]
        return [*prefix, *map(str, argv)]

    def _argv(self, program, *arguments):
        return self._as_server(server_binaries() / program, *arguments)

    def run(self, *argv):
        """A program that has to be the server's own account."""
        subprocess.run(self._as_server(*argv), check=True, cwd="/")

    def start(self):
        settings = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self.folder,
                    "max_connections": 50, **self.settings}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(self._argv("postgres", "-D", self.folder / "data", *options), stdout=log,
                                            stderr=log, stdin=subprocess.DEVNULL, cwd="/", start_new_session=True)
        wait_until(self._answers, "PostgreSQL's first answer", deadline_s=60)
        return self

    def _answers(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"PostgreSQL did not start:\n{(self.folder / 'log').read_text(errors='replace')}")
        with contextlib.suppress(psycopg2.OperationalError):
            psycopg2.connect(self.socket_url()).close()
            return True
        return False

    def stop(self, immediately=False):
        """immediately: as a crash, connections break in the middle."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT if immediately else signal.SIGINT)
            self.process.wait(60)

    def remove(self):
        self.stop(immediately=True)
        shutil.rmtree(self.folder, ignore_errors=True)

    def url(self, database="postgres", user=USER, password=QUOTED_PASSWORD):
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{database}"

    def socket_url(self, database="postgres"):
        return f"postgresql:///{database}?host={self.folder}&port={self.port}&user={USER}"

    def connect(self, database="postgres"):
        """A connection of psycopg2, each statement its own transaction."""
        connection = psycopg2.connect(self.socket_url(database))
        connection.autocommit = True
        return contextlib.closing(connection)

    def query(self, sql, *values, database="postgres"):
        """The rows, [] for a statement that gives none."""
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql, values or None)
            return cursor.fetchall() if cursor.description else []

    def database(self):
        """A fresh one, dropped with the context."""
        return Database(self)


class Database:
    def __init__(self, cluster):
        self.cluster = cluster
        self.name = f"test_{uuid.uuid4().hex}"
        self.url = cluster.url(self.name)

    def __enter__(self):
        self.cluster.query(f"create database {self.name}")
        return self

    def __exit__(self, *_):
        self.cluster.query(f"drop database {self.name} with (force)")

    def query(self, sql, *values):
        return self.cluster.query(sql, *values, database=self.name)

    def connect(self):
        return self.cluster.connect(self.name)


@contextlib.contextmanager
def running_cluster(folder=None, **settings):
    cluster = Cluster(folder, **settings)
    try:
        yield cluster.start()
    finally:
        cluster.remove()


def main(command):
    """Runs the command in the cluster's time; a signal to us goes to it."""
    with running_cluster() as cluster:
        child = subprocess.Popen(command, env={**os.environ, "TELEHAUL_TEST_POSTGRES": cluster.url()})
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda number, _: child.send_signal(number))
        code = child.wait()
    return code if code >= 0 else 128 - code


def stop_on_signal(number, _):
    sys.exit(128 + number)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit("usage: tests/harness/with_postgres COMMAND...")
    signal.signal(signal.SIGTERM, stop_on_signal)
    signal.signal(signal.SIGHUP, stop_on_signal)
    sys.exit(main(sys.argv[1:]))
