#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "common/os/loop.h"
#include "tests/harness/test_folder.h"

enum { DEADLINE_MS = 120 * 1000, LOG_BYTES = 256 }; /* the deadline is no test's point */

/* A loop with a deadline, and what its callbacks noted in order. */
static struct {
    struct loop *loop;
    struct error err;
    struct loop_watch *watch[4];
    int pipe[4][2];
    char notes[LOG_BYTES];
    unsigned calls;
    bool late;
} t;

static void too_late(void *context, uint64_t times)
{
    (void)context;
    (void)times;
    t.late = true;
    loop_stop(t.loop);
}

static void stop(void *context, uint64_t times)
{
    (void)context;
    (void)times;
    loop_stop(t.loop);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.loop = loop_new(&t.err);
    for (int i = 0; i < 4; i++) {
        if (pipe2(t.pipe[i], O_CLOEXEC | O_NONBLOCK) < 0)
            return -1;
    }
    return t.loop != NULL && loop_timer(t.loop, DEADLINE_MS, 0, too_late, NULL, &t.err) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(t.loop);
    for (int i = 0; i < 4; i++) {
        close(t.pipe[i][0]);
        close(t.pipe[i][1]);
    }
    return 0;
}

static void run(void)
{
    assert_true(loop_run(t.loop, &t.err));
    assert_false(t.late);
}

static void note(const char *text)
{
    size_t used = strlen(t.notes);
    snprintf(t.notes + used, sizeof(t.notes) - used, "%s;", text);
}

static void poke(int i)
{
    assert_int_equal(write(t.pipe[i][1], "x", 1), 1);
}

/* ---- descriptors --------------------------------------------------------------------------------------- */

static void read_and_stop(void *context, uint32_t events)
{
    const int *fd = context;
    char byte;
    assert_true((events & EPOLLIN) != 0);
    assert_int_equal(read(*fd, &byte, 1), 1);
    note("read");
    loop_stop(t.loop);
}

static void a_descriptor_is_reported(void **state)
{
    (void)state;
    assert_non_null(loop_fd(t.loop, t.pipe[0][0], EPOLLIN, read_and_stop, &t.pipe[0][0], &t.err));
    poke(0);
    run();
    assert_string_equal(t.notes, "read;");
    poke(0);
    run(); /* a loop that was stopped runs again */
    assert_string_equal(t.notes, "read;read;");
}

static void note_events(void *context, uint32_t events)
{
    (void)context;
    t.calls++;
    note((events & EPOLLOUT) != 0 ? "out" : "in");
    loop_stop(t.loop);
}

static void other_events_can_be_asked_for(void **state)
{
    (void)state;
    struct loop_watch *watch = loop_fd(t.loop, t.pipe[0][1], EPOLLOUT, note_events, NULL, &t.err);
    run();
    assert_string_equal(t.notes, "out;");
    assert_true(loop_fd_events(watch, 0)); /* it is still writable, and nobody is told */
    assert_non_null(loop_timer(t.loop, 20, 0, stop, NULL, &t.err));
    run();
    assert_int_equal(t.calls, 1);
    assert_true(loop_fd_events(watch, EPOLLOUT));
    run();
    assert_string_equal(t.notes, "out;out;");
}

static void a_closed_descriptor_is_refused(void **state)
{
    (void)state;
    assert_null(loop_fd(t.loop, -1, EPOLLIN, read_and_stop, NULL, &t.err));
    assert_int_equal(t.err.code, ERR_IO);
}

static void remove_everybody(void *context, uint32_t events)
{
    (void)context;
    (void)events;
    t.calls++;
    for (int i = 0; i < 4; i++) {
        loop_remove(t.watch[i]); /* itself too */
        t.watch[i] = NULL;
    }
    loop_stop(t.loop);
}

/* All four are ready in one batch: the first callback removes the others, which must not be called. */
static void what_is_removed_is_not_called_any_more(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        t.watch[i] = loop_fd(t.loop, t.pipe[i][0], EPOLLIN, remove_everybody, NULL, &t.err);
        assert_non_null(t.watch[i]);
        poke(i);
    }
    run();
    assert_int_equal(t.calls, 1);
}

static void remove_others_and_go_on(void *context, uint32_t events)
{
    (void)events;
    const size_t *mine = context;
    char byte;
    t.calls++;
    assert_int_equal(read(t.pipe[*mine][0], &byte, 1), 1);
    for (size_t i = 0; i < 4; i++) {
        if (i == *mine)
            continue;
        loop_remove(t.watch[i]);
        t.watch[i] = NULL;
    }
    assert_non_null(loop_timer(t.loop, 20, 0, stop, NULL, &t.err));
}

static void removal_outlives_the_batch(void **state)
{
    (void)state;
    static const size_t index[] = {0, 1, 2, 3};
    for (size_t i = 0; i < 4; i++) {
        t.watch[i] =
            loop_fd(t.loop, t.pipe[i][0], EPOLLIN, remove_others_and_go_on, (void *)&index[i], &t.err);
        poke((int)i);
    }
    run(); /* to the end of the batch, and beyond it */
    assert_int_equal(t.calls, 1);
}

static void removing_nothing_is_fine(void **state)
{
    (void)state;
    loop_remove(NULL);
    loop_free(NULL);
    struct loop_watch *watch = loop_fd(t.loop, t.pipe[0][0], EPOLLIN, remove_everybody, NULL, &t.err);
    loop_remove(watch); /* outside the loop */
    poke(0);
    assert_non_null(loop_timer(t.loop, 0, 0, stop, NULL, &t.err));
    run();
    assert_int_equal(t.calls, 0);
}

/* ---- timers -------------------------------------------------------------------------------------------- */

struct ticker {
    uint64_t times;
    uint64_t calls, stop_at;
    int64_t called_ms, before_ms; /* when it was called last, and the time before that */
};

static int64_t now_ms(void)
{
    return clock_monotonic_us(clock_system()) / US_PER_MS;
}

static void tick(void *context, uint64_t times)
{
    struct ticker *ticker = context;
    ticker->before_ms = ticker->called_ms;
    ticker->called_ms = now_ms();
    ticker->times += times;
    ticker->calls++;
    if (ticker->times >= ticker->stop_at)
        loop_stop(t.loop);
}

/* On a slow machine several ticks come in one: none too early, and none that was due at the last call but one
 * is missing. */
static void a_timer_keeps_its_schedule(void **state)
{
    (void)state;
    enum { FIRST_MS = 5, PERIOD_MS = 10 };
    struct ticker ticker = {.stop_at = 10};
    int64_t start = now_ms();
    assert_non_null(loop_timer(t.loop, FIRST_MS, PERIOD_MS, tick, &ticker, &t.err));
    int64_t started = now_ms() + 1;
    run();
    int64_t times = (int64_t)ticker.times;
    assert_true(times >= 10);
    assert_true(ticker.called_ms - start >= FIRST_MS + (times - 1) * PERIOD_MS);
    assert_true(times >= (ticker.before_ms - started - FIRST_MS) / PERIOD_MS + 1);
}

static void hold_up(void *context, uint64_t times)
{
    struct ticker *ticker = context;
    if (ticker->calls == 0) { /* busy for six periods */
        for (int64_t start = now_ms(); now_ms() - start < 60;)
            continue;
    }
    tick(context, times);
}

static void missed_ticks_are_counted_not_repeated(void **state)
{
    (void)state;
    struct ticker ticker = {.stop_at = 6};
    assert_non_null(loop_timer(t.loop, 0, 10, hold_up, &ticker, &t.err));
    run();
    assert_true(ticker.calls < ticker.times);
}

static void a_timer_of_zero_fires_once(void **state)
{
    (void)state;
    struct ticker once = {.stop_at = UINT64_MAX};
    struct ticker end = {.stop_at = 1};
    assert_non_null(loop_timer(t.loop, 0, 0, tick, &once, &t.err));
    assert_non_null(loop_timer(t.loop, 30, 0, tick, &end, &t.err));
    run();
    assert_int_equal(once.times, 1);
}

static void a_timer_is_stopped_and_set_again(void **state)
{
    (void)state;
    struct ticker stopped = {.stop_at = UINT64_MAX};
    struct ticker end = {.stop_at = 1};
    struct loop_watch *timer = loop_timer(t.loop, 0, 1, tick, &stopped, &t.err);
    struct loop_watch *end_timer = loop_timer(t.loop, 30, 0, tick, &end, &t.err);
    loop_timer_set(timer, -1, 0);
    run();
    assert_int_equal(stopped.times, 0);
    loop_timer_set(timer, 0, 0);
    loop_timer_set(end_timer, 30, 0);
    run();
    assert_int_equal(stopped.times, 1);
}

/* ---- stopping, signals --------------------------------------------------------------------------------- */

static void *stop_from_outside(void *context)
{
    loop_stop(context);
    return NULL;
}

static void another_thread_stops_it(void **state)
{
    (void)state;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, stop_from_outside, t.loop), 0);
    run();
    pthread_join(thread, NULL);
    loop_stop(t.loop); /* before it runs: it ends at once */
    run();
}

static void on_signal(void *context, int signal_number)
{
    (void)context;
    char text[16];
    snprintf(text, sizeof(text), "%s", signal_number == SIGUSR1 ? "usr1" : "chld");
    note(text);
    loop_stop(t.loop);
}

static void a_signal_is_a_callback(void **state)
{
    (void)state;
    assert_non_null(loop_signal(t.loop, SIGUSR1, on_signal, NULL, &t.err));
    raise(SIGUSR1);
    run();
    assert_string_equal(t.notes, "usr1;");
    assert_null(loop_signal(t.loop, 9999, on_signal, NULL, &t.err));
}

static void a_child_that_ends_is_a_callback(void **state)
{
    (void)state;
    assert_non_null(loop_signal(t.loop, SIGCHLD, on_signal, NULL, &t.err));
    pid_t child = fork();
    assert_true(child >= 0); /* -1 is everybody, to kill(2) */
    if (child == 0)
        _exit(3);
    run();
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_string_equal(t.notes, "chld;");
}

/* ---- folders ------------------------------------------------------------------------------------------- */

static void on_change(void *context, const char *name)
{
    const char *stop_at = context;
    note(name != NULL ? name : "(look)");
    if (name == NULL || strcmp(name, stop_at) == 0)
        loop_stop(t.loop);
}

static void a_changed_file_is_named(void **state)
{
    (void)state;
    struct test_folder folder;
    assert_true(test_folder_make(&folder));
    assert_non_null(loop_folder(t.loop, folder.path, on_change, "last", &t.err));
    assert_true(test_folder_write(&folder, "written", "x"));
    assert_true(file_replace(test_folder_path(&folder, "renamed").text, VIEW_LITERAL("x"), 0600, &t.err));
    assert_true(file_remove(test_folder_path(&folder, "written").text, &t.err));
    assert_true(test_folder_write(&folder, "last", "x"));
    run();
    /* what replaces a file shows twice, renamed and then closed, never under its temporary name */
    assert_string_equal(t.notes, "written;renamed;renamed;written;last;");
    test_folder_remove(&folder);
}

static struct loop_watch *folder_watch;

static void remove_on_change(void *context, const char *name)
{
    (void)context;
    note(name);
    loop_remove(folder_watch);
    loop_stop(t.loop);
}

static void a_folder_watch_removes_itself_in_the_middle(void **state)
{
    (void)state;
    struct test_folder folder;
    assert_true(test_folder_make(&folder));
    folder_watch = loop_folder(t.loop, folder.path, remove_on_change, NULL, &t.err);
    assert_non_null(folder_watch);
    assert_true(test_folder_write(&folder, "a", "x"));
    assert_true(test_folder_write(&folder, "b", "x"));
    run();
    assert_string_equal(t.notes, "a;");
    test_folder_remove(&folder);
}

static void a_folder_that_goes_away_is_said(void **state)
{
    (void)state;
    struct test_folder folder;
    assert_true(test_folder_make(&folder));
    assert_non_null(loop_folder(t.loop, folder.path, on_change, "", &t.err));
    test_folder_remove(&folder);
    run();
    assert_string_equal(t.notes, "(look);");
    assert_null(loop_folder(t.loop, folder.path, on_change, "", &t.err));
    assert_int_equal(t.err.code, ERR_NOT_FOUND);
    assert_null(loop_folder(t.loop, "/dev/null", on_change, "", &t.err));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_descriptor_is_reported),
        TEST(other_events_can_be_asked_for),
        TEST(a_closed_descriptor_is_refused),
        TEST(what_is_removed_is_not_called_any_more),
        TEST(removal_outlives_the_batch),
        TEST(removing_nothing_is_fine),
        TEST(a_timer_keeps_its_schedule),
        TEST(missed_ticks_are_counted_not_repeated),
        TEST(a_timer_of_zero_fires_once),
        TEST(a_timer_is_stopped_and_set_again),
        TEST(another_thread_stops_it),
        TEST(a_signal_is_a_callback),
        TEST(a_child_that_ends_is_a_callback),
        TEST(a_changed_file_is_named),
        TEST(a_folder_watch_removes_itself_in_the_middle),
        TEST(a_folder_that_goes_away_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
