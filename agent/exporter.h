/* An export: the lines of a source as a compressed stream, produced piece by piece in constant memory. Knows
 * nothing of HTTP, sessions or cursors. Threads: an exporter belongs to one thread at a time. */
#ifndef AGENT_EXPORTER_H
#define AGENT_EXPORTER_H

#include <stdint.h>
#include <sys/types.h>

#include "agent/line_source.h"
#include "common/pack/packer.h"

struct exporter;

/* source: taken over, also on failure. lines: about so many come; with many of them a thread reads ahead.
 * Errors: ERR_MEMORY. */
struct exporter *exporter_new(struct line_source *source, int64_t lines, enum pack_format format,
                              struct error *err) MUST_USE;
void exporter_free(struct exporter *exporter); /* NULL is fine */

/* Fills out as far as it goes: bytes written, 0 at the end of a whole export, -1 with err when it cannot be
 * brought to its end. Errors: those of the source. */
ssize_t exporter_read(struct exporter *exporter, char *out, size_t out_bytes, struct error *err) MUST_USE;

/* True once exporter_read has returned 0: every line was given out. */
bool exporter_is_whole(const struct exporter *exporter);
int64_t exporter_bytes(const struct exporter *exporter); /* written so far */

#endif
