#include "updater/changes.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

/* *out: 0 for mode when there is no such file. */
static bool look(int release, const char *path, struct change *out, struct error *err)
{
    struct stat about;
    out->path = path;
    out->old_mode = 0;
    out->old_bytes = 0;
    if (fstatat(release, path, &about, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || errno == ENOTDIR || error_set_errno(err, "%s", path);
    if (S_ISREG(about.st_mode)) {
        out->old_mode = (about.st_mode & S_IXUSR) != 0 ? 0755 : 0644;
        out->old_bytes = about.st_size;
    }
    return true;
}

bool changes_each(int release, const struct manifest *manifest,
                  bool (*visit)(void *context, const struct change *change, struct error *err), void *context,
                  struct error *err)
{
    struct change change = {.kind = CHANGE_NEW};
    for (size_t i = 0; i < manifest->file_count; i++) {
        if (!look(release, manifest->files[i].path, &change, err))
            return false;
        change.kind = change.old_mode == 0 ? CHANGE_NEW : CHANGE_REPLACED;
        change.new_bytes = manifest->files[i].size;
        if (!visit(context, &change, err))
            return false;
    }
    change.kind = CHANGE_REMOVED;
    change.new_bytes = 0;
    for (size_t i = 0; i < manifest->removal_count; i++) {
        if (!look(release, manifest->removals[i], &change, err) ||
            (change.old_mode != 0 && !visit(context, &change, err)))
            return false;
    }
    return true;
}

static bool add_up(void *context, const struct change *change, struct error *err)
{
    (void)err;
    struct change_totals *totals = context;
    totals->added += change->kind == CHANGE_NEW;
    totals->replaced += change->kind == CHANGE_REPLACED;
    totals->removed += change->kind == CHANGE_REMOVED;
    totals->old_bytes += change->old_bytes;
    totals->new_bytes += change->new_bytes;
    return true;
}

bool changes_total(int release, const struct manifest *manifest, struct change_totals *out, struct error *err)
{
    struct change_totals totals = {.added = 0};
    if (!changes_each(release, manifest, add_up, &totals, err))
        return false;
    *out = totals;
    return true;
}
