/* A fresh PostgreSQL database for one unit test, in the cluster that TELEHAUL_TEST_POSTGRES names
 * (tests/harness/with_postgres). A test without one fails. */
#ifndef TESTS_HARNESS_TEST_POSTGRES_H
#define TESTS_HARNESS_TEST_POSTGRES_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/store/pg.h"

enum { TEST_POSTGRES_URL_BYTES = 512, TEST_POSTGRES_NAME_BYTES = 64, TEST_POSTGRES_DROP_S = 20 };

struct test_postgres {
    char url[TEST_POSTGRES_URL_BYTES]; /* of the fresh database */
    char name[TEST_POSTGRES_NAME_BYTES];
};

static inline bool test_postgres_ask(const char *format, const char *name)
{
    char sql[2 * TEST_POSTGRES_NAME_BYTES];
    struct error err = {0};
    SCOPE_PG struct pg *pg = pg_open(getenv("TELEHAUL_TEST_POSTGRES"), "unit test", &err);
    snprintf(sql, sizeof(sql), "%s %s", format, name);
    if (pg != NULL && pg_exec(pg, sql, &err))
        return true;
    fprintf(stderr, "%s\n", err.text);
    return false;
}

static inline bool test_postgres_make(struct test_postgres *database)
{
    const char *url = getenv("TELEHAUL_TEST_POSTGRES");
    if (url == NULL) {
        fprintf(stderr, "this test needs PostgreSQL: run it as tests/harness/with_postgres PROGRAM\n");
        return false;
    }
    snprintf(database->name, sizeof(database->name), "unit_%d_%lld", (int)getpid(),
             (long long)clock_monotonic_us(clock_system()));
    const char *slash = strrchr(url, '/');
    snprintf(database->url, sizeof(database->url), "%.*s/%s", (int)(slash - url), url, database->name);
    return test_postgres_ask("CREATE DATABASE", database->name);
}

/* Until nobody is connected to it any more: the server learns of a closed connection a little later, and DROP
 * DATABASE waits for that no longer than 5 s. */
static inline void test_postgres_wait(const struct test_postgres *database)
{
    struct error err = {0};
    const char *const params[] = {database->name};
    SCOPE_PG struct pg *pg = pg_open(getenv("TELEHAUL_TEST_POSTGRES"), "unit test", &err);
    int64_t end_us = clock_monotonic_us(clock_system()) + TEST_POSTGRES_DROP_S * US_PER_S;
    int64_t there = 1;
    while (pg != NULL && there > 0 && clock_monotonic_us(clock_system()) < end_us) {
        SCOPE_PG_RESULT struct pg_result *result =
            pg_query(pg,
                     "SELECT count(*), pg_sleep(0.01) FROM pg_stat_activity WHERE datname = $1 AND "
                     "backend_type = 'client backend'",
                     params, 1, false, &err);
        if (result == NULL || !pg_i64(result, 0, 0, &there, &err))
            return;
    }
}

/* False when it could not be dropped, among others because a connection to it is still open. */
static inline bool test_postgres_drop(const struct test_postgres *database)
{
    test_postgres_wait(database);
    return test_postgres_ask("DROP DATABASE", database->name);
}

#endif
