/* Writes JSON into a buffer: commas, escapes and numbers are its business, nesting is the caller's.
 *   json_object(&w, NULL); json_string(&w, "status", "queued"); json_end_object(&w);
 * key is NULL inside arrays and at the top. Failure is the buffer's (sticky): check buf_check once.
 * Threads: one at a time. */
#ifndef COMMON_NET_JSON_WRITER_H
#define COMMON_NET_JSON_WRITER_H

#include <stdint.h>

#include "common/base/buf.h"

struct json_writer {
    struct buf *out; /* borrowed */
    bool need_comma;
};

void json_writer_init(struct json_writer *writer, struct buf *out);

void json_object(struct json_writer *writer, const char *key);
void json_end_object(struct json_writer *writer);
void json_array(struct json_writer *writer, const char *key);
void json_end_array(struct json_writer *writer);

/* Invalid UTF-8 in the text becomes U+FFFD, byte by byte: the output is always valid. */
void json_string(struct json_writer *writer, const char *key, const char *text);
void json_string_view(struct json_writer *writer, const char *key, struct view text);
void json_i64(struct json_writer *writer, const char *key, int64_t value);
void json_u64(struct json_writer *writer, const char *key, uint64_t value);
/* Shortest text that reads back as the same double; NaN and infinities become null. */
void json_double(struct json_writer *writer, const char *key, double value);
void json_bool(struct json_writer *writer, const char *key, bool value);
void json_null(struct json_writer *writer, const char *key);
/* RFC 3339 with microseconds, or null when utc_us is INT64_MIN. */
void json_time_us(struct json_writer *writer, const char *key, int64_t utc_us);
/* Text that is JSON already. */
void json_raw_text(struct json_writer *writer, const char *key, struct view json);

#endif
