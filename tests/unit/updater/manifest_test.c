#include "updater/manifest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "common/base/attr.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define HEAD                                                                                                 \
    "{\"format\":1,\"product\":\"telehaul\",\"version\":\"1.2.0\",\"created_at\":\"2026-02-22T10:00:00Z\","
#define FILE_ROW(path)        "{\"path\":\"" path "\",\"sha256\":\"" HASH "\",\"size\":3,\"mode\":\"0644\"}"
#define MIGRATION_ROW(name)   "{\"name\":\"" name "\",\"sha256\":\"" HASH "\",\"size\":4}"
#define TAIL                  "\"notes\":\"n\",\"files\":[],\"migrations\":[]}"
#define WITH_FILES(rows)      HEAD "\"notes\":\"n\",\"files\":[" rows "],\"migrations\":[]}"
#define WITH_REMOVE(rows)     HEAD "\"remove\":[" rows "]," TAIL
#define WITH_MIGRATIONS(rows) HEAD "\"notes\":\"n\",\"files\":[],\"migrations\":[" rows "]}"

static const char *refusal(const char *text)
{
    struct error err = {0};
    struct manifest *manifest = manifest_parse(view_of(text), &err);
    bool taken = manifest != NULL;
    manifest_free(manifest);
    if (taken)
        return "taken";
    assert_int_equal(err.code, ERR_INPUT);
    return err.reason == NULL ? "no reason" : err.reason;
}

static void a_whole_one_is_read(void **state)
{
    (void)state;
    static const char text[] =
        HEAD "\"min_version\":\"1.0.0\",\"base\":{\"version\":\"1.1.0\",\"tree_sha256\":\"" HASH "\"},"
             "\"expires_at\":\"2027-02-22T10:00:00.5Z\",\"notes\":\"\\u0442 \\\"x\\\"\\n\","
             "\"files\":[{\"path\":\"bin/portal\",\"sha256\":\"" HASH "\",\"size\":123,\"mode\":\"0755\"}],"
             "\"remove\":[\"share/old.css\"],"
             "\"migrations\":[" MIGRATION_ROW("0013_b.sql") "," MIGRATION_ROW("0012_a.sql") "]}";
    struct error err = {0};
    SCOPE_MANIFEST struct manifest *manifest = manifest_parse(view_of(text), &err);
    assert_non_null(manifest);
    assert_string_equal(manifest->product, "telehaul");
    assert_string_equal(manifest->version, "1.2.0");
    assert_string_equal(manifest->min_version, "1.0.0");
    assert_string_equal(manifest->base_version, "1.1.0");
    assert_string_equal(manifest->base_tree, HASH);
    assert_int_equal(manifest->created_us, 1771754400000000);
    assert_int_equal(manifest->expires_us, 1803290400500000);
    assert_string_equal(manifest->notes, "\xd1\x82 \"x\"\n");
    assert_int_equal(manifest->file_count, 1);
    assert_string_equal(manifest->files[0].path, "bin/portal");
    assert_string_equal(manifest->files[0].sha256, HASH);
    assert_int_equal(manifest->files[0].size, 123);
    assert_int_equal(manifest->files[0].mode, 0755);
    assert_int_equal(manifest->removal_count, 1);
    assert_string_equal(manifest->removals[0], "share/old.css");
    assert_int_equal(manifest->migration_count, 2);
    assert_string_equal(manifest->migrations[0].name, "0012_a.sql");
    assert_string_equal(manifest->migrations[1].name, "0013_b.sql");
    assert_int_equal(manifest->bytes, 123 + 4 + 4);
}

static void what_is_written_is_read_and_written_alike(void **state)
{
    (void)state;
    static const char text[] =
        HEAD "\"base\":{\"tree_sha256\":\"" HASH "\"},\"expires_at\":\"2027-02-22T10:00:00.000001Z\","
             "\"notes\":\"\xd1\x82\",\"files\":[" FILE_ROW("bin/b") "," FILE_ROW(
                 "bin/a") "],"
                          "\"remove\":[\"share/x\"],\"migrations\":[" MIGRATION_ROW("0012_a.sql") "]}";
    SCOPE_MANIFEST struct manifest *first = manifest_parse(view_of(text), NULL);
    assert_non_null(first);
    SCOPE_BUF struct buf once = BUF_LIMIT(MANIFEST_MAX_BYTES);
    SCOPE_BUF struct buf again = BUF_LIMIT(MANIFEST_MAX_BYTES);
    manifest_write(first, &once);
    SCOPE_MANIFEST struct manifest *second = manifest_parse(buf_view(&once), NULL);
    assert_non_null(second);
    manifest_write(second, &again);
    assert_true(view_equal(buf_view(&once), buf_view(&again)));
    assert_int_equal(second->expires_us, first->expires_us);
    assert_string_equal(second->base_version, "");
    assert_string_equal(second->files[0].path, "bin/b");
}

static void what_may_miss_may_miss(void **state)
{
    (void)state;
    SCOPE_MANIFEST struct manifest *manifest = manifest_parse(view_of(HEAD TAIL), NULL);
    assert_non_null(manifest);
    assert_string_equal(manifest->min_version, "");
    assert_string_equal(manifest->base_tree, "");
    assert_true(manifest->expires_us == INT64_MAX);
    assert_int_equal(manifest->removal_count, 0);
}

struct row {
    const char *text, *reason;
};

static void check_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(refusal(rows[i].text), rows[i].reason) != 0)
            fail_msg("%s: expected %s, found %s", rows[i].text, rows[i].reason, refusal(rows[i].text));
    }
}

static void what_is_no_manifest_is_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"", "bad_manifest"},
        {"[]", "bad_manifest"},
        {"null", "bad_manifest"},
        {"{}", "bad_manifest"},
        {"\xef\xbb\xbf" HEAD TAIL, "bad_manifest"},
        {HEAD TAIL "x", "bad_manifest"},
        {HEAD "\"notes\":\"m\"," TAIL, "bad_manifest"},       /* a key twice */
        {HEAD "\"n\\u006ftes\":\"m\"," TAIL, "bad_manifest"}, /* and hidden behind an escape */
        {HEAD "\"unknown\":1," TAIL, "bad_manifest"},
        {HEAD "\"remove\":null," TAIL, "bad_manifest"},
        {HEAD "\"remove\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]," TAIL,
         "bad_manifest"},
        {HEAD "\"base\":[]," TAIL, "bad_manifest"},
        {HEAD "\"base\":{}," TAIL, "bad_manifest"},
        {HEAD "\"base\":{\"tree_sha256\":\"" HASH "\",\"more\":1}," TAIL, "bad_manifest"},
        {HEAD "\"base\":{\"version\":\"1\",\"tree_sha256\":\"" HASH "\"}," TAIL, "bad_manifest"},
        {HEAD "\"min_version\":\"1.0\"," TAIL, "bad_manifest"},
        {HEAD "\"min_version\":\"\"," TAIL, "bad_manifest"},
        {HEAD "\"expires_at\":\"tomorrow\"," TAIL, "bad_manifest"},
        {HEAD "\"expires_at\":null," TAIL, "bad_manifest"},
        {HEAD "\"files\":[],\"migrations\":[]}", "bad_manifest"}, /* no notes */
        {HEAD "\"notes\":\"\\u0000\",\"files\":[],\"migrations\":[]}", "bad_manifest"},
        {HEAD "\"notes\":\"n\",\"migrations\":[]}", "bad_manifest"},
        {HEAD "\"notes\":\"n\",\"files\":[]}", "bad_manifest"},
        {HEAD "\"notes\":\"n\",\"files\":{},\"migrations\":[]}", "bad_manifest"},
        {"{\"format\":2,\"product\":\"telehaul\"}", "bad_manifest"},
        {"{\"format\":1.0,\"product\":\"t\",\"version\":\"1.2.0\",\"created_at\":\"2026-02-22T10:00:"
         "00Z\"," TAIL,
         "bad_manifest"},
        {"{\"format\":1,\"product\":\"\",\"version\":\"1.2.0\",\"created_at\":\"2026-02-22T10:00:00Z\"," TAIL,
         "bad_manifest"},
        {"{\"format\":1,\"product\":\"t\",\"version\":\"v1\",\"created_at\":\"2026-02-22T10:00:00Z\"," TAIL,
         "bad_manifest"},
        {"{\"format\":1,\"product\":\"t\",\"created_at\":\"2026-02-22T10:00:00Z\"," TAIL, "bad_manifest"},
        {"{\"format\":1,\"product\":\"t\",\"version\":\"1.2.0\"," TAIL, "bad_manifest"},
        {"{\"format\":1,\"product\":\"t\",\"version\":\"1.2.0\",\"created_at\":\"2026-02-30T10:00:"
         "00Z\"," TAIL,
         "bad_manifest"},
    };
    check_rows(rows, COUNT_OF(rows));
}

#define FILE_WITH(hash, size, mode)                                                                          \
    "{\"path\":\"bin/a\",\"sha256\":" hash ",\"size\":" size ",\"mode\":" mode "}"

static void a_bad_row_is_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {WITH_FILES(FILE_ROW("bin/a")), "taken"},
        {WITH_FILES("7"), "bad_manifest"},
        {WITH_FILES("{\"path\":\"bin/a\"}"), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "3", "\"0755\"")), "taken"},
        {WITH_FILES(FILE_WITH("\"ABCDEF\"", "3", "\"0755\"")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "3.0", "\"0755\"")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "3e0", "\"0755\"")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "\"3\"", "\"0755\"")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "-1", "\"0755\"")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "9223372036854775808", "\"0755\"")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "1099511627777", "\"0755\"")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "3", "493")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "3", "\"4755\"")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "3", "\"0777\"")), "bad_manifest"},
        {WITH_FILES(FILE_WITH("\"" HASH "\"", "3", "\"755\"")), "bad_manifest"},
        {WITH_FILES(FILE_ROW("bin/a\\u0000b")), "bad_manifest"},
        {WITH_REMOVE("1"), "bad_manifest"},
        {WITH_REMOVE("\"share/a\""), "taken"},
        {WITH_MIGRATIONS(MIGRATION_ROW("0012_a.sql")), "taken"},
        {WITH_MIGRATIONS(MIGRATION_ROW("12_a.sql")), "bad_manifest"},
        {WITH_MIGRATIONS(MIGRATION_ROW("0012_A.sql")), "bad_manifest"},
        {WITH_MIGRATIONS(MIGRATION_ROW("0012_a.sql.")), "bad_manifest"},
        {WITH_MIGRATIONS(MIGRATION_ROW("../0012_a.sql")), "bad_manifest"},
        {WITH_MIGRATIONS("{\"name\":\"0012_a.sql\",\"sha256\":\"" HASH "\",\"size\":1048577}"),
         "bad_manifest"},
        {WITH_MIGRATIONS(MIGRATION_ROW("0012_a.sql") "," MIGRATION_ROW("0012_b.sql")), "bad_migration"},
        {WITH_MIGRATIONS(MIGRATION_ROW("0012_a.sql") "," MIGRATION_ROW("0012_a.sql")), "bad_migration"},
    };
    check_rows(rows, COUNT_OF(rows));
}

static void a_bad_path_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"bin/a", NULL},
        {"share/www/\xd0\xb6.css", NULL},
        {"share/config.txt", NULL},
        {"", "empty_name"},
        {"bin//a", "empty_part"},
        {"bin/", "directory_entry"},
        {"/bin/a", "absolute_path"},
        {"../bin/a", "path_traversal"},
        {"bin/../../a", "path_traversal"},
        {"./bin/a", "dot_part"},
        {"bin\\a", "backslash"},
        {"C:/bin/a", "drive_letter"},
        {"bin/a\n", "name_control"},
        {"bin/\xff", "name_not_utf8"},
        {"bin/a.", "trailing_dot"},
        {"bin/a ", "trailing_dot"},
        {"bin", "outside_release"},
        {"lib/a", "outside_release"},
        {"Bin/a", "outside_release"},
        {"migrations/0001_a.sql", "outside_release"},
        {"license.dat", "protected_path"},
        {"license/a", "protected_path"},
        {"LICENSE/a", "protected_path"},
        {"licen\xc5\xbf"
         "e/a",
         "protected_path"}, /* long s */
        {"Config.TXT", "protected_path"},
        {"credentials.env", "protected_path"},
        {"version.txt", "protected_path"},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct error err = {0};
        bool taken = manifest_path_check(rows[i].text, &err);
        if (taken != (rows[i].reason == NULL) || (!taken && strcmp(err.reason, rows[i].reason) != 0))
            fail_msg("%s: %s", rows[i].text, taken ? "taken" : err.reason);
    }
}

static void paths_that_meet_are_refused(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {WITH_FILES(FILE_ROW("bin/a") "," FILE_ROW("bin/a.b")), "taken"},
        {WITH_FILES(FILE_ROW("bin/a") "," FILE_ROW("bin/a")), "duplicate_entry"},
        {WITH_FILES(FILE_ROW("bin/a") "," FILE_ROW("bin/A")), "case_clash"},
        {WITH_FILES(FILE_ROW("bin/\xd0\x96") "," FILE_ROW("bin/\xd0\xb6")), "case_clash"},
        {WITH_FILES(FILE_ROW("bin/a/b") "," FILE_ROW("bin/a!") "," FILE_ROW("bin/a")), "file_and_folder"},
        {WITH_REMOVE("\"bin/a\",\"bin/a\""), "duplicate_entry"},
        {HEAD "\"remove\":[\"bin/a\"],\"notes\":\"n\",\"files\":[" FILE_ROW("bin/a") "],\"migrations\":[]}",
         "duplicate_entry"},
    };
    check_rows(rows, COUNT_OF(rows));
}

/* rows of `{"path":"bin/00000", ...}` */
static void write_many(struct buf *text, int count)
{
    buf_append_text(text, HEAD "\"notes\":\"n\",\"files\":[");
    for (int i = 0; i < count; i++)
        buf_printf(text, "%s{\"path\":\"bin/%05d\",\"sha256\":\"" HASH "\",\"size\":1,\"mode\":\"0644\"}",
                   i == 0 ? "" : ",", i);
    buf_append_text(text, "],\"migrations\":[]}");
}

static void there_is_an_end_to_it(void **state)
{
    (void)state;
    SCOPE_BUF struct buf most = BUF_LIMIT(2 * MANIFEST_MAX_BYTES);
    write_many(&most, MANIFEST_MAX_ENTRIES);
    assert_string_equal(refusal(buf_text(&most)), "taken");
    SCOPE_BUF struct buf more = BUF_LIMIT(2 * MANIFEST_MAX_BYTES);
    write_many(&more, MANIFEST_MAX_ENTRIES + 1);
    assert_string_equal(refusal(buf_text(&more)), "too_many_entries");

    SCOPE_BUF struct buf blanks = BUF_LIMIT(2 * MANIFEST_MAX_BYTES);
    buf_append_text(&blanks, HEAD TAIL);
    while (blanks.size < MANIFEST_MAX_BYTES)
        buf_append_byte(&blanks, ' ');
    assert_string_equal(refusal(buf_text(&blanks)), "taken");
    buf_append_byte(&blanks, ' ');
    assert_string_equal(refusal(buf_text(&blanks)), "bad_manifest");
}

static void notes_have_a_limit(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(MANIFEST_MAX_BYTES);
    buf_append_text(&text, "\"files\":[],\"migrations\":[],\"notes\":\"");
    for (int i = 0; i < MANIFEST_NOTES_MAX_BYTES; i++)
        buf_append_byte(&text, 'n');
    SCOPE_BUF struct buf whole = BUF_LIMIT(MANIFEST_MAX_BYTES);
    buf_printf(&whole, HEAD "%s\"}", buf_text(&text));
    assert_string_equal(refusal(buf_text(&whole)), "taken");
    buf_reset(&whole);
    buf_printf(&whole, HEAD "%sn\"}", buf_text(&text));
    assert_string_equal(refusal(buf_text(&whole)), "bad_manifest");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_one_is_read),
        cmocka_unit_test(what_is_written_is_read_and_written_alike),
        cmocka_unit_test(what_may_miss_may_miss),
        cmocka_unit_test(what_is_no_manifest_is_refused),
        cmocka_unit_test(a_bad_row_is_refused),
        cmocka_unit_test(a_bad_path_is_refused_with_its_reason),
        cmocka_unit_test(paths_that_meet_are_refused),
        cmocka_unit_test(there_is_an_end_to_it),
        cmocka_unit_test(notes_have_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
