#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/pack/packer.h"
#include "tests/unit/common/pack/packer_fixtures.h"

enum { TEXT_MAX_BYTES = 64 * 1024 * 1024 };

#define FIXTURE(array) ((struct view){(const char *)(array), sizeof(array)})

static void scope_writer(struct packer **writer)
{
    packer_free(*writer);
}

static void scope_reader(struct unpacker **reader)
{
    unpacker_free(*reader);
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
static void compress(struct packer *writer, struct view text, size_t in_bytes, size_t out_bytes,
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
        buf_commit(out, packer_write(writer, &piece, last, room, out_bytes, &ended));
        size_t taken = before - piece.size;
        rest = (struct view){rest.data + taken, rest.size - taken};
    }
    assert_int_equal(rest.size, 0);
}

/* Decompresses in pieces of in_bytes through a window of out_bytes; false and err as unpacker_read does. */
static bool expand(struct unpacker *reader, struct view packed, size_t in_bytes, size_t out_bytes,
                   struct buf *out, struct error *err)
{
    struct view rest = packed;
    size_t size;
    do {
        struct view piece = {rest.data, rest.size < in_bytes ? rest.size : in_bytes};
        size_t before = piece.size;
        char *room = buf_reserve(out, out_bytes);
        assert_non_null(room);
        if (!unpacker_read(reader, &piece, room, out_bytes, &size, err))
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
    SCOPE(scope_reader) struct unpacker *reader = unpacker_new(NULL);
    assert_non_null(reader);
    if (!expand(reader, packed, packed.size + 1, 4096, out, err))
        return false;
    *at_end = unpacker_at_end(reader);
    return true;
}

static void assert_expands(struct view packed, struct view expected)
{
    static const size_t sizes[][2] = {{1, 1}, {1, 4096}, {4096, 1}, {7, 13}, {1 << 20, 1 << 20}};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        SCOPE(scope_reader) struct unpacker *reader = unpacker_new(NULL);
        SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
        struct error err;
        assert_true(expand(reader, packed, sizes[i][0], sizes[i][1], &out, &err));
        assert_true(unpacker_at_end(reader));
        assert_true(view_equal(buf_view(&out), expected));
    }
}

static const enum pack_format formats[] = {PACK_GZIP, PACK_ZSTD};

static void compress_all(enum pack_format format, struct view text, size_t in_bytes, size_t out_bytes,
                         struct buf *out)
{
    SCOPE(scope_writer) struct packer *writer = packer_new(format, NULL);
    assert_non_null(writer);
    compress(writer, text, in_bytes, out_bytes, out);
}

static void reads_back_what_it_wrote_in_any_pieces(void **state)
{
    (void)state;
    static const size_t sizes[][2] = {{1, 1}, {100, 1}, {1, 65536}, {977, 131}, {1 << 20, 1 << 20}};
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    fill_lines(&text, 20000);
    for (size_t i = 0; i < COUNT_OF(formats) * COUNT_OF(sizes); i++) {
        const size_t *size = sizes[i / COUNT_OF(formats)];
        SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
        SCOPE_BUF struct buf again = BUF_LIMIT(TEXT_MAX_BYTES);
        SCOPE(scope_reader) struct unpacker *reader = unpacker_new(NULL);
        compress_all(formats[i % COUNT_OF(formats)], buf_view(&text), size[0], size[1], &packed);
        assert_true(packed.size < text.size / 3);
        assert_true(expand(reader, buf_view(&packed), 977, 4096, &again, NULL));
        assert_true(unpacker_at_end(reader));
        assert_true(view_equal(buf_view(&again), buf_view(&text)));
    }
}

static void writes_the_same_bytes_for_the_same_text(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    fill_lines(&text, 20000);
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        SCOPE_BUF struct buf first = BUF_LIMIT(TEXT_MAX_BYTES);
        SCOPE_BUF struct buf second = BUF_LIMIT(TEXT_MAX_BYTES);
        compress_all(formats[i], buf_view(&text), 65536, 65536, &first);
        compress_all(formats[i], buf_view(&text), 65536, 65536, &second);
        assert_true(view_equal(buf_view(&first), buf_view(&second)));
    }
}

static void an_empty_stream_is_a_whole_one(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
        compress_all(formats[i], (struct view){NULL, 0}, 1, 64, &packed);
        assert_expands(buf_view(&packed), VIEW_LITERAL(""));
    }
}

/* More comes out than goes in. */
static void noise_is_read_back(void **state)
{
    (void)state;
    SCOPE_BUF struct buf noise = BUF_LIMIT(TEXT_MAX_BYTES);
    uint32_t random = 1;
    for (int i = 0; i < 300000; i++) {
        random = random * 1664525 + 1013904223;
        assert_true(buf_append_byte(&noise, (char)(random >> 24)));
    }
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
        compress_all(formats[i], buf_view(&noise), 4096, 1000, &packed);
        assert_expands(buf_view(&packed), buf_view(&noise));
    }
}

static void lines_of(struct buf *out)
{
    for (int i = 0; i < 40; i++)
        assert_true(buf_printf(out, "{\"seq\":%d,\"value\":%d.5}\n", i, i * 7 % 13));
}

static void reads_what_zlib_and_zstd_wrote(void **state)
{
    (void)state;
    SCOPE_BUF struct buf lines = BUF_LIMIT(TEXT_MAX_BYTES);
    lines_of(&lines);
    assert_expands(FIXTURE(member_plain), buf_view(&lines));
    assert_expands(FIXTURE(member_stored), (struct view){lines.data, 60});
    assert_expands(FIXTURE(member_fixed), VIEW_LITERAL("hello, hello, hello\n"));
    assert_expands(FIXTURE(member_empty), VIEW_LITERAL(""));
    assert_expands(FIXTURE(member_named), VIEW_LITERAL("x\n"));
    assert_expands(FIXTURE(frame_plain), buf_view(&lines));
    assert_expands(FIXTURE(frame_unchecked), buf_view(&lines));
    assert_expands(FIXTURE(frame_19), buf_view(&lines));
    assert_expands(FIXTURE(frame_empty), VIEW_LITERAL(""));
    assert_expands(FIXTURE(frame_small), VIEW_LITERAL("hello, hello, hello\n"));
    assert_expands(FIXTURE(frame_raw), (struct view){lines.data, 60});
}

static void several_members_are_one_stream(void **state)
{
    (void)state;
    SCOPE_BUF struct buf members = BUF_LIMIT(TEXT_MAX_BYTES);
    SCOPE_BUF struct buf frames = BUF_LIMIT(TEXT_MAX_BYTES);
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    for (int i = 0; i < 3; i++) {
        buf_append_view(&members, FIXTURE(member_plain));
        buf_append_view(&members, FIXTURE(member_empty));
        buf_append_view(&members, FIXTURE(member_fixed));
        buf_append_view(&frames, FIXTURE(frame_plain));
        buf_append_view(&frames, FIXTURE(frame_empty));
        buf_append_view(&frames, FIXTURE(frame_small));
        lines_of(&text);
        buf_append_text(&text, "hello, hello, hello\n");
    }
    assert_expands(buf_view(&members), buf_view(&text));
    assert_expands(buf_view(&frames), buf_view(&text));
}

static void assert_no_end_when_cut(struct view whole, size_t from)
{
    for (size_t size = from; size < whole.size; size++) {
        SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
        bool at_end = true;
        assert_true(expand_all((struct view){whole.data, size}, &out, &at_end, NULL));
        assert_false(at_end);
    }
}

static void a_stream_cut_anywhere_is_not_at_its_end(void **state)
{
    (void)state;
    const struct view streams[] = {FIXTURE(member_plain), FIXTURE(member_stored),   FIXTURE(member_named),
                                   FIXTURE(frame_plain),  FIXTURE(frame_unchecked), FIXTURE(frame_raw),
                                   FIXTURE(frame_empty)};
    for (size_t i = 0; i < COUNT_OF(streams); i++)
        assert_no_end_when_cut(streams[i], 0);
}

static void a_second_member_cut_anywhere_is_not_at_its_end(void **state)
{
    (void)state;
    const struct view streams[] = {FIXTURE(member_fixed), FIXTURE(frame_small)};
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
        buf_append_view(&packed, streams[i]);
        buf_append_view(&packed, streams[i]);
        assert_no_end_when_cut(buf_view(&packed), streams[i].size + 1);
    }
}

static void bytes_after_the_end_are_refused(void **state)
{
    (void)state;
    static const char *const tails[] = {"garbage after the end", "\x1f\x8c",        "\n", "\x28\xb5\x2f\xfc",
                                        "\x50\x2a\x4d\x18\x01",  "\x27\xb5\x2f\xfd"};
    const struct view streams[] = {FIXTURE(member_fixed), FIXTURE(frame_small), FIXTURE(frame_unchecked)};
    for (size_t i = 0; i < COUNT_OF(streams) * COUNT_OF(tails); i++) {
        SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
        SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
        buf_append_view(&packed, streams[i / COUNT_OF(tails)]);
        buf_append_text(&packed, tails[i % COUNT_OF(tails)]);
        bool at_end = false;
        struct error err = {0};
        assert_false(expand_all(buf_view(&packed), &out, &at_end, &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
}

/* One format does not go on in the other. */
static void a_stream_is_of_one_format(void **state)
{
    (void)state;
    const struct view streams[] = {FIXTURE(member_fixed), FIXTURE(frame_small)};
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
        SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
        buf_append_view(&packed, streams[i]);
        buf_append_view(&packed, streams[1 - i]);
        bool at_end = false;
        assert_false(expand_all(buf_view(&packed), &out, &at_end, NULL));
    }
}

static void what_is_neither_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {"{\"seq\":1}", "PK\x03\x04",
                                        "\xfd"
                                        "7zXZ",
                                        "BZh9", "\x50\x2a\x4d\x18"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
        bool at_end = false;
        struct error err = {0};
        assert_false(expand_all(view_of(texts[i]), &out, &at_end, &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
    SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
    bool at_end = true;
    assert_true(expand_all(view_of(""), &out, &at_end, NULL));
    assert_false(at_end);
}

static void a_wide_window_is_refused(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
    bool at_end = false;
    struct error err = {0};
    assert_false(expand_all(FIXTURE(frame_wide), &out, &at_end, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_non_null(strstr(err.text, "window"));
}

/* A few bits say nothing: gzip's time and system, the padding before its checksum, zstd's window. */
static void no_changed_bit_changes_the_content(void **state)
{
    (void)state;
    const struct view streams[] = {FIXTURE(member_plain), FIXTURE(frame_plain)};
    SCOPE_BUF struct buf lines = BUF_LIMIT(TEXT_MAX_BYTES);
    lines_of(&lines);
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        SCOPE_FREE unsigned char *bytes = malloc(streams[i].size);
        assert_non_null(bytes);
        for (size_t bit = 0; bit < 8 * streams[i].size; bit++) {
            memcpy(bytes, streams[i].data, streams[i].size);
            bytes[bit / 8] = (unsigned char)(bytes[bit / 8] ^ 1U << bit % 8);
            SCOPE_BUF struct buf out = BUF_LIMIT(TEXT_MAX_BYTES);
            bool at_end = false;
            struct error err = {0};
            if (!expand_all((struct view){(const char *)bytes, streams[i].size}, &out, &at_end, &err))
                assert_int_equal(err.code, ERR_INPUT);
            else if (at_end)
                assert_true(view_equal(buf_view(&out), buf_view(&lines)));
        }
    }
}

enum { BOMB_BYTES = 64 * 1024 * 1024, PIECE_BYTES = 65536 };

/* So many zeros. */
static void make_bomb(enum pack_format format, struct buf *packed)
{
    static const char zeros[PIECE_BYTES];
    SCOPE(scope_writer) struct packer *writer = packer_new(format, NULL);
    bool ended = false;
    for (int left = BOMB_BYTES / PIECE_BYTES; left > 0; left--) {
        struct view piece = {zeros, PIECE_BYTES};
        while (piece.size > 0 || (left == 1 && !ended)) {
            char *room = buf_reserve(packed, PIECE_BYTES);
            assert_non_null(room);
            buf_commit(packed, packer_write(writer, &piece, left == 1, room, PIECE_BYTES, &ended));
        }
    }
    assert_true(packed->size < BOMB_BYTES / 100);
}

/* No call gives more than the room it was given. */
static void a_bomb_is_bounded_by_the_room(void **state)
{
    (void)state;
    SCOPE_FREE char *room = malloc(PIECE_BYTES);
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
        make_bomb(formats[i], &packed);
        SCOPE(scope_reader) struct unpacker *reader = unpacker_new(NULL);
        struct view rest = buf_view(&packed);
        size_t total = 0;
        size_t size;
        do {
            assert_true(unpacker_read(reader, &rest, room, PIECE_BYTES, &size, NULL));
            assert_true(size <= PIECE_BYTES);
            total += size;
        } while (size > 0 || rest.size > 0);
        assert_int_equal(total, BOMB_BYTES);
        assert_true(unpacker_at_end(reader));
    }
}

static void a_stream_may_be_asked_for_more_without_end(void **state)
{
    (void)state;
    const struct view streams[] = {FIXTURE(member_plain), FIXTURE(frame_plain)};
    for (size_t i = 0; i < COUNT_OF(streams); i++) {
        SCOPE(scope_reader) struct unpacker *reader = unpacker_new(NULL);
        struct view half = {streams[i].data, streams[i].size / 2};
        char room[4096];
        size_t size;
        for (int calls = 0; calls < 100; calls++)
            assert_true(unpacker_read(reader, &half, room, sizeof(room), &size, NULL));
        assert_int_equal(half.size, 0);
        assert_int_equal(size, 0);
        assert_false(unpacker_at_end(reader));
    }
}

static void the_suffixes(void **state)
{
    (void)state;
    assert_string_equal(pack_suffix(PACK_GZIP), ".gz");
    assert_string_equal(pack_suffix(PACK_ZSTD), ".zst");
}

static void none_is_a_copy(void **state)
{
    struct error err;
    struct packer *packer = packer_new(PACK_NONE, &err);
    struct view in = {"0123456789", 10};
    char out[16];
    bool ended = true;
    (void)state;
    assert_non_null(packer);
    assert_int_equal(packer_write(packer, &in, false, out, 4, &ended), 4);
    assert_int_equal(packer_write(packer, &in, false, out + 4, 12, &ended), 6);
    assert_false(ended);
    assert_int_equal(packer_write(packer, &in, true, out + 10, 6, &ended), 0);
    assert_true(ended);
    assert_memory_equal(out, "0123456789", 10);
    assert_string_equal(pack_suffix(PACK_NONE), "");
    packer_free(packer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_back_what_it_wrote_in_any_pieces),
        cmocka_unit_test(none_is_a_copy),
        cmocka_unit_test(writes_the_same_bytes_for_the_same_text),
        cmocka_unit_test(an_empty_stream_is_a_whole_one),
        cmocka_unit_test(noise_is_read_back),
        cmocka_unit_test(reads_what_zlib_and_zstd_wrote),
        cmocka_unit_test(several_members_are_one_stream),
        cmocka_unit_test(a_stream_cut_anywhere_is_not_at_its_end),
        cmocka_unit_test(a_second_member_cut_anywhere_is_not_at_its_end),
        cmocka_unit_test(bytes_after_the_end_are_refused),
        cmocka_unit_test(a_stream_is_of_one_format),
        cmocka_unit_test(what_is_neither_is_refused),
        cmocka_unit_test(a_wide_window_is_refused),
        cmocka_unit_test(no_changed_bit_changes_the_content),
        cmocka_unit_test(a_bomb_is_bounded_by_the_room),
        cmocka_unit_test(a_stream_may_be_asked_for_more_without_end),
        cmocka_unit_test(the_suffixes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
