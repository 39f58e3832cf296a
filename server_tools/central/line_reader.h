/* A compressed stream as lines: unpacks, cuts. Knows nothing of what is in a line, nor of files. Memory is
 * bounded whatever the stream holds. Threads: one at a time. */
#ifndef SERVER_TOOLS_CENTRAL_LINE_READER_H
#define SERVER_TOOLS_CENTRAL_LINE_READER_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

/* line: without its LF, borrowed until it returns. False (with err) stops the reader. */
typedef bool line_reader_on_line(void *context, struct view line, struct error *err);

struct line_reader;

/* line_max_bytes: no line is longer, LF included. */
struct line_reader *line_reader_new(size_t line_max_bytes, line_reader_on_line *on_line, void *context,
                                    struct error *err) MUST_USE;
void line_reader_free(struct line_reader *reader); /* NULL is fine */
static inline void scope_line_reader(struct line_reader **reader)
{
    line_reader_free(*reader);
}
#define SCOPE_LINE_READER SCOPE(scope_line_reader)

/* The next piece, of any size. Errors: ERR_INPUT (neither gzip nor zstd, damaged, a line that is too long),
 * or what on_line says; either with the line's number. The reader is of no use after one. */
bool line_reader_feed(struct line_reader *reader, struct view compressed, struct error *err) MUST_USE;

/* That was all. Errors: ERR_INPUT (the stream or its last line is cut off). */
bool line_reader_finish(const struct line_reader *reader, struct error *err) MUST_USE;

/* Whether the compressed stream has come to its own end. */
bool line_reader_at_end(const struct line_reader *reader);

/* A whole file from its beginning, finish included. Errors: ERR_IO besides. */
bool line_reader_read_file(struct line_reader *reader, int fd, struct error *err) MUST_USE;

int64_t line_reader_lines(const struct line_reader *reader);

#endif
