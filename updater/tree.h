/* Walks and removes folder trees, never following a symlink. Knows nothing of releases.
 * Threads: safe. */
#ifndef UPDATER_TREE_H
#define UPDATER_TREE_H

#include <sys/stat.h>

#include "common/os/file.h"

enum {
    TREE_MAX_DEPTH = 32,
    TREE_MAX_ENTRIES = 20000,
    TREE_PATH_BYTES = 1025, /* a path inside the tree, with its NUL */
};

enum tree_event {
    TREE_FILE,
    TREE_FOLDER,     /* before what is in it */
    TREE_FOLDER_END, /* after what is in it */
};

struct tree_entry {
    enum tree_event event;
    int parent;       /* descriptor of the folder that it lies in */
    const char *name; /* in that folder */
    const char *path; /* from the folder that was asked for, that name first: "share/www/app.js" */
    mode_t mode;
};

/* Calls visit for the folder `name` in parent and all that is in it. Anything but files and folders is
 * refused: ERR_INPUT; too much: ERR_LIMIT; ERR_NOT_FOUND when there is no such folder. */
bool tree_walk(int parent, const char *name,
               bool (*visit)(void *context, const struct tree_entry *entry, struct error *err), void *context,
               struct error *err) MUST_USE;

/* Removes a file or a folder with all that is in it. True also when it was not there. */
bool tree_remove(const char *path, struct error *err) MUST_USE;

#endif
