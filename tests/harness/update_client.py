"""POST /update as docs/protocol.md has it, by httpx and by bare sockets, and what a machine's queue of updates holds then."""

import json
import re
import zipfile

SEMVER = re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?")


def headers_of(client, content, version, signature):
    return {**client.headers(), "X-Update-Version": version, "X-Manifest-Signature": signature,
            "Content-Length": str(len(content))}


def signature_in(content):
    """manifest.sig as it lies in the package."""
    import io
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("manifest.sig").decode()


def post(client, content, version="1.2.0", signature=None, **more):
    """One package, whole, without Expect."""
    headers = headers_of(client, content, version, signature_in(content) if signature is None else signature)
    return client.http.post("/update", content=content, headers={**headers, **more})


def by_post(client, path):
    """As a client would that believes what the package says of itself. None: queued; else the reason."""
    content, version, signature = path.read_bytes(), "1.2.0", "AAAA"
    try:
        said = json.loads(zipfile.ZipFile(path).read("manifest.json"))["version"]
        version = said if SEMVER.fullmatch(said) and len(said) < 64 else version
        signature = signature_in(content) or signature
        signature.encode("ascii")
    except Exception:  # noqa: BLE001: no package that Python can read; then the machine cannot, either
        pass
    answer = post(client, content, version, re.sub(r"[^A-Za-z0-9+/=]", "", signature) or "AAAA")
    said = answer.json()
    if answer.status_code == 200:
        assert said == {"status": "queued"}
        return None
    statuses = {"bad_package": 400, "invalid_sig": 400, "same_version": 409, "older_version": 409}
    assert answer.status_code == statuses[said["status"]], answer.text
    assert all(character.isprintable() for character in said["detail"])
    return said["reason"] if said["status"] == "bad_package" else said["status"]


class Queue:
    """ROOT/pending_update."""

    def __init__(self, root):
        self.folder = root / "pending_update"

    def names(self):
        """What is queued; not the memory of what was."""
        return sorted(path.name for path in self.folder.iterdir() if path.name not in ("floors.json", "history.jsonl"))

    def history(self):
        path = self.folder / "history.jsonl"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def meta(self):
        return json.loads((self.folder / "meta.json").read_text())

    def clear(self):
        for path in self.folder.iterdir():
            path.unlink()
