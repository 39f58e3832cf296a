#include "updater/probation_file.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "tests/harness/test_folder.h"

static void what_is_written_is_read_until_it_is_removed(void **state)
{
    (void)state;
    struct test_folder root;
    char previous[RELEASE_VERSION_BYTES] = "untouched";
    assert_true(test_folder_make(&root));
    assert_true(probation_file_read(root.path, previous, NULL));
    assert_string_equal(previous, "");
    assert_true(probation_file_write(root.path, "1.0.0-rc.1", NULL));
    assert_true(test_folder_has(&root, "probation", "1.0.0-rc.1 0\n"));
    assert_true(probation_file_read(root.path, previous, NULL));
    assert_string_equal(previous, "1.0.0-rc.1");
    assert_true(probation_file_remove(root.path, NULL));
    assert_true(probation_file_remove(root.path, NULL));
    assert_true(probation_file_read(root.path, previous, NULL));
    assert_string_equal(previous, "");
    test_folder_remove(&root);
}

/* As boot/start leaves them alone. */
static void what_makes_no_sense_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "1.0.0", "1.0.0 x\n", "1.0.0 -1\n", "1.0.0 1 more\n", "../x 0\n", "1.0.0 1000\n", " 0\n"};
    struct test_folder root;
    assert_true(test_folder_make(&root));
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char previous[RELEASE_VERSION_BYTES] = "untouched";
        assert_true(test_folder_write(&root, "probation", texts[i]));
        assert_true(probation_file_read(root.path, previous, NULL));
        assert_string_equal(previous, "");
    }
    test_folder_remove(&root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_until_it_is_removed),
        cmocka_unit_test(what_makes_no_sense_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
