#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/wire/record.h"
#include "server_tools/central/channel_cache.h"

static struct view name_of(char out[RECORD_CHANNEL_BYTES], int number)
{
    int size = snprintf(out, RECORD_CHANNEL_BYTES, "channel_%d", number);
    return (struct view){out, (size_t)size};
}

static void finds_what_was_added_in_any_order(void **state)
{
    (void)state;
    SCOPE_CHANNEL_CACHE struct channel_cache *cache = channel_cache_new(NULL);
    char name[RECORD_CHANNEL_BYTES];
    int32_t id = 0;
    assert_false(channel_cache_find(cache, VIEW_LITERAL("a"), &id));
    for (int i = 0; i < CHANNEL_CACHE_MAX; i++) {
        assert_false(channel_cache_find(cache, name_of(name, i), &id));
        assert_true(channel_cache_add(cache, name_of(name, i), 3 * i, NULL));
    }
    for (int round = 1; round < 4; round++) {
        for (int i = 0; i < CHANNEL_CACHE_MAX; i++) {
            int number = i * 7919 * round % CHANNEL_CACHE_MAX;
            assert_true(channel_cache_find(cache, name_of(name, number), &id));
            assert_int_equal(id, 3 * number);
        }
    }
    assert_false(channel_cache_find(cache, VIEW_LITERAL("channel_"), &id));
}

static void too_many_channels_are_refused(void **state)
{
    (void)state;
    SCOPE_CHANNEL_CACHE struct channel_cache *cache = channel_cache_new(NULL);
    char name[RECORD_CHANNEL_BYTES];
    for (int i = 0; i < CHANNEL_CACHE_MAX; i++)
        assert_true(channel_cache_add(cache, name_of(name, i), i, NULL));
    struct error err = {0};
    assert_false(channel_cache_add(cache, VIEW_LITERAL("one more"), 1, &err));
    assert_int_equal(err.code, ERR_INPUT);
}

static void names_of_the_greatest_length(void **state)
{
    (void)state;
    SCOPE_CHANNEL_CACHE struct channel_cache *cache = channel_cache_new(NULL);
    char name[RECORD_CHANNEL_BYTES];
    memset(name, 'x', sizeof(name));
    int32_t id = 0;
    assert_true(channel_cache_add(cache, (struct view){name, RECORD_CHANNEL_BYTES - 1}, 5, NULL));
    assert_true(channel_cache_find(cache, (struct view){name, RECORD_CHANNEL_BYTES - 1}, &id));
    assert_int_equal(id, 5);
    assert_false(channel_cache_find(cache, (struct view){name, RECORD_CHANNEL_BYTES - 2}, &id));
    assert_false(channel_cache_add(cache, (struct view){name, RECORD_CHANNEL_BYTES}, 6, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_was_added_in_any_order),
        cmocka_unit_test(too_many_channels_are_refused),
        cmocka_unit_test(names_of_the_greatest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
