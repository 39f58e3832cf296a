/* Names of files in an update package: which are fit to become paths anywhere, and which of them would meet
 * in one place. Knows nothing of zip headers. Threads: safe. */
#ifndef COMMON_PACK_ZIP_NAME_H
#define COMMON_PACK_ZIP_NAME_H

#include "common/pack/zip_reason.h"

enum { ZIP_PART_MAX_BYTES = 255 /* of a name, between slashes */ };

/* Relative, with `/` between parts that are neither empty nor `.` nor `..` nor end in a dot or a space; UTF-8
 * (RFC 3629) without control characters (C0, DEL, C1) and backslashes; no drive letter; at most max_bytes.
 * A name that ends in `/` is a folder's. Errors: ERR_INPUT with a reason of zip_reason.h. */
bool zip_name_check(struct view name, size_t max_bytes, struct error *err) MUST_USE;

/* Order of two names that zip_name_check took, NUL-terminated, without regard to case, `/` before any other
 * character: names that are equal, that differ in case alone, and a file and what lies below it become
 * neighbours. Case is folded character by character (Unicode's simple folding) in ASCII, Latin-1, Latin
 * Extended-A, modern Greek, Cyrillic and Armenian; elsewhere a character is equal to itself alone. */
int zip_name_compare(const char *a, const char *b);

/* Whether two neighbours in that order may both be in a package: not the same name, not the same but for
 * case, no folder that differs in case, no file that is the other's folder. Errors: ERR_INPUT with a reason.
 */
bool zip_name_both(const char *a, const char *b, struct error *err) MUST_USE;
/* The same for all of them: puts the names into that order and looks at neighbours. */
bool zip_names_apart(const char **names, size_t count, struct error *err) MUST_USE;

#endif
