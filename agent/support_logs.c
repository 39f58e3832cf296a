#include "agent/support_logs.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "common/os/file.h"

enum { LOG_PARTS = 5 }; /* NAME.log, NAME.log.1 ... (watchdog/log_file.h) */

static const char *const built_in[] = {"collector", "agent", "portal"};

static bool has(const struct support_logs *logs, const char *name)
{
    for (size_t i = 0; i < logs->count; i++) {
        if (strcmp(logs->names[i], name) == 0)
            return true;
    }
    return false;
}

static bool is_file(int log_fd, const char *name, struct stat *about)
{
    return fstatat(log_fd, name, about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about->st_mode);
}

/* ---- the services' ---- */

static void add_part(int log_fd, struct view service, int part, struct support_logs *out)
{
    struct stat about;
    char name[NAME_MAX + 1];
    int size = part == 0 ? snprintf(name, sizeof(name), "%.*s.log", VIEW_ARG(service))
                         : snprintf(name, sizeof(name), "%.*s.log.%d", VIEW_ARG(service), part);
    if (size < 0 || (size_t)size >= sizeof(name) || strchr(name, '/') != NULL ||
        !is_file(log_fd, name, &about))
        return;
    if (out->count < SUPPORT_LOGS_MAX - SUPPORT_LOGS_OTHER_MAX)
        memcpy(out->names[out->count++], name, sizeof(name));
    else
        out->more = true;
}

static void add_parts(int log_fd, const struct config_lines *services, int part, struct support_logs *out)
{
    for (size_t i = 0; i < COUNT_OF(built_in); i++)
        add_part(log_fd, view_of(built_in[i]), part, out);
    for (size_t i = 0; i < services->count; i++) {
        struct view rest = view_of(services->lines[i]);
        struct view name;
        if (config_next_word(&rest, &name))
            add_part(log_fd, name, part, out);
    }
}

/* ---- all else ---- */

struct other {
    int64_t mtime_s;
    char name[NAME_MAX + 1];
};

struct others {
    size_t count;
    struct other items[SUPPORT_LOGS_OTHER_MAX];
};

/* Keeps the newest. */
static void offer(struct others *others, const char *name, int64_t mtime_s, bool *more)
{
    size_t at = others->count;
    if (at == SUPPORT_LOGS_OTHER_MAX) {
        *more = true;
        at--;
        if (mtime_s <= others->items[at].mtime_s)
            return;
    } else {
        others->count++;
    }
    for (; at > 0 && others->items[at - 1].mtime_s < mtime_s; at--)
        others->items[at] = others->items[at - 1];
    others->items[at].mtime_s = mtime_s;
    snprintf(others->items[at].name, sizeof(others->items[at].name), "%s", name);
}

static DIR *open_listing(int log_fd, struct error *err)
{
    SCOPE_FD int fd = openat(log_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    if (folder == NULL)
        error_set_errno(err, "log");
    else
        fd_take(&fd);
    return folder;
}

static bool add_others(int log_fd, struct support_logs *out, struct error *err)
{
    struct others others = {.count = 0};
    SCOPE_DIR DIR *folder = open_listing(log_fd, err);
    if (folder == NULL)
        return false;
    const struct dirent *entry;
    size_t looked_at = 0;
    while ((entry = readdir(folder)) != NULL && looked_at++ < SUPPORT_LOGS_LOOKED_AT_MAX) {
        struct stat about;
        if (is_file(log_fd, entry->d_name, &about) && !has(out, entry->d_name))
            offer(&others, entry->d_name, about.st_mtime, &out->more);
    }
    out->more = out->more || entry != NULL;
    for (size_t i = 0; i < others.count; i++)
        memcpy(out->names[out->count++], others.items[i].name, sizeof(out->names[0]));
    return true;
}

bool support_logs_find(int log_fd, const struct config_lines *services, struct support_logs *out,
                       struct error *err)
{
    out->count = 0;
    out->more = false;
    for (int part = 0; part < LOG_PARTS; part++)
        add_parts(log_fd, services, part, out);
    return add_others(log_fd, out, err);
}
