#include "server_tools/sync_client/notices.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/text.h"

enum { BAR_WIDTH = 24, PERCENT = 100, GROUP_DIGITS = 3 };

void notices_init(struct notices *notices, bool quiet, const struct clock *clock)
{
    const char *no_color = getenv("NO_COLOR");
    bool plain = no_color != NULL && no_color[0] != '\0';
    *notices = (struct notices){
        .clock = clock,
        .quiet = quiet,
        .bar = !quiet && !plain && isatty(STDERR_FILENO) == 1,
    };
}

void notice(struct notices *notices, const char *format, ...)
{
    if (notices->quiet)
        return;
    notices_end(notices);
    fputs("sync_client: ", stderr);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(stderr, format, arguments);
    va_end(arguments);
    fputc('\n', stderr);
}

void notices_begin(struct notices *notices, const char *what, int64_t total)
{
    notices->what = what;
    notices->total = total;
    notices->total_bytes = 0;
    notices->started_us = clock_monotonic_us(notices->clock);
    notices->drawn_us = notices->started_us;
}

void notices_begin_bytes(struct notices *notices, const char *what, int64_t total_bytes)
{
    notices_begin(notices, what, NOTICES_BYTES_ONLY);
    notices->total_bytes = total_bytes;
}

static void draw_filled(const struct notices *notices, int64_t part)
{
    int filled = (int)(part * BAR_WIDTH / PERCENT);
    fprintf(stderr, "\r%s [%.*s%*s] ", notices->what, filled, "########################", BAR_WIDTH - filled,
            "");
}

/* 12 s, 4:05 min */
static void draw_wait(int64_t seconds)
{
    enum { MINUTE_S = 60 };
    if (seconds < MINUTE_S)
        fprintf(stderr, "%" PRId64 " s left", seconds);
    else
        fprintf(stderr, "%" PRId64 ":%02" PRId64 " min left", seconds / MINUTE_S, seconds % MINUTE_S);
}

static void draw_bytes_of(const struct notices *notices, int64_t bytes, int64_t now_us)
{
    char size[TEXT_SIZE_BYTES];
    char total[TEXT_SIZE_BYTES];
    char rate[TEXT_SIZE_BYTES];
    int64_t us = now_us - notices->started_us;
    double a_second = us > 0 ? (double)bytes * US_PER_S / (double)us : 0;
    int64_t part = bytes < notices->total_bytes ? bytes * PERCENT / notices->total_bytes : PERCENT;
    draw_filled(notices, part);
    fprintf(stderr, "%3" PRId64 "%%  %s of %s  %s/s  ", part, text_bytes_for_people(size, (uint64_t)bytes),
            text_bytes_for_people(total, (uint64_t)notices->total_bytes),
            text_bytes_for_people(rate, (uint64_t)a_second));
    if (part == PERCENT)
        fputs("the machine verifies it", stderr);
    else if (a_second > 0)
        draw_wait((int64_t)((double)(notices->total_bytes - bytes) / a_second) + 1);
    fputs("\033[K", stderr);
}

static void draw_bytes(struct notices *notices, int64_t bytes, int64_t now_us)
{
    char size[TEXT_SIZE_BYTES];
    char rate[TEXT_SIZE_BYTES];
    int64_t us = now_us - notices->started_us;
    double a_second = us > 0 ? (double)bytes * US_PER_S / (double)us : 0;
    fprintf(stderr, "\r%s  %s  %s/s\033[K", notices->what, text_bytes_for_people(size, (uint64_t)bytes),
            text_bytes_for_people(rate, (uint64_t)a_second));
}

static void draw(struct notices *notices, int64_t done, int64_t bytes, int64_t now_us)
{
    char count[COUNT_TEXT_BYTES];
    char rate[COUNT_TEXT_BYTES];
    char size[TEXT_SIZE_BYTES];
    int64_t part = notices->total > 0 && done < notices->total ? done * PERCENT / notices->total : PERCENT;
    int64_t us = now_us - notices->started_us;
    double a_second = us > 0 ? (double)done * US_PER_S / (double)us : 0;
    draw_filled(notices, notices->total > 0 ? part : 0);
    if (notices->total > 0)
        fprintf(stderr, "%3" PRId64 "%%  ", part);
    fprintf(stderr, "%s readings  %s  %s/s\033[K", count_for_people(count, done),
            text_bytes_for_people(size, (uint64_t)bytes), count_for_people(rate, (int64_t)a_second));
}

void notices_advance(struct notices *notices, int64_t done, int64_t bytes)
{
    if (!notices->bar)
        return;
    int64_t now_us = clock_monotonic_us(notices->clock);
    if (now_us - notices->drawn_us < (int64_t)NOTICE_BAR_INTERVAL_MS * US_PER_MS)
        return;
    notices->drawn_us = now_us;
    if (notices->total_bytes > 0)
        draw_bytes_of(notices, bytes, now_us);
    else if (notices->total == NOTICES_BYTES_ONLY)
        draw_bytes(notices, bytes, now_us);
    else
        draw(notices, done, bytes, now_us);
    fflush(stderr);
    notices->bar_drawn = true;
}

void notices_end(struct notices *notices)
{
    if (!notices->bar_drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    notices->bar_drawn = false;
}

const char *count_for_people(char out[COUNT_TEXT_BYTES], int64_t count)
{
    char digits[COUNT_TEXT_BYTES];
    int size = snprintf(digits, sizeof(digits), "%" PRId64, count);
    char *at = out;
    for (int i = 0; i < size; i++) {
        bool group = i > 0 && digits[i - 1] != '-' && (size - i) % GROUP_DIGITS == 0;
        if (group)
            *at++ = ',';
        *at++ = digits[i];
    }
    *at = '\0';
    return out;
}
