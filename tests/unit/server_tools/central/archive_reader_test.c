#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/pack/gzip.h"
#include "server_tools/central/archive_reader.h"

enum { TEXT_MAX_BYTES = 256 * 1024 * 1024 };

#define LINE(seq)                                                                                            \
    "{\"seq\":" #seq ",\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"rpm\",\"value\":1.5}\n"
#define BARE "{\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"rpm\",\"value\":1.5}\n"

static void pack(struct view text, struct buf *out)
{
    struct gzip_writer *writer = gzip_writer_new(NULL);
    bool ended = false;
    while (!ended) {
        char *room = buf_reserve(out, 65536);
        assert_non_null(room);
        buf_commit(out, gzip_write(writer, &text, true, room, 65536, &ended));
    }
    gzip_writer_free(writer);
}

struct seen {
    int64_t count, sum_of_seq;
};

static bool see(void *context, const struct record_reading *reading, struct error *err)
{
    (void)err;
    struct seen *seen = context;
    seen->count++;
    seen->sum_of_seq += reading->seq;
    return true;
}

static bool read_packed(struct view packed, size_t piece_bytes, struct seen *seen, int64_t *last_seq,
                        struct error *err)
{
    *seen = (struct seen){0};
    SCOPE_ARCHIVE_READER struct archive_reader *reader = archive_reader_new(see, seen, err);
    for (size_t at = 0; at < packed.size; at += piece_bytes) {
        size_t left = packed.size - at;
        struct view piece = {packed.data + at, left < piece_bytes ? left : piece_bytes};
        if (!archive_reader_feed(reader, piece, err))
            return false;
    }
    *last_seq = archive_reader_last_seq(reader);
    assert_int_equal(archive_reader_lines(reader), seen->count);
    return archive_reader_finish(reader, err);
}

static void assert_refused(struct view text, const char *words)
{
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    pack(text, &packed);
    struct seen seen;
    int64_t last_seq;
    struct error err = {0};
    assert_false(read_packed(buf_view(&packed), packed.size, &seen, &last_seq, &err));
    assert_int_equal(err.code, ERR_INPUT);
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void reads_every_line_in_any_pieces(void **state)
{
    (void)state;
    enum { LINES = 50000 };
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    for (int i = 1; i <= LINES; i++)
        buf_printf(
            &text,
            "{\"seq\":%d,\"time\":\"2026-02-22T10:00:00.000000Z\",\"channel\":\"c%d\",\"value\":%d.5}\n", i,
            i % 25, i % 777);
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    pack(buf_view(&text), &packed);
    static const size_t pieces[] = {1, 7, 1000, 65536, 1 << 30};
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        struct seen seen;
        int64_t last_seq;
        assert_true(read_packed(buf_view(&packed), pieces[i], &seen, &last_seq, NULL));
        assert_int_equal(seen.count, LINES);
        assert_int_equal(seen.sum_of_seq, (int64_t)LINES * (LINES + 1) / 2);
        assert_int_equal(last_seq, LINES);
    }
}

static void lines_without_seq_are_fine(void **state)
{
    (void)state;
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    pack(VIEW_LITERAL(BARE BARE), &packed);
    struct seen seen;
    int64_t last_seq;
    assert_true(read_packed(buf_view(&packed), 10, &seen, &last_seq, NULL));
    assert_int_equal(seen.count, 2);
    assert_int_equal(last_seq, -1);
}

static void no_lines_are_fine(void **state)
{
    (void)state;
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    pack(VIEW_LITERAL(""), &packed);
    struct seen seen;
    int64_t last_seq;
    assert_true(read_packed(buf_view(&packed), 10, &seen, &last_seq, NULL));
    assert_int_equal(seen.count, 0);
    assert_int_equal(last_seq, -1);
}

static void says_which_line_is_wrong(void **state)
{
    (void)state;
    assert_refused(VIEW_LITERAL(LINE(1) LINE(2) "nonsense\n"), "line 3: ");
    assert_refused(VIEW_LITERAL(LINE(1) "\n" LINE(2)), "line 2: ");
    assert_refused(VIEW_LITERAL(LINE(1) LINE(1)), "line 2: ");
    assert_refused(VIEW_LITERAL(LINE(5) LINE(4)), "line 2: ");
    assert_refused(VIEW_LITERAL(LINE(1) BARE), "line 2: ");
    assert_refused(VIEW_LITERAL(BARE LINE(1)), "line 2: ");
    assert_refused(VIEW_LITERAL(LINE(1) "{\"seq\":2"), "line 2: ");
}

/* 100 MB of one line in 100 KB. */
static void a_line_without_end_is_refused(void **state)
{
    (void)state;
    enum { BOMB_BYTES = 100 * 1000 * 1000 };
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    buf_append_text(&text, LINE(1));
    char *room = buf_reserve(&text, BOMB_BYTES);
    assert_non_null(room);
    memset(room, ' ', BOMB_BYTES);
    buf_commit(&text, BOMB_BYTES);
    assert_refused(buf_view(&text), "line 2: longer than 1023 bytes");
    text.size = sizeof(LINE(1)) - 1 + RECORD_LINE_MAX_BYTES;
    text.data[text.size - 1] = '\n';
    assert_refused(buf_view(&text), "line 2: ");
}

static void a_stream_cut_off_anywhere_is_refused(void **state)
{
    (void)state;
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    pack(VIEW_LITERAL(LINE(1) LINE(2) LINE(3)), &packed);
    for (size_t size = 0; size < packed.size; size++) {
        struct seen seen;
        int64_t last_seq;
        struct error err = {0};
        assert_false(read_packed((struct view){packed.data, size}, 1000, &seen, &last_seq, &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
}

static bool refuse(void *context, const struct record_reading *reading, struct error *err)
{
    (void)context;
    (void)reading;
    return error_set(err, ERR_SPACE, "full");
}

static void the_one_who_takes_may_stop(void **state)
{
    (void)state;
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    pack(VIEW_LITERAL(LINE(1)), &packed);
    SCOPE_ARCHIVE_READER struct archive_reader *reader = archive_reader_new(refuse, NULL, NULL);
    struct error err = {0};
    assert_false(archive_reader_feed(reader, buf_view(&packed), &err));
    assert_int_equal(err.code, ERR_SPACE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_every_line_in_any_pieces),
        cmocka_unit_test(lines_without_seq_are_fine),
        cmocka_unit_test(no_lines_are_fine),
        cmocka_unit_test(says_which_line_is_wrong),
        cmocka_unit_test(a_line_without_end_is_refused),
        cmocka_unit_test(a_stream_cut_off_anywhere_is_refused),
        cmocka_unit_test(the_one_who_takes_may_stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
