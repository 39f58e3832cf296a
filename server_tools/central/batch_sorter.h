/* Sorts a batch of rows by channel, then time: the order of the central store's key. Knows that rows come
 * nearly sorted by time. Equal keys keep their order. Threads: one at a time. */
#ifndef SERVER_TOOLS_CENTRAL_BATCH_SORTER_H
#define SERVER_TOOLS_CENTRAL_BATCH_SORTER_H

#include "server_tools/central/central.h"

struct batch_sorter; /* room for CENTRAL_BATCH_ROWS */

struct batch_sorter *batch_sorter_new(struct error *err) MUST_USE;
void batch_sorter_free(struct batch_sorter *sorter); /* NULL is fine */

/* count: at most CENTRAL_BATCH_ROWS. */
void batch_sort(struct batch_sorter *sorter, struct central_row *rows, size_t count);

#endif
