/* Record lines of the export: written by agent, read by sync_client. One JSON object a line, LF at its end.
 * The writer formats by hand into the caller's buffer; the reader has a fast path for exactly the writer's
 * shape, checked byte by byte, and falls back to the strict JSON reader for any other. Source:
 * docs/protocol.md, "Record lines". Threads: a struct belongs to one thread. */
#ifndef COMMON_WIRE_RECORD_H
#define COMMON_WIRE_RECORD_H

#include <stdint.h>

#include "common/base/buf.h"

enum {
    RECORD_CHANNEL_BYTES = 128,   /* a channel's name, NUL included */
    RECORD_TIME_BYTES = 27,       /* 2026-02-22T10:00:00.000000Z */
    RECORD_LINE_MAX_BYTES = 1024, /* no line is longer, LF included */
};

/* A channel's name is 1 to 127 bytes of UTF-8 without control characters. */
bool record_channel_name_ok(struct view name);

/* ---- writing ---- */
/* Remembers the last second as text, so that only what changed is formatted. */
struct record_writer {
    int64_t second; /* whose text is kept; INT64_MIN: none */
    char second_text[24];
};
void record_writer_init(struct record_writer *writer);

/* The time as a line has it, RECORD_TIME_BYTES without quotes or NUL, at out. time_us: as below. */
size_t record_write_time(struct record_writer *writer, char *out, int64_t time_us);

/* The name as it stands inside the line: JSON-escaped once, kept by the caller a channel. */
bool record_escape_channel(struct view name, struct buf *out) MUST_USE;

/* Appends {"seq":..,"time":"..","channel":"..","value":..}\n at out, which has room for
 * RECORD_LINE_MAX_BYTES; returns its size. seq: -1: the line has none. time_us: within the years 0000 to
 * 9999, else the nearest one inside. escaped_channel: of a name that is ok. value: NaN and infinities are
 * written as null. Numbers read back exactly. */
size_t record_write_reading(struct record_writer *writer, char *out, int64_t seq, int64_t time_us,
                            struct view escaped_channel, double value);

/* ---- reading ---- */
struct record_reading {
    int64_t seq; /* -1: the line has none (export from a table) */
    int64_t time_us;
    struct view channel; /* decoded; points into the line or into `scratch` */
    double value;        /* NaN: null */
    char scratch[RECORD_CHANNEL_BYTES];
};
/* line: without its LF. All members but seq must be there, and no other; out is untouched on failure. Errors:
 * ERR_INPUT says what is wrong. */
bool record_read_reading(struct view line, struct record_reading *out, struct error *err) MUST_USE;

#endif
