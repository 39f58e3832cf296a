/* An export: the readings of a range fixed at its start, as gzip of record lines, produced piece by piece in
 * constant memory. Knows nothing of HTTP, sessions or cursors.
 * Threads: an export belongs to one thread at a time. */
#ifndef AGENT_EXPORTER_H
#define AGENT_EXPORTER_H

#include <sys/types.h>

#include "collector/telemetry_store.h"

struct export;

/* reader: taken over, also on failure; belongs to this export alone. range: copied. Errors: those of the
 * store, ERR_MEMORY, ERR_CORRUPT (a channel whose name cannot stand in a line). */
struct export *export_new(struct store_reader *reader, const struct store_range *range,
                          struct error *err) MUST_USE;
void export_free(struct export *export); /* NULL is fine */

/* Fills out as far as it goes: bytes written, 0 at the end of a whole export, -1 with err when it cannot be
 * brought to its end. ERR_CHANGED: rows of the range were removed meanwhile (retention). */
ssize_t export_read(struct export *export, char *out, size_t out_bytes, struct error *err) MUST_USE;

/* True once export_read has returned 0: every row of the range was given out. */
bool export_is_whole(const struct export *export);
int64_t export_bytes(const struct export *export); /* written so far */
const struct store_range *export_range(const struct export *export);

#endif
