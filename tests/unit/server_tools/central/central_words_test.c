/* What a machine says of its channels and its alarms, in both stores. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "server_tools/central/central.h"
#include "tests/unit/server_tools/central/tractor.h"

/* ---- what the machine says of its channels ---- */

#define DAY(number) (INT64_C(1771754400000000) + (number)*INT64_C(86400) * US_PER_S)

static int64_t describe(struct store *store, int64_t as_of_us, const char *unit, double max_value)
{
    const struct central_description said[] = {
        {VIEW_LITERAL("oil"), view_of(unit), VIEW_LITERAL("pressure of oil"), 0.5, max_value},
        {VIEW_LITERAL("gear"), VIEW_LITERAL(""), VIEW_LITERAL(""), NAN, NAN},
    };
    int64_t changed = -1;
    struct error err = {0};
    if (!central_describe(store->central, store->vehicle_id, as_of_us, said, COUNT_OF(said), &changed, &err))
        fail_msg("%s", err.text);
    return changed;
}

static void channels_as_their_machine_describes_them(void **state)
{
    struct store *store = *state;
    assert_int_equal(describe(store, DAY(0), "bar", 10), 0);
    assert_int_equal(ask(store,
                         "SELECT count(*) FROM channel_config WHERE (name = 'oil' AND unit = 'bar' AND"
                         " min_value = 0.5 AND max_value = 10 AND description = 'pressure of oil' AND"
                         " synced_at = '2026-02-22T10:00:00.000000Z' AND channel_id = 1) OR"
                         " (name = 'gear' AND unit IS NULL AND min_value IS NULL AND max_value IS NULL AND"
                         " description IS NULL AND channel_id = 2)"),
                     2);
    assert_int_equal(describe(store, DAY(0), "bar", 10), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM channel_changes"), 0);
}

static void a_channel_known_from_readings_alone_has_not_changed(void **state)
{
    struct store *store = *state;
    int64_t id;
    assert_true(central_channel(store->central, store->vehicle_id, VIEW_LITERAL("oil"), &id, NULL));
    assert_int_equal(ask(store, "SELECT count(*) FROM channel_config WHERE synced_at IS NULL"), 1);
    assert_int_equal(describe(store, DAY(0), "bar", 10), 0);
    assert_int_equal(ask(store, "SELECT count(*) FROM channel_config WHERE unit = 'bar' AND channel_id = 1"),
                     1);
}

static void a_changed_unit_is_kept_beside_what_it_was(void **state)
{
    struct store *store = *state;
    struct central_vehicle synced = {
        .client_id = "tractor-7", .last_seen_us = INT64_MIN, .last_sync_us = DAY(2) + 5};
    int64_t id;
    clock_fake_advance(&store->clock, DAY(4) - DAY(0));
    assert_int_equal(describe(store, DAY(0), "bar", 10), 0);
    assert_int_equal(describe(store, DAY(1), "kPa", 10), 1); /* no readings had come as far as is known */
    assert_true(central_vehicle(store->central, &synced, &id, NULL));
    assert_int_equal(describe(store, DAY(3), "kPa", 1000), 1);
    assert_int_equal(ask(store,
                         "SELECT count(*) FROM channel_changes WHERE channel_id = 1 AND min_value = 0.5 AND"
                         " max_value = 10 AND description = 'pressure of oil' AND"
                         " ((change_id = 1 AND unit = 'bar' AND held_until IS NULL AND"
                         " seen_at = '2026-02-23T10:00:00.000000Z') OR (change_id = 2 AND unit = 'kPa' AND"
                         " held_until = '2026-02-24T10:00:00.000005Z' AND"
                         " seen_at = '2026-02-25T10:00:00.000000Z'))"),
                     2);
    assert_int_equal(ask(store, "SELECT count(*) FROM channel_changes"), 2);
    assert_int_equal(ask(store,
                         "SELECT count(*) FROM channel_config WHERE unit = 'kPa' AND max_value = 1000 AND"
                         " synced_at = '2026-02-25T10:00:00.000000Z'"),
                     1);
}

static void what_an_older_archive_says_changes_nothing(void **state)
{
    struct store *store = *state;
    clock_fake_advance(&store->clock, DAY(4) - DAY(0));
    describe(store, DAY(3), "kPa", 10);
    for (int times = 0; times < 2; times++)
        assert_int_equal(describe(store, DAY(2), "bar", 10), 0);
    /* its readings are of bar all the same: that is seen, once */
    assert_int_equal(ask(store, "SELECT count(*) FROM channel_changes"), 1);
    assert_int_equal(ask(store,
                         "SELECT count(*) FROM channel_changes WHERE unit = 'bar' AND max_value = 10 AND"
                         " description = 'pressure of oil' AND held_until = '2026-02-24T10:00:00.000000Z' AND"
                         " seen_at = '2026-02-25T10:00:00.000000Z'"),
                     1);
    assert_int_equal(describe(store, DAY(1), "psi", 10), 0);
    assert_int_equal(describe(store, DAY(1) + 5, "bar", 10), 0); /* known: bar was seen until day 3 */
    assert_int_equal(ask(store, "SELECT count(*) FROM channel_changes"), 2);
    assert_int_equal(ask(store, "SELECT count(*) FROM channel_config WHERE unit = 'kPa'"), 1);
    /* but one from the future is of a clock that was ahead */
    describe(store, DAY(400), "psi", 10);
    assert_int_equal(describe(store, DAY(4), "bar", 10), 1);
    assert_int_equal(ask(store, "SELECT count(*) FROM channel_config WHERE unit = 'bar'"), 1);
}

/* ---- alarms ---- */

static int64_t add_alarms(struct store *store, int64_t last_seq, const struct central_alarm *alarms,
                          size_t count)
{
    int64_t added = -1;
    struct error err = {0};
    if (!central_add_alarms(store->central, store->vehicle_id, STORE, last_seq, alarms, count, &added, &err))
        fail_msg("%s", err.text);
    return added;
}

static const struct central_alarm hot = {
    DAY(1),   VIEW_LITERAL("oil"), VIEW_LITERAL("high"), VIEW_LITERAL("too \"hot\" \xe2\x84\x83"), DAY(1),
    INT64_MIN};

static struct central_alarm ended(struct central_alarm alarm, int64_t resolved_us)
{
    alarm.resolved_us = resolved_us;
    return alarm;
}

static void alarms_come_with_their_cursor(void **state)
{
    struct store *store = *state;
    const struct central_alarm alarms[] = {
        hot, {DAY(2), VIEW_LITERAL(""), VIEW_LITERAL("low"), VIEW_LITERAL(""), DAY(2), DAY(2) + 1}};
    int64_t seq = -1;
    assert_int_equal(add_alarms(store, 40, alarms, 2), 2);
    assert_true(central_cursor(store->central, store->vehicle_id, STORE, "alarms", &seq, NULL));
    assert_int_equal(seq, 40);
    assert_true(central_cursor(store->central, store->vehicle_id, STORE, "readings", &seq, NULL));
    assert_int_equal(seq, 0);
    assert_int_equal(
        ask(store, "SELECT alarm_id FROM alarms_log JOIN channel_config USING (vehicle_id, channel_id)"
                   " WHERE name = 'oil' AND severity = 'high' AND message = 'too \"hot\" \xe2\x84\x83' AND"
                   " {raised} = alarm_id AND {resolved} IS NULL"),
        DAY(1));
    assert_int_equal(
        ask(store, "SELECT {resolved} FROM alarms_log WHERE channel_id IS NULL AND severity = 'low'"),
        DAY(2) + 1);
    assert_int_equal(add_alarms(store, 20, alarms, 2), 0);
    assert_true(central_cursor(store->central, store->vehicle_id, STORE, "alarms", &seq, NULL));
    assert_int_equal(seq, 40); /* never back */
}

static void an_alarm_ends_once_and_for_all(void **state)
{
    struct store *store = *state;
    const struct central_alarm over = ended(hot, DAY(1) + 60);
    assert_int_equal(add_alarms(store, 1, &hot, 1), 1);
    assert_int_equal(add_alarms(store, 2, &over, 1), 0);
    assert_int_equal(ask(store, "SELECT {resolved} FROM alarms_log"), DAY(1) + 60);
    assert_int_equal(add_alarms(store, 2, &hot, 1), 0); /* an old line again */
    assert_int_equal(ask(store, "SELECT {resolved} FROM alarms_log"), DAY(1) + 60);
    assert_int_equal(ask(store, "SELECT count(*) FROM alarms_log WHERE message LIKE 'too%'"), 1);
}

static void of_several_ends_the_latest_counts_in_any_order(void **state)
{
    struct store *store = *state;
    struct central_alarm ends[] = {ended(hot, DAY(1) + 90), ended(hot, DAY(1) + 60)};
    assert_int_equal(add_alarms(store, 1, &ends[1], 1), 1);
    assert_int_equal(add_alarms(store, 2, &ends[0], 1), 0);
    assert_int_equal(ask(store, "SELECT {resolved} FROM alarms_log"), DAY(1) + 90);
    assert_int_equal(add_alarms(store, 1, &ends[1], 1), 0); /* the older archive again */
    assert_int_equal(add_alarms(store, 2, ends, COUNT_OF(ends)), 0);
    assert_int_equal(ask(store, "SELECT {resolved} FROM alarms_log"), DAY(1) + 90);
}

static void both_lines_of_an_alarm_in_one_call(void **state)
{
    struct store *store = *state;
    struct central_alarm lines[] = {hot, ended(hot, DAY(1) + 60), hot};
    lines[1].message = VIEW_LITERAL("only the end counts");
    assert_int_equal(add_alarms(store, 3, lines, COUNT_OF(lines)), 1);
    assert_int_equal(ask(store, "SELECT {resolved} FROM alarms_log WHERE message LIKE 'too%'"), DAY(1) + 60);
    assert_int_equal(add_alarms(store, 4, NULL, 0), 0);
}

static void an_alarm_of_a_clock_gone_mad(void **state)
{
    struct store *store = *state;
    struct central_alarm alarms[] = {hot, hot};
    for (int i = 0; i < 2; i++) {
        alarms[i].alarm_id = i;
        alarms[i].raised_us = us_of(i == 0 ? "0000-01-01T00:00:00.000001Z" : "9999-12-31T23:59:59.999999Z");
        alarms[i].resolved_us = alarms[i].raised_us;
    }
    assert_int_equal(add_alarms(store, 9, alarms, 2), 2);
    assert_int_equal(ask(store, "SELECT {raised} FROM alarms_log WHERE alarm_id = 0"), alarms[0].raised_us);
    assert_int_equal(ask(store, "SELECT {resolved} FROM alarms_log WHERE alarm_id = 1"), alarms[1].raised_us);
}

static void too_many_alarms_are_a_bug(void **state)
{
    struct store *store = *state;
    int64_t added;
    struct error err = {0};
    assert_false(central_add_alarms(store->central, store->vehicle_id, STORE, 1, NULL, CENTRAL_ALARMS_MAX + 1,
                                    &added, &err));
    assert_int_equal(err.code, ERR_INTERNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_BOTH(channels_as_their_machine_describes_them),
        IN_BOTH(a_channel_known_from_readings_alone_has_not_changed),
        IN_BOTH(a_changed_unit_is_kept_beside_what_it_was),
        IN_BOTH(what_an_older_archive_says_changes_nothing),
        IN_BOTH(alarms_come_with_their_cursor),
        IN_BOTH(an_alarm_ends_once_and_for_all),
        IN_BOTH(of_several_ends_the_latest_counts_in_any_order),
        IN_BOTH(both_lines_of_an_alarm_in_one_call),
        IN_BOTH(an_alarm_of_a_clock_gone_mad),
        IN_BOTH(too_many_alarms_are_a_bug),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
