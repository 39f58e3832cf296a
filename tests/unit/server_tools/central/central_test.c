#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "common/os/file.h"
#include "common/store/db.h"
#include "server_tools/central/central.h"

#define STORE "6f9b7b0e-8f3e-4a53-9d53-0f6f3f1d2c11"

/* A folder of its own for each test, with a central store in it. */
struct world {
    char folder[32];
    struct path path;
    struct clock_fake clock;
    struct central *central;
    int64_t vehicle_id;
};

static int64_t vehicle_named(struct central *central, const char *client_id)
{
    struct central_vehicle vehicle = {.last_seen_us = INT64_MIN, .last_sync_us = INT64_MIN};
    snprintf(vehicle.client_id, sizeof(vehicle.client_id), "%s", client_id);
    int64_t id = -1;
    assert_true(central_vehicle(central, &vehicle, &id, NULL));
    return id;
}

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    memcpy(world->folder, "/tmp/central_XXXXXX", sizeof("/tmp/central_XXXXXX"));
    assert_non_null(mkdtemp(world->folder));
    assert_true(path_join(&world->path, world->folder, "new/central.db", NULL));
    clock_fake_init(&world->clock, INT64_C(1771754400000000), 0);
    struct error err = {0};
    world->central = central_open(world->path.text, &world->clock.clock, &err);
    if (world->central == NULL)
        fail_msg("%s", err.text);
    world->vehicle_id = vehicle_named(world->central, "tractor-7");
    *state = world;
    return 0;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    central_close(world->central);
    static const char *const names[] = {"new/central.db", "new/central.db-wal", "new/central.db-shm", "new",
                                        ""};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        struct path path;
        assert_true(path_printf(&path, NULL, "%s/%s", world->folder, names[i]));
        remove(path.text);
    }
    free(world);
    return 0;
}

static void reopen(struct world *world)
{
    central_close(world->central);
    world->central = central_open(world->path.text, &world->clock.clock, NULL);
    assert_non_null(world->central);
}

/* The rows as somebody with sqlite3 sees them. */
static int64_t ask(const struct world *world, const char *sql)
{
    SCOPE_DB sqlite3 *db = db_open(world->path.text, DB_READ, NULL);
    int64_t value = -1;
    assert_true(db_query_i64(db, sql, -1, &value, NULL));
    return value;
}

static void vehicles_are_found_again(void **state)
{
    struct world *world = *state;
    assert_int_equal(vehicle_named(world->central, "tractor-7"), world->vehicle_id);
    int64_t other = vehicle_named(world->central, "press-1");
    assert_int_not_equal(other, world->vehicle_id);
    reopen(world);
    assert_int_equal(vehicle_named(world->central, "press-1"), other);
}

static void what_is_not_known_stays(void **state)
{
    struct world *world = *state;
    struct central_vehicle vehicle = {.client_id = "tractor-7",
                                      .host = "10.0.0.7",
                                      .agent_port = 9876,
                                      .software_version = "1.0.0",
                                      .last_seen_us = 1000000,
                                      .last_sync_us = INT64_MIN,
                                      .sync_status = "ok"};
    int64_t id;
    assert_true(central_vehicle(world->central, &vehicle, &id, NULL));
    vehicle_named(world->central, "tractor-7");
    assert_int_equal(ask(world,
                         "SELECT host = '10.0.0.7' AND agent_port = 9876 AND software_version = '1.0.0'"
                         " AND last_seen_at = '1970-01-01T00:00:01.000000Z' AND last_sync_at IS NULL"
                         " AND sync_status = 'ok' AND kind = 'vehicle' AND name = client_id FROM vehicles"),
                     1);
}

static void channels_are_numbered_in_each_vehicle(void **state)
{
    struct world *world = *state;
    int64_t other = vehicle_named(world->central, "press-1");
    int64_t id;
    assert_true(central_channel(world->central, world->vehicle_id, VIEW_LITERAL("rpm"), &id, NULL));
    assert_int_equal(id, 1);
    assert_true(central_channel(world->central, world->vehicle_id, VIEW_LITERAL("speed"), &id, NULL));
    assert_int_equal(id, 2);
    assert_true(central_channel(world->central, other, VIEW_LITERAL("speed"), &id, NULL));
    assert_int_equal(id, 1);
    reopen(world);
    assert_true(central_channel(world->central, world->vehicle_id, VIEW_LITERAL("speed"), &id, NULL));
    assert_int_equal(id, 2);
}

static void rows_and_cursor_come_together(void **state)
{
    struct world *world = *state;
    struct central_row rows[] = {{2000, 2, 1.5}, {1000, 1, NAN}, {1000, 2, -0.25}, {1000, 1, 7}};
    int64_t seq = -1;
    assert_true(central_cursor(world->central, world->vehicle_id, STORE, "readings", &seq, NULL));
    assert_int_equal(seq, 0);
    int64_t added = -1;
    assert_true(central_add(world->central, world->vehicle_id, STORE, 40, rows, 4, &added, NULL));
    assert_int_equal(added, 3);
    assert_true(central_cursor(world->central, world->vehicle_id, STORE, "readings", &seq, NULL));
    assert_int_equal(seq, 40);
    assert_int_equal(ask(world, "SELECT count(*) FROM measurements WHERE value IS NULL AND channel_id = 1"),
                     1);
    assert_int_equal(ask(world, "SELECT time_us FROM measurements WHERE value = 1.5"), 2000);
}

static void repeated_rows_change_nothing(void **state)
{
    struct world *world = *state;
    struct central_row rows[] = {{1000, 1, 1}, {2000, 1, 2}};
    struct central_row again[] = {{2000, 1, 99}, {3000, 1, 3}};
    int64_t added = -1;
    assert_true(central_add(world->central, world->vehicle_id, STORE, 2, rows, 2, &added, NULL));
    assert_true(central_add(world->central, world->vehicle_id, STORE, 3, again, 2, &added, NULL));
    assert_int_equal(added, 1);
    assert_int_equal(ask(world, "SELECT sum(value) FROM measurements"), 6);
    assert_true(central_add(world->central, world->vehicle_id, STORE, 3, again, 2, &added, NULL));
    assert_int_equal(added, 0);
}

static void the_cursor_never_moves_back(void **state)
{
    struct world *world = *state;
    struct central_row row = {1000, 1, 1};
    int64_t added;
    int64_t seq = -1;
    assert_true(central_add(world->central, world->vehicle_id, STORE, 50, &row, 1, &added, NULL));
    assert_true(central_add(world->central, world->vehicle_id, STORE, 20, &row, 1, &added, NULL));
    assert_true(central_add(world->central, world->vehicle_id, NULL, 90, &row, 1, &added, NULL));
    assert_true(central_cursor(world->central, world->vehicle_id, STORE, "readings", &seq, NULL));
    assert_int_equal(seq, 50);
    assert_true(central_cursor(world->central, world->vehicle_id, "another store", "readings", &seq, NULL));
    assert_int_equal(seq, 0);
    assert_true(central_cursor(world->central, world->vehicle_id, STORE, "alarms", &seq, NULL));
    assert_int_equal(seq, 0);
}

static void a_batch_that_is_too_large_is_a_bug(void **state)
{
    struct world *world = *state;
    SCOPE_FREE struct central_row *rows = calloc(CENTRAL_BATCH_ROWS + 1, sizeof(*rows));
    int64_t added;
    struct error err = {0};
    assert_false(
        central_add(world->central, world->vehicle_id, STORE, 1, rows, CENTRAL_BATCH_ROWS + 1, &added, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
}

static void the_journal_forgets_after_30_days(void **state)
{
    struct world *world = *state;
    struct central_journal entry = {
        .vehicle_id = world->vehicle_id, .status = "ok", .rows_written = 5, .bytes = 60, .note = "one"};
    for (int day = 0; day < 40; day++) {
        entry.started_us = clock_utc_us(&world->clock.clock);
        entry.finished_us = entry.started_us + US_PER_S;
        assert_true(central_journal(world->central, &entry, NULL));
        clock_fake_advance(&world->clock, INT64_C(86400) * US_PER_S);
    }
    assert_int_equal(ask(world, "SELECT count(*) FROM sync_journal"), 31);
    entry.status = "nonsense";
    assert_false(central_journal(world->central, &entry, NULL));
    assert_int_equal(ask(world, "SELECT count(*) FROM sync_journal"), 31);
}

static void counts_of_one_vehicle(void **state)
{
    struct world *world = *state;
    int64_t other = vehicle_named(world->central, "press-1");
    struct central_row rows[] = {{1000, 1, 1}, {2000, 1, 2}};
    int64_t id;
    int64_t added;
    int64_t row_count = -1;
    int64_t channels = -1;
    assert_true(central_channel(world->central, world->vehicle_id, VIEW_LITERAL("rpm"), &id, NULL));
    assert_true(central_add(world->central, world->vehicle_id, STORE, 2, rows, 2, &added, NULL));
    assert_true(central_add(world->central, other, STORE, 2, rows, 1, &added, NULL));
    assert_true(central_count(world->central, world->vehicle_id, &row_count, &channels, NULL));
    assert_int_equal(row_count, 2);
    assert_int_equal(channels, 1);
}

static void what_is_no_sqlite_file_is_refused(void **state)
{
    struct world *world = *state;
    static const char *const urls[] = {"postgresql://db/telehaul", "postgres://db", "http://x", ""};
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        struct error err = {0};
        assert_null(central_open(urls[i], &world->clock.clock, &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    struct error err = {0};
    assert_null(central_open("postgresql://db/telehaul", &world->clock.clock, &err));
    assert_non_null(strstr(err.text, "SQLite only"));
}

static void client_ids(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",   "127.0.0.1", "tractor_7-B",
        "...", "-",         "0123456789012345678901234567890123456789012345678901234567890123"};
    static const char *const bad[] = {
        "",    ".",   "..",
        "a/b", "a b", "\xd1\x82",
        "a\n", "a:b", "01234567890123456789012345678901234567890123456789012345678901234"};
    for (size_t i = 0; i < COUNT_OF(good); i++)
        assert_true(central_client_id_ok(good[i]));
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(central_client_id_ok(bad[i]));
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(vehicles_are_found_again),
        IN_A_WORLD(what_is_not_known_stays),
        IN_A_WORLD(channels_are_numbered_in_each_vehicle),
        IN_A_WORLD(rows_and_cursor_come_together),
        IN_A_WORLD(repeated_rows_change_nothing),
        IN_A_WORLD(the_cursor_never_moves_back),
        IN_A_WORLD(a_batch_that_is_too_large_is_a_bug),
        IN_A_WORLD(the_journal_forgets_after_30_days),
        IN_A_WORLD(counts_of_one_vehicle),
        IN_A_WORLD(what_is_no_sqlite_file_is_refused),
        cmocka_unit_test(client_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
