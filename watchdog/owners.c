#include "watchdog/owners.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "common/os/process.h"

enum {
    RUN_MODE = 01775,
    LOG_MODE = 02750, /* what is made in it has its group */
    LENT_MODE = 0640,
    PRIVATE_FOLDER_MODE = 0750,
};

struct owner {
    uid_t uid;
    gid_t gid;
};

/* Only a plain file with one name: a link that somebody planted leads nowhere. */
static bool hand_over_file(int folder, const char *name, const struct owner *owner, struct error *err)
{
    SCOPE_FD int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0)
        return errno == ENOENT || error_set_errno(err, "%s", name);
    if (status.st_uid == owner->uid || !S_ISREG(status.st_mode) || status.st_nlink != 1)
        return true;
    return fchownat(fd, "", owner->uid, owner->gid, AT_EMPTY_PATH) == 0 ||
           error_set_errno(err, "chown %s", name);
}

/* Stays ours, but the user's group may read it; so it may hold what is a lock. */
static bool lend_file(int folder, const char *name, const struct owner *owner, struct error *err)
{
    struct stat status;
    if (fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT || error_set_errno(err, "%s", name);
    if (status.st_uid != 0 || !S_ISREG(status.st_mode) || status.st_nlink != 1)
        return true; /* root's files are not exchanged by others in a folder that is root's or sticky */
    SCOPE_FD int fd = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return error_set_errno(err, "%s", name);
    return (fchown(fd, 0, owner->gid) == 0 && fchmod(fd, LENT_MODE) == 0) ||
           error_set_errno(err, "chown %s", name);
}

/* Ours for good: a service that could replace them could make a second watchdog start, or lie about the
 * first. */
static bool is_kept(const char *name)
{
    static const char *const kept[] = {"watchdog.lock", "status.json", "update.lock"};
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        if (strcmp(name, kept[i]) == 0)
            return true;
    }
    return false;
}

typedef bool with_file(int folder, const char *name, const struct owner *owner, struct error *err);

/* The files right in it, from a time before SERVICE_USER was set. */
static bool with_files(int fd, const char *path, with_file *action, const struct owner *owner,
                       struct error *err)
{
    SCOPE_DIR DIR *folder = opendir(path);
    if (folder == NULL)
        return error_set_errno(err, "%s", path);
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        if (!is_kept(entry->d_name) && !action(fd, entry->d_name, owner, err))
            return error_wrap(err, "%s", path);
    }
    return true;
}

static bool hand_over_files(int fd, const char *path, const struct owner *owner, struct error *err)
{
    return with_files(fd, path, hand_over_file, owner, err);
}

/* A folder, made when missing, and the files in it. */
static bool hand_over_folder(const char *path, const struct owner *owner, struct error *err)
{
    if (!folder_make_all(path, PRIVATE_FOLDER_MODE, err))
        return false;
    SCOPE_FD int fd = file_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, err);
    if (fd < 0)
        return false;
    if (fchown(fd, owner->uid, owner->gid) != 0)
        return error_set_errno(err, "chown %s", path);
    return hand_over_files(fd, path, owner, err);
}

static bool hand_over_named(const struct appliance *appliance, const char *name, const struct owner *owner,
                            struct error *err)
{
    struct path path;
    return appliance_path(appliance, name, &path, err) && hand_over_folder(path.text, owner, err);
}

static bool share_run(const struct appliance *appliance, const struct owner *owner, struct error *err)
{
    struct path path;
    if (!path_join(&path, appliance->root, "run", err))
        return false;
    SCOPE_FD int fd = file_open(path.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, err);
    if (fd < 0)
        return false;
    if (fchown(fd, 0, owner->gid) != 0 || fchmod(fd, RUN_MODE) != 0)
        return error_set_errno(err, "chown %s", path.text);
    return hand_over_files(fd, path.text, owner, err) && lend_file(fd, "update.lock", owner, err);
}

/* For the agent's support bundle. */
static bool lend_logs(const struct appliance *appliance, const struct owner *owner, struct error *err)
{
    struct path path;
    if (!path_join(&path, appliance->root, "log", err))
        return false;
    SCOPE_FD int fd = open(path.text, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return true; /* an operator has it elsewhere: who reads it there is the operator's affair */
    if (fchown(fd, 0, owner->gid) != 0 || fchmod(fd, LOG_MODE) != 0)
        return error_set_errno(err, "chown %s", path.text);
    return with_files(fd, path.text, lend_file, owner, err);
}

static bool hand_over_credentials(const struct appliance *appliance, const struct owner *owner,
                                  struct error *err)
{
    SCOPE_FD int root = file_open(appliance->root, O_RDONLY | O_DIRECTORY, err);
    return root >= 0 && hand_over_file(root, "credentials.env", owner, err);
}

bool owners_hand_over(const struct appliance *appliance, const char *socket, struct error *err)
{
    /* data: the portal's own keys lie there, also when the store is elsewhere */
    static const char *const folders[] = {"agent", "data", "pending_update"};
    struct owner owner;
    const char *user = appliance->config.service_user;
    if (geteuid() != 0 || user[0] == '\0')
        return true;
    if (!process_user(user, &owner.uid, &owner.gid, err))
        return error_wrap(err, "SERVICE_USER");
    for (size_t i = 0; i < COUNT_OF(folders); i++) {
        if (!hand_over_named(appliance, folders[i], &owner, err))
            return false;
    }
    return hand_over_named(appliance, appliance->config.telemetry_dir, &owner, err) &&
           share_run(appliance, &owner, err) && lend_logs(appliance, &owner, err) &&
           hand_over_credentials(appliance, &owner, err) &&
           (lchown(socket, owner.uid, owner.gid) == 0 || error_set_errno(err, "chown %s", socket));
}
