#include "common/os/loop.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/base/scope.h"

enum {
    BATCH_EVENTS = 64,
    FOLDER_READ_BYTES = 16 * 1024,
    FOLDER_READS_A_TURN = 16, /* a folder that never rests must not stop the rest */
    SIGNALS_A_TURN = 16,
    MS_PER_S = 1000,
    NS_PER_MS = 1000000,
};

struct loop_watch {
    struct loop *loop;
    struct loop_watch *next, *previous; /* in loop->watches, or next alone in loop->removed */
    int fd;                             /* -1 once removed */
    bool owns_fd;
    void (*handle)(struct loop_watch *watch, uint32_t events);
    union {
        void (*ready)(void *context, uint32_t events);
        void (*fired)(void *context, uint64_t times);
        void (*caught)(void *context, int signal_number);
        void (*changed)(void *context, const char *name);
    } call;
    void *context;
};

struct loop {
    int epoll_fd;
    int stop_fd; /* eventfd: wakes epoll_wait */
    atomic_bool stopping;
    bool dispatching; /* events of a batch may still point to watches: frees wait */
    struct loop_watch *watches;
    struct loop_watch *removed;
};

/* ---- the loop ------------------------------------------------------------------------------------------ */

static bool loop_start(struct loop *loop, struct error *err)
{
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0)
        return error_set_errno(err, "epoll_create1");
    loop->stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (loop->stop_fd < 0)
        return error_set_errno(err, "eventfd");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, loop->stop_fd, &event) < 0)
        return error_set_errno(err, "epoll_ctl");
    return true;
}

struct loop *loop_new(struct error *err)
{
    struct loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the event loop");
        return NULL;
    }
    loop->epoll_fd = loop->stop_fd = -1;
    atomic_init(&loop->stopping, false);
    if (!loop_start(loop, err)) {
        loop_free(loop);
        return NULL;
    }
    return loop;
}

static void let_go(struct loop_watch *watch)
{
    epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_DEL, watch->fd, NULL);
    if (watch->owns_fd)
        close(watch->fd);
    watch->fd = -1;
}

static void free_removed(struct loop *loop)
{
    struct loop_watch *next;
    for (struct loop_watch *watch = loop->removed; watch != NULL; watch = next) {
        next = watch->next;
        free(watch);
    }
    loop->removed = NULL;
}

void loop_free(struct loop *loop)
{
    if (loop == NULL)
        return;
    struct loop_watch *next;
    for (struct loop_watch *watch = loop->watches; watch != NULL; watch = next) {
        next = watch->next;
        let_go(watch);
        free(watch);
    }
    free_removed(loop);
    scope_fd(&loop->stop_fd);
    scope_fd(&loop->epoll_fd);
    free(loop);
}

static void dispatch(struct loop *loop, const struct epoll_event *events, int count)
{
    loop->dispatching = true;
    for (int i = 0; i < count && !atomic_load(&loop->stopping); i++) {
        struct loop_watch *watch = events[i].data.ptr;
        if (watch != NULL && watch->fd >= 0)
            watch->handle(watch, events[i].events);
    }
    loop->dispatching = false;
    free_removed(loop);
}

bool loop_run(struct loop *loop, struct error *err)
{
    while (!atomic_load(&loop->stopping)) {
        struct epoll_event events[BATCH_EVENTS];
        int count = epoll_wait(loop->epoll_fd, events, BATCH_EVENTS, -1);
        if (count < 0 && errno != EINTR)
            return error_set_errno(err, "epoll_wait");
        dispatch(loop, events, count);
    }
    uint64_t stops;
    ssize_t got = read(loop->stop_fd, &stops, sizeof(stops));
    (void)got; /* empties it, so that the loop can run again */
    atomic_store(&loop->stopping, false);
    return true;
}

void loop_stop(struct loop *loop)
{
    uint64_t one = 1;
    atomic_store(&loop->stopping, true);
    ssize_t written = write(loop->stop_fd, &one, sizeof(one));
    (void)written; /* a full counter wakes just as well */
}

/* ---- watches ------------------------------------------------------------------------------------------- */

/* Takes over fd when owns_fd, on failure too. */
static struct loop_watch *add(struct loop *loop, int fd, bool owns_fd, uint32_t events,
                              const struct loop_watch *what, struct error *err)
{
    struct loop_watch *watch = malloc(sizeof(*watch));
    struct epoll_event event = {.events = events, .data.ptr = watch};
    if (watch == NULL)
        error_set(err, ERR_MEMORY, "no memory left to wait for something");
    else if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
        error_set_errno(err, "epoll_ctl");
    else {
        *watch = *what;
        watch->loop = loop;
        watch->fd = fd;
        watch->owns_fd = owns_fd;
        watch->previous = NULL;
        watch->next = loop->watches;
        if (loop->watches != NULL)
            loop->watches->previous = watch;
        loop->watches = watch;
        return watch;
    }
    free(watch);
    if (owns_fd)
        close(fd);
    return NULL;
}

void loop_remove(struct loop_watch *watch)
{
    if (watch == NULL || watch->fd < 0)
        return;
    struct loop *loop = watch->loop;
    let_go(watch);
    if (watch->previous != NULL)
        watch->previous->next = watch->next;
    else
        loop->watches = watch->next;
    if (watch->next != NULL)
        watch->next->previous = watch->previous;
    if (!loop->dispatching) {
        free(watch);
        return;
    }
    watch->next = loop->removed;
    loop->removed = watch;
}

static void handle_fd(struct loop_watch *watch, uint32_t events)
{
    watch->call.ready(watch->context, events);
}

struct loop_watch *loop_fd(struct loop *loop, int fd, uint32_t events,
                           void (*ready)(void *context, uint32_t events), void *context, struct error *err)
{
    struct loop_watch what = {.handle = handle_fd, .call.ready = ready, .context = context};
    return add(loop, fd, false, events, &what, err);
}

bool loop_fd_events(struct loop_watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    return epoll_ctl(watch->loop->epoll_fd, EPOLL_CTL_MOD, watch->fd, &event) == 0;
}

/* ---- timers -------------------------------------------------------------------------------------------- */

static void handle_timer(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    uint64_t times;
    /* set anew by an earlier callback of this batch: nothing to read */
    if (read(watch->fd, &times, sizeof(times)) == (ssize_t)sizeof(times))
        watch->call.fired(watch->context, times);
}

static struct timespec timespec_of_ms(int64_t ms)
{
    return (struct timespec){.tv_sec = (time_t)(ms / MS_PER_S), .tv_nsec = (long)(ms % MS_PER_S) * NS_PER_MS};
}

void loop_timer_set(struct loop_watch *timer, int64_t first_ms, int64_t period_ms)
{
    struct itimerspec when = {0};
    if (first_ms >= 0) {
        when.it_value = timespec_of_ms(first_ms);
        when.it_interval = timespec_of_ms(period_ms > 0 ? period_ms : 0);
        if (first_ms == 0)
            when.it_value.tv_nsec = 1; /* zero would stop it */
    }
    timerfd_settime(timer->fd, 0, &when, NULL);
}

struct loop_watch *loop_timer(struct loop *loop, int64_t first_ms, int64_t period_ms,
                              void (*fired)(void *context, uint64_t times), void *context, struct error *err)
{
    int fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (fd < 0) {
        error_set_errno(err, "timerfd_create");
        return NULL;
    }
    struct loop_watch what = {.handle = handle_timer, .call.fired = fired, .context = context};
    struct loop_watch *timer = add(loop, fd, true, EPOLLIN, &what, err);
    if (timer != NULL)
        loop_timer_set(timer, first_ms, period_ms);
    return timer;
}

/* ---- signals ------------------------------------------------------------------------------------------- */

static void handle_signal(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    for (int i = 0; i < SIGNALS_A_TURN && watch->fd >= 0; i++) {
        struct signalfd_siginfo info;
        if (read(watch->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
            return;
        watch->call.caught(watch->context, (int)info.ssi_signo);
    }
}

struct loop_watch *loop_signal(struct loop *loop, int signal_number,
                               void (*caught)(void *context, int signal_number), void *context,
                               struct error *err)
{
    sigset_t set;
    sigemptyset(&set);
    int fd = sigaddset(&set, signal_number) == 0 ? signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK) : -1;
    if (fd < 0) {
        error_set_errno(err, "wait for signal %d", signal_number);
        return NULL;
    }
    struct loop_watch what = {.handle = handle_signal, .call.caught = caught, .context = context};
    struct loop_watch *watch = add(loop, fd, true, EPOLLIN, &what, err);
    if (watch != NULL)
        pthread_sigmask(SIG_BLOCK, &set, NULL);
    return watch;
}

/* ---- folders ------------------------------------------------------------------------------------------- */

/* One read's worth of events; the callback may remove the watch in the middle of them. */
static void tell_changes(struct loop_watch *watch, const char *bytes, size_t size)
{
    for (size_t at = 0; at < size && watch->fd >= 0;) {
        struct inotify_event event;
        memcpy(&event, bytes + at, sizeof(event));
        const char *name = event.len > 0 ? bytes + at + sizeof(event) : NULL;
        at += sizeof(event) + event.len;
        if (name != NULL || (event.mask & (IN_Q_OVERFLOW | IN_IGNORED)) != 0)
            watch->call.changed(watch->context, name);
    }
}

static void handle_folder(struct loop_watch *watch, uint32_t events)
{
    (void)events;
    for (int i = 0; i < FOLDER_READS_A_TURN && watch->fd >= 0; i++) {
        char bytes[FOLDER_READ_BYTES];
        ssize_t got = read(watch->fd, bytes, sizeof(bytes));
        if (got <= 0)
            return;
        tell_changes(watch, bytes, (size_t)got);
    }
}

struct loop_watch *loop_folder(struct loop *loop, const char *path,
                               void (*changed)(void *context, const char *name), void *context,
                               struct error *err)
{
    int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    if (fd < 0) {
        error_set_errno(err, "inotify_init1");
        return NULL;
    }
    if (inotify_add_watch(fd, path, IN_MOVED_TO | IN_CLOSE_WRITE | IN_DELETE | IN_ONLYDIR) < 0) {
        error_set_errno(err, "watch folder %s", path);
        close(fd);
        return NULL;
    }
    struct loop_watch what = {.handle = handle_folder, .call.changed = changed, .context = context};
    return add(loop, fd, true, EPOLLIN, &what, err);
}
