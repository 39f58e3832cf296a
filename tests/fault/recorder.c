/* A library for LD_PRELOAD: records every call of a program that changes what is on the disk, or ends the
 * program right before, within or right after one of them, or makes it fail, or does something behind the
 * program's back.
 *
 *   RECORDER_LOG    a file that gets one struct record with its texts for each call
 *   RECORDER_DO     before | after   SIGKILL before or after call RECORDER_AT
 *                   half             SIGKILL when half of the bytes are written (of others: before it)
 *                   full | full_from ENOSPC at that call, or at it and at all that follow and need room
 *                   swap             before call RECORDER_AT the two paths of RECORDER_SWAP are exchanged
 *                   pour             the same, but the second's content is written over the first's
 *   RECORDER_AT     which call, from 1
 *   RECORDER_SWAP   two paths, with a colon between them
 *
 * Counted and recorded are the calls on files and folders from the program's main on, of the program and its
 * libraries, locks and shared memory excepted; with swap and pour, opening and reading count as well.
 * Programs that it executes are left alone. That nothing is missed shows in test_update_power_cuts.py: all
 * records played back onto a copy of the first tree make the last. tests/harness/recorder.py reads the
 * records. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum { POUR_BYTES = 1 << 16, NOWHERE = -1 };

/* The order is that of KINDS in tests/harness/recorder.py. */
enum kind {
    OPEN,
    WRITE,
    SYNC,
    RENAME,
    EXCHANGE,
    LINK,
    SYMLINK,
    UNLINK,
    RMDIR,
    MKDIR,
    TRUNCATE,
    MODE,
    OWNER,
    LOOK
};

/* What a record is about; then come the bytes of name, name2 and data. */
struct record {
    uint64_t number; /* from 1 */
    uint64_t inode;  /* of the file or folder itself; 0: it has none any more */
    uint64_t parent, parent2;
    uint64_t offset; /* of a write; the new size of a truncation; the mode of a file */
    uint32_t kind, flags, failed;
    uint32_t name_size, name2_size, data_size;
};

/* A call as the program makes it. */
struct call {
    enum kind kind;
    int fd; /* NOWHERE: it goes by path */
    int folder, folder2;
    const char *path, *path2; /* NULL: it has none */
    const void *data;
    size_t size;
    uint64_t offset;
    int flags;
};

enum action { NOTHING, KILL_BEFORE, KILL_AFTER, KILL_HALF, FULL, FULL_FROM, SWAP, POUR };

static const char *const actions[] = {"nothing", "before",    "after", "half",
                                      "full",    "full_from", "swap",  "pour"};

static struct {
    int log;
    enum action action;
    uint64_t at, number;
    char first[PATH_MAX], second[PATH_MAX];
    bool on;
} recorder = {.log = -1};

/* ---- what happens at a call ---------------------------------------------------------------------------- */

static void __attribute__((noreturn)) die(void)
{
    syscall(SYS_kill, getpid(), SIGKILL);
    for (;;)
        pause();
}

static void pour(void)
{
    static char block[POUR_BYTES];
    long from = syscall(SYS_openat, AT_FDCWD, recorder.second, O_RDONLY, 0);
    long to = syscall(SYS_openat, AT_FDCWD, recorder.first, O_WRONLY | O_TRUNC, 0);
    long size = 0;
    while (from >= 0 && to >= 0 && (size = syscall(SYS_read, from, block, sizeof(block))) > 0)
        syscall(SYS_write, to, block, (size_t)size);
    syscall(SYS_close, from);
    syscall(SYS_close, to);
}

static bool needs_room(enum kind kind)
{
    return kind == OPEN || kind == WRITE || kind == SYNC || kind == RENAME || kind == LINK ||
           kind == SYMLINK || kind == MKDIR || kind == TRUNCATE;
}

static bool is_counted(enum kind kind)
{
    return recorder.on && (kind != LOOK || recorder.action == SWAP || recorder.action == POUR);
}

/* False: the call must fail, errno says with what. *number: of this call; 0: it does not count. */
static bool begins(enum kind kind, uint64_t *number)
{
    *number = is_counted(kind) ? ++recorder.number : 0;
    bool now = *number > 0 && *number == recorder.at;
    if (now && (recorder.action == KILL_BEFORE || (recorder.action == KILL_HALF && kind != WRITE)))
        die();
    if (now && recorder.action == SWAP)
        syscall(SYS_renameat2, AT_FDCWD, recorder.first, AT_FDCWD, recorder.second, RENAME_EXCHANGE);
    if (now && recorder.action == POUR)
        pour();
    bool full = recorder.action == FULL_FROM && *number >= recorder.at && *number > 0;
    if ((full || (now && recorder.action == FULL)) && needs_room(kind)) {
        errno = ENOSPC;
        return false;
    }
    return true;
}

static uint64_t inode_of(int folder, const char *path, int flags)
{
    struct stat about;
    return fstatat(folder, path, &about, flags) == 0 ? about.st_ino : 0;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == NULL ? path : slash + 1;
}

static uint64_t parent_of(int folder, const char *path)
{
    char way[PATH_MAX];
    if (path == NULL)
        return 0;
    size_t size = (size_t)(last_part(path) - path);
    if (size == 0)
        return folder == AT_FDCWD ? inode_of(folder, ".", 0) : inode_of(folder, "", AT_EMPTY_PATH);
    snprintf(way, sizeof(way), "%.*s", (int)size, path);
    return inode_of(folder, way, 0);
}

static uint64_t own_inode(const struct call *call)
{
    if (call->fd != NOWHERE)
        return inode_of(call->fd, "", AT_EMPTY_PATH);
    bool follows = call->kind == MODE || call->kind == OWNER || call->kind == TRUNCATE;
    if (call->path2 != NULL)
        return inode_of(call->folder2, call->path2, AT_SYMLINK_NOFOLLOW);
    return inode_of(call->folder, call->path, follows ? 0 : AT_SYMLINK_NOFOLLOW);
}

static void put_record(const struct call *call, uint64_t number, bool failed)
{
    const char *name = call->path == NULL ? "" : last_part(call->path);
    const char *name2 = call->path2 == NULL ? "" : last_part(call->path2);
    struct record record = {
        .number = number,
        .inode = own_inode(call),
        .parent = parent_of(call->folder, call->path),
        .parent2 = parent_of(call->folder2, call->path2),
        .offset = call->offset,
        .kind = call->kind,
        .flags = (uint32_t)call->flags,
        .failed = failed,
        .name_size = (uint32_t)strlen(name),
        .name2_size = (uint32_t)strlen(name2),
        .data_size = call->data == NULL ? 0 : (uint32_t)call->size,
    };
    const struct iovec pieces[] = {
        {&record, sizeof(record)},
        {(void *)(uintptr_t)name, record.name_size},
        {(void *)(uintptr_t)name2, record.name2_size},
        {(void *)(uintptr_t)call->data, record.data_size},
    };
    syscall(SYS_writev, recorder.log, pieces, sizeof(pieces) / sizeof(pieces[0]));
}

static void ends(const struct call *call, uint64_t number, long result)
{
    int code = errno;
    if (number > 0 && recorder.log >= 0)
        put_record(call, number, result < 0);
    if (number > 0 && recorder.action == KILL_AFTER && number == recorder.at)
        die();
    errno = code;
}

/* ---- the calls ----------------------------------------------------------------------------------------- */

#define NEXT(name)                                                                                           \
    static __typeof__(&name) next;                                                                           \
    if (next == NULL)                                                                                        \
        next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);

/* ...: the fields of struct call, which are looked at after the call. */
#define CALL(what, name, parameters, arguments, ...)                                                         \
    int name parameters                                                                                      \
    {                                                                                                        \
        NEXT(name)                                                                                           \
        uint64_t number;                                                                                     \
        const struct call call = {.kind = what, __VA_ARGS__};                                                \
        int result = begins(what, &number) ? next arguments : -1;                                            \
        ends(&call, number, result);                                                                         \
        return result;                                                                                       \
    }

CALL(SYNC, fsync, (int fd), (fd), .fd = fd)
CALL(SYNC, fdatasync, (int fd), (fd), .fd = fd)
CALL(RENAME, rename, (const char *from, const char *to), (from, to), .fd = NOWHERE, .folder = AT_FDCWD,
     .path = from, .folder2 = AT_FDCWD, .path2 = to)
CALL(RENAME, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to), .fd = NOWHERE,
     .folder = a, .path = from, .folder2 = b, .path2 = to)
CALL((flags & RENAME_EXCHANGE) ? EXCHANGE : RENAME, renameat2,
     (int a, const char *from, int b, const char *to, unsigned flags), (a, from, b, to, flags), .fd = NOWHERE,
     .folder = a, .path = from, .folder2 = b, .path2 = to)
CALL(LINK, link, (const char *from, const char *to), (from, to), .fd = NOWHERE, .folder = AT_FDCWD,
     .path = from, .folder2 = AT_FDCWD, .path2 = to)
CALL(LINK, linkat, (int a, const char *from, int b, const char *to, int flags), (a, from, b, to, flags),
     .fd = NOWHERE, .folder = a, .path = from, .folder2 = b, .path2 = to)
CALL(SYMLINK, symlink, (const char *target, const char *path), (target, path), .fd = NOWHERE,
     .folder = AT_FDCWD, .path = path, .data = target, .size = strlen(target))
CALL(SYMLINK, symlinkat, (const char *target, int folder, const char *path), (target, folder, path),
     .fd = NOWHERE, .folder = folder, .path = path, .data = target, .size = strlen(target))
CALL(UNLINK, unlink, (const char *path), (path), .fd = NOWHERE, .folder = AT_FDCWD, .path = path)
CALL((flags & AT_REMOVEDIR) ? RMDIR : UNLINK, unlinkat, (int folder, const char *path, int flags),
     (folder, path, flags), .fd = NOWHERE, .folder = folder, .path = path)
CALL(RMDIR, rmdir, (const char *path), (path), .fd = NOWHERE, .folder = AT_FDCWD, .path = path)
CALL(MKDIR, mkdir, (const char *path, mode_t mode), (path, mode), .fd = NOWHERE, .folder = AT_FDCWD,
     .path = path, .offset = mode)
CALL(MKDIR, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode), .fd = NOWHERE,
     .folder = folder, .path = path, .offset = mode)
CALL(TRUNCATE, truncate, (const char *path, off_t size), (path, size), .fd = NOWHERE, .folder = AT_FDCWD,
     .path = path, .offset = (uint64_t)size)
CALL(TRUNCATE, ftruncate, (int fd, off_t size), (fd, size), .fd = fd, .offset = (uint64_t)size)
CALL(TRUNCATE, ftruncate64, (int fd, off64_t size), (fd, size), .fd = fd, .offset = (uint64_t)size)
CALL(MODE, chmod, (const char *path, mode_t mode), (path, mode), .fd = NOWHERE, .folder = AT_FDCWD,
     .path = path, .offset = mode)
CALL(MODE, fchmod, (int fd, mode_t mode), (fd, mode), .fd = fd, .offset = mode)
CALL(OWNER, chown, (const char *path, uid_t user, gid_t group), (path, user, group), .fd = NOWHERE,
     .folder = AT_FDCWD, .path = path)
CALL(OWNER, fchown, (int fd, uid_t user, gid_t group), (fd, user, group), .fd = fd)

/* The C library's own calls unlink and rmdir where nobody sees it. */
int remove(const char *path)
{
    struct stat about;
    return fstatat(AT_FDCWD, path, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(about.st_mode) ? rmdir(path)
                                                                                               : unlink(path);
}

/* ---- opening ---- */

static bool changes(int flags)
{
    return (flags & (O_WRONLY | O_RDWR | O_CREAT | O_TRUNC)) != 0;
}

static int opens(int (*next)(int, const char *, int, ...), int folder, const char *path, int flags,
                 mode_t mode)
{
    uint64_t number;
    enum kind kind = changes(flags) ? OPEN : LOOK;
    int fd = begins(kind, &number) ? next(folder, path, flags, mode) : -1;
    const struct call call = {
        .kind = kind, .fd = fd, .folder = folder, .path = path, .flags = flags, .offset = mode};
    ends(&call, number, fd);
    return fd;
}

/* The mode is read whether it was given or not: where it was not, the call does not look at it. */
#define OPEN_CALL(name, parameters, folder)                                                                  \
    int name parameters                                                                                      \
    {                                                                                                        \
        va_list more;                                                                                        \
        va_start(more, flags);                                                                               \
        mode_t mode = va_arg(more, mode_t);                                                                  \
        va_end(more);                                                                                        \
        NEXT(openat)                                                                                         \
        return opens(next, folder, path, flags, mode);                                                       \
    }

OPEN_CALL(open, (const char *path, int flags, ...), AT_FDCWD)
OPEN_CALL(open64, (const char *path, int flags, ...), AT_FDCWD)
OPEN_CALL(openat, (int folder, const char *path, int flags, ...), folder)
OPEN_CALL(openat64, (int folder, const char *path, int flags, ...), folder)

/* What _FORTIFY_SOURCE makes of the calls without a mode. */
int __open_2(const char *path, int flags);
int __open_2(const char *path, int flags)
{
    return open(path, flags, 0);
}
int __open64_2(const char *path, int flags);
int __open64_2(const char *path, int flags)
{
    return open(path, flags, 0);
}
int __openat_2(int folder, const char *path, int flags);
int __openat_2(int folder, const char *path, int flags)
{
    return openat(folder, path, flags, 0);
}
int __openat64_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags)
{
    return openat(folder, path, flags, 0);
}

/* ---- reading: nothing to record, but a moment for swap and pour ---- */

#define LOOK_CALL(name, parameters, arguments)                                                               \
    ssize_t name parameters                                                                                  \
    {                                                                                                        \
        NEXT(name)                                                                                           \
        uint64_t number;                                                                                     \
        begins(LOOK, &number);                                                                               \
        ssize_t result = next arguments;                                                                     \
        const struct call call = {.kind = LOOK, .fd = fd};                                                   \
        ends(&call, number, result);                                                                         \
        return result;                                                                                       \
    }

LOOK_CALL(read, (int fd, void *out, size_t size), (fd, out, size))
LOOK_CALL(pread, (int fd, void *out, size_t size, off_t at), (fd, out, size, at))
LOOK_CALL(pread64, (int fd, void *out, size_t size, off64_t at), (fd, out, size, at))

/* ---- writing ---- */

static bool is_file(int fd)
{
    struct stat about;
    return fstat(fd, &about) == 0 && S_ISREG(about.st_mode);
}

/* at: the offset; NOWHERE: where the descriptor stands. */
static ssize_t writes(int fd, const void *data, size_t size, off_t at)
{
    uint64_t number = 0;
    bool goes = !is_file(fd) || begins(WRITE, &number);
    bool half = number > 0 && recorder.action == KILL_HALF && number == recorder.at;
    size_t some = half ? size / 2 : size;
    long result = -1;
    if (goes)
        result =
            at == NOWHERE ? syscall(SYS_write, fd, data, some) : syscall(SYS_pwrite64, fd, data, some, at);
    if (half)
        die();
    if (number == 0)
        return result;
    off_t from = at != NOWHERE ? at : lseek(fd, 0, SEEK_CUR) - (result > 0 ? result : 0);
    const struct call call = {.kind = WRITE,
                              .fd = fd,
                              .data = data,
                              .size = result > 0 ? (size_t)result : 0,
                              .offset = (uint64_t)from};
    ends(&call, number, result);
    return result;
}

ssize_t write(int fd, const void *data, size_t size)
{
    return writes(fd, data, size, NOWHERE);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    return writes(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    return writes(fd, data, size, at);
}

/* Its pieces one by one: a call that is cut off in the middle may do that. */
ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    ssize_t all = 0;
    for (int i = 0; i < count; i++) {
        ssize_t size = write(fd, pieces[i].iov_base, pieces[i].iov_len);
        if (size < 0)
            return all > 0 ? all : -1;
        all += size;
        if ((size_t)size < pieces[i].iov_len)
            break;
    }
    return all;
}

static int __attribute__((format(printf, 2, 0))) prints(int fd, const char *format, va_list arguments)
{
    char text[PATH_MAX];
    int size = vsnprintf(text, sizeof(text), format, arguments);
    return (int)write(fd, text, (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1);
}

int dprintf(int fd, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    int size = prints(fd, format, arguments);
    va_end(arguments);
    return size;
}

int __dprintf_chk(int fd, int flag, const char *format, ...) __attribute__((format(printf, 3, 4)));
int __dprintf_chk(int fd, int flag, const char *format, ...)
{
    (void)flag;
    va_list arguments;
    va_start(arguments, format);
    int size = prints(fd, format, arguments);
    va_end(arguments);
    return size;
}

/* ---- from main on -------------------------------------------------------------------------------------- */

static void read_settings(void)
{
    const char *log = getenv("RECORDER_LOG");
    const char *what = getenv("RECORDER_DO");
    const char *at = getenv("RECORDER_AT");
    const char *swap = getenv("RECORDER_SWAP");
    for (unsigned i = 0; what != NULL && i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(what, actions[i]) == 0)
            recorder.action = i;
    }
    recorder.at = at == NULL ? 0 : strtoull(at, NULL, 10);
    const char *colon = swap == NULL ? NULL : strchr(swap, ':');
    if (colon != NULL) {
        snprintf(recorder.first, sizeof(recorder.first), "%.*s", (int)(colon - swap), swap);
        snprintf(recorder.second, sizeof(recorder.second), "%s", colon + 1);
    }
    if (log != NULL)
        recorder.log =
            (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static int (*program_main)(int, char **, char **);

static int recorded_main(int count, char **words, char **environment)
{
    recorder.on = true;
    int code = program_main(count, words, environment);
    recorder.on = false;
    return code;
}

int __libc_start_main(int (*program)(int, char **, char **), int count, char **words, void (*init)(void),
                      void (*finish)(void), void (*linker_finish)(void), void *stack_end)
{
    static const char *const ours[] = {"LD_PRELOAD", "RECORDER_LOG", "RECORDER_DO", "RECORDER_AT",
                                       "RECORDER_SWAP"};
    NEXT(__libc_start_main)
    read_settings();
    for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        unsetenv(ours[i]);
    program_main = program;
    return next(recorded_main, count, words, init, finish, linker_finish, stack_end);
}
