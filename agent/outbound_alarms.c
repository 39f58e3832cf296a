#include <inttypes.h>
#include <stdlib.h>

#include "agent/outbound_items.h"
#include "common/net/json_writer.h"

enum { ALARMS_CHUNK = 100 };

struct alarms {
    struct outbound_items items;
    struct store_reader *reader;
    int64_t from_us, to_us;
    struct store_alarm last; /* the last that was written; of no meaning while none_yet */
    bool none_yet;
    size_t next, count;
    struct buf text;
    struct store_alarm chunk[ALARMS_CHUNK];
};

static bool make_text(struct buf *text, const struct store_alarm *alarm, struct error *err)
{
    struct json_writer writer;
    buf_reset(text);
    json_writer_init(&writer, text);
    json_object(&writer, NULL);
    json_i64(&writer, "alarm_id", alarm->alarm_id);
    json_i64(&writer, "channel_id", alarm->channel_id);
    json_string(&writer, "severity", alarm->severity);
    json_string(&writer, "message", alarm->message);
    json_time_us(&writer, "raised_at", alarm->raised_us);
    json_time_us(&writer, "resolved_at", alarm->resolved_us);
    json_end_object(&writer);
    return buf_check(text, "an alarm", err);
}

static bool write_alarm(struct outbound_items *items, char *out, size_t *size, struct error *err)
{
    struct alarms *alarms = (struct alarms *)items;
    *size = 0;
    if (alarms->next == alarms->count) {
        alarms->next = 0;
        if (!store_alarms_in(alarms->reader, alarms->from_us, alarms->to_us,
                             alarms->none_yet ? NULL : &alarms->last, alarms->chunk, ALARMS_CHUNK,
                             &alarms->count, err))
            return false;
    }
    if (alarms->count == 0)
        return true;
    alarms->last = alarms->chunk[alarms->next++];
    alarms->none_yet = false;
    if (!make_text(&alarms->text, &alarms->last, err))
        return false;
    memcpy(out, alarms->text.data, alarms->text.size);
    *size = alarms->text.size;
    return true;
}

static void free_alarms(struct outbound_items *items)
{
    struct alarms *alarms = (struct alarms *)items;
    store_reader_close(alarms->reader);
    buf_clear(&alarms->text);
    free(alarms);
}

static const struct outbound_items_kind alarms_kind = {.write = write_alarm, .free = free_alarms};

struct outbound_items *outbound_alarms_new(struct store_reader *reader, int64_t from_us, int64_t to_us,
                                           struct error *err)
{
    struct alarms *alarms = calloc(1, sizeof(*alarms));
    if (alarms == NULL) {
        store_reader_close(reader);
        error_set(err, ERR_MEMORY, "an answer's alarms");
        return NULL;
    }
    alarms->items.kind = &alarms_kind;
    alarms->reader = reader;
    alarms->from_us = from_us;
    alarms->to_us = to_us;
    alarms->none_yet = true;
    alarms->text.limit_bytes = OUTBOUND_ITEM_MAX_BYTES;
    return &alarms->items;
}
