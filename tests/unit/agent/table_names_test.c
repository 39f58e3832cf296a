#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "agent/table_names.h"

static int make_names(void **state)
{
    *state = calloc(1, sizeof(struct table_names));
    return *state == NULL;
}

static int free_names(void **state)
{
    free(*state);
    return 0;
}

static void assert_name(struct table_names *names, const char *raw, const char *expected)
{
    struct view name = table_name_of(names, view_of(raw));
    if (!view_is(name, expected))
        fail_msg("%s became %.*s", raw, VIEW_ARG(name));
}

static void a_name_that_fits_stays(void **state)
{
    struct table_names *names = *state;
    for (int twice = 0; twice < 2; twice++) {
        assert_name(names, "engine_rpm", "engine_rpm");
        assert_name(names, "a \"b\" \\", "a \\\"b\\\" \\\\");
        assert_name(names, "\xd1\x82", "\xd1\x82");
    }
    char longest[RECORD_CHANNEL_BYTES] = "";
    memset(longest, 'x', sizeof(longest) - 1);
    assert_name(names, longest, longest);
    assert_int_equal(names->fitted, 0);
}

static void a_name_that_does_not_is_given_one(void **state)
{
    struct table_names *names = *state;
    assert_true(view_is(table_name_of(names, (struct view){NULL, 0}), "(null)"));
    assert_name(names, "", "(empty)");
    assert_name(names, "a\nb", "a?b~e5beb1190415e670");
    assert_name(names, "a\tb", "a?b~e5bacb19041229c7");
    assert_name(names, "\xff", "?~af64724c8602eb6e");
    assert_int_equal(names->fitted, 5);
    struct view nul = table_name_of(names, (struct view){"a\0b", 3});
    assert_int_equal(nul.size, 3 + 17);
    assert_memory_equal(nul.data, "a?b~", 4);
}

static void long_names_stay_different(void **state)
{
    struct table_names *names = *state;
    char raw[300];
    char before[RECORD_CHANNEL_BYTES] = "";
    memset(raw, 'x', sizeof(raw));
    for (size_t size = RECORD_CHANNEL_BYTES; size < sizeof(raw); size++) {
        char name[RECORD_CHANNEL_BYTES];
        struct view escaped = table_name_of(names, (struct view){raw, size});
        assert_true(escaped.size < sizeof(name));
        snprintf(name, sizeof(name), "%.*s", VIEW_ARG(escaped));
        assert_true(record_channel_name_ok(view_of(name)));
        assert_string_not_equal(name, before);
        memcpy(before, name, sizeof(before));
    }
    memset(raw, '"', sizeof(raw));
    assert_true(table_name_of(names, (struct view){raw, 200}).size <= 2 * RECORD_CHANNEL_BYTES);
    assert_int_equal(table_name_of(names, (struct view){raw, 127}).size, 254);
}

/* More than are kept, so that they push one another out. */
static void many_names(void **state)
{
    struct table_names *names = *state;
    for (int i = 0; i < 20 * TABLE_NAMES_KEPT; i++) {
        char name[32];
        snprintf(name, sizeof(name), "channel %d", i % (2 * TABLE_NAMES_KEPT));
        assert_name(names, name, name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_that_fits_stays, make_names, free_names),
        cmocka_unit_test_setup_teardown(a_name_that_does_not_is_given_one, make_names, free_names),
        cmocka_unit_test_setup_teardown(long_names_stay_different, make_names, free_names),
        cmocka_unit_test_setup_teardown(many_names, make_names, free_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
