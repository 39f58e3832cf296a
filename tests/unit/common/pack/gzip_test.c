#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/pack/gzip.h"
#include "tests/unit/common/pack/gzip_fixtures.h"

enum { TEXT_MAX_BYTES = 64 * 1024 * 1024 };

#define FIXTURE(array) ((struct view){(const char *)(array), sizeof(array)})

static void scope_writer(struct gzip_writer **writer)
{
    gzip_writer_free(*writer);
}

static void scope_reader(struct gzip_reader **reader)
{
    gzip_reader_free(*reader);
}

/* Lines like those of an export, the same on every run. */
static void fill_lines(struct buf *out, int lines)
{
    uint32_t random = 1;
    for (int i = 0; i < lines; i++) {
        random = random * 1664525 + 1013904223;
        assert_true(buf_printf(out, "{\"seq\":%d,\"channel\":\"c%u\",\"value\":%u.%02u}\n", i, random >> 28,
                               random >> 16 & 2047, random >> 10 & 63));
    }
}

/* Compresses in pieces of in_bytes through a window of out_bytes. */
static void compress(struct gzip_writer *writer, struct view text, size_t in_bytes, size_t out_bytes,
                     struct buf *out)
{
    bool ended = false;
    struct view rest = text;
    while (!ended) {
        struct view piece = {rest.data, rest.size < in_bytes ? rest.size : in_bytes};
        bool last = piece.size == rest.size;
        char *room = buf_reserve(out, out_bytes);
        assert_non_null(room);
        size_t before = piece.size;
        buf_commit(out, gzip_write(writer, &piece, last, room, out_bytes, &ended));
        size_t taken = before - piece.size;
        rest = (struct view){rest.data + taken, rest.size - taken};
    }
    assert_int_equal(rest.size, 0);
}

/* Decompresses in pieces of in_bytes through a window of out_bytes; false and err as gzip_read does. */
static bool expand(struct gzip_reader *reader, struct view packed, size_t in_bytes, size_t out_bytes,
                   struct buf *out, struct error *err)
{
    struct view rest = packed;
    size_t size;
    do {
        struct view piece = {rest.data, rest.size < in_bytes ? rest.size : in_bytes};
        size_t before = piece.size;
        char *room = buf_reserve(out, out_bytes);
        assert_non_null(room);
        if (!gzip_read(reader, &piece, room, out_bytes, &size, err))
            return false;
        assert_true(size <= out_bytes);
        buf_commit(out, size);
        size_t taken = before - piece.size;
        rest = (struct view){rest.data + taken, rest.size - taken};
    } while (rest.size > 0 || size > 0);
    return true;
}

static bool expand_all(struct view packed, struct buf *out, bool *at_end, struct error *err)
{
    SCOPE(scope_reader) struct gzip_reader *reader = gzip_reader_new(NULL);
    assert_non_null(reader);
    if (!expand(reader, packed, packed.size + 1, 4096, out, err))
        return false;
    *at_end = gzip_reader_at_end(reader);
    return true;
}

static void assert_expands(struct view packed, struct view expected)
{
    static const size_t sizes[][2] = {{1, 1}, {1, 4096}, {4096, 1}, {7, 13}, {1 << 20, 1 << 20}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        SCOPE(scope_reader) struct gzip_reader *reader = gzip_reader_new(NULL);
        SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
        struct error err;
        assert_true(expand(reader, packed, sizes[i][0], sizes[i][1], &out, &err));
        assert_true(gzip_reader_at_end(reader));
        assert_true(view_equal(buf_view(&out), expected));
    }
}

static void reads_back_what_it_wrote_in_any_pieces(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 1}, {100, 1}, {1, 65536}, {977, 131}, {1 << 20, 1 << 20}};
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    fill_lines(&text, 20000);
    SCOPE(scope_writer) struct gzip_writer *writer = gzip_writer_new(NULL);
    SCOPE(scope_reader) struct gzip_reader *reader = gzip_reader_new(NULL);
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
        SCOPE_BUF struct buf again = BUF_LIMIT(TEXT_MAX_BYTES);
        gzip_writer_reset(writer);
        compress(writer, buf_view(&text), sizes[i][0], sizes[i][1], &packed);
        assert_true(packed.size < text.size / 3);
        gzip_reader_reset(reader);
        assert_true(expand(reader, buf_view(&packed), 977, 4096, &again, NULL));
        assert_true(gzip_reader_at_end(reader));
        assert_true(view_equal(buf_view(&again), buf_view(&text)));
    }
}

static void writes_the_same_bytes_for_the_same_text(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    fill_lines(&text, 20000);
    SCOPE(scope_writer) struct gzip_writer *writer = gzip_writer_new(NULL);
    SCOPE(scope_writer) struct gzip_writer *other = gzip_writer_new(NULL);
    SCOPE_BUF struct buf first = BUF_LIMIT(TEXT_MAX_BYTES);
    SCOPE_BUF struct buf second = BUF_LIMIT(TEXT_MAX_BYTES);
    SCOPE_BUF struct buf third = BUF_LIMIT(TEXT_MAX_BYTES);
    compress(writer, buf_view(&text), 65536, 65536, &first);
    gzip_writer_reset(writer);
    compress(writer, buf_view(&text), 65536, 65536, &second);
    compress(other, buf_view(&text), 65536, 65536, &third);
    assert_true(view_equal(buf_view(&first), buf_view(&second)));
    assert_true(view_equal(buf_view(&first), buf_view(&third)));
}

static void an_empty_stream_is_a_whole_one(void **state)
{
    (void)state;
    SCOPE(scope_writer) struct gzip_writer *writer = gzip_writer_new(NULL);
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    compress(writer, (struct view){NULL, 0}, 1, 64, &packed);
    assert_expands(buf_view(&packed), VIEW_LITERAL(""));
}

static void lines_of(struct buf *out)
{
    for (int i = 0; i < 40; i++)
        assert_true(buf_printf(out, "{\"seq\":%d,\"value\":%d.5}\n", i, i * 7 % 13));
}

static void reads_what_zlib_wrote(void **state)
{
    (void)state;
    SCOPE_BUF struct buf lines = BUF_LIMIT(TEXT_MAX_BYTES);
    lines_of(&lines);
    assert_expands(FIXTURE(member_plain), buf_view(&lines));
    assert_expands(FIXTURE(member_stored), (struct view){lines.data, 60});
    assert_expands(FIXTURE(member_fixed), VIEW_LITERAL("hello, hello, hello\n"));
    assert_expands(FIXTURE(member_empty), VIEW_LITERAL(""));
    assert_expands(FIXTURE(member_named), VIEW_LITERAL("x\n"));
}

static void several_members_are_one_stream(void **state)
{
    (void)state;
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    for (int i = 0; i < 3; i++) {
        buf_append_view(&packed, FIXTURE(member_plain));
        buf_append_view(&packed, FIXTURE(member_empty));
        buf_append_view(&packed, FIXTURE(member_named));
        lines_of(&text);
        buf_append_text(&text, "x\n");
    }
    assert_expands(buf_view(&packed), buf_view(&text));
}

static void a_stream_cut_anywhere_is_not_at_its_end(void **state)
{
    (void)state;
    struct view members[] = {FIXTURE(member_plain), FIXTURE(member_stored), FIXTURE(member_named)};
    for (size_t m = 0; m < COUNT_OF(members); m++) {
        for (size_t size = 0; size < members[m].size; size++) {
            SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
            bool at_end = true;
            assert_true(expand_all((struct view){members[m].data, size}, &out, &at_end, NULL));
            assert_false(at_end);
        }
    }
}

static void a_second_member_cut_anywhere_is_not_at_its_end(void **state)
{
    (void)state;
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    buf_append_view(&packed, FIXTURE(member_fixed));
    buf_append_view(&packed, FIXTURE(member_fixed));
    for (size_t size = sizeof(member_fixed) + 1; size < packed.size; size++) {
        SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
        bool at_end = true;
        assert_true(expand_all((struct view){packed.data, size}, &out, &at_end, NULL));
        assert_false(at_end);
    }
}

static void bytes_after_the_end_are_refused(void **state)
{
    (void)state;
    static const char *const tails[] = {"garbage after the end", "\x1f\x8c", "\n"};
    for (size_t i = 0; i < COUNT_OF(tails); i++) {
        SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
        SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
        buf_append_view(&packed, FIXTURE(member_fixed));
        buf_append_text(&packed, tails[i]);
        bool at_end = false;
        struct error err = {0};
        if (expand_all(buf_view(&packed), &out, &at_end, &err))
            assert_false(at_end);
        else
            assert_int_equal(err.code, ERR_INPUT);
    }
}

/* A few bits say nothing: the header's time and system, the padding before the checksum. */
static void no_changed_bit_changes_the_content(void **state)
{
    (void)state;
    SCOPE_BUF struct buf lines = BUF_LIMIT(TEXT_MAX_BYTES);
    lines_of(&lines);
    for (size_t bit = 0; bit < 8 * sizeof(member_plain); bit++) {
        unsigned char bytes[sizeof(member_plain)];
        memcpy(bytes, member_plain, sizeof(bytes));
        bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ 1U << bit % 8);
        SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
        bool at_end = false;
        struct error err = {0};
        if (!expand_all(FIXTURE(bytes), &out, &at_end, &err))
            assert_int_equal(err.code, ERR_INPUT);
        else if (at_end)
            assert_true(view_equal(buf_view(&out), buf_view(&lines)));
    }
}

/* 64 MiB of zeros in 64 KiB: no call gives more than the room it was given. */
static void a_bomb_is_bounded_by_the_room(void **state)
{
    (void)state;
    enum { BOMB_BYTES = 64 * 1024 * 1024, PIECE_BYTES = 65536 };
    SCOPE_FREE char *zeros = calloc(1, PIECE_BYTES);
    SCOPE(scope_writer) struct gzip_writer *writer = gzip_writer_new(NULL);
    SCOPE(scope_reader) struct gzip_reader *reader = gzip_reader_new(NULL);
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    bool ended = false;
    for (int i = 0; i < BOMB_BYTES / PIECE_BYTES; i++) {
        struct view piece = {zeros, PIECE_BYTES};
        while (piece.size > 0 || (i + 1 == BOMB_BYTES / PIECE_BYTES && !ended)) {
            char *room = buf_reserve(&packed, PIECE_BYTES);
            bool last = i + 1 == BOMB_BYTES / PIECE_BYTES;
            buf_commit(&packed, gzip_write(writer, &piece, last, room, PIECE_BYTES, &ended));
        }
    }
    assert_true(packed.size < BOMB_BYTES / 100);
    struct view rest = buf_view(&packed);
    size_t total = 0;
    size_t size;
    do {
        assert_true(gzip_read(reader, &rest, zeros, PIECE_BYTES, &size, NULL));
        assert_true(size <= PIECE_BYTES);
        total += size;
    } while (size > 0 || rest.size > 0);
    assert_int_equal(total, BOMB_BYTES);
    assert_true(gzip_reader_at_end(reader));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_it_wrote_in_any_pieces),
        cmocka_unit_test(writes_the_same_bytes_for_the_same_text),
        cmocka_unit_test(an_empty_stream_is_a_whole_one),
        cmocka_unit_test(reads_what_zlib_wrote),
        cmocka_unit_test(several_members_are_one_stream),
        cmocka_unit_test(a_stream_cut_anywhere_is_not_at_its_end),
        cmocka_unit_test(a_second_member_cut_anywhere_is_not_at_its_end),
        cmocka_unit_test(bytes_after_the_end_are_refused),
        cmocka_unit_test(no_changed_bit_changes_the_content),
        cmocka_unit_test(a_bomb_is_bounded_by_the_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
