#include "updater/release_sweep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/harness/update_place.h"

static bool add_more(const struct update_place *place)
{
    return update_place_release(place, "0.8.0") && update_place_release(place, "0.9.0") &&
           update_place_release(place, "1.1.0");
}

static int set_up(void **state)
{
    return update_place_make(state, add_more);
}

static int tear_down(void **state)
{
    return update_place_remove(*state);
}

static void assert_previous(const struct update_place *place, const char *expected)
{
    char previous[RELEASE_VERSION_BYTES] = "untouched";
    assert_true(release_previous(place->root.path, previous, NULL));
    assert_string_equal(previous, expected);
}

static void the_highest_below_the_one_that_runs_stays(void **state)
{
    const struct update_place *place = *state;
    assert_previous(place, "0.9.0");
    assert_true(update_place_folder(place, "releases/.new-1.2.0/bin"));
    assert_true(update_place_folder(place, "releases/.old-0.7.0/bin"));
    assert_true(update_place_folder(place, "releases/.1.0.0.tmp"));
    assert_true(update_place_folder(place, "releases/of the operator"));
    assert_true(release_sweep(place->root.path, NULL));
    static const char *const stay[] = {"releases/0.9.0/bin/watchdog", "releases/1.0.0/bin/watchdog",
                                       "releases/of the operator"};
    static const char *const go[] = {"releases/0.8.0",      "releases/1.1.0",      "releases/.new-1.2.0",
                                     "releases/.old-0.7.0", "releases/.1.0.0.tmp", "releases/.old-0.8.0"};
    for (size_t i = 0; i < COUNT_OF(stay); i++)
        assert_true(update_place_has(place, stay[i]));
    for (size_t i = 0; i < COUNT_OF(go); i++)
        assert_false(update_place_has(place, go[i]));
}

static void on_probation_it_is_the_one_that_ran_before(void **state)
{
    const struct update_place *place = *state;
    assert_true(release_switch(place->root.path, "1.1.0", NULL));
    assert_true(test_folder_write(&place->root, "probation", "0.9.0 1\n"));
    assert_previous(place, "0.9.0");
    assert_true(release_sweep(place->root.path, NULL));
    assert_true(update_place_has(place, "releases/0.9.0"));
    assert_false(update_place_has(place, "releases/1.0.0"));
}

static void the_lowest_has_none_before_it(void **state)
{
    const struct update_place *place = *state;
    assert_true(release_switch(place->root.path, "0.8.0", NULL));
    assert_previous(place, "");
}

static void the_one_that_runs_is_never_removed(void **state)
{
    const struct update_place *place = *state;
    struct error err;
    assert_false(release_remove(place->root.path, "1.0.0", &err));
    assert_true(update_place_has(place, "releases/1.0.0"));
    assert_false(release_remove(place->root.path, "..", &err));
    assert_true(release_remove(place->root.path, "7.0.0", NULL));
    assert_true(release_remove(place->root.path, "1.1.0", NULL));
    assert_false(update_place_has(place, "releases/1.1.0"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_highest_below_the_one_that_runs_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(on_probation_it_is_the_one_that_ran_before, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_lowest_has_none_before_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_one_that_runs_is_never_removed, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
