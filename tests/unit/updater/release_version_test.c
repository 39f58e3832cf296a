#include "updater/release.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

static void takes_what_the_specification_takes(void **state)
{
    (void)state;
    static const char *const valid[] = {
        "0.0.4", "1.2.3", "10.20.30", "1.1.2-prerelease+meta", "1.1.2+meta", "1.1.2+meta-valid",
        "1.0.0-alpha", "1.0.0-beta", "1.0.0-alpha.beta", "1.0.0-alpha.beta.1", "1.0.0-alpha.1",
        "1.0.0-alpha0.valid", "1.0.0-alpha.0valid", "1.0.0-rc.1+build.1", "2.0.0-rc.1+build.123",
        "1.2.3-beta", "10.2.3-DEV-SNAPSHOT", "1.2.3-SNAPSHOT-123", "1.0.0", "2.0.0", "1.1.7",
        "2.0.0+build.1848", "2.0.1-alpha.1227", "1.0.0-alpha+beta", "1.2.3----RC-SNAPSHOT.12.9.1--.12+788",
        "1.2.3----R-S.12.9.1--.12+meta", "1.2.3----RC-SNAPSHOT.12.9.1--.12",
        "1.0.0+0.build.1-rc.10000aaa-kk-0.1", "1.0.0-0A.is.legal",
        "99999999999999999999999.999999999999999999.99999999999999999",
        /* section 9 and 10 of the text */
        "1.0.0-0.3.7", "1.0.0-x.7.z.92", "1.0.0-x-y-z.--", "1.0.0-alpha+001", "1.0.0+20130313144700",
        "1.0.0-beta+exp.sha.5114f85", "1.0.0+21AF26D3----117B344092BD"};
    for (size_t i = 0; i < COUNT_OF(valid); i++) {
        if (!release_version_ok(valid[i]))
            fail_msg("refused %s", valid[i]);
    }
}

static void refuses_what_the_specification_refuses(void **state)
{
    (void)state;
    static const char *const invalid[] = {
        "", "1", "1.2", "1.2.3-0123", "1.2.3-0123.0123", "1.1.2+.123", "+invalid", "-invalid",
        "-invalid+invalid", "-invalid.01", "alpha", "alpha.beta", "alpha.beta.1", "alpha.1", "alpha+beta",
        "alpha_beta", "alpha.", "alpha..", "beta", "1.0.0-alpha_beta", "-alpha.", "1.0.0-alpha..",
        "1.0.0-alpha..1", "1.0.0-alpha...1", "01.1.1", "1.01.1", "1.1.01", "1.2.3.DEV", "1.2-SNAPSHOT",
        "1.2.31.2.3----RC-SNAPSHOT.12.09.1--..12+788", "1.2-RC-SNAPSHOT", "-1.0.3-gamma+b7718", "+justmeta",
        "9.8.7+meta+meta", "9.8.7-whatever+meta+meta", "1.0.0-", "1.0.0+", "1.0.0-a.", "1.0.0+a.", "1..0",
        "1.0.", ".1.0", "v1.0.0", " 1.0.0", "1.0.0 ", "1.0.0\n", "1.0.0/..", "1.0.0-\xc3\xa9", "1.2.3.4",
        /* one character more than RELEASE_VERSION_BYTES leaves room for */
        "1.0.0-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};
    for (size_t i = 0; i < COUNT_OF(invalid); i++) {
        if (release_version_ok(invalid[i]))
            fail_msg("took `%s`", invalid[i]);
    }
}

static void orders_as_section_11_says(void **state)
{
    (void)state;
    static const char *const rising[] = {"0.9.9",
                                         "1.0.0-0",
                                         "1.0.0-2",
                                         "1.0.0-10",
                                         "1.0.0-alpha",
                                         "1.0.0-alpha.1",
                                         "1.0.0-alpha.beta",
                                         "1.0.0-beta",
                                         "1.0.0-beta.2",
                                         "1.0.0-beta.11",
                                         "1.0.0-rc.1",
                                         "1.0.0",
                                         "2.0.0",
                                         "2.1.0",
                                         "2.1.1",
                                         "2.10.0",
                                         "10.0.0",
                                         "18446744073709551616.0.0",
                                         "18446744073709551617.0.0"};
    for (size_t i = 0; i < COUNT_OF(rising); i++) {
        for (size_t j = 0; j < COUNT_OF(rising); j++) {
            int order = release_version_compare(rising[i], rising[j]);
            int expected = (i > j) - (i < j);
            if ((order > 0) - (order < 0) != expected)
                fail_msg("%s and %s: %d", rising[i], rising[j], order);
        }
    }
}

static void build_metadata_does_not_count(void **state)
{
    (void)state;
    assert_int_equal(release_version_compare("1.0.0+a", "1.0.0+b"), 0);
    assert_int_equal(release_version_compare("1.0.0-rc.1+a", "1.0.0-rc.1"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(takes_what_the_specification_takes),
        cmocka_unit_test(refuses_what_the_specification_refuses),
        cmocka_unit_test(orders_as_section_11_says),
        cmocka_unit_test(build_metadata_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
