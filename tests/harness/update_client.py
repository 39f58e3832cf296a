"""POST /update as docs/protocol.md has it, by httpx and by bare sockets, and what a machine's queue of updates holds then."""

import io
import json
import zipfile


def headers_of(client, content, version, signature):
    return {**client.headers(), "X-Update-Version": version, "X-Manifest-Signature": signature,
            "Content-Length": str(len(content))}


def signature_in(content):
    """manifest.sig as it lies in the package."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return archive.read("manifest.sig").decode()


def post(client, content, version="1.2.0", signature=None, **more):
    """One package, whole, without Expect."""
    headers = headers_of(client, content, version, signature_in(content) if signature is None else signature)
    return client.http.post("/update", content=content, headers={**headers, **more})


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
