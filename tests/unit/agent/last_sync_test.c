#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/last_sync.h"

static const int64_t time_us = INT64_C(1771754400000001);
static const struct path path = {"last_sync.txt"};
static char folder[] = "/tmp/last_sync_test.XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path.text);
    return chdir("/") != 0 || rmdir(folder) != 0;
}

static void kept_over_a_restart(void **state)
{
    (void)state;
    struct last_sync last;
    last_sync_init(&last, &path);
    assert_int_equal(last_sync_time_us(&last), INT64_MIN);
    assert_true(last_sync_flush(&last, NULL));
    assert_int_equal(access(path.text, F_OK), -1); /* nothing noted, nothing written */
    last_sync_note(&last, time_us);
    assert_true(last_sync_flush(&last, NULL));
    last_sync_clear(&last);

    char text[64] = "";
    FILE *file = fopen(path.text, "r");
    assert_non_null(file);
    assert_non_null(fgets(text, sizeof(text), file));
    fclose(file);
    assert_string_equal(text, "2026-02-22T10:00:00.000001Z\n");

    last_sync_init(&last, &path);
    assert_int_equal(last_sync_time_us(&last), time_us);
    last_sync_clear(&last);
}

static void a_failed_write_is_tried_again(void **state)
{
    (void)state;
    struct last_sync last;
    struct error err;
    struct path gone = {"gone/last_sync.txt"};
    last_sync_init(&last, &gone);
    last_sync_note(&last, time_us);
    assert_false(last_sync_flush(&last, &err));
    assert_false(last_sync_flush(&last, &err));
    last.path = path;
    assert_true(last_sync_flush(&last, &err));
    assert_int_equal(access(path.text, F_OK), 0);
    last_sync_clear(&last);
}

static void nonsense_counts_as_never(void **state)
{
    (void)state;
    struct last_sync last;
    FILE *file = fopen(path.text, "w");
    assert_non_null(file);
    fputs("yesterday\n", file);
    fclose(file);
    last_sync_init(&last, &path);
    assert_int_equal(last_sync_time_us(&last), INT64_MIN);
    last_sync_clear(&last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kept_over_a_restart),
        cmocka_unit_test(a_failed_write_is_tried_again),
        cmocka_unit_test(nonsense_counts_as_never),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
