#include "updater/release_sweep.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "updater/probation_file.h"
#include "updater/tree.h"

/* Those that stay, by version; "" for none. */
struct kept {
    char current[RELEASE_VERSION_BYTES];
    char previous[RELEASE_VERSION_BYTES];
};

static DIR *open_releases(const char *root, struct error *err)
{
    struct path path;
    if (!path_join(&path, root, "releases", err))
        return NULL;
    DIR *folder = opendir(path.text);
    if (folder == NULL)
        error_set_errno(err, "%s", path.text);
    return folder;
}

static bool highest_below(const char *root, const char *current, char out[RELEASE_VERSION_BYTES],
                          struct error *err)
{
    char highest[RELEASE_VERSION_BYTES] = "";
    SCOPE_DIR DIR *folder = open_releases(root, err);
    if (folder == NULL)
        return false;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        const char *name = entry->d_name;
        if (release_version_ok(name) && release_version_compare(name, current) < 0 &&
            (highest[0] == '\0' || release_version_compare(name, highest) > 0))
            memcpy(highest, name, strlen(name) + 1);
    }
    memcpy(out, highest, sizeof(highest));
    return true;
}

static bool find_kept(const char *root, struct kept *out, struct error *err)
{
    if (!release_current(root, out->current, err) || !probation_file_read(root, out->previous, err))
        return false;
    bool on_probation = out->previous[0] != '\0' && strcmp(out->previous, out->current) != 0;
    return on_probation || highest_below(root, out->current, out->previous, err);
}

bool release_previous(const char *root, char out[RELEASE_VERSION_BYTES], struct error *err)
{
    struct kept kept;
    if (!find_kept(root, &kept, err))
        return false;
    memcpy(out, kept.previous, sizeof(kept.previous));
    return true;
}

bool release_remove(const char *root, const char *version, struct error *err)
{
    char current[RELEASE_VERSION_BYTES];
    struct path release;
    struct path aside;
    if (!release_current(root, current, err))
        return false;
    if (!release_version_ok(version) || strcmp(version, current) == 0)
        return error_set(err, ERR_INTERNAL, "release %s is not removed: it runs", version);
    if (!path_printf(&release, err, "%s/releases/%s", root, version) ||
        !path_printf(&aside, err, "%s/releases/.old-%s", root, version) || !tree_remove(aside.text, err))
        return false;
    if (rename(release.text, aside.text) != 0)
        return errno == ENOENT || error_set_errno(err, "remove %s", release.text);
    return folder_sync_of(release.text, err) && tree_remove(aside.text, err) &&
           folder_sync_of(release.text, err);
}

/* Left by a crash: `.new-1.2.0`, `.old-1.0.0`, `.1.0.0.tmp`. */
static bool is_left_over(const char *name)
{
    struct view view = view_of(name);
    return view_starts(view, ".new-") || view_starts(view, ".old-") ||
           (view_starts(view, ".") && view_ends(view, ".tmp"));
}

static bool sweep_one(const char *root, const struct kept *kept, const char *name, struct error *err)
{
    struct path path;
    if (is_left_over(name))
        return path_printf(&path, err, "%s/releases/%s", root, name) && tree_remove(path.text, err);
    if (!release_version_ok(name) || strcmp(name, kept->current) == 0 || strcmp(name, kept->previous) == 0)
        return true;
    return release_remove(root, name, err);
}

bool release_sweep(const char *root, struct error *err)
{
    struct kept kept;
    if (!find_kept(root, &kept, err))
        return false;
    SCOPE_DIR DIR *folder = open_releases(root, err);
    if (folder == NULL)
        return false;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!sweep_one(root, &kept, entry->d_name, err))
            return false;
    }
    return true;
}
