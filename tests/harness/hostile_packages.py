"""The hostile packages: CASES of packages.py, by what is attacked (docs/package_format.md names every reason)."""

import base64
import json
import struct

import raw_zip
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from packages import FILES, Case, Package, changed, sha256
from raw_zip import Entry

CASES = []


def case(name, reason, change, needs_machine=False, **more):
    CASES.append(Case(name, reason, changed(change, **more), needs_machine))


# ---- signatures ----

def signature(name, make):
    """make(package, other_keys) -> manifest.sig's bytes"""
    def change(package, other_keys):
        package.signature = make(package, other_keys)
    case(f"signature: {name}", "invalid_sig", change)


def b64(content):
    return base64.b64encode(content)


def good(package):
    return package.keys.sign(package.manifest_bytes())


def flipped(package, _):
    """Of one signature: each has a salt of its own."""
    content = bytearray(good(package))
    content[0] ^= 1
    return b64(bytes(content))


def pss(hash_algorithm, mgf=None, salt=20):
    return lambda package, _: b64(package.keys.private.sign(
        package.manifest_bytes(), padding.PSS(padding.MGF1(mgf or hash_algorithm), salt), hash_algorithm))


signature("empty", lambda package, _: b"")
signature("another key", lambda package, other: b64(other.sign(package.manifest_bytes())))
signature("PKCS#1 v1.5", lambda package, _: b64(
    package.keys.private.sign(package.manifest_bytes(), padding.PKCS1v15(), hashes.SHA256())))
signature("SHA-1", pss(hashes.SHA1()))
signature("SHA-384", pss(hashes.SHA384()))
signature("SHA-512", pss(hashes.SHA512()))
signature("MGF1 with SHA-1", pss(hashes.SHA256(), hashes.SHA1()))
signature("cut", lambda package, _: b64(good(package)[:-1]))
signature("cut at the front", lambda package, _: b64(good(package)[1:]))
signature("a byte more", lambda package, _: b64(good(package) + b"\0"))
signature("twice", lambda package, _: b64(good(package) * 2))
signature("a bit flipped", flipped)
signature("zeros", lambda package, _: b64(bytes(384)))
signature("all ones", lambda package, _: b64(b"\xff" * 384))
signature("one", lambda package, _: b64(bytes(383) + b"\1"))
signature("raw bytes", lambda package, _: good(package))
signature("hexadecimal", lambda package, _: good(package).hex().encode())
signature("a line feed behind", lambda package, _: b64(good(package)) + b"\n")
signature("a blank before", lambda package, _: b" " + b64(good(package)))
signature("in lines", lambda package, _: base64.encodebytes(good(package)))
signature("of the URL alphabet", lambda package, _: b"-_" + base64.urlsafe_b64encode(good(package))[2:])
signature("without its padding, with a byte more", lambda package, _: b64(good(package) + b"\1").rstrip(b"="))
signature("a NUL behind", lambda package, _: b64(good(package)) + b"\0")
signature("very long", lambda package, _: b"A" * 4096)
signature("of nothing", lambda package, _: b64(package.keys.sign(b"")))
signature("of a file", lambda package, _: b64(package.keys.sign(package.files["bin/portal"])))
signature("of the manifest's hash", lambda package, _: b64(package.keys.sign(sha256(package.manifest_bytes()).encode())))
signature("of a session", lambda package, _: b64(package.keys.sign(b"telehaul-auth-v2\n" + package.manifest_bytes())))


def reserialised(package, other_keys):
    package.signature = package.signature_bytes()
    package.text = json.dumps(package.manifest, indent=1).encode()


def edited(package, other_keys):
    package.signature = package.signature_bytes()
    package.manifest["notes"] = "trust me"


def a_line_feed_more(package, other_keys):
    package.signature = package.signature_bytes()
    package.text = package.manifest_bytes() + b"\n"


def not_signed_and_bad(package, other_keys):
    package.signature = b64(other_keys.sign(b"{"))
    package.text = b"{"


case("signature: the manifest re-serialised under it", "invalid_sig", reserialised)
case("signature: the manifest edited under it", "invalid_sig", edited)
case("signature: a line feed behind the manifest", "invalid_sig", a_line_feed_more)
case("signature: wrong, and no manifest either: nothing is parsed before it holds", "invalid_sig", not_signed_and_bad)


def order(name, reason, move):
    def change(package, other_keys):
        package.changed = move
    case(f"order: {name}", reason, change)


order("no manifest.sig", "invalid_sig", lambda entries: [entries[0], *entries[2:]])
order("manifest.sig at the end", "invalid_sig", lambda entries: [entries[0], *entries[2:], entries[1]])
order("no manifest.json", "bad_manifest", lambda entries: entries[1:])
order("manifest.json at the end", "bad_manifest", lambda entries: [*entries[1:], entries[0]])
order("the signature first", "bad_manifest", lambda entries: [entries[1], entries[0], *entries[2:]])
order("nothing", "bad_manifest", lambda entries: [])
order("the manifest alone", "invalid_sig", lambda entries: entries[:1])


# ---- the manifest ----

def members(what, reason="bad_manifest", **changes):
    case(f"manifest: {what}", reason, lambda package, _: package.manifest.update(changes))


def without(member):
    case(f"manifest: no {member}", "bad_manifest", lambda package, _: package.manifest.pop(member))


def text(name, make, reason="bad_manifest"):
    def change(package, other_keys):
        package.text = make(package.manifest_bytes())
    case(f"manifest: {name}", reason, change)


def file_row(name, reason="bad_manifest", **changes):
    case(f"manifest: {name}", reason, lambda package, _: package.manifest["files"][0].update(changes))


def migration_row(what, reason="bad_manifest", **changes):
    case(f"manifest: {what}", reason, lambda package, _: package.manifest["migrations"][0].update(changes))


for member in ("format", "product", "version", "created_at", "notes", "files", "migrations"):
    without(member)
members("format 2", format=2)
members("format 0", format=0)
members("format as text", format="1")
members("format true", format=True)
members("an unknown member", install_script="rm -rf /")
members("an empty member name", **{"": 1})
members("product empty", product="")
members("product of 65 bytes", product="p" * 65)
members("product null", product=None)
members("product a number", product=1)
for version in ("", "1", "1.2", "v1.2.0", "1.2.0.0", "01.2.0", "1.2.0-", "1.2.0 ", "../1.2.0", "1.2.0/x",
                "1.2.0-" + "a" * 60):
    members(f"version `{version[:12]}`", version=version)
members("min_version no version", min_version="newest")
members("min_version empty", min_version="")
members("base no object", base="1.1.0")
members("base empty", base={})
members("base with a short hash", base={"version": "1.1.0", "tree_sha256": "00"})
members("base with more", base={"tree_sha256": "0" * 64, "path": "/"})
members("created_at no time", created_at="yesterday")
members("created_at a number", created_at=1771754400)
members("created_at on a day that never was", created_at="2026-02-30T10:00:00Z")
members("created_at without a zone", created_at="2026-02-22T10:00:00")
members("expires_at no time", expires_at="never")
members("expires_at null", expires_at=None)
members("notes a list", notes=["a"])
members("notes with a NUL", notes="a\0b")
members("notes of 64 KiB and one", notes="n" * (64 * 1024 + 1))
members("files no list", files={"bin/portal": "x"})
members("files null", files=None)
members("a file as text", files=["bin/portal"])
members("migrations no list", migrations="0901_made_up.sql")
members("remove no list", remove="share/old.css")
members("remove a list in a list", remove=[["share/old.css"]])
text("empty", lambda manifest: b"")
text("no JSON", lambda manifest: b"version = 1.2.0")
text("a list", lambda manifest: b"[" + manifest + b"]")
text("null", lambda manifest: b"null")
text("a byte-order mark", lambda manifest: b"\xef\xbb\xbf" + manifest)
text("UTF-16", lambda manifest: manifest.decode().encode("utf-16"))
text("no UTF-8", lambda manifest: manifest.replace(b"made up", b"made \xff"))
text("half a surrogate pair", lambda manifest: manifest.replace(b"made up", b"\\ud800"))
text("more behind it", lambda manifest: manifest + b"{}")
text("a NUL behind it", lambda manifest: manifest + b"\0")
text("cut", lambda manifest: manifest[:-1])
text("a comma too many", lambda manifest: manifest[:-1] + b",}")
text("a remark", lambda manifest: b"/* hello */" + manifest)
text("single quotes", lambda manifest: manifest.replace(b'"', b"'"))
text("version twice", lambda manifest: b'{"version": "9.9.9", ' + manifest[1:])
text("version twice, once escaped", lambda manifest: b'{"v\\u0065rsion": "9.9.9", ' + manifest[1:])
text("path twice in a row", lambda manifest: manifest.replace(b'{"path"', b'{"path": "bin/agent", "path"', 1))
text("files twice", lambda manifest: manifest[:-1] + b', "files": []}')
text("deep nesting", lambda manifest: manifest[:-1] + b', "remove": ' + b"[" * 1000 + b"]" * 1000 + b"}")
text("deeper nesting", lambda manifest: b"[" * 200_000 + b"]" * 200_000)
text("size as 23.0", lambda manifest: manifest.replace(b'"size": 23', b'"size": 23.0'))
text("size as 2.3e1", lambda manifest: manifest.replace(b'"size": 23', b'"size": 2.3e1'))
text("size as 023", lambda manifest: manifest.replace(b'"size": 23', b'"size": 023'))
text("size as +23", lambda manifest: manifest.replace(b'"size": 23', b'"size": +23'))
text("size NaN", lambda manifest: manifest.replace(b'"size": 23', b'"size": NaN'))
text("over 4 MiB", lambda manifest: manifest + b" " * (4 * 1024 * 1024 + 1 - len(manifest)))
file_row("an unknown member in a file", owner="root")
file_row("size as text", size="23")
file_row("size null", size=None)
file_row("size below zero", size=-1)
file_row("size of 2^64", size=2**64)
file_row("size of 2^63", size=2**63)
file_row("size above 1 TiB", size=2**40 + 1)
file_row("hash in capitals", sha256=sha256(FILES["bin/portal"]).upper())
file_row("hash too short", sha256="ab")
file_row("hash of 65 digits", sha256="a" * 65)
file_row("hash null", sha256=None)
file_row("mode setuid", mode="4755")
file_row("mode world-writable", mode="0777")
file_row("mode private", mode="0600")
file_row("mode a number", mode=493)
file_row("mode 755", mode="755")
file_row("a NUL in a path", path="bin/a\0b")
migration_row("migration without a number", name="made_up.sql")
migration_row("migration in a folder", name="../0901_made_up.sql")
migration_row("migration in capitals", name="0901_MADE_UP.sql")
migration_row("migration that is no SQL", name="0901_made_up.sh")
migration_row("migration larger than 1 MiB", size=1024 * 1024 + 1)
migration_row("an unknown member in a migration", version="1.2.0")
case("manifest: two migrations of one number", "bad_migration", lambda package, _: None,
     migrations={"0901_a.sql": b"SELECT 1;", "0901_b.sql": b"SELECT 1;"})
case("manifest: 20,001 removals", "too_many_entries", lambda package, _: package.manifest.update(
    remove=[f"share/{number}" for number in range(20_001)]))


# ---- paths: in the manifest alone (a removal needs no entry), and of files ----

def path(name, reason, *paths):
    case(f"removed path: {name}", reason, lambda package, _: package.manifest.update(remove=list(paths)))


def file_path(name, reason, *paths):
    case(f"path of a file: {name}", reason, lambda package, _: None, files={one: b"x" for one in paths})


for add in (path, file_path):
    add("upwards", "path_traversal", "../config.txt")
    add("upwards from inside", "path_traversal", "bin/../../config.txt")
    add("backslash", "backslash", "bin\\..\\x")
    add("control character", "name_control", "bin/a\x1b[2J")
    add("line feed", "name_control", "bin/a\nb")
    add("C1 control character", "name_control", "bin/a\x9b")
    add("empty part", "empty_part", "bin//a")
    add("dot part", "dot_part", "bin/./a")
    add("trailing dot", "trailing_dot", "bin/a.")
    add("trailing blank", "trailing_dot", "bin/a /b")
    add("part of 256 bytes", "part_too_long", "bin/" + "p" * 256)
    add("path of 1,041 bytes", "path_too_long", "bin/" + "p/" * 518 + "q")
    add("case alone", "case_clash", "bin/a", "bin/A")
    add("case of a folder", "case_clash", "share/x/a", "share/X/b")
    add("case beyond ASCII", "case_clash", "share/Ж", "share/ж")
    add("a file and its folder", "file_and_folder", "bin/a", "bin/a/b")
    for protected in ("license/x", "license.dat", "config.txt", "credentials.env", "version.txt", "LICENSE/x", "License.Dat",
                      "CONFIG.TXT", "Credentials.ENV", "Version.txt", "licen\u017fe/x"):
        add(f"protected {protected}", "protected_path", protected)
    for outside in ("lib/x", "README", "bin", "share", "migrations/0001_x.sql", "Bin/x", "data/telemetry.db", "boot/start"):
        add(f"outside {outside}", "outside_release", outside)
path("absolute", "absolute_path", "/etc/passwd")
path("drive letter", "drive_letter", "c:/x")
path("twice", "duplicate_entry", "bin/a", "bin/a")
path("a file of the package", "duplicate_entry", "bin/portal")
path("the path of 1,025 bytes", "path_too_long", "bin/" + "p/" * 510 + "q")
path("empty", "empty_name", "")
path("a folder", "directory_entry", "share/")


# ---- entries against the manifest ----

def entries(name, reason, change, **more):
    def apply(package, other_keys):
        package.changed = change
    case(f"entries: {name}", reason, apply, **more)


def more(name, reason, *added):
    def change(package, other_keys):
        package.more = list(added)
    case(f"entries: {name}", reason, change)


def replaced(number, content):
    def change(made):
        made[number].content = content
        return made
    return change


def swapped(made):
    made[2].content, made[3].content = made[3].content, made[2].content
    return made


more("a file more", "not_listed", Entry(b"files/bin/more", b"x"))
more("a migration more", "not_listed", Entry(b"migrations/0902_more.sql", b"SELECT 1;"))
more("a file elsewhere", "not_listed", Entry(b"README", b"x"))
more("a file that begins as another", "not_listed", Entry(b"files/bin/portal2", b"x"))
more("a file without its folder", "not_listed", Entry(b"bin/portal", FILES["bin/portal"]))
more("a file as migration", "not_listed", Entry(b"migrations/bin/portal", FILES["bin/portal"]))
more("another manifest", "not_listed", Entry(b"files/manifest.json", b"{}"))
more("a protected file that is not listed", "not_listed", Entry(b"files/config.txt", b"x"))
more("manifest.json again", "duplicate_entry", Entry(b"manifest.json", b"{}"))
more("manifest.json in capitals", "case_clash", Entry(b"MANIFEST.JSON", b"{}"))
more("a file again", "duplicate_entry", Entry(b"files/bin/portal", b"x"))
entries("a file less", "missing_entry", lambda made: made[:2] + made[3:])
entries("a migration less", "missing_entry", lambda made: made[:-1])
entries("neither file nor migration", "missing_entry", lambda made: made[:2])
entries("a byte of a file differs", "hash_mismatch", replaced(2, b"#!/bin/sh\necho made UP\n"))
entries("a byte of a migration differs", "hash_mismatch", replaced(4, b"CREATE TABLE made_UP (x INTEGER);\n"))
entries("a shorter file", "size_mismatch", replaced(2, b"#!/bin/sh\n"))
entries("an empty file", "size_mismatch", replaced(2, b""))
entries("a longer file", "too_large", replaced(2, FILES["bin/portal"] + b"rm -rf /\n"))
entries("a longer migration", "too_large", replaced(4, b"CREATE TABLE made_up (x INTEGER);\nDROP TABLE readings;\n"))
entries("two files change places", "hash_mismatch", swapped, files={"bin/a": b"aa", "bin/b": b"bb"})


# ---- kinds ----

def entry(name, reason, **changes):
    """The first file's entry changed: fields of raw_zip.Entry."""
    def change(package, other_keys):
        def alter(made):
            for field, value in changes.items():
                setattr(made[2], field, value)
            return made
        package.changed = alter
        package.method = changes.get("method", raw_zip.DEFLATE)
    case(f"entry: {name}", reason, change)


for kind, mode, reason in (("symlink", 0o120777, "symlink"), ("character device", 0o020644, "special_file"),
                           ("block device", 0o060644, "special_file"), ("FIFO", 0o010644, "special_file"),
                           ("socket", 0o140644, "special_file"), ("folder", 0o040755, "directory_entry"),
                           ("setuid", 0o104755, "setuid"), ("setgid", 0o102755, "setgid"), ("sticky", 0o101755, "sticky"),
                           ("world-writable", 0o100666, "world_writable"), ("setuid without a type", 0o4755, "setuid")):
    entry(kind, reason, mode=mode)
entry("folder by DOS attribute", "directory_entry", central={"attributes": 0o100644 << 16 | 0x10})
more("a folder that nobody needs", "directory_entry", Entry(b"files/bin/", mode=0o040755))
more("a folder outside", "directory_entry", Entry(b"../", mode=0o040755))

# ---- names in the archive alone ----
for name, reason, word in ((b"../x", "path_traversal", "upwards"),
                           (b"files/../../x", "path_traversal", "upwards from inside"),
                           (b"/etc/passwd", "absolute_path", "absolute"), (b"C:/x", "drive_letter", "drive"),
                           (b"files\\bin\\x", "backslash", "backslash"), (b"files/a\0b", "name_nul", "NUL"),
                           (b"files/a\x07", "name_control", "bell"), (b"files/a\x7f", "name_control", "DEL"),
                           (b"", "empty_name", "none"), (b"files//x", "empty_part", "empty part"),
                           (b"./files/x", "dot_part", "dot part"), (b"files/x.", "trailing_dot", "trailing dot"),
                           (b"files/x ", "trailing_dot", "trailing blank"),
                           (b"files/" + b"p" * 256, "part_too_long", "part of 256 bytes"),
                           (b"files/" + b"p/" * 520, "path_too_long", "too long"),
                           (b"files/bin/portal/x", "file_and_folder", "a file as folder"),
                           (b"files/bin/PORTAL", "case_clash", "in capitals")):
    more(f"a name: {word}", reason, Entry(name, b"x"))
more("a name: no UTF-8", "name_not_utf8", Entry(b"files/\xff", b"x", flags=0x800))
more("a name: overlong UTF-8", "name_not_utf8", Entry(b"files/\xc0\xaf", b"x", flags=0x800))
more("a name: not marked as UTF-8", "name_encoding", Entry("files/ж".encode(), b"x", flags=0))


# ---- headers ----
entry("another name in the local header", "headers_differ", local={"name": b"files/bin/agent!"[:16]})
entry("another size in the local header", "headers_differ", local={"size": 5})
entry("another packed size in the local header", "headers_differ", local={"packed": 5})
entry("another CRC-32 in the local header", "headers_differ", local={"crc": 5})
entry("another method in the local header", "headers_differ", local={"method": 0})
entry("another time in the local header", "headers_differ", local={"time": 5})
entry("other flags in the local header", "headers_differ", local={"flags": 2})
entry("encrypted", "encrypted", flags=1)
entry("strongly encrypted", "encrypted", flags=0x41)
entry("headers hidden", "encrypted", flags=0x2000)
entry("patched data", "bad_flags", flags=0x20)
entry("bit 3 without a descriptor", "bad_descriptor", flags=8)
entry("method bzip2", "bad_method", local={"method": 12}, central={"method": 12})
entry("method LZMA", "bad_method", local={"method": 14}, central={"method": 14})
entry("method zstd", "bad_method", local={"method": 93}, central={"method": 93})
entry("method deflate64", "bad_method", local={"method": 9}, central={"method": 9})
entry("a comment", "entry_comment", central={"comment": b"x"})
entry("on another disk", "multi_disk", central={"disk": 1})
entry("a Unicode path", "unicode_path", extra=struct.pack("<HHBL", 0x7075, 8, 1, 0) + b"evl")
entry("an unknown extra field", "bad_extra_field", extra=struct.pack("<HH", 0x9999, 0))
entry("an extra field that ends behind the header", "bad_extra_field", extra=struct.pack("<HH", 0x5455, 200))
entry("a link's target", "hard_link", extra=struct.pack("<HH", 0x000D, 12) + bytes(12))
entry("its place is within another one", "overlap", central={"offset": 1})
entry("no local header", "no_local_header", local={"magic": b"XXXX"})
entry("lists the first entry's place", "overlap", central={"offset": 0})
entry("claims 2 GiB", "ratio_bomb", local={"size": 2**31}, central={"size": 2**31})
entry("stored, with two sizes", "sizes_differ", method=0, local={"size": 5}, central={"size": 5})
entry("another CRC-32", "wrong_crc", local={"crc": 5}, central={"crc": 5})
entry("no deflate stream", "bad_data", data=b"\xff" * 20)
entry("a deflate stream cut off", "bad_data", data=raw_zip.deflate(FILES["bin/portal"])[:-3])
entry("more bytes than it says", "wrong_size", data=raw_zip.deflate(FILES["bin/portal"] * 100))
entry("bytes of nobody before it", "gap", before=b"x")
entry("not in the central directory", "unlisted_entry", in_central=False)


# ---- the archive ----

def archive(name, reason, **options):
    def change(package, other_keys):
        package.archive = options
    case(f"archive: {name}", reason, change)


def whole(name, reason, make):
    CASES.append(Case(f"archive: {name}", reason, lambda keys, _: make(Package(keys).build())))


archive("bytes before it", "leading_bytes", prefix=b"#!/bin/sh\n")
archive("bytes before the central directory", "gap", before_central=b"x")
archive("bytes before the end record", "bad_directory", before_end=b"x")
archive("bytes behind it", "trailing_bytes", suffix=b"x")
archive("a comment", "archive_comment", end={"comment": b"x"})
archive("an end record in the comment", "bad_directory", end={"comment": raw_zip.end_record()})
archive("two disks", "multi_disk", end={"disk": 1})
archive("more entries counted", "bad_directory", end={"count": 9, "here": 9})
archive("fewer entries counted", "bad_directory", end={"count": 2, "here": 2})
archive("the directory at the beginning", "leading_bytes", end={"offset": 0})
archive("the directory larger", "bad_directory", end={"size": 2**20})
archive("the directory in another order", "unlisted_entry", central_order=[0, 1, 3, 2, 4])
archive("an entry listed twice", "overlap", central_order=[0, 1, 2, 2, 3, 4])
archive("zip64 that is not there", "bad_zip64", end={"offset": 0xFFFFFFFF})
whole("empty", "no_end_record", lambda made: b"")
whole("text", "no_end_record", lambda made: b"hello")
whole("cut", "no_end_record", lambda made: made[:-1])
whole("half", "no_end_record", lambda made: made[:len(made) // 2])
whole("two in a row", "two_end_records", lambda made: made + made)
whole("zeros", "no_end_record", lambda made: bytes(1000))
CASES.append(Case("archive: 20,003 entries", "too_many_entries", lambda keys, _: raw_zip.build(
    [Entry(b"files/%d" % number) for number in range(20_003)])))


# ---- what only a machine can tell: it runs 1.1.0 of the product telehaul ----

def machine(name, reason, **changes):
    case(f"machine: {name}", reason, lambda package, _: package.manifest.update(changes), needs_machine=True)


def sql(name, script):
    case(f"machine: migration: {name}", "bad_migration", lambda package, _: None, needs_machine=True,
         migrations={"0901_made_up.sql": script.encode()})


machine("another product", "wrong_product", product="other")
machine("needs a newer version", "min_version", min_version="1.1.1")
machine("expired", "expired", expires_at="2020-01-01T00:00:00Z", created_at="2019-01-01T00:00:00Z")
machine("another tree", "wrong_base", base={"version": "1.1.0", "tree_sha256": "0" * 64})
machine("the version that runs", "same_version", version="1.1.0")
machine("an older version", "older_version", version="1.0.9")
sql("ATTACH", "ATTACH 'x.db' AS x;")
sql("PRAGMA", "PRAGMA writable_schema = 1;")
sql("load_extension", "SELECT load_extension('x');")
sql("COMMIT", "CREATE TABLE t (x); COMMIT; CREATE TABLE u (x);")
sql("DROP", "DROP TABLE readings;")
sql("DELETE", "DELETE FROM readings;")
sql("UPDATE", "UPDATE readings SET value = 0;")
sql("rename", "ALTER TABLE readings RENAME TO old;")
sql("rename of a column", "ALTER TABLE readings RENAME COLUMN value TO v;")
sql("drop of a column", "ALTER TABLE readings DROP COLUMN value;")
sql("trigger", "CREATE TRIGGER t AFTER INSERT ON readings BEGIN SELECT 1; END;")
sql("virtual table", "CREATE VIRTUAL TABLE t USING fts5 (x);")
sql("unique index", "CREATE UNIQUE INDEX i ON readings (value);")
sql("VACUUM", "VACUUM INTO 'x.db';")
sql("no SQL", "hello")
sql("no end", "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n;")
case("machine: migration: a number that is taken", "bad_migration", lambda package, _: None, needs_machine=True,
     migrations={"0001_other.sql": b"CREATE TABLE t (x);"})
