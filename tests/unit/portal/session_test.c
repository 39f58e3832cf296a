#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/os/file.h"
#include "portal/session.h"

#define NOW_US (1771754400LL * US_PER_S)

static struct clock_fake fake;
static char folder[] = "/tmp/telehaul-session-XXXXXX";
static struct path key_file;

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) != NULL && path_join(&key_file, folder, "session.key", NULL) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return file_remove(key_file.text, NULL) ? rmdir(folder) : -1;
}

static struct session_key fresh_key(const char *pin)
{
    struct session_key key;
    struct error err;
    clock_fake_init(&fake, NOW_US, 0);
    assert_true(session_key_load(&key, key_file.text, pin, &err));
    return key;
}

static void lasts_until_its_expiry(void **state)
{
    (void)state;
    struct session_key key = fresh_key("1234");
    char cookie[SESSION_COOKIE_BYTES];
    session_make(&key, &fake.clock, cookie);
    assert_true(session_valid(&key, &fake.clock, cookie));
    clock_fake_advance(&fake, (SESSION_LIFETIME_S - 1) * (int64_t)US_PER_S);
    assert_true(session_valid(&key, &fake.clock, cookie));
    clock_fake_advance(&fake, US_PER_S);
    assert_false(session_valid(&key, &fake.clock, cookie));
    clock_fake_init(&fake, NOW_US - 10LL * US_PER_S, 0); /* a clock set back does not make it live longer */
    assert_false(session_valid(&key, &fake.clock, cookie));
}

static void any_change_makes_it_invalid(void **state)
{
    (void)state;
    struct session_key key = fresh_key("1234");
    char cookie[SESSION_COOKIE_BYTES];
    session_make(&key, &fake.clock, cookie);
    for (size_t i = 0; i < strlen(cookie); i++) {
        char changed[SESSION_COOKIE_BYTES];
        memcpy(changed, cookie, sizeof(changed));
        changed[i] = changed[i] == '1' ? '2' : '1';
        assert_false(session_valid(&key, &fake.clock, changed));
        changed[i] = '\0'; /* cut short */
        assert_false(session_valid(&key, &fake.clock, changed));
    }
    static const char *const others[] = {"", ".", "..", "...", "9999999999", "9999999999.ab.", "x.y.z"};
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_false(session_valid(&key, &fake.clock, others[i]));
    assert_false(session_valid(&key, &fake.clock, NULL));
}

static void outlives_a_restart_but_not_another_pin(void **state)
{
    (void)state;
    struct session_key key = fresh_key("1234");
    char cookie[SESSION_COOKIE_BYTES];
    session_make(&key, &fake.clock, cookie);
    struct session_key again = fresh_key("1234");
    assert_true(session_valid(&again, &fake.clock, cookie));
    struct session_key other = fresh_key("12345");
    assert_false(session_valid(&other, &fake.clock, cookie));
}

static void the_key_file_is_private(void **state)
{
    (void)state;
    struct session_key key = fresh_key("1234");
    struct stat status;
    assert_int_equal(stat(key_file.text, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    assert_int_equal(chmod(key_file.text, 0644), 0); /* somebody may have read it: a new one */
    struct session_key fresh = fresh_key("1234");
    assert_memory_not_equal(&key, &fresh, sizeof(key));
    assert_int_equal(stat(key_file.text, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);

    assert_true(file_replace(key_file.text, VIEW_LITERAL("damaged\n"), 0600, NULL));
    struct session_key repaired = fresh_key("1234");
    assert_memory_not_equal(&repaired, &fresh, sizeof(key));
    struct session_key same = fresh_key("1234");
    assert_memory_equal(&repaired, &same, sizeof(key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lasts_until_its_expiry),
        cmocka_unit_test(any_change_makes_it_invalid),
        cmocka_unit_test(outlives_a_restart_but_not_another_pin),
        cmocka_unit_test(the_key_file_is_private),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
