#include "common/base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/base/rfc3339.h"

static const char *const level_names[] = {"debug", "info", "warn", "error"};

void log_init(struct log *log, const char *program, const struct clock *clock)
{
    *log = (struct log){STDERR_FILENO, LOG_INFO, LOG_TEXT, program, clock};
}

/* The text as the inside of a JSON string; every byte from outside passes here. Returns the size. */
static size_t escape_json(char *out, size_t out_bytes, const char *text)
{
    size_t used = 0;
    for (; *text != '\0' && used + 7 < out_bytes; text++) {
        if (*text == '"' || *text == '\\')
            out[used++] = '\\';
        out[used++] = *text;
    }
    out[used] = '\0';
    return used;
}

static void one_line(char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            *text = '?';
    }
}

void log_write(const struct log *log, enum log_level level, const char *format, ...)
{
    if (log->fd < 0 || level < log->level)
        return;
    char message[LOG_LINE_BYTES / 2];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof(message), format, arguments);
    va_end(arguments);
    one_line(message);

    char line[LOG_LINE_BYTES + 128];
    int size;
    if (log->format == LOG_JSON) {
        char time[RFC3339_US_BYTES];
        char escaped[LOG_LINE_BYTES];
        rfc3339_format_us(time, clock_utc_us(log->clock));
        escape_json(escaped, sizeof(escaped), message);
        size = snprintf(line, sizeof(line),
                        "{\"time\":\"%s\",\"level\":\"%s\",\"program\":\"%s\",\"message\":\"%s\"}\n", time,
                        level_names[level], log->program, escaped);
    } else {
        char time[RFC3339_S_BYTES];
        rfc3339_format_s(time, clock_utc_us(log->clock));
        size =
            snprintf(line, sizeof(line), "%s %-5s %s: %s\n", time, level_names[level], log->program, message);
    }
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
