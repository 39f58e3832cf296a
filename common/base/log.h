/* Log lines for people (text) and for machines (JSON lines), one write(2) each. Knows no files and no
 * rotation: it writes to a descriptor.
 * Threads: safe; a line is never torn (up to LOG_LINE_BYTES). */
#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include "common/base/attr.h"
#include "common/base/clock.h"
#include "common/base/error.h"
#include "common/base/view.h"

enum { LOG_LINE_BYTES = 2048 };

enum log_level {
    LOG_DEBUG, /* what a developer asks for */
    LOG_INFO,  /* what happened, one line an event */
    LOG_WARN,  /* something is wrong and the program goes on */
    LOG_ERROR, /* something is lost or refused and somebody should act */
};

enum log_format {
    LOG_TEXT, /* 2026-02-22T10:00:00Z info  agent: text */
    LOG_JSON, /* {"time":"...","level":"info","program":"agent","message":"text"} */
};

struct log {
    int fd; /* -1: silent */
    enum log_level level;
    enum log_format format;
    const char *program; /* borrowed */
    const struct clock *clock;
};

/* To stderr, info, text. */
void log_init(struct log *log, const char *program, const struct clock *clock);

/* A control character in the text is written as '?': one line stays one line. */
void log_write(const struct log *log, enum log_level level, const char *format, ...) PRINTF_LIKE(3, 4);

#define log_debug(log, ...) log_write(log, LOG_DEBUG, __VA_ARGS__)
#define log_info(log, ...)  log_write(log, LOG_INFO, __VA_ARGS__)
#define log_warn(log, ...)  log_write(log, LOG_WARN, __VA_ARGS__)
#define log_error(log, ...) log_write(log, LOG_ERROR, __VA_ARGS__)

bool log_level_parse(struct view text, enum log_level *out) MUST_USE;
bool log_format_parse(struct view text, enum log_format *out) MUST_USE;

#endif
