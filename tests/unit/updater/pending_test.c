#include "updater/pending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/harness/test_folder.h"

#define SHA_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define SHA_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

enum { NOON_S = 1771754400 }; /* 2026-02-22T10:00:00Z */

struct place {
    struct test_folder root;
    struct clock_fake time;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    if (place == NULL || !test_folder_make(&place->root))
        return -1;
    clock_fake_init(&place->time, NOON_S * INT64_C(1000000), 0);
    *state = place;
    return folder_make_all(test_folder_path(&place->root, "run").text, 0755, NULL) &&
                   folder_make_all(test_folder_path(&place->root, "pending_update").text, 0755, NULL)
               ? 0
               : -1;
}

static int tear_down(void **state)
{
    struct place *place = *state;
    test_folder_remove(&place->root);
    free(place);
    return 0;
}

static bool is_there(const struct place *place, const char *name)
{
    return file_exists(test_folder_path(&place->root, name).text);
}

/* A zip whose content does not matter here. */
static bool queue(struct place *place, const char *version, const char *sha256, struct error *err)
{
    struct manifest manifest = {.notes = "What is new:\n\"more\"",
                                .created_us = (NOON_S - 3600) * INT64_C(1000000)};
    snprintf(manifest.version, sizeof(manifest.version), "%s", version);
    assert_true(test_folder_write(&place->root, "pending_update/" PENDING_UPLOAD_NAME, sha256));
    struct pending_offer offer = {PENDING_UPLOAD_NAME, &manifest, sha256, "192.0.2.7"};
    clock_fake_advance(&place->time, US_PER_S);
    return pending_queue(place->root.path, &offer, &place->time.clock, err);
}

static void assert_state(const struct place *place, enum update_state state, const char *version)
{
    SCOPE_PENDING struct pending now = {.notes = NULL};
    assert_true(pending_read(place->root.path, &now, NULL));
    assert_int_equal(now.state, state);
    assert_string_equal(now.version, version);
}

static bool set_state(struct place *place, enum update_state state, const char *reason)
{
    SCOPE_FD int lock = pending_lock(place->root.path, NULL);
    assert_true(lock >= 0);
    SCOPE_PENDING struct pending now = {.notes = NULL};
    assert_true(pending_read(place->root.path, &now, NULL));
    struct pending_outcome outcome = {.reason = reason, .previous = "1.0.0"};
    return pending_set_state(place->root.path, &now, state, &outcome, &place->time.clock, NULL);
}

/* ---- the tests ---- */

static void nothing_is_queued_at_first(void **state)
{
    struct place *place = *state;
    assert_state(place, UPDATE_NONE, "");
    struct error err;
    assert_false(pending_approve(place->root.path, NULL, "operator", &place->time.clock, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "nothing_pending");
}

static void a_queued_package_waits_with_all_its_members(void **state)
{
    struct place *place = *state;
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    SCOPE_PENDING struct pending now = {.notes = NULL};
    assert_true(pending_read(place->root.path, &now, NULL));
    assert_int_equal(now.state, UPDATE_PENDING);
    assert_string_equal(now.file, "update_v1.2.0.zip");
    assert_string_equal(now.manifest_sha256, SHA_A);
    assert_string_equal(now.notes, "What is new:\n\"more\"");
    assert_string_equal(now.from, "192.0.2.7");
    assert_int_equal(now.received_us, (NOON_S + 1) * INT64_C(1000000));
    assert_true(test_folder_has(&place->root, "pending_update/update_v1.2.0.zip", SHA_A));
    assert_false(is_there(place, "pending_update/" PENDING_UPLOAD_NAME));
}

static void the_same_one_again_changes_nothing(void **state)
{
    struct place *place = *state;
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_true(pending_approve(place->root.path, SHA_A, "operator", &place->time.clock, NULL));
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_state(place, UPDATE_APPROVED, "1.2.0");
    assert_false(is_there(place, "pending_update/" PENDING_UPLOAD_NAME));
}

static void another_one_replaces_it_and_needs_its_own_approval(void **state)
{
    struct place *place = *state;
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_true(pending_approve(place->root.path, SHA_A, "operator", &place->time.clock, NULL));
    assert_true(queue(place, "1.2.0", SHA_B, NULL));
    assert_state(place, UPDATE_PENDING, "1.2.0");
    assert_false(is_there(place, "pending_update/update_v1.2.0.zip"));
    assert_true(test_folder_has(&place->root, "pending_update/update_v1.2.0-2.zip", SHA_B));
    struct error err;
    assert_false(pending_approve(place->root.path, SHA_A, "operator", &place->time.clock, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "changed");
    assert_true(pending_approve(place->root.path, SHA_B, "operator", &place->time.clock, NULL));
    assert_state(place, UPDATE_APPROVED, "1.2.0");
}

static void one_that_is_applied_lets_no_other_in(void **state)
{
    struct place *place = *state;
    static const enum update_state busy[] = {UPDATE_APPLYING, UPDATE_PROBATION};
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_true(pending_approve(place->root.path, NULL, "auto", &place->time.clock, NULL));
    for (size_t i = 0; i < 2; i++) {
        struct error err;
        assert_true(set_state(place, busy[i], NULL));
        assert_false(queue(place, "1.3.0", SHA_B, &err));
        assert_non_null(err.reason);
        assert_string_equal(err.reason, "busy");
        assert_false(pending_reject(place->root.path, "no", &place->time.clock, &err));
        assert_non_null(err.reason);
        assert_string_equal(err.reason, "busy");
        assert_state(place, busy[i], "1.2.0");
    }
}

static void an_end_empties_the_queue_and_says_why(void **state)
{
    struct place *place = *state;
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_true(pending_approve(place->root.path, NULL, "operator", &place->time.clock, NULL));
    assert_true(set_state(place, UPDATE_APPLYING, NULL));
    assert_true(set_state(place, UPDATE_ROLLED_BACK, "not_ready"));
    SCOPE_PENDING struct pending now = {.notes = NULL};
    assert_true(pending_read(place->root.path, &now, NULL));
    assert_int_equal(now.state, UPDATE_ROLLED_BACK);
    assert_string_equal(now.version, "1.2.0");
    assert_string_equal(now.previous, "1.0.0");
    assert_string_equal(now.reason, "not_ready");
    assert_string_equal(now.file, "");
    assert_false(is_there(place, "pending_update/update_v1.2.0.zip"));
    assert_false(is_there(place, "pending_update/meta.json"));
    assert_false(is_there(place, "pending_update/approved.json"));
}

static void after_a_failure_it_may_come_again_and_is_not_approved(void **state)
{
    struct place *place = *state;
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_true(pending_approve(place->root.path, NULL, "operator", &place->time.clock, NULL));
    assert_true(set_state(place, UPDATE_FAILED, "disk_full"));
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_state(place, UPDATE_PENDING, "1.2.0");
}

static void an_approval_of_another_manifest_counts_for_nothing(void **state)
{
    struct place *place = *state;
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_true(test_folder_write(&place->root, "pending_update/approved.json",
                                  "{\"manifest_sha256\":\"" SHA_B
                                  "\",\"approved_at\":\"2026-02-22T10:00:00Z\",\"by\":\"operator\"}"));
    assert_state(place, UPDATE_PENDING, "1.2.0");
}

/* Its name, and what meta.json must be to count. */
static void what_makes_no_sense_counts_as_missing(void **state)
{
    struct place *place = *state;
    static const char good[] =
        "{\"file\":\"update_v1.2.0.zip\",\"version\":\"1.2.0\",\"manifest_sha256\":\"" SHA_A
        "\",\"notes\":\"n\",\"received_at\":\"2026-02-22T10:00:00Z\",\"from\":\"::1\"}";
    static const char *const bad[] = {
        "",
        "[]",
        "{\"file\":\"../config.txt\",\"version\":\"1.2.0\",\"manifest_sha256\":\"" SHA_A
        "\",\"notes\":\"n\",\"received_at\":\"2026-02-22T10:00:00Z\",\"from\":\"::1\"}",
        "{\"file\":\"update_v1.2.0.zip\",\"version\":\"../1\",\"manifest_sha256\":\"" SHA_A
        "\",\"notes\":\"n\",\"received_at\":\"2026-02-22T10:00:00Z\",\"from\":\"::1\"}",
        "{\"file\":\"update_v1.2.0.zip\",\"version\":\"1.2.0\",\"manifest_sha256\":\"aa"
        "\",\"notes\":\"n\",\"received_at\":\"2026-02-22T10:00:00Z\",\"from\":\"::1\"}",
        "{\"file\":\"update_v9.9.9.zip\",\"version\":\"1.2.0\",\"manifest_sha256\":\"" SHA_A
        "\",\"notes\":\"n\",\"received_at\":\"2026-02-22T10:00:00Z\",\"from\":\"::1\"}",
    };
    assert_true(test_folder_write(&place->root, "pending_update/update_v1.2.0.zip", "zip"));
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_true(test_folder_write(&place->root, "pending_update/meta.json", bad[i]));
        assert_state(place, UPDATE_NONE, "");
    }
    assert_true(test_folder_write(&place->root, "pending_update/meta.json", good));
    assert_state(place, UPDATE_PENDING, "1.2.0");
    assert_int_equal(unlink(test_folder_path(&place->root, "pending_update/update_v1.2.0.zip").text), 0);
    assert_int_equal(
        symlink("/etc/passwd", test_folder_path(&place->root, "pending_update/update_v1.2.0.zip").text), 0);
    assert_state(place, UPDATE_NONE, "");
}

static void a_rejection_is_kept_with_its_reason(void **state)
{
    struct place *place = *state;
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_true(pending_reject(place->root.path, "not during the harvest", &place->time.clock, NULL));
    SCOPE_PENDING struct pending now = {.notes = NULL};
    assert_true(pending_read(place->root.path, &now, NULL));
    assert_int_equal(now.state, UPDATE_REJECTED);
    assert_string_equal(now.text, "not during the harvest");
}

static void expect_refused(struct place *place, const char *sha256, const char *reason)
{
    struct error err;
    assert_false(pending_withdraw(place->root.path, sha256, "192.0.2.1", &place->time.clock, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, reason);
}

static void only_what_nobody_approved_is_withdrawn(void **state)
{
    struct place *place = *state;
    SCOPE_PENDING struct pending now = {.notes = NULL};
    expect_refused(place, SHA_A, "nothing_pending");
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    expect_refused(place, SHA_B, "changed");
    assert_state(place, UPDATE_PENDING, "1.2.0");
    assert_true(pending_withdraw(place->root.path, SHA_A, "192.0.2.1", &place->time.clock, NULL));
    assert_true(pending_read(place->root.path, &now, NULL));
    assert_int_equal(now.state, UPDATE_REJECTED);
    assert_string_equal(now.reason, "withdrawn");
    assert_false(is_there(place, "pending_update/update_v1.2.0.zip"));
    expect_refused(place, SHA_A, "nothing_pending");

    assert_true(queue(place, "1.2.0", SHA_A, NULL)); /* it may come again */
    assert_true(pending_approve(place->root.path, SHA_A, "operator", &place->time.clock, NULL));
    expect_refused(place, SHA_A, "busy");
    assert_true(set_state(place, UPDATE_APPLYING, NULL));
    expect_refused(place, SHA_A, "busy");
}

static void floors_only_rise(void **state)
{
    struct place *place = *state;
    const char *root = place->root.path;
    struct update_floors floors;
    assert_true(update_floors_read(root, &floors, NULL));
    assert_string_equal(floors.version, "");
    int64_t built_us = floors.time_us;
    assert_true(queue(place, "1.10.0", SHA_A, NULL));
    assert_true(queue(place, "1.9.0", SHA_B, NULL));
    assert_true(update_floors_read(root, &floors, NULL));
    assert_string_equal(floors.version, "1.10.0");
    int64_t created_us = (NOON_S - 3600) * INT64_C(1000000);
    assert_int_equal(floors.time_us, created_us > built_us ? created_us : built_us);
    assert_true(update_floors_raise(root, "1.0.0", INT64_C(4000000000) * US_PER_S, NULL));
    assert_true(update_floors_raise(root, "1.0.0", 0, NULL));
    assert_true(update_floors_read(root, &floors, NULL));
    assert_string_equal(floors.version, "1.10.0");
    assert_int_equal(floors.time_us, INT64_C(4000000000) * US_PER_S);
}

static void garbage_is_swept_and_an_upload_left_alone(void **state)
{
    struct place *place = *state;
    assert_true(queue(place, "1.2.0", SHA_A, NULL));
    assert_true(test_folder_write(&place->root, "pending_update/update_v1.1.0.zip", "old"));
    assert_true(test_folder_write(&place->root, "pending_update/.meta.json.tmp", "cut"));
    assert_true(test_folder_write(&place->root, "pending_update/" PENDING_UPLOAD_NAME, "coming"));
    assert_true(pending_sweep(place->root.path, NULL));
    assert_false(is_there(place, "pending_update/update_v1.1.0.zip"));
    assert_false(is_there(place, "pending_update/.meta.json.tmp"));
    assert_true(is_there(place, "pending_update/" PENDING_UPLOAD_NAME));
    assert_true(is_there(place, "pending_update/floors.json"));
    assert_true(is_there(place, "pending_update/history.jsonl"));
    assert_state(place, UPDATE_PENDING, "1.2.0");
}

static void the_lock_keeps_others_out(void **state)
{
    struct place *place = *state;
    SCOPE_FD int lock = pending_lock(place->root.path, NULL);
    assert_true(lock >= 0);
    struct error err;
    assert_false(queue(place, "1.2.0", SHA_A, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "busy");
    assert_false(pending_approve(place->root.path, NULL, "auto", &place->time.clock, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "busy");
}

static void progress_begins_anew_with_verify(void **state)
{
    struct place *place = *state;
    const char *root = place->root.path;
    const struct clock *clock = &place->time.clock;
    assert_true(pending_progress(root, "verify", 20, "a", clock, NULL));
    assert_true(pending_progress(root, "failed", 20, "b", clock, NULL));
    assert_true(pending_progress(root, "verify", 20, "c \"d\"", clock, NULL));
    assert_true(pending_progress(root, "backup", 40, "e", clock, NULL));
    assert_true(test_folder_has(
        &place->root, "pending_update/progress.jsonl",
        "{\"step\":\"verify\",\"pct\":20,\"msg\":\"c \\\"d\\\"\",\"time\":\"2026-02-22T10:00:00.000000Z\"}\n"
        "{\"step\":\"backup\",\"pct\":40,\"msg\":\"e\",\"time\":\"2026-02-22T10:00:00.000000Z\"}\n"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(nothing_is_queued_at_first),
        TEST(a_queued_package_waits_with_all_its_members),
        TEST(the_same_one_again_changes_nothing),
        TEST(another_one_replaces_it_and_needs_its_own_approval),
        TEST(one_that_is_applied_lets_no_other_in),
        TEST(an_end_empties_the_queue_and_says_why),
        TEST(after_a_failure_it_may_come_again_and_is_not_approved),
        TEST(an_approval_of_another_manifest_counts_for_nothing),
        TEST(what_makes_no_sense_counts_as_missing),
        TEST(a_rejection_is_kept_with_its_reason),
        TEST(only_what_nobody_approved_is_withdrawn),
        TEST(floors_only_rise),
        TEST(garbage_is_swept_and_an_upload_left_alone),
        TEST(the_lock_keeps_others_out),
        TEST(progress_begins_anew_with_verify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
