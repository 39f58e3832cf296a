"""Everything that takes update packages, behind one call: reason(path) is None when the package is taken. Those that are
a machine run version 1.1.0 of the product telehaul."""

import base64
import io
import json
import re
import zipfile

import telehaul
from agent_root import new_source
from packages import VERSION, tree_sha256

CURRENT = "1.1.0"


def text_is_for_people(done):
    assert all(character.isprintable() for character in done.stderr.rstrip("\n")), done.stderr


def reason_of(done):
    """Of a program's --json, which must say the same as its exit code and its standard error."""
    text_is_for_people(done)
    said = json.loads(done.stdout)
    assert said["ok"] == (done.returncode == 0), done
    if said["ok"]:
        return None
    assert f"({said['reason']})" in done.stderr and said["detail"] in done.stderr
    return said["reason"]


class Inspect:
    is_machine = False

    def __init__(self, folder, keys):
        self.keys = keys
        self.folder = folder
        self.tree = "0" * 64

    def reason(self, path):
        done = telehaul.run("publish", "inspect", path, "--public-key", self.keys.public_file, "--json", check=False,
                            cwd=self.folder)
        reason = reason_of(done)
        assert done.returncode == (0 if reason is None else 4 if reason == "invalid_sig" else 5), done
        return reason

    def left(self):
        """What must be the same after a refusal."""
        return sorted(self.folder.iterdir())

    def close(self):
        pass


class Machine:
    """A ROOT of its own."""
    is_machine = True

    def __init__(self, folder, keys):
        self.keys = keys
        self.root = telehaul.Root(folder / "root", keys, version=CURRENT)
        self.tree = tree_sha256(self.root.path / "current")

    def left(self):
        """All files but those that say what happened: logs, locks, the history and last state of updates."""
        told = {"log", "run", "state.json", "history.jsonl"}
        return sorted((path.relative_to(self.root.path), path.lstat().st_size) for path in self.root.path.rglob("*")
                      if not told & set(path.relative_to(self.root.path).parts) and not path.is_dir())

    def close(self):
        self.root.clear()


class UpdaterVerify(Machine):
    def reason(self, path):
        done = telehaul.run("updater", "--root", self.root.path, "verify", path, "--json", check=False)
        return reason_of(done)


def headers_of(content):
    """What sync_client would send: the version and the signature that the package has; made up where it has none."""
    version, signature = VERSION, base64.b64encode(bytes(384)).decode()
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            version = str(json.loads(archive.read("manifest.json"))["version"])
            signature = archive.read("manifest.sig").decode("ascii")
    except Exception:  # whatever zipfile and json say to a hostile one
        pass
    if not re.fullmatch(r"(\d|[1-9]\d+)(\.\d+){2}([-+][0-9A-Za-z.+-]+)?", version) or len(version) > 63:
        version = VERSION
    if not re.fullmatch(r"[A-Za-z0-9+/]{4,680}={0,2}", signature) or len(signature) % 4:
        signature = base64.b64encode(bytes(384)).decode()
    return {"X-Update-Version": version, "X-Manifest-Signature": signature}


class PostUpdate(Machine):
    """The agent's POST /update."""

    def __init__(self, folder, keys):
        super().__init__(folder, keys)
        self.root.start_agent()
        self.client = None
        self.log_in()

    def log_in(self):
        self.client = telehaul.AgentClient(self.root.agent_port, self.keys, source=new_source())
        assert self.client.log_in().status_code == 200

    def reason(self, path):
        content = path.read_bytes()
        answer = self.post(content)
        if answer.status_code == 401:  # the token is of five minutes
            self.log_in()
            answer = self.post(content)
        said = answer.json()
        if answer.status_code == 200:
            assert said["status"] == "queued"
            return None
        if said["status"] == "bad_package":
            assert answer.status_code == 400
            return said["reason"]
        assert answer.status_code == {"invalid_sig": 400, "same_version": 409, "older_version": 409}[said["status"]], said
        return said["status"]

    def post(self, content):
        return self.client.http.post("/update", content=content, headers={**self.client.headers(), **headers_of(content)})


VERIFIERS = {"publish inspect": Inspect, "updater verify": UpdaterVerify, "POST update": PostUpdate}
