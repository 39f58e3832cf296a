/* boot/start: what the system starts. No release contains it, so no update can break it. While ROOT/probation
 * (`<previous version> <starts>`) exists it counts each start of the machine there, and on the third it
 * points `current` back at the previous version; then it becomes ROOT/current/bin/watchdog. Whatever it finds
 * on the disk, the last thing it does is to start what `current` says. Needs libc and nothing else. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    STARTS_ALLOWED = 2, /* the next one points back */
    STARTS_MAX = 999,
    VERSION_BYTES = 64,
    PROBATION_BYTES = VERSION_BYTES + 8,
    LINK_BYTES = VERSION_BYTES + 32,
    NOTE_BYTES = 512,
    BOOT_LOG_BYTES = 256 * 1024, /* begun anew above it */
};

struct probation {
    char previous[VERSION_BYTES];
    unsigned starts;
};

/* A line in ROOT/log/boot.log and on stderr; a note that cannot be written is let go. */
static void __attribute__((__format__(__printf__, 2, 3))) note(int root, const char *format, ...)
{
    char text[NOTE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    char when[32] = "";
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc) != NULL)
        strftime(when, sizeof(when), "%Y-%m-%dT%H:%M:%SZ", &utc);
    dprintf(STDERR_FILENO, "%s boot/start: %s\n", when, text);

    int log = openat(root, "log/boot.log",
                     O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0644);
    struct stat status;
    if (log < 0)
        return;
    if (fstat(log, &status) == 0 && S_ISREG(status.st_mode)) {
        if (status.st_size > BOOT_LOG_BYTES && ftruncate(log, 0) != 0)
            dprintf(STDERR_FILENO, "boot/start: log/boot.log: %s\n", strerror(errno));
        dprintf(log, "%s %s\n", when, text);
        fsync(log);
    }
    close(log);
}

/* ROOT: the folder above the one that this program lies in. */
static bool find_root(char root[PATH_MAX])
{
    ssize_t size = readlink("/proc/self/exe", root, PATH_MAX - 1);
    if (size < 0)
        return false;
    root[size] = '\0';
    for (int level = 0; level < 2; level++) {
        char *slash = strrchr(root, '/');
        if (slash == NULL)
            return false;
        *slash = '\0';
    }
    if (root[0] == '\0')
        memcpy(root, "/", sizeof("/"));
    return true;
}

/* A name in releases/ and nothing else: no slash, no dot first. */
static bool version_ok(const char *version)
{
    static const char allowed[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.+-";
    return version[0] >= '0' && version[0] <= '9' && version[strspn(version, allowed)] == '\0';
}

/* 1: read; 0: there is none; -1: there is one, and it makes no sense. */
static int probation_read(int root, struct probation *out)
{
    int fd = openat(root, "probation", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    char text[PROBATION_BYTES];
    ssize_t size = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (size <= 0)
        return -1;
    text[size] = '\0';
    struct probation read_one;
    char end;
    int fields = sscanf(text, "%63s %3u %c", read_one.previous, &read_one.starts, &end);
    if (fields != 2 || !version_ok(read_one.previous) || read_one.starts > STARTS_MAX)
        return -1;
    *out = read_one;
    return 1;
}

/* Durable: beside, fsync, rename, fsync of the folder. */
static bool probation_write(int root, const struct probation *probation)
{
    if (unlinkat(root, ".probation.tmp", 0) != 0 && errno != ENOENT)
        return false;
    int fd = openat(root, ".probation.tmp", O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (fd < 0)
        return false;
    bool ok = dprintf(fd, "%s %u\n", probation->previous, probation->starts) > 0 && fsync(fd) == 0;
    int number = errno;
    close(fd);
    errno = number;
    return ok && renameat(root, ".probation.tmp", root, "probation") == 0 && fsync(root) == 0;
}

static bool release_can_start(int root, const char *version)
{
    char program[LINK_BYTES];
    snprintf(program, sizeof(program), "releases/%s/bin/watchdog", version);
    return faccessat(root, program, X_OK, 0) == 0;
}

/* Durable: a symlink beside, rename, fsync of the folder. */
static bool point_back(int root, const char *version)
{
    char target[LINK_BYTES];
    snprintf(target, sizeof(target), "releases/%s", version);
    if (unlinkat(root, ".current.tmp", 0) != 0 && errno != ENOENT)
        return false;
    return symlinkat(target, root, ".current.tmp") == 0 &&
           renameat(root, ".current.tmp", root, "current") == 0 && fsync(root) == 0;
}

/* The order matters when the power goes between two steps: the probation goes last, so that a start that was
 * cut off is made again from the same count. */
static void undo(int root, const struct probation *probation)
{
    if (!release_can_start(root, probation->previous)) {
        note(root,
             "the new version was started %u times without success, but release %s cannot be started either",
             probation->starts, probation->previous);
        return;
    }
    if (!point_back(root, probation->previous)) {
        note(root, "cannot point back at release %s: %s", probation->previous, strerror(errno));
        return;
    }
    if (unlinkat(root, "probation", 0) != 0 || fsync(root) != 0)
        note(root, "cannot remove probation: %s", strerror(errno));
    note(root, "the new version was started %u times and never proved itself: back to release %s",
         probation->starts, probation->previous);
}

/* A watchdog that runs holds this lock: what is started beside it is no start of the machine. */
static bool watchdog_runs(int root)
{
    int lock = openat(root, "run/watchdog.lock", O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (lock < 0)
        return false;
    bool held = flock(lock, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    close(lock);
    return held;
}

static void count_start(int root)
{
    struct probation probation;
    int found = probation_read(root, &probation);
    if (found == 0 || watchdog_runs(root))
        return;
    if (found < 0) {
        note(root, "the file probation makes no sense and is left alone");
        return;
    }
    if (probation.starts >= STARTS_ALLOWED) {
        undo(root, &probation);
        return;
    }
    probation.starts++;
    if (!probation_write(root, &probation))
        note(root, "cannot count this start in probation: %s", strerror(errno));
}

/* Becomes the watchdog, with our own further arguments. Returns only when that failed. */
static void become_watchdog(const char *root, int count, char **words)
{
    char program[PATH_MAX];
    char **arguments = calloc((size_t)count + 3, sizeof(*arguments));
    int size = snprintf(program, sizeof(program), "%s/current/bin/watchdog", root);
    if (arguments == NULL || size < 0 || (size_t)size >= sizeof(program)) {
        errno = arguments == NULL ? ENOMEM : ENAMETOOLONG;
        free(arguments);
        return;
    }
    char option[] = "--root";
    char folder[PATH_MAX];
    snprintf(folder, sizeof(folder), "%s", root);
    arguments[0] = program;
    arguments[1] = option;
    arguments[2] = folder;
    for (int i = 1; i < count; i++)
        arguments[i + 2] = words[i];
    execv(program, arguments);
    int number = errno;
    free(arguments);
    errno = number;
}

int main(int count, char **words)
{
    char root[PATH_MAX];
    if (!find_root(root)) {
        dprintf(STDERR_FILENO, "boot/start: cannot find out where it lies: %s\n", strerror(errno));
        return 1;
    }
    int folder = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    /* with words, such as `status` or --check-config, it is no start of the machine */
    if (folder >= 0 && count < 2)
        count_start(folder);
    become_watchdog(root, count, words);
    note(folder, "cannot start %s/current/bin/watchdog: %s", root, strerror(errno));
    return 1;
}
