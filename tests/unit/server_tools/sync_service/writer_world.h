/* A fresh central database with vehicles, an event loop, a mailbox and a writer, for one test. Made-up
 * vehicles. */
#ifndef TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_WRITER_WORLD_H
#define TESTS_UNIT_SERVER_TOOLS_SYNC_SERVICE_WRITER_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_tools/central/central.h"
#include "server_tools/sync_service/writer.h"
#include "tests/harness/test_postgres.h"

#define WORLD_NOW_US INT64_C(1771754400000000) /* 2026-02-22T10:00:00Z */
#define SECOND_US    INT64_C(1000000)

enum { WORLD_DEADLINE_MS = 200 * 1000, WORLD_JOBS_MAX = 4096, WORLD_QUEUE_BYTES = 64 * 1024 * 1024 };

struct world {
    struct test_postgres database;
    struct pg *pg; /* to look and to disturb */
    struct clock_fake clock;
    struct log log;
    struct loop *loop;
    struct mailbox *mailbox;
    struct writer *writer;
    struct channel_book *books[WORLD_JOBS_MAX];
    size_t wanted, done, failed;
    bool late;
    int64_t order[WORLD_JOBS_MAX]; /* vehicle_ids, as jobs were done */
    struct error error;            /* of the last job that failed */
    int64_t rows_added, rows_quarantined, alarms_added;
};

static inline void world_too_late(void *context, uint64_t times)
{
    struct world *world = context;
    (void)times;
    world->late = true;
    loop_stop(world->loop);
}

static inline void world_sql(struct world *world, const char *sql)
{
    struct error err = {0};
    if (!pg_exec(world->pg, sql, &err))
        fail_msg("%s: %s", sql, err.text);
}

static inline int64_t world_ask(struct world *world, const char *sql)
{
    struct error err = {0};
    int64_t value = INT64_MIN;
    SCOPE_PG_RESULT struct pg_result *result = pg_query(world->pg, sql, NULL, 0, false, &err);
    if (result == NULL || !pg_i64(result, 0, 0, &value, &err))
        fail_msg("%s: %s", sql, err.text);
    return value;
}

/* The first column of the first row as text; "(none)". Valid until the next. */
static inline const char *world_text(struct world *world, const char *sql)
{
    static char text[512];
    struct error err = {0};
    SCOPE_PG_RESULT struct pg_result *result = pg_query(world->pg, sql, NULL, 0, false, &err);
    if (result == NULL)
        fail_msg("%s: %s", sql, err.text);
    bool none = pg_rows(result) == 0 || pg_is_null(result, 0, 0);
    snprintf(text, sizeof(text), "%s", none ? "(none)" : pg_value(result, 0, 0).data);
    return text;
}

/* vehicle_id 1 on: "v1" ... */
static inline void world_vehicles(struct world *world, int count)
{
    char sql[256];
    snprintf(
        sql, sizeof(sql),
        "INSERT INTO vehicles (vehicle_id, client_id, name, host) SELECT n, 'v' || n, 'v' || n, '127.0.0.1'"
        " FROM generate_series(1, %d) AS n",
        count);
    world_sql(world, sql);
}

static inline struct writer *world_writer(struct world *world, const char *url, size_t connections)
{
    struct error err = {0};
    const struct writer_config config = {.db_url = url,
                                         .connections = connections,
                                         .queue_bytes = WORLD_QUEUE_BYTES,
                                         .mailbox = world->mailbox,
                                         .clock = &world->clock.clock,
                                         .log = &world->log};
    struct writer *writer = writer_start(&config, &err);
    if (writer == NULL)
        fail_msg("%s", err.text);
    return writer;
}

/* Until so many connections of a writer's stand, of this user (NULL: of any). */
static inline void world_connected(struct world *world, const char *user, int64_t count)
{
    char sql[512];
    snprintf(sql, sizeof(sql),
             "SELECT count(*), pg_sleep(0.02) FROM pg_stat_activity WHERE datname = current_database()"
             " AND application_name = 'telehaul sync_service' AND usename = coalesce(%s%s%s, usename)"
             " AND state = 'idle' AND (query LIKE 'SET lock_timeout%%' OR query = 'SELECT')",
             user != NULL ? "'" : "", user != NULL ? user : "NULL", user != NULL ? "'" : "");
    while (world_ask(world, sql) < count)
        continue;
}

/* Another writer, as a role of the cluster's that is made with these options where it is not there yet, and
 * may do everything with the tables but change them. DROP OWNED BY it at the end. */
static inline void world_write_as(struct world *world, const char *role, const char *options)
{
    char sql[512];
    char url[TEST_POSTGRES_URL_BYTES];
    snprintf(
        sql, sizeof(sql),
        "DO $$ BEGIN IF to_regrole('%s') IS NULL THEN CREATE ROLE %s LOGIN %s PASSWORD 'made-up'; END IF;"
        " END $$; GRANT ALL ON ALL TABLES IN SCHEMA public TO %s;"
        "GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO %s",
        role, role, options, role, role);
    world_sql(world, sql);
    const char *host = strrchr(world->database.url, '@');
    assert_non_null(host);
    snprintf(url, sizeof(url), "postgresql://%s:made-up%s", role, host);
    writer_stop(world->writer);
    world->writer = world_writer(world, url, 2);
}

static inline struct world *world_make(int vehicles)
{
    struct world *world = calloc(1, sizeof(*world));
    struct error err = {0};
    assert_non_null(world);
    clock_fake_init(&world->clock, WORLD_NOW_US, 0);
    log_init(&world->log, "unit test", &world->clock.clock);
    world->log.fd = -1;
    assert_true(test_postgres_make(&world->database));
    struct central *central = central_open(world->database.url, &world->clock.clock, &err);
    if (central == NULL)
        fail_msg("%s", err.text);
    central_close(central);
    world->pg = pg_open(world->database.url, "unit test", &err);
    assert_non_null(world->pg);
    world_vehicles(world, vehicles);
    world->loop = loop_new(&err);
    assert_non_null(world->loop);
    assert_non_null(loop_timer(world->loop, WORLD_DEADLINE_MS, 0, world_too_late, world, &err));
    world->mailbox = mailbox_new(world->loop, &err);
    assert_non_null(world->mailbox);
    return world;
}

static inline void world_remove(struct world *world)
{
    writer_stop(world->writer);
    mailbox_free(world->mailbox);
    loop_free(world->loop);
    for (size_t i = 0; i < WORLD_JOBS_MAX; i++)
        channel_book_free(world->books[i]);
    pg_close(world->pg);
    assert_true(test_postgres_drop(&world->database));
    free(world);
}

static inline struct channel_book *world_book(struct world *world, int64_t vehicle_id)
{
    struct error err = {0};
    if (world->books[vehicle_id] == NULL)
        world->books[vehicle_id] = channel_book_new(&err);
    assert_non_null(world->books[vehicle_id]);
    return world->books[vehicle_id];
}

static inline void world_job_done(void *context, struct write_job *job, const struct error *err)
{
    struct world *world = context;
    world->order[world->done] = job->vehicle_id;
    if (err != NULL) {
        world->failed++;
        world->error = *err;
    }
    world->rows_added += job->rows_added;
    world->rows_quarantined += job->rows_quarantined;
    world->alarms_added += job->alarms_added;
    write_job_free(job);
    if (++world->done == world->wanted)
        loop_stop(world->loop);
}

static inline struct write_job *world_job(struct world *world, int64_t vehicle_id)
{
    struct error err = {0};
    struct write_job *job = write_job_new(&err);
    assert_non_null(job);
    job->vehicle_id = vehicle_id;
    job->book = world_book(world, vehicle_id);
    job->done = world_job_done;
    job->context = world;
    return job;
}

/* Rows of channels 7, 8 ... by number, a second apart, from first_s seconds before or after now on. */
static inline void world_rows(struct write_job *job, int channels, int64_t first_s, int seconds)
{
    struct error err = {0};
    size_t at = 0;
    job->rows = calloc((size_t)(channels * seconds), sizeof(*job->rows));
    assert_non_null(job->rows);
    for (int i = 0; i < seconds; i++) {
        for (int k = 0; k < channels; k++) {
            int32_t index;
            if (!channel_book_by_id(job->book, 7 + k, &index, &err))
                fail_msg("%s", err.text);
            job->rows[at++] =
                (struct central_row){WORLD_NOW_US + (first_s + i) * SECOND_US, index, (double)i + k};
        }
    }
    job->row_count = at;
}

/* Runs the loop until so many jobs are done, counted from here. */
static inline void world_run(struct world *world, size_t jobs)
{
    struct error err = {0};
    world->wanted = jobs;
    if (world->done < jobs && !loop_run(world->loop, &err))
        fail_msg("%s", err.text);
    assert_false(world->late);
    assert_int_equal(world->done, jobs);
    world->done = 0;
}

/* Puts one job, waits for it, and it must be committed. */
static inline void world_write(struct world *world, struct write_job *job)
{
    world->failed = 0;
    writer_put(world->writer, job);
    world_run(world, 1);
    if (world->failed > 0)
        fail_msg("%s", world->error.text);
}

/* The same, and it must fail. */
static inline const struct error *world_fail(struct world *world, struct write_job *job)
{
    world->failed = 0;
    writer_put(world->writer, job);
    world_run(world, 1);
    assert_int_equal(world->failed, 1);
    return &world->error;
}

#endif
