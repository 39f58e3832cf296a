"""sync_client --support FILE: against a real agent, and against one that lies or breaks off."""

import io
import json
import os
import stat
import subprocess
import tarfile

import pytest
import telehaul
from agent_root import Machine
from fake_agent import FakeAgent
from sync_home import on_terminal

USAGE, EXISTS, UNREACHABLE, DENIED = 2, 1, 3, 4


class SupportAgent(FakeAgent):
    """Answers GET /support with self.answers in turn, the last one again and again: functions of the request."""

    def _handler(agent):  # noqa: N805: the handler's own self is the request
        request_class = super()._handler()
        answer_others = request_class.answer

        def answer(request):
            if request.path != "/support":
                return answer_others(request)
            agent.requests.append("GET /support")
            if request.headers.get("Authorization", "").removeprefix("Bearer ") not in agent.tokens:
                return request.json(401, {"error": "invalid_token"})
            return (agent.answers.pop(0) if len(agent.answers) > 1 else agent.answers[0])(request)

        request_class.do_GET = answer
        return request_class


@pytest.fixture
def agent(tmp_path, keys):
    made = SupportAgent(tmp_path, keys)
    made.answers = [sends(bundle())]
    yield made
    made.close()


@pytest.fixture
def machine(tmp_path, keys):
    made = Machine(tmp_path / "root", keys, rows=100)
    made.port = made.root.agent_port
    yield made
    made.clear()


def tar_of(names=("a/README.txt", "a/log/agent.log", "a/MANIFEST.txt"), kind=tarfile.REGTYPE):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as archive:
        for name in names:
            entry = tarfile.TarInfo(name)
            entry.size, entry.type = 50_000 if kind == tarfile.REGTYPE else 0, kind
            archive.addfile(entry, io.BytesIO(os.urandom(entry.size)))
    return out.getvalue()


def pack(tar):
    return subprocess.run(["zstd", "-qc"], input=tar, capture_output=True, check=True).stdout


def bundle():
    return pack(tar_of())


def sends(body, cut=None, content_type="application/zstd"):
    return lambda request: request.stream({"Content-Type": content_type}, body, cut)


def fetch(home, agent, file, *more, check=True):
    return home.sync(agent, "--support", file, *more, check=check)


def test_a_bundle_comes_home(machine, home, tmp_path):
    file = tmp_path / "bundle.tar.zst"
    done = fetch(home, machine, file)
    tar = subprocess.run(["zstd", "-dc", file], capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(tar)) as archive:
        entries = archive.getmembers()
    assert entries[-1].name.endswith("/MANIFEST.txt")
    result = done.result
    assert list(result) == ["client_id", "agent_id", "file", "bytes", "files", "unpacked_bytes", "seconds"]
    assert (result["client_id"], result["agent_id"], result["file"]) == ("m1", machine.client().agent_id, str(file))
    assert (result["bytes"], result["files"]) == (file.stat().st_size, len(entries))
    assert result["unpacked_bytes"] == sum(entry.size for entry in entries)
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("bundle")] == ["bundle.tar.zst"]
    assert [path.name for path in home.folder.iterdir()] == ["known_hosts"]  # nothing else was fetched
    log = machine.stop()
    assert "records 0" in log


def test_nothing_else_is_asked_for(agent, home, tmp_path):
    fetch(home, agent, tmp_path / "b")
    assert [request for request in agent.requests if "auth" not in request] == ["GET /support"]


def test_for_people(agent, home, tmp_path):
    done = telehaul.run("sync_client", *home.arguments(agent), "--accept-new-host", "yes", "--support", tmp_path / "b")
    assert f"file       {tmp_path / 'b'}\n" in done.stdout and "3 files, " in done.stdout
    code, shown = on_terminal([str(telehaul.BIN / "sync_client"), *map(str, home.arguments(agent)), "--support", str(tmp_path / "c")])
    assert code == 0 and "readings" not in shown


def test_nothing_is_replaced(agent, home, tmp_path):
    for make in (lambda path: path.write_text("older"), lambda path: path.mkdir(), lambda path: path.symlink_to("nowhere")):
        file = tmp_path / f"b{len(list(tmp_path.iterdir()))}"
        make(file)
        before = os.lstat(file)
        done = fetch(home, agent, file, check=EXISTS)
        assert f"{file} is there already" in done.stderr
        assert os.lstat(file) == before
    assert agent.requests == []  # said before anybody is asked


def test_one_that_appears_meanwhile_is_not_replaced(agent, home, tmp_path):
    file = tmp_path / "b"

    def answer(request):
        file.write_text("somebody else's")
        sends(bundle())(request)
    agent.answers = [answer]
    assert str(file) in fetch(home, agent, file, check=EXISTS).stderr
    assert file.read_text() == "somebody else's"
    assert not (tmp_path / "b.part").exists()


def test_what_an_earlier_run_left(agent, home, tmp_path):
    target = tmp_path / "target"
    target.write_text("not to be written to")
    (tmp_path / "b.part").symlink_to(target)
    fetch(home, agent, tmp_path / "b")
    assert target.read_text() == "not to be written to"
    assert not (tmp_path / "b").is_symlink()


def test_a_break_is_tried_again(agent, home, tmp_path):
    whole = bundle()
    agent.answers = [sends(whole, 1000), sends(whole, 70_000), sends(whole)]
    fetch(home, agent, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == whole


@pytest.mark.parametrize("body", [
    bundle()[:-1], bundle()[:70_000], pack(tar_of()[:50_000]), pack(tar_of()[:1024]), b"", pack(b"")],
    ids=["zstd cut", "zstd cut early", "tar cut", "tar cut early", "nothing", "nothing packed"])
def test_a_bundle_that_is_not_whole(agent, home, tmp_path, body):
    agent.answers = [sends(body), sends(bundle())]
    fetch(home, agent, tmp_path / "b")  # HTTP says that all came; what came says that it did not
    assert agent.requests.count("GET /support") == 2
    tar = subprocess.run(["zstd", "-dc", tmp_path / "b"], capture_output=True, check=True).stdout
    assert tarfile.open(fileobj=io.BytesIO(tar)).getnames()[-1] == "a/MANIFEST.txt"


@pytest.mark.parametrize("answer", [
    sends(b"not zstd"), sends(pack(os.urandom(50_000))), sends(pack(tar_of(["a/README.txt"]))),
    sends(pack(tar_of(["a/../../etc/x", "a/MANIFEST.txt"], tarfile.SYMTYPE))), sends(bundle(), content_type="text/html"),
    sends(bundle() + b"more"), sends(pack(bytes(300 << 20))), lambda request: request.json(404, {"error": "not_found"}),
    lambda request: request.json(500, {"error": "internal", "detail": "the agent's log says why"})],
    ids=["not zstd", "not tar", "no manifest", "links", "not said to be", "more behind it", "a bomb", "older", "failed"])
def test_what_is_no_bundle(agent, home, tmp_path, answer):
    agent.answers = [answer]
    done = fetch(home, agent, tmp_path / "b", check=1)
    assert done.stderr.startswith("sync_client: ") and agent.requests.count("GET /support") == 1
    assert not (tmp_path / "b").exists() and not (tmp_path / "b.part").exists()


def test_its_turn_is_waited_for(agent, home, tmp_path):
    agent.answers = [lambda request: request.json(503, {"error": "busy"}, {"Retry-After": "1"}), sends(bundle())]
    fetch(home, agent, tmp_path / "b")
    assert agent.requests.count("GET /support") == 2


def test_who_may_not(agent, home, tmp_path, other_keys):
    home.keys = other_keys
    fetch(home, agent, tmp_path / "b", check=DENIED)
    agent.close()
    fetch(home, agent, tmp_path / "b", check=UNREACHABLE)
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("more", [["--since", "2026-02-22T10:00:00Z"], ["--db", "none"]])
def test_wrong_usage(agent, home, tmp_path, more):
    assert "--support" in fetch(home, agent, tmp_path / "b", *more, check=USAGE).stderr
    fetch(home, agent, "", check=USAGE)
    done = telehaul.run("sync_client", "import", tmp_path / "x", "--support", tmp_path / "b", check=USAGE)
    assert "import" in done.stderr


def test_a_folder_that_is_not_there(agent, home, tmp_path):
    done = fetch(home, agent, tmp_path / "nowhere" / "b", check=1)
    assert str(tmp_path / "nowhere" / "b.part") in done.stderr
    assert json.dumps(agent.requests).count("support") == 0
