#include "server_tools/central/small_streams.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "common/os/file.h"
#include "common/pack/packer.h"
#include "server_tools/central/channel_cache.h"

enum { STREAM_MAX_BYTES = 64 * 1024 * 1024 };

/* A file of its own that holds the text, packed; rest: bytes that are cut off. */
static int packed_file(enum pack_format format, struct view text, size_t cut)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(STREAM_MAX_BYTES);
    struct packer *packer = packer_new(format, NULL);
    assert_non_null(packer);
    for (bool ended = false; !ended;) {
        char piece[4096];
        assert_true(buf_append(&out, piece, packer_write(packer, &text, true, piece, sizeof(piece), &ended)));
    }
    packer_free(packer);
    int fd = memfd_create("stream", 0);
    assert_true(fd >= 0);
    assert_true(file_write_all(fd, out.data, out.size - cut, NULL));
    return fd;
}

static struct alarm_record alarm_of(int64_t seq)
{
    struct alarm_record alarm = {
        .seq = seq, .alarm_id = 1000 + seq % 3, .raised_us = 5, .resolved_us = INT64_MIN};
    strcpy(alarm.channel, "oil_temp");
    strcpy(alarm.severity, "warning");
    strcpy(alarm.message, "above 95");
    return alarm;
}

struct seen {
    int64_t count, sum;
};

static bool see_alarm(void *context, const struct alarm_record *alarm, struct error *err)
{
    (void)err;
    struct seen *seen = context;
    seen->count++;
    seen->sum += alarm->seq;
    return true;
}

static void alarms_of_either_format(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
    for (int64_t seq = 7; seq < 1007; seq++) {
        struct alarm_record alarm = alarm_of(seq);
        assert_true(alarm_record_write(&alarm, &text));
    }
    for (int format = PACK_GZIP; format <= PACK_ZSTD; format++) {
        SCOPE_FD int fd = packed_file((enum pack_format)format, buf_view(&text), 0);
        struct small_totals totals;
        for (int again = 0; again < 2; again++) { /* from the beginning each time */
            struct seen seen = {0};
            assert_true(alarms_read(fd, see_alarm, &seen, &totals, NULL));
            assert_int_equal(seen.count, 1000);
            assert_int_equal(seen.sum, (7 + 1006) * 500);
        }
        assert_int_equal(totals.count, 1000);
        assert_int_equal(totals.first_seq, 7);
        assert_int_equal(totals.last_seq, 1006);
    }
}

static void no_lines_are_fine(void **state)
{
    (void)state;
    SCOPE_FD int fd = packed_file(PACK_ZSTD, VIEW_LITERAL(""), 0);
    struct small_totals totals;
    assert_true(alarms_read(fd, NULL, NULL, &totals, NULL));
    assert_int_equal(totals.count, 0);
    assert_int_equal(totals.first_seq, -1);
    assert_true(channels_read(fd, NULL, NULL, &totals, NULL));
    assert_int_equal(totals.count, 0);
}

static void assert_refused(struct view text, size_t cut, bool alarms, const char *words)
{
    SCOPE_FD int fd = packed_file(PACK_ZSTD, text, cut);
    struct small_totals totals = {.count = 77};
    struct error err = {0};
    assert_false(alarms ? alarms_read(fd, NULL, NULL, &totals, &err)
                        : channels_read(fd, NULL, NULL, &totals, &err));
    assert_int_equal(err.code, ERR_INPUT);
    assert_int_equal(totals.count, 77);
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void what_is_wrong_has_a_line(void **state)
{
    (void)state;
    static const int64_t seqs[] = {5, 6, 6};
    SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
    for (size_t i = 0; i < COUNT_OF(seqs); i++) {
        struct alarm_record alarm = alarm_of(seqs[i]);
        assert_true(alarm_record_write(&alarm, &text));
    }
    assert_refused(buf_view(&text), 0, true, "line 3: seq 6 follows on seq 6");
    assert_refused(VIEW_LITERAL("{}\n"), 0, true, "line 1: member");
    assert_refused(VIEW_LITERAL("{}"), 0, true, "line 1: no line feed");
    struct channel_record channel = {.channel = "rpm", .phys_min = 0, .phys_max = 1};
    buf_reset(&text);
    for (int i = 0; i < 2; i++)
        assert_true(channel_record_write(&channel, &text));
    assert_refused(buf_view(&text), 0, false, "line 2: channel `rpm` is described twice");
    buf_reset(&text);
    assert_true(channel_record_write(&channel, &text));
    assert_refused(buf_view(&text), 1, false, "cut off");
}

static void there_is_an_end_to_channels(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
    for (int i = 0; i <= CHANNEL_CACHE_MAX; i++) {
        struct channel_record channel = {.phys_min = 0, .phys_max = 1};
        snprintf(channel.channel, sizeof(channel.channel), "channel_%d", i);
        assert_true(channel_record_write(&channel, &text));
    }
    assert_refused(buf_view(&text), 0, false, "line 10001: more than 10000 channels");
}

static void a_line_has_an_end(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(STREAM_MAX_BYTES);
    for (int i = 0; i < INFO_LINE_MAX_BYTES; i++)
        buf_append_byte(&text, 'x');
    assert_refused(buf_view(&text), 0, true, "line 1: longer than 4095 bytes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alarms_of_either_format),  cmocka_unit_test(no_lines_are_fine),
        cmocka_unit_test(what_is_wrong_has_a_line), cmocka_unit_test(there_is_an_end_to_channels),
        cmocka_unit_test(a_line_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
