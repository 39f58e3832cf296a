#include "server_tools/central/batch_sorter.h"

/* Channels of a vehicle are numbered from 1 on; larger ids are merged instead of counted. */
enum { COUNTED_CHANNELS = 1 << 14 };

struct batch_sorter {
    struct central_row scratch[CENTRAL_BATCH_ROWS];
    uint32_t starts[COUNTED_CHANNELS + 1];
};

struct batch_sorter *batch_sorter_new(struct error *err)
{
    struct batch_sorter *sorter = malloc(sizeof(*sorter));
    if (sorter == NULL)
        error_set(err, ERR_MEMORY, "no memory left to sort a batch");
    return sorter;
}

void batch_sorter_free(struct batch_sorter *sorter)
{
    free(sorter);
}

static bool in_order(const struct central_row *a, const struct central_row *b)
{
    return a->channel_id < b->channel_id || (a->channel_id == b->channel_id && a->time_us <= b->time_us);
}

static bool is_sorted(const struct central_row *rows, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (!in_order(&rows[i - 1], &rows[i]))
            return false;
    }
    return true;
}

static bool can_count(const struct central_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].channel_id < 0 || rows[i].channel_id >= COUNTED_CHANNELS)
            return false;
    }
    return true;
}

/* Stable and linear: rows in order of time come out in order of channel, then time. */
static void sort_by_channel(struct batch_sorter *sorter, struct central_row *rows, size_t count)
{
    uint32_t *starts = sorter->starts;
    memset(starts, 0, sizeof(sorter->starts));
    for (size_t i = 0; i < count; i++)
        starts[rows[i].channel_id + 1]++;
    for (size_t i = 1; i <= COUNTED_CHANNELS; i++)
        starts[i] += starts[i - 1];
    for (size_t i = 0; i < count; i++)
        sorter->scratch[starts[rows[i].channel_id]++] = rows[i];
    memcpy(rows, sorter->scratch, count * sizeof(*rows));
}

/* Merges from[low..middle) and from[middle..high) into to. */
static void merge(const struct central_row *from, struct central_row *to, size_t low, size_t middle,
                  size_t high)
{
    size_t a = low;
    size_t b = middle;
    for (size_t i = low; i < high; i++) {
        bool take_a = a < middle && (b >= high || in_order(&from[a], &from[b]));
        to[i] = take_a ? from[a++] : from[b++];
    }
}

/* Merge sort from below: for batches in which a clock went back. */
static void sort_by_merging(struct central_row *rows, struct central_row *scratch, size_t count)
{
    struct central_row *from = rows;
    struct central_row *to = scratch;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t low = 0; low < count; low += 2 * width) {
            size_t middle = low + width < count ? low + width : count;
            size_t high = low + 2 * width < count ? low + 2 * width : count;
            merge(from, to, low, middle, high);
        }
        struct central_row *merged = to;
        to = from;
        from = merged;
    }
    if (from != rows)
        memcpy(rows, from, count * sizeof(*rows));
}

void batch_sort(struct batch_sorter *sorter, struct central_row *rows, size_t count)
{
    if (can_count(rows, count))
        sort_by_channel(sorter, rows, count);
    if (!is_sorted(rows, count))
        sort_by_merging(rows, sorter->scratch, count);
}
