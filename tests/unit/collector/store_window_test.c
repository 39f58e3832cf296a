#include "tests/unit/collector/fixture.h"

#include "collector/kept_reader.h"
#include "collector/store_reader.h"

enum { FEW_ROWS = 16 };

struct stage {
    struct store_writer *writer;
    struct store_reader *reader;
};

static void run_sql(const struct stage *stage, const char *sql)
{
    struct error err;
    if (!db_exec(store_writer_db(stage->writer), sql, &err))
        fail_msg("%s: %s", sql, err.text);
}

/* Made up: times 100 to 104, two of them late, two channels at one time. */
static struct stage stage_of(const struct fixture *fixture)
{
    struct error err;
    struct store_writer_spec spec = fixture_spec(fixture);
    struct stage stage = {.writer = store_writer_open(&spec, &err)};
    assert_non_null(stage.writer);
    stage.reader = store_reader_open(fixture->folder, &err);
    assert_non_null(stage.reader);
    run_sql(&stage,
            "INSERT INTO readings VALUES (1, 102, 2, 1), (2, 102, 1, NULL), (3, 104, 1, 3), (5, 100, 1, 4),"
            " (6, 101, 7, 5)");
    return stage;
}

static void stage_clear(struct stage *stage)
{
    store_reader_close(stage->reader);
    store_writer_close(stage->writer);
}

static struct store_window window_of(const struct stage *stage, int64_t from_us, int64_t to_us, int64_t max)
{
    struct error err;
    struct store_window window = {0};
    if (!store_window_open(stage->reader, from_us, to_us, max, &window, &err))
        fail_msg("%s", err.text);
    return window;
}

/* The seqs of the whole window, read `step` rows at a time, as one text. */
static void expect_seqs(const struct stage *stage, const struct store_window *window, size_t step,
                        const char *expected)
{
    struct store_row rows[FEW_ROWS];
    struct store_row last;
    struct error err;
    char text[128] = "";
    size_t count = 0;
    bool any = false;
    do {
        assert_true(store_window_read(stage->reader, window, any ? &last : NULL, rows, step, &count, &err));
        for (size_t i = 0; i < count; i++)
            snprintf(text + strlen(text), sizeof(text) - strlen(text), "%lld ", (long long)rows[i].seq);
        if (count > 0)
            last = rows[count - 1];
        any = any || count > 0;
    } while (count > 0);
    assert_string_equal(text, expected);
}

static void rows_come_in_order_of_time_and_channel(void **state)
{
    struct stage stage = stage_of(*state);
    struct store_window window = window_of(&stage, 100, 105, 10);
    assert_int_equal(window.count, 5);
    assert_false(window.truncated);
    for (size_t step = 1; step <= 6; step++)
        expect_seqs(&stage, &window, step, "5 6 2 1 3 ");
    stage_clear(&stage);
}

static void from_is_inside_and_to_is_not(void **state)
{
    struct stage stage = stage_of(*state);
    struct store_window window = window_of(&stage, 101, 104, 10);
    expect_seqs(&stage, &window, 2, "6 2 1 ");
    window = window_of(&stage, 102, 102, 10);
    assert_int_equal(window.count, 0);
    expect_seqs(&stage, &window, 2, "");
    stage_clear(&stage);
}

static void more_than_asked_for_is_said(void **state)
{
    static const struct {
        int64_t max, count;
        bool truncated;
    } cases[] = {{4, 4, true}, {5, 5, false}, {6, 5, false}, {1, 1, true}};
    struct stage stage = stage_of(*state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct store_window window = window_of(&stage, 0, 1000, cases[i].max);
        assert_int_equal(window.count, cases[i].count);
        assert_int_equal(window.truncated, cases[i].truncated);
    }
    stage_clear(&stage);
}

static void what_is_written_later_is_not_of_it(void **state)
{
    struct stage stage = stage_of(*state);
    struct store_window window = window_of(&stage, 100, 105, 10);
    run_sql(&stage,
            "INSERT INTO readings VALUES (7, 99, 1, 1), (8, 100, 2, 1), (9, 103, 1, 1), (10, 104, 9, 1)");
    expect_seqs(&stage, &window, 2, "5 6 2 1 3 ");
    window = window_of(&stage, 100, 105, 10);
    assert_int_equal(window.count, 8);
    stage_clear(&stage);
}

/* ---- a reader that is kept ---- */

static void a_kept_reader_follows_the_store(void **state)
{
    const struct fixture *fixture = *state;
    struct kept_reader kept;
    struct store_state at;
    struct error err;
    assert_true(kept_reader_init(&kept, fixture->folder, &err));
    assert_false(kept_reader_begin(&kept, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(kept_reader_end(&kept, false));

    struct stage stage = stage_of(fixture);
    assert_true(kept_reader_begin(&kept, &err));
    const struct store_reader *first = kept.reader;
    assert_true(kept_reader_end(&kept, store_reader_state(kept.reader, &at, &err)));
    assert_int_equal(at.readings, 6);
    assert_true(kept_reader_begin(&kept, &err));
    assert_ptr_equal(kept.reader, first);
    assert_true(kept_reader_end(&kept, true));
    assert_true(kept_reader_begin(&kept, &err));
    assert_false(kept_reader_end(&kept, false)); /* what failed is not kept */
    assert_null(kept.reader);
    kept_reader_clear(&kept);
    stage_clear(&stage);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rows_come_in_order_of_time_and_channel),
        TEST(from_is_inside_and_to_is_not),
        TEST(more_than_asked_for_is_said),
        TEST(what_is_written_later_is_not_of_it),
        TEST(a_kept_reader_follows_the_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
