/* An event loop on epoll: descriptors, timers, signals, changed files. Knows nothing of what is served.
 * Threads: everything but loop_stop from the thread that runs it. Callbacks may add and remove anything,
 * themselves included. Signals handled here are blocked in the thread that adds them: add them before
 * starting other threads. */
#ifndef COMMON_OS_LOOP_H
#define COMMON_OS_LOOP_H

#include <signal.h>
#include <stdint.h>
#include <sys/epoll.h>

#include "common/base/clock.h"
#include "common/base/error.h"

struct loop;
struct loop_watch; /* one thing waited for; freed by loop_remove or with the loop */

struct loop *loop_new(struct error *err) MUST_USE;
void loop_free(struct loop *loop); /* NULL is fine */
static inline void scope_loop(struct loop **loop)
{
    loop_free(*loop);
}
#define SCOPE_LOOP __attribute__((cleanup(scope_loop)))

/* Runs until loop_stop. False when epoll itself fails. */
bool loop_run(struct loop *loop, struct error *err) MUST_USE;
/* From any thread or callback: loop_run returns after the callback under way. */
void loop_stop(struct loop *loop);

/* events: EPOLLIN, EPOLLOUT ... ; the descriptor stays the caller's, who removes the watch before closing it.
 */
struct loop_watch *loop_fd(struct loop *loop, int fd, uint32_t events,
                           void (*ready)(void *context, uint32_t events), void *context,
                           struct error *err) MUST_USE;
/* From now on other events of the same descriptor. False when the system refuses, which it does only for want
 * of memory. */
bool loop_fd_events(struct loop_watch *watch, uint32_t events) MUST_USE;

/* First after first_ms, then every period_ms (0: once; it can be set again with loop_timer_set). A period is
 * held to the schedule: a late callback does not push the next one; missed ones are counted, not repeated. */
struct loop_watch *loop_timer(struct loop *loop, int64_t first_ms, int64_t period_ms,
                              void (*fired)(void *context, uint64_t times), void *context,
                              struct error *err) MUST_USE;
/* first_ms below 0 stops the timer. */
void loop_timer_set(struct loop_watch *timer, int64_t first_ms, int64_t period_ms);

/* SIGCHLD, SIGTERM ... ; one watch a signal. It stays blocked when the watch is gone. */
struct loop_watch *loop_signal(struct loop *loop, int signal_number,
                               void (*caught)(void *context, int signal_number), void *context,
                               struct error *err) MUST_USE;

/* Called when a file in this folder was renamed to, written and closed, or removed (inotify: IN_MOVED_TO,
 * IN_CLOSE_WRITE, IN_DELETE). name is the file's name in the folder; NULL: events were lost, look yourself.
 */
struct loop_watch *loop_folder(struct loop *loop, const char *path,
                               void (*changed)(void *context, const char *name), void *context,
                               struct error *err) MUST_USE;

void loop_remove(struct loop_watch *watch); /* NULL is fine */

#endif
