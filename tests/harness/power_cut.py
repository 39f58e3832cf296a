"""A disk that forgets: plays the calls that tests/fault/recorder.so has recorded onto a tree, and says what may be left of it
when the power goes.

The model is what POSIX promises and no more; ext4 and xfs promise more (both write a journal of names in order, and an fsync of
one file carries the older names along), so whatever survives here survives there:

  a file's content   is safe as of the last fsync or fdatasync of that file, or of the first tree. What was written, cut or
                     chmodded since is lost, or there, or there in part: each write for itself, in any order, torn at a multiple
                     of 512 bytes; what is lost in the midst reads as zeros, and so may all of it (xfs, and ext4 after a rename
                     without an fsync: a file with its new name and size and none of its bytes)
  a folder's names   are safe as of the last fsync of that folder. Later changes of it (making, linking, renaming, removing) are
                     lost from the last one backwards: a folder keeps a first part of them, each folder its own, with no regard
                     to any file's content and to other folders. A rename is done or not, never half, also between two folders
  fsync of a file    says nothing about its name; of a folder, nothing about the files and folders in it

SQLite's files are files like others here. It maps its -shm file, which it makes anew after a power cut: its content is lost.
What this leaves out: a disk that lies about fsync, and one that damages what was not being written."""

import copy
import os

from recorder import File, Folder, Link

SECTOR_BYTES = 512
UMASK = os.umask(0)
os.umask(UMASK)


class Inode:
    """The safe state of a file or link, and what was done to it since; of a folder its names are kept by Disk."""

    def __init__(self, kind, mode, content=b""):
        self.kind, self.mode, self.content = kind, mode, content
        self.since = []  # ("write", offset, data) | ("truncate", size) | ("mode", mode)

    def do(self, *change):
        self.since.append(change)

    def sync(self):
        self.mode, self.content = self.after(self.since)
        self.since = []

    def after(self, changes):
        mode, content = self.mode, bytearray(self.content)
        for what, *values in changes:
            if what == "mode":
                mode = values[0]
            elif what == "truncate":
                content = content[:values[0]].ljust(values[0], b"\0")
            else:
                offset, data = values
                content = content.ljust(offset, b"\0")
                content[offset:offset + len(data)] = data
        return mode, bytes(content)


def lost(inode, _choice):
    return inode.mode, inode.content


def kept(inode, _choice):
    return inode.after(inode.since)


def zeroed(inode, _choice):
    return inode.after([(what, values[0], bytes(len(values[1]))) if what == "write" else (what, *values)
                        for what, *values in inode.since])


def some(inode, choice):
    """Each change is lost, done, zeros of its size, or torn."""
    changes = []
    for what, *values in inode.since:
        fate = choice.randrange(4)
        if fate == 0:
            continue
        if what == "write" and fate == 2:
            values = [values[0], bytes(len(values[1]))]
        elif what == "write" and fate == 3:
            values = [values[0], values[1][:SECTOR_BYTES * choice.randrange(len(values[1]) // SECTOR_BYTES + 1)]]
        changes.append((what, *values))
    return inode.after(changes)


def no_names(_disk, _choice):
    return []


def all_names(disk, _choice):
    return disk.renamed


def some_names(disk, choice):
    """Of every folder a first part of its changes, and nothing that follows something that is lost."""
    ends = {}
    chosen = []
    for number, change in enumerate(disk.renamed):
        for folder, _name, _inode in change:
            ends.setdefault(folder, choice.randrange(len(disk.renamed) + 1))
        if all(number < ends[folder] for folder, _name, _inode in change):
            chosen.append(change)
        else:
            for folder, _name, _inode in change:
                ends[folder] = min(ends[folder], number)
    return chosen


# What the power may have left: (what became of names, what became of content).
WAYS = {"nothing": (no_names, lost), "names": (all_names, lost), "names and zeros": (all_names, zeroed),
        "content": (no_names, kept), "everything": (all_names, kept), "some": (some_names, some),
        "names and some": (all_names, some), "some names": (some_names, kept)}
BY_CHOICE = ("some", "names and some", "some names")


class Disk:
    def __init__(self, folder):
        self.inodes = {}  # number -> Inode
        self.names = {}  # number of a folder -> {name: number}: what is safe
        self.renamed = []  # changes of names since: lists of (folder, name, number or None)
        self.seen = {}  # as names, with all changes: what the program sees
        self.root = self._take(folder)
        self.seen = {number: dict(names) for number, names in self.names.items()}

    def _take(self, path):
        about = os.lstat(path)
        number = about.st_ino
        mode = about.st_mode & 0o7777
        if os.path.islink(path):
            self.inodes[number] = Inode("link", 0, os.readlink(path).encode())
        elif os.path.isdir(path):
            self.inodes[number] = Inode("folder", mode)
            self.names[number] = {name: self._take(os.path.join(path, name)) for name in os.listdir(path)}
        else:
            with open(path, "rb") as file:
                self.inodes[number] = Inode("file", mode, file.read())
        return number

    def copy(self):
        return copy.deepcopy(self)

    # ---- the calls ----

    def play(self, record):
        if not record.failed:
            getattr(self, f"_{record.kind}")(record)

    def _rename_to(self, *change):
        change = [part for part in change if part[0] in self.seen]
        for folder, name, number in change:
            if number is None:
                self.seen[folder].pop(name, None)
            else:
                self.seen[folder][name] = number
        if change:
            self.renamed.append(change)

    def _make(self, record, inode, name, parent):
        if parent not in self.seen:
            return  # not of this tree
        self.inodes[record.inode] = inode
        self._rename_to((parent, name, record.inode))

    def _open(self, record):
        old = self.seen.get(record.parent, {}).get(record.name)
        if old is None and record.flags & os.O_CREAT:
            self._make(record, Inode("file", record.offset & ~UMASK), record.name, record.parent)
        elif old is not None and record.flags & os.O_TRUNC:
            self.inodes[old].do("truncate", 0)

    def _write(self, record):
        if record.inode in self.inodes:
            self.inodes[record.inode].do("write", record.offset, record.data)

    def _truncate(self, record):
        if record.inode in self.inodes:
            self.inodes[record.inode].do("truncate", record.offset)

    def _mode(self, record):
        if record.inode in self.inodes:
            self.inodes[record.inode].do("mode", record.offset)

    def _owner(self, record):
        pass

    def _mkdir(self, record):
        if record.parent in self.seen:
            self.names[record.inode], self.seen[record.inode] = {}, {}
        self._make(record, Inode("folder", record.offset & ~UMASK), record.name, record.parent)

    def _symlink(self, record):
        self._make(record, Inode("link", 0, record.data), record.name, record.parent)

    def _link(self, record):
        self._rename_to((record.parent2, record.name2, record.inode))

    def _unlink(self, record):
        self._rename_to((record.parent, record.name, None))

    _rmdir = _unlink

    def _rename(self, record):
        moved = self.seen[record.parent][record.name]
        self._rename_to((record.parent, record.name, None), (record.parent2, record.name2, moved))

    def _exchange(self, record):
        first, second = self.seen[record.parent][record.name], self.seen[record.parent2][record.name2]
        self._rename_to((record.parent, record.name, second), (record.parent2, record.name2, first))

    def _sync(self, record):
        if record.inode not in self.inodes:
            return
        self.inodes[record.inode].sync()
        if self.inodes[record.inode].kind == "folder":
            self._sync_names(record.inode)

    def _sync_names(self, folder):
        """Of that folder, and what of others belongs to a rename between them or came before it under the same name."""
        needed = {(folder, name) for change in self.renamed for at, name, _inode in change if at == folder}
        safe = []
        for change in reversed(self.renamed):
            if any((at, name) in needed for at, name, _inode in change):
                needed.update((at, name) for at, name, _inode in change)
                safe.append(change)
        self._apply(self.names, reversed(safe))
        self.renamed = [change for change in self.renamed if change not in safe]

    @staticmethod
    def _apply(names, changes):
        for change in changes:
            for folder, name, number in change:
                if number is None:
                    names[folder].pop(name, None)
                else:
                    names[folder][name] = number

    # ---- the power goes ----

    def left(self, way, choice):
        """The tree that is found afterwards."""
        which_names, which_content = WAYS[way]
        names = {folder: dict(entries) for folder, entries in self.names.items()}
        self._apply(names, which_names(self, choice))
        states = {number: which_content(inode, choice) for number, inode in self.inodes.items()}
        tree = {}

        def enter(number, path):
            mode, content = states[number]
            kind = self.inodes[number].kind
            if kind == "folder":
                tree[path] = Folder(mode)
                for name, inside in names[number].items():
                    enter(inside, f"{path}/{name}" if path else name)
            else:
                tree[path] = Link(self.inodes[number].content.decode()) if kind == "link" else File(mode, content, number)
        enter(self.root, "")
        return tree
