#include "server_tools/central/archive_info.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const int64_t now_us = 1771754400LL * US_PER_S; /* 2026-02-22T10:00:00Z */

#define SUM "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static struct archive_info info_of(int64_t after, int64_t last_seq)
{
    struct archive_info info = {.present = true,
                                .client_id = "m1",
                                .agent_id = SUM,
                                .store_id = "11111111-1111-4111-8111-111111111111",
                                .format = PACK_ZSTD,
                                .period_start_us = now_us - US_PER_S,
                                .period_end_us = now_us,
                                .created_us = now_us + 5};
    info.files[ARCHIVE_READINGS] = (struct archive_file){.present = true,
                                                         .after = after,
                                                         .first_seq = after + 1,
                                                         .last_seq = last_seq,
                                                         .count = last_seq - after,
                                                         .bytes = 7,
                                                         .sha256 = SUM};
    return info;
}

static void where_an_archive_ends(void **state)
{
    (void)state;
    struct archive_info info = info_of(10, 30);
    assert_int_equal(archive_info_end(&info, ARCHIVE_READINGS), 30);
    assert_int_equal(archive_info_end(&info, ARCHIVE_ALARMS), 0);
    info.files[ARCHIVE_READINGS].first_seq = info.files[ARCHIVE_READINGS].last_seq = -1; /* of a table */
    assert_int_equal(archive_info_end(&info, ARCHIVE_READINGS), now_us);
    info.period_end_us = INT64_C(4000000000) * US_PER_S; /* a clock that is ahead */
    assert_int_equal(archive_info_end(&info, ARCHIVE_READINGS), info.created_us);
    info.files[ARCHIVE_READINGS].count = 0;
    assert_int_equal(archive_info_end(&info, ARCHIVE_READINGS), 0);
}

static void what_follows_on_a_cursor(void **state)
{
    (void)state;
    struct archive_info info = info_of(10, 30);
    assert_true(archive_info_follows(&info, ARCHIVE_READINGS, 10));
    assert_true(archive_info_follows(&info, ARCHIVE_READINGS, 15));
    assert_false(archive_info_follows(&info, ARCHIVE_READINGS, 9));
    struct archive_file *readings = &info.files[ARCHIVE_READINGS];
    readings->after = -1;
    memcpy(info.since, "2026-02-22T09:00:00.000000Z", sizeof(info.since));
    assert_true(archive_info_follows(&info, ARCHIVE_READINGS, 10));
    assert_true(archive_info_follows(&info, ARCHIVE_READINGS, INT64_MAX));
    assert_false(archive_info_follows(&info, ARCHIVE_READINGS, 9));
    readings->count--; /* one seq was an alarm's, or a reading's of before that time: who knows */
    assert_false(archive_info_follows(&info, ARCHIVE_READINGS, 10));
    assert_false(archive_info_follows(&info, ARCHIVE_ALARMS, 10));
}

/* ---- what is written is read ---- */

static void assert_round(const struct archive_info *info)
{
    struct archive_info read;
    struct error err;
    SCOPE_BUF struct buf first = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    SCOPE_BUF struct buf second = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    archive_info_write(info, &first);
    if (!archive_info_parse(buf_view(&first), &read, &err))
        fail_msg("%s: %.*s", err.text, VIEW_ARG(buf_view(&first)));
    archive_info_write(&read, &second);
    assert_true(view_equal(buf_view(&first), buf_view(&second)));
}

static void what_is_written_is_read(void **state)
{
    (void)state;
    struct archive_info info = info_of(10, 30);
    assert_round(&info);
    info.files[ARCHIVE_ALARMS] = (struct archive_file){.present = true,
                                                       .file = "20260222T100000Z.alarms.zst",
                                                       .after = 5,
                                                       .first_seq = 31,
                                                       .last_seq = 40,
                                                       .count = 2,
                                                       .bytes = 9,
                                                       .sha256 = SUM};
    info.files[ARCHIVE_CHANNELS] = (struct archive_file){
        .present = true, .file = "20260222T100000Z.channels.zst", .count = 3, .bytes = 9, .sha256 = SUM};
    assert_round(&info);
    info.files[ARCHIVE_READINGS] = (struct archive_file){
        .present = true, .after = 10, .first_seq = -1, .last_seq = -1, .bytes = 9, .sha256 = SUM};
    info.period_start_us = info.period_end_us = INT64_MIN;
    info.format = PACK_GZIP;
    assert_round(&info); /* no readings, only alarms */
}

#define READINGS                                                                                             \
    "{\"stream\":\"readings\",\"client_id\":\"m1\",\"store_id\":\"s\",\"count\":0,\"bytes\":20,\"sha256\":"  \
    "\"" SUM "\""

static void assert_refused(const char *text, const char *words)
{
    struct archive_info info;
    struct error err = {0};
    if (archive_info_parse(view_of(text), &info, &err))
        fail_msg("taken: %s", text);
    assert_int_equal(err.code, ERR_INPUT);
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    struct archive_info info;
    assert_true(archive_info_parse(view_of(READINGS "}"), &info, NULL)); /* of an older version */
    assert_int_equal(info.format, PACK_GZIP);
    assert_refused(READINGS ",\"format\":\"rar\"}", "`format`");
    assert_refused(READINGS ",\"since\":\"yesterday\"}", "`since`");
    assert_refused(READINGS ",\"created_at\":5}", "`created_at`");
    assert_refused(READINGS ",\"after\":-1}", "`after`");
    assert_refused(READINGS ",\"alarms\":5}", "`alarms`");
    assert_refused(READINGS ",\"alarms\":{}}", "`alarms`: member `file`");
    static const char *const names[] = {"", ".hidden", "../m2/x.alarms.gz", "/etc/passwd", "a/b"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
        buf_printf(&text,
                   READINGS ",\"channels\":{\"file\":\"%s\",\"count\":0,\"bytes\":1,\"sha256\":\"" SUM "\"}}",
                   names[i]);
        assert_refused(buf_text(&text), "`channels`: member `file`");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(where_an_archive_ends),
        cmocka_unit_test(what_follows_on_a_cursor),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(what_is_wrong_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
