/* A fresh central store for each test, once in SQLite and once in PostgreSQL. */
#ifndef TESTS_UNIT_SERVER_TOOLS_CENTRAL_STORES_H
#define TESTS_UNIT_SERVER_TOOLS_CENTRAL_STORES_H

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/store/db.h"
#include "server_tools/central/central.h"
#include "tests/harness/test_folder.h"
#include "tests/harness/test_postgres.h"

#define STORE "6f9b7b0e-8f3e-4a53-9d53-0f6f3f1d2c11"

struct world {
    struct test_folder folder;
    struct test_postgres database;
    char url[PATH_LIMIT_BYTES];
    bool postgres;
    struct clock_fake clock; /* 2026-02-22T10:00:00Z */
    struct central *central;
    int64_t vehicle_id; /* tractor-7 */
};

static inline int64_t vehicle_named(struct central *central, const char *client_id)
{
    struct central_vehicle vehicle = {.last_seen_us = INT64_MIN, .last_sync_us = INT64_MIN};
    snprintf(vehicle.client_id, sizeof(vehicle.client_id), "%s", client_id);
    int64_t id = -1;
    assert_true(central_vehicle(central, &vehicle, &id, NULL));
    return id;
}

static inline struct central *open_store(const struct world *world)
{
    struct error err = {0};
    struct central *central = central_open(world->url, &world->clock.clock, &err);
    if (central == NULL)
        fail_msg("%s", err.text);
    return central;
}

static inline void reopen(struct world *world)
{
    central_close(world->central);
    world->central = open_store(world);
}

static inline int set_up(void **state, bool postgres)
{
    struct world *world = calloc(1, sizeof(*world));
    world->postgres = postgres;
    assert_true(test_folder_make(&world->folder));
    clock_fake_init(&world->clock, INT64_C(1771754400000000), 0);
    if (postgres)
        assert_true(test_postgres_make(&world->database));
    snprintf(world->url, sizeof(world->url), "%s",
             postgres ? world->database.url : test_folder_path(&world->folder, "new/central.db").text);
    world->central = open_store(world);
    world->vehicle_id = vehicle_named(world->central, "tractor-7");
    *state = world;
    return 0;
}

static inline int set_up_sqlite(void **state)
{
    return set_up(state, false);
}

static inline int set_up_postgres(void **state)
{
    return set_up(state, true);
}

static inline int tear_down(void **state)
{
    struct world *world = *state;
    central_close(world->central);
    if (world->postgres)
        assert_true(test_postgres_drop(&world->database));
    test_folder_remove(&world->folder);
    free(world);
    return 0;
}

/* What stands for times in microseconds in a question to either store. */
static inline const char *column_of(const struct world *world, struct view word)
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
            return world->postgres ? columns[i].postgres : columns[i].sqlite;
    }
    fail_msg("no column {%.*s}", VIEW_ARG(word));
    return "";
}

static inline int64_t ask_postgres(const struct world *world, const char *sql)
{
    int64_t value = -1;
    struct error err = {0};
    SCOPE_PG struct pg *pg = pg_open(world->url, "unit test", &err);
    SCOPE_PG_RESULT struct pg_result *result = pg == NULL ? NULL : pg_query(pg, sql, NULL, 0, false, &err);
    if (result == NULL)
        fail_msg("%s", err.text);
    return pg_rows(result) == 1 && pg_i64(result, 0, 0, &value, &err) ? value : -1;
}

/* A whole number as somebody else with sqlite3 or psql sees it; -1: NULL, or no row. */
static inline int64_t ask(const struct world *world, const char *question)
{
    SCOPE_BUF struct buf sql = BUF_LIMIT(4096);
    struct view rest = view_of(question);
    while (rest.size > 0) {
        buf_append_view(&sql, text_cut(&rest, '{'));
        if (rest.size > 0)
            buf_append_text(&sql, column_of(world, text_cut(&rest, '}')));
    }
    if (world->postgres)
        return ask_postgres(world, buf_text(&sql));
    SCOPE_DB sqlite3 *db = db_open(world->url, DB_READ, NULL);
    int64_t value = -1;
    assert_true(db_query_i64(db, buf_text(&sql), -1, &value, NULL));
    return value;
}

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
