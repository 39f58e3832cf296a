"""A program under tests/fault/recorder.so: run, killed, starved of room or tricked at one of its calls, and the records of
all of them. Trees: what a folder holds, as a dictionary that is taken from the disk, compared, and put back onto it."""

import collections
import os
import stat
import struct
import subprocess

import telehaul

LIBRARY = telehaul.BIN.parent / "fault" / "recorder.so"
TIMEOUT_S = 60

# As in recorder.c: enum kind, struct record.
KINDS = ["open", "write", "sync", "rename", "exchange", "link", "symlink", "unlink", "rmdir", "mkdir", "truncate", "mode",
         "owner", "look"]
HEAD = struct.Struct("<5Q6I")
NEED_ROOM = {"open", "write", "sync", "rename", "link", "symlink", "mkdir", "truncate"}

Record = collections.namedtuple("Record", "number inode parent parent2 offset kind flags failed name name2 data")


def run(words, do=None, at=0, log=None, swap=None, env=None):
    """do, at: as RECORDER_DO and RECORDER_AT. Returns the finished process; one that hangs raises."""
    assert LIBRARY.is_file(), f"{LIBRARY} is missing: `make recorder`"
    settings = {"LD_PRELOAD": str(LIBRARY)}
    if do:
        settings.update(RECORDER_DO=do, RECORDER_AT=str(at))
    if swap:
        settings["RECORDER_SWAP"] = ":".join(map(str, swap))
    if log:
        settings["RECORDER_LOG"] = str(log)
    return subprocess.run(list(map(str, words)), stdin=subprocess.DEVNULL, capture_output=True, timeout=TIMEOUT_S, check=False,
                          close_fds=False, env={**os.environ, **(env or {}), **settings})


def read_records(log):
    data, at, records = log.read_bytes(), 0, []
    while at < len(data):
        number, inode, parent, parent2, offset, kind, flags, failed, *sizes = HEAD.unpack_from(data, at)
        at += HEAD.size
        pieces = []
        for size in sizes:
            pieces.append(data[at:at + size])
            at += size
        records.append(Record(number, inode, parent, parent2, offset, KINDS[kind], flags, bool(failed), pieces[0].decode(),
                              pieces[1].decode(), pieces[2]))
    assert [record.number for record in records] == list(range(1, len(records) + 1)), "the records have gaps"
    return records


# ---- trees: path -> Folder, File or Link; "" is the folder itself ----

Folder = collections.namedtuple("Folder", "mode")
File = collections.namedtuple("File", "mode content inode")  # the same inode: two names of one file
Link = collections.namedtuple("Link", "target")


def take(folder):
    tree = {"": Folder(stat.S_IMODE(os.lstat(folder).st_mode))}

    def enter(path, prefix):
        for entry in os.scandir(path):
            name, about = prefix + entry.name, entry.stat(follow_symlinks=False)
            if entry.is_symlink():
                tree[name] = Link(os.readlink(entry.path))
            elif entry.is_dir(follow_symlinks=False):
                tree[name] = Folder(stat.S_IMODE(about.st_mode))
                enter(entry.path, name + "/")
            else:
                with open(entry.path, "rb") as file:
                    tree[name] = File(stat.S_IMODE(about.st_mode), file.read(), about.st_ino)
    enter(folder, "")
    return tree


def put(tree, folder):
    """Files with one inode become one file again."""
    made = {}
    for name in sorted(tree):
        path, entry = os.path.join(folder, name) if name else str(folder), tree[name]
        if isinstance(entry, Folder):
            os.mkdir(path)
            os.chmod(path, entry.mode | 0o700)
        elif isinstance(entry, Link):
            os.symlink(entry.target, path)
        elif entry.inode in made:
            os.link(made[entry.inode], path)
        else:
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            os.write(fd, entry.content) if entry.content else None
            os.fchmod(fd, entry.mode)
            os.close(fd)
            made[entry.inode] = path


def without_inodes(tree):
    """For comparing: two trees with the same content are the same, whatever numbers their files have."""
    return {name: entry[:2] if isinstance(entry, File) else entry for name, entry in tree.items()}


def below(tree, folder):
    prefix = folder + "/"
    return {name[len(prefix):]: entry for name, entry in tree.items() if name.startswith(prefix)}
