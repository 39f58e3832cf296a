/* The compressed bytes of an archive, gzip or zstd, as readings: unpacks, cuts lines, reads each. Knows
 * nothing of files or of the central store. Memory is bounded whatever the archive holds. Threads: one at a
 * time. */
#ifndef SERVER_TOOLS_CENTRAL_ARCHIVE_READER_H
#define SERVER_TOOLS_CENTRAL_ARCHIVE_READER_H

#include "common/wire/record.h"
#include "server_tools/central/archive_info.h"

/* reading: borrowed until it returns. False (with err) stops the reader. */
typedef bool archive_on_reading(void *context, const struct record_reading *reading, struct error *err);

struct archive_reader;

struct archive_reader *archive_reader_new(archive_on_reading *on_reading, void *context,
                                          struct error *err) MUST_USE;
void archive_reader_free(struct archive_reader *reader); /* NULL is fine */
static inline void scope_archive_reader(struct archive_reader **reader)
{
    archive_reader_free(*reader);
}
#define SCOPE_ARCHIVE_READER SCOPE(scope_archive_reader)

/* The next piece, of any size. Errors: ERR_INPUT (neither gzip nor zstd, damaged; a bad line: its number and
 * what is wrong; seq that does not grow from line to line, or that only some lines have), or what on_reading
 * says. The reader is of no use after one. */
bool archive_reader_feed(struct archive_reader *reader, struct view compressed, struct error *err) MUST_USE;

/* Whether the compressed stream has come to its own end. */
bool archive_reader_at_end(const struct archive_reader *reader);

/* That was all. Errors: ERR_INPUT (the stream or its last line is cut off). */
bool archive_reader_finish(const struct archive_reader *reader, struct error *err) MUST_USE;

/* That was all, and it is what the archive's json says (nothing, when it has none). Errors: ERR_INPUT. */
bool archive_reader_verify(const struct archive_reader *reader, const struct archive_info *info,
                           struct error *err) MUST_USE;

int64_t archive_reader_lines(const struct archive_reader *reader);
/* Of the newest line; -1 when there is none, or it has none. */
int64_t archive_reader_last_seq(const struct archive_reader *reader);

#endif
