#include "server_tools/sync_client/notices.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void expect_count(int64_t count, const char *expected)
{
    char text[COUNT_TEXT_BYTES];
    assert_string_equal(count_for_people(text, count), expected);
}

static void counts_are_grouped(void **state)
{
    (void)state;
    expect_count(0, "0");
    expect_count(999, "999");
    expect_count(1000, "1,000");
    expect_count(2160000, "2,160,000");
    expect_count(-1, "-1");
    expect_count(-123456, "-123,456");
    expect_count(INT64_MAX, "9,223,372,036,854,775,807");
    expect_count(INT64_MIN, "-9,223,372,036,854,775,808");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(counts_are_grouped)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
