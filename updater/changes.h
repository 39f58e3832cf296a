/* What a package would change in a release: which files it brings, replaces and removes. Knows nothing of how
 * that is done. Threads: safe. */
#ifndef UPDATER_CHANGES_H
#define UPDATER_CHANGES_H

#include "updater/manifest.h"

enum change_kind { CHANGE_NEW, CHANGE_REPLACED, CHANGE_REMOVED };

struct change {
    enum change_kind kind;
    const char *path;  /* the manifest's */
    int64_t old_bytes; /* 0 when it is new */
    int64_t new_bytes; /* 0 when it is removed */
    mode_t old_mode;   /* 0755 or 0644 */
};

/* Calls visit for each file, in the order of the manifest. What is to be removed and is not there is no
 * change. release: descriptor of the release folder, borrowed. */
bool changes_each(int release, const struct manifest *manifest,
                  bool (*visit)(void *context, const struct change *change, struct error *err), void *context,
                  struct error *err) MUST_USE;

struct change_totals {
    size_t added, replaced, removed; /* files */
    int64_t old_bytes;               /* of what is replaced and removed: a backup holds it */
    int64_t new_bytes;
};
bool changes_total(int release, const struct manifest *manifest, struct change_totals *out,
                   struct error *err) MUST_USE;

#endif
