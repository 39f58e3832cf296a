#include "collector/release_migrations.h"

#include <string.h>
#include <unistd.h>

#include "common/os/file.h"

/* The folder above the one that the program lies in. */
static bool program_folder(struct path *out, struct error *err)
{
    struct path program;
    ssize_t size = readlink("/proc/self/exe", program.text, sizeof(program.text) - 1);
    if (size < 0)
        return error_set_errno(err, "/proc/self/exe");
    program.text[size] = '\0';
    for (int level = 0; level < 2; level++) {
        char *slash = strrchr(program.text, '/');
        if (slash == NULL)
            return error_set(err, ERR_NOT_FOUND, "the program lies in no folder");
        *slash = '\0';
    }
    *out = program;
    return true;
}

struct migration_set *release_migrations_load(const char *root, struct error *err)
{
    struct path above;
    if (!program_folder(&above, err))
        return NULL;
    const struct {
        const char *folder, *name;
    } places[] = {
        {root, "current/migrations"},
        {above.text, "migrations"},
        {above.text, "dist/migrations"},
    };
    struct migration_set *set = NULL;
    for (size_t i = 0; i < COUNT_OF(places) && set == NULL; i++) {
        struct path path;
        if (!path_join(&path, places[i].folder, places[i].name, err))
            return NULL;
        set = migration_set_load(path.text, err);
        if (set == NULL && err->code != ERR_NOT_FOUND)
            return NULL;
    }
    return set;
}
