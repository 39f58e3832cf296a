#include "collector/channel_table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/text.h"
#include "common/wire/record.h"

enum {
    SLOTS = 32768, /* a power of two, at least twice STORE_CHANNELS_MAX */
    FIRST_CAPACITY = 64,
};
_Static_assert(SLOTS >= 2 * STORE_CHANNELS_MAX, "the table stays at most half full");

struct channel_table {
    struct channel *channels;
    uint32_t count, capacity;
    bool dirty;
    uint32_t slots[SLOTS]; /* index + 1; 0: free */
};

struct channel_table *channel_table_new(struct error *err)
{
    struct channel_table *table = calloc(1, sizeof(*table));
    if (table == NULL)
        error_set(err, ERR_MEMORY, "no memory for the channels");
    return table;
}

void channel_table_free(struct channel_table *table)
{
    if (table != NULL)
        free(table->channels);
    free(table);
}

/* FNV-1a. A hostile set of names costs time in proportion to STORE_CHANNELS_MAX at worst. */
static uint32_t hash(struct view name)
{
    uint32_t value = 2166136261u;
    for (size_t i = 0; i < name.size; i++)
        value = (value ^ (unsigned char)name.data[i]) * 16777619u;
    return value;
}

/* The slot that has the name, or the free one where it belongs. */
static uint32_t *slot_of(struct channel_table *table, struct view name)
{
    for (uint32_t at = hash(name) % SLOTS;; at = (at + 1) % SLOTS) {
        uint32_t *slot = &table->slots[at];
        if (*slot == 0 || view_is(name, table->channels[*slot - 1].known.name))
            return slot;
    }
}

static bool grow(struct channel_table *table)
{
    if (table->count < table->capacity)
        return true;
    uint32_t capacity = table->capacity == 0 ? FIRST_CAPACITY : 2 * table->capacity;
    void *grown = reallocarray(table->channels, capacity, sizeof(*table->channels));
    if (grown == NULL)
        return false;
    table->channels = grown;
    table->capacity = capacity;
    return true;
}

/* The channel of that name, made when new and there are fewer than max_channels; NULL when there can be none.
 */
static struct channel *channel_of(struct channel_table *table, struct view name, uint32_t max_channels)
{
    uint32_t *slot = slot_of(table, name);
    if (*slot != 0)
        return &table->channels[*slot - 1];
    if (table->count >= max_channels || !record_channel_name_ok(name) || !grow(table))
        return NULL;
    struct channel *channel = &table->channels[table->count];
    *channel = (struct channel){
        .scale = 1, .limits = alarm_limits_none(), .known = {.phys_min = NAN, .phys_max = NAN}};
    if (!text_copy(channel->known.name, sizeof(channel->known.name), name))
        return NULL;
    table->count++;
    *slot = table->count;
    return channel;
}

/* Why channel_of gave none. */
static bool refuse(const struct channel_table *table, struct view name, enum error_code code,
                   struct error *err)
{
    if (record_channel_name_ok(name) && table->count < STORE_CHANNELS_MAX)
        return error_set(err, ERR_MEMORY, "no memory left for channel %.*s", VIEW_ARG(name));
    return error_set(err, code, "`%.*s` is no channel's name, or there are too many", VIEW_ARG(name));
}

/* ---- CHANNEL lines ---- */

static bool set_limit(struct alarm_limits *limits, struct view key, double number)
{
    const struct {
        const char *key;
        double *target;
    } table[] = {
        {"alarm_low", &limits->at[ALARM_LOW]},
        {"alarm_high", &limits->at[ALARM_HIGH]},
        {"hysteresis", &limits->hysteresis},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (view_is(key, table[i].key)) {
            *table[i].target = number;
            return true;
        }
    }
    return false;
}

static bool set_number(struct channel *channel, struct view key, double number)
{
    if (view_is(key, "phys_min")) {
        channel->known.phys_min = number;
        channel->configured_min = true;
    } else if (view_is(key, "phys_max")) {
        channel->known.phys_max = number;
        channel->configured_max = true;
    } else if (view_is(key, "scale")) {
        channel->scale = number;
    } else if (view_is(key, "offset")) {
        channel->offset = number;
    } else {
        return set_limit(&channel->limits, key, number);
    }
    return true;
}

static bool set_word(struct channel *channel, struct view key, struct view value, struct error *err)
{
    if (view_is(key, "unit")) {
        channel->configured_unit = true;
        return text_copy(channel->known.unit, sizeof(channel->known.unit), value) ||
               error_set(err, ERR_USAGE, "a unit has at most %zu bytes", sizeof(channel->known.unit) - 1);
    }
    if (view_is(key, "severity"))
        return alarm_severity_parse(value, &channel->limits.severity) ||
               error_set(err, ERR_USAGE, "expected one of info|warning|critical behind severity=");
    double number;
    if (!text_parse_double(value, &number))
        return error_set(err, ERR_USAGE, "expected a number behind %.*s=", VIEW_ARG(key));
    return set_number(channel, key, number) ||
           error_set(err, ERR_USAGE, "unknown word `%.*s`", VIEW_ARG(key));
}

static bool configure_line(struct channel_table *table, const char *line, struct error *err)
{
    struct view rest = view_of(line);
    struct view word;
    if (!config_next_word(&rest, &word))
        return error_set(err, ERR_USAGE, "expected a channel's name");
    uint32_t before = table->count;
    struct channel *channel = channel_of(table, config_unquote(word), STORE_CHANNELS_MAX);
    if (channel == NULL)
        return refuse(table, config_unquote(word), ERR_USAGE, err);
    if (table->count == before)
        return error_set(err, ERR_USAGE, "%.*s has a CHANNEL line already", VIEW_ARG(word));
    while (config_next_word(&rest, &word)) {
        struct view key;
        struct view value;
        if (!config_word_pair(word, &key, &value))
            return error_set(err, ERR_USAGE, "expected key=value, found `%.*s`", VIEW_ARG(word));
        if (!set_word(channel, key, value, err))
            return false;
    }
    return alarm_limits_check(&channel->limits, err);
}

bool channel_table_configure(struct channel_table *table, const struct config_lines *lines, struct error *err)
{
    for (size_t i = 0; i < lines->count; i++) {
        if (!configure_line(table, lines->lines[i], err))
            return error_wrap(err, "config.txt:%u: CHANNEL", lines->line_numbers[i]);
    }
    return true;
}

/* ---- the store's own rows ---- */

static bool same_number(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static bool same_metadata(const struct store_channel *a, const struct store_channel *b)
{
    return strcmp(a->unit, b->unit) == 0 && strcmp(a->description, b->description) == 0 &&
           same_number(a->phys_min, b->phys_min) && same_number(a->phys_max, b->phys_max);
}

/* What a CHANNEL line says stands above what the store had, and so does all that an input has said in this
 * run: the first samples may come before the store is open. */
bool channel_table_load(struct channel_table *table, const struct store_channel *row, struct error *err)
{
    struct channel *channel = channel_of(table, view_of(row->name), STORE_CHANNELS_MAX);
    if (channel == NULL)
        return refuse(table, view_of(row->name), ERR_CORRUPT, err) ||
               error_wrap(err, "channel number %lld", (long long)row->channel_id);
    struct store_channel *known = &channel->known;
    known->channel_id = row->channel_id;
    if (!channel->seen && !channel->configured_unit)
        memcpy(known->unit, row->unit, sizeof(row->unit));
    if (!channel->seen && !channel->configured_min)
        known->phys_min = row->phys_min;
    if (!channel->seen && !channel->configured_max)
        known->phys_max = row->phys_max;
    if (!channel->seen)
        memcpy(known->description, row->description, sizeof(row->description));
    channel->stored = true;
    channel->dirty = !same_metadata(known, row);
    table->dirty = table->dirty || channel->dirty;
    return true;
}

/* ---- samples ---- */

static bool take_text(char *out, size_t out_bytes, const char *text)
{
    char cut[sizeof(((struct store_channel *)NULL)->description)] = {0};
    snprintf(cut, out_bytes, "%s", text == NULL ? "" : text);
    if (strcmp(out, cut) == 0)
        return false;
    memcpy(out, cut, out_bytes);
    return true;
}

static bool take_number(double *out, double value)
{
    if (same_number(*out, value))
        return false;
    *out = value;
    return true;
}

/* What the input says of it, once a run; the store is told when it is news. */
static void take_metadata(struct channel_table *table, struct channel *channel, const struct sample *sample)
{
    struct store_channel *known = &channel->known;
    bool news = !channel->stored;
    if (!channel->configured_unit)
        news = take_text(known->unit, sizeof(known->unit), sample->unit) || news;
    if (!channel->configured_min)
        news = take_number(&known->phys_min, sample->phys_min) || news;
    if (!channel->configured_max)
        news = take_number(&known->phys_max, sample->phys_max) || news;
    news = take_text(known->description, sizeof(known->description), sample->description) || news;
    channel->seen = true;
    channel->dirty = channel->dirty || news;
    table->dirty = table->dirty || channel->dirty;
}

uint32_t channel_table_find(struct channel_table *table, const struct sample *sample)
{
    bool own_limit = sample->max_channels > 0 && sample->max_channels < STORE_CHANNELS_MAX;
    struct channel *channel =
        channel_of(table, sample->channel, own_limit ? sample->max_channels : STORE_CHANNELS_MAX);
    if (channel == NULL)
        return CHANNEL_NONE;
    if (!channel->seen)
        take_metadata(table, channel, sample);
    return (uint32_t)(channel - table->channels);
}

uint32_t channel_table_index_of(struct channel_table *table, struct view name)
{
    uint32_t slot = *slot_of(table, name);
    return slot == 0 ? CHANNEL_NONE : slot - 1;
}

struct channel *channel_table_at(struct channel_table *table, uint32_t index)
{
    return &table->channels[index];
}

uint32_t channel_table_count(const struct channel_table *table)
{
    return table->count;
}

/* ---- what the store knows ---- */

bool channel_table_is_dirty(const struct channel_table *table)
{
    return table->dirty;
}

void channel_table_need(struct channel_table *table, uint32_t index)
{
    struct channel *channel = &table->channels[index];
    channel->dirty = channel->dirty || !channel->stored;
    table->dirty = table->dirty || channel->dirty;
}

void channel_table_committed(struct channel_table *table)
{
    for (uint32_t i = 0; table->dirty && i < table->count; i++) {
        struct channel *channel = &table->channels[i];
        channel->stored = channel->stored || channel->dirty;
        channel->dirty = false;
    }
    table->dirty = false;
}

void channel_table_rolled_back(struct channel_table *table)
{
    for (uint32_t i = 0; table->dirty && i < table->count; i++) {
        if (!table->channels[i].stored)
            table->channels[i].known.channel_id = 0;
    }
}

void channel_table_forget_numbers(struct channel_table *table)
{
    for (uint32_t i = 0; i < table->count; i++) {
        struct channel *channel = &table->channels[i];
        channel->known.channel_id = 0;
        channel->stored = false;
        channel->dirty = channel->seen;
        table->dirty = table->dirty || channel->dirty;
    }
}
