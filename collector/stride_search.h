/* Finds where a block of numbers ends, asking about few of them. Knows nothing of what is asked. Threads:
 * safe. */
#ifndef COLLECTOR_STRIDE_SEARCH_H
#define COLLECTOR_STRIDE_SEARCH_H

#include <stdint.h>

#include "common/base/error.h"

struct stride_question {
    /* Whether `at` belongs to the block. */
    bool (*ask)(void *context, int64_t at, bool *inside, struct error *err);
    void *context;
};

/* inside: known to belong to it. *behind: does not, and the number before it does; found in growing strides
 * and then by halves, so a block of n costs 2 log2(n) questions. A block with holes may end at any of them.
 * INT64_MAX: it has no end. Errors: the question's. */
bool stride_search(const struct stride_question *question, int64_t inside, int64_t *behind,
                   struct error *err) MUST_USE;

#endif
