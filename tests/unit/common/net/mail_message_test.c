#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/mail_message.h"

static const struct mail plain = {
    .from = "fleet@example.org",
    .to = "admin@example.org",
    .subject = "oil pressure low",
    .body = {"one\ntwo", 7},
    .message_id = "notice.1@example.org",
    .utc_us = 1771754400000000, /* 2026-02-22T10:00:00Z */
};

static const char *written(struct buf *out, const struct mail *mail)
{
    struct error err = {0};
    buf_reset(out);
    if (!mail_write(mail, out, &err))
        fail_msg("%s", err.text);
    return buf_text(out);
}

static void a_plain_one_is_as_rfc_5322_has_it(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(MAIL_MAX_BYTES);
    assert_string_equal(written(&out, &plain), "From: fleet@example.org\r\n"
                                               "To: admin@example.org\r\n"
                                               "Subject: oil pressure low\r\n"
                                               "Date: Sun, 22 Feb 2026 10:00:00 +0000\r\n"
                                               "Message-ID: <notice.1@example.org>\r\n"
                                               "MIME-Version: 1.0\r\n"
                                               "Content-Type: text/plain; charset=UTF-8\r\n"
                                               "Content-Transfer-Encoding: base64\r\n"
                                               "Auto-Submitted: auto-generated\r\n"
                                               "\r\n"
                                               "b25lDQp0d28NCg==\r\n");
}

static void a_subject_stays_one_header(void **state)
{
    static const struct {
        const char *subject, *header;
    } cases[] = {
        {"", "Subject: \r\n"},
        {"a\r\nBcc: x@example.org", "Subject: a??Bcc: x@example.org\r\n"},
        {"tab\there", "Subject: tab?here\r\n"},
        {"\xff", "Subject: ?\r\n"},
        {"жар", "Subject: =?UTF-8?B?0LbQsNGA?=\r\n"},
        {"=?UTF-8?B?eA==?=", "Subject: =?UTF-8?B?PT9VVEYtOD9CP2VBPT0/PQ==?=\r\n"},
        {" leading", "Subject: =?UTF-8?B?IGxlYWRpbmc=?=\r\n"},
        /* 61 bytes: two words of 42 and 19 */
        {"0123456789012345678901234567890123456789012345678901234567890",
         "Subject: =?UTF-8?B?MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTAx?=\r\n"
         " =?UTF-8?B?MjM0NTY3ODkwMTIzNDU2Nzg5MA==?=\r\n"},
        /* a character is never torn: the first word ends before the 42nd byte */
        {"01234567890123456789012345678901234567890ж!",
         "Subject: =?UTF-8?B?MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDEyMzQ1Njc4OTA=?=\r\n"
         " =?UTF-8?B?0LYh?=\r\n"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        SCOPE_BUF struct buf out = BUF_LIMIT(MAIL_MAX_BYTES);
        struct mail mail = plain;
        mail.subject = cases[i].subject;
        const char *text = written(&out, &mail);
        const char *begin = strstr(text, "Subject:");
        const char *end = strstr(text, "Date:");
        assert_non_null(begin);
        assert_non_null(end);
        assert_int_equal(end - begin, strlen(cases[i].header));
        assert_memory_equal(begin, cases[i].header, strlen(cases[i].header));
    }
}

static void lines_are_short_whatever_the_text(void **state)
{
    (void)state;
    static char subject[3 * MAIL_SUBJECT_MAX_BYTES];
    static char body[MAIL_BODY_MAX_BYTES];
    SCOPE_BUF struct buf out = BUF_LIMIT(2 * MAIL_MAX_BYTES);
    for (size_t i = 0; i + 2 < sizeof(subject); i += 2)
        memcpy(subject + i, "ж", 2);
    memset(body, '.', sizeof(body));
    struct mail mail = plain;
    mail.subject = subject;
    mail.body = (struct view){body, sizeof(body)};
    struct view rest = view_of(written(&out, &mail));
    while (rest.size > 0) {
        const char *end = memmem(rest.data, rest.size, "\r\n", 2);
        assert_non_null(end);
        assert_true(end - rest.data <= 78);
        rest = (struct view){end + 2, rest.size - (size_t)(end + 2 - rest.data)};
    }
}

static void what_is_no_mail_is_refused(void **state)
{
    (void)state;
    static char long_body[MAIL_BODY_MAX_BYTES + 1];
    struct mail cases[5] = {plain, plain, plain, plain, plain};
    cases[0].to = "a@b>\r\nRCPT TO:<c@d";
    cases[1].from = "";
    cases[2].message_id = "no address";
    cases[3].body = VIEW_LITERAL("\xc3(");
    cases[4].body = (struct view){long_body, sizeof(long_body)};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct error err = {0};
        SCOPE_BUF struct buf out = BUF_LIMIT(MAIL_MAX_BYTES);
        assert_false(mail_write(&cases[i], &out, &err));
        assert_int_equal(err.code, ERR_INPUT);
    }
}

static void addresses_are_names_at_hosts(void **state)
{
    static const char *const good[] = {"a@b", "first.last+tag@sub.example-host.org", "x_y=z@1.example",
                                       "!#$%&'*+-/=?^_`{|}~@a"};
    static const char *const bad[] = {
        "",      "a",      "@b",    "a@",      "a@b@c",  "a b@c",   "a@b c",
        "a@b\n", "a\r@b",  "<a@b>", "a@b,c@d", "a@-b",   "a@b-",    "a@.b",
        "a@b.",  "a@b..c", ".a@b",  "a.@b",    "a..b@c", "\"a\"@b", "a@[127.0.0.1]",
        "ж@b",   "a@жар",  "a@b;c", "a(x)@b",  "a@b\t",  "a@b/c"};
    char long_label[80] = "a@";
    char long_local[80];
    (void)state;
    memset(long_label + 2, 'x', 64);
    memset(long_local, 'x', 65);
    memcpy(long_local + 65, "@b", 3);
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (!mail_address_ok(view_of(good[i])))
            fail_msg("refused: %s", good[i]);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (mail_address_ok(view_of(bad[i])))
            fail_msg("taken: %s", bad[i]);
    }
    assert_false(mail_address_ok(view_of(long_label)));
    long_label[65] = '\0'; /* 63 */
    assert_true(mail_address_ok(view_of(long_label)));
    assert_false(mail_address_ok(view_of(long_local)));
    assert_true(mail_address_ok(view_of(long_local + 1)));
    assert_false(mail_address_ok((struct view){"a@b\0c", 5}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plain_one_is_as_rfc_5322_has_it), cmocka_unit_test(a_subject_stays_one_header),
        cmocka_unit_test(lines_are_short_whatever_the_text), cmocka_unit_test(what_is_no_mail_is_refused),
        cmocka_unit_test(addresses_are_names_at_hosts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
