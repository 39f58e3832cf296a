#include <stdlib.h>
#include <string.h>

#include "common/base/attr.h"
#include "common/base/text.h"
#include "common/pack/zip_name.h"
#include "updater/manifest.h"

/* No update touches these; compared without regard to case. */
static const char *const protected_names[] = {"license", "license.dat", "config.txt", "credentials.env",
                                              "version.txt"};
/* What the files of an update may lie in: a release's folders but migrations/, whose files are listed as what
 * they are. */
static const char *const open_folders[] = {"bin", "share"};

static bool is_protected(const char *first)
{
    for (size_t i = 0; i < COUNT_OF(protected_names); i++) {
        if (zip_name_compare(first, protected_names[i]) == 0)
            return true;
    }
    return false;
}

static bool is_open(const char *first)
{
    for (size_t i = 0; i < COUNT_OF(open_folders); i++) {
        if (strcmp(first, open_folders[i]) == 0)
            return true;
    }
    return false;
}

bool manifest_path_check(const char *path, struct error *err)
{
    if (!zip_name_check(view_of(path), MANIFEST_PATH_MAX_BYTES, err))
        return false;
    struct view rest = view_of(path);
    char first[MANIFEST_PART_MAX_BYTES + 1];
    if (!text_copy(first, sizeof(first), text_cut(&rest, '/')))
        return error_set(err, ERR_INTERNAL, "a path with a part that is too long");
    if (is_protected(first))
        return error_refuse(err, ERR_INPUT, "protected_path", "%s is never replaced or removed by an update",
                            path);
    if (rest.size == 0 || !is_open(first))
        return error_refuse(err, ERR_INPUT, "outside_release",
                            "%s lies neither below bin/ nor below share/, where an update's files belong",
                            path);
    return true;
}

bool manifest_paths_apart(const char *const *paths, size_t count, struct error *err)
{
    SCOPE_FREE const char **sorted = calloc(count + 1, sizeof(*sorted));
    if (sorted == NULL)
        return error_set(err, ERR_MEMORY, "no memory left to compare %zu paths", count);
    for (size_t i = 0; i < count; i++)
        sorted[i] = paths[i];
    return zip_names_apart(sorted, count, err);
}
