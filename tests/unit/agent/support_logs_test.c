#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>

#include "agent/support_logs.h"
#include "tests/harness/test_folder.h"

static struct test_folder folder;
static int log_fd;
static struct support_logs logs;
static char service_lines[2][CONFIG_TEXT_BYTES] = {"camera /bin/camera --x", "../etc /bin/x"};
static const struct config_lines services = {.lines = service_lines, .count = 2};

static int setup(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    log_fd = open(folder.path, O_RDONLY | O_DIRECTORY);
    return log_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    close(log_fd);
    test_folder_remove(&folder);
    return 0;
}

static void make(const char *name, time_t mtime_s)
{
    const struct timespec times[2] = {{.tv_sec = mtime_s}, {.tv_sec = mtime_s}};
    assert_true(test_folder_write(&folder, name, name));
    assert_int_equal(utimensat(log_fd, name, times, 0), 0);
}

static void find(void)
{
    struct error err;
    assert_true(support_logs_find(log_fd, &services, &logs, &err));
}

static void test_the_newest_parts_of_all_come_first(void **state)
{
    (void)state;
    static const char *const wanted[] = {"collector.log",   "agent.log",    "camera.log",
                                         "collector.log.1", "camera.log.1", "agent.log.4",
                                         "new.log",         "old.txt",      "agent.log.5"};
    make("agent.log", 1);
    make("agent.log.4", 9);
    make("agent.log.5", 2);
    make("old.txt", 3);
    make("new.log", 4);
    make("camera.log", 1);
    make("camera.log.1", 1);
    make("collector.log", 1);
    make("collector.log.1", 1);
    find();
    assert_int_equal(logs.count, COUNT_OF(wanted));
    for (size_t i = 0; i < logs.count; i++)
        assert_string_equal(logs.names[i], wanted[i]);
    assert_false(logs.more);
}

static void test_only_regular_files(void **state)
{
    (void)state;
    assert_int_equal(symlinkat("/etc/shadow", log_fd, "agent.log"), 0);
    assert_int_equal(symlinkat("/etc/shadow", log_fd, "x.log"), 0);
    assert_int_equal(mkfifoat(log_fd, "portal.log", 0600), 0);
    assert_int_equal(mkdirat(log_fd, "folder", 0700), 0);
    find();
    assert_int_equal(logs.count, 0);
}

static void test_too_many_others(void **state)
{
    (void)state;
    char name[32];
    for (int i = 0; i < 3 * SUPPORT_LOGS_OTHER_MAX; i++) {
        snprintf(name, sizeof(name), "x%d", i);
        make(name, i * 7 % (3 * SUPPORT_LOGS_OTHER_MAX));
    }
    make("agent.log", 1);
    find();
    assert_int_equal(logs.count, SUPPORT_LOGS_OTHER_MAX + 1);
    assert_true(logs.more);
    assert_string_equal(logs.names[0], "agent.log");
    int64_t last = INT64_MAX;
    for (size_t i = 1; i < logs.count; i++) {
        struct stat about;
        assert_int_equal(fstatat(log_fd, logs.names[i], &about, 0), 0);
        assert_true(about.st_mtime <= last);
        last = about.st_mtime;
    }
    assert_int_equal(last, 2 * SUPPORT_LOGS_OTHER_MAX); /* all newer ones are there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_the_newest_parts_of_all_come_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_only_regular_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_too_many_others, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
