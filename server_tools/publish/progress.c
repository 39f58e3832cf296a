#include "server_tools/publish/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/text.h"

enum { BAR_WIDTH = 24, PERCENT = 100 };

void progress_init(struct progress *progress, bool quiet)
{
    const char *no_color = getenv("NO_COLOR");
    bool plain = no_color != NULL && no_color[0] != '\0';
    *progress = (struct progress){.wanted = !quiet && !plain && isatty(STDERR_FILENO) == 1};
}

void progress_begin(struct progress *progress, const char *what, int64_t total)
{
    progress_end(progress);
    progress->what = what;
    progress->total = total;
    progress->done = 0;
}

void progress_add(struct progress *progress, int64_t bytes)
{
    progress->done += bytes;
    if (!progress->wanted || progress->total < PROGRESS_FROM_BYTES)
        return;
    int64_t now_us = clock_monotonic_us(clock_system());
    if (progress->drawn && now_us - progress->drawn_us < (int64_t)PROGRESS_INTERVAL_MS * US_PER_MS)
        return;
    progress->drawn_us = now_us;
    progress->drawn = true;
    int64_t part = progress->done < progress->total ? progress->done * PERCENT / progress->total : PERCENT;
    int filled = (int)(part * BAR_WIDTH / PERCENT);
    char size[TEXT_SIZE_BYTES];
    fprintf(stderr, "\r%s [%.*s%*s] %3" PRId64 "%%  of %s\033[K", progress->what, filled,
            "########################", BAR_WIDTH - filled, "", part,
            text_bytes_for_people(size, (uint64_t)progress->total));
    fflush(stderr);
}

void progress_end(struct progress *progress)
{
    if (!progress->drawn)
        return;
    fputs("\r\033[K", stderr);
    fflush(stderr);
    progress->drawn = false;
}
