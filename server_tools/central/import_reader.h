/* The reading half of an import, in a thread of its own: a file's bytes become readings, readings become
 * batches. Knows nothing of the central store. Threads: start and join from one; the names of channels as
 * channel_cache.h says. */
#ifndef SERVER_TOOLS_CENTRAL_IMPORT_READER_H
#define SERVER_TOOLS_CENTRAL_IMPORT_READER_H

#include "server_tools/central/archive_info.h"
#include "server_tools/central/batch_queue.h"

struct import_reader;

struct import_totals {
    int64_t lines;
    int64_t last_seq; /* -1: none */
};

/* Reads fd from its place to the end and puts batches into the queue; the last one only when the archive
 * ended well and holds as many lines as info says. All are borrowed until joined. */
struct import_reader *import_reader_start(int fd, const struct archive_info *info, struct batch_queue *queue,
                                          struct error *err) MUST_USE;

/* The name of a channel that occurred in a batch. */
struct view import_reader_channel(const struct import_reader *reader, int32_t index);

/* Waits for its end (the queue is drained or cancelled) and frees it. Errors: ERR_INPUT, ERR_IO,
 * ERR_CANCELLED. */
bool import_reader_join(struct import_reader *reader, struct import_totals *totals,
                        struct error *err) MUST_USE;

#endif
