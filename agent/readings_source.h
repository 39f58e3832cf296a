/* The readings of a range as record lines, in pieces of whole lines and in constant memory. Reads the store
 * in short transactions, so a slow client never holds it. Knows nothing of compression or of who asked.
 * Threads: one at a time. */
#ifndef AGENT_READINGS_SOURCE_H
#define AGENT_READINGS_SOURCE_H

#include "agent/line_source.h"
#include "collector/telemetry_store.h"

/* reader: taken over, also on failure; used for this alone. range: copied. Errors: those of the store,
 * ERR_MEMORY, ERR_CORRUPT (a channel whose name cannot stand in a line). Its read fails with ERR_CHANGED when
 * rows of the range were removed meanwhile, by retention. */
struct line_source *readings_source_new(struct store_reader *reader, const struct store_range *range,
                                        struct error *err) MUST_USE;

#endif
