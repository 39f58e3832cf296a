/* Why a zip archive is refused: one table of stable words, which programs may rely on, and what they say to
 * people. docs/package_format.md names each. Threads: safe. */
#ifndef COMMON_PACK_ZIP_REASON_H
#define COMMON_PACK_ZIP_REASON_H

#include "common/base/error.h"
#include "common/base/view.h"

/* X(constant, word, what is the matter with it) */
#define ZIP_REASONS(X)                                                                                       \
    /* the archive */                                                                                        \
    X(ZIP_NOT_A_FILE, "not_a_file", "is no regular file")                                                    \
    X(ZIP_NO_END_RECORD, "no_end_record", "is no zip archive or was cut off")                                \
    X(ZIP_TWO_END_RECORDS, "two_end_records", "has two end records")                                         \
    X(ZIP_ARCHIVE_COMMENT, "archive_comment", "has an archive comment")                                      \
    X(ZIP_LEADING_BYTES, "leading_bytes", "has bytes before the first entry")                                \
    X(ZIP_TRAILING_BYTES, "trailing_bytes", "has bytes behind the end record")                               \
    X(ZIP_MULTI_DISK, "multi_disk", "is part of several disks")                                              \
    X(ZIP_BAD_ZIP64, "bad_zip64", "has zip64 records that are damaged or not needed")                        \
    X(ZIP_TOO_MANY_ENTRIES, "too_many_entries", "has more entries than a package may have")                  \
    X(ZIP_BAD_DIRECTORY, "bad_directory", "has no such directory as its end record says")                    \
    /* where an entry lies */                                                                                \
    X(ZIP_UNLISTED_ENTRY, "unlisted_entry", "lies next to an entry that is not listed")                      \
    X(ZIP_NO_LOCAL_HEADER, "no_local_header", "has no local header where it should")                         \
    X(ZIP_GAP, "gap", "lies next to bytes of no entry")                                                      \
    X(ZIP_OVERLAP, "overlap", "overlaps another entry or the central directory")                             \
    /* what its headers say */                                                                               \
    X(ZIP_ENCRYPTED, "encrypted", "is encrypted")                                                            \
    X(ZIP_BAD_FLAGS, "bad_flags", "has flags that no entry of a package has")                                \
    X(ZIP_BAD_METHOD, "bad_method", "is neither stored nor deflated")                                        \
    X(ZIP_BAD_EXTRA_FIELD, "bad_extra_field", "has an extra field that no package has")                      \
    X(ZIP_UNICODE_PATH, "unicode_path", "has a second name in an extra field")                               \
    X(ZIP_ENTRY_COMMENT, "entry_comment", "has a comment")                                                   \
    X(ZIP_HEADERS_DIFFER, "headers_differ", "has a local header that differs from its central one")          \
    X(ZIP_BAD_DESCRIPTOR, "bad_descriptor", "has a data descriptor that differs")                            \
    X(ZIP_SIZES_DIFFER, "sizes_differ", "has sizes that cannot both be true")                                \
    X(ZIP_RATIO_BOMB, "ratio_bomb", "claims to unpack to more than deflate can")                             \
    /* what it is */                                                                                         \
    X(ZIP_DIRECTORY_ENTRY, "directory_entry", "is a folder")                                                 \
    X(ZIP_SYMLINK, "symlink", "is a symbolic link")                                                          \
    X(ZIP_HARD_LINK, "hard_link", "has an extra field that may name a link's target")                        \
    X(ZIP_SPECIAL_FILE, "special_file", "is a device, a FIFO or a socket")                                   \
    X(ZIP_SETUID, "setuid", "is setuid")                                                                     \
    X(ZIP_SETGID, "setgid", "is setgid")                                                                     \
    X(ZIP_STICKY, "sticky", "is sticky")                                                                     \
    X(ZIP_WORLD_WRITABLE, "world_writable", "is writable by everybody")                                      \
    /* its name */                                                                                           \
    X(ZIP_EMPTY_NAME, "empty_name", "has no name")                                                           \
    X(ZIP_NAME_NUL, "name_nul", "has a NUL in its name")                                                     \
    X(ZIP_NAME_CONTROL, "name_control", "has a control character in its name")                               \
    X(ZIP_NAME_NOT_UTF8, "name_not_utf8", "has a name that is not UTF-8")                                    \
    X(ZIP_NAME_ENCODING, "name_encoding", "has a name that is not marked as UTF-8")                          \
    X(ZIP_BACKSLASH, "backslash", "has a backslash in its name")                                             \
    X(ZIP_ABSOLUTE_PATH, "absolute_path", "has an absolute path")                                            \
    X(ZIP_DRIVE_LETTER, "drive_letter", "begins with a drive letter")                                        \
    X(ZIP_PATH_TOO_LONG, "path_too_long", "has too long a path")                                             \
    X(ZIP_PART_TOO_LONG, "part_too_long", "has a part of more than 255 bytes in its path")                   \
    X(ZIP_EMPTY_PART, "empty_part", "has an empty part in its path")                                         \
    X(ZIP_DOT_PART, "dot_part", "has a part `.` in its path")                                                \
    X(ZIP_PATH_TRAVERSAL, "path_traversal", "has a part `..` in its path")                                   \
    X(ZIP_TRAILING_DOT, "trailing_dot", "has a part in its path that ends in a dot or a space")              \
    X(ZIP_DUPLICATE_ENTRY, "duplicate_entry", "is there twice")                                              \
    X(ZIP_CASE_CLASH, "case_clash", "differs from another one in case alone")                                \
    X(ZIP_FILE_AND_FOLDER, "file_and_folder", "is also a folder of another entry")                           \
    /* its content, found while it is read */                                                                \
    X(ZIP_BAD_DATA, "bad_data", "has damaged content")                                                       \
    X(ZIP_WRONG_SIZE, "wrong_size", "has more or fewer bytes than it says")                                  \
    X(ZIP_WRONG_CRC, "wrong_crc", "has another CRC-32 than it says")

#define ZIP_REASON_CONSTANT(constant, word, text) constant,
enum zip_reason { ZIP_REASONS(ZIP_REASON_CONSTANT) ZIP_REASON_COUNT };
#undef ZIP_REASON_CONSTANT

/* "symlink" */
const char *zip_reason_word(enum zip_reason reason);

/* ERR_INPUT with the word and "<name> <text>"; name: any bytes, shown printable and cut; empty: the archive.
 * Always false. */
bool zip_refuse(struct error *err, enum zip_reason reason, struct view name);

#endif
