#include "tests/unit/collector/fixture.h"

#include "collector/retention.h"

#define DAY_US (INT64_C(86400) * US_PER_S)

static struct store_writer *open_store(struct fixture *fixture)
{
    struct store_writer_spec spec = fixture_spec(fixture);
    struct store_writer *writer = store_writer_open(&spec, NULL);
    assert_non_null(writer);
    return writer;
}

/* Adds count readings from first_us on, a second apart. */
static void add(struct store_writer *writer, int64_t first_us, int count)
{
    struct error err;
    char sql[512];
    snprintf(sql, sizeof(sql),
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n LIMIT %d) INSERT INTO readings"
             " SELECT NULL, %lld + i * 1000000, 1, i FROM n",
             count, (long long)first_us);
    if (!db_exec(store_writer_db(writer), sql, &err))
        fail_msg("%s", err.text);
}

static int64_t left(void)
{
    return query("telemetry.db", "SELECT count(*) FROM readings");
}

static int64_t by_age(struct store_writer *writer)
{
    int64_t deleted = -1;
    assert_true(retention_by_age(writer, START_US - 30 * DAY_US, START_US, &deleted, NULL));
    return deleted;
}

static void the_old_go_in_chunks_and_the_young_stay(void **state)
{
    struct store_writer *writer = open_store(*state);
    add(writer, START_US - 40 * DAY_US, 12000);
    add(writer, START_US - DAY_US, 100);
    assert_int_equal(by_age(writer), RETENTION_CHUNK_ROWS);
    assert_int_equal(left(), 7100);
    assert_int_equal(query("telemetry.db", "SELECT min(seq) FROM readings"), RETENTION_CHUNK_ROWS + 1);
    assert_int_equal(by_age(writer), RETENTION_CHUNK_ROWS);
    assert_int_equal(by_age(writer), 2000);
    assert_int_equal(by_age(writer), 0);
    assert_int_equal(left(), 100);
    store_writer_close(writer);
}

static void an_empty_store_has_nothing_to_delete(void **state)
{
    struct store_writer *writer = open_store(*state);
    int64_t deleted = -1;
    assert_int_equal(by_age(writer), 0);
    assert_true(retention_make_room(writer, &deleted, NULL));
    assert_int_equal(deleted, 0);
    store_writer_close(writer);
}

/* Readings of a boot without a clock are the newest there are, whatever their stamp says. */
static void readings_stamped_1970_are_not_deleted_for_their_stamp(void **state)
{
    struct store_writer *writer = open_store(*state);
    add(writer, START_US - 2 * DAY_US, 50);
    add(writer, 5 * (int64_t)US_PER_S, 50);
    assert_int_equal(by_age(writer), 0);
    assert_int_equal(left(), 100);
    store_writer_close(writer);
}

static void a_clock_that_was_behind_for_a_while_costs_no_younger_reading(void **state)
{
    struct store_writer *writer = open_store(*state);
    add(writer, START_US - 2 * DAY_US, 50);
    add(writer, START_US - 300 * DAY_US, 50); /* plausible, but written after the others */
    assert_int_equal(by_age(writer), 0);
    assert_int_equal(left(), 100);
    store_writer_close(writer);
}

static void readings_that_cannot_be_judged_go_with_the_old_ones_behind_them(void **state)
{
    struct store_writer *writer = open_store(*state);
    add(writer, START_US + 9000 * DAY_US, 20000); /* the clock was mad then */
    add(writer, START_US - 40 * DAY_US, 10);
    add(writer, START_US - DAY_US, 10);
    for (int i = 0; i < 10; i++)
        by_age(writer);
    assert_int_equal(left(), 10);
    store_writer_close(writer);
}

static void readings_that_cannot_be_judged_stay_when_what_follows_is_young(void **state)
{
    struct store_writer *writer = open_store(*state);
    add(writer, START_US + 9000 * DAY_US, 20000);
    add(writer, START_US - DAY_US, 10);
    assert_int_equal(by_age(writer), 0);
    assert_int_equal(left(), 20010);
    store_writer_close(writer);
}

static void by_size_the_oldest_go_until_enough_pages_are_free(void **state)
{
    struct store_writer *writer = open_store(*state);
    struct store_size size;
    add(writer, START_US - DAY_US, 60000);
    assert_true(store_writer_size(writer, &size, NULL));
    int64_t max_bytes = size.used_bytes / 2;
    int64_t deleted = 1;
    int chunks = 0;
    while (deleted > 0) {
        assert_true(retention_by_size(writer, max_bytes, &deleted, NULL));
        assert_true(deleted <= RETENTION_CHUNK_ROWS);
        chunks++;
    }
    assert_true(store_writer_size(writer, &size, NULL));
    assert_true(size.used_bytes <= max_bytes);
    assert_in_range(chunks, 6, 9);
    assert_true(left() > 20000);
    assert_int_equal(query("telemetry.db", "SELECT max(seq) FROM readings"), 60000);
    int64_t file_bytes = size.file_bytes;
    add(writer, START_US, 20000); /* into the pages that were freed */
    assert_true(store_writer_size(writer, &size, NULL));
    assert_int_equal(size.file_bytes, file_bytes);
    store_writer_close(writer);
}

static void alarms_that_are_over_go_with_the_readings_of_their_time(void **state)
{
    struct error err;
    struct store_writer *writer = open_store(*state);
    add(writer, START_US - 40 * DAY_US, 6000);
    assert_true(db_exec(store_writer_db(writer),
                        "INSERT INTO alarms (alarm_id, seq, channel_id, raised_us, resolved_us) VALUES"
                        " (1, 6001, 1, 1, 2), (2, 6003, 1, 1, NULL)",
                        &err));
    assert_true(db_exec(store_writer_db(writer), "INSERT INTO readings VALUES (6002, 7, 1, 1)", &err));
    add(writer, START_US - 39 * DAY_US, 1);
    add(writer, START_US - DAY_US, 100);
    assert_true(db_exec(store_writer_db(writer),
                        "INSERT INTO alarms (alarm_id, seq, channel_id, raised_us, resolved_us) VALUES"
                        " (3, 7000, 1, 1, 2)",
                        &err));
    assert_int_equal(by_age(writer), RETENTION_CHUNK_ROWS);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM alarms"), 3);
    assert_int_equal(by_age(writer), 1002);
    assert_int_equal(left(), 100);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM alarms WHERE alarm_id IN (2, 3)"), 2);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM alarms"), 2);
    store_writer_close(writer);
}

/* Every reading is an alarm that is over: they take more room than the readings. */
static void by_size_alarms_do_not_defeat_the_limit(void **state)
{
    struct error err;
    struct store_size size;
    int64_t deleted = 1;
    struct store_writer *writer = open_store(*state);
    add(writer, START_US - DAY_US, 40000);
    assert_true(
        db_exec(store_writer_db(writer),
                "UPDATE readings SET seq = -2 * seq; UPDATE readings SET seq = -seq;"
                "INSERT INTO alarms (alarm_id, seq, channel_id, message, raised_us, resolved_us) SELECT seq,"
                " seq + 1, 1, 'made up, and of the length that a message usually has', 1, 2 FROM readings",
                &err));
    assert_true(store_writer_size(writer, &size, NULL));
    int64_t max_bytes = size.used_bytes / 3;
    while (deleted > 0)
        assert_true(retention_by_size(writer, max_bytes, &deleted, NULL));
    assert_true(store_writer_size(writer, &size, NULL));
    assert_true(size.used_bytes <= max_bytes);
    assert_true(left() > 8000);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM alarms"), left() + 1);
    store_writer_close(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_old_go_in_chunks_and_the_young_stay),
        TEST(an_empty_store_has_nothing_to_delete),
        TEST(readings_stamped_1970_are_not_deleted_for_their_stamp),
        TEST(a_clock_that_was_behind_for_a_while_costs_no_younger_reading),
        TEST(readings_that_cannot_be_judged_go_with_the_old_ones_behind_them),
        TEST(readings_that_cannot_be_judged_stay_when_what_follows_is_young),
        TEST(alarms_that_are_over_go_with_the_readings_of_their_time),
        TEST(by_size_alarms_do_not_defeat_the_limit),
        TEST(by_size_the_oldest_go_until_enough_pages_are_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
