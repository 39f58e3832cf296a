#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "common/base/attr.h"
#include "common/wire/agent_words.h"

#define STORE "123e4567-e89b-42d3-a456-426614174000"

static struct agent_status read_ok(const char *body)
{
    struct agent_status status;
    struct error err;
    assert_true(agent_status_read(view_of(body), &status, &err));
    return status;
}

static void a_status_of_today_says_everything(void **state)
{
    (void)state;
    struct agent_status status =
        read_ok("{\"product\":\"telehaul\",\"version\":\"1.2.0\",\"agent_id\":\"0a1b\",\"store_id\":\"" STORE
                "\",\"next_seq\":77,"
                "\"clock\":\"2026-02-22T10:00:00.000000Z\",\"export_formats\":[\"gzip\",\"zstd\"],"
                "\"export_streams\":[\"readings\",\"alarms\",\"channels\",\"later\"]}");
    assert_string_equal(status.version, "1.2.0");
    assert_string_equal(status.agent_id, "0a1b");
    assert_string_equal(status.store_id, STORE);
    assert_true(status.has_seq);
    assert_int_equal(status.next_seq, 77);
    assert_int_equal(status.clock_us, INT64_C(1771754400000000));
    assert_true(status.zstd && status.alarms && status.channels);
}

static void an_older_agent_offers_readings_in_gzip(void **state)
{
    (void)state;
    struct agent_status status = read_ok("{\"version\":\"1.0.0\",\"store_id\":\"" STORE "\",\"next_seq\":1}");
    assert_false(status.zstd || status.alarms || status.channels);
    assert_string_equal(status.agent_id, "");
    assert_int_equal(status.clock_us, INT64_MIN);
}

static void a_table_has_no_seq_and_a_new_machine_no_store(void **state)
{
    (void)state;
    assert_false(read_ok("{\"version\":\"1\",\"store_id\":\"" STORE "\",\"next_seq\":null}").has_seq);
    struct agent_status fresh = read_ok("{\"version\":\"1\",\"store_id\":null,\"next_seq\":null}");
    assert_string_equal(fresh.store_id, "");
    assert_false(fresh.has_seq);
}

static void a_clock_that_is_no_time_is_none(void **state)
{
    (void)state;
    assert_int_equal(
        read_ok("{\"version\":\"1\",\"store_id\":null,\"next_seq\":null,\"clock\":\"noon\"}").clock_us,
        INT64_MIN);
}

static void what_is_no_status_is_refused(void **state)
{
    (void)state;
    static const char *const bodies[] = {
        "",
        "{",
        "[]",
        "{\"store_id\":null}",
        "{\"version\":1,\"store_id\":null}",
        "{\"version\":\"1\",\"agent_id\":7,\"store_id\":null}",
        "{\"version\":\"1\",\"store_id\":\"\",\"next_seq\":1}",
        "{\"version\":\"1\",\"store_id\":\"a b\",\"next_seq\":1}",
        "{\"version\":\"1\",\"store_id\":\"" STORE "&limit=1\",\"next_seq\":1}",
        "{\"version\":\"1\",\"store_id\":\"" STORE "\",\"next_seq\":-1}",
        "{\"version\":\"1\",\"store_id\":\"" STORE "\",\"next_seq\":1.5}",
    };
    for (size_t i = 0; i < COUNT_OF(bodies); i++) {
        struct agent_status status = {.version = "untouched"};
        struct error err = {0};
        assert_false(agent_status_read(view_of(bodies[i]), &status, &err));
        assert_int_equal(err.code, ERR_PROTOCOL);
        assert_string_equal(status.version, "untouched");
    }
}

static void a_refusal_is_a_sentence_without_control_characters(void **state)
{
    (void)state;
    struct error err;
    assert_false(
        agent_answer_explain(503, view_of("{\"error\":\"busy\",\"detail\":\"as many \\u001b[31m exports\"}"),
                             "GET /data/export", ERR_BUSY, &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_string_equal(err.text, "answered 503 busy, as many ?[31m exports to GET /data/export");
    assert_false(agent_answer_explain(500, view_of("<html>"), "GET /status", ERR_PROTOCOL, &err));
    assert_string_equal(err.text, "answered 500 to GET /status");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_of_today_says_everything),
        cmocka_unit_test(an_older_agent_offers_readings_in_gzip),
        cmocka_unit_test(a_table_has_no_seq_and_a_new_machine_no_store),
        cmocka_unit_test(a_clock_that_is_no_time_is_none),
        cmocka_unit_test(what_is_no_status_is_refused),
        cmocka_unit_test(a_refusal_is_a_sentence_without_control_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
