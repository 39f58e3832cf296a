"""Update packages built by the tests' own Python, good and hostile: docs/package_format.md read a second time. A case is a
name, what is done to a good package, and the reason with which it must be refused."""

import base64
import dataclasses
import hashlib
import json
import pathlib
import typing

import raw_zip
from raw_zip import Entry

FILES = {"bin/portal": b"#!/bin/sh\necho made up\n", "share/www/app.css": b"body { color: black }\n"}
MIGRATIONS = {"0901_made_up.sql": b"CREATE TABLE made_up (x INTEGER);\n"}
VERSION = "1.2.0"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def tree_sha256(folder):
    """Of a release folder: sorted lines `<sha256> <mode> <path>`, hashed."""
    folder = pathlib.Path(folder)
    lines = sorted(f"{sha256(path.read_bytes())} {'0755' if path.stat().st_mode & 0o100 else '0644'} "
                   f"{path.relative_to(folder)}\n"
                   for part in ("bin", "share", "migrations") for path in (folder / part).rglob("*") if path.is_file())
    return sha256("".join(lines).encode())


class Package:
    """A good package until something of it is changed."""

    def __init__(self, keys, files=None, migrations=None, **members):
        self.keys = keys
        self.files = dict(FILES if files is None else files)
        self.migrations = dict(MIGRATIONS if migrations is None else migrations)
        self.manifest = {
            "format": 1, "product": "telehaul", "version": VERSION, "created_at": "2026-02-22T10:00:00Z", "notes": "made up",
            "files": [{"path": path, "sha256": sha256(content), "size": len(content),
                       "mode": "0755" if path.startswith("bin/") else "0644"} for path, content in self.files.items()],
            "migrations": [{"name": name, "sha256": sha256(content), "size": len(content)}
                           for name, content in self.migrations.items()],
            **members}
        self.text = None  # the manifest's bytes, when they are no dump of the above
        self.signature = None  # manifest.sig's bytes, when they are not the true ones
        self.more = []  # entries behind the others
        self.changed = lambda entries: entries  # what becomes of the list of entries
        self.archive = {}  # of raw_zip.build
        self.method = raw_zip.DEFLATE

    def manifest_bytes(self):
        return self.text if self.text is not None else json.dumps(self.manifest).encode()

    def signature_bytes(self):
        if self.signature is not None:
            return self.signature
        return base64.b64encode(self.keys.sign(self.manifest_bytes()))

    def entries(self):
        contents = {"manifest.json": self.manifest_bytes(), "manifest.sig": self.signature_bytes(),
                    **{f"files/{path}": content for path, content in self.files.items()},
                    **{f"migrations/{name}": content for name, content in self.migrations.items()}}
        made = [Entry(name.encode(), content, self.method) for name, content in contents.items()]
        return self.changed(made + self.more)

    def build(self):
        return raw_zip.build(self.entries(), **self.archive)

    def write(self, path):
        path.write_bytes(self.build())
        return path

    def manifest_sha256(self):
        return sha256(self.manifest_bytes())


@dataclasses.dataclass
class Case:
    name: str
    reason: str
    make: typing.Callable  # (keys, other_keys) -> bytes
    needs_machine: bool = False  # refused for what the machine is, not for what the package is

    def __str__(self):
        return self.name


def changed(change, **more):
    """Bytes of a good package after change(package, other_keys)."""
    def make(keys, other_keys):
        package = Package(keys, **more)
        change(package, other_keys)
        return package.build()
    return make
