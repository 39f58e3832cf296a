/* The folder of packages: what is swept and what stays. Made-up files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/scope.h"
#include "server_tools/sync_service/rollout_package.h"

#define NOW_S  INT64_C(1771754400) /* 2026-02-22T10:00:00Z */
#define DAY_S  INT64_C(86400)
#define KEPT   "1111111111111111111111111111111111111111111111111111111111111111"
#define NEEDED "2222222222222222222222222222222222222222222222222222222222222222"

static int enter(void **state)
{
    char folder[] = "/tmp/rollout_package.XXXXXX";
    *state = mkdtemp(folder) == NULL ? NULL : strdup(folder);
    return *state == NULL || chdir(*state) != 0;
}

static int leave(void **state)
{
    int result = chdir("/") != 0 || rmdir(*state) != 0;
    free(*state);
    return result;
}

static void put(const char *name, int64_t age_s)
{
    SCOPE_FD int fd = open(name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    const struct timespec times[] = {{.tv_sec = NOW_S - age_s}, {.tv_sec = NOW_S - age_s}};
    assert_true(fd >= 0);
    assert_int_equal(futimens(fd, times), 0);
}

static void what_nobody_needs_goes_after_a_day(void **state)
{
    static const struct {
        const char *name;
        int64_t age_s;
        bool stays;
    } files[] = {
        {KEPT ".zip", 2 * DAY_S, true},
        {NEEDED ".zip", DAY_S - 1, true},
        {"3333333333333333333333333333333333333333333333333333333333333333.zip", DAY_S + 1, false},
        {".taken-3f0c6a1e-0000-4000-8000-000000000000", DAY_S + 1, false},
        {".taken-3f0c6a1e-0000-4000-8000-000000000001", DAY_S - 1, true},
        {"33333333333333333333333333333333333333333333333333333333333333.zip", 2 * DAY_S, true},
        {"3333333333333333333333333333333333333333333333333333333333333333.zip.old", 2 * DAY_S, true},
        {"notes.txt", 2 * DAY_S, true},
    };
    static const char kept[][SHA256_HEX_BYTES] = {KEPT};
    struct error err = {0};
    struct clock_fake clock;
    clock_fake_init(&clock, NOW_S * US_PER_S, 0);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        put(files[i].name, files[i].age_s);
    if (!rollout_package_sweep(*state, kept, COUNT_OF(kept), &clock.clock, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        bool there = unlink(files[i].name) == 0;
        if (there != files[i].stays)
            fail_msg("%s is %s", files[i].name, there ? "there" : "gone");
    }
}

static void a_folder_that_is_not_there_is_an_error(void **state)
{
    struct error err = {0};
    (void)state;
    assert_false(rollout_package_sweep("none", NULL, 0, clock_system(), &err));
    assert_non_null(strstr(err.text, "none"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_nobody_needs_goes_after_a_day, enter, leave),
        cmocka_unit_test_setup_teardown(a_folder_that_is_not_there_is_an_error, enter, leave),
    };
    return cmocka_run_group_tests_name("rollout_package", tests, NULL, NULL);
}
