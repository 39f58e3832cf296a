/* A ROOT with releases of two small files, for the units of updates. */
#ifndef TESTS_HARNESS_UPDATE_PLACE_H
#define TESTS_HARNESS_UPDATE_PLACE_H

#include "common/base/clock.h"
#include "tests/harness/test_folder.h"
#include "updater/release.h"

enum { UPDATE_PLACE_NOON_S = 1771754400 /* 2026-02-22T10:00:00Z */ };

struct update_place {
    struct test_folder root;
    struct clock_fake time;
};

static inline bool update_place_folder(const struct update_place *place, const char *name)
{
    return folder_make_all(test_folder_path(&place->root, name).text, 0755, NULL);
}

/* A file of that release, with the folders that it lies in. */
static inline bool update_place_put(const struct update_place *place, const char *version, const char *folder,
                                    const char *name, const char *content)
{
    char path[RELEASE_VERSION_BYTES + 64];
    snprintf(path, sizeof(path), "releases/%s%s", version, folder);
    if (!update_place_folder(place, path))
        return false;
    snprintf(path, sizeof(path), "releases/%s%s/%s", version, folder, name);
    return test_folder_write(&place->root, path, content) &&
           chmod(test_folder_path(&place->root, path).text, 0755) == 0;
}

/* releases/<version> with bin/watchdog, share/a.txt and version.txt. */
static inline bool update_place_release(const struct update_place *place, const char *version)
{
    return update_place_put(place, version, "/bin", "watchdog", "#!/bin/sh\n") &&
           update_place_put(place, version, "/share", "a.txt", "old a\n") &&
           update_place_put(place, version, "", "version.txt", version);
}

static inline int update_place_remove(struct update_place *place)
{
    test_folder_remove(&place->root);
    free(place);
    return 0;
}

static inline bool update_place_fill(const struct update_place *place)
{
    static const char *const folders[] = {"run", "pending_update", "backups", "data", "releases"};
    for (size_t i = 0; i < sizeof(folders) / sizeof(folders[0]); i++) {
        if (!update_place_folder(place, folders[i]))
            return false;
    }
    return update_place_release(place, "1.0.0") && release_switch(place->root.path, "1.0.0", NULL);
}

/* Release 1.0.0 runs. more: what a test needs besides; NULL: nothing. For a cmocka set-up: *state is the
 * place; returns 0, or -1 with nothing left behind. */
static inline int update_place_make(void **state, bool (*more)(const struct update_place *place))
{
    struct update_place *place = calloc(1, sizeof(*place));
    if (place == NULL)
        return -1;
    clock_fake_init(&place->time, UPDATE_PLACE_NOON_S * INT64_C(1000000), 0);
    bool ready = test_folder_make(&place->root) && update_place_fill(place) && (more == NULL || more(place));
    *state = place;
    return ready ? 0 : update_place_remove(place) - 1;
}

static inline bool update_place_has(const struct update_place *place, const char *name)
{
    struct stat about;
    return lstat(test_folder_path(&place->root, name).text, &about) == 0;
}

#endif
