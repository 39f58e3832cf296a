#include "collector/store_files.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "common/crypto/random.h"

enum {
    STORE_NUMBER_MAX = 10000,
    CURRENT_STORE_MODE = 0644,
    NAME_BYTES = 64,
};

static const char *const companions[] = {"", "-wal", "-shm", "-journal"};

static bool insert_identity(sqlite3 *db, struct error *err)
{
    char id[UUID_TEXT_BYTES];
    SCOPE_STMT sqlite3_stmt *stmt =
        db_prepare(db, "INSERT INTO meta (key, value) VALUES ('store_id', ?1), ('next_seq', 1)", err);
    if (stmt == NULL)
        return false;
    random_uuid(id);
    db_bind_view(stmt, 1, view_of(id));
    return db_run(stmt, err);
}

/* Closed at the end, so that no -wal of the temporary name is left behind. */
static bool make_content(const struct store_writer_spec *spec, const char *temporary, struct error *err)
{
    SCOPE_DB sqlite3 *db = db_open(temporary, DB_CREATE, err);
    return db != NULL && migration_set_apply(spec->migrations, db, spec->version, spec->clock, err) &&
           insert_identity(db, err) && db_exec(db, "PRAGMA wal_checkpoint(TRUNCATE)", err);
}

static bool remove_temporary(const char *temporary, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(companions); i++) {
        struct path path;
        if (!path_printf(&path, err, "%s%s", temporary, companions[i]) || !file_remove(path.text, err))
            return false;
    }
    return true;
}

bool store_file_make(const struct store_writer_spec *spec, const char *path, struct error *err)
{
    struct path temporary;
    const char *name = strrchr(path, '/');
    if (!path_printf(&temporary, err, "%s/.%s.new", spec->folder, name == NULL ? path : name + 1) ||
        !remove_temporary(temporary.text, err))
        return false;
    bool made = make_content(spec, temporary.text, err);
    SCOPE_FD int fd = made ? file_open(temporary.text, O_RDONLY, err) : -1;
    if (fd >= 0 && file_publish_new(fd, temporary.text, path, err))
        return true;
    struct error ignored;
    (void)!remove_temporary(temporary.text, &ignored);
    return false;
}

bool store_file_is_free(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(companions); i++) {
        struct path companion;
        struct stat status;
        if (!path_printf(&companion, NULL, "%s%s", path, companions[i]) ||
            lstat(companion.text, &status) == 0)
            return false;
    }
    return true;
}

bool store_file_free_path(const char *folder, bool first, struct path *out, struct error *err)
{
    for (int number = first ? 1 : 2; number <= STORE_NUMBER_MAX; number++) {
        char name[NAME_BYTES] = "telemetry.db";
        if (number > 1)
            snprintf(name, sizeof(name), "telemetry-%d.db", number);
        struct path path;
        if (!path_join(&path, folder, name, err))
            return false;
        if (store_file_is_free(path.text)) {
            *out = path;
            return true;
        }
    }
    return error_set(err, ERR_LIMIT, "%s: %d stores lie there already", folder, STORE_NUMBER_MAX);
}

bool store_file_name_current(const char *folder, const char *path, struct error *err)
{
    struct path pointer;
    char content[NAME_BYTES + 1];
    const char *slash = strrchr(path, '/');
    int size = snprintf(content, sizeof(content), "%s\n", slash == NULL ? path : slash + 1);
    return path_join(&pointer, folder, "current_store", err) &&
           file_replace(pointer.text, (struct view){content, (size_t)size}, CURRENT_STORE_MODE, err);
}
