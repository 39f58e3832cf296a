"""The support bundle: GET /support of the agent, unpacked with zstd(1) and Python's tarfile."""

import calendar
import concurrent.futures
import contextlib
import gzip
import io
import json
import os
import pathlib
import re
import socket
import stat
import subprocess
import tarfile
import time

import pytest
import telehaul
from agent_root import FREED_IS_FREE, Machine

MIB = 1024 * 1024
TEXTS = ["README.txt", "versions.json", "machine.json", "store.json", "files.txt", "config.txt"]


@pytest.fixture
def machine(tmp_path, keys):
    made = Machine(tmp_path / "root", keys, rows=5000, start=False)
    yield made
    made.clear()


def unpack(content):
    """name below the bundle's folder -> bytes; every entry must be a private regular file of one folder."""
    tar = subprocess.run(["zstd", "-dc"], input=content, capture_output=True, check=True).stdout
    files, folders = {}, set()
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        for entry in archive:
            folder, _, name = entry.name.partition("/")
            assert entry.isreg() and entry.mode == 0o600 and (entry.uid, entry.gid, entry.uname) == (0, 0, "")
            assert name not in files
            folders.add(folder)
            files[name] = archive.extractfile(entry).read()
            assert len(files[name]) == entry.size
    assert len(folders) == 1
    assert tar.endswith(bytes(1024))
    return folders.pop(), files


def fetch(client):
    answer = client.get("/support")
    assert answer.status_code == 200, answer.text
    return unpack(answer.content)


def log_of(machine, name="agent.log"):
    return machine.root.path / "log" / name


# ---- what is in it ----

def test_a_bundle(machine):
    root = machine.root.path
    (root / "run/status.json").write_text('{"services":[]}')
    (root / "agent/last_sync.txt").write_text("2026-02-22T10:00:00.000000Z\n")
    log_of(machine).write_text("a line of the agent\n")
    log_of(machine, "agent.log.1").write_text("an older one\n")
    machine.start()
    client = machine.client()
    before = time.time()
    answer = client.get("/support")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/zstd"
    assert answer.headers["Cache-Control"] == "no-store"
    name, files = unpack(answer.content)
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}.tar.zst"'
    host = re.sub(r"[^A-Za-z0-9._@+-]", "_", socket.gethostname())
    found = re.fullmatch(rf"telehaul-support-{re.escape(host)}-(\d{{8}}T\d{{6}}Z)", name)
    assert found
    said = calendar.timegm(time.strptime(found[1], "%Y%m%dT%H%M%SZ"))
    assert before - 2 <= said <= time.time() + 1
    names = list(files)
    assert names[:6] == TEXTS and names[-1] == "MANIFEST.txt"
    assert files["run/status.json"] == b'{"services":[]}'
    assert files["agent/last_sync.txt"] == b"2026-02-22T10:00:00.000000Z\n"
    assert files["log/agent.log"] == b"a line of the agent\n"
    assert names.index("log/agent.log") < names.index("log/agent.log.1") < names.index("log/test-agent.log")
    manifest = files["MANIFEST.txt"].decode()
    for entry in names[:-1]:
        assert re.search(rf"(?m)^{re.escape(entry)} +{len(files[entry])} bytes", manifest), entry
    assert re.search(r"(?m)^agent/contacts\.json +not there$", manifest)
    telehaul.wait_until(lambda: f"{answer.num_bytes_downloaded} bytes, whole" in machine.agent.output(), "its line in the log")


def test_the_facts(machine):
    machine.start()
    client = machine.client()
    _, files = fetch(client)
    versions, about, store = (json.loads(files[name]) for name in ("versions.json", "machine.json", "store.json"))
    assert versions["agent_id"] == client.agent_id
    assert (versions["current"], versions["releases"]) == ("1.0.0", ["1.0.0"])
    programs = {program["name"]: program["bytes"] for program in versions["programs"]}
    assert programs == {path.name: path.stat().st_size for path in (machine.root.path / "current/bin").iterdir()}
    assert about["system"]["host"] == os.uname().nodename and about["system"]["release"] == os.uname().release
    assert about["memory"]["bytes"] == os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert about["agent_user"] == os.geteuid() and 0 <= about["agent_uptime_s"] < 300
    disk = os.statvfs(machine.root.path)
    assert about["disks"][0]["folder"] == str(machine.root.path)
    assert about["disks"][0]["bytes"] == disk.f_blocks * disk.f_frsize
    assert (store["store_id"], store["next_seq"], store["readings"], store["channels"]) == (machine.store_id, 5001, 5000, 4)
    assert store["oldest"] == "2026-02-22T10:00:00.000001Z"
    assert store["pages"] * store["page_bytes"] == machine.root.store_file().stat().st_size
    sizes = {entry["name"]: entry["bytes"] for entry in store["files"]}
    assert sizes["telemetry.db"] == machine.root.store_file().stat().st_size
    listed = files["files.txt"].decode()
    assert re.search(r"(?m)^-0600 \d+:\d+ +\d+ \S+Z credentials\.env$", listed)
    assert re.search(r"(?m)^l0777 .* current -> releases/1\.0\.0$", listed)
    assert f" {machine.root.store_file().stat().st_size} " in re.search(r"(?m)^.* data/telemetry\.db$", listed)[0]


def test_a_machine_that_has_measured_nothing(tmp_path, keys):
    made = Machine(tmp_path / "root", keys, rows=0)
    try:
        _, files = fetch(made.client())
        store = json.loads(files["store.json"])
        assert store["store_id"] is None and store["files"] == []
        assert "telemetry.db" in store["problem"]
    finally:
        made.clear()


# ---- what never is ----

SECRETS = {"api": "k3y-Of-The-Api-123", "database": "pg-S3cret-word", "service": "cam-T0ken-77", "quoted": "two w0rds here",
           "other": "an0ther-credential", "commented": "old-c0mmented-out", "header": "hdr-S3cret-9", "pem": "MIIEvQIBADANBgkqh"}


def plant(machine):
    """Secrets in every place where one may be, and all of them in the logs."""
    root = machine.root.path
    env = root / "credentials.env"
    env.write_text(env.read_text() + f"OUTBOUND_API_KEY={SECRETS['api']}\nDB='{SECRETS['quoted']}'\nX = {SECRETS['other']} # y\n")
    env.write_text(re.sub(r"(?m)^OUTBOUND_API_KEY=(?!k3y).*\n", "", env.read_text()))
    machine.root.config({"EXPORT_TABLE": f"readings # was postgresql://u:{SECRETS['commented']}@h/d"})
    machine.root.repeat("SERVICE", [f"cam /bin/true --token {SECRETS['service']} --header \"X-Key: {SECRETS['header']}\""])
    text = "".join(f"{name} {value} {name}={value} \"{value}\"\n" for name, value in SECRETS.items() if name not in ("commented", "pem"))
    text += f"PIN {machine.root.pin} postgresql://u:{SECRETS['database']}@h/d\n"
    text += f"-----BEGIN PRIVATE KEY-----\n{SECRETS['pem']}\nAAAA\n-----END PRIVATE KEY-----\nafter the key\n"
    text += f"password={SECRETS['commented']}\n"
    for name in ("agent.log", "cam.log", "agent.log.4", "stray.txt"):
        log_of(machine, name).write_text(text)
    (root / "run/status.json").write_text(json.dumps({"services": [{"name": "cam", "command": f"x --token {SECRETS['service']}"}],
                                                      "pin": machine.root.pin, "password": SECRETS["database"]}))
    (root / "agent/contacts.json").write_text(json.dumps({"api": SECRETS["api"]}))
    for name in ("license.dat", "license/x.lic", "data/x.pem", "keys/private.pem", "backups/x"):
        path = root / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("never-in-a-bundle " + "".join(SECRETS.values()))


def test_no_secret_is_in_it(machine):
    plant(machine)
    machine.start()
    machine.root.config({"EXPORT_SOURCE": f"postgresql://reader:{SECRETS['database']}@db.example/plant"})
    client = machine.client()
    _, files = fetch(client)
    assert {"log/agent.log", "log/cam.log", "log/agent.log.4", "log/stray.txt", "run/status.json", "agent/contacts.json",
            "config.txt"} <= set(files)
    secrets = [value for name, value in SECRETS.items()] + [machine.root.pin, "never-in-a-bundle", machine.root.made["api_key"]]
    key = (machine.root.path / "agent/key.pem").read_text().splitlines()[1]
    for name, content in files.items():
        for secret in [*secrets, key, client.token]:
            assert secret.encode() not in content, (name, secret)
    assert b"after the key" in files["log/agent.log"]
    assert files["log/agent.log"].count(b"\n") == log_of(machine).read_bytes().count(b"\n")
    manifest = files["MANIFEST.txt"].decode()
    assert re.search(r"(?m)^log/agent\.log +\d+ bytes, \d+ values hidden$", manifest)
    assert re.search(r"(?m)^config\.txt +\d+ bytes, 3 values hidden$", manifest)
    assert not [name for name in files if re.search(r"pem|credentials|licen[cs]e|\.db|keys/|backups", name)]


def test_the_settings_without_secrets(machine):
    plant(machine)
    machine.start()
    source = machine.root.config_file.read_text().splitlines()
    _, files = fetch(machine.client())
    lines = files["config.txt"].decode().splitlines()
    assert len(lines) == len(source)  # a message that names a line still finds it
    assert f"AGENT_PORT = {machine.root.agent_port}" in lines
    assert f"SERVICE = cam /bin/true --token {'*' * 12} --header \"X-Key: {'*' * 12}\"" in lines
    assert "EXPORT_TABLE = readings" in lines
    assert "#" not in files["config.txt"].decode()
    active = [line.split("#")[0].strip() for line in source if not line.startswith(("#", "SERVICE"))]
    assert [line for line in lines if not line.startswith("SERVICE") and line] == [line for line in active if line]


def test_a_database_password_is_hidden(machine):
    machine.start()
    machine.root.config({"EXPORT_SOURCE": f"postgresql://reader:{SECRETS['database']}@db.example/plant?sslmode=require"})
    log_of(machine).write_text(f"cannot reach the database as {SECRETS['database']}\n")
    _, files = fetch(machine.client())
    hidden = "*" * len(SECRETS["database"])
    assert f"EXPORT_SOURCE = postgresql://reader:{hidden}@db.example/plant?sslmode=require" in files["config.txt"].decode()
    assert files["log/agent.log"].decode() == f"cannot reach the database as {hidden}\n"


def test_credentials_as_they_are_written(machine):
    """As the product, a shell or another program reads them: the values below are secret, wherever they stand."""
    env = machine.root.path / "credentials.env"
    env.write_text(env.read_text() + "A=tabbed-S1\t# y\nB = first-S2 second-S3\nexport C='quoted S4' # z\r\nD=with#sign-S5\n"
                                     "E=postgresql://u:within-S6@h/d\nF=plant-S7\nG=plant-S7-and-S8\n")
    secrets = ["tabbed-S1", "first-S2 second-S3", "first-S2", "quoted S4", "with#sign-S5", "within-S6", "plant-S7-and-S8", "plant-S7"]
    log_of(machine).write_text("".join(f"it said {secret} here\n" for secret in secrets))
    machine.start()
    _, files = fetch(machine.client())
    assert files["log/agent.log"].decode() == "".join(f"it said {'*' * len(secret)} here\n" for secret in secrets)


def test_a_comment_that_begins_in_a_secret(machine):
    machine.start()
    text = machine.root.config_file.read_text()
    machine.root.config_file.write_text(text + "X = postgresql://u:S11#S12@h/d\nY = a # password=S13\nZ_PASSWORD = # was S14\n"
                                               "V = 1 # x://u:S15@h\nW_TOKEN = S16#S17 and S18\n")
    _, files = fetch(machine.client())
    assert files["config.txt"].decode().splitlines()[-5:] == ["X = postgresql://u:***", "Y = a", "Z_PASSWORD =", "V = 1", "W_TOKEN = ***"]


def test_nothing_is_given_out_when_the_secrets_cannot_be_known(machine):
    machine.start()
    (machine.root.path / "credentials.env").unlink()
    (machine.root.path / "credentials.env").mkdir()
    client = machine.client()
    answer = client.get("/support")
    assert (answer.status_code, answer.json()["error"]) == (500, "internal")
    assert "credentials.env" in machine.agent.output()
    (machine.root.path / "credentials.env").rmdir()
    fetch(client)  # and it is not busy for ever


# ---- docs/support.md ----

def cells(heading):
    text = (telehaul.PROJECT / "docs/support.md").read_text().split(f"# {heading}\n")[1].split("\n#")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| ")][1:]


def test_the_docs_name_what_is_in_it(machine):
    root = machine.root.path
    rows = [name for row in cells("The support bundle") for name in re.findall(r"`(\S+?)`", row[0])]
    assert len(rows) == 14
    files = [name for name in rows if "/" in name and not name.startswith("log/")]
    queue = [name for name in files if name.startswith("pending_update/")]  # the agent's start tidies it up
    for name in set(files) - set(queue):
        (root / name).write_text("made up\n")
    machine.start()
    for name in queue:
        (root / name).write_text("made up\n")
    _, files = fetch(machine.client())
    assert [name for name in files if not name.startswith("log/")] == [name for name in rows if not name.startswith("log/")]


def test_the_docs_state_the_limits():
    constants = {}
    for header in ("bundle", "logs", "listing"):
        text = (telehaul.PROJECT / f"agent/support_{header}.h").read_text()
        constants |= {name: eval(product) for name, product in re.findall(r"\b(SUPPORT_\w+) = ([\d *]+)", text)}
    stated = [[int(text.replace(",", "")) for text in re.findall(r"\d[\d,]*", row[1])] for row in cells("Limits")]
    wanted = [[("MAX_BYTES", MIB)], [("LOG_MAX_BYTES", MIB)], [("FILE_MAX_BYTES", MIB)], [("LOGS_MAX", 1), ("LOGS_OTHER_MAX", 1)],
              [("LOGS_LOOKED_AT_MAX", 1)], [("LISTING_MAX", 1), ("LISTING_FOLDER_MAX", 1), ("LISTING_DEPTH", 1)],
              [("TIME_S", 60), ("TIME_MAX_S", 60)]]
    assert stated == [[constants[f"SUPPORT_{name}"] / unit for name, unit in row] for row in wanted] + [[1]]


# ---- hostile folders ----

def test_links_and_pipes_lead_nowhere(machine, tmp_path):
    root = machine.root.path
    outside = tmp_path / "outside.txt"
    outside.write_text("outside-of-root")
    log_of(machine).symlink_to(outside)
    log_of(machine, "agent.log.1").symlink_to("../credentials.env")
    os.link(outside, log_of(machine, "second.log"))
    os.mkfifo(log_of(machine, "portal.log"))
    os.mkfifo(root / "run/collector.json")
    (root / "run/status.json").symlink_to(outside)
    (root / "pending_update").rmdir()
    (root / "pending_update").symlink_to(tmp_path)
    (tmp_path / "meta.json").write_text("outside-of-root")
    log_of(machine, "collector.log").mkdir()
    log_of(machine, "new\nline \x1b[2J.log").write_text("a name that is made up\n")
    machine.start()
    _, files = fetch(machine.client())
    assert [name for name in files if name.startswith(("log/", "run/", "pending"))] == [
        name for name in files if name in ("log/new_line___2J.log", "log/test-agent.log")]
    assert "log/new_line___2J.log" in files
    for content in files.values():
        assert b"outside-of-root" not in content
    manifest = files["MANIFEST.txt"].decode()
    assert re.search(r"(?m)^run/status\.json +run/status\.json: a symbolic link, which is not followed$", manifest)
    assert re.search(r"(?m)^run/collector\.json +run/collector\.json is no regular file$", manifest)
    assert re.search(r"(?m)^log/second\.log +log/second\.log has a second name", manifest)
    assert re.search(r"(?m)^pending_update/meta\.json .*symbolic link", manifest)
    assert all(line.isprintable() for line in manifest.splitlines())


def test_what_hides_its_secrets_is_left_out(machine):
    """A mask sees text alone: what is packed would be unpacked by whoever gets the bundle."""
    text = f"password={SECRETS['database']}\nPIN {machine.root.pin}\n".encode() * 100
    log_of(machine, "agent.log.2.gz").write_bytes(gzip.compress(text))
    log_of(machine, "agent.log.3.zst").write_bytes(subprocess.run(["zstd", "-c"], input=text, capture_output=True, check=True).stdout)
    log_of(machine, "copy.log").write_bytes(machine.root.store_file().read_bytes())
    machine.start()
    _, files = fetch(machine.client())
    assert {name for name in files if name.startswith("log/")} == {"log/test-agent.log"}
    manifest = files["MANIFEST.txt"].decode()
    for name, what in (("agent.log.2.gz", "compressed"), ("agent.log.3.zst", "compressed"), ("copy.log", "a database")):
        assert re.search(rf"(?m)^log/{re.escape(name)} .*left out: it is {what}", manifest), manifest


def test_a_log_folder_that_is_a_link(machine, tmp_path):
    machine.start()
    (machine.root.path / "log").rename(tmp_path / "elsewhere")
    (machine.root.path / "log").symlink_to(tmp_path / "elsewhere")
    _, files = fetch(machine.client())
    assert not [name for name in files if name.startswith("log/")]
    assert re.search(r"(?m)^log/ .*symbolic link", files["MANIFEST.txt"].decode())


def computed_s(pid):
    """What it has computed: it is not slower for what others do."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def read_bytes(pid):
    return int(re.search(r"(?m)^rchar: (\d+)", pathlib.Path(f"/proc/{pid}/io").read_text())[1])


def test_a_hundred_thousand_logs(machine):
    folder = machine.root.path / "log"
    for number in range(100_000):
        os.mknod(folder / f"x{number}", stat.S_IFREG | 0o600)
    log_of(machine).write_text("the real one\n")
    machine.start()
    client = machine.client()
    began = computed_s(machine.agent.pid)
    _, files = fetch(client)
    assert computed_s(machine.agent.pid) - began < 20
    assert files["log/agent.log"] == b"the real one\n"
    assert len(files) < 100
    assert re.search(r"(?m)^log/ +has more files", files["MANIFEST.txt"].decode())
    assert b"more than 1000 files in log/" in files["files.txt"]


def test_a_log_of_five_gigabytes(machine):
    with open(log_of(machine), "wb") as log:
        log.truncate(5 * 1024 * MIB)
        log.seek(0, os.SEEK_END)
        log.write(b"\n" + b"".join(b"line %d\n" % number for number in range(1000)))
    machine.start()
    client = machine.client()
    began = read_bytes(machine.agent.pid)
    _, files = fetch(client)
    assert read_bytes(machine.agent.pid) - began < 64 * MIB
    kept = files["log/agent.log"]
    assert kept.endswith(b"line 998\nline 999\n") and len(kept) <= 4 * MIB
    assert f"bytes, the last of {log_of(machine).stat().st_size}" in files["MANIFEST.txt"].decode()


def test_it_is_bounded(machine):
    for number in range(60):
        log_of(machine, f"s{number}.log").write_bytes(os.urandom(700_000).hex().encode() + b"\n")
    machine.start()
    name, files = fetch(machine.client())
    assert 30 * MIB < sum(map(len, files.values())) <= 32 * MIB + len(files["MANIFEST.txt"])
    assert "left out: the bundle is full" in files["MANIFEST.txt"].decode()
    assert "log/agent.log" not in files  # there is none


def test_a_log_that_grows_while_it_is_read(machine):
    text = "".join(f"line {number} {os.urandom(20).hex()}\n" for number in range(50_000))
    log_of(machine, "collector.log").write_text(text)
    machine.start()
    client = machine.client()
    with client.http.stream("GET", "/support", headers=client.headers()) as answer:
        pieces = answer.iter_raw(1024)
        content = next(pieces)  # of the first block: the first log is open by now
        with open(log_of(machine, "collector.log"), "a") as log:
            log.write("later\n" * 1000)
        content += b"".join(pieces)
    _, files = unpack(content)
    assert files["log/collector.log"].decode() == text


# ---- sessions ----

def test_it_needs_a_token(machine):
    machine.start()
    client = machine.client(log_in=False)
    assert client.get("/support").status_code == 401
    client.token = "00000000-0000-4000-8000-000000000000"
    assert client.get("/support").status_code == 401
    assert client.http.post("/support", headers=client.headers()).status_code in (401, 405)


def test_bad_questions(machine):
    machine.start()
    client = machine.client()
    assert client.get("/support", x=1).json()["error"] == "bad_request"
    answer = client.http.post("/support", headers=client.headers())
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET, HEAD")


def test_its_headers_alone(machine):
    machine.start()
    client = machine.client()
    answer = client.http.head("/support", headers=client.headers())
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, "application/zstd", b"")
    fetch(client)
    log = machine.stop()
    assert re.search(r"session: .* bytes \d+, update none, outcome ok", log)
    assert "cut off" not in log


def fill_logs(machine):
    for number in range(32):
        log_of(machine, f"s{number}.log").write_bytes(os.urandom(MIB // 2).hex().encode() + b"\n")


def test_one_at_a_time(machine):
    fill_logs(machine)
    machine.start()
    first, second = machine.client(), machine.client()
    with contextlib.closing(machine.begin_export(first.token, receive_bytes=4096, target="/support")) as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        answer = second.get("/support")
        assert (answer.status_code, answer.json()["error"]) == (503, "busy")
        assert 1 <= int(answer.headers["Retry-After"]) <= 60
        assert second.get("/data/export").status_code == 200  # all else goes on
    telehaul.wait_until(lambda: second.get("/support").status_code == 200, "the place of the one that left")
    log = machine.stop()
    assert re.search(r"support bundle for 127\.\S+: \d+ bytes, cut off", log)
    assert re.search(r"session: .*outcome cut off", log)


def test_many_at_once(machine):
    machine.start()
    clients = [machine.client() for _ in range(6)]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda client: client.get("/support"), clients))
    assert {answer.status_code for answer in answers} <= {200, 503}
    for answer in answers:
        if answer.status_code == 200:
            unpack(answer.content)
    fetch(clients[0])


def rss_kib(pid):
    """Not its share of pages that other agents have too: it grows when one of those ends."""
    return int(re.search(r"(?m)^Rss: +(\d+) kB", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text())[1])


def test_its_memory_is_small(machine):
    fill_logs(machine)
    machine.start(env=FREED_IS_FREE)
    client = machine.client()
    client.export(limit=1)
    before = most = rss_kib(machine.agent.pid)
    got = 0
    with client.http.stream("GET", "/support", headers=client.headers()) as answer:
        for piece in answer.iter_raw(256 * 1024):
            got += len(piece)
            most = max(most, rss_kib(machine.agent.pid))
    assert got > 14 * MIB  # hex digits come to half
    assert most - before < 8 * 1024
