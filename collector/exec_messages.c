#include "collector/exec_messages.h"

#include <unistd.h>

#include "common/base/text.h"

#define MINUTE_US (60 * INT64_C(1000000))

static void begin_minute(struct exec_messages *messages, int64_t now_us)
{
    if (messages->unsaid > 0)
        log_warn(messages->log, "input %s: stderr: %llu lines more are left out", messages->name,
                 (unsigned long long)messages->unsaid);
    messages->unsaid = 0;
    messages->said = 0;
    messages->minute_us = now_us;
}

static void say(struct exec_messages *messages)
{
    int64_t now_us = clock_monotonic_us(messages->log->clock);
    if (now_us - messages->minute_us >= MINUTE_US)
        begin_minute(messages, now_us);
    if (messages->said++ < EXEC_MESSAGES_A_MINUTE)
        log_warn(messages->log, "input %s: stderr: %s", messages->name, messages->last);
    else
        messages->unsaid++;
}

static void end_line(struct exec_messages *messages)
{
    if (messages->size == 0)
        return;
    messages->line[messages->size] = '\0';
    text_make_printable(messages->line);
    memcpy(messages->last, messages->line, messages->size + 1);
    messages->size = 0;
    say(messages);
}

void exec_messages_begin(struct exec_messages *messages)
{
    messages->last[0] = '\0';
    messages->size = 0;
}

bool exec_messages_read(struct exec_messages *messages, int fd)
{
    char bytes[EXEC_MESSAGES_READ_BYTES];
    ssize_t got = read(fd, bytes, sizeof(bytes));
    for (ssize_t i = 0; i < got; i++) {
        if (bytes[i] == '\n')
            end_line(messages);
        else if (messages->size < sizeof(messages->line) - 1)
            messages->line[messages->size++] = bytes[i] == '\0' ? '?' : bytes[i];
    }
    return got > 0;
}

void exec_messages_end(struct exec_messages *messages)
{
    end_line(messages);
}
