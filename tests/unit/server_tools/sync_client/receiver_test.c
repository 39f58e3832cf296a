#include "server_tools/sync_client/receiver.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/text.h"
#include "common/os/file.h"

enum { STREAM_MAX_BYTES = 8 * 1024 * 1024, TIME_US = 1000000 };

static void add_line(struct buf *text, int64_t seq)
{
    buf_printf(text,
               "{\"seq\":%" PRId64
               ",\"time\":\"1970-01-01T00:00:%02d.000000Z\",\"channel\":\"c\",\"value\":1}\n",
               seq, (int)(seq % 60));
}

static struct buf packed_as(enum pack_format format, struct view text)
{
    struct buf out = BUF_LIMIT(STREAM_MAX_BYTES);
    struct packer *packer = packer_new(format, NULL);
    assert_non_null(packer);
    for (bool ended = false; !ended;) {
        char piece[4096];
        size_t size = packer_write(packer, &text, true, piece, sizeof(piece), &ended);
        assert_true(buf_append(&out, piece, size));
    }
    packer_free(packer);
    return out;
}

static struct buf compressed(struct view text)
{
    return packed_as(PACK_GZIP, text);
}

struct outcome {
    bool taken, finished;
    struct received received;
    struct received_ends ends;
    struct error err;
    struct buf written;
};

/* Everything in pieces of one size, as what it was promised to be. read_lines: every line is read. */
static struct outcome receive_so(enum pack_format format, struct view stream, size_t piece_bytes,
                                 bool read_lines)
{
    struct outcome outcome = {.taken = true, .written = BUF_LIMIT(STREAM_MAX_BYTES)};
    SCOPE_FILE FILE *file = tmpfile();
    assert_non_null(file);
    SCOPE_RECEIVER struct receiver receiver;
    assert_true(receiver_open(&receiver, fileno(file), format, RECORD_LINE_MAX_BYTES, &outcome.err));
    assert_true(!read_lines || receiver_read_lines(&receiver, &outcome.err));
    while (stream.size > 0 && outcome.taken) {
        size_t size = stream.size < piece_bytes ? stream.size : piece_bytes;
        outcome.taken = receiver_take(&receiver, (struct view){stream.data, size}, &outcome.err);
        stream = (struct view){stream.data + size, stream.size - size};
    }
    outcome.finished = outcome.taken && receiver_finish(&receiver, &outcome.received, &outcome.err) &&
                       receiver_ends(&receiver, &outcome.ends, &outcome.err);
    assert_int_equal(lseek(fileno(file), 0, SEEK_SET), 0);
    assert_true(file_read_all(fileno(file), &outcome.written, NULL));
    return outcome;
}

static struct outcome receive_as(enum pack_format format, struct view stream, size_t piece_bytes)
{
    return receive_so(format, stream, piece_bytes, false);
}

static struct outcome receive(struct view stream, size_t piece_bytes)
{
    return receive_as(PACK_GZIP, stream, piece_bytes);
}

static void pieces_make_the_same(enum pack_format format, struct view stream)
{
    static const size_t sizes[] = {1, 2, 13, 4096, 16384, STREAM_MAX_BYTES};
    for (size_t i = 0; i < COUNT_OF(sizes); i++) {
        struct outcome outcome = receive_as(format, stream, sizes[i]);
        assert_true(outcome.finished);
        assert_int_equal(outcome.received.lines, 20000);
        assert_int_equal(outcome.received.bytes, stream.size);
        assert_int_equal(outcome.ends.first_seq, 7);
        assert_int_equal(outcome.ends.last_seq, 20006);
        assert_int_equal(outcome.ends.first_us, 7 * TIME_US);
        assert_int_equal(outcome.ends.last_us, 26 * TIME_US);
        assert_true(view_equal(buf_view(&outcome.written), stream));
        unsigned char digest[SHA256_BYTES];
        char hex[SHA256_HEX_BYTES];
        sha256_of(stream, digest);
        text_hex_encode(hex, digest, sizeof(digest));
        assert_string_equal(outcome.received.sha256, hex);
        buf_clear(&outcome.written);
    }
}

static void pieces_of_any_size_make_the_same(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
    for (int64_t seq = 7; seq < 7 + 20000; seq++)
        add_line(&text, seq);
    for (int format = PACK_GZIP; format <= PACK_ZSTD; format++) {
        SCOPE_BUF struct buf stream = packed_as((enum pack_format)format, buf_view(&text));
        pieces_make_the_same((enum pack_format)format, buf_view(&stream));
    }
}

/* Read or only counted, the same is said of a good stream, and of one that was cut off. */
static void reading_every_line_says_the_same(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
    for (int64_t seq = 7; seq < 7 + 3000; seq++)
        add_line(&text, seq);
    for (int format = PACK_GZIP; format <= PACK_ZSTD; format++) {
        SCOPE_BUF struct buf stream = packed_as((enum pack_format)format, buf_view(&text));
        struct outcome counted = receive_so((enum pack_format)format, buf_view(&stream), 100, false);
        struct outcome read = receive_so((enum pack_format)format, buf_view(&stream), 100, true);
        assert_true(counted.finished && read.finished);
        assert_memory_equal(&read.received, &counted.received, sizeof(read.received));
        assert_memory_equal(&read.ends, &counted.ends, sizeof(read.ends));
        assert_true(view_equal(buf_view(&read.written), buf_view(&stream)));
        buf_clear(&counted.written);
        buf_clear(&read.written);
        struct outcome cut =
            receive_so((enum pack_format)format, (struct view){stream.data, stream.size - 1}, 100, true);
        assert_true(cut.taken);
        assert_false(cut.finished);
        assert_int_equal(cut.err.code, ERR_UNREACHABLE);
        buf_clear(&cut.written);
    }
}

/* What only who reads every line notices: a line in the middle that is none, a seq that steps back. */
static void a_line_in_the_middle_is_noticed(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
        for (int64_t seq = 1; seq <= 100; seq++)
            add_line(&text, kind == 1 && seq == 50 ? 49 : seq);
        if (kind == 0)
            memcpy(text.data + text.size / 2, "?", 1);
        SCOPE_BUF struct buf stream = compressed(buf_view(&text));
        struct outcome counted = receive_so(PACK_GZIP, buf_view(&stream), 64, false);
        struct outcome read = receive_so(PACK_GZIP, buf_view(&stream), 64, true);
        assert_true(counted.finished);
        assert_false(read.taken);
        assert_int_equal(read.err.code, ERR_INPUT);
        assert_non_null(strstr(read.err.text, "line 5"));
        buf_clear(&counted.written);
        buf_clear(&read.written);
    }
}

static void another_format_than_promised_is_refused(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
    add_line(&text, 1);
    for (int format = PACK_GZIP; format <= PACK_ZSTD; format++) {
        SCOPE_BUF struct buf stream = packed_as((enum pack_format)format, buf_view(&text));
        struct outcome outcome =
            receive_as(format == PACK_GZIP ? PACK_ZSTD : PACK_GZIP, buf_view(&stream), 1);
        assert_false(outcome.taken);
        assert_int_equal(outcome.err.code, ERR_INPUT);
        assert_int_equal(outcome.written.size, 0);
        buf_clear(&outcome.written);
    }
}

static void few_lines(void **state)
{
    (void)state;
    for (int count = 0; count < 4; count++) {
        SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
        for (int seq = 1; seq <= count; seq++)
            add_line(&text, seq);
        SCOPE_BUF struct buf stream = compressed(buf_view(&text));
        struct outcome outcome = receive(buf_view(&stream), 5);
        assert_true(outcome.finished);
        assert_int_equal(outcome.received.lines, count);
        assert_int_equal(outcome.ends.last_seq, count > 0 ? count : -1);
        assert_int_equal(outcome.ends.first_seq, count > 0 ? 1 : -1);
        buf_clear(&outcome.written);
    }
}

static void cut_anywhere_it_is_never_whole(enum pack_format format, struct view stream)
{
    for (size_t size = 0; size < stream.size; size++) {
        struct outcome outcome = receive_as(format, (struct view){stream.data, size}, 64);
        assert_true(outcome.taken);
        assert_false(outcome.finished);
        assert_int_equal(outcome.err.code, ERR_UNREACHABLE); /* worth another attempt */
        buf_clear(&outcome.written);
    }
}

static void a_stream_cut_anywhere_is_never_whole(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
    for (int64_t seq = 1; seq <= 50; seq++)
        add_line(&text, seq);
    for (int format = PACK_GZIP; format <= PACK_ZSTD; format++) {
        SCOPE_BUF struct buf stream = packed_as((enum pack_format)format, buf_view(&text));
        cut_anywhere_it_is_never_whole((enum pack_format)format, buf_view(&stream));
    }
}

static void expect_refused(struct view stream)
{
    struct outcome outcome = receive(stream, 100);
    assert_false(outcome.finished);
    assert_int_equal(outcome.err.code, ERR_INPUT);
    buf_clear(&outcome.written);
}

static void what_is_no_stream_of_lines_is_refused(void **state)
{
    (void)state;
    expect_refused(view_of("this is no gzip at all, whatever its header says"));
    static const char *const texts[] = {
        "no line feed",
        "no reading\n",
        "\n",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000Z\",\"channel\":\"c\",\"value\":1}\nhalf a li",
        "{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000Z\",\"channel\":\"c\",\"value\":1}\n\n",
        "{}\n{\"seq\":1,\"time\":\"1970-01-01T00:00:00.000000Z\",\"channel\":\"c\",\"value\":1}\n",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        SCOPE_BUF struct buf stream = compressed(view_of(texts[i]));
        expect_refused(buf_view(&stream));
    }
    SCOPE_BUF struct buf endless = BUF_LIMIT(STREAM_MAX_BYTES);
    for (int i = 0; i < 100000; i++)
        buf_append_text(&endless, "0123456789");
    buf_append_byte(&endless, '\n');
    SCOPE_BUF struct buf stream = compressed(buf_view(&endless));
    expect_refused(buf_view(&stream));
}

/* A few thousand bytes that would be unpacked to far more than the disk is spared by not keeping them. */
static void a_bomb_is_noticed_in_its_first_piece(void **state)
{
    (void)state;
    static const enum pack_format formats[] = {PACK_GZIP, PACK_ZSTD};
    SCOPE_BUF struct buf zeros = BUF_LIMIT(STREAM_MAX_BYTES);
    assert_non_null(buf_reserve(&zeros, STREAM_MAX_BYTES / 2));
    memset(zeros.data, '0', STREAM_MAX_BYTES / 2);
    buf_commit(&zeros, STREAM_MAX_BYTES / 2);
    for (size_t i = 0; i < COUNT_OF(formats); i++) {
        SCOPE_BUF struct buf bomb = packed_as(formats[i], buf_view(&zeros));
        SCOPE_FILE FILE *file = tmpfile();
        SCOPE_RECEIVER struct receiver receiver;
        struct error err = {0};
        assert_true(receiver_open(&receiver, fileno(file), formats[i], RECORD_LINE_MAX_BYTES, &err));
        assert_false(receiver_take(&receiver, buf_view(&bomb), &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_non_null(strstr(err.text, "1024 bytes"));
        assert_in_range(receiver.text_bytes, 1, RECEIVER_TEXT_BYTES);
    }
}

static void a_flipped_bit_is_found(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
    for (int64_t seq = 1; seq <= 200; seq++)
        add_line(&text, seq);
    SCOPE_BUF struct buf stream = compressed(buf_view(&text));
    for (size_t at = 10; at < stream.size; at += 7) { /* behind the header, whose fields say nothing here */
        stream.data[at] = (char)(stream.data[at] ^ 1);
        struct outcome outcome = receive(buf_view(&stream), 512);
        assert_false(outcome.finished);
        buf_clear(&outcome.written);
        stream.data[at] = (char)(stream.data[at] ^ 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_make_the_same),
        cmocka_unit_test(reading_every_line_says_the_same),
        cmocka_unit_test(a_line_in_the_middle_is_noticed),
        cmocka_unit_test(another_format_than_promised_is_refused),
        cmocka_unit_test(few_lines),
        cmocka_unit_test(a_stream_cut_anywhere_is_never_whole),
        cmocka_unit_test(what_is_no_stream_of_lines_is_refused),
        cmocka_unit_test(a_bomb_is_noticed_in_its_first_piece),
        cmocka_unit_test(a_flipped_bit_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
