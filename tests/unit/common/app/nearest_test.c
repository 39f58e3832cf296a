#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/app/nearest.h"
#include "common/base/attr.h"

static const char *nearest_of(const char *asked)
{
    static const char *const known[] = {"root", "port", "portal", "since", "db", "data-storage", "quiet"};
    struct nearest nearest = {NULL, 0};
    for (size_t i = 0; i < COUNT_OF(known); i++)
        nearest_offer(&nearest, view_of(asked), known[i]);
    return nearest.name;
}

static void finds_what_was_meant(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"rot", "root"},
        {"rooot", "root"},
        {"ROOT", "root"},
        {"prt", "port"},
        {"portl", "port"},
        {"protal", "portal"},
        {"sinse", "since"},
        {"qiuet", "quiet"},
        {"data_storage", "data-storage"},
        {"datastorage", "data-storage"},
        {"dv", "db"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_string_equal(nearest_of(table[i][0]), table[i][1]);
}

static void finds_nothing_far_away(void **state)
{
    (void)state;
    static const char *const table[] = {
        "",
        "x",
        "xy",
        "host",
        "verbose",
        "datas",
        "a-name-that-is-longer-than-any-name-that-an-option-or-a-key-could-have"};
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_null(nearest_of(table[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_meant),
        cmocka_unit_test(finds_nothing_far_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
