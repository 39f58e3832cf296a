#include "server_tools/sync_service/notice_sender.h"

#include <inttypes.h>
#include <signal.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/os/waking.h"
#include "server_tools/sync_service/notice_queue.h"

/* What came of an attempt and is not in PostgreSQL yet. */
struct result {
    bool there;
    int64_t notice_id;
    enum notice_outcome outcome;
    char problem[ERROR_TEXT_BYTES];
};

struct lane {
    struct notice_sender *sender;
    const struct notice_way *kind;
    void *way;
    bool counts; /* the one that keeps the gauges */
    char worker[UUID_TEXT_BYTES];
    struct pg *pg; /* NULL: not connected */
    struct result result;
    int64_t away_ms; /* how long the next pause is; 0: all is well */
    pthread_t thread;
};

struct notice_sender {
    const struct sync_settings *settings;
    const struct clock *clock;
    const struct log *log;
    struct metrics *metrics;
    struct waking waking;
    bool stop; /* under its lock */
    struct lane lanes[NOTICE_WAYS * NOTICE_SENDERS_MAX];
    size_t count;
};

/* ---- pauses ---- */

/* False: it shall stop. */
static bool pause_lane(const struct lane *lane, int64_t ms)
{
    struct notice_sender *sender = lane->sender;
    const struct timespec end = waking_in(ms);
    waking_lock(&sender->waking);
    while (!sender->stop && waking_wait(&sender->waking, &end))
        continue;
    bool go_on = !sender->stop;
    waking_unlock(&sender->waking);
    return go_on;
}

static bool shall_stop(const struct lane *lane)
{
    return !pause_lane(lane, 0);
}

static void fall_back(struct lane *lane)
{
    int64_t next = lane->away_ms == 0 ? NOTICE_AWAY_MIN_MS : 2 * lane->away_ms;
    lane->away_ms = next < NOTICE_AWAY_MAX_MS ? next : NOTICE_AWAY_MAX_MS;
}

/* ---- one notice ---- */

/* The result stays until PostgreSQL has it: a notice that was sent must not be sent again because the
 * database was away for a moment. */
static bool write_result(struct lane *lane, struct error *err)
{
    struct result *result = &lane->result;
    const struct log *log = lane->sender->log;
    bool given_up = false;
    if (!result->there)
        return true;
    bool sent = result->outcome == NOTICE_SENT;
    if (!notice_queue_end(lane->pg, lane->worker, result->notice_id, sent ? NULL : result->problem,
                          result->outcome == NOTICE_REFUSED, &given_up, err))
        return false;
    result->there = false;
    metric_add(lane->sender->metrics, sent ? lane->kind->sent : lane->kind->refused, 1);
    metric_add(lane->sender->metrics, METRIC_NOTICES_GIVEN_UP, given_up ? 1 : 0);
    if (sent)
        log_info(log, "notice %" PRId64 " sent by %s", result->notice_id, lane->kind->channel);
    else
        log_warn(log, "notice %" PRId64 " %s: %s", result->notice_id,
                 given_up ? "is given up" : "could not be sent", result->problem);
    return true;
}

static bool send_one(struct lane *lane, const struct notice *notice, enum notice_outcome *outcome,
                     struct error *err)
{
    struct result *result = &lane->result;
    struct error problem = {.code = ERR_NONE};
    bool ours = false;
    if (!notice_queue_begin(lane->pg, lane->worker, notice->notice_id, &ours, err))
        return false;
    if (!ours)
        return true;
    result->notice_id = notice->notice_id;
    result->outcome = lane->kind->send(lane->way, notice, &problem);
    result->there = true;
    text_make_printable(problem.text);
    if (!text_copy(result->problem, sizeof(result->problem), view_of(problem.text)))
        result->problem[0] = '\0';
    *outcome = result->outcome;
    return write_result(lane, err);
}

/* Whether one of those before it has found this one's target unable. */
static bool is_waited_for(const struct notice_batch *batch, const enum notice_outcome *outcomes, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (outcomes[i] == NOTICE_LATER &&
            strcmp(batch->notices[i].target, batch->notices[index].target) == 0)
            return true;
    }
    return false;
}

static bool send_batch(struct lane *lane, const struct notice_batch *batch, struct error *err)
{
    enum notice_outcome outcomes[NOTICE_BATCH] = {NOTICE_SENT};
    bool away = false;
    bool skipped = false;
    size_t done = 0;
    for (; done < batch->count && !away && !shall_stop(lane); done++) {
        if (is_waited_for(batch, outcomes, done)) {
            skipped = true;
            continue;
        }
        if (!send_one(lane, &batch->notices[done], &outcomes[done], err))
            return false;
        away = outcomes[done] == NOTICE_AWAY;
    }
    if (away)
        fall_back(lane);
    else
        lane->away_ms = 0;
    return (done == batch->count && !skipped) || notice_queue_release(lane->pg, lane->worker, err);
}

/* ---- the lane ---- */

static bool connect_lane(struct lane *lane, struct error *err)
{
    if (lane->pg == NULL)
        lane->pg = notice_db_open(lane->sender->settings->db_url, err);
    return lane->pg != NULL;
}

static bool keep_gauges(const struct lane *lane, struct error *err)
{
    int64_t waiting = 0;
    int64_t oldest_s = 0;
    if (!lane->counts || lane->sender->metrics == NULL)
        return true;
    if (!notice_queue_waiting(lane->pg, &waiting, &oldest_s, err))
        return false;
    metric_set(lane->sender->metrics, METRIC_NOTICES_WAITING, (double)waiting);
    metric_set(lane->sender->metrics, METRIC_NOTICES_OLDEST_SECONDS, (double)oldest_s);
    return true;
}

/* Once through the queue. *more: there may be more at once. */
static bool turn(struct lane *lane, bool *more, struct error *err)
{
    SCOPE(notice_batch_clear) struct notice_batch batch = {.count = 0};
    if (!connect_lane(lane, err) || !write_result(lane, err) ||
        !notice_queue_claim(lane->pg, lane->worker, lane->kind->channel, &batch, err))
        return false;
    *more = batch.count > 0;
    if (batch.count == 0)
        lane->kind->rest(lane->way);
    return send_batch(lane, &batch, err) && keep_gauges(lane, err);
}

/* The schema is not there yet, or PostgreSQL is not. */
static void say_problem(struct lane *lane, const struct error *problem)
{
    if (lane->away_ms == 0)
        log_warn(lane->sender->log, "notices by %s wait: %s", lane->kind->channel, problem->text);
    fall_back(lane);
    pg_close(lane->pg);
    lane->pg = NULL;
}

static void *run(void *context)
{
    struct lane *lane = context;
    int64_t wait_ms = 0;
    while (pause_lane(lane, wait_ms)) {
        struct error problem;
        bool more = false;
        if (!turn(lane, &more, &problem))
            say_problem(lane, &problem);
        wait_ms = lane->away_ms > 0 ? lane->away_ms : more ? 0 : NOTICE_POLL_MS;
    }
    pg_close(lane->pg);
    return NULL;
}

/* ---- start and stop ---- */

static bool start_lane(struct notice_sender *sender, const struct notice_way *kind, struct error *err)
{
    struct lane *lane = &sender->lanes[sender->count];
    *lane = (struct lane){.sender = sender, .kind = kind, .counts = sender->count == 0};
    random_uuid(lane->worker);
    lane->way = kind->open(sender->settings, sender->clock, err);
    if (lane->way == NULL)
        return false;
    sigset_t all;
    sigset_t before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int failed = pthread_create(&lane->thread, NULL, run, lane);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (failed != 0) {
        kind->close(lane->way);
        return error_set(err, ERR_MEMORY, "no thread for notices by %s", kind->channel);
    }
    sender->count++;
    return true;
}

static struct notice_sender *make(const struct sync_settings *settings, const struct clock *clock,
                                  const struct log *log, struct metrics *metrics, struct error *err)
{
    struct notice_sender *sender = calloc(1, sizeof(*sender));
    if (sender == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for notices");
        return NULL;
    }
    sender->settings = settings;
    sender->clock = clock;
    sender->log = log;
    sender->metrics = metrics;
    if (waking_init(&sender->waking, err))
        return sender;
    free(sender);
    return NULL;
}

struct notice_sender *notice_sender_start(const struct sync_settings *settings, const struct clock *clock,
                                          const struct log *log, struct metrics *metrics, struct error *err)
{
    struct notice_sender *sender = make(settings, clock, log, metrics, err);
    if (sender == NULL)
        return NULL;
    for (size_t i = 0; i < NOTICE_WAYS; i++) {
        const char *missing = notice_ways[i]->missing(settings);
        if (missing != NULL)
            log_debug(log, "no notices by %s: %s", notice_ways[i]->channel, missing);
        for (size_t lane = 0; missing == NULL && lane < notice_ways[i]->senders; lane++) {
            if (start_lane(sender, notice_ways[i], err))
                continue;
            notice_sender_stop(sender);
            return NULL;
        }
    }
    return sender;
}

void notice_sender_stop(struct notice_sender *sender)
{
    if (sender == NULL)
        return;
    waking_lock(&sender->waking);
    sender->stop = true;
    waking_all(&sender->waking);
    waking_unlock(&sender->waking);
    for (size_t i = 0; i < sender->count; i++)
        pthread_join(sender->lanes[i].thread, NULL);
    for (size_t i = 0; i < sender->count; i++)
        sender->lanes[i].kind->close(sender->lanes[i].way);
    waking_clear(&sender->waking);
    free(sender);
}
