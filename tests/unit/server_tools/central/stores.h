/* A fresh central store for each test, once in SQLite and once in PostgreSQL. */
#ifndef TESTS_UNIT_SERVER_TOOLS_CENTRAL_STORES_H
#define TESTS_UNIT_SERVER_TOOLS_CENTRAL_STORES_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/store/db.h"
#include "server_tools/central/central.h"
#include "tests/harness/test_folder.h"
#include "tests/harness/test_postgres.h"

#define STORE "6f9b7b0e-8f3e-4a53-9d53-0f6f3f1d2c11"

/* The first member of a test's own world. */
struct store {
    struct test_folder folder;
    struct test_postgres database;
    char url[PATH_LIMIT_BYTES];
    bool postgres;
    struct clock_fake clock; /* 2026-02-22T10:00:00Z */
    struct central *central;
    int64_t vehicle_id; /* tractor-7, when a test has asked for it */
};

static inline int64_t vehicle_named(struct central *central, const char *client_id)
{
    struct central_vehicle vehicle = {.last_seen_us = INT64_MIN, .last_sync_us = INT64_MIN};
    snprintf(vehicle.client_id, sizeof(vehicle.client_id), "%s", client_id);
    int64_t id = -1;
    assert_true(central_vehicle(central, &vehicle, &id, NULL));
    return id;
}

static inline struct central *open_store(const struct store *store)
{
    struct error err = {0};
    struct central *central = central_open(store->url, &store->clock.clock, &err);
    if (central == NULL)
        fail_msg("%s", err.text);
    return central;
}

static inline void reopen(struct store *store)
{
    central_close(store->central);
    store->central = open_store(store);
}

/* Makes a struct of so many bytes that begins with a struct store; store_remove frees it. */
static inline void *store_make(bool postgres, size_t bytes)
{
    struct store *store = calloc(1, bytes);
    store->postgres = postgres;
    assert_true(test_folder_make(&store->folder));
    clock_fake_init(&store->clock, INT64_C(1771754400000000), 0);
    if (postgres)
        assert_true(test_postgres_make(&store->database));
    snprintf(store->url, sizeof(store->url), "%s",
             postgres ? store->database.url : test_folder_path(&store->folder, "new/central.db").text);
    store->central = open_store(store);
    return store;
}

static inline void store_remove(struct store *store)
{
    central_close(store->central);
    if (store->postgres)
        assert_true(test_postgres_drop(&store->database));
    test_folder_remove(&store->folder);
    free(store);
}

/* What stands for times in microseconds in a question to either store. */
static inline const char *column_of(const struct store *store, struct view word)
{
    static const struct {
        const char *word, *sqlite, *postgres;
    } columns[] = {
        {"time", "time_us", "CAST(extract(epoch FROM time) * 1000000 AS bigint)"},
        {"raised", "raised_us", "CAST(extract(epoch FROM raised_at) * 1000000 AS bigint)"},
        {"resolved", "resolved_us", "CAST(extract(epoch FROM resolved_at) * 1000000 AS bigint)"},
    };
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        if (view_is(word, columns[i].word))
            return store->postgres ? columns[i].postgres : columns[i].sqlite;
    }
    fail_msg("no column {%.*s}", VIEW_ARG(word));
    return "";
}

static inline int64_t ask_postgres(const struct store *store, const char *sql)
{
    int64_t value = -1;
    struct error err = {0};
    SCOPE_PG struct pg *pg = pg_open(store->url, "unit test", &err);
    SCOPE_PG_RESULT struct pg_result *result = pg == NULL ? NULL : pg_query(pg, sql, NULL, 0, false, &err);
    if (result == NULL)
        fail_msg("%s", err.text);
    return pg_rows(result) == 1 && pg_i64(result, 0, 0, &value, &err) ? value : -1;
}

/* A whole number as somebody else with sqlite3 or psql sees it; -1: NULL, or no row. */
static inline int64_t ask(const struct store *store, const char *question)
{
    SCOPE_BUF struct buf sql = BUF_LIMIT(4096);
    struct view rest = view_of(question);
    while (rest.size > 0) {
        buf_append_view(&sql, text_cut(&rest, '{'));
        if (rest.size > 0)
            buf_append_text(&sql, column_of(store, text_cut(&rest, '}')));
    }
    if (store->postgres)
        return ask_postgres(store, buf_text(&sql));
    SCOPE_DB sqlite3 *db = db_open(store->url, DB_READ, NULL);
    int64_t value = -1;
    assert_true(db_query_i64(db, buf_text(&sql), -1, &value, NULL));
    return value;
}

/* Statements as somebody else with sqlite3 or psql runs them. */
static inline void store_run(const struct store *store, const char *sql)
{
    struct error err = {0};
    SCOPE_PG struct pg *pg = store->postgres ? pg_open(store->url, "unit test", &err) : NULL;
    SCOPE_DB sqlite3 *db = store->postgres ? NULL : db_open(store->url, DB_WRITE, &err);
    if (pg != NULL ? !pg_exec(pg, sql, &err) : db == NULL || !db_exec(db, sql, &err))
        fail_msg("%s", err.text);
}

/* A test program says what set_up_sqlite, set_up_postgres and tear_down are. */
#define IN_SQLITE(test)                                                                                      \
    {                                                                                                        \
#test " (SQLite)", test, set_up_sqlite, tear_down, NULL                                              \
    }
#define IN_POSTGRES(test)                                                                                    \
    {                                                                                                        \
#test " (PostgreSQL)", test, set_up_postgres, tear_down, NULL                                        \
    }
#define IN_BOTH(test) IN_SQLITE(test), IN_POSTGRES(test)

#endif
