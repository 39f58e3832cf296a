/* What stands in for the writer and for a session in the tests of the signed transport: jobs are kept and
 * answered by the test; a request is kept and fed by it. Each test program includes it once. */
#ifndef TESTS_UNIT_SYNC_SERVICE_AGENT_FAKES_H
#define TESTS_UNIT_SYNC_SERVICE_AGENT_FAKES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/pack/packer.h"
#include "server_tools/sync_service/agent_home.h"

enum { FAKE_JOBS_MAX = 64, FAKE_BODY_MAX_BYTES = 64 * 1024 * 1024, FAKE_ROOM_BYTES = 32 * 1024 * 1024 };

/* ---- the writer ---- */
struct writer {
    struct write_job *jobs[FAKE_JOBS_MAX]; /* put and not answered */
    size_t count;
    int put;          /* all that ever were */
    struct room room; /* of jobs that were put, too */
};

void writer_put(struct writer *writer, struct write_job *job)
{
    assert_true(writer->count < FAKE_JOBS_MAX);
    writer->room.used_bytes += write_job_bytes(job) - job->part.bytes;
    job->part = (struct room_part){.room = NULL};
    writer->jobs[writer->count++] = job;
    writer->put++;
}

struct room *writer_room(struct writer *writer)
{
    return &writer->room;
}

/* The oldest job is committed, or fails. */
static inline void fake_commit(struct writer *writer, const struct error *err)
{
    assert_true(writer->count > 0);
    struct write_job *job = writer->jobs[0];
    memmove(writer->jobs, writer->jobs + 1, --writer->count * sizeof(*writer->jobs));
    writer->room.used_bytes -= write_job_bytes(job);
    job->rows_added = err == NULL ? (int64_t)job->row_count : 0;
    job->done(job->context, job, err);
}

/* ---- the clock and the scene ---- */
struct fake_scene {
    struct clock_fake clock;
    struct sync_settings settings;
    struct log log;
    struct writer writer;
    struct sync_scene scene;
};

static inline void fake_scene_init(struct fake_scene *fake)
{
    memset(fake, 0, sizeof(*fake));
    clock_fake_init(&fake->clock, INT64_C(1771754400000000), 1000000); /* 2026-02-22T10:00:00Z */
    fake->writer.room.limit_bytes = FAKE_ROOM_BYTES;
    fake->settings.max_clock_skew_s = 300;
    fake->settings.pull_timeout_ms = 10 * 1000;
    fake->settings.pull_window_s = 60;
    log_init(&fake->log, "test", &fake->clock.clock);
    fake->log.fd = -1;
    fake->scene = (struct sync_scene){
        .settings = &fake->settings, .clock = &fake->clock.clock, .log = &fake->log, .writer = &fake->writer};
}

/* ---- bodies ---- */
static inline void fake_pack(struct buf *out, const char *text, size_t size)
{
    struct error err;
    struct packer *packer = packer_new(PACK_ZSTD, &err);
    assert_non_null(packer);
    struct view in = {text, size};
    bool ended = false;
    while (!ended) {
        char piece[65536];
        size_t bytes = packer_write(packer, &in, true, piece, sizeof(piece), &ended);
        assert_true(buf_append(out, piece, bytes));
    }
    packer_free(packer);
}

#endif
