#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/json.h"
#include "server_tools/sync_service/listing.h"
#include "tests/harness/test_postgres.h"

enum { OUT_MAX_BYTES = 64 * 1024 };

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

struct world {
    struct test_postgres database;
    struct pg *pg;
};

static int set_up(void **state)
{
    struct world *world = calloc(1, sizeof(*world));
    struct error err = {0};
    assert_non_null(world);
    assert_true(test_postgres_make(&world->database));
    world->pg = pg_open(world->database.url, "unit test", &err);
    *state = world;
    return world->pg == NULL;
}

static int tear_down(void **state)
{
    struct world *world = *state;
    pg_close(world->pg);
    assert_true(test_postgres_drop(&world->database));
    free(world);
    return 0;
}

#define VEHICLES                                                                                             \
    {                                                                                                        \
        .member = "vehicles",                                                                                \
        .sql = "SELECT * FROM (VALUES (1, 'Жук', '2026-02-22T10:00:00.5Z', 0.25, 'x'),"                   \
               " (12, E'a\\tb\\x1b[31m', NULL, NULL, 'y')) AS v(id, name, seen_at, share, secret)",          \
        .columns = "id,name,seen_at,share", .empty = "no vehicles"                                           \
    }
#define NOBODY                                                                                               \
    {                                                                                                        \
        .member = "rules", .sql = "SELECT 1 AS id WHERE false", .columns = "id", .empty = "no rules"         \
    }

static void check(struct world *world, const struct listing *listings, size_t count, bool as_json,
                  const char *want)
{
    struct error err = {0};
    SCOPE_BUF struct buf out = BUF_LIMIT(OUT_MAX_BYTES);
    if (!listing_print(world->pg, listings, count, as_json, &out, &err))
        fail_msg("%s", err.text);
    assert_string_equal(buf_text(&out), want);
}

/* Columns stand below each other by characters; what is not for people is left out; nothing harms a terminal.
 */
static void people_read_columns(void **state)
{
    static const struct listing listings[] = {VEHICLES, NOBODY};
    check(*state, listings, COUNT_OF(listings), false,
          "id  name      seen_at              share\n"
          "1   Жук       2026-02-22T10:00:00  0.25\n"
          "12  a?b?[31m  -                    -\n"
          "\n"
          "no rules\n");
}

static void programs_read_one_object_with_everything(void **state)
{
    static const struct listing listings[] = {VEHICLES, NOBODY};
    static const char *const rows[] = {
        "{\"id\":1,\"name\":\"Жук\",\"seen_at\":\"2026-02-22T10:00:00.5Z\",\"share\":0.25,\"secret\":\"x\"}",
        "{\"id\":12,\"name\":\"a\\tb\\u001b[31m\",\"seen_at\":null,\"share\":null,\"secret\":\"y\"}"};
    struct world *world = *state;
    struct error err = {0};
    SCOPE_BUF struct buf out = BUF_LIMIT(OUT_MAX_BYTES);
    assert_true(listing_print(world->pg, listings, COUNT_OF(listings), true, &out, &err));
    SCOPE_JSON struct json *json = json_parse(buf_view(&out), OUT_MAX_BYTES, &err);
    assert_non_null(json);
    assert_int_equal(json_count(json_root(json)), COUNT_OF(listings));
    struct json_value row = {0};
    size_t count = 0;
    while (json_next(json_member(json_root(json), "vehicles"), &row, NULL)) {
        assert_true(count < COUNT_OF(rows));
        assert_true(view_is(json_raw(row), rows[count++]));
    }
    assert_int_equal(count, COUNT_OF(rows));
    assert_true(view_is(json_raw(json_member(json_root(json), "rules")), "[]"));
}

static void a_time_is_rfc_3339_in_utc(void **state)
{
    static const struct listing listing = {
        .member = "times",
        .sql = "SELECT " LISTING_TIME("t.at") " AS at FROM (VALUES"
                                              " (timestamptz '2026-02-22 12:00:00.000001+02')) AS t(at)",
        .columns = "at",
        .empty = "none"};
    check(*state, &listing, 1, true, "{\"times\":[{\"at\":\"2026-02-22T10:00:00.000001Z\"}]}\n");
    check(*state, &listing, 1, false, "at\n2026-02-22T10:00:00\n");
}

/* Whoever reads lists sees the whole fleet; the connection is as before when it is over. */
static void it_sees_as_a_superuser_in_its_own_transaction_alone(void **state)
{
    static const struct listing role = {.member = "roles",
                                        .sql = "SELECT current_setting('app.user_role', true) AS role",
                                        .columns = "role",
                                        .empty = "none"};
    static const struct listing wrong = {
        .member = "wrong", .sql = "SELECT nonsense", .columns = "a", .empty = "none"};
    struct world *world = *state;
    struct error err = {0};
    SCOPE_BUF struct buf out = BUF_LIMIT(OUT_MAX_BYTES);
    check(world, &role, 1, false, "role\nsuperuser\n");
    assert_false(listing_print(world->pg, &wrong, 1, false, &out, &err));
    assert_int_not_equal(err.code, ERR_NONE);
    check(world, &role, 1, false, "role\nsuperuser\n"); /* the transaction that failed is over */
    SCOPE_PG_RESULT struct pg_result *after = pg_query(
        world->pg, "SELECT coalesce(current_setting('app.user_role', true), '')", NULL, 0, false, &err);
    assert_non_null(after);
    assert_true(view_is(pg_value(after, 0, 0), ""));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(people_read_columns),
        TEST(programs_read_one_object_with_everything),
        TEST(a_time_is_rfc_3339_in_utc),
        TEST(it_sees_as_a_superuser_in_its_own_transaction_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
