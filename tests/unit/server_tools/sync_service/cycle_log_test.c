#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "server_tools/sync_service/cycle_log.h"

enum { SAID_BYTES = 4096, MANY = CYCLE_LOG_VEHICLES + 1 };

/* The log's lines without their times; info and above. */
struct said {
    struct clock_fake clock;
    struct log log;
    char text[SAID_BYTES];
};

static int set_up(void **state)
{
    static struct said said;
    clock_fake_init(&said.clock, INT64_C(1771754400000000), 0);
    log_init(&said.log, "sync", &said.clock.clock);
    said.log.fd = memfd_create("cycle_log", 0);
    *state = &said;
    return said.log.fd < 0;
}

static int tear_down(void **state)
{
    return close(((struct said *)*state)->log.fd);
}

/* What was said since the last time. */
static const char *heard(struct said *said)
{
    static const char head[] = "2026-02-22T10:00:00Z ";
    char *out = said->text;
    ssize_t size = pread(said->log.fd, said->text, SAID_BYTES - 1, 0);
    assert_in_range(size, 0, SAID_BYTES - 2);
    said->text[size] = '\0';
    for (const char *line = said->text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        assert_non_null(end); /* a line is whole */
        end++;
        assert_memory_equal(line, head, sizeof(head) - 1);
        line += sizeof(head) - 1;
        memmove(out, line, (size_t)(end - line));
        out += end - line;
        line = end;
    }
    *out = '\0';
    assert_int_equal(ftruncate(said->log.fd, 0), 0);
    assert_int_equal(lseek(said->log.fd, 0, SEEK_SET), 0);
    return said->text;
}

/* The words of the first version of the service: people's scripts read them. */
static void a_small_fleet_is_told_vehicle_by_vehicle(void **state)
{
    struct said *said = *state;
    const struct turn_result well = {.status = TURN_OK,
                                     .rows_added = 1500,
                                     .software_version = "1.1.0",
                                     .db = TURN_DB_OK,
                                     .window_us = 60 * US_PER_S};
    const struct turn_result silent = {.status = TURN_TIMEOUT, .note = "timeout after 10s"};
    cycle_log_start(&said->log, 2);
    assert_string_equal(heard(said), "info  sync: Starting sync cycle for 2 vehicle(s)…\n");
    cycle_log_turn(&said->log, 2, "Truck-01", &well, false);
    assert_string_equal(heard(said), "info  sync: [Truck-01] online  sw=1.1.0  db_ok=True\n"
                                     "info  sync: [Truck-01] wrote 1500 measurements  window=60s\n");
    cycle_log_turn(&said->log, 2, "Truck-02", &silent, false);
    assert_string_equal(heard(said), "warn  sync: [Truck-02] timeout after 10s\n");
    const struct cycle_totals totals = {.vehicles = 2, .ok = 1, .timeout = 1, .duration_us = 2300000};
    cycle_log_done(&said->log, &totals, 27700000);
    assert_string_equal(heard(said), "info  sync: Cycle done in 2.3s — sleeping 27.7s\n");
    cycle_log_done(&said->log, &totals, -1);
    assert_string_equal(heard(said), "info  sync: Cycle done in 2.3s\n");
}

static void what_is_not_known_is_not_said(void **state)
{
    struct said *said = *state;
    const struct turn_result bare = {.status = TURN_OK};
    const struct turn_result told = {
        .status = TURN_OK, .db = TURN_DB_OK, .window_us = 1499999, .note = "the clock is 3 s ahead"};
    const struct turn_result no_store = {.status = TURN_ERROR, .db = TURN_DB_FAILED, .note = "no store"};
    const struct turn_result noted = {.status = TURN_OK, .note = "no alarms"};
    cycle_log_turn(&said->log, 1, "a", &bare, false);
    assert_string_equal(heard(said), "info  sync: [a] online\n"
                                     "info  sync: [a] wrote 0 measurements\n");
    cycle_log_turn(&said->log, 1, "a", &told, false);
    assert_string_equal(heard(said),
                        "info  sync: [a] online  db_ok=True\n"
                        "info  sync: [a] wrote 0 measurements  window=1s  note: the clock is 3 s ahead\n");
    cycle_log_turn(&said->log, 1, "a", &noted, false);
    assert_string_equal(heard(said), "info  sync: [a] online\n"
                                     "info  sync: [a] wrote 0 measurements  note: no alarms\n");
    cycle_log_turn(&said->log, 1, "a", &no_store, false);
    assert_string_equal(heard(said), "info  sync: [a] online  db_ok=False\n"
                                     "warn  sync: [a] no store\n");
}

static void of_a_large_fleet_changes_and_totals_are_told(void **state)
{
    struct said *said = *state;
    const struct turn_result well = {.status = TURN_OK};
    const struct turn_result silent = {.status = TURN_TIMEOUT, .note = "timeout after 10s"};
    cycle_log_turn(&said->log, MANY, "a", &well, false);
    cycle_log_turn(&said->log, MANY, "a", &silent, false);
    assert_string_equal(heard(said), "");
    cycle_log_turn(&said->log, MANY - 1, "a", &silent, false);
    assert_string_equal(heard(said), "warn  sync: [a] timeout after 10s\n");
    cycle_log_turn(&said->log, MANY, "a", &silent, true);
    assert_string_equal(heard(said), "warn  sync: [a] timeout after 10s\n");
    cycle_log_turn(&said->log, MANY, "a", &well, true);
    assert_string_equal(heard(said), "info  sync: [a] online\n"
                                     "info  sync: [a] wrote 0 measurements\n");
    const struct cycle_totals totals = {
        .vehicles = MANY, .ok = 45, .timeout = 3, .error = 2, .left_out = 1, .rows_added = 67500};
    cycle_log_done(&said->log, &totals, 0);
    assert_string_equal(heard(said),
                        "info  sync: Cycle: 45 ok, 3 timeout, 2 error, 1 left out, 67500 measurements\n"
                        "info  sync: Cycle done in 0.0s — sleeping 0.0s\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_small_fleet_is_told_vehicle_by_vehicle, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_not_known_is_not_said, set_up, tear_down),
        cmocka_unit_test_setup_teardown(of_a_large_fleet_changes_and_totals_are_told, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
