#include "common/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(struct log *log, const char *program, const struct clock *clock)
{
    *log = (struct log){STDERR_FILENO, LOG_INFO, LOG_TEXT, program, clock};
}

enum {
    MESSAGE_BYTES = LOG_LINE_BYTES / 2, /* so that it fits even with every byte escaped */
    FRAME_BYTES = 256,                  /* what stands around the message */
};

/* The text as the inside of a JSON string; it is printable already. */
static void escape_json(char out[2 * MESSAGE_BYTES], const char *text)
{
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            *out++ = '\\';
        *out++ = *text;
    }
    *out = '\0';
}

static int format_json(char *line, size_t line_bytes, const struct log *log, enum log_level level,
                       const char *message)
{
    char time[RFC3339_US_BYTES];
    char escaped[2 * MESSAGE_BYTES];
    rfc3339_format_us(time, clock_utc_us(log->clock));
    escape_json(escaped, message);
    return snprintf(line, line_bytes,
                    "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%.*s\",\"message\":\"%s\"}\n", time,
                    level_names[level], FRAME_BYTES / 2, log->program, escaped);
}

static int format_text(char *line, size_t line_bytes, const struct log *log, enum log_level level,
                       const char *message)
{
    char time[RFC3339_S_BYTES];
    rfc3339_format_s(time, clock_utc_us(log->clock));
    return snprintf(line, line_bytes, "%s %-5s %.*s: %s\n", time, level_names[level], FRAME_BYTES / 2,
                    log->program, message);
}

void log_write(const struct log *log, enum log_level level, const char *format, ...)
{
    if (log->fd < 0 || level < log->level)
        return;
    char message[MESSAGE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    text_make_printable(message); /* bytes from outside forge no second line and break no JSON */

    char line[LOG_LINE_BYTES + FRAME_BYTES];
    int size = log->format == LOG_JSON ? format_json(line, sizeof(line), log, level, message)
                                       : format_text(line, sizeof(line), log, level, message);
    if (size > 0 && write(log->fd, line, (size_t)size) < 0) {
        /* nowhere left to say it */
    }
}

bool log_level_parse(struct view text, enum log_level *out)
{
    for (size_t i = 0; i < COUNT_OF(level_names); i++) {
        if (view_is(text, level_names[i])) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}

bool log_format_parse(struct view text, enum log_format *out)
{
    if (view_is(text, "text"))
        *out = LOG_TEXT;
    else if (view_is(text, "json"))
        *out = LOG_JSON;
    else
        return false;
    return true;
}
