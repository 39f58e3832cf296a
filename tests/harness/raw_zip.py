"""A zip archive made field by field (PKWARE APPNOTE 6.3.10), so that each can be wrong. Shares no code with the product."""

import dataclasses
import struct
import zlib

LOCAL, CENTRAL, END, END64, LOCATOR64, DESCRIPTOR = (
    b"PK\3\4", b"PK\1\2", b"PK\5\6", b"PK\6\6", b"PK\6\7", b"PK\7\x08")
STORE, DEFLATE = 0, 8
DOS_DATE = 0x0021  # 1980-01-01


def deflate(content):
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(content) + packer.flush()


@dataclasses.dataclass
class Entry:
    """One entry. local, central: fields of that header alone that differ from what is true (magic of the local one, name,
    method, flags, crc, packed, size, time, extra, offset, attributes, comment)."""
    name: bytes
    content: bytes = b""
    method: int = STORE
    mode: int = 0o100644
    flags: int = None  # None: UTF-8 where the name needs it
    extra: bytes = b""
    data: bytes = None  # None: the content, packed by the method
    before: bytes = b""  # bytes of nobody
    descriptor: bytes = b""
    local: dict = dataclasses.field(default_factory=dict)
    central: dict = dataclasses.field(default_factory=dict)
    in_central: bool = True

    def fields(self):
        data = self.packed_data()
        flags = self.flags if self.flags is not None else 0 if self.name.isascii() else 0x800
        return {"name": self.name, "method": self.method, "flags": flags, "crc": zlib.crc32(self.content),
                "packed": len(data), "size": len(self.content), "time": 0, "extra": self.extra,
                "attributes": self.mode << 16, "comment": b"", "disk": 0, "needs": 20, "magic": LOCAL}

    def packed_data(self):
        if self.data is not None:
            return self.data
        return deflate(self.content) if self.method == DEFLATE else self.content


def streamed(entry):
    """The same as it is written to a pipe: bit 3 and a data descriptor."""
    fields = entry.fields()
    entry.flags = fields["flags"] | 8
    entry.local.update(crc=0, packed=0, size=0)
    entry.descriptor = DESCRIPTOR + struct.pack("<LLL", fields["crc"], fields["packed"], fields["size"])
    return entry


def local_header(fields):
    fixed = struct.pack("<HHHHHLLLHH", fields["needs"], fields["flags"], fields["method"], fields["time"], DOS_DATE,
                        fields["crc"], fields["packed"], fields["size"], len(fields["name"]), len(fields["extra"]))
    return fields["magic"] + fixed + fields["name"] + fields["extra"]


def central_header(fields):
    fixed = struct.pack("<BBHHHHHLLLHHHHHLL", 20, 3, fields["needs"], fields["flags"], fields["method"], fields["time"],
                        DOS_DATE, fields["crc"], fields["packed"], fields["size"], len(fields["name"]), len(fields["extra"]),
                        len(fields["comment"]), fields["disk"], 0, fields["attributes"], fields["offset"])
    return CENTRAL + fixed + fields["name"] + fields["extra"] + fields["comment"]


def end_record(**changes):
    fields = {"disk": 0, "first_disk": 0, "here": 0, "count": 0, "size": 0, "offset": 0, "comment": b"", **changes}
    return END + struct.pack("<HHHHLLH", fields["disk"], fields["first_disk"], fields["here"], fields["count"],
                             fields["size"], fields["offset"], len(fields["comment"])) + fields["comment"]


def build(entries, *, prefix=b"", before_central=b"", before_end=b"", suffix=b"", central_order=None, end=None):
    """The whole archive. end: fields of the end record that differ from what is true."""
    out = bytearray(prefix)
    headers = []
    for entry in entries:
        out += entry.before
        fields = entry.fields()
        headers.append((entry, {**fields, "offset": len(out), **entry.central}))
        out += local_header({**fields, **entry.local}) + entry.packed_data() + entry.descriptor
    out += before_central
    start = len(out)
    listed = [fields for entry, fields in headers if entry.in_central]
    for number in central_order or range(len(listed)):
        out += central_header(listed[number])
    size = len(out) - start
    count = len(central_order or listed)
    out += before_end + end_record(**{"here": count, "count": count, "size": size, "offset": start, **(end or {})})
    return bytes(out) + suffix
