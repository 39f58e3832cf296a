#include "server_tools/sync_service/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "common/os/waking.h"
#include "server_tools/sync_service/sync_db.h"
#include "server_tools/sync_service/writer_group.h"
#include "server_tools/sync_service/writer_queue.h"

enum {
    THREADS_MIN = 2,
    THREADS_MAX = 16,
    RECONNECT_MIN_MS = 100,
    PROBE_S = 5, /* a connection that has nothing to do is asked whether it stands */
    STOP_S = 20, /* then what is being written is broken off */
    MS_PER_S = 1000,
};

static const enum writer_lane lanes[LANES] = {LANE_LIVE, LANE_GAP};

/* A connection's life:  TRYING -> UP -> TRYING ...; TRYING -> AWAY -> TRYING: nobody waits for one that is
 * away.
 */
enum link { LINK_TRYING, LINK_UP, LINK_AWAY };

struct writer_thread {
    struct writer *writer;
    pthread_t id;
    bool live_only;
    enum link link;          /* the lock's, as session.pg and .aside where another thread looks at them */
    int64_t reconnect_ms;    /* the next pause */
    bool no_aside;           /* it was refused: not asked for again until there is nothing to do */
    struct error last_error; /* why it is away */
    struct write_session session;
    struct write_job *jobs[WRITER_GROUP_JOBS];
};

struct writer {
    char *db_url;
    struct mailbox *mailbox;
    const struct clock *clock;
    const struct log *log;
    size_t thread_count;
    struct writer_thread *threads[THREADS_MAX];

    struct waking waking; /* its lock is of the rest, up to the loop's own */
    struct writer_queue queue;
    struct writer_counts counts;
    bool stopping;
    size_t running; /* threads */

    /* ---- the loop's own ---- */
    size_t unread;
    bool stopped;
    struct room room;
};

/* ---- back to the loop ---- */

static void writer_free(struct writer *writer)
{
    for (size_t i = 0; i < writer->thread_count; i++) {
        write_session_clear(&writer->threads[i]->session);
        free(writer->threads[i]);
    }
    waking_clear(&writer->waking);
    free(writer->db_url);
    free(writer);
}

static void deliver(struct letter *letter)
{
    struct write_job *job = (struct write_job *)letter;
    struct writer *writer = job->place.writer;
    writer->room.used_bytes -= job->place.bytes;
    job->done(job->context, job, job->error.code == ERR_NONE ? NULL : &job->error);
    writer->unread--;
    if (!writer->stopped)
        room_say(&writer->room);
    else if (writer->unread == 0)
        writer_free(writer);
}

/* With the lock: the next job of its vehicle is ready. */
static void finish(struct writer *writer, struct write_job *job)
{
    queue_finish(&writer->queue, job);
    writer->counts.jobs++;
    writer->counts.failures += job->error.code != ERR_NONE;
    if (job->error.code == ERR_NONE)
        writer->counts.rows += (uint64_t)job->rows_added;
    job->letter.read = deliver;
    mailbox_post(writer->mailbox, &job->letter);
}

/* With the lock: what is ready in this lane, and what is behind it, fails. */
static void fail_lane(struct writer *writer, enum writer_lane lane, const struct error *problem)
{
    struct write_job *job;
    while (queue_take(&writer->queue, lane, 0, 1, &job) > 0) {
        job->error = *problem;
        finish(writer, job);
    }
}

/* ---- connections ---- */

static bool serves(const struct writer_thread *thread, enum writer_lane lane)
{
    return lane == LANE_LIVE || !thread->live_only;
}

/* With the lock: the reason why nobody will write this lane soon; NULL: somebody may. */
static const struct error *why_away(const struct writer *writer, enum writer_lane lane)
{
    const struct error *why = NULL;
    for (size_t i = 0; i < writer->thread_count; i++) {
        const struct writer_thread *thread = writer->threads[i];
        if (!serves(thread, lane))
            continue;
        if (thread->link != LINK_AWAY)
            return NULL;
        why = &thread->last_error;
    }
    return why;
}

/* With the lock. */
static void fail_what_nobody_writes(struct writer *writer)
{
    for (size_t i = 0; i < COUNT_OF(lanes); i++) {
        const struct error *why = why_away(writer, lanes[i]);
        if (why != NULL)
            fail_lane(writer, lanes[i], why);
    }
}

static void set_aside(struct writer_thread *thread, struct pg *aside)
{
    struct pg *old = thread->session.aside;
    waking_lock(&thread->writer->waking);
    thread->session.aside = aside;
    waking_unlock(&thread->writer->waking);
    pg_close(old);
}

/* A second connection for as long as gaps are filled, where PostgreSQL has one to spare. */
static void open_aside(struct writer_thread *thread)
{
    struct error problem;
    struct pg *aside = sync_db_open(thread->writer->db_url, &problem);
    thread->no_aside = aside == NULL;
    if (aside == NULL)
        log_debug(thread->writer->log, "gaps are filled over one connection: %s", problem.text);
    set_aside(thread, aside);
}

static void close_aside(struct writer_thread *thread)
{
    thread->no_aside = false;
    set_aside(thread, NULL);
}

static void set_pg(struct writer_thread *thread, struct pg *pg, enum link link)
{
    struct pg *old = thread->session.pg;
    close_aside(thread);
    waking_lock(&thread->writer->waking);
    thread->session.pg = pg;
    thread->session.copy_right = COPY_NOT_ASKED;
    thread->link = link;
    waking_unlock(&thread->writer->waking);
    pg_close(old);
}

/* Said once for each time that PostgreSQL goes away, and when it is back. */
static void be_away(struct writer_thread *thread, const struct error *problem)
{
    struct writer *writer = thread->writer;
    struct error away = *problem;
    if (thread->reconnect_ms == RECONNECT_MIN_MS)
        log_warn(writer->log, "PostgreSQL is away, tried again until it is back: %s", problem->text);
    away.code = ERR_UNREACHABLE; /* whatever it is: nothing is wrong with a job */
    waking_lock(&writer->waking);
    thread->link = LINK_AWAY;
    thread->last_error = away;
    fail_what_nobody_writes(writer);
    const struct timespec end = waking_in(thread->reconnect_ms);
    while (!writer->stopping && waking_wait(&writer->waking, &end))
        continue;
    waking_unlock(&writer->waking);
    thread->reconnect_ms *= 2;
    if (thread->reconnect_ms > WRITER_RECONNECT_MAX_S * MS_PER_S)
        thread->reconnect_ms = WRITER_RECONNECT_MAX_S * MS_PER_S;
}

static bool connect_now(struct writer_thread *thread, struct error *err)
{
    struct pg *pg = sync_db_open(thread->writer->db_url, err);
    if (pg == NULL)
        return false;
    set_pg(thread, pg, LINK_UP);
    if (thread->reconnect_ms > RECONNECT_MIN_MS)
        log_info(thread->writer->log, "PostgreSQL is back");
    thread->reconnect_ms = RECONNECT_MIN_MS;
    return true;
}

/* ---- a thread ---- */

/* With the lock. */
static bool has_work(const struct writer_thread *thread)
{
    const struct writer_queue *queue = &thread->writer->queue;
    return queue_has(queue, LANE_LIVE) || (!thread->live_only && queue_has(queue, LANE_GAP));
}

/* Waits for work; *count 0: none came for a while, or it is time to stop (then false). */
static bool take_work(struct writer_thread *thread, size_t *count)
{
    struct writer *writer = thread->writer;
    const struct timespec end = waking_in((int64_t)PROBE_S * MS_PER_S);
    waking_lock(&writer->waking);
    while (!writer->stopping && !has_work(thread) && waking_wait(&writer->waking, &end))
        continue;
    bool go_on = !writer->stopping;
    enum writer_lane lane = queue_has(&writer->queue, LANE_LIVE) ? LANE_LIVE : LANE_GAP;
    *count = go_on && has_work(thread)
                 ? queue_take(&writer->queue, lane, WRITER_GROUP_ROWS, WRITER_GROUP_JOBS, thread->jobs)
                 : 0;
    waking_unlock(&writer->waking);
    return go_on;
}

static bool any_broke(struct write_job *const *jobs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (jobs[i]->place.settled && jobs[i]->error.code == ERR_UNREACHABLE)
            return true;
    }
    return false;
}

/* Those that are settled. Returns how many are left, at the front of jobs. */
static size_t hand_back(struct writer *writer, struct write_job **jobs, size_t count, size_t transactions,
                        int64_t begin_us)
{
    size_t left = 0;
    waking_lock(&writer->waking);
    for (size_t i = 0; i < count; i++) {
        if (jobs[i]->place.settled)
            finish(writer, jobs[i]);
        else
            jobs[left++] = jobs[i];
    }
    writer->counts.transactions += transactions;
    writer->counts.last_transaction_us = clock_monotonic_us(writer->clock) - begin_us;
    if (queue_has(&writer->queue, LANE_LIVE) || queue_has(&writer->queue, LANE_GAP))
        waking_all(&writer->waking);
    waking_unlock(&writer->waking);
    return left;
}

/* Closes what broke and opens anew. False: it is away. */
static bool reconnect(struct writer_thread *thread)
{
    struct error problem;
    set_pg(thread, NULL, LINK_TRYING);
    waking_lock(&thread->writer->waking);
    thread->writer->counts.reconnects++;
    waking_unlock(&thread->writer->waking);
    return connect_now(thread, &problem);
}

/* A connection that had died while it had nothing to do costs nobody a job: a new one takes over. Whoever
 * must be written alone keeps nobody else waiting. */
static void write_jobs(struct writer_thread *thread, size_t count)
{
    struct writer *writer = thread->writer;
    struct write_session *session = &thread->session;
    int64_t begin_us = clock_monotonic_us(writer->clock);
    if (session->aside == NULL && !thread->no_aside && write_wants_aside(thread->jobs, count))
        open_aside(thread);
    size_t committed = write_together(session, thread->jobs, count);
    if (any_broke(thread->jobs, count) && reconnect(thread) && !session->begun)
        committed = write_together(session, thread->jobs, count);
    size_t left = hand_back(writer, thread->jobs, count, committed, begin_us);
    bool broken = false;
    for (size_t i = 0; i < left; i++) {
        begin_us = clock_monotonic_us(writer->clock);
        committed = write_alone(session, thread->jobs[i]);
        broken = broken || any_broke(&thread->jobs[i], 1);
        hand_back(writer, &thread->jobs[i], 1, committed, begin_us);
    }
    if (broken && !reconnect(thread))
        return; /* the thread tries on */
}

static bool is_stopping(struct writer *writer)
{
    waking_lock(&writer->waking);
    bool stopping = writer->stopping;
    waking_unlock(&writer->waking);
    return stopping;
}

static void work_while_connected(struct writer_thread *thread)
{
    size_t count;
    while (thread->session.pg != NULL && take_work(thread, &count)) {
        if (count > 0) {
            write_jobs(thread, count);
            continue;
        }
        close_aside(thread);
        if (!pg_exec(thread->session.pg, "SELECT", NULL))
            set_pg(thread, NULL, LINK_TRYING);
    }
}

static void *run(void *context)
{
    struct writer_thread *thread = context;
    struct error problem;
    while (!is_stopping(thread->writer)) {
        if (thread->session.pg == NULL && !connect_now(thread, &problem))
            be_away(thread, &problem);
        else
            work_while_connected(thread);
    }
    set_pg(thread, NULL, LINK_AWAY);
    waking_lock(&thread->writer->waking);
    thread->writer->running--;
    waking_all(&thread->writer->waking);
    waking_unlock(&thread->writer->waking);
    return NULL;
}

/* ---- start and stop ---- */

static bool start_thread(struct writer *writer, struct error *err)
{
    struct writer_thread *thread = calloc(1, sizeof(*thread));
    if (thread == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a writer");
    thread->writer = writer;
    thread->reconnect_ms = RECONNECT_MIN_MS;
    thread->live_only = writer->thread_count == 0;
    if (!write_session_init(&thread->session, writer->clock, err)) {
        free(thread);
        return false;
    }
    waking_lock(&writer->waking); /* others look at the list already */
    errno = pthread_create(&thread->id, NULL, run, thread);
    bool started = errno == 0;
    if (started)
        writer->threads[writer->thread_count++] = thread;
    writer->running += started;
    waking_unlock(&writer->waking);
    if (started)
        return true;
    error_set_errno(err, "a thread to write to PostgreSQL");
    write_session_clear(&thread->session);
    free(thread);
    return false;
}

struct writer *writer_start(const struct writer_config *config, struct error *err)
{
    struct writer *writer = calloc(1, sizeof(*writer));
    char *db_url = strdup(config->db_url);
    if (writer == NULL || db_url == NULL || !waking_init(&writer->waking, err)) {
        error_set(err, ERR_MEMORY, "no memory left for the writer");
        free(db_url);
        free(writer);
        return NULL;
    }
    writer->db_url = db_url;
    writer->mailbox = config->mailbox;
    writer->clock = config->clock;
    writer->log = config->log;
    writer->room.limit_bytes = config->queue_bytes;
    size_t threads = config->connections < THREADS_MIN   ? THREADS_MIN
                     : config->connections > THREADS_MAX ? THREADS_MAX
                                                         : config->connections;
    while (writer->thread_count < threads) {
        if (!start_thread(writer, err)) {
            writer_stop(writer);
            return NULL;
        }
    }
    return writer;
}

/* What is being written ends, or is broken off. */
static void join_all(struct writer *writer)
{
    const struct timespec end = waking_in((int64_t)STOP_S * MS_PER_S);
    waking_lock(&writer->waking);
    writer->stopping = true;
    waking_all(&writer->waking);
    while (writer->running > 0 && waking_wait(&writer->waking, &end))
        continue;
    for (size_t i = 0; i < writer->thread_count; i++) {
        struct pg *const open[] = {writer->threads[i]->session.pg, writer->threads[i]->session.aside};
        for (size_t k = 0; k < COUNT_OF(open); k++) {
            if (open[k] != NULL)
                pg_break(open[k]);
        }
    }
    waking_unlock(&writer->waking);
    for (size_t i = 0; i < writer->thread_count; i++)
        pthread_join(writer->threads[i]->id, NULL);
}

void writer_stop(struct writer *writer)
{
    struct error cancelled;
    if (writer == NULL)
        return;
    error_set(&cancelled, ERR_CANCELLED, "the service stops");
    join_all(writer);
    waking_lock(&writer->waking);
    for (size_t i = 0; i < COUNT_OF(lanes); i++)
        fail_lane(writer, lanes[i], &cancelled);
    waking_unlock(&writer->waking);
    writer->stopped = true;
    if (writer->unread == 0)
        writer_free(writer);
}

/* ---- from the loop ---- */

void writer_put(struct writer *writer, struct write_job *job)
{
    size_t bytes = write_job_bytes(job);
    writer->room.used_bytes += bytes - job->part.bytes;
    job->part = (struct room_part){.room = NULL};
    writer->unread++;
    waking_lock(&writer->waking);
    queue_put(&writer->queue, job);
    job->place.writer = writer;
    job->place.bytes = bytes;
    fail_what_nobody_writes(writer);
    waking_all(&writer->waking);
    waking_unlock(&writer->waking);
}

struct room *writer_room(struct writer *writer)
{
    return &writer->room;
}

bool writer_has_room(struct writer *writer, size_t bytes)
{
    return writer->room.used_bytes + bytes <= writer->room.limit_bytes;
}

void writer_wait_for_room(struct writer *writer, struct room_waiter *waiter)
{
    room_wait(&writer->room, waiter);
}

void writer_wait_no_more(struct writer *writer, struct room_waiter *waiter)
{
    room_wait_no_more(&writer->room, waiter);
}

bool writer_is_connected(const struct writer *writer)
{
    struct writer *open = (struct writer *)(uintptr_t)writer; /* the lock alone changes */
    bool connected = false;
    waking_lock(&open->waking);
    for (size_t i = 0; i < writer->thread_count; i++)
        connected = connected || writer->threads[i]->link == LINK_UP;
    waking_unlock(&open->waking);
    return connected;
}

struct writer_counts writer_counts(const struct writer *writer)
{
    struct writer *open = (struct writer *)(uintptr_t)writer; /* the lock alone changes */
    waking_lock(&open->waking);
    struct writer_counts counts = writer->counts;
    counts.queue_jobs = writer->queue.jobs;
    waking_unlock(&open->waking);
    counts.queue_bytes = writer->room.used_bytes;
    return counts;
}
