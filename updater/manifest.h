/* manifest.json of an update package as a valid struct, read from hostile bytes and written by publish. Knows
 * nothing of zips and signatures. docs/package_format.md. Threads: a manifest that is made is read-only. */
#ifndef UPDATER_MANIFEST_H
#define UPDATER_MANIFEST_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"
#include "updater/release.h"

enum {
    MANIFEST_FORMAT = 1,
    MANIFEST_MAX_BYTES = 4 * 1024 * 1024,
    MANIFEST_MAX_ENTRIES = 20000, /* files, removals and migrations together */
    MANIFEST_PATH_MAX_BYTES = 1024,
    MANIFEST_PART_MAX_BYTES = 255, /* of a path, between slashes */
    MANIFEST_SHA256_BYTES = 65,    /* lowercase hex with a NUL */
    MANIFEST_PRODUCT_BYTES = 65,
    MANIFEST_NOTES_MAX_BYTES = 64 * 1024,
};
#define MANIFEST_MAX_CONTENT_BYTES ((int64_t)1 << 40) /* all files and migrations together, unpacked */

struct manifest_file {
    const char *path; /* relative to the release folder */
    char sha256[MANIFEST_SHA256_BYTES];
    int64_t size; /* bytes */
    mode_t mode;  /* 0755 or 0644 */
};

struct manifest_migration {
    const char *name; /* NNNN_what.sql */
    char sha256[MANIFEST_SHA256_BYTES];
    int64_t size; /* bytes */
};

struct manifest {
    char product[MANIFEST_PRODUCT_BYTES];
    char version[RELEASE_VERSION_BYTES];
    char min_version[RELEASE_VERSION_BYTES];  /* "": none */
    char base_version[RELEASE_VERSION_BYTES]; /* for people; "": not known */
    char base_tree[MANIFEST_SHA256_BYTES];    /* of release_tree_sha256; "": lands on any tree */
    int64_t created_us;
    int64_t expires_us; /* INT64_MAX: never */
    const char *notes;
    struct manifest_file *files;
    size_t file_count;
    struct manifest_migration *migrations; /* in order of their names */
    size_t migration_count;
    const char **removals;
    size_t removal_count;
    int64_t bytes; /* of all files and migrations */
    char *strings; /* what the pointers above point into, when it was parsed; NULL: the caller's own */
};

/* Errors: ERR_INPUT with reason `bad_manifest`, `too_many_entries`, `bad_migration` (two of one number) or
 * that of a bad path; ERR_MEMORY. */
struct manifest *manifest_parse(struct view text, struct error *err) MUST_USE;
void manifest_free(struct manifest *manifest); /* NULL is fine */
static inline void scope_manifest(struct manifest **manifest)
{
    manifest_free(*manifest);
}
#define SCOPE_MANIFEST SCOPE(scope_manifest)

/* The bytes that are signed; the same manifest gives the same bytes, and manifest_parse takes them.
 * Migrations and paths are written in the order that they have. Failure is the buffer's: buf_check. */
void manifest_write(const struct manifest *manifest, struct buf *out);

/* Whether a path may be in a package at all, also for a removal: a name that zip_name_check takes, below bin/
 * or share/. Errors: ERR_INPUT `protected_path`, `outside_release`, or zip_name_check's. (manifest_path.c) */
bool manifest_path_check(const char *path, struct error *err) MUST_USE;

/* Whether the paths can all be in one package, each of which manifest_path_check takes: none twice, none
 * another's folder, also without regard to case. Errors: ERR_INPUT with zip_name_both's reasons, ERR_MEMORY.
 * (manifest_path.c) */
bool manifest_paths_apart(const char *const *paths, size_t count, struct error *err) MUST_USE;

#endif
