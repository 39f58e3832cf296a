#include "updater/tree.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>

enum { TREE_REMOVE_FDS = 16 };

struct walk {
    bool (*visit)(void *context, const struct tree_entry *entry, struct error *err);
    void *context;
    char path[TREE_PATH_BYTES];
    size_t path_size;
    unsigned depth;
    size_t entries;
};

static bool walk_entry(struct walk *walk, int parent, const char *name, struct error *err);

static bool is_dots(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static bool walk_inside(struct walk *walk, int parent, const char *name, struct error *err)
{
    if (++walk->depth > TREE_MAX_DEPTH)
        return error_set(err, ERR_LIMIT, "%s: more than %d folders deep", walk->path, TREE_MAX_DEPTH);
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, "open %s", walk->path);
    SCOPE_DIR DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        close(fd);
        return error_set_errno(err, "open %s", walk->path);
    }
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(folder);
        if (entry == NULL)
            break;
        if (!is_dots(entry->d_name) && !walk_entry(walk, fd, entry->d_name, err))
            return false;
    }
    if (errno != 0)
        return error_set_errno(err, "read %s", walk->path);
    walk->depth--;
    return true;
}

static bool walk_visit(struct walk *walk, enum tree_event event, int parent, const char *name, mode_t mode,
                       struct error *err)
{
    struct tree_entry entry = {event, parent, name, walk->path, mode};
    return walk->visit(walk->context, &entry, err);
}

/* A name with a line feed would read as two lines wherever names are listed. */
static bool has_control_byte(const char *name)
{
    for (; *name != '\0'; name++) {
        if ((unsigned char)*name < 0x20 || *name == 0x7f)
            return true;
    }
    return false;
}

static bool walk_one(struct walk *walk, int parent, const char *name, struct error *err)
{
    if (has_control_byte(name))
        return error_set(err, ERR_INPUT, "a control character in the name of %s", walk->path);
    struct stat status;
    if (fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return error_set_errno(err, "%s", walk->path);
    if (S_ISREG(status.st_mode))
        return walk_visit(walk, TREE_FILE, parent, name, status.st_mode, err);
    if (!S_ISDIR(status.st_mode))
        return error_set(err, ERR_INPUT, "%s is neither a file nor a folder", walk->path);
    return walk_visit(walk, TREE_FOLDER, parent, name, status.st_mode, err) &&
           walk_inside(walk, parent, name, err) &&
           walk_visit(walk, TREE_FOLDER_END, parent, name, status.st_mode, err);
}

/* Puts the name behind the path, walks, and takes it off again. */
static bool walk_entry(struct walk *walk, int parent, const char *name, struct error *err)
{
    if (++walk->entries > TREE_MAX_ENTRIES)
        return error_set(err, ERR_LIMIT, "more than %d files and folders", TREE_MAX_ENTRIES);
    size_t before = walk->path_size;
    int size =
        snprintf(walk->path + before, sizeof(walk->path) - before, "%s%s", before > 0 ? "/" : "", name);
    if (size < 0 || (size_t)size >= sizeof(walk->path) - before)
        return error_set(err, ERR_LIMIT, "%s: a path of more than %d bytes", walk->path, TREE_PATH_BYTES - 1);
    walk->path_size += (size_t)size;
    bool ok = walk_one(walk, parent, name, err);
    walk->path_size = before;
    walk->path[before] = '\0';
    return ok;
}

bool tree_walk(int parent, const char *name,
               bool (*visit)(void *context, const struct tree_entry *entry, struct error *err), void *context,
               struct error *err)
{
    struct walk walk = {.visit = visit, .context = context};
    return walk_entry(&walk, parent, name, err);
}

static int remove_one(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    return remove(path);
}

bool tree_remove(const char *path, struct error *err)
{
    if (nftw(path, remove_one, TREE_REMOVE_FDS, FTW_DEPTH | FTW_PHYS) == 0 || errno == ENOENT)
        return true;
    return error_set_errno(err, "remove %s", path);
}
