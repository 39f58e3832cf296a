#include "server_tools/sync_service/agent_small.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/wire/alarm_record.h"

enum { FIRST_ITEMS = 64 /* room at first; it doubles */ };

struct agent_small {
    struct agent_export *export;
    struct channel_book *book;
    bool is_alarms;
    size_t capacity;
    bool *described; /* by index of the book */
    struct agent_small_result result;
    void (*done)(void *context, struct agent_small_result *result);
    void *context;
};

/* ---- alarms ---- */

static bool grow(struct agent_small *small, size_t limit, size_t item_bytes, void **items, struct error *err)
{
    if (small->result.count < small->capacity)
        return true;
    if (small->capacity >= limit)
        return error_set(err, ERR_PROTOCOL, "more than %zu lines", limit);
    size_t capacity = small->capacity == 0 ? FIRST_ITEMS : small->capacity * 2;
    if (capacity > limit)
        capacity = limit;
    void *grown = realloc(*items, capacity * item_bytes);
    if (grown == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for what an agent says");
    *items = grown;
    small->capacity = capacity;
    return true;
}

static bool leave_out(struct agent_small_result *result, int64_t seq, const struct error *why,
                      struct error *err)
{
    if (result->left_out == AGENT_ALARMS_MAX)
        return error_set(err, ERR_PROTOCOL, "more than %d lines that are no alarms", AGENT_ALARMS_MAX);
    if (result->left_out++ == 0) {
        result->first_out = *why;
        error_wrap(&result->first_out, "seq %" PRId64, seq);
    }
    result->last_seq = seq;
    return true;
}

static bool take_alarm(void *context, struct view line, struct error *err)
{
    struct agent_small *small = context;
    struct agent_small_result *result = &small->result;
    struct alarm_record record;
    void *alarms = result->alarms;
    struct error why;
    bool good = alarm_record_read(line, &record, &why);
    if (!good && !alarm_record_seq(line, &record.seq)) {
        *err = why;
        return false;
    }
    if (record.seq <= result->last_seq)
        return error_set(err, ERR_INPUT, "seq %" PRId64 " follows on seq %" PRId64, record.seq,
                         result->last_seq);
    if (!good)
        return leave_out(result, record.seq, &why, err);
    if (!grow(small, AGENT_ALARMS_MAX, sizeof(*result->alarms), &alarms, err))
        return false;
    result->alarms = alarms;
    struct job_alarm *alarm = &result->alarms[result->count++];
    *alarm = (struct job_alarm){.alarm_id = record.alarm_id,
                                .remote_id = -1,
                                .raised_us = record.raised_us,
                                .resolved_us = record.resolved_us};
    snprintf(alarm->channel, sizeof(alarm->channel), "%s", record.channel);
    snprintf(alarm->severity, sizeof(alarm->severity), "%s", record.severity);
    snprintf(alarm->message, sizeof(alarm->message), "%s", record.message);
    result->last_seq = record.seq;
    return true;
}

/* ---- channels ---- */

static bool is_first(struct agent_small *small, const char *name, struct error *err)
{
    int32_t index;
    if (!channel_book_by_name(small->book, view_of(name), &index, err))
        return false;
    if (small->described[index])
        return error_set(err, ERR_INPUT, "channel `%s` is described twice", name);
    small->described[index] = true;
    return true;
}

static bool take_channel(void *context, struct view line, struct error *err)
{
    struct agent_small *small = context;
    struct agent_small_result *result = &small->result;
    struct channel_record record;
    void *channels = result->channels;
    if (!channel_record_read(line, &record, err) || !is_first(small, record.channel, err) ||
        !grow(small, CHANNEL_BOOK_MAX, sizeof(*result->channels), &channels, err))
        return false;
    result->channels = channels;
    struct job_channel *channel = &result->channels[result->count++];
    *channel =
        (struct job_channel){.remote_id = -1, .min_value = record.phys_min, .max_value = record.phys_max};
    snprintf(channel->name, sizeof(channel->name), "%s", record.channel);
    snprintf(channel->unit, sizeof(channel->unit), "%s", record.unit);
    snprintf(channel->description, sizeof(channel->description), "%s", record.description);
    return true;
}

/* ---- both ---- */

static void free_small(struct agent_small *small)
{
    free(small->result.alarms);
    free(small->result.channels);
    free(small->described);
    free(small);
}

static void drop_items(struct agent_small_result *result)
{
    free(result->alarms);
    free(result->channels);
    result->alarms = NULL;
    result->channels = NULL;
    result->count = 0;
}

static void take_end(void *context, const struct agent_export_result *export)
{
    struct agent_small *small = context;
    struct agent_small_result *result = &small->result;
    small->export = NULL;
    result->end = export->end;
    result->err = export->err;
    result->reached = export->reached;
    result->bytes = export->bytes;
    memcpy(result->word, export->word, sizeof(result->word));
    if (export->err != NULL)
        drop_items(result);
    small->done(small->context, result);
    free_small(small);
}

struct agent_small *agent_small_start(struct agent_session *session, const struct export_ask *ask,
                                      int64_t floor_s, struct channel_book *book,
                                      void (*done)(void *context, struct agent_small_result *result),
                                      void *context, struct error *err)
{
    struct agent_small *small = calloc(1, sizeof(*small));
    bool is_alarms = strcmp(ask->stream, "alarms") == 0;
    bool *described = is_alarms ? NULL : calloc(CHANNEL_BOOK_MAX, sizeof(*described));
    if (small == NULL || (!is_alarms && described == NULL)) {
        free(small);
        free(described);
        error_set(err, ERR_MEMORY, "no memory left for what an agent says");
        return NULL;
    }
    *small = (struct agent_small){
        .book = book, .is_alarms = is_alarms, .described = described, .done = done, .context = context};
    small->result.last_seq = ask->after;
    const struct agent_export_config export = {
        .session = session,
        .ask = ask,
        .line_max_bytes = INFO_LINE_MAX_BYTES,
        .floor_s = floor_s,
        .on_line = is_alarms ? take_alarm : take_channel,
        .done = take_end,
        .context = small,
    };
    small->export = agent_export_start(&export, err);
    if (small->export != NULL)
        return small;
    free_small(small);
    return NULL;
}

void agent_small_cancel(struct agent_small *small)
{
    if (small == NULL)
        return;
    agent_export_cancel(small->export);
    free_small(small);
}
