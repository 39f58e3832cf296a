#include "tests/unit/collector/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "collector/alarm_keeper.h"
#include "collector/recorder.h"

#define DAY_US (INT64_C(86400) * US_PER_S)
enum { DISK_BYTES = 128 * 1024 * 1024 };

struct bench {
    struct fixture *fixture;
    struct channel_table *channels;
    struct recorder *recorder;
    FILE *log_file;
    int64_t given; /* readings so far */
};

static const char *const limits[] = {"hot alarm_high=100 hysteresis=10 severity=critical", "cold alarm_low=0",
                                     NULL};

static struct bench bench_of(struct fixture *fixture, int64_t retention_days, int64_t max_store_bytes)
{
    struct error err;
    struct bench bench = {.fixture = fixture, .channels = channels_of(limits), .log_file = tmpfile()};
    fixture->log.fd = fileno(bench.log_file);
    const struct recorder_spec spec = {fixture_spec(fixture), bench.channels, retention_days,
                                       max_store_bytes};
    bench.recorder = recorder_new(&spec, &err);
    assert_non_null(bench.recorder);
    return bench;
}

static void bench_clear(struct bench *bench)
{
    recorder_free(bench->recorder);
    channel_table_free(bench->channels);
    fclose(bench->log_file);
}

static size_t lines_in_log(struct bench *bench, const char *text)
{
    char line[4096];
    size_t count = 0;
    rewind(bench->log_file);
    while (fgets(line, sizeof(line), bench->log_file) != NULL)
        count += strstr(line, text) != NULL;
    fseek(bench->log_file, 0, SEEK_END);
    return count;
}

/* A second passes and so many readings come; the value is their number. */
static struct recorder_status tick(struct bench *bench, int count)
{
    struct recorder_status status;
    clock_fake_advance(&bench->fixture->clock, US_PER_S);
    for (int i = 0; i < count; i++) {
        struct reading reading = reading_of(bench->channels, "a", (double)bench->given++,
                                            clock_utc_us(&bench->fixture->clock.clock) + i);
        assert_true(batch_add(recorder_batch(bench->recorder), &reading));
    }
    recorder_tick(bench->recorder);
    recorder_status(bench->recorder, &status);
    return status;
}

static int64_t stored(const char *path)
{
    return query(path, "SELECT count(*) FROM readings");
}

static void readings_are_in_the_store_after_the_tick(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    struct recorder_status status = tick(&bench, 3);
    assert_int_equal(status.state, RECORD_OK);
    assert_int_equal(status.waiting, 0);
    assert_int_equal(stored("telemetry.db"), 3);
    assert_int_equal(file_size_bytes("reserve"), RESERVE_BYTES);
    bench_clear(&bench);
}

static void overwrite(const char *path, off_t at, size_t size)
{
    char junk[4096];
    memset(junk, 0xa5, sizeof(junk));
    int fd = open(path, O_WRONLY);
    for (size_t done = 0; done < size; done += sizeof(junk))
        assert_int_equal(pwrite(fd, junk, sizeof(junk), at + (off_t)done), sizeof(junk));
    close(fd);
}

/* Whether a checkpoint has moved what was written into the file, which has its blocks before. */
static bool is_moved(const char *path)
{
    char page[4096] = {0};
    static const char nothing[sizeof(page)];
    int fd = open(path, O_RDONLY);
    bool moved = fd >= 0 && pread(fd, page, sizeof(page), 1024 * 1024 - sizeof(page)) == sizeof(page) &&
                 memcmp(page, nothing, sizeof(page)) != 0;
    if (fd >= 0)
        close(fd);
    return moved;
}

static void a_store_damaged_while_running_is_left_and_measuring_goes_on(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    char id[STORE_ID_BYTES];
    while (!is_moved("telemetry.db")) /* until a checkpoint has moved it there */
        tick(&bench, 2000);
    struct recorder_status status = tick(&bench, 1);
    strcpy(id, status.store_id);
    int64_t size_before = file_size_bytes("telemetry.db");
    overwrite("telemetry.db", 0, (size_t)size_before / 4096 * 4096);
    struct recorder_status after = {0};
    for (int i = 0; i < 300 && after.state != RECORD_REPLACED; i++)
        after = tick(&bench, 2000);
    assert_int_equal(after.state, RECORD_REPLACED);
    assert_string_not_equal(after.store_id, id);
    assert_non_null(strstr(after.path, "telemetry-2.db"));
    assert_int_equal(after.waiting, 0);
    assert_int_equal(query("telemetry-2.db", "SELECT max(value) FROM readings"), bench.given - 1);
    assert_int_equal(query("telemetry-2.db", "SELECT min(seq) FROM readings"), 1);
    assert_true(file_size_bytes("telemetry.db") >= size_before);
    assert_int_equal(lines_in_log(&bench, "THE TELEMETRY STORE IS DAMAGED"), 1);
    tick(&bench, 1);
    assert_int_equal(query("telemetry-2.db", "SELECT max(value) FROM readings"), bench.given - 1);
    bench_clear(&bench);
}

static void a_store_damaged_before_the_start_is_replaced_at_the_start(void **state)
{
    write_text("telemetry.db",
               "no database, but longer than the header of one is, which has one hundred bytes: "
               "so here are some more of them");
    struct bench bench = bench_of(*state, 30, 0);
    struct recorder_status status = tick(&bench, 5);
    assert_int_equal(status.state, RECORD_REPLACED);
    assert_int_equal(stored("telemetry-2.db"), 5);
    bench_clear(&bench);
    bench = bench_of(*state, 30, 0); /* the next run goes on with it and still says so */
    status = tick(&bench, 5);
    assert_int_equal(status.state, RECORD_REPLACED);
    assert_int_equal(stored("telemetry-2.db"), 10);
    assert_int_not_equal(access("telemetry-3.db", F_OK), 0);
    bench_clear(&bench);
    unlink("telemetry.db");
    bench = bench_of(*state, 30, 0);
    status = tick(&bench, 5);
    assert_int_equal(status.state, RECORD_OK);
    bench_clear(&bench);
}

static void somebody_elses_lock_makes_readings_wait_not_vanish(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    tick(&bench, 1);
    sqlite3 *other = db_open("telemetry.db", DB_WRITE, NULL);
    assert_true(db_begin(other, NULL));
    struct recorder_status status = tick(&bench, 4);
    assert_int_equal(status.state, RECORD_FAILING);
    assert_int_equal(status.waiting, 4);
    db_rollback(other);
    db_close(other);
    status = tick(&bench, 2);
    assert_int_equal(status.state, RECORD_OK);
    assert_int_equal(stored("telemetry.db"), 7);
    assert_int_equal(query("telemetry.db", "SELECT count(DISTINCT value) FROM readings"), 7);
    bench_clear(&bench);
}

static void what_waits_is_bounded_and_the_oldest_is_lost_first(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    tick(&bench, 1);
    sqlite3 *other = db_open("telemetry.db", DB_WRITE, NULL);
    assert_true(db_begin(other, NULL));
    struct recorder_status status = tick(&bench, PENDING_MAX_READINGS + 500);
    assert_int_equal(status.waiting, PENDING_MAX_READINGS);
    assert_int_equal(status.dropped, 500);
    db_rollback(other);
    db_close(other);
    tick(&bench, 0);
    assert_int_equal(stored("telemetry.db"), PENDING_MAX_READINGS + 1);
    assert_int_equal(query("telemetry.db", "SELECT min(value) FROM readings WHERE seq > 1"), 501);
    bench_clear(&bench);
}

static void what_waits_at_the_stop_is_written(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    tick(&bench, 1);
    struct reading last = reading_of(bench.channels, "a", 77, START_US + DAY_US);
    assert_true(batch_add(recorder_batch(bench.recorder), &last));
    bench_clear(&bench);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM readings WHERE value = 77"), 1);
    assert_int_equal(file_size_bytes("telemetry.db-wal"), 0);
}

static void old_readings_are_deleted_but_not_by_a_clock_gone_mad(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    struct fixture *fixture = bench.fixture;
    for (int i = 0; i < 10; i++)
        tick(&bench, 10);
    fixture->clock.utc_us += 3650 * DAY_US;
    for (int i = 0; i < 20; i++) {
        clock_fake_advance(&fixture->clock, 3600 * (int64_t)US_PER_S);
        tick(&bench, 1);
    }
    assert_int_equal(stored("telemetry.db"), 120);
    assert_int_equal(lines_in_log(&bench, "the clock jumped by"), 1);
    assert_int_equal(recorder_clock(bench.recorder)->jumps, 1);
    for (int i = 0; i < 10; i++) { /* it has proved itself */
        clock_fake_advance(&fixture->clock, 3600 * (int64_t)US_PER_S);
        tick(&bench, 1);
    }
    assert_int_equal(stored("telemetry.db"), 30);
    bench_clear(&bench);
}

static void a_mad_clock_cannot_wait_for_a_restart(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    for (int i = 0; i < 10; i++)
        tick(&bench, 10);
    bench_clear(&bench);
    bench.fixture->clock.utc_us += 3650 * DAY_US;
    for (int run = 0; run < 3; run++) {
        bench = bench_of(*state, 30, 0);
        tick(&bench, 1);
        tick(&bench, 1);
        bench_clear(&bench);
    }
    assert_int_equal(stored("telemetry.db"), 106);
}

/* ---- alarms ---- */

/* One more reading for the next tick, at so many microseconds behind now. */
static void give(struct bench *bench, const char *channel, double value, int64_t later_us)
{
    struct reading reading =
        reading_of(bench->channels, channel, value, clock_utc_us(&bench->fixture->clock.clock) + later_us);
    assert_true(batch_add(recorder_batch(bench->recorder), &reading));
}

static int64_t alarms_in(const char *path, const char *where)
{
    char sql[256];
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM alarms WHERE %s", where);
    return query(path, sql);
}

static void an_alarm_lasts_in_the_store_that_replaces_a_damaged_one(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    while (!is_moved("telemetry.db"))
        tick(&bench, 2000);
    give(&bench, "hot", 150, 0);
    give(&bench, "cold", -5, 0);
    int64_t raised_us = clock_utc_us(&bench.fixture->clock.clock);
    struct recorder_status status = tick(&bench, 1);
    assert_int_equal(status.alarms.open, 2);
    assert_int_equal(status.alarms.worst, ALARM_CRITICAL);
    overwrite("telemetry.db", 0, (size_t)file_size_bytes("telemetry.db") / 4096 * 4096);
    give(&bench, "cold", 5, 0); /* the damaged store may never hear of this end */
    for (int i = 0; i < 300 && status.state != RECORD_REPLACED; i++)
        status = tick(&bench, 2000);
    assert_int_equal(status.state, RECORD_REPLACED);
    assert_int_equal(status.alarms.open, 1);
    assert_int_equal(alarms_in("telemetry-2.db", "resolved_us IS NULL"), 1);
    char where[128];
    snprintf(where, sizeof(where),
             "raised_us = %lld AND severity = 'critical' AND channel_id IN (SELECT channel_id"
             " FROM channels)",
             (long long)raised_us);
    assert_int_equal(alarms_in("telemetry-2.db", where), 1);
    give(&bench, "hot", 20, 0);
    tick(&bench, 1);
    assert_int_equal(alarms_in("telemetry-2.db", "resolved_us IS NULL"), 0);
    bench_clear(&bench);
}

static void alarms_outlast_the_readings_that_were_lost(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    tick(&bench, 1);
    sqlite3 *other = db_open("telemetry.db", DB_WRITE, NULL);
    assert_true(db_begin(other, NULL));
    give(&bench, "hot", 150, 0);
    give(&bench, "hot", 20, 5);
    give(&bench, "cold", -5, 7);
    tick(&bench, 10);
    struct recorder_status status = tick(&bench, PENDING_MAX_READINGS + 500);
    assert_true(status.dropped >= 500);
    assert_int_equal(status.alarms.open, 1);
    db_rollback(other);
    db_close(other);
    tick(&bench, 0);
    assert_int_equal(query("telemetry.db", "SELECT count(*) FROM readings JOIN channels USING (channel_id)"
                                           " WHERE name IN ('hot', 'cold')"),
                     0);
    assert_int_equal(alarms_in("telemetry.db", "resolved_us = raised_us + 5"), 1);
    assert_int_equal(alarms_in("telemetry.db", "resolved_us IS NULL"), 1);
    assert_int_equal(alarms_in("telemetry.db", "channel_id IN (SELECT channel_id FROM channels)"), 2);
    bench_clear(&bench);
}

/* What lasts is in the store: as long as it cannot be opened nobody knows, so nothing is judged. */
static void what_lasted_goes_on_when_the_store_can_be_opened_only_later(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    give(&bench, "hot", 150, 0);
    tick(&bench, 1);
    bench_clear(&bench);
    assert_int_equal(rename("telemetry.db", "away.db"), 0);
    write_text("current_store", "telemetry.db\n");
    assert_int_equal(mkdir("telemetry.db", 0755), 0);
    bench = bench_of(*state, 30, 0);
    give(&bench, "hot", 160, 0);
    struct recorder_status status = tick(&bench, 1);
    assert_int_equal(status.state, RECORD_FAILING);
    assert_int_equal(status.waiting, 2);
    assert_int_equal(status.alarms.open, 0);
    assert_int_equal(rmdir("telemetry.db"), 0);
    assert_int_equal(rename("away.db", "telemetry.db"), 0);
    give(&bench, "hot", 20, 0);
    status = tick(&bench, 1);
    assert_int_equal(status.state, RECORD_OK);
    assert_int_equal(alarms_in("telemetry.db", "1"), 1);
    assert_int_equal(alarms_in("telemetry.db", "resolved_us IS NULL"), 0);
    bench_clear(&bench);
}

static void an_alarm_that_waits_at_the_stop_is_written(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    tick(&bench, 1);
    give(&bench, "hot", 150, 0);
    bench_clear(&bench);
    assert_int_equal(alarms_in("telemetry.db", "resolved_us IS NULL"), 1);
}

static void alarms_that_come_and_go_all_the_time_do_not_flood_the_log(void **state)
{
    struct bench bench = bench_of(*state, 30, 0);
    for (int second = 0; second < 2 * ALARM_LOG_PERIOD_S; second++) {
        for (int i = 0; i < 50; i++)
            give(&bench, "hot", i % 2 == 0 ? 150 : 20, i);
        tick(&bench, 0);
    }
    assert_int_equal(alarms_in("telemetry.db", "1"), 2 * ALARM_LOG_PERIOD_S * 25);
    assert_true(lines_in_log(&bench, "alarm") <= 3 * (ALARM_LOG_LINES + 1));
    assert_true(lines_in_log(&bench, "more were raised or ended") >= 1);
    bench_clear(&bench);
}

/* ---- a disk of our own ---- */

static bool mount_disk(const char *path)
{
    if (mkdir(path, 0755) != 0 || unshare(CLONE_NEWNS) != 0 ||
        mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0)
        return false;
    char options[32];
    snprintf(options, sizeof(options), "size=%d", DISK_BYTES);
    return mount("tmpfs", path, "tmpfs", 0, options) == 0;
}

/* Somebody else's file takes all that is left. */
static void fill(const char *path)
{
    static char block[64 * 1024];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    assert_true(fd >= 0);
    size_t size = sizeof(block);
    while (size > 0) {
        if (write(fd, block, size) < 0) {
            assert_int_equal(errno, ENOSPC);
            size = size > 4096 ? 4096 : 0;
        }
    }
    close(fd);
}

static void a_full_disk_is_lived_through(void **state)
{
    struct fixture *fixture = *state;
    if (!mount_disk("disk"))
        skip(); /* needs the right to mount */
    strcat(fixture->folder, "/disk");
    struct bench bench = bench_of(fixture, 30, 0);
    struct recorder_status status = {0};
    for (int i = 0; i < 50; i++)
        status = tick(&bench, 1000);
    assert_int_equal(status.disk, DISK_OK);

    /* the first refusal takes a step of the reserve; nothing is lost */
    fill("disk/ballast");
    for (int i = 0; i < 200 && status.disk == DISK_OK; i++)
        status = tick(&bench, 1000);
    assert_int_equal(status.disk, DISK_LOW);
    assert_int_equal(status.state, RECORD_OK);
    assert_int_equal(status.waiting, 0);
    assert_int_equal(file_size_bytes("disk/reserve"), RESERVE_BYTES - RESERVE_STEP_BYTES);
    assert_int_equal(stored("disk/telemetry.db"), bench.given);

    /* others take that step at once, again and again: the oldest go and the newest come */
    for (int i = 0; i < 600; i++) {
        fill("disk/ballast");
        status = tick(&bench, 1000);
        assert_int_equal(status.state, RECORD_OK);
    }
    assert_int_equal(status.dropped, 0);
    assert_int_equal(query("disk/telemetry.db", "SELECT max(value) FROM readings"), bench.given - 1);
    assert_true(stored("disk/telemetry.db") < bench.given - 100 * 1000);
    assert_int_equal(query("disk/telemetry.db", "SELECT max(seq) - min(seq) + 1 - count(*) FROM readings"),
                     0);

    /* room again: the reserve is back; each state was said, not each tick */
    unlink("disk/ballast");
    for (int i = 0; i < 5; i++)
        status = tick(&bench, 1000);
    assert_int_equal(status.disk, DISK_OK);
    assert_int_equal(file_size_bytes("disk/reserve"), RESERVE_BYTES);
    assert_true(lines_in_log(&bench, "disk") < 10);
    assert_int_equal(query("disk/telemetry.db",
                           "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check"
                           " != 'ok'"),
                     0);
    bench_clear(&bench);
    umount2("disk", MNT_DETACH);
    *strrchr(fixture->folder, '/') = '\0';
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(readings_are_in_the_store_after_the_tick),
        TEST(a_store_damaged_while_running_is_left_and_measuring_goes_on),
        TEST(a_store_damaged_before_the_start_is_replaced_at_the_start),
        TEST(somebody_elses_lock_makes_readings_wait_not_vanish),
        TEST(what_waits_is_bounded_and_the_oldest_is_lost_first),
        TEST(what_waits_at_the_stop_is_written),
        TEST(old_readings_are_deleted_but_not_by_a_clock_gone_mad),
        TEST(a_mad_clock_cannot_wait_for_a_restart),
        TEST(an_alarm_lasts_in_the_store_that_replaces_a_damaged_one),
        TEST(alarms_outlast_the_readings_that_were_lost),
        TEST(what_lasted_goes_on_when_the_store_can_be_opened_only_later),
        TEST(an_alarm_that_waits_at_the_stop_is_written),
        TEST(alarms_that_come_and_go_all_the_time_do_not_flood_the_log),
        TEST(a_full_disk_is_lived_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
