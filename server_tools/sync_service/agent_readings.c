#include "server_tools/sync_service/agent_readings.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/wire/record.h"

struct agent_readings {
    struct agent_readings_config config;
    struct agent_export *export; /* NULL: it is over */
    bool has_seq;
    int64_t limit;            /* lines asked for; 0: all */
    int64_t last;             /* position of the last line: its seq, or its time */
    int64_t after;            /* what the batch that fills follows on */
    struct central_row *rows; /* AGENT_STEP_ROWS at first; it doubles */
    size_t count, capacity;
    struct room_part part; /* for them */
    size_t on_their_way;
    int64_t rows_added;
    bool ended; /* the export is over, `result` says how */
    struct agent_readings_result result;
    struct error error;
};

/* ---- batches ---- */

static void batch_done(void *context, const struct home_result *result);

/* A batch goes home without what it does not need. */
static void shrink(struct agent_readings *readings)
{
    size_t bytes = readings->count * sizeof(*readings->rows);
    struct central_row *rows = bytes > 0 ? realloc(readings->rows, bytes) : NULL;
    if (rows == NULL)
        return;
    readings->rows = rows;
    readings->capacity = readings->count;
    room_keep(&readings->part, bytes);
}

static struct write_job *make_job(struct agent_readings *readings, struct error *err)
{
    struct write_job *job = agent_home_job(readings->config.home, readings->config.lane, err);
    if (job == NULL)
        return NULL;
    shrink(readings);
    job->rows = POINTER_TAKE(readings->rows);
    job->row_count = readings->count;
    job->part = readings->part;
    job->expect_new = readings->has_seq;
    readings->count = readings->capacity = 0;
    readings->part = (struct room_part){.room = NULL};
    return job;
}

static bool send_batch(struct agent_readings *readings, struct error *err)
{
    struct write_job *job = make_job(readings, err);
    if (job == NULL)
        return false;
    const struct home_put put = {.job = job,
                                 .after = readings->after,
                                 .to = readings->last,
                                 .alarms_to = -1,
                                 .done = batch_done,
                                 .context = readings};
    readings->after = readings->last;
    if (!agent_home_put(readings->config.home, &put, err))
        return false;
    readings->on_their_way++;
    return true;
}

static size_t next_capacity(const struct agent_readings *readings)
{
    size_t capacity = readings->capacity == 0 ? AGENT_STEP_ROWS : readings->capacity * 2;
    return capacity < AGENT_BATCH_ROWS ? capacity : AGENT_BATCH_ROWS;
}

/* Room for it is taken already, or is taken in any case: a piece is not left in the middle. */
static bool grow(struct agent_readings *readings, struct error *err)
{
    size_t capacity = next_capacity(readings);
    size_t bytes = capacity * sizeof(*readings->rows);
    struct central_row *rows = realloc(readings->rows, bytes);
    if (rows == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for readings");
    if (bytes > readings->part.bytes)
        room_take_anyway(writer_room(readings->config.writer), &readings->part, bytes - readings->part.bytes);
    readings->rows = rows;
    readings->capacity = capacity;
    return true;
}

/* ---- lines ---- */

static bool check_seq(struct agent_readings *readings, int64_t seq, struct error *err)
{
    const struct export_promise *promise = agent_export_promise(readings->export);
    if (seq < 0)
        return error_set(err, ERR_INPUT, "a reading without a seq");
    if (seq <= readings->last)
        return error_set(err, ERR_INPUT, "seq %" PRId64 " follows on seq %" PRId64, seq, readings->last);
    if (seq > promise->last_seq || (readings->result.lines == 0 && seq != promise->first_seq))
        return error_set(err, ERR_INPUT, "seq %" PRId64 " in an export of seq %" PRId64 " to %" PRId64, seq,
                         promise->first_seq, promise->last_seq);
    if (seq > readings->config.until) {
        agent_export_stop(readings->export);
        return error_set(err, ERR_CANCELLED, "enough");
    }
    readings->last = seq;
    return true;
}

/* A table repeats its last minute, and its lines come in the order of their time. One of next year would hide
 * every other one until then. */
static bool check_time(struct agent_readings *readings, const struct record_reading *reading,
                       struct error *err)
{
    int64_t now_us = readings->config.now_us;
    int64_t time_us = reading->time_us < now_us ? reading->time_us : now_us;
    if (reading->seq >= 0)
        return error_set(err, ERR_INPUT, "a reading with a seq, of a store that has none");
    if (time_us > readings->last)
        readings->last = time_us;
    return true;
}

static bool take_line(void *context, struct view line, struct error *err)
{
    struct agent_readings *readings = context;
    struct record_reading reading;
    int32_t channel;
    if (readings->error.code != ERR_NONE) {
        *err = readings->error;
        return false;
    }
    if (!record_read_reading(line, &reading, err) ||
        !(readings->has_seq ? check_seq(readings, reading.seq, err) : check_time(readings, &reading, err)) ||
        !channel_book_by_name(agent_home_book(readings->config.home), reading.channel, &channel, err))
        return false;
    if (readings->count == readings->capacity && !grow(readings, err))
        return false;
    readings->rows[readings->count++] =
        (struct central_row){.time_us = reading.time_us, .channel_id = channel, .value = reading.value};
    readings->result.lines++;
    return readings->count < AGENT_BATCH_ROWS || send_batch(readings, err);
}

/* ---- back-pressure ---- */

/* Room for the next piece, which may bring more than is taken here: then the one behind it is held up. The
 * first few readings need none, unless a batch before them is on its way. */
static bool take_room(struct agent_readings *readings)
{
    size_t few = AGENT_STEP_ROWS / 2;
    bool first = readings->count < few && (readings->capacity > 0 || readings->on_their_way == 0);
    bool full = readings->capacity < AGENT_BATCH_ROWS && readings->capacity - readings->count < few;
    size_t bytes = (full ? next_capacity(readings) : readings->capacity) * sizeof(*readings->rows);
    size_t more = bytes > readings->part.bytes ? bytes - readings->part.bytes : 0;
    return first || room_take(writer_room(readings->config.writer), &readings->part, more);
}

/* While a batch is on its way, its end wakes us. */
static bool has_room(void *context)
{
    struct agent_readings *readings = context;
    if (readings->on_their_way >= AGENT_BATCHES_MAX)
        return false;
    if (take_room(readings))
        return true;
    /* what it has goes home; the next line tells when it cannot */
    return readings->on_their_way == 0 && !send_batch(readings, &readings->error);
}

/* ---- the end ---- */

static void free_readings(struct agent_readings *readings)
{
    room_keep(&readings->part, 0);
    free(readings->rows);
    free(readings);
}

/* Tells when nothing is on its way any more. */
static void finish(struct agent_readings *readings)
{
    if (!readings->ended || readings->on_their_way > 0)
        return;
    struct agent_readings_result *result = &readings->result;
    result->rows_added = readings->rows_added;
    result->err = readings->error.code != ERR_NONE ? &readings->error : NULL;
    readings->config.done(readings->config.context, result);
    free_readings(readings);
}

/* Behind the last line of all that there is up to `until` comes nothing before it. */
static void move_to_end(struct agent_readings *readings, const struct agent_export_result *export)
{
    int64_t until = readings->config.until;
    bool all = export->end == EXPORT_WHOLE && (readings->limit == 0 || export->lines < readings->limit);
    if (until != INT64_MAX && readings->last < until && (all || export->end == EXPORT_STOPPED))
        readings->last = until;
}

/* What came and may be kept: the receiver's, or a batch like the others; one without rows still moves on. */
static bool keep_rest(struct agent_readings *readings, struct error *err)
{
    struct agent_readings_result *result = &readings->result;
    if (!readings->config.hold_rest)
        return readings->last == readings->after || send_batch(readings, err);
    result->rest_after = readings->after;
    if (readings->count > 0)
        result->rest = make_job(readings, err);
    return readings->count == 0;
}

static bool check_end(const struct agent_readings *readings, const struct agent_export_result *export,
                      struct error *err)
{
    if (export->end != EXPORT_WHOLE || !readings->has_seq || export->lines == 0 ||
        readings->last == export->promise->last_seq)
        return true;
    return error_set(err, ERR_PROTOCOL, "the export says seq %" PRId64 " to %" PRId64 " and ends at %" PRId64,
                     export->promise->first_seq, export->promise->last_seq, readings->last);
}

static void take_end(void *context, const struct agent_export_result *export)
{
    struct agent_readings *readings = context;
    struct agent_readings_result *result = &readings->result;
    readings->export = NULL;
    readings->ended = true;
    result->end = export->end;
    result->reached = export->reached;
    result->bytes = export->bytes;
    result->first_seq = export->promise->first_seq;
    memcpy(result->word, export->word, sizeof(result->word));
    bool sound = export->end != EXPORT_DAMAGED && readings->error.code == ERR_NONE;
    if (readings->error.code == ERR_NONE && export->err != NULL)
        readings->error = *export->err;
    if (sound && !check_end(readings, export, &readings->error)) {
        result->end = EXPORT_DAMAGED;
        sound = false;
    }
    if (sound)
        move_to_end(readings, export);
    else
        readings->last = readings->after;
    result->last = readings->last;
    if (sound && !keep_rest(readings, &readings->error))
        result->last = readings->after;
    finish(readings);
}

static void batch_done(void *context, const struct home_result *result)
{
    struct agent_readings *readings = context;
    readings->on_their_way--;
    readings->rows_added += result->rows_added;
    if (result->err != NULL && !readings->result.not_ours) {
        readings->result.not_ours = readings->result.reached = true;
        readings->result.end = EXPORT_FAILED;
        readings->error = *result->err;
        if (readings->export != NULL)
            agent_export_cancel(readings->export);
        readings->export = NULL;
        readings->ended = true;
    }
    if (readings->export != NULL)
        agent_export_resume(readings->export);
    finish(readings);
}

/* ---- from outside ---- */

struct agent_readings *agent_readings_start(const struct agent_readings_config *config, struct error *err)
{
    struct agent_readings *readings = calloc(1, sizeof(*readings));
    if (readings == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for readings");
        return NULL;
    }
    readings->config = *config;
    readings->has_seq = config->ask->has_seq;
    readings->limit = config->ask->limit;
    readings->last = readings->after = config->ask->after;
    readings->result.first_seq = -1;
    const struct agent_export_config export = {
        .session = config->session,
        .ask = config->ask,
        .line_max_bytes = RECORD_LINE_MAX_BYTES,
        .floor_s = config->floor_s,
        .on_line = take_line,
        .has_room = has_room,
        .done = take_end,
        .context = readings,
    };
    readings->export = agent_export_start(&export, err);
    if (readings->export != NULL)
        return readings;
    free_readings(readings);
    return NULL;
}

void agent_readings_cancel(struct agent_readings *readings)
{
    if (readings == NULL)
        return;
    agent_export_cancel(readings->export);
    agent_home_forget(readings->config.home, readings);
    free_readings(readings);
}
