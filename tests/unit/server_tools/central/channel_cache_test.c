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

static void numbers_in_order_and_finds_in_any(void **state)
{
    (void)state;
    SCOPE_CHANNEL_CACHE struct channel_cache *cache = channel_cache_new(NULL);
    assert_non_null(cache);
    char name[RECORD_CHANNEL_BYTES];
    int32_t index = -1;
    for (int i = 0; i < CHANNEL_CACHE_MAX; i++) {
        assert_int_equal(channel_cache_count(cache), i);
        assert_true(channel_cache_index(cache, name_of(name, i), &index, NULL));
        assert_int_equal(index, i);
    }
    for (int round = 1; round < 4; round++) {
        for (int i = 0; i < CHANNEL_CACHE_MAX; i++) {
            int number = i * 7919 * round % CHANNEL_CACHE_MAX;
            assert_true(channel_cache_index(cache, name_of(name, number), &index, NULL));
            assert_int_equal(index, number);
            assert_true(view_equal(channel_cache_name(cache, index), name_of(name, number)));
        }
    }
    assert_int_equal(channel_cache_count(cache), CHANNEL_CACHE_MAX);
}

static void too_many_channels_are_refused(void **state)
{
    (void)state;
    SCOPE_CHANNEL_CACHE struct channel_cache *cache = channel_cache_new(NULL);
    assert_non_null(cache);
    char name[RECORD_CHANNEL_BYTES];
    int32_t index = -1;
    for (int i = 0; i < CHANNEL_CACHE_MAX; i++)
        assert_true(channel_cache_index(cache, name_of(name, i), &index, NULL));
    struct error err = {0};
    assert_false(channel_cache_index(cache, VIEW_LITERAL("one more"), &index, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_true(channel_cache_index(cache, name_of(name, 7), &index, NULL));
    assert_int_equal(index, 7);
}

static void names_of_the_greatest_length(void **state)
{
    (void)state;
    SCOPE_CHANNEL_CACHE struct channel_cache *cache = channel_cache_new(NULL);
    assert_non_null(cache);
    char name[RECORD_CHANNEL_BYTES];
    memset(name, 'x', sizeof(name));
    int32_t index = -1;
    assert_true(channel_cache_index(cache, (struct view){name, RECORD_CHANNEL_BYTES - 1}, &index, NULL));
    assert_int_equal(index, 0);
    assert_true(channel_cache_index(cache, (struct view){name, RECORD_CHANNEL_BYTES - 2}, &index, NULL));
    assert_int_equal(index, 1);
    assert_false(channel_cache_index(cache, (struct view){name, RECORD_CHANNEL_BYTES}, &index, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_in_order_and_finds_in_any),
        cmocka_unit_test(too_many_channels_are_refused),
        cmocka_unit_test(names_of_the_greatest_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
