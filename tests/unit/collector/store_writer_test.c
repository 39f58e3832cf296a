#include "tests/unit/collector/fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "collector/store_files.h"

static struct store_writer *open_store(const struct fixture *fixture)
{
    struct error err;
    struct store_writer_spec spec = fixture_spec(fixture);
    struct store_writer *writer = store_writer_open(&spec, &err);
    if (writer == NULL)
        fail_msg("%s", err.text);
    return writer;
}

/* The writer keeps pointers of its spec's content, not the spec. */
static void write_one(struct store_writer *writer, struct channel_table *channels, const char *channel,
                      double value, int64_t time_us)
{
    struct error err;
    struct reading reading = reading_of(channels, channel, value, time_us);
    if (!store_writer_write(writer, channels, &reading, 1, &err))
        fail_msg("%s", err.text);
}

static void a_first_store_is_whole_and_has_an_id(void **state)
{
    struct store_writer *writer = open_store(*state);
    assert_int_equal(strlen(store_writer_id(writer)), 36);
    assert_int_equal(store_writer_next_seq(writer), 1);
    assert_false(store_writer_is_replacement(writer));
    store_writer_close(writer);
    assert_int_equal(query("telemetry.db", "SELECT value FROM meta WHERE key = 'next_seq'"), 1);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM schema_migrations WHERE name LIKE '0001%'"),
                     1);
    assert_int_not_equal(access("current_store", F_OK), 0);
    assert_int_not_equal(access(".telemetry.db.new", F_OK), 0);
    assert_int_not_equal(access(".telemetry.db.new-wal", F_OK), 0);
}

static void what_a_power_cut_left_of_a_store_being_made_is_taken_over(void **state)
{
    write_text(".telemetry.db.new", "half");
    write_text(".telemetry.db.new-wal", "half of a log");
    struct store_writer *writer = open_store(*state);
    store_writer_close(writer);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM readings"), 0);
    assert_int_not_equal(access(".telemetry.db.new-wal", F_OK), 0);
}

static void a_tick_is_one_transaction_with_its_channels_and_next_seq(void **state)
{
    struct error err;
    struct store_writer *writer = open_store(*state);
    struct channel_table *channels = channel_table_new(&err);
    const struct reading readings[] = {reading_of(channels, "a", 1.5, 100),
                                       reading_of(channels, "b", NAN, 100),
                                       reading_of(channels, "a", 2, 200)};
    assert_true(store_writer_write(writer, channels, readings, 3, &err));
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM readings WHERE seq BETWEEN 1 AND 3"), 3);
    assert_int_equal(query("telemetry.db", "SELECT value FROM meta WHERE key = 'next_seq'"), 4);
    assert_int_equal(query("telemetry.db",
                           "SELECT count(*) FROM readings JOIN channels USING (channel_id)"
                           " WHERE name = 'b' AND value IS NULL AND unit = 'm' AND phys_max = 9"
                           " AND phys_min IS NULL AND description = 'a length'"),
                     1);
    channel_table_free(channels);
    store_writer_close(writer);
}

static void a_tick_that_fails_leaves_nothing_and_comes_again_as_it_was(void **state)
{
    struct error err;
    struct store_writer *writer = open_store(*state);
    struct channel_table *channels = channel_table_new(&err);
    write_one(writer, channels, "a", 1, 100);
    int64_t pages = query("telemetry.db", "PRAGMA page_count");
    char limit[64];
    snprintf(limit, sizeof(limit), "PRAGMA max_page_count=%lld", (long long)pages);
    assert_true(db_exec(store_writer_db(writer), limit, &err));
    struct reading many[3000];
    for (int i = 0; i < 3000; i++)
        many[i] = reading_of(channels, i % 2 == 0 ? "a" : "new", i, 1000 + i);
    assert_false(store_writer_write(writer, channels, many, 3000, &err));
    assert_int_equal(err.code, ERR_SPACE);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM readings"), 1);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM channels"), 1);
    assert_true(db_exec(store_writer_db(writer), "PRAGMA max_page_count=100000", &err));
    assert_true(store_writer_write(writer, channels, many, 3000, &err));
    assert_int_equal(query("telemetry.db", "SELECT max(seq) FROM readings"), 3001);
    assert_int_equal(query("telemetry.db", "SELECT max(time_us) FROM readings"), 1000 + 2999);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM readings JOIN channels USING (channel_id)"
                                           " WHERE name = 'new'"),
                     1500);
    channel_table_free(channels);
    store_writer_close(writer);
}

static void a_time_that_is_taken_is_moved_on_by_a_microsecond_until_free(void **state)
{
    struct error err;
    struct store_writer *writer = open_store(*state);
    struct channel_table *channels = channel_table_new(&err);
    write_one(writer, channels, "a", 1, 102);
    for (int i = 0; i < 4; i++)
        write_one(writer, channels, "a", 10 + i, 100);
    write_one(writer, channels, "b", 5, 100);
    write_one(writer, channels, "a", 20, 101);
    assert_int_equal(query("telemetry.db", "SELECT time_us FROM readings WHERE value = 10"), 100);
    assert_int_equal(query("telemetry.db", "SELECT time_us FROM readings WHERE value = 11"), 101);
    assert_int_equal(query("telemetry.db", "SELECT time_us FROM readings WHERE value = 12"), 103);
    assert_int_equal(query("telemetry.db", "SELECT time_us FROM readings WHERE value = 13"), 104);
    assert_int_equal(query("telemetry.db", "SELECT time_us FROM readings WHERE value = 5"), 100);
    assert_int_equal(query("telemetry.db", "SELECT time_us FROM readings WHERE value = 20"), 105);
    channel_table_free(channels);
    store_writer_close(writer);
}

static void one_time_again_and_again_stays_cheap(void **state)
{
    struct error err;
    struct store_writer *writer = open_store(*state);
    struct channel_table *channels = channel_table_new(&err);
    enum { MANY = 50000 };
    struct reading *readings = calloc(MANY, sizeof(*readings));
    for (int i = 0; i < MANY; i++)
        readings[i] = reading_of(channels, "a", i, 7);
    clock_t before = clock();
    assert_true(store_writer_write(writer, channels, readings, MANY, &err));
    /* each searched anew would be 1.25 thousand million inserts */
    assert_true(clock() - before < 60 * CLOCKS_PER_SEC);
    assert_int_equal(query("telemetry.db", "SELECT max(time_us) FROM readings"), 7 + MANY - 1);
    free(readings);
    channel_table_free(channels);
    store_writer_close(writer);
}

/* Each goes back to a time that the other has left: nothing is remembered of it. */
static void two_times_in_turn_stay_cheap(void **state)
{
    struct error err;
    struct store_writer *writer = open_store(*state);
    struct channel_table *channels = channel_table_new(&err);
    enum { MANY = 40 * 1000, APART_US = 1000 * 1000 };
    struct reading *readings = calloc(MANY, sizeof(*readings));
    assert_non_null(readings);
    for (int i = 0; i < MANY; i++)
        readings[i] = reading_of(channels, "a", i, 100 + i % 2 * APART_US);
    clock_t before = clock();
    assert_true(store_writer_write(writer, channels, readings, MANY, &err));
    assert_true(clock() - before < 10 * CLOCKS_PER_SEC); /* 200 million steps of 1 us took minutes */
    assert_int_equal(
        query("telemetry.db", "SELECT count(*) FROM readings WHERE time_us BETWEEN 100 AND 20099"), MANY / 2);
    assert_int_equal(query("telemetry.db", "SELECT max(time_us) FROM readings"),
                     100 + APART_US + MANY / 2 - 1);
    free(readings);
    channel_table_free(channels);
    store_writer_close(writer);
}

static void seq_goes_on_after_a_restart_also_when_everything_was_deleted(void **state)
{
    struct error err;
    struct store_writer *writer = open_store(*state);
    struct channel_table *channels = channel_table_new(&err);
    write_one(writer, channels, "a", 1, 100);
    write_one(writer, channels, "a", 1, 200);
    assert_true(db_exec(store_writer_db(writer), "DELETE FROM readings", &err));
    char id[STORE_ID_BYTES];
    strcpy(id, store_writer_id(writer));
    store_writer_close(writer);
    channel_table_free(channels);

    writer = open_store(*state);
    channels = channel_table_new(&err);
    assert_true(store_writer_load_channels(writer, channels, &err));
    assert_string_equal(store_writer_id(writer), id);
    write_one(writer, channels, "b", 1, 100);
    write_one(writer, channels, "a", 1, 100);
    assert_int_equal(query("telemetry.db", "SELECT min(seq) FROM readings"), 3);
    assert_int_equal(query("telemetry.db", "SELECT channel_id FROM readings WHERE seq = 4"), 1);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM channels"), 2);
    channel_table_free(channels);
    store_writer_close(writer);
}

static void a_channel_that_changes_is_told_to_the_store(void **state)
{
    struct error err;
    struct store_writer *writer = open_store(*state);
    struct channel_table *channels = channel_table_new(&err);
    write_one(writer, channels, "a", 1, 100);
    channel_table_free(channels);
    channels = channel_table_new(&err);
    char lines[1][CONFIG_TEXT_BYTES] = {"a unit=km phys_min=-5"};
    unsigned numbers[1] = {1};
    const struct config_lines config = {lines, numbers, 1};
    assert_true(channel_table_configure(channels, &config, &err));
    assert_true(store_writer_load_channels(writer, channels, &err));
    assert_true(store_writer_write(writer, channels, NULL, 0, &err));
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM channels WHERE unit = 'km' AND phys_min = -5"
                                           " AND phys_max = 9"),
                     1);
    channel_table_free(channels);
    store_writer_close(writer);
}

static void a_damaged_store_is_told_and_left_untouched(void **state)
{
    struct error err;
    struct store_writer_spec spec = fixture_spec(*state);
    static const char junk[] =
        "junk that is no database at all, but longer than the header of one is: it goes on and"
        " on, for more than a hundred bytes";
    write_text("telemetry.db", junk);
    write_text("telemetry.db-wal", "readings that somebody may still save");
    assert_null(store_writer_open(&spec, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    struct store_writer *writer = store_writer_open_next(&spec, &err);
    assert_non_null(writer);
    assert_true(store_writer_is_replacement(writer));
    store_writer_close(writer);
    SCOPE_BUF struct buf content = BUF_LIMIT(1024);
    assert_true(file_read_path("telemetry.db", &content, &err));
    assert_true(view_is(buf_view(&content), junk));
    buf_reset(&content);
    assert_true(file_read_path("telemetry.db-wal", &content, &err));
    assert_true(view_is(buf_view(&content), "readings that somebody may still save"));
    buf_reset(&content);
    assert_true(file_read_path("current_store", &content, &err));
    assert_true(view_is(buf_view(&content), "telemetry-2.db\n"));
    writer = open_store(*state);
    assert_non_null(strstr(store_writer_path(writer), "telemetry-2.db"));
    store_writer_close(writer);
}

static void an_empty_file_is_a_damaged_store_not_a_new_one(void **state)
{
    struct error err;
    struct store_writer_spec spec = fixture_spec(*state);
    write_text("telemetry.db", "");
    write_text("telemetry.db-wal", "what it held");
    assert_null(store_writer_open(&spec, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(access("telemetry.db-wal", F_OK), 0);
}

static void a_log_without_its_store_is_never_taken_for_the_new_ones(void **state)
{
    write_text("telemetry.db-wal", "frames of a store that somebody removed");
    struct store_writer *writer = open_store(*state);
    assert_non_null(strstr(store_writer_path(writer), "telemetry-2.db"));
    store_writer_close(writer);
    assert_int_equal(file_size_bytes("telemetry.db-wal"), 39);
}

static void another_program_s_database_is_left_alone(void **state)
{
    struct error err;
    struct store_writer_spec spec = fixture_spec(*state);
    sqlite3 *db = db_open("telemetry.db", DB_CREATE, &err);
    assert_true(db_exec(db, "CREATE TABLE recipes (name)", &err));
    db_close(db);
    assert_null(store_writer_open(&spec, &err));
    assert_int_equal(err.code, ERR_CORRUPT);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM sqlite_schema"), 1);
}

/* Two readers whose short transactions overlap for ever: there is no moment without one. */
static void read_without_a_gap(int ready_fd, atomic_uint *turns)
{
    sqlite3 *readers[2] = {db_open("telemetry.db", DB_READ, NULL), db_open("telemetry.db", DB_READ, NULL)};
    for (unsigned turn = 0;; turn++) {
        sqlite3 *reader = readers[turn % 2];
        db_rollback(reader);
        if (!db_exec(reader, "BEGIN; SELECT count(*) FROM meta", NULL))
            _exit(1);
        if (turn == 1 && write(ready_fd, "r", 1) != 1)
            _exit(1);
        atomic_store(turns, turn);
    }
}

static pid_t start_readers(atomic_uint *turns)
{
    int ready[2];
    char byte;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    assert_true(pid >= 0); /* -1 is everybody, to kill(2) */
    if (pid == 0)
        read_without_a_gap(ready[1], turns);
    close(ready[1]);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    close(ready[0]);
    return pid;
}

/* Both readers have let go and come back: a slow machine may have stopped them in the middle. */
static void wait_for_readers(const atomic_uint *turns)
{
    enum { TURNS = 4, PATIENCE_MS = 100 * 1000 };
    unsigned first = atomic_load(turns);
    int64_t end_us = clock_monotonic_us(clock_system()) + PATIENCE_MS * US_PER_MS;
    while (atomic_load(turns) - first < TURNS && clock_monotonic_us(clock_system()) < end_us)
        sched_yield();
    assert_true(atomic_load(turns) - first >= TURNS);
}

static void the_wal_stays_bounded_while_readers_come_and_go(void **state)
{
    enum { TICKS = 150, ROWS = 6000 };
    struct error err;
    struct store_writer *writer = open_store(*state);
    struct channel_table *channels = channel_table_new(&err);
    struct reading readings[ROWS];
    atomic_uint *turns =
        mmap(NULL, sizeof(*turns), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(turns != MAP_FAILED);
    pid_t pid = start_readers(turns);
    assert_true(db_exec(store_writer_db(writer), "PRAGMA synchronous=OFF", &err)); /* the test's own hurry */
    for (int tick = 0; tick < TICKS; tick++) {
        for (int i = 0; i < ROWS; i++)
            readings[i] = reading_of(channels, "a", i, tick * ROWS + i);
        assert_true(store_writer_write(writer, channels, readings, ROWS, &err));
        assert_true(store_writer_checkpoint(writer, false, &err));
        wait_for_readers(turns);
    }
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    munmap(turns, sizeof(*turns));
    assert_true(file_size_bytes("telemetry.db") > 24 * 1024 * 1024);
    assert_true(file_size_bytes("telemetry.db-wal") < (WAL_RESTART_PAGES + 2 * CHECKPOINT_PAGES) * 4096);
    channel_table_free(channels);
    store_writer_close(writer);
    assert_int_equal(file_size_bytes("telemetry.db-wal"), 0);
}

static void what_was_committed_is_there_for_the_next_process_without_a_close(void **state)
{
    struct error err;
    struct store_writer *writer = open_store(*state);
    struct channel_table *channels = channel_table_new(&err);
    write_one(writer, channels, "a", 1, 100);
    store_writer_abandon(writer); /* as kill -9: no checkpoint */
    assert_true(file_size_bytes("telemetry.db-wal") > 0);
    writer = open_store(*state);
    assert_int_equal(store_writer_next_seq(writer), 2);
    channel_table_free(channels);
    store_writer_close(writer);
}

static void meta_keeps_numbers(void **state)
{
    struct error err;
    int64_t value = 0;
    struct store_writer *writer = open_store(*state);
    assert_true(store_writer_meta(writer, "x", -7, &value, &err));
    assert_int_equal(value, -7);
    assert_true(store_writer_set_meta(writer, "x", 5, &err));
    assert_true(store_writer_set_meta(writer, "x", 6, &err));
    assert_true(store_writer_meta(writer, "x", -7, &value, &err));
    assert_int_equal(value, 6);
    store_writer_close(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_first_store_is_whole_and_has_an_id),
        TEST(what_a_power_cut_left_of_a_store_being_made_is_taken_over),
        TEST(a_tick_is_one_transaction_with_its_channels_and_next_seq),
        TEST(a_tick_that_fails_leaves_nothing_and_comes_again_as_it_was),
        TEST(a_time_that_is_taken_is_moved_on_by_a_microsecond_until_free),
        TEST(one_time_again_and_again_stays_cheap),
        TEST(two_times_in_turn_stay_cheap),
        TEST(seq_goes_on_after_a_restart_also_when_everything_was_deleted),
        TEST(a_channel_that_changes_is_told_to_the_store),
        TEST(a_damaged_store_is_told_and_left_untouched),
        TEST(an_empty_file_is_a_damaged_store_not_a_new_one),
        TEST(a_log_without_its_store_is_never_taken_for_the_new_ones),
        TEST(another_program_s_database_is_left_alone),
        TEST(the_wal_stays_bounded_while_readers_come_and_go),
        TEST(what_was_committed_is_there_for_the_next_process_without_a_close),
        TEST(meta_keeps_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
