/* What is few and read at once: the channels, and the newest value of each. */
#include <stdlib.h>

#include "agent/outbound_items.h"
#include "common/net/json_writer.h"
#include "common/wire/record.h"

struct facts {
    struct outbound_items items;
    struct store_channel *channels; /* one of the two */
    struct store_row *latest;
    size_t count, next;
    struct record_writer writer;
    struct buf text;
};

static bool write_channel(struct outbound_items *items, char *out, size_t *size, struct error *err)
{
    struct facts *facts = (struct facts *)items;
    struct json_writer writer;
    *size = 0;
    if (facts->next == facts->count)
        return true;
    const struct store_channel *channel = &facts->channels[facts->next++];
    buf_reset(&facts->text);
    json_writer_init(&writer, &facts->text);
    json_object(&writer, NULL);
    json_i64(&writer, "channel_id", channel->channel_id);
    json_string(&writer, "name", channel->name);
    json_string(&writer, "unit", channel->unit);
    json_double(&writer, "phys_min", channel->phys_min);
    json_double(&writer, "phys_max", channel->phys_max);
    json_end_object(&writer);
    if (!buf_check(&facts->text, "a channel", err))
        return false;
    memcpy(out, facts->text.data, facts->text.size);
    *size = facts->text.size;
    return true;
}

static bool write_latest(struct outbound_items *items, char *out, size_t *size, struct error *err)
{
    struct facts *facts = (struct facts *)items;
    (void)err;
    bool more = facts->next < facts->count;
    *size = more ? outbound_write_row(&facts->writer, out, &facts->latest[facts->next++], true) : 0;
    return true;
}

static void free_facts(struct outbound_items *items)
{
    struct facts *facts = (struct facts *)items;
    buf_clear(&facts->text);
    free(facts->channels);
    free(facts->latest);
    free(facts);
}

static const struct outbound_items_kind channels_kind = {.write = write_channel, .free = free_facts};
static const struct outbound_items_kind latest_kind = {.write = write_latest, .free = free_facts};

static struct facts *new_facts(const struct outbound_items_kind *kind, struct error *err)
{
    struct facts *facts = calloc(1, sizeof(*facts));
    if (facts == NULL) {
        error_set(err, ERR_MEMORY, "an answer");
        return NULL;
    }
    facts->items.kind = kind;
    facts->text.limit_bytes = OUTBOUND_ITEM_MAX_BYTES;
    record_writer_init(&facts->writer);
    return facts;
}

static struct outbound_items *freed_unless(bool ok, struct facts *facts)
{
    if (ok)
        return &facts->items;
    free_facts(&facts->items);
    return NULL;
}

struct outbound_items *outbound_channels_new(struct store_reader *reader, struct error *err)
{
    struct facts *facts = new_facts(&channels_kind, err);
    if (facts == NULL)
        return NULL;
    return freed_unless(store_channels(reader, &facts->channels, &facts->count, err), facts);
}

struct outbound_items *outbound_latest_new(struct store_reader *reader, struct error *err)
{
    struct facts *facts = new_facts(&latest_kind, err);
    if (facts == NULL)
        return NULL;
    return freed_unless(store_latest(reader, &facts->latest, &facts->count, err), facts);
}
