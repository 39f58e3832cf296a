#include "updater/recover.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "tests/harness/update_place.h"
#include "updater/pending_files.h"

#define SHA "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static bool add_more(const struct update_place *place)
{
    return update_place_release(place, "1.1.0");
}

static int set_up(void **state)
{
    return update_place_make(state, add_more);
}

static int tear_down(void **state)
{
    return update_place_remove(*state);
}

/* 1.1.0 was queued and approved, and is what the notes speak of. reason: of the notes. */
static void note(const struct update_place *place, enum update_state state, const char *reason)
{
    char notes[] = "";
    struct pending pending = {.state = state,
                              .version = "1.1.0",
                              .manifest_sha256 = SHA,
                              .file = "update_v1.1.0.zip",
                              .notes = notes,
                              .received_us = UPDATE_PLACE_NOON_S * INT64_C(1000000),
                              .from = "192.0.2.7",
                              .previous = "1.0.0",
                              .approved_by = "operator"};
    snprintf(pending.reason, sizeof(pending.reason), "%s", reason);
    assert_true(test_folder_write(&place->root, "pending_update/update_v1.1.0.zip", "made up"));
    assert_true(pending_meta_write(place->root.path, &pending, NULL));
    assert_true(pending_approval_write(place->root.path, &pending, NULL));
    if (state != UPDATE_APPROVED)
        assert_true(pending_state_write(place->root.path, &pending, NULL));
}

/* docs/updates.md, "What recover finds", row by row. probation: "": no such file. */
static const struct {
    const char *current, *probation;
    enum update_state noted;
    const char *noted_reason;
    enum update_state found;
    const char *reason;
    bool on_probation;
} rows[] = {
    {"1.0.0", "", UPDATE_APPROVED, "", UPDATE_APPROVED, "", false},
    {"1.0.0", "", UPDATE_APPLYING, "", UPDATE_PENDING, "", false},
    {"1.0.0", "1.0.0 0\n", UPDATE_APPLYING, "", UPDATE_PENDING, "", false},
    {"1.0.0", "1.0.0 1\n", UPDATE_APPLYING, "switching", UPDATE_PENDING, "", false},
    {"1.1.0", "1.0.0 1\n", UPDATE_APPLYING, "switching", UPDATE_PROBATION, "", true},
    {"1.1.0", "1.0.0 2\n", UPDATE_PROBATION, "", UPDATE_PROBATION, "", true},
    {"1.0.0", "", UPDATE_PROBATION, "", UPDATE_ROLLED_BACK, "not_proven", false},
    {"1.0.0", "", UPDATE_APPLYING, "switching", UPDATE_ROLLED_BACK, "not_proven", false},
    {"1.1.0", "", UPDATE_PROBATION, "", UPDATE_COMMITTED, "", false},
    {"1.1.0", "1.0.0 0\n", UPDATE_PROBATION, "no_answer", UPDATE_PROBATION, "no_answer", true},
    {"1.0.0", "1.0.0 0\n", UPDATE_PROBATION, "no_answer", UPDATE_ROLLED_BACK, "no_answer", false},
    {"1.0.0", "", UPDATE_PROBATION, "no_answer", UPDATE_ROLLED_BACK, "no_answer", false},
    {"1.0.0", "", UPDATE_COMMITTED, "", UPDATE_ROLLED_BACK, "by_hand", false},
    {"1.1.0", "", UPDATE_COMMITTED, "", UPDATE_COMMITTED, "", false},
};

static void prepare(const struct update_place *place, size_t row)
{
    assert_true(file_remove(test_folder_path(&place->root, "probation").text, NULL));
    assert_true(file_remove(test_folder_path(&place->root, "pending_update/history.jsonl").text, NULL));
    assert_true(update_place_release(place, "1.1.0"));
    assert_true(release_switch(place->root.path, rows[row].current, NULL));
    if (rows[row].probation[0] != '\0')
        assert_true(test_folder_write(&place->root, "probation", rows[row].probation));
    note(place, rows[row].noted, rows[row].noted_reason);
}

static void assert_settled(const struct update_place *place, size_t row)
{
    struct recovery found;
    assert_true(recover_run(place->root.path, &place->time.clock, &found, NULL));
    SCOPE_PENDING struct pending now = {.notes = NULL};
    assert_true(pending_read(place->root.path, &now, NULL));
    assert_int_equal(found.state, rows[row].found);
    assert_string_equal(found.current, rows[row].current);
    assert_int_equal(now.state, rows[row].found);
    assert_string_equal(now.reason, rows[row].reason);
    assert_int_equal(found.on_probation, rows[row].on_probation);
    assert_int_equal(update_place_has(place, "probation"), rows[row].on_probation);
    assert_int_equal(update_place_has(place, "releases/1.1.0"), strcmp(rows[row].current, "1.1.0") == 0);
    assert_true(update_place_has(place, "releases/1.0.0"));
    assert_int_equal(update_place_has(place, "pending_update/update_v1.1.0.zip"),
                     !update_state_is_end(rows[row].found));
}

/* Doing it again changes nothing. */
static void every_cut_is_settled(void **state)
{
    const struct update_place *place = *state;
    for (size_t row = 0; row < COUNT_OF(rows); row++) {
        prepare(place, row);
        assert_settled(place, row);
        assert_settled(place, row);
    }
}

static void on_probation(const struct update_place *place)
{
    assert_true(release_switch(place->root.path, "1.1.0", NULL));
    assert_true(test_folder_write(&place->root, "probation", "1.0.0 0\n"));
    note(place, UPDATE_PROBATION, "");
}

static void commit_and_undo_do_nothing_without_a_probation(void **state)
{
    const struct update_place *place = *state;
    struct recovery found;
    assert_true(recover_commit(place->root.path, &place->time.clock, &found, NULL));
    assert_int_equal(found.state, UPDATE_NONE);
    assert_true(recover_undo(place->root.path, "why", "why", &place->time.clock, &found, NULL));
    assert_string_equal(found.current, "1.0.0");
    assert_false(update_place_has(place, "pending_update/history.jsonl"));
}

static void undo_of_a_release_that_lost_its_notes_goes_by_the_file(void **state)
{
    const struct update_place *place = *state;
    struct recovery found;
    on_probation(place);
    assert_true(file_remove(test_folder_path(&place->root, "pending_update/meta.json").text, NULL));
    assert_true(file_remove(test_folder_path(&place->root, "pending_update/state.json").text, NULL));
    assert_true(recover_undo(place->root.path, "why", "it fell", &place->time.clock, &found, NULL));
    assert_string_equal(found.current, "1.0.0");
    struct history_entry last;
    size_t count;
    assert_true(update_history_read(place->root.path, &last, 1, &count, NULL));
    assert_string_equal(last.event, "rolled_back");
    assert_string_equal(last.text, "it fell");
}

static void the_notes_cannot_end_a_probation(void **state)
{
    const struct update_place *place = *state;
    static const enum update_state said[] = {UPDATE_COMMITTED, UPDATE_FAILED, UPDATE_REJECTED};
    struct recovery found;
    for (size_t i = 0; i < COUNT_OF(said); i++) {
        on_probation(place);
        note(place, said[i], "");
        assert_true(recover_run(place->root.path, &place->time.clock, &found, NULL));
        assert_true(found.on_probation);
        assert_true(test_folder_has(&place->root, "probation", "1.0.0 0\n"));
    }
}

static void nothing_is_done_while_somebody_holds_the_lock(void **state)
{
    const struct update_place *place = *state;
    struct recovery found;
    struct error err;
    on_probation(place);
    SCOPE_FD int lock = pending_lock(place->root.path, NULL);
    assert_true(lock >= 0);
    assert_false(recover_rollback(place->root.path, &place->time.clock, &found, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "busy");
    assert_true(update_place_has(place, "probation"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_cut_is_settled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(commit_and_undo_do_nothing_without_a_probation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(undo_of_a_release_that_lost_its_notes_goes_by_the_file, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_notes_cannot_end_a_probation, set_up, tear_down),
        cmocka_unit_test_setup_teardown(nothing_is_done_while_somebody_holds_the_lock, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
