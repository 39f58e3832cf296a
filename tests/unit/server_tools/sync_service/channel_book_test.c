#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

#include "server_tools/sync_service/channel_book.h"

static struct channel_book *open_book(void)
{
    struct error err = {0};
    struct channel_book *book = channel_book_new(&err);
    assert_non_null(book);
    return book;
}

static int32_t by_id(struct channel_book *book, int32_t remote_id)
{
    struct error err = {0};
    int32_t index = -1;
    if (!channel_book_by_id(book, remote_id, &index, &err))
        fail_msg("%s", err.text);
    return index;
}

static int32_t by_name(struct channel_book *book, const char *name)
{
    struct error err = {0};
    int32_t index = -1;
    if (!channel_book_by_name(book, view_of(name), &index, &err))
        fail_msg("%s", err.text);
    return index;
}

static void channels_are_numbered_as_they_come(void **state)
{
    (void)state;
    struct channel_book *book = open_book();
    assert_int_equal(channel_book_count(book), 0);
    assert_int_equal(by_id(book, 900), 0);
    assert_int_equal(by_name(book, "oil"), 1);
    assert_int_equal(by_id(book, 0), 2);
    assert_int_equal(by_id(book, 900), 0);
    assert_int_equal(by_name(book, "oil"), 1);
    assert_int_equal(by_id(book, -1), 3); /* no name's number */
    assert_int_equal(channel_book_count(book), 4);
    assert_int_equal(channel_book_remote_id(book, 0), 900);
    assert_int_equal(channel_book_remote_id(book, 1), -1);
    assert_true(view_is(channel_book_name(book, 1), "oil"));
    assert_int_equal(channel_book_name(book, 0).size, 0);
    channel_book_free(book);
}

static void asking_adds_nothing(void **state)
{
    (void)state;
    struct channel_book *book = open_book();
    assert_false(channel_book_knows_id(book, 900));
    assert_int_equal(by_id(book, 900), 0);
    assert_int_equal(by_name(book, "oil"), 1);
    assert_true(channel_book_knows_id(book, 900));
    assert_false(channel_book_knows_id(book, 901));
    assert_false(channel_book_knows_id(book, -1)); /* no name's number */
    assert_int_equal(channel_book_count(book), 2);
    channel_book_free(book);
}

static void as_many_as_a_machine_may_have_and_no_more(void **state)
{
    (void)state;
    struct channel_book *book = open_book();
    struct error err = {0};
    int32_t index;
    for (int32_t i = 0; i < CHANNEL_BOOK_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "channel %d", i);
        assert_int_equal(i % 2 == 0 ? by_id(book, 7 * i) : by_name(book, name), i);
    }
    assert_false(channel_book_by_id(book, 1, &index, &err));
    assert_int_equal(err.code, ERR_INPUT);
    for (int32_t i = 0; i < CHANNEL_BOOK_MAX; i += 2) {
        assert_int_equal(by_id(book, 7 * i), i); /* still found */
        assert_int_equal(channel_book_remote_id(book, i), 7 * i);
    }
    channel_book_free(book);
}

static void a_name_that_is_none_is_refused(void **state)
{
    (void)state;
    struct channel_book *book = open_book();
    char longest[CHANNEL_BOOK_NAME_BYTES + 1];
    memset(longest, 'n', sizeof(longest));
    const struct view bad[] = {{"", 0}, {longest, CHANNEL_BOOK_NAME_BYTES}, {"a\0b", 3}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct error err = {0};
        int32_t index;
        assert_false(channel_book_by_name(book, bad[i], &index, &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
    longest[CHANNEL_BOOK_NAME_BYTES - 1] = '\0';
    assert_int_equal(by_name(book, longest), 0);
    channel_book_free(book);
}

static void the_writer_s_notes_are_kept_until_they_are_reset(void **state)
{
    (void)state;
    struct channel_book *book = open_book();
    int64_t as_of_us;
    by_id(book, 1);
    by_id(book, 2);
    assert_int_equal(channel_book_described(book, &as_of_us), 0);
    channel_book_set_channel_id(book, 1, 55);
    channel_book_set_described(book, 77, 88);
    for (int32_t i = 3; i < 500; i++)
        by_id(book, i);
    assert_int_equal(channel_book_channel_id(book, 0), 0);
    assert_int_equal(channel_book_channel_id(book, 1), 55);
    assert_int_equal(channel_book_described(book, &as_of_us), 77);
    assert_int_equal(as_of_us, 88);
    channel_book_reset(book);
    assert_int_equal(channel_book_channel_id(book, 1), 0);
    assert_int_equal(channel_book_described(book, &as_of_us), 0);
    assert_int_equal(as_of_us, INT64_MIN);
    channel_book_free(book);
}

static void no_book_is_an_empty_one(void **state)
{
    (void)state;
    int64_t as_of_us;
    channel_book_reset(NULL);
    channel_book_set_described(NULL, 1, 2);
    assert_int_equal(channel_book_count(NULL), 0);
    assert_int_equal(channel_book_described(NULL, &as_of_us), 0);
    channel_book_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channels_are_numbered_as_they_come),
        cmocka_unit_test(asking_adds_nothing),
        cmocka_unit_test(as_many_as_a_machine_may_have_and_no_more),
        cmocka_unit_test(a_name_that_is_none_is_refused),
        cmocka_unit_test(the_writer_s_notes_are_kept_until_they_are_reset),
        cmocka_unit_test(no_book_is_an_empty_one),
    };
    return cmocka_run_group_tests_name("channel_book", tests, NULL, NULL);
}
