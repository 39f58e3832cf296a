/* What a service's writer does with made-up jobs:
 *   write_jobs URL live VEHICLES ROWS CONNECTIONS   a live job of so many rows each, all put at once
 *   write_jobs URL gap JOBS ROWS                    one vehicle's batches, one after the other in the queue
 *   write_jobs URL copy JOBS ROWS                   the same rows as `gap`, by one COPY BINARY a batch
 * Prints {"seconds","rows","transactions"}: from the first put to the last commit. The database is migrated
 * and empty. */
#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "server_tools/central/central_months.h"
#include "server_tools/central/central_postgres_copy.h"
#include "server_tools/sync_service/sync_db.h"
#include "server_tools/sync_service/writer.h"

#define NOW_US INT64_C(1771754400000000) /* 2026-02-22T10:00:00Z */

enum {
    CHANNELS = 25,
    QUEUE_BYTES = 1024 * 1024 * 1024,
    CONNECTIONS_MAX = 16,
    JOBS_MAX = 100000,
    START_MS = 20
};

struct bench {
    const char *url;
    struct loop *loop;
    struct mailbox *mailbox;
    struct writer *writer;
    struct loop_watch *timer;
    struct write_job **jobs;
    size_t count, done, failed;
    int64_t rows, begin_us, end_us;
};

static _Noreturn void die(const struct error *err)
{
    fprintf(stderr, "write_jobs: %s\n", err->text);
    exit(error_exit_code(err));
}

/* A sawtooth: what a value is does not matter to a COPY. */
static struct central_row row_of(int64_t first_us, size_t i, int32_t channel)
{
    return (struct central_row){first_us + (int64_t)(i / CHANNELS) * US_PER_S, channel,
                                (double)(i % 997) / 7};
}

static void fill(struct write_job *job, int64_t first_us, size_t rows)
{
    struct error err;
    job->rows = malloc(rows * sizeof(*job->rows));
    for (size_t i = 0; i < rows; i++) {
        int32_t index;
        if (job->rows == NULL || !channel_book_by_id(job->book, (int32_t)(i % CHANNELS) + 1, &index, &err))
            die(&err);
        job->rows[i] = row_of(first_us, i, index);
    }
    job->row_count = rows;
    job->expect_new = true;
    job->progress.window = true;
    job->progress.last_sync_us = first_us + (int64_t)(rows / CHANNELS) * US_PER_S;
    job->status.seen_us = NOW_US;
    job->status.sync_status = "ok";
    job->journal = (struct job_journal){NOW_US, NOW_US, "ok", .bytes = 1};
}

static void on_done(void *context, struct write_job *job, const struct error *err)
{
    struct bench *bench = context;
    if (err != NULL && bench->failed++ == 0)
        fprintf(stderr, "write_jobs: %s\n", err->text);
    bench->rows += job->rows_added;
    if (++bench->done < bench->count)
        return;
    bench->end_us = clock_monotonic_us(clock_system());
    loop_stop(bench->loop);
}

/* Once a connection stands: opening it is no part of what is measured. */
static void put_all(void *context, uint64_t times)
{
    struct bench *bench = context;
    (void)times;
    if (!writer_is_connected(bench->writer))
        return;
    loop_timer_set(bench->timer, -1, 0);
    bench->begin_us = clock_monotonic_us(clock_system());
    for (size_t i = 0; i < bench->count; i++)
        writer_put(bench->writer, bench->jobs[i]);
}

static void make_jobs(struct bench *bench, bool live, size_t rows)
{
    struct error err;
    struct channel_book *book = NULL;
    bench->jobs = calloc(bench->count, sizeof(struct write_job *));
    for (size_t i = 0; i < bench->count; i++) {
        struct write_job *job = write_job_new(&err);
        if (book == NULL || live)
            book = channel_book_new(&err);
        if (bench->jobs == NULL || job == NULL || book == NULL)
            die(&err);
        job->lane = live ? LANE_LIVE : LANE_GAP;
        job->vehicle_id = live ? (int64_t)i + 1 : 1;
        job->book = book;
        job->done = on_done;
        job->context = bench;
        fill(job, live ? NOW_US : NOW_US + (int64_t)(i * rows / CHANNELS) * US_PER_S, rows);
        bench->jobs[i] = job;
    }
}

static void make_vehicles(const struct bench *bench, size_t count)
{
    struct error err;
    char sql[256];
    snprintf(sql, sizeof(sql),
             "INSERT INTO vehicles (vehicle_id, client_id, name) SELECT n, 'v' || n, 'v' || n"
             " FROM generate_series(1, %zu) AS n ON CONFLICT DO NOTHING",
             count);
    SCOPE_PG struct pg *pg = sync_db_open(bench->url, &err);
    if (pg == NULL || !pg_exec(pg, sql, &err))
        die(&err);
}

static void run_writer(struct bench *bench, bool live, size_t rows, size_t connections)
{
    struct error err;
    struct log log;
    log_init(&log, "write_jobs", clock_system());
    bench->loop = loop_new(&err);
    bench->mailbox = bench->loop == NULL ? NULL : mailbox_new(bench->loop, &err);
    const struct writer_config config = {bench->url,     connections,    QUEUE_BYTES,
                                         bench->mailbox, clock_system(), &log};
    bench->writer = bench->mailbox == NULL ? NULL : writer_start(&config, &err);
    if (bench->writer == NULL)
        die(&err);
    make_vehicles(bench, live ? bench->count : 1);
    make_jobs(bench, live, rows);
    bench->timer = loop_timer(bench->loop, START_MS, START_MS, put_all, bench, &err);
    if (bench->timer == NULL || !loop_run(bench->loop, &err))
        die(&err);
    struct writer_counts counts = writer_counts(bench->writer);
    printf("{\"seconds\":%.6f,\"rows\":%lld,\"transactions\":%llu}\n",
           (double)(bench->end_us - bench->begin_us) / US_PER_S, (long long)bench->rows,
           (unsigned long long)counts.transactions);
    writer_stop(bench->writer);
    exit(bench->failed > 0); /* the rest goes with the process */
}

/* One batch in the table's order: by channel, then time. */
static bool copy_batch(struct pg *pg, char *buffer, int64_t first_us, size_t rows, struct error *err)
{
    struct row_copy copy;
    int64_t added;
    if (!pg_begin(pg, err) || !row_copy_begin(&copy, pg, buffer, "measurements", err))
        return false;
    for (size_t channel = 0; channel < CHANNELS; channel++) {
        for (size_t i = channel; i < rows; i += CHANNELS) {
            const struct central_row row = row_of(first_us, i, (int32_t)channel + 1);
            if (!row_copy_put(&copy, 1, &row, err))
                return false;
        }
    }
    return row_copy_end(&copy, &added, err) && pg_commit(pg, err);
}

static void run_copy(struct bench *bench, size_t rows)
{
    struct error err;
    struct central_row last = row_of(NOW_US + (int64_t)(bench->count * rows / CHANNELS) * US_PER_S, 0, 1);
    struct central_row first = row_of(NOW_US, 0, 1);
    SCOPE_PG struct pg *pg = sync_db_open(bench->url, &err);
    SCOPE_FREE char *buffer = malloc(PG_COPY_BUFFER_BYTES);
    if (pg == NULL || buffer == NULL || !central_prepare_months(pg, &first, 1, &err) ||
        !central_prepare_months(pg, &last, 1, &err))
        die(&err);
    int64_t begin_us = clock_monotonic_us(clock_system());
    for (size_t i = 0; i < bench->count; i++) {
        if (!copy_batch(pg, buffer, NOW_US + (int64_t)(i * rows / CHANNELS) * US_PER_S, rows, &err))
            die(&err);
    }
    printf("{\"seconds\":%.6f,\"rows\":%zu,\"transactions\":%zu}\n",
           (double)(clock_monotonic_us(clock_system()) - begin_us) / US_PER_S, bench->count * rows,
           bench->count);
}

int main(int argc, char **argv)
{
    uint64_t count = 0;
    uint64_t rows = 0;
    uint64_t connections = 2;
    if (argc < 5 || !text_parse_u64(view_of(argv[3]), JOBS_MAX, &count) || count == 0 ||
        !text_parse_u64(view_of(argv[4]), CENTRAL_BATCH_ROWS, &rows) ||
        (argc > 5 && !text_parse_u64(view_of(argv[5]), CONNECTIONS_MAX, &connections))) {
        fprintf(stderr, "usage: write_jobs URL live|gap|copy JOBS ROWS [CONNECTIONS]\n");
        return 2;
    }
    struct bench bench = {.url = argv[1], .count = count};
    if (strcmp(argv[2], "copy") == 0)
        run_copy(&bench, rows);
    else
        run_writer(&bench, strcmp(argv[2], "live") == 0, rows, connections);
    return 0;
}
