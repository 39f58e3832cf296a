/* The farm's Unix socket, FOLDER/control: one line of words in, one line out ("ok ..." or "error ..."). */
#include <inttypes.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "common/base/text.h"
#include "common/os/file.h"
#include "common/os/listen.h"
#include "tests/bench/farm.h"

enum { LINE_MAX_BYTES = 4096, ANSWER_MAX_BYTES = 4 << 20, WORDS_MAX = 4 };

struct control {
    struct farm *farm;
    struct path path;
    int fd;
    struct loop_watch *watch;
    struct caller *callers;
};

struct caller {
    struct caller *next, **back;
    struct control *control;
    int fd;
    struct loop_watch *watch;
    struct buf in;
};

struct words {
    struct view at[WORDS_MAX]; /* missing ones are empty */
};

/* "7" or "3-9" of this farm's vehicles. */
static bool parse_range(const struct farm *farm, struct view text, int32_t *first, int32_t *last)
{
    uint64_t a;
    uint64_t b;
    uint64_t most = (uint64_t)farm->vehicle_count - 1;
    struct view rest = text;
    bool one = memchr(text.data, '-', text.size) == NULL;
    struct view head = text_cut(&rest, '-');
    if (!text_parse_u64(head, most, &a) || !text_parse_u64(one ? head : rest, most, &b) || b < a)
        return false;
    *first = (int32_t)a;
    *last = (int32_t)b;
    return true;
}

static void say_bad(struct buf *out, const char *expected)
{
    buf_printf(out, "error expected: %s\n", expected);
}

static void do_fault(struct farm *farm, const struct words *words, struct buf *out)
{
    int32_t first;
    int32_t last;
    struct error err;
    enum fault fault = fault_of(words->at[2]);
    unsigned scope = fault_scope_of(words->at[3]);
    if (!parse_range(farm, words->at[1], &first, &last) || fault == FAULTS || scope == 0) {
        say_bad(out, "fault FIRST-LAST WORD [all|status|channels|data|alarms]");
        return;
    }
    for (int32_t vehicle = first; vehicle <= last; vehicle++) {
        farm->vehicles[vehicle].fault = fault;
        farm->vehicles[vehicle].scope = scope;
        conns_drop(farm, vehicle);
        if (!farm_listen(farm, vehicle, &err)) {
            buf_printf(out, "error %s\n", err.text);
            return;
        }
    }
    buf_append_text(out, "ok\n");
}

static void do_clock(struct farm *farm, const struct words *words, struct buf *out)
{
    int32_t first;
    int32_t last;
    int64_t offset_ms;
    int64_t skew_ppm = 0;
    if (!parse_range(farm, words->at[1], &first, &last) ||
        !text_parse_i64(words->at[2], INT32_MIN, INT64_MAX / US_PER_S, &offset_ms) ||
        (words->at[3].size > 0 && !text_parse_i64(words->at[3], -500000, 500000, &skew_ppm))) {
        say_bad(out, "clock FIRST-LAST OFFSET_MS [SKEW_PPM]");
        return;
    }
    for (int32_t i = first; i <= last; i++) {
        struct farm_vehicle *vehicle = &farm->vehicles[i];
        farm_vehicle_now_us(farm, i); /* what was measured so far stays */
        vehicle->offset_us = offset_ms * US_PER_MS;
        vehicle->skew_ppm = skew_ppm;
        vehicle->skew_from_us = clock_utc_us(clock_system());
    }
    buf_append_text(out, "ok\n");
}

static void do_freeze(struct farm *farm, const struct words *words, struct buf *out)
{
    int64_t when_us = clock_utc_us(clock_system());
    if (words->at[1].size > 0 && !text_parse_i64(words->at[1], 0, INT64_MAX - 1, &when_us)) {
        say_bad(out, "freeze [TIME_US]");
        return;
    }
    farm->frozen_us = when_us;
    buf_printf(out, "ok %" PRId64 "\n", when_us);
}

static void do_thaw(struct farm *farm, const struct words *words, struct buf *out)
{
    (void)words;
    farm->frozen_us = INT64_MAX;
    buf_append_text(out, "ok\n");
}

static void do_drop(struct farm *farm, const struct words *words, struct buf *out)
{
    int32_t first;
    int32_t last;
    if (!parse_range(farm, words->at[1], &first, &last)) {
        say_bad(out, "drop FIRST-LAST");
        return;
    }
    for (int32_t vehicle = first; vehicle <= last; vehicle++)
        conns_drop(farm, vehicle);
    buf_append_text(out, "ok\n");
}

static void do_stats(struct farm *farm, const struct words *words, struct buf *out)
{
    (void)words;
    struct timespec cpu;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
    const struct farm_counts *counts = &farm->counts;
    buf_printf(out,
               "ok connections=%" PRIu64 " requests=%" PRIu64 " rows=%" PRIu64 " bytes=%" PRIu64
               " open=%" PRIu64 " open_most=%" PRIu64 " cpu_us=%lld\n",
               counts->connections, counts->requests, counts->rows, counts->bytes, counts->open,
               counts->open_most, (long long)cpu.tv_sec * US_PER_S + cpu.tv_nsec / 1000);
}

static void do_requests(struct farm *farm, const struct words *words, struct buf *out)
{
    int32_t first;
    int32_t last;
    if (!parse_range(farm, words->at[1], &first, &last)) {
        say_bad(out, "requests FIRST-LAST");
        return;
    }
    buf_append_text(out, "ok");
    for (int32_t vehicle = first; vehicle <= last; vehicle++)
        buf_printf(out, " %" PRIu64 ":%" PRIu64, farm->vehicles[vehicle].requests,
                   farm->vehicles[vehicle].rows);
    buf_append_text(out, "\n");
}

static const struct {
    const char *word;
    void (*run)(struct farm *farm, const struct words *words, struct buf *out);
} commands[] = {
    {"fault", do_fault}, {"clock", do_clock}, {"freeze", do_freeze},     {"thaw", do_thaw},
    {"drop", do_drop},   {"stats", do_stats}, {"requests", do_requests},
};

static void run_line(struct farm *farm, struct view line, struct buf *out)
{
    struct words words = {0};
    for (int i = 0; i < WORDS_MAX; i++)
        words.at[i] = text_cut(&line, ' ');
    for (size_t i = 0; i < sizeof(commands) / sizeof(*commands); i++) {
        if (view_is(words.at[0], commands[i].word)) {
            commands[i].run(farm, &words, out);
            return;
        }
    }
    say_bad(out, "fault, clock, freeze, thaw, drop, stats or requests");
}

/* ---- callers ---- */
static void caller_free(struct caller *caller)
{
    *caller->back = caller->next;
    if (caller->next != NULL)
        caller->next->back = caller->back;
    loop_remove(caller->watch);
    close(caller->fd);
    buf_clear(&caller->in);
    free(caller);
}

/* False: it is gone, or says too much. Answers are small and callers wait for them. */
static bool answer_lines(struct caller *caller)
{
    const char *end;
    while (caller->in.size > 0 && (end = memchr(caller->in.data, '\n', caller->in.size)) != NULL) {
        SCOPE_BUF struct buf out = BUF_LIMIT(ANSWER_MAX_BYTES);
        size_t size = (size_t)(end - caller->in.data);
        run_line(caller->control->farm, (struct view){caller->in.data, size}, &out);
        buf_consume(&caller->in, size + 1);
        if (send(caller->fd, out.data, out.size, MSG_NOSIGNAL) != (ssize_t)out.size)
            return false;
    }
    return true;
}

static void caller_ready(void *context, uint32_t events)
{
    (void)events;
    struct caller *caller = context;
    char bytes[1024];
    ssize_t got = recv(caller->fd, bytes, sizeof(bytes), MSG_DONTWAIT);
    if (got <= 0 || !buf_append(&caller->in, bytes, (size_t)got) || !answer_lines(caller))
        caller_free(caller);
}

static void control_ready(void *context, uint32_t events)
{
    (void)events;
    struct control *control = context;
    struct error err;
    int fd = accept4(control->fd, NULL, NULL, SOCK_CLOEXEC);
    struct caller *caller = fd < 0 ? NULL : calloc(1, sizeof(*caller));
    if (caller == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    *caller = (struct caller){.control = control,
                              .fd = fd,
                              .in = {.limit_bytes = LINE_MAX_BYTES},
                              .next = control->callers,
                              .back = &control->callers};
    if (caller->next != NULL)
        caller->next->back = &caller->next;
    control->callers = caller;
    caller->watch = loop_fd(control->farm->loop, fd, EPOLLIN, caller_ready, caller, &err);
    if (caller->watch == NULL)
        caller_free(caller);
}

struct control *control_open(struct farm *farm, struct error *err)
{
    struct control *control = calloc(1, sizeof(*control));
    if (control == NULL) {
        error_set(err, ERR_MEMORY, "no memory left");
        return NULL;
    }
    control->farm = farm;
    control->fd = path_join(&control->path, farm->folder, "control", err)
                      ? listen_unix(control->path.text, 0600, err)
                      : -1;
    if (control->fd >= 0)
        control->watch = loop_fd(farm->loop, control->fd, EPOLLIN, control_ready, control, err);
    if (control->watch == NULL) {
        control_close(control);
        return NULL;
    }
    return control;
}

void control_close(struct control *control)
{
    if (control == NULL)
        return;
    while (control->callers != NULL)
        caller_free(control->callers);
    loop_remove(control->watch);
    if (control->fd >= 0) {
        close(control->fd);
        unlink(control->path.text);
    }
    free(control);
}
