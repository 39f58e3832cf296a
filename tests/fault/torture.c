/* A library for LD_PRELOAD: the Nth call of one kind fails, as a full disk or a lack of memory would make it.
 *
 *   TORTURE_KIND    memory, write, sync ...: the names below; unset: calls are only counted
 *   TORTURE_N       which call, from 1
 *   TORTURE_MODE    once (default), or from: that call and all after it
 *   TORTURE_REPORT  a file of REPORT_BYTES, written while the program runs: struct report
 *   TORTURE_TRACE   set: the stack of the call that fails goes to stderr
 *   TORTURE_MARKS   set: only between torture_begin() and torture_end() (tests/fault/torture.h), else all of
 * main
 *
 * Counted is what the program and its libraries call from main on; not what cmocka calls, not in programs
 * that it executes. A unit test's failed assertion ends the program at once with TORTURE_ASSERTED: what
 * cmocka does (a longjmp to the next test) would leave threads that use a stack which is no more. Works with
 * ASan (ASAN_OPTIONS=verify_asan_link_order=0), which so judges what the program does after the failure. */
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <unistd.h>

#include "tests/fault/torture.h"

enum { EXCLUDED_MAX = 8, REPORT_FOLDERS = 256, FOLDER_BYTES = 64, TRACE_FRAMES = 40, TORTURE_ASSERTED = 70 };

enum kind {
    MEMORY,
    OPEN,
    WRITE,
    SHORT,
    READ,
    SYNC,
    RENAME,
    TRUNCATE,
    MKDIR,
    LINK,
    UNLINK,
    MODE,
    MAP,
    HANDLE,
    PROCESS,
    SEND,
    KINDS
};

static const struct {
    const char *name;
    int error;
} kinds[KINDS] = {
    [MEMORY] = {"memory", ENOMEM},     /* malloc, calloc, realloc, strdup ... */
    [OPEN] = {"open", ENOSPC},         /* of a file, to write */
    [WRITE] = {"write", ENOSPC},       /* write, pwrite, writev */
    [SHORT] = {"short", 0},            /* half of it is written, no error */
    [READ] = {"read", EIO},            /* read, pread */
    [SYNC] = {"sync", EIO},            /* fsync, fdatasync */
    [RENAME] = {"rename", EIO},        /* rename, renameat, renameat2 */
    [TRUNCATE] = {"truncate", ENOSPC}, /* ftruncate, posix_fallocate */
    [MKDIR] = {"mkdir", ENOSPC},       /* mkdir, mkdirat */
    [LINK] = {"link", ENOSPC},         /* link, symlink */
    [UNLINK] = {"unlink", EIO},        /* unlink, unlinkat, rmdir */
    [MODE] = {"mode", EPERM},          /* chmod, fchmod, fchown */
    [MAP] = {"map", ENOMEM},           /* mmap of a file */
    [HANDLE] = {"handle", EMFILE},     /* any other new descriptor */
    [PROCESS] = {"process", EAGAIN},   /* fork, pthread_create */
    [SEND] = {"send", ECONNRESET},     /* send, sendmsg */
};

/* tests/fault/torture reads it by this layout. */
struct report {
    _Atomic uint64_t counts[KINDS];
    _Atomic uint64_t failed;
    _Atomic uint64_t left_open; /* descriptors more than before main, when main returns */
    _Atomic uint64_t folders_made;
    char folders[REPORT_FOLDERS][FOLDER_BYTES]; /* made by mkdtemp: for whoever cleans up */
};

static struct {
    struct report *report;
    enum kind kind;
    uint64_t n;
    bool from, marks, trace;
    _Atomic bool on;
    struct {
        uintptr_t from, until;
    } excluded[EXCLUDED_MAX]; /* code whose calls do not count */
    unsigned excluded_count;
    int (*main)(int, char **, char **);
} torture = {.kind = KINDS};

/* ---- which call fails ---------------------------------------------------------------------------------- */

static bool is_excluded(const void *caller)
{
    for (unsigned i = 0; i < torture.excluded_count; i++) {
        if ((uintptr_t)caller >= torture.excluded[i].from && (uintptr_t)caller < torture.excluded[i].until)
            return true;
    }
    return false;
}

static void tell_where(void)
{
    void *frames[TRACE_FRAMES];
    torture_end();
    int count = backtrace(frames, TRACE_FRAMES);
    dprintf(STDERR_FILENO, "made to fail: %s\n", kinds[torture.kind].name);
    backtrace_symbols_fd(frames + 2, count - 2, STDERR_FILENO);
    torture_begin();
}

static bool fails(enum kind kind, const void *caller)
{
    if (!atomic_load_explicit(&torture.on, memory_order_relaxed) || is_excluded(caller))
        return false;
    uint64_t number = atomic_fetch_add(&torture.report->counts[kind], 1) + 1;
    if (kind != torture.kind || (torture.from ? number < torture.n : number != torture.n))
        return false;
    atomic_fetch_add(&torture.report->failed, 1);
    if (torture.trace)
        tell_where();
    if (kinds[kind].error != 0)
        errno = kinds[kind].error;
    return true;
}

void torture_begin(void)
{
    atomic_store(&torture.on, torture.report != NULL);
}

void torture_end(void)
{
    atomic_store(&torture.on, false);
}

const char *torture_kind(void)
{
    return torture.kind == KINDS ? "" : kinds[torture.kind].name;
}

unsigned long torture_failed(void)
{
    return torture.report == NULL ? 0 : torture.report->failed;
}

/* ---- the calls ----------------------------------------------------------------------------------------- */

#define NEXT(name)                                                                                           \
    static __typeof__(&name) next;                                                                           \
    if (next == NULL)                                                                                        \
        next = (__typeof__(&name))dlsym(RTLD_NEXT, #name);

/* A call with one way to fail. */
#define CALL(kind, failure, type, name, parameters, arguments)                                               \
    type name parameters                                                                                     \
    {                                                                                                        \
        NEXT(name)                                                                                           \
        return fails(kind, __builtin_return_address(0)) ? (failure) : next arguments;                        \
    }

CALL(MEMORY, NULL, void *, malloc, (size_t size), (size))
CALL(MEMORY, NULL, void *, calloc, (size_t count, size_t size), (count, size))
CALL(MEMORY, NULL, void *, realloc, (void *old, size_t size), (old, size))
CALL(MEMORY, NULL, void *, reallocarray, (void *old, size_t count, size_t size), (old, count, size))
CALL(MEMORY, NULL, void *, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
CALL(MEMORY, ENOMEM, int, posix_memalign, (void **out, size_t alignment, size_t size), (out, alignment, size))

CALL(SYNC, -1, int, fsync, (int fd), (fd))
CALL(SYNC, -1, int, fdatasync, (int fd), (fd))
CALL(RENAME, -1, int, rename, (const char *from, const char *to), (from, to))
CALL(RENAME, -1, int, renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
CALL(RENAME, -1, int, renameat2, (int a, const char *from, int b, const char *to, unsigned flags),
     (a, from, b, to, flags))
CALL(TRUNCATE, -1, int, ftruncate, (int fd, off_t size), (fd, size))
CALL(TRUNCATE, -1, int, ftruncate64, (int fd, off64_t size), (fd, size))
CALL(TRUNCATE, ENOSPC, int, posix_fallocate, (int fd, off_t from, off_t size), (fd, from, size))
CALL(TRUNCATE, ENOSPC, int, posix_fallocate64, (int fd, off64_t from, off64_t size), (fd, from, size))
CALL(MKDIR, -1, int, mkdir, (const char *path, mode_t mode), (path, mode))
CALL(MKDIR, -1, int, mkdirat, (int folder, const char *path, mode_t mode), (folder, path, mode))
CALL(LINK, -1, int, link, (const char *from, const char *to), (from, to))
CALL(LINK, -1, int, symlink, (const char *target, const char *path), (target, path))
CALL(LINK, -1, int, symlinkat, (const char *target, int folder, const char *path), (target, folder, path))
CALL(UNLINK, -1, int, unlink, (const char *path), (path))
CALL(UNLINK, -1, int, unlinkat, (int folder, const char *path, int flags), (folder, path, flags))
CALL(UNLINK, -1, int, rmdir, (const char *path), (path))
CALL(MODE, -1, int, chmod, (const char *path, mode_t mode), (path, mode))
CALL(MODE, -1, int, fchmod, (int fd, mode_t mode), (fd, mode))
CALL(MODE, -1, int, fchown, (int fd, uid_t user, gid_t group), (fd, user, group))

CALL(READ, -1, ssize_t, read, (int fd, void *out, size_t size), (fd, out, size))
CALL(READ, -1, ssize_t, pread, (int fd, void *out, size_t size, off_t at), (fd, out, size, at))
CALL(READ, -1, ssize_t, pread64, (int fd, void *out, size_t size, off64_t at), (fd, out, size, at))

CALL(HANDLE, NULL, DIR *, opendir, (const char *path), (path))
CALL(HANDLE, NULL, DIR *, fdopendir, (int fd), (fd))
CALL(HANDLE, -1, int, pipe2, (int fds[2], int flags), (fds, flags))
CALL(HANDLE, -1, int, eventfd, (unsigned value, int flags), (value, flags))
CALL(HANDLE, -1, int, timerfd_create, (clockid_t clock, int flags), (clock, flags))
CALL(HANDLE, -1, int, epoll_create1, (int flags), (flags))
CALL(HANDLE, -1, int, signalfd, (int fd, const sigset_t *mask, int flags), (fd, mask, flags))
CALL(HANDLE, -1, int, inotify_init1, (int flags), (flags))
CALL(HANDLE, -1, int, memfd_create, (const char *name, unsigned flags), (name, flags))
CALL(HANDLE, -1, int, dup2, (int from, int to), (from, to))
CALL(HANDLE, -1, int, socket, (int domain, int type, int protocol), (domain, type, protocol))
CALL(HANDLE, -1, int, socketpair, (int domain, int type, int protocol, int fds[2]),
     (domain, type, protocol, fds))

/* Taking a descriptor out needs nothing and cannot fail. */
int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
    NEXT(epoll_ctl)
    bool refused = what != EPOLL_CTL_DEL && fails(HANDLE, __builtin_return_address(0));
    return refused ? -1 : next(epoll, what, fd, event);
}

CALL(PROCESS, -1, pid_t, fork, (void), ())
CALL(PROCESS, EAGAIN, int, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*start)(void *), void *context),
     (thread, attributes, start, context))

/* ECONNRESET is the end of a connection: who reads from it afterwards does not wait for ever. */
static ssize_t reset(int fd)
{
    shutdown(fd, SHUT_RDWR);
    errno = ECONNRESET;
    return -1;
}

CALL(SEND, reset(fd), ssize_t, send, (int fd, const void *data, size_t size, int flags),
     (fd, data, size, flags))
CALL(SEND, reset(fd), ssize_t, sendmsg, (int fd, const struct msghdr *message, int flags),
     (fd, message, flags))

/* The C library's own would allocate through malloc, and ASan's without it: one way for both. */
char *strndup(const char *text, size_t limit)
{
    size_t size = strnlen(text, limit);
    NEXT(malloc)
    char *copy = fails(MEMORY, __builtin_return_address(0)) ? NULL : next(size + 1);
    if (copy != NULL) {
        memcpy(copy, text, size);
        copy[size] = '\0';
    }
    return copy;
}

char *strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    NEXT(malloc)
    char *copy = fails(MEMORY, __builtin_return_address(0)) ? NULL : next(size);
    return copy == NULL ? NULL : memcpy(copy, text, size);
}

/* An eventfd, which has no type of file: a word to it is never refused but for a counter at its end, and then
 * whoever waits is woken all the same. */
static bool is_eventfd(int fd)
{
    struct stat status;
    return fstat(fd, &status) == 0 && (status.st_mode & S_IFMT) == 0;
}

/* What goes to stderr is the message about the failure: that one is left alone. */
static bool write_fails(int fd, size_t *size, const void *caller)
{
    if (fd == STDERR_FILENO || is_eventfd(fd))
        return false;
    if (*size > 1 && fails(SHORT, caller))
        *size /= 2;
    return fails(WRITE, caller);
}

ssize_t write(int fd, const void *data, size_t size)
{
    NEXT(write)
    return write_fails(fd, &size, __builtin_return_address(0)) ? -1 : next(fd, data, size);
}

ssize_t pwrite(int fd, const void *data, size_t size, off_t at)
{
    NEXT(pwrite)
    return write_fails(fd, &size, __builtin_return_address(0)) ? -1 : next(fd, data, size, at);
}

ssize_t pwrite64(int fd, const void *data, size_t size, off64_t at)
{
    NEXT(pwrite64)
    return write_fails(fd, &size, __builtin_return_address(0)) ? -1 : next(fd, data, size, at);
}

ssize_t writev(int fd, const struct iovec *pieces, int count)
{
    NEXT(writev)
    if (count > 1 && fd != STDERR_FILENO && fails(SHORT, __builtin_return_address(0)))
        count = 1;
    return fd != STDERR_FILENO && fails(WRITE, __builtin_return_address(0)) ? -1 : next(fd, pieces, count);
}

void *mmap(void *where, size_t size, int protection, int flags, int fd, off_t from)
{
    NEXT(mmap)
    if (fd >= 0 && fails(MAP, __builtin_return_address(0)))
        return MAP_FAILED;
    return next(where, size, protection, flags, fd, from);
}

void *mmap64(void *where, size_t size, int protection, int flags, int fd, off64_t from)
{
    NEXT(mmap64)
    if (fd >= 0 && fails(MAP, __builtin_return_address(0)))
        return MAP_FAILED;
    return next(where, size, protection, flags, fd, from);
}

static enum kind kind_of_open(int flags)
{
    return (flags & (O_WRONLY | O_RDWR | O_CREAT)) != 0 ? OPEN : HANDLE;
}

/* The mode is read whether it was given or not: where it was not, the call does not look at it. */
#define OPEN_CALL(name, parameters, arguments)                                                               \
    int name parameters                                                                                      \
    {                                                                                                        \
        va_list more;                                                                                        \
        va_start(more, flags);                                                                               \
        mode_t mode = va_arg(more, mode_t);                                                                  \
        va_end(more);                                                                                        \
        NEXT(name)                                                                                           \
        return fails(kind_of_open(flags), __builtin_return_address(0)) ? -1 : next arguments;                \
    }

OPEN_CALL(open, (const char *path, int flags, ...), (path, flags, mode))
OPEN_CALL(open64, (const char *path, int flags, ...), (path, flags, mode))
OPEN_CALL(openat, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))
OPEN_CALL(openat64, (int folder, const char *path, int flags, ...), (folder, path, flags, mode))

/* What _FORTIFY_SOURCE makes of the calls without a mode. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);
int __openat_2(int folder, const char *path, int flags);
int __openat64_2(int folder, const char *path, int flags);
CALL(kind_of_open(flags), -1, int, __open_2, (const char *path, int flags), (path, flags))
CALL(kind_of_open(flags), -1, int, __open64_2, (const char *path, int flags), (path, flags))
CALL(kind_of_open(flags), -1, int, __openat_2, (int folder, const char *path, int flags),
     (folder, path, flags))
CALL(kind_of_open(flags), -1, int, __openat64_2, (int folder, const char *path, int flags),
     (folder, path, flags))

static enum kind kind_of_fopen(const char *mode)
{
    return mode[0] == 'r' && strchr(mode, '+') == NULL ? HANDLE : OPEN;
}

CALL(kind_of_fopen(mode), NULL, FILE *, fopen, (const char *path, const char *mode), (path, mode))
CALL(kind_of_fopen(mode), NULL, FILE *, fopen64, (const char *path, const char *mode), (path, mode))

/* ---- unit tests ---------------------------------------------------------------------------------------- */

char *mkdtemp(char *template)
{
    NEXT(mkdtemp)
    char *made = next(template);
    if (made == NULL || torture.report == NULL)
        return made;
    uint64_t number = atomic_fetch_add(&torture.report->folders_made, 1);
    if (number < REPORT_FOLDERS)
        snprintf(torture.report->folders[number], FOLDER_BYTES, "%s", made);
    return made;
}

/* cmocka's: every failed assertion comes here. */
void _fail(const char *file, int line) __attribute__((noreturn));
void _fail(const char *file, int line)
{
    dprintf(STDERR_FILENO, "asserted at %s:%d\n", file, line);
    _exit(TORTURE_ASSERTED);
}

/* ---- from main on -------------------------------------------------------------------------------------- */

static int exclude(struct dl_phdr_info *library, size_t size, void *context)
{
    (void)size;
    (void)context;
    if (strstr(library->dlpi_name, "libcmocka") == NULL && strstr(library->dlpi_name, "libasan") == NULL)
        return 0;
    for (unsigned i = 0; i < library->dlpi_phnum && torture.excluded_count < EXCLUDED_MAX; i++) {
        const ElfW(Phdr) *part = &library->dlpi_phdr[i];
        if (part->p_type != PT_LOAD || (part->p_flags & PF_X) == 0)
            continue;
        uintptr_t from = library->dlpi_addr + part->p_vaddr;
        torture.excluded[torture.excluded_count].from = from;
        torture.excluded[torture.excluded_count++].until = from + part->p_memsz;
    }
    return 0;
}

static void read_settings(void)
{
    const char *kind = getenv("TORTURE_KIND");
    const char *n = getenv("TORTURE_N");
    const char *mode = getenv("TORTURE_MODE");
    const char *report = getenv("TORTURE_REPORT");
    for (unsigned i = 0; kind != NULL && i < KINDS; i++) {
        if (strcmp(kind, kinds[i].name) == 0)
            torture.kind = i;
    }
    torture.n = n == NULL ? 0 : strtoull(n, NULL, 10);
    torture.from = mode != NULL && strcmp(mode, "from") == 0;
    torture.marks = getenv("TORTURE_MARKS") != NULL;
    torture.trace = getenv("TORTURE_TRACE") != NULL;
    int fd = report == NULL ? -1 : open(report, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *place = mmap(NULL, sizeof(struct report), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    torture.report = place == MAP_FAILED ? NULL : place;
}

static uint64_t open_descriptors(void)
{
    DIR *folder = opendir("/proc/self/fd");
    uint64_t count = 0;
    while (folder != NULL && readdir(folder) != NULL)
        count++;
    if (folder != NULL)
        closedir(folder);
    return count;
}

static int tortured_main(int count, char **words, char **environment)
{
    uint64_t before = open_descriptors();
    if (!torture.marks)
        torture_begin();
    int code = torture.main(count, words, environment);
    torture_end();
    uint64_t after = open_descriptors();
    if (torture.report != NULL)
        torture.report->left_open = after > before ? after - before : 0;
    return code;
}

void exit(int code)
{
    NEXT(exit)
    torture_end();
    next(code);
    __builtin_unreachable();
}

int __libc_start_main(int (*program)(int, char **, char **), int count, char **words, void (*init)(void),
                      void (*finish)(void), void (*linker_finish)(void), void *stack_end)
{
    NEXT(__libc_start_main)
    read_settings();
    dl_iterate_phdr(exclude, NULL);
    static const char *const ours[] = {"LD_PRELOAD",     "TORTURE_KIND",  "TORTURE_N",    "TORTURE_MODE",
                                       "TORTURE_REPORT", "TORTURE_MARKS", "TORTURE_TRACE"};
    for (unsigned i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        unsetenv(ours[i]);
    torture.main = program;
    return next(tortured_main, count, words, init, finish, linker_finish, stack_end);
}
