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

size_t batch_trim(struct batch *batch, size_t max_count)
{
    if (batch->count <= max_count)
        return 0;
    size_t drop = batch->count - max_count;
    memmove(batch->items, batch->items + drop, max_count * sizeof(*batch->items));
    batch->count = max_count;
    return drop;
}
