/* The releases of a ROOT: folders releases/<version>, and `current`, the one symlink that says which runs.
 * Knows nothing of packages. Threads: safe from several processes under run/update.lock. */
#ifndef UPDATER_RELEASE_H
#define UPDATER_RELEASE_H

#include "common/os/file.h"

enum {
    RELEASE_VERSION_BYTES = 64, /* with the NUL: a version has at most 63 characters */
    RELEASE_LIST_MAX = 64,      /* releases that one ROOT shows */
    RELEASE_TREE_HEX_BYTES = 65,
};

/* SemVer 2.0 text of at most RELEASE_VERSION_BYTES - 1 characters? (release_version.c) */
bool release_version_ok(const char *version);
/* SemVer 2.0 precedence (section 11): below, at, above 0. Both must be valid. */
int release_version_compare(const char *a, const char *b);

/* The version that `current` points to. Errors: ERR_NOT_FOUND (no release), ERR_CORRUPT (not releases/<v>).
 */
bool release_current(const char *root, char out[RELEASE_VERSION_BYTES], struct error *err) MUST_USE;

/* Points `current` at a release that exists: a new symlink is renamed over, the folder fsynced. After a crash
 * it is the old or the new one. */
bool release_switch(const char *root, const char *version, struct error *err) MUST_USE;

/* Whether release_install could take this: a SemVer, and a folder with bin/watchdog in it. Errors: ERR_USAGE,
 * ERR_INPUT. */
bool release_check(const char *from, const char *version, struct error *err) MUST_USE;

/* Copies a release folder (bin, share, migrations; nothing else) to releases/<version> with version.txt:
 * into a private temporary folder, every file and folder fsynced, then renamed. Nothing of it is visible
 * before it is whole. Files become 0755 when executable, else 0644; symlinks and other kinds are refused.
 * Errors: ERR_USAGE (version), ERR_INPUT (not a release folder), ERR_EXISTS. */
bool release_install(const char *root, const char *from, const char *version, struct error *err) MUST_USE;

/* SHA-256 over the sorted lines `<sha256> <mode> <path>\n` of a release folder (bin, share, migrations), as
 * publish --base has it; mode is 0755 or 0644. out: lowercase hex. */
bool release_tree_sha256(const char *folder, char out[RELEASE_TREE_HEX_BYTES], struct error *err) MUST_USE;

/* tree_walk (updater/tree.h) over the parts of a release folder that are there: bin, share, migrations.
 * folder: borrowed descriptor. */
struct tree_entry;
bool release_walk(int folder, bool (*visit)(void *context, const struct tree_entry *entry, struct error *err),
                  void *context, struct error *err) MUST_USE;

struct release_list {
    char versions[RELEASE_LIST_MAX][RELEASE_VERSION_BYTES]; /* lowest first */
    size_t count;
};
/* What lies in releases/; names that are no version are passed over. Errors: ERR_LIMIT. */
bool release_list(const char *root, struct release_list *out, struct error *err) MUST_USE;

#endif
