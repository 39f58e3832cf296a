#include "collector/recorder.h"

#include <stdlib.h>

#include "collector/alarm_keeper.h"
#include "collector/rollup.h"
#include "collector/store_scrub.h"
#include "common/base/text.h"

#define US_A_DAY (86400 * INT64_C(1000000))

/* What the clock guard knows outlives a restart in the store's meta. */
static const char key_trusted[] = "clock_trusted_us";
static const char key_trial[] = "clock_trial_left_us";

struct recorder {
    struct recorder_spec spec;
    struct store_writer *writer; /* NULL: none could be opened yet */
    struct batch pending;
    struct alarm_keeper alarms;
    struct disk_room disk;
    struct clock_guard guard;
    bool guard_informed; /* of what the last run knew */
    bool damage_said;
    struct growth growth;
    struct store_scrub scrub;
    struct rollup rollup;
    struct recorder_status status;
    int64_t written; /* readings since retention last looked */
    int64_t next_minute_us, next_retention_us, next_age_us, next_rollup_us; /* monotonic */
};

static const struct log *log_of(const struct recorder *recorder)
{
    return recorder->spec.store.log;
}

static int64_t now_us(const struct recorder *recorder)
{
    return clock_monotonic_us(recorder->spec.store.clock);
}

/* ---- states: each change is said once ---- */

/* err: why the state is a bad one; NULL: it is none. */
static void enter_record(struct recorder *recorder, enum record_state state, const struct error *err)
{
    struct recorder_status *status = &recorder->status;
    bool was_bad = status->state == RECORD_FULL || status->state == RECORD_FAILING;
    status->error = err != NULL ? *err : (struct error){0};
    if (status->state == state)
        return;
    status->state = state;
    if (err != NULL)
        log_error(log_of(recorder), "the store takes no readings, they wait in memory: %s", err->text);
    else if (was_bad)
        log_info(log_of(recorder), "the store takes readings again");
}

static void enter_good(struct recorder *recorder)
{
    bool replaced = store_writer_is_replacement(recorder->writer);
    enter_record(recorder, replaced ? RECORD_REPLACED : RECORD_OK, NULL);
}

/* ---- opening, and a damaged store ---- */

static bool inform_guard(struct recorder *recorder, struct error *err)
{
    int64_t trusted_us;
    int64_t trial_left_us;
    if (recorder->guard_informed)
        return true;
    if (!store_writer_meta(recorder->writer, key_trusted, INT64_MIN, &trusted_us, err) ||
        !store_writer_meta(recorder->writer, key_trial, 0, &trial_left_us, err))
        return false;
    clock_guard_inform(&recorder->guard, trusted_us, trial_left_us);
    recorder->guard_informed = true;
    if (!clock_guard_is_sure(&recorder->guard))
        log_warn(log_of(recorder),
                 "the clock is far ahead of the last run: nothing is deleted by age until it "
                 "has run steadily for 24 h");
    return true;
}

static bool take_over(struct recorder *recorder, struct store_writer *writer, struct error *err)
{
    recorder->writer = writer;
    recorder->rollup = (struct rollup){.forgotten_us = INT64_MIN};
    recorder->next_rollup_us = INT64_MIN;
    channel_table_forget_numbers(recorder->spec.channels);
    if (!store_writer_load_channels(writer, recorder->spec.channels, err) || !inform_guard(recorder, err) ||
        !alarm_keeper_take_over(&recorder->alarms, writer, err)) {
        recorder->writer = NULL;
        store_writer_abandon(writer);
        return false;
    }
    log_info(log_of(recorder), "store %s, id %s, next seq %lld", store_writer_path(writer),
             store_writer_id(writer), (long long)store_writer_next_seq(writer));
    return true;
}

/* The damaged one is touched no more; a new one is begun. */
static bool replace(struct recorder *recorder, const struct error *why, struct error *err)
{
    if (!recorder->damage_said)
        log_error(log_of(recorder),
                  "THE TELEMETRY STORE IS DAMAGED; it is left as it is and a new one is begun: %s",
                  why->text);
    recorder->damage_said = true;
    store_writer_abandon(POINTER_TAKE(recorder->writer));
    recorder->scrub = (struct store_scrub){0};
    struct store_writer *writer = store_writer_open_next(&recorder->spec.store, err);
    if (writer == NULL || !take_over(recorder, writer, err))
        return false;
    recorder->damage_said = false;
    return true;
}

static bool open_store(struct recorder *recorder, struct error *err)
{
    if (recorder->writer != NULL)
        return true;
    struct store_writer *writer = store_writer_open(&recorder->spec.store, err);
    if (writer != NULL && take_over(recorder, writer, err))
        return true;
    if (err->code != ERR_CORRUPT)
        return false;
    struct error why = *err;
    return replace(recorder, &why, err);
}

/* ---- the transaction ---- */

/* The oldest of what waits, and all alarms. */
static bool write_piece(struct recorder *recorder, size_t count, struct error *err)
{
    struct batch *pending = &recorder->pending;
    struct channel_table *channels = recorder->spec.channels;
    bool ok = store_writer_write(recorder->writer, channels, pending->items, count, err);
    if (!ok && err->code == ERR_CORRUPT) {
        struct error why = *err;
        ok = replace(recorder, &why, err) &&
             store_writer_write(recorder->writer, channels, pending->items, count, err);
    }
    if (!ok)
        return false;
    recorder->written += (int64_t)count;
    recorder->alarms.judged -= count;
    batch_drop_first(pending, count);
    return true;
}

static bool write_pending(struct recorder *recorder, struct error *err)
{
    if (!open_store(recorder, err))
        return false;
    alarm_keeper_judge(&recorder->alarms, &recorder->pending, true);
    return write_piece(recorder, recorder->pending.count, err);
}

/* Each time that one is refused as many of the oldest readings go: a flow goes on as fast as it comes. */
static bool write_in_pieces(struct recorder *recorder, struct error *err)
{
    struct batch *pending = &recorder->pending;
    int64_t end_us = now_us(recorder) + RECORDER_PIECES_MS * US_PER_MS;
    do {
        size_t count = pending->count < RECORDER_PIECE_READINGS ? pending->count : RECORDER_PIECE_READINGS;
        bool ok = write_piece(recorder, count, err);
        if (!ok && err->code == ERR_SPACE) {
            disk_room_delete(&recorder->disk, recorder->writer);
            ok = write_piece(recorder, count, err);
        }
        if (!ok || !store_writer_checkpoint(recorder->writer, false, err))
            return false;
        if (now_us(recorder) >= end_us && pending->count > 0)
            return error_set(err, ERR_SPACE, "the disk is full: room is made bit by bit for what waits");
    } while (pending->count > 0);
    return true;
}

/* What the WAL has blocks for on a full disk is not what may have come to wait. */
static bool write_with_reserve(struct recorder *recorder, struct error *err)
{
    if (write_pending(recorder, err))
        return true;
    if (err->code != ERR_SPACE)
        return false;
    disk_room_refused(&recorder->disk, recorder->writer);
    return open_store(recorder, err) && write_in_pieces(recorder, err);
}

static void write_tick(struct recorder *recorder)
{
    struct error err = {0};
    bool is_full = recorder->pending.count > PENDING_MAX_READINGS;
    alarm_keeper_judge(&recorder->alarms, &recorder->pending, is_full);
    if (write_with_reserve(recorder, &err))
        enter_good(recorder);
    else
        enter_record(recorder, err.code == ERR_SPACE ? RECORD_FULL : RECORD_FAILING, &err);
    size_t dropped = batch_trim(&recorder->pending, PENDING_MAX_READINGS);
    if (dropped > 0 && recorder->status.dropped == 0)
        log_error(log_of(recorder), "more than %d readings wait: the oldest are lost", PENDING_MAX_READINGS);
    recorder->status.dropped += dropped;
    recorder->status.waiting = recorder->alarms.judged = recorder->pending.count;
    recorder->status.alarms = alarm_judge_summary(recorder->alarms.judge);
}

/* ---- tidying ---- */

static void tidy_failed(struct recorder *recorder, const struct error *err)
{
    struct error why = *err;
    struct error failure = {0};
    if (err->code == ERR_SPACE)
        disk_room_refused(&recorder->disk, recorder->writer);
    else if (err->code != ERR_CORRUPT)
        log_warn(log_of(recorder), "%s", err->text);
    else if (!replace(recorder, &why, &failure))
        log_error(log_of(recorder), "no new store could be begun: %s", failure.text);
}

static bool delete_by_age(struct recorder *recorder, int64_t *deleted, struct error *err)
{
    int64_t wall_us = recorder->guard.utc_us;
    int64_t keep_us = recorder->spec.retention_days * US_A_DAY;
    *deleted = 0;
    if (keep_us == 0 || !clock_guard_is_sure(&recorder->guard) || now_us(recorder) < recorder->next_age_us)
        return true;
    if (!retention_by_age(recorder->writer, wall_us - keep_us, wall_us, deleted, err))
        return false;
    if (*deleted < RETENTION_CHUNK_ROWS)
        recorder->next_age_us = now_us(recorder) + (int64_t)RETENTION_AGE_S * US_PER_S;
    return true;
}

static bool delete_chunk(struct recorder *recorder, int64_t *deleted, struct error *err)
{
    int64_t max_bytes = recorder->spec.max_store_bytes;
    return delete_by_age(recorder, deleted, err) &&
           (*deleted > 0 || max_bytes == 0 || retention_by_size(recorder->writer, max_bytes, deleted, err));
}

/* As many chunks as the budget allows, and as many readings as have come in since the last look: no flow
 * outruns it. What is left is the next tick's. */
static void delete_old(struct recorder *recorder)
{
    int64_t start_us = now_us(recorder);
    int64_t deleted = 1;
    if (start_us < recorder->next_retention_us && recorder->written < RETENTION_WRITTEN_READINGS)
        return;
    int64_t owed = recorder->written;
    recorder->written = 0;
    while (deleted > 0 && (owed > 0 || now_us(recorder) - start_us < RETENTION_BUDGET_MS * US_PER_MS)) {
        struct error err;
        if (!delete_chunk(recorder, &deleted, &err)) {
            tidy_failed(recorder, &err);
            return;
        }
        owed -= deleted;
    }
    if (deleted == 0)
        recorder->next_retention_us = start_us + (int64_t)RETENTION_SIZE_S * US_PER_S;
}

/* As the budget allows; what is left is the next tick's. */
static void roll_up(struct recorder *recorder)
{
    int64_t start_us = now_us(recorder);
    bool behind = true;
    if (start_us < recorder->next_rollup_us)
        return;
    while (behind && now_us(recorder) - start_us < ROLLUP_BUDGET_MS * US_PER_MS) {
        struct error err;
        if (!rollup_step(recorder->writer, &behind, &err)) {
            tidy_failed(recorder, &err);
            return;
        }
    }
    if (!behind)
        recorder->next_rollup_us = start_us + (int64_t)ROLLUP_PERIOD_S * US_PER_S;
}

static double days_until_retention(struct recorder *recorder)
{
    int64_t now_us = recorder->guard.utc_us;
    int64_t oldest_us;
    if (recorder->spec.retention_days == 0 ||
        !retention_oldest_us(recorder->writer, now_us, &oldest_us, NULL))
        return -1;
    int64_t age_us = oldest_us == INT64_MIN ? 0 : now_us - oldest_us;
    double days = (double)(recorder->spec.retention_days * US_A_DAY - age_us) / (double)US_A_DAY;
    return days < 0 ? 0 : days;
}

static void foretell(struct recorder *recorder)
{
    struct recorder_status *status = &recorder->status;
    const struct growth_limits limits = {
        .room_bytes =
            recorder->disk.free_bytes + (uint64_t)(status->size.file_bytes - status->size.used_bytes),
        .used_bytes = status->size.used_bytes,
        .max_bytes = recorder->spec.max_store_bytes,
        .days_until_retention = days_until_retention(recorder),
    };
    growth_add(&recorder->growth, now_us(recorder), status->size.used_bytes);
    if (!growth_days_until_full(&recorder->growth, &limits, &status->days_until_full))
        status->days_until_full = -1;
}

static void each_minute(struct recorder *recorder)
{
    struct error err;
    if (now_us(recorder) < recorder->next_minute_us)
        return;
    recorder->next_minute_us = now_us(recorder) + (int64_t)GROWTH_PERIOD_S * US_PER_S;
    foretell(recorder);
    if (!store_scrub_step(&recorder->scrub, store_writer_path(recorder->writer), &err) &&
        err.code == ERR_CORRUPT) {
        tidy_failed(recorder, &err);
        return;
    }
    if (!rollup_forget(&recorder->rollup, recorder->writer, &err) ||
        !store_writer_set_meta(recorder->writer, key_trusted, recorder->guard.trusted_us, &err) ||
        !store_writer_set_meta(recorder->writer, key_trial, recorder->guard.trial_left_us, &err))
        tidy_failed(recorder, &err);
}

static void tidy(struct recorder *recorder)
{
    struct error err;
    if (recorder->writer == NULL) {
        disk_room_look(&recorder->disk);
        return;
    }
    if (!store_writer_checkpoint(recorder->writer, false, &err) ||
        !store_writer_size(recorder->writer, &recorder->status.size, &err)) {
        tidy_failed(recorder, &err);
        return;
    }
    disk_room_keep(&recorder->disk, recorder->writer, &recorder->status.size);
    delete_old(recorder);
    if (recorder->writer != NULL)
        roll_up(recorder);
    if (recorder->writer != NULL)
        each_minute(recorder);
}

static void watch_clock(struct recorder *recorder)
{
    bool was_sure = clock_guard_is_sure(&recorder->guard);
    int64_t jump_us = clock_guard_tick(&recorder->guard, recorder->spec.store.clock);
    if (jump_us != 0)
        log_warn(log_of(recorder), "the clock jumped by %+.3f s; sampling goes on by the monotonic clock",
                 (double)jump_us / US_PER_S);
    if (was_sure && !clock_guard_is_sure(&recorder->guard))
        log_warn(log_of(recorder), "nothing is deleted by age until the clock has run steadily for 24 h");
}

bool recorder_tick(struct recorder *recorder)
{
    struct recorder_status before;
    struct recorder_status after;
    recorder_status(recorder, &before);
    uint64_t jumps = recorder->guard.jumps;
    watch_clock(recorder);
    write_tick(recorder);
    tidy(recorder);
    recorder_status(recorder, &after);
    return before.state != after.state || before.disk != after.disk ||
           before.alarms.open != after.alarms.open || jumps != recorder->guard.jumps;
}

bool recorder_flush(struct recorder *recorder)
{
    struct error err;
    write_tick(recorder);
    if (recorder->writer != NULL && !store_writer_checkpoint(recorder->writer, false, &err))
        tidy_failed(recorder, &err);
    return recorder->pending.count == 0;
}

/* ---- the rest ---- */

struct recorder *recorder_new(const struct recorder_spec *spec, struct error *err)
{
    struct recorder *recorder = calloc(1, sizeof(*recorder));
    if (recorder == NULL) {
        error_set(err, ERR_MEMORY, "no memory for the recorder");
        return NULL;
    }
    recorder->spec = *spec;
    recorder->status.days_until_full = -1;
    clock_guard_init(&recorder->guard, spec->store.clock, spec->retention_days * US_A_DAY);
    if (!alarm_keeper_init(&recorder->alarms, spec->channels, spec->store.log, err) ||
        !disk_room_init(&recorder->disk, spec->store.folder, spec->store.log, err)) {
        alarm_keeper_clear(&recorder->alarms);
        free(recorder);
        return NULL;
    }
    recorder->spec.store.alarms = recorder->alarms.judge;
    return recorder;
}

void recorder_free(struct recorder *recorder)
{
    if (recorder == NULL)
        return;
    size_t alarms;
    alarm_judge_waiting(recorder->alarms.judge, &alarms);
    if (recorder->pending.count > 0 || alarms > 0)
        write_tick(recorder);
    store_writer_close(recorder->writer);
    alarm_keeper_clear(&recorder->alarms);
    batch_clear(&recorder->pending);
    free(recorder);
}

struct batch *recorder_batch(struct recorder *recorder)
{
    return &recorder->pending;
}

void recorder_status(const struct recorder *recorder, struct recorder_status *out)
{
    *out = recorder->status;
    out->disk = recorder->disk.state;
    out->free_bytes = recorder->disk.free_bytes;
    out->store_id = recorder->writer == NULL ? NULL : store_writer_id(recorder->writer);
    out->path = recorder->writer == NULL ? NULL : store_writer_path(recorder->writer);
}

const struct clock_guard *recorder_clock(const struct recorder *recorder)
{
    return &recorder->guard;
}
