#include "tests/unit/collector/fixture.h"

#include "collector/store_reader.h"

/* What is open at a test's turn; the writer stays open, as the collector's. */
struct stage {
    struct store_writer *writer;
    struct store_reader *reader;
};

static struct stage stage_of(const struct fixture *fixture)
{
    struct error err;
    struct store_writer_spec spec = fixture_spec(fixture);
    struct stage stage = {.writer = store_writer_open(&spec, &err)};
    assert_non_null(stage.writer);
    stage.reader = store_reader_open(fixture->folder, &err);
    assert_non_null(stage.reader);
    return stage;
}

static void stage_clear(struct stage *stage)
{
    store_reader_close(stage->reader);
    store_writer_close(stage->writer);
}

static void run_sql(const struct stage *stage, const char *sql)
{
    struct error err;
    if (!db_exec(store_writer_db(stage->writer), sql, &err))
        fail_msg("%s: %s", sql, err.text);
}

/* Readings at the seqs between, so that none is an alarm's. Raised at 100 * n, open every third. */
static void add_seven(const struct stage *stage)
{
    run_sql(stage,
            "INSERT INTO alarms (alarm_id, seq, channel_id, severity, message, raised_us, resolved_us)"
            " VALUES (100, 2, 1, 'warning', 'one', 100, 150), (200, 4, 2, 'critical', 'two', 200, NULL),"
            " (300, 14, 1, NULL, NULL, 300, 900), (400, 8, 1, 'info', 'four', 400, 450),"
            " (500, 10, 2, 'warning', 'five', 500, NULL), (600, 12, 1, 'warning', 'six', 600, 650),"
            " (601, 13, 2, 'warning', 'seven', 600, 650);"
            "INSERT INTO readings VALUES (1, 100, 1, 1), (3, 200, 1, 2), (9, 450, 1, 3), (15, 900, 1, 4)");
}

static struct store_range range_of(const struct stage *stage, int64_t after, int64_t since_us, int64_t limit)
{
    struct error err;
    struct store_range range = {0};
    if (!store_alarm_range(stage->reader, after, since_us, limit, &range, &err))
        fail_msg("%s", err.text);
    return range;
}

static void a_range_counts_alarms_alone(void **state)
{
    struct stage stage = stage_of(*state);
    struct store_range range = range_of(&stage, 0, INT64_MIN, 0);
    assert_int_equal(range.count, 0);
    assert_true(range.first_seq > range.last_seq);
    assert_int_equal(range.first_time_us, INT64_MIN);
    add_seven(&stage);
    const struct {
        int64_t after, since_us, limit, count, first_seq, last_seq, first_us, last_us;
    } table[] = {
        {0, INT64_MIN, 0, 7, 2, 14, 150, 900},      {0, INT64_MIN, 3, 3, 2, 8, 150, 450},
        {4, INT64_MIN, 0, 5, 8, 14, 450, 900},      {4, INT64_MIN, 2, 2, 8, 10, 450, 500},
        {0, 450, 0, 4, 10, 14, 500, 900},           {0, 449, 0, 5, 8, 14, 450, 900},
        {0, 650, 0, 1, 14, 14, 900, 900},           {0, 450, 2, 2, 10, 12, 500, 650},
        {10, 100, 0, 3, 12, 14, 650, 900},          {14, INT64_MIN, 0, 0, 1, 0, INT64_MIN, INT64_MIN},
        {0, 900, 0, 0, 1, 0, INT64_MIN, INT64_MIN},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        range = range_of(&stage, table[i].after, table[i].since_us, table[i].limit);
        assert_int_equal(range.count, table[i].count);
        assert_int_equal(range.first_seq, table[i].first_seq);
        assert_int_equal(range.last_seq, table[i].last_seq);
        assert_int_equal(range.first_time_us, table[i].first_us);
        assert_int_equal(range.last_time_us, table[i].last_us);
        assert_int_equal(range.since_us, table[i].since_us);
    }
    stage_clear(&stage);
}

/* The ids of all alarms of a range, read in chunks, as text. */
static const char *ids_of(const struct stage *stage, const struct store_range *range, size_t chunk)
{
    static char text[256];
    struct store_alarm alarms[8];
    size_t count = 1;
    size_t used = 0;
    text[0] = '\0';
    for (int64_t after = 0; count > 0;) {
        assert_true(store_alarm_range_read(stage->reader, range, after, alarms, chunk, &count, NULL));
        assert_true(count <= chunk);
        for (size_t i = 0; i < count; i++) {
            assert_true(alarms[i].seq > after);
            after = alarms[i].seq;
            used +=
                (size_t)snprintf(text + used, sizeof(text) - used, "%lld ", (long long)alarms[i].alarm_id);
        }
    }
    return text;
}

static void a_range_is_read_whole_in_order_of_seq_in_chunks_of_any_size(void **state)
{
    struct stage stage = stage_of(*state);
    add_seven(&stage);
    struct store_range all = range_of(&stage, 0, INT64_MIN, 0);
    struct store_range later = range_of(&stage, 0, 450, 0);
    struct store_range two = range_of(&stage, 4, INT64_MIN, 2);
    for (size_t chunk = 1; chunk <= 8; chunk++) {
        assert_string_equal(ids_of(&stage, &all, chunk), "100 200 400 500 600 601 300 ");
        assert_string_equal(ids_of(&stage, &later, chunk), "500 600 601 300 ");
        assert_string_equal(ids_of(&stage, &two, chunk), "400 500 ");
    }
    stage_clear(&stage);
}

static void an_alarm_has_all_its_members(void **state)
{
    struct stage stage = stage_of(*state);
    add_seven(&stage);
    struct store_alarm alarms[2];
    size_t count;
    struct store_range range = range_of(&stage, 2, INT64_MIN, 1);
    assert_true(store_alarm_range_read(stage.reader, &range, 2, alarms, 2, &count, NULL));
    assert_int_equal(count, 1);
    assert_int_equal(alarms[0].alarm_id, 200);
    assert_int_equal(alarms[0].channel_id, 2);
    assert_string_equal(alarms[0].severity, "critical");
    assert_string_equal(alarms[0].message, "two");
    assert_int_equal(alarms[0].raised_us, 200);
    assert_int_equal(alarms[0].resolved_us, INT64_MIN);
    range = range_of(&stage, 13, INT64_MIN, 0);
    assert_true(store_alarm_range_read(stage.reader, &range, 13, alarms, 2, &count, NULL));
    assert_int_equal(count, 1);
    assert_string_equal(alarms[0].severity, "");
    assert_string_equal(alarms[0].message, "");
    assert_int_equal(alarms[0].resolved_us, 900);
    stage_clear(&stage);
}

static void one_that_is_resolved_meanwhile_leaves_the_range_and_is_in_the_next(void **state)
{
    struct stage stage = stage_of(*state);
    add_seven(&stage);
    struct store_range range = range_of(&stage, 0, INT64_MIN, 0);
    run_sql(&stage, "UPDATE alarms SET seq = 16, resolved_us = 1000 WHERE alarm_id = 200");
    assert_string_equal(ids_of(&stage, &range, 8), "100 400 500 600 601 300 ");
    range = range_of(&stage, range.last_seq, INT64_MIN, 0);
    assert_string_equal(ids_of(&stage, &range, 8), "200 ");
    stage_clear(&stage);
}

static void those_of_a_time_are_the_ones_that_were_open_in_it_newest_first(void **state)
{
    struct stage stage = stage_of(*state);
    add_seven(&stage);
    const struct {
        int64_t from_us, to_us;
        size_t max;
        const char *ids;
    } table[] = {
        {INT64_MIN, INT64_MAX, 8, "601 600 500 400 300 200 100 "},
        {INT64_MIN, INT64_MAX, 3, "601 600 500 "},
        {0, 99, 8, ""},
        {0, 100, 8, "100 "},
        {150, 150, 8, "100 "},
        {151, 199, 8, ""},
        {460, 490, 8, "300 200 "},
        {901, 2000, 8, "500 200 "},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct store_alarm alarms[8];
        char ids[128] = "";
        size_t count;
        size_t used = 0;
        assert_true(store_alarms_between(stage.reader, table[i].from_us, table[i].to_us, alarms, table[i].max,
                                         &count, NULL));
        for (size_t j = 0; j < count; j++)
            used += (size_t)snprintf(ids + used, sizeof(ids) - used, "%lld ", (long long)alarms[j].alarm_id);
        assert_string_equal(ids, table[i].ids);
    }
    stage_clear(&stage);
}

/* Pages of the store that a reader has looked at so far. */
static int64_t pages_seen(const struct store_reader *reader)
{
    int64_t pages = 0;
    static const int counters[] = {SQLITE_DBSTATUS_CACHE_HIT, SQLITE_DBSTATUS_CACHE_MISS};
    for (size_t i = 0; i < COUNT_OF(counters); i++) {
        int count = 0;
        int peak;
        assert_int_equal(sqlite3_db_status(reader->db, counters[i], &count, &peak, 0), SQLITE_OK);
        pages += count;
    }
    return pages;
}

static void a_question_among_a_hundred_thousand_alarms_looks_at_one_index_alone(void **state)
{
    enum { MANY = 100 * 1000, INDEX_PAGES = 1000 }; /* the table itself has near 3,000 */
    struct stage stage = stage_of(*state);
    struct store_alarm alarms[8];
    char sql[512];
    size_t count;
    snprintf(
        sql, sizeof(sql),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO alarms"
        " (alarm_id, seq, channel_id, severity, message, raised_us, resolved_us) SELECT i * 1000, i, 1,"
        " 'warning', 'engine_temp is 104.2 °C, above its limit of 100 °C', i * 1000, i * 1000 + 500 FROM n",
        MANY);
    run_sql(&stage, sql);
    assert_true(store_writer_checkpoint(stage.writer, true, NULL));
    int64_t before = pages_seen(stage.reader);
    assert_int_equal(range_of(&stage, MANY - 10, INT64_MIN, 0).count, 10);
    int64_t after = pages_seen(stage.reader);
    assert_true(after - before < 50);
    /* one more was raised at that time, and resolved later */
    assert_int_equal(range_of(&stage, 0, MANY * INT64_C(1000) - 10000, 0).count, 11);
    before = pages_seen(stage.reader);
    assert_true(before - after < INDEX_PAGES);
    assert_true(store_alarms_between(stage.reader, MANY * INT64_C(500), MANY * INT64_C(500) + 5000, alarms,
                                     COUNT_OF(alarms), &count, NULL));
    assert_int_equal(count, 6);
    assert_true(pages_seen(stage.reader) - before < INDEX_PAGES);
    stage_clear(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_range_counts_alarms_alone),
        TEST(a_range_is_read_whole_in_order_of_seq_in_chunks_of_any_size),
        TEST(an_alarm_has_all_its_members),
        TEST(one_that_is_resolved_meanwhile_leaves_the_range_and_is_in_the_next),
        TEST(those_of_a_time_are_the_ones_that_were_open_in_it_newest_first),
        TEST(a_question_among_a_hundred_thousand_alarms_looks_at_one_index_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
