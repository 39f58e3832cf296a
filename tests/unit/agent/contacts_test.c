#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "agent/contacts.h"

/* 2026-02-22T10:00:00.000000Z */
#define TEN_O_CLOCK_US INT64_C(1771754400000000)

static char folder[] = "/tmp/contacts_test.XXXXXX";
static const struct path file = {"contacts.json"};

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(file.text);
    return chdir("/") != 0 || rmdir(folder) != 0;
}

static int remove_file(void **state)
{
    (void)state;
    unlink(file.text);
    return 0;
}

static void note(struct contacts *contacts, int number)
{
    struct session_summary session = {
        .ended_utc_us = TEN_O_CLOCK_US + number,
        .records = number,
        .alarms = 2,
        .bytes = 1000,
        .outcome = SESSION_CUT_OFF,
    };
    snprintf(session.address, sizeof(session.address), "192.0.2.%d", number);
    contacts_note(contacts, &session);
}

static void assert_file(const char *expected)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(64 * 1024);
    assert_true(file_read_path(file.text, &text, NULL));
    assert_string_equal(buf_text(&text), expected);
}

static void a_contact_is_the_page_s_line(void **state)
{
    (void)state;
    struct contacts contacts;
    contacts_init(&contacts, &file);
    assert_int_equal(contacts.count, 0);
    assert_true(contacts_flush(&contacts, NULL));
    assert_int_equal(access(file.text, F_OK), -1); /* nothing new: nothing written */
    note(&contacts, 1);
    struct session_summary delivered = {
        .ended_utc_us = TEN_O_CLOCK_US, .address = "2001:db8::1", .update_version = "1.2.0"};
    contacts_note(&contacts, &delivered);
    assert_true(contacts_flush(&contacts, NULL));
    contacts_clear(&contacts);
    assert_file(
        "{\"sessions\":[{\"ended_at\":\"2026-02-22T10:00:00.000000Z\",\"address\":\"2001:db8::1\","
        "\"records\":0,\"alarms\":0,\"bytes\":0,\"outcome\":\"nothing_asked\",\"update_version\":"
        "\"1.2.0\"},{\"ended_at\":\"2026-02-22T10:00:00.000001Z\",\"address\":\"192.0.2.1\","
        "\"records\":1,\"alarms\":2,\"bytes\":1000,\"outcome\":\"cut_off\",\"update_version\":null}]}\n");
}

static void the_newest_twenty_survive_a_restart(void **state)
{
    (void)state;
    struct contacts contacts;
    contacts_init(&contacts, &file);
    for (int i = 1; i <= CONTACTS_MAX + 5; i++)
        note(&contacts, i);
    assert_true(contacts_flush(&contacts, NULL));
    contacts_clear(&contacts);

    contacts_init(&contacts, &file);
    assert_int_equal(contacts.count, CONTACTS_MAX);
    note(&contacts, 99);
    assert_int_equal(contacts.count, CONTACTS_MAX);
    assert_string_equal(contacts.sessions[0].address, "192.0.2.99");
    for (int i = 1; i < CONTACTS_MAX; i++) {
        assert_int_equal(contacts.sessions[i].records, CONTACTS_MAX + 6 - i);
        assert_int_equal(contacts.sessions[i].outcome, SESSION_CUT_OFF);
        assert_int_equal(contacts.sessions[i].ended_utc_us, TEN_O_CLOCK_US + CONTACTS_MAX + 6 - i);
    }
    contacts_clear(&contacts);
}

#define ENTRY(rest) "{\"ended_at\":\"2026-02-22T10:00:00Z\",\"address\":\"a\",\"records\":1," rest "}"
#define GOOD        ENTRY("\"alarms\":0,\"bytes\":5,\"outcome\":\"ok\",\"update_version\":null")

static void what_cannot_be_read_is_left_out(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t count;
    } files[] = {
        {"", 0},
        {"{", 0},
        {"[]", 0},
        {"{}", 0},
        {"{\"sessions\":5}", 0},
        {"{\"sessions\":[1,null,{}]}", 0},
        {"{\"sessions\":[" GOOD "]}", 1},
        {"{\"sessions\":[" ENTRY("\"alarms\":0") "," GOOD "]}", 1},
        {"{\"sessions\":[" ENTRY("\"alarms\":-1,\"bytes\":5,\"outcome\":\"ok\",\"update_version\":null") "]}",
         0},
        {"{\"sessions\":[" ENTRY(
             "\"alarms\":0,\"bytes\":5,\"outcome\":\"fine\",\"update_version\":null") "]}",
         0},
        {"{\"sessions\":[" ENTRY("\"alarms\":0,\"bytes\":5,\"outcome\":\"ok\",\"update_version\":1") "]}", 0},
    };
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        struct contacts contacts;
        assert_true(file_replace(file.text, view_of(files[i].text), 0644, NULL));
        contacts_init(&contacts, &file);
        assert_int_equal(contacts.count, files[i].count);
        contacts_clear(&contacts);
    }
}

static void a_flush_that_fails_is_tried_again(void **state)
{
    (void)state;
    static const struct path nowhere = {"missing/contacts.json"};
    struct contacts contacts;
    struct error err = {0};
    contacts_init(&contacts, &nowhere);
    note(&contacts, 1);
    assert_false(contacts_flush(&contacts, &err));
    assert_true(err.text[0] != '\0');
    contacts.path = file;
    assert_true(contacts_flush(&contacts, NULL));
    assert_int_equal(access(file.text, F_OK), 0);
    contacts_clear(&contacts);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_contact_is_the_page_s_line, remove_file),
        cmocka_unit_test_setup(the_newest_twenty_survive_a_restart, remove_file),
        cmocka_unit_test_setup(what_cannot_be_read_is_left_out, remove_file),
        cmocka_unit_test_setup(a_flush_that_fails_is_tried_again, remove_file),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
