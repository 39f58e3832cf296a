#include "collector/batch.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_CAPACITY = 256 };

void batch_clear(struct batch *batch)
{
    free(batch->items);
    *batch = (struct batch){0};
}

bool batch_add(struct batch *batch, const struct reading *reading)
{
    if (batch->count == batch->capacity) {
        size_t capacity = batch->capacity == 0 ? FIRST_CAPACITY : 2 * batch->capacity;
        void *grown = reallocarray(batch->items, capacity, sizeof(*batch->items));
        if (grown == NULL)
            return false;
        batch->items = grown;
        batch->capacity = capacity;
    }
    batch->items[batch->count++] = *reading;
    return true;
}

void batch_drop_first(struct batch *batch, size_t count)
{
    batch->count -= count;
    if (batch->count > 0)
        memmove(batch->items, batch->items + count, batch->count * sizeof(*batch->items));
}

size_t batch_trim(struct batch *batch, size_t max_count)
{
    size_t above = batch->count <= max_count ? 0 : batch->count - max_count;
    size_t dropped = 0;
    for (size_t i = 0; above > 0 && i < batch->count; i++) {
        if (dropped < above && !batch->items[i].kept)
            dropped++;
        else
            batch->items[i - dropped] = batch->items[i];
    }
    batch->count -= dropped;
    return dropped;
}

static bool is_sorted(const struct reading *items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        if (items[i].time_us < items[i - 1].time_us)
            return false;
    }
    return true;
}

/* space: for the half of them. */
static void merge_halves(struct reading *items, size_t half, size_t count, struct reading *space)
{
    size_t left = 0;
    size_t right = half;
    memcpy(space, items, half * sizeof(*items));
    for (size_t to = 0; left < half; to++) {
        bool take_right = right < count && items[right].time_us < space[left].time_us;
        items[to] = take_right ? items[right++] : space[left++];
    }
}

static void sort(struct reading *items, size_t count, struct reading *space)
{
    if (is_sorted(items, count))
        return;
    sort(items, count / 2, space);
    sort(items + count / 2, count - count / 2, space);
    merge_halves(items, count / 2, count, space);
}

void batch_sort(struct batch *batch, size_t first)
{
    size_t count = batch->count - first;
    if (count == 0 || is_sorted(batch->items + first, count))
        return;
    struct reading *space = reallocarray(NULL, count / 2, sizeof(*space));
    if (space != NULL)
        sort(batch->items + first, count, space);
    free(space);
}
