#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>

#include "common/os/beneath.h"
#include "tests/harness/test_folder.h"

static struct test_folder folder;
static int folder_fd;
static struct error err;

static int setup(void **state)
{
    (void)state;
    memset(&err, 0, sizeof(err));
    if (!test_folder_make(&folder))
        return -1;
    folder_fd = open(folder.path, O_RDONLY | O_DIRECTORY);
    if (mkdirat(folder_fd, "a", 0755) != 0 || mkdirat(folder_fd, "a/b", 0755) != 0)
        return -1;
    return test_folder_write(&folder, "top", "1") && test_folder_write(&folder, "a/b/deep", "four") ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    close(folder_fd);
    test_folder_remove(&folder);
    return 0;
}

static void expect_refused(const char *name, enum error_code code)
{
    struct stat about;
    memset(&err, 0, sizeof(err));
    assert_int_equal(file_open_beneath(folder_fd, name, &about, &err), -1);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.text, name));
}

static void test_opens(void **state)
{
    (void)state;
    struct stat about;
    int fd = file_open_beneath(folder_fd, "a/b/deep", &about, &err);
    assert_true(fd >= 0);
    assert_int_equal(about.st_size, 4);
    char text[8];
    assert_int_equal(read(fd, text, sizeof(text)), 4);
    assert_int_equal(fcntl(fd, F_GETFD), FD_CLOEXEC);
    close(fd);
    fd = file_open_beneath(folder_fd, "top", &about, &err);
    assert_true(fd >= 0);
    close(fd);
    fd = folder_open_beneath(folder_fd, "a/b", &err);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(folder_open_beneath(folder_fd, "top", &err), -1);
    assert_int_equal(folder_open_beneath(folder_fd, "nothing", &err), -1);
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void test_no_plain_path(void **state)
{
    (void)state;
    static const char *const names[] = {"",          "/",    "/etc/passwd", "../x", "a/../top", "a/./b/deep",
                                        "a//b/deep", "a/b/", ".",           "..",   "a/.."};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        expect_refused(names[i], ERR_INPUT);
}

static void test_not_there(void **state)
{
    (void)state;
    expect_refused("nothing", ERR_NOT_FOUND);
    expect_refused("a/nothing/x", ERR_NOT_FOUND);
}

static void test_links_lead_nowhere(void **state)
{
    (void)state;
    assert_int_equal(symlinkat("b/deep", folder_fd, "a/link"), 0);
    assert_int_equal(symlinkat("a", folder_fd, "other"), 0);
    assert_int_equal(symlinkat("/etc", folder_fd, "etc"), 0);
    assert_int_equal(linkat(folder_fd, "top", folder_fd, "a/second", 0), 0);
    expect_refused("a/link", ERR_INPUT);
    expect_refused("other/b/deep", ERR_INPUT);
    expect_refused("etc/passwd", ERR_INPUT);
    expect_refused("a/second", ERR_INPUT);
    expect_refused("top", ERR_INPUT); /* it has the second name too */
    assert_int_equal(folder_open_beneath(folder_fd, "other", &err), -1);
    assert_int_equal(err.code, ERR_INPUT);
}

static void test_only_regular_files(void **state)
{
    (void)state;
    assert_int_equal(mkfifoat(folder_fd, "fifo", 0600), 0);
    expect_refused("fifo", ERR_INPUT);
    expect_refused("a/b", ERR_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_opens, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_plain_path, setup, teardown),
        cmocka_unit_test_setup_teardown(test_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_lead_nowhere, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_regular_files, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
