#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "common/base/text.h"
#include "server_tools/sync_service/rollout_judge.h"

#define OURS  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define OTHER "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define EVENT(time, event, version)                                                                          \
    "{\"time\":\"" time "\",\"event\":\"" event "\",\"version\":\"" version "\"}"
#define STATUS(version, state, pending, history)                                                             \
    "{\"current_version\":\"" version "\",\"state\":\"" state "\",\"pending\":" pending                      \
    ",\"waiting_for\":\"operator\",\"history\":[" history "]}"
#define PENDING(sha256) "{\"version\":\"1.2.0\",\"manifest_sha256\":\"" sha256 "\"}"

static const char *word_of(const struct rollout_seen *seen)
{
    if (seen->contradicts)
        return seen->there ? "both" : "contradicts";
    return seen->there ? rollout_state_word(seen->state) : seen->other ? "other" : "nothing";
}

static void says_how_our_package_stands(void **state)
{
    static const char mark[] = "t1 queued 1.2.0";
    static const struct {
        const char *answer, *mark, *expected;
    } cases[] = {
        {STATUS("1.0.0", "none", "null", ""), "", "nothing"},
        {STATUS("1.0.0", "pending", PENDING(OURS), ""), "", "queued"},
        {STATUS("1.0.0", "approved", PENDING(OURS), ""), "", "approved"},
        {STATUS("1.0.0", "applying", PENDING(OURS), ""), "", "applying"},
        {STATUS("1.2.0", "probation", PENDING(OURS), ""), "", "applying"},
        {STATUS("1.0.0", "pending", PENDING(OTHER), ""), "", "other"},
        {STATUS("1.0.0", "invented", PENDING(OURS), ""), "", "nothing"},
        {STATUS("1.2.0", "committed", "null", ""), "", "healthy"},
        {STATUS("1.2.0", "committed", "null", ""), NULL, "healthy"},
        {STATUS("1.2.0", "probation", "null", ""), "", "nothing"},
        {STATUS("1.0.0", "failed", "null", EVENT("t2", "failed", "1.2.0")), "", "failed"},
        {STATUS("1.0.0", "failed", "null", EVENT("t2", "failed", "1.2.0")), NULL, "nothing"},
        {STATUS("1.0.0", "rolled_back", "null", EVENT("t2", "rolled_back", "1.2.0")), "", "rolled_back"},
        {STATUS("1.0.0", "rejected", "null", EVENT("t2", "rejected", "1.2.0")), "", "rejected"},
        {STATUS("1.0.0", "failed", "null", EVENT("t2", "failed", "1.1.0")), "", "nothing"},
        /* committed, and another runs: not yet, or not any more */
        {STATUS("1.0.0", "committed", "null", EVENT("t2", "committed", "1.2.0")), "", "contradicts"},
        {STATUS("1.2.0", "probation", "null", EVENT("t2", "committed", "1.2.0")), "", "contradicts"},
        {STATUS("1.0.0", "committed", "null", EVENT("t2", "committed", "1.2.0")), NULL, "nothing"},
        {STATUS("1.0.0", "committed", "null", EVENT("t2", "committed", "1.2.0")), "t2 committed 1.2.0",
         "nothing"},
        {STATUS("1.3.0", "committed", "null",
                EVENT("t3", "committed", "1.3.0") "," EVENT("t2", "committed", "1.2.0")),
         "", "failed"},
        /* newer than the mark, older than it, it itself */
        {STATUS("1.0.0", "failed", "null", EVENT("t2", "failed", "1.2.0") "," EVENT("t1", "queued", "1.2.0")),
         mark, "failed"},
        {STATUS("1.0.0", "failed", "null", EVENT("t1", "queued", "1.2.0") "," EVENT("t0", "failed", "1.2.0")),
         mark, "nothing"},
        {STATUS("1.0.0", "failed", "null", EVENT("t1", "failed", "1.2.0")), "t1 failed 1.2.0", "nothing"},
        /* a clock that was set back changes nothing */
        {STATUS("1.0.0", "failed", "null", EVENT("s0", "failed", "1.2.0") "," EVENT("t1", "queued", "1.2.0")),
         mark, "failed"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct rollout_seen seen;
        struct error err = {.code = ERR_NONE};
        if (!rollout_judge(view_of(cases[i].answer), "1.2.0", OURS, cases[i].mark, &seen, &err))
            fail_msg("case %zu: %s", i, err.text);
        if (strcmp(word_of(&seen), cases[i].expected) != 0)
            fail_msg("case %zu: %s", i, word_of(&seen));
    }
}

static void tells_who_is_waited_for_and_why_it_ended(void **state)
{
    struct rollout_seen seen;
    struct error err;
    (void)state;
    assert_true(rollout_judge(view_of(STATUS("1.0.0", "pending", PENDING(OURS), "")), "1.2.0", OURS, "",
                              &seen, &err));
    assert_string_equal(seen.waiting_for, "operator");
    assert_string_equal(seen.mark, "");
    assert_true(rollout_judge(view_of("{\"current_version\":\"1.0.0\",\"state\":\"rejected\",\"pending\":"
                                      "null,\"history\":[{\"time\":\"t2\","
                                      "\"event\":\"rejected\",\"version\":\"1.2.0\",\"reason\":\"withdrawn\","
                                      "\"text\":\"taken\\u001b[2J back\"}]}"),
                              "1.2.0", OURS, "", &seen, &err));
    assert_int_equal(seen.state, ROLLOUT_WITHDRAWN);
    assert_string_equal(seen.reason, "withdrawn");
    assert_string_equal(seen.detail, "taken?[2J back");
    assert_string_equal(seen.mark, "t2 rejected 1.2.0");
    assert_string_equal(seen.current_version, "1.0.0");
}

static void long_texts_are_cut(void **state)
{
    char answer[4096];
    char text[2000];
    struct rollout_seen seen;
    struct error err;
    (void)state;
    memset(text, 'x', sizeof(text));
    text[sizeof(text) - 1] = '\0';
    snprintf(answer, sizeof(answer),
             "{\"current_version\":\"1.0.0\",\"state\":\"failed\",\"history\":[{\"time\":\"t\",\"event\":"
             "\"failed\","
             "\"version\":\"1.2.0\",\"reason\":\"r\",\"text\":\"%s\"}]}",
             text);
    assert_true(rollout_judge(view_of(answer), "1.2.0", OURS, "", &seen, &err));
    assert_int_equal(strlen(seen.detail), ROLLOUT_DETAIL_BYTES - 1);
}

/* The mark is cut, too, and goes into a table: no half characters. */
static void a_mark_is_text_wherever_it_is_cut(void **state)
{
    (void)state;
    for (size_t size = 50; size < 64; size++) {
        char answer[1024];
        char version[80];
        struct rollout_seen seen;
        struct error err;
        memset(version, 'v', size);
        snprintf(version + size, sizeof(version) - size, "\xd0\x96\xe2\x82\xac");
        snprintf(answer, sizeof(answer),
                 "{\"current_version\":\"1.0.0\",\"state\":\"none\",\"history\":[{\"time\":\"t\",\"event\":"
                 "\"failed\",\"version\":\"%s\"}]}",
                 version);
        assert_true(rollout_judge(view_of(answer), "1.2.0", OURS, NULL, &seen, &err));
        if (!text_is_utf8(view_of(seen.mark)))
            fail_msg("%zu: %s", size, seen.mark);
    }
}

static void what_is_no_answer_is_refused(void **state)
{
    static const char *const answers[] = {
        "",
        "null",
        "[]",
        "{}",
        "{\"current_version\":\"1.0.0\"}",
        "{\"current_version\":1,\"history\":[]}",
        "{\"current_version\":\"1.0.0\",\"history\":{}}",
        "{\"current_version\":\"1.0.0\",\"history\":[]",
        "<html>",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        struct rollout_seen seen;
        struct error err;
        if (rollout_judge(view_of(answers[i]), "1.2.0", OURS, "", &seen, &err))
            fail_msg("%s", answers[i]);
        assert_int_equal(err.code, ERR_PROTOCOL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_how_our_package_stands),
        cmocka_unit_test(tells_who_is_waited_for_and_why_it_ended),
        cmocka_unit_test(long_texts_are_cut),
        cmocka_unit_test(a_mark_is_text_wherever_it_is_cut),
        cmocka_unit_test(what_is_no_answer_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
