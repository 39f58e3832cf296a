#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "agent/table_row.h"
#include "common/base/scope.h"

#define HEADER "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0"
/* 2000-01-01T00:00:01Z, "ab", 1.5 */
#define ROW            "\0\3\0\0\0\x08\0\0\0\0\0\x0f\x42\x40\0\0\0\2ab\0\0\0\x08\x3f\xf8\0\0\0\0\0\0"
#define TRAILER        "\xff\xff"
#define BYTES(literal) ((struct view){(literal), sizeof(literal) - 1})

static void assert_row(const struct table_row *row)
{
    assert_int_equal(row->time_us, INT64_C(946684801000000));
    assert_true(view_is(row->channel, "ab"));
    assert_true(row->value == 1.5);
}

/* Takes all rows of a message, each of them the row above; false: it is refused. */
static bool take_all(struct table_rows *rows, struct view message, int *count)
{
    struct table_row row;
    struct error err = {0};
    bool got = true;
    *count = 0;
    while (got) {
        if (!table_row_take(rows, &message, &row, &got, &err)) {
            assert_int_equal(err.code, ERR_PROTOCOL);
            return false;
        }
        if (got)
            assert_row(&row);
        *count += got;
    }
    assert_int_equal(message.size, 0);
    return true;
}

static void rows_come_in_any_messages(void **state)
{
    (void)state;
    struct table_rows rows = {0};
    int count;
    assert_true(take_all(&rows, BYTES(HEADER), &count));
    assert_int_equal(count, 0);
    assert_true(take_all(&rows, BYTES(ROW), &count));
    assert_int_equal(count, 1);
    assert_true(take_all(&rows, BYTES(ROW ROW), &count));
    assert_int_equal(count, 2);
    assert_true(take_all(&rows, BYTES(TRAILER), &count));
    assert_true(rows.ended);
    rows = (struct table_rows){0};
    assert_true(take_all(&rows, BYTES(HEADER ROW ROW TRAILER), &count));
    assert_int_equal(count, 2);
    assert_true(rows.ended);
}

static void null_is_told_from_nothing(void **state)
{
    (void)state;
    struct table_rows rows = {.begun = true};
    struct table_row row;
    bool got;
    struct view message = BYTES("\0\3\0\0\0\x08\0\0\0\0\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"
                                "\0\3\0\0\0\x08\xff\xff\xff\xff\xff\xff\xff\xff\0\0\0\0\xff\xff\xff\xff");
    assert_true(table_row_take(&rows, &message, &row, &got, NULL));
    assert_true(got && row.channel.data == NULL && isnan(row.value));
    assert_int_equal(row.time_us, INT64_C(946684800000000));
    assert_true(table_row_take(&rows, &message, &row, &got, NULL));
    assert_true(got && row.channel.data != NULL && row.channel.size == 0);
    assert_int_equal(row.time_us, INT64_C(946684799999999));
}

static void what_is_no_row_is_refused(void **state)
{
    (void)state;
    static const struct view messages[] = {
        BYTES("PGCOPY\n\377\r\r\0\0\0\0\0\0\0\0\0"),                          /* another signature */
        BYTES("PGCOPY\n\377\r\n\0\0\1\0\0\0\0\0\0"),                          /* a flag that matters */
        BYTES("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\5"),                          /* more header than there is */
        BYTES("PGCOPY\n\377\r\n\0\0\0\0\0\xff\xff\xff\xff"),                  /* less than none */
        BYTES(HEADER "\0\2\0\0\0\x08\0\0\0\0\0\0\0\0\xff\xff\xff\xff"),       /* two columns */
        BYTES(HEADER "\0\4" ROW),                                             /* four */
        BYTES(HEADER "\xff\xfe"),                                             /* -2 */
        BYTES(HEADER "\0\3\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), /* no time */
        BYTES(HEADER "\0\3\0\0\0\4\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff"), /* a short one */
        BYTES(
            HEADER
            "\0\3\0\0\0\x08\x7f\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), /* infinity */
        BYTES(HEADER "\0\3\0\0\0\x08\0\0\0\0\0\0\0\0\xff\xff\xff\xff\0\0\0\4\0\0\0\0"),        /* a float4 */
        BYTES(HEADER "\0\3\0\0\0\x08\0\0\0\0\0\0\0\0\xff\xff\xff\xfe\xff\xff\xff\xff"), /* a size of -2 */
        BYTES(HEADER TRAILER "\0"),
        BYTES(HEADER TRAILER ROW),
    };
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        struct table_rows rows = {0};
        int count;
        if (take_all(&rows, messages[i], &count))
            fail_msg("message %zu was taken", i);
    }
}

static void a_message_cut_anywhere_is_refused_or_ends_with_a_row(void **state)
{
    (void)state;
    static const struct view whole = BYTES(HEADER ROW ROW);
    for (size_t size = 1; size < whole.size; size++) {
        SCOPE_FREE char *cut = malloc(size); /* so that a read past the end is noticed */
        struct table_rows rows = {0};
        int count;
        memcpy(cut, whole.data, size);
        bool at_a_row = size == sizeof(HEADER) - 1 || size == sizeof(HEADER ROW) - 1;
        assert_int_equal(take_all(&rows, (struct view){cut, size}, &count), at_a_row);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_come_in_any_messages),
        cmocka_unit_test(null_is_told_from_nothing),
        cmocka_unit_test(what_is_no_row_is_refused),
        cmocka_unit_test(a_message_cut_anywhere_is_refused_or_ends_with_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
