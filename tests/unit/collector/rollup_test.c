#include "collector/rollup.h"

#include "fixture.h"

#define BUCKET "SELECT count(*) FROM rollups"

static struct store_writer *open_writer(const struct store_writer_spec *spec)
{
    struct error err;
    struct store_writer *writer = store_writer_open(spec, &err);
    assert_non_null(writer);
    return writer;
}

static void write_values(struct store_writer *writer, struct channel_table *channels, const char *channel,
                         int64_t time_us, const double *values, size_t count)
{
    struct error err;
    for (size_t i = 0; i < count; i++) {
        const struct reading reading = reading_of(channels, channel, values[i], time_us + (int64_t)i);
        assert_true(store_writer_write(writer, channels, &reading, 1, &err));
    }
}

static void step(struct store_writer *writer)
{
    struct error err;
    bool behind = true;
    assert_true(rollup_step(writer, &behind, &err));
    assert_false(behind);
}

static double number(struct store_writer *writer, const char *sql)
{
    struct error err;
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(store_writer_db(writer), sql, &err);
    assert_non_null(stmt);
    assert_int_equal(db_step(stmt, &err), DB_STEP_ROW);
    return db_column_double(stmt, 0);
}

static void keeps_the_least_and_the_greatest(void **state)
{
    const struct store_writer_spec spec = fixture_spec(*state);
    struct error err;
    struct channel_table *channels = channel_table_new(&err);
    assert_non_null(channels);
    struct store_writer *writer = open_writer(&spec);
    const double first[] = {3, -1, 7.5, NAN};
    const double later[] = {9};
    write_values(writer, channels, "a", START_US, first, 4);
    write_values(writer, channels, "a", START_US + ROLLUP_US, later, 1);
    step(writer);
    assert_int_equal(number(writer, BUCKET), 2);
    assert_true(number(writer, "SELECT min FROM rollups ORDER BY start_us") == -1);
    assert_true(number(writer, "SELECT max FROM rollups ORDER BY start_us") == 7.5);
    assert_true(number(writer, "SELECT start_us FROM rollups ORDER BY start_us") ==
                (double)rollup_start_us(START_US));
    assert_true(number(writer, "SELECT min FROM rollups ORDER BY start_us DESC") == 9);
    store_writer_close(writer);
    channel_table_free(channels);
}

/* A stretch that was folded before takes what comes late; only nulls stay null. */
static void folds_into_what_is_there(void **state)
{
    const struct store_writer_spec spec = fixture_spec(*state);
    struct error err;
    struct channel_table *channels = channel_table_new(&err);
    assert_non_null(channels);
    struct store_writer *writer = open_writer(&spec);
    const double nothing[] = {NAN};
    const double some[] = {4};
    const double late[] = {-4, 2};
    write_values(writer, channels, "a", START_US, nothing, 1);
    step(writer);
    assert_true(isnan(number(writer, "SELECT min FROM rollups")));
    write_values(writer, channels, "a", START_US + 10, some, 1);
    step(writer);
    assert_true(number(writer, "SELECT min FROM rollups") == 4);
    write_values(writer, channels, "a", START_US + 20, late, 2);
    write_values(writer, channels, "a", START_US + 40, nothing, 1);
    step(writer);
    step(writer);
    assert_true(number(writer, "SELECT min FROM rollups") == -4);
    assert_true(number(writer, "SELECT max FROM rollups") == 4);
    assert_int_equal(number(writer, BUCKET), 1);
    store_writer_close(writer);
    channel_table_free(channels);
}

/* In steps, from where the last run was. */
static void catches_up_in_steps(void **state)
{
    const struct store_writer_spec spec = fixture_spec(*state);
    struct error err;
    enum { ROWS = ROLLUP_STEP_ROWS + 1000 };
    struct channel_table *channels = channel_table_new(&err);
    assert_non_null(channels);
    struct store_writer *writer = open_writer(&spec);
    struct reading *readings = calloc(ROWS, sizeof(*readings));
    assert_non_null(readings);
    for (int i = 0; i < ROWS; i++)
        readings[i] = reading_of(channels, i % 2 == 0 ? "a" : "b", i, START_US + i * INT64_C(1000000));
    assert_true(store_writer_write(writer, channels, readings, ROWS, &err));
    bool behind = false;
    assert_true(rollup_step(writer, &behind, &err));
    assert_true(behind);
    store_writer_close(writer);
    writer = open_writer(&spec);
    step(writer);
    assert_true(number(writer, "SELECT max(max) FROM rollups") == ROWS - 1);
    assert_true(number(writer,
                       "SELECT count(*) FROM rollups r WHERE r.max <> (SELECT max(value) FROM readings"
                       " WHERE channel_id = r.channel_id AND time_us >= r.start_us"
                       " AND time_us < r.start_us + 30000000)") == 0);
    free(readings);
    store_writer_close(writer);
    channel_table_free(channels);
}

static void forgets_what_is_gone(void **state)
{
    const struct store_writer_spec spec = fixture_spec(*state);
    struct error err;
    struct channel_table *channels = channel_table_new(&err);
    assert_non_null(channels);
    struct store_writer *writer = open_writer(&spec);
    struct rollup rollup = {INT64_MIN};
    const double values[] = {1};
    for (int i = 0; i < 4; i++)
        write_values(writer, channels, i % 2 == 0 ? "a" : "b", START_US + i * ROLLUP_US, values, 1);
    step(writer);
    assert_true(rollup_forget(&rollup, writer, &err));
    assert_int_equal(number(writer, BUCKET), 4);
    assert_true(db_exec(store_writer_db(writer), "DELETE FROM readings WHERE seq <= 3", &err));
    assert_true(rollup_forget(&rollup, writer, &err));
    assert_int_equal(number(writer, BUCKET), 1);
    assert_true(number(writer, "SELECT start_us FROM rollups") ==
                (double)rollup_start_us(START_US + 3 * ROLLUP_US));
    assert_true(db_exec(store_writer_db(writer), "DELETE FROM readings", &err));
    assert_true(rollup_forget(&rollup, writer, &err));
    assert_int_equal(number(writer, BUCKET), 0);
    store_writer_close(writer);
    channel_table_free(channels);
}

static void begins_before_1970_too(void **state)
{
    (void)state;
    assert_int_equal(rollup_start_us(0), 0);
    assert_int_equal(rollup_start_us(ROLLUP_US - 1), 0);
    assert_int_equal(rollup_start_us(-1), -ROLLUP_US);
    assert_int_equal(rollup_start_us(-ROLLUP_US), -ROLLUP_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keeps_the_least_and_the_greatest),
        TEST(folds_into_what_is_there),
        TEST(catches_up_in_steps),
        TEST(forgets_what_is_gone),
        TEST(begins_before_1970_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
