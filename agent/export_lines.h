/* The readings of a range as record lines, in pieces of whole lines and in constant memory. Reads the store
 * in short transactions, so a slow client never holds it. Knows nothing of compression or of who asked.
 * Threads: belongs to one thread at a time. */
#ifndef AGENT_EXPORT_LINES_H
#define AGENT_EXPORT_LINES_H

#include "collector/telemetry_store.h"

struct export_lines;

/* reader: taken over, also on failure; used for this alone. range: copied. Errors: those of the store,
 * ERR_MEMORY, ERR_CORRUPT (a channel whose name cannot stand in a line). */
struct export_lines *export_lines_new(struct store_reader *reader, const struct store_range *range,
                                      struct error *err) MUST_USE;
void export_lines_free(struct export_lines *lines); /* NULL is fine */

/* As many whole lines as fit; *size 0: the end, and every row of the range was a line. out_bytes: at least
 * RECORD_LINE_MAX_BYTES. Errors: ERR_CHANGED (rows of the range were removed meanwhile, by retention),
 * ERR_CORRUPT, those of the store. */
bool export_lines_read(struct export_lines *lines, char *out, size_t out_bytes, size_t *size,
                       struct error *err) MUST_USE;

#endif
