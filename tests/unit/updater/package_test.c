#include "updater/package.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/mman.h>

#include "common/base/attr.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/pack/zip_writer.h"
#include "tests/harness/test_folder.h"

static const char portal[] = "a portal";
static const char sql[] = "CREATE TABLE t (x);";
static const char earlier_sql[] = "CREATE TABLE readings (seq INTEGER PRIMARY KEY);";

/* The keys of all tests: making one takes long. */
static struct rsa_private *key, *other_key;
static struct keyring ring;

static int make_keys(void **state)
{
    (void)state;
    SCOPE_BUF struct buf pem = BUF_LIMIT(RSA_PEM_MAX_BYTES);
    key = rsa_private_generate(RSA_MIN_BITS, NULL);
    other_key = rsa_private_generate(RSA_MIN_BITS, NULL);
    return key != NULL && other_key != NULL && rsa_private_write_public_pem(key, &pem, NULL) &&
                   keyring_parse(buf_view(&pem), &ring, NULL)
               ? 0
               : -1;
}

static int free_keys(void **state)
{
    (void)state;
    rsa_private_free(key);
    rsa_private_free(other_key);
    keyring_clear(&ring);
    return 0;
}

/* One package, as a test wants it. */
struct draft {
    struct manifest manifest;
    struct manifest_file file;
    struct manifest_migration migration;
    const struct rsa_private *key;
    const char *signature; /* in place of the true one */
    bool no_signature, no_file, no_migration, extra;
};

static void hash(char out[MANIFEST_SHA256_BYTES], const char *text)
{
    unsigned char digest[SHA256_BYTES];
    sha256_of(view_of(text), digest);
    text_hex_encode(out, digest, sizeof(digest));
}

static struct draft *draft_init(struct draft *draft)
{
    *draft = (struct draft){.key = key};
    draft->file = (struct manifest_file){.path = "bin/portal", .size = sizeof(portal) - 1, .mode = 0755};
    hash(draft->file.sha256, portal);
    draft->migration = (struct manifest_migration){.name = "0002_t.sql", .size = sizeof(sql) - 1};
    hash(draft->migration.sha256, sql);
    draft->manifest = (struct manifest){.product = "telehaul",
                                        .version = "1.2.0",
                                        .created_us = 1000 * US_PER_S,
                                        .expires_us = INT64_MAX,
                                        .notes = "n",
                                        .files = &draft->file,
                                        .file_count = 1,
                                        .migrations = &draft->migration,
                                        .migration_count = 1};
    return draft;
}

static void add(struct zip_writer *zip, const char *name, mode_t mode, struct view content)
{
    assert_true(zip_writer_begin(zip, name, mode, (int64_t)content.size, NULL));
    assert_true(zip_writer_data(zip, content, NULL));
}

/* In memory; to be closed. */
static int build(const struct draft *draft)
{
    int fd = memfd_create("package", MFD_CLOEXEC);
    SCOPE_BUF struct buf text = BUF_LIMIT(MANIFEST_MAX_BYTES);
    manifest_write(&draft->manifest, &text);
    unsigned char bytes[RSA_SIGNATURE_MAX_BYTES];
    char base64[TEXT_BASE64_BYTES(RSA_SIGNATURE_MAX_BYTES)];
    size_t size;
    assert_true(rsa_pss_sign(draft->key, buf_view(&text), bytes, &size, NULL));
    text_base64_encode(base64, bytes, size);
    SCOPE_ZIP_WRITER struct zip_writer *zip = zip_writer_new(fd, NULL);
    add(zip, "manifest.json", 0644, buf_view(&text));
    if (!draft->no_signature)
        add(zip, "manifest.sig", 0644, view_of(draft->signature != NULL ? draft->signature : base64));
    if (!draft->no_file)
        add(zip, "files/bin/portal", 0755, view_of(portal));
    if (draft->extra)
        add(zip, "files/bin/extra", 0755, view_of(portal));
    if (!draft->no_migration)
        add(zip, "migrations/0002_t.sql", 0644, view_of(sql));
    assert_true(zip_writer_end(zip, NULL));
    return fd;
}

/* "taken", or the reason of opening or reading it. */
static const char *verdict(const struct draft *draft)
{
    SCOPE_FD int fd = build(draft);
    struct error err = {0};
    SCOPE_PACKAGE struct package *package = package_open(fd, &ring, &err);
    if (package != NULL && package_read(package, NULL, &err))
        return "taken";
    return err.reason == NULL ? "no reason" : err.reason;
}

static void a_good_one_is_opened(void **state)
{
    (void)state;
    struct draft draft;
    SCOPE_FD int fd = build(draft_init(&draft));
    SCOPE_PACKAGE struct package *package = package_open(fd, &ring, NULL);
    assert_non_null(package);
    assert_string_equal(package_manifest(package)->version, "1.2.0");
    assert_string_equal(package_signer(package), ring.fingerprints[0]);
    assert_int_equal(strlen(package_manifest_sha256(package)), SHA256_HEX_BYTES - 1);
    assert_true(package_signature(package).size > 0);
}

static void without_keys_no_signature_is_checked(void **state)
{
    (void)state;
    struct draft draft;
    draft_init(&draft)->key = other_key;
    SCOPE_FD int fd = build(&draft);
    SCOPE_PACKAGE struct package *package = package_open(fd, NULL, NULL);
    assert_non_null(package);
    assert_string_equal(package_signer(package), "");
}

static void each_fault_has_its_reason(void **state)
{
    (void)state;
    struct draft draft;
    assert_string_equal(verdict(draft_init(&draft)), "taken");
    draft_init(&draft)->key = other_key;
    assert_string_equal(verdict(&draft), "invalid_sig");
    draft_init(&draft)->signature = "";
    assert_string_equal(verdict(&draft), "invalid_sig");
    draft_init(&draft)->signature = "bm8=";
    assert_string_equal(verdict(&draft), "invalid_sig");
    draft_init(&draft)->signature = "bm8=\n";
    assert_string_equal(verdict(&draft), "invalid_sig");
    draft_init(&draft)->no_signature = true;
    assert_string_equal(verdict(&draft), "invalid_sig");
    draft_init(&draft)->no_file = true;
    assert_string_equal(verdict(&draft), "missing_entry");
    draft_init(&draft)->no_migration = true;
    assert_string_equal(verdict(&draft), "missing_entry");
    draft_init(&draft)->extra = true;
    assert_string_equal(verdict(&draft), "not_listed");
    draft_init(&draft)->manifest.file_count = 0;
    assert_string_equal(verdict(&draft), "not_listed");
    draft_init(&draft)->file.size = 3;
    assert_string_equal(verdict(&draft), "too_large");
    draft_init(&draft)->file.size = 300;
    assert_string_equal(verdict(&draft), "size_mismatch");
    hash(draft_init(&draft)->file.sha256, "another portal");
    assert_string_equal(verdict(&draft), "hash_mismatch");
    hash(draft_init(&draft)->migration.sha256, "another migration");
    assert_string_equal(verdict(&draft), "hash_mismatch");
    draft_init(&draft)->manifest.version[0] = 'v';
    assert_string_equal(verdict(&draft), "bad_manifest");
    draft_init(&draft)->file.path = "config.txt";
    assert_string_equal(verdict(&draft), "protected_path");
}

/* What a sink was told; stops at the stop_at-th call. */
struct told {
    char text[200];
    int calls, stop_at;
};

static bool tell(struct told *told, const char *what, struct view piece)
{
    size_t used = strlen(told->text);
    snprintf(told->text + used, sizeof(told->text) - used, "%s%.*s ", what, VIEW_ARG(piece));
    return ++told->calls != told->stop_at;
}

static bool on_begin(void *context, const struct manifest_file *file,
                     const struct manifest_migration *migration, struct error *err)
{
    assert_true((file == NULL) != (migration == NULL));
    return tell(context, "begin:", view_of(file != NULL ? file->path : migration->name)) ||
           error_set(err, ERR_SPACE, "stopped");
}

static bool on_data(void *context, struct view piece, struct error *err)
{
    return tell(context, "data:", piece) || error_set(err, ERR_SPACE, "stopped");
}

static bool on_end(void *context, struct error *err)
{
    return tell(context, "end", (struct view){"", 0}) || error_set(err, ERR_SPACE, "stopped");
}

static void the_content_streams_in_order(void **state)
{
    (void)state;
    struct draft draft;
    struct told told = {.stop_at = -1};
    const struct package_sink sink = {&told, on_begin, on_data, on_end};
    SCOPE_FD int fd = build(draft_init(&draft));
    SCOPE_PACKAGE struct package *package = package_open(fd, &ring, NULL);
    assert_true(package_read(package, &sink, NULL));
    assert_string_equal(told.text, "begin:bin/portal data:a portal end "
                                   "begin:0002_t.sql data:CREATE TABLE t (x); end ");
    for (int call = 1; call <= 6; call++) {
        struct error err = {0};
        told = (struct told){.stop_at = call};
        assert_false(package_read(package, &sink, &err));
        assert_int_equal(err.code, ERR_SPACE);
        assert_int_equal(told.calls, call);
    }
}

static void content_that_differs_never_ends(void **state)
{
    (void)state;
    struct draft draft;
    struct told told = {.stop_at = -1};
    const struct package_sink sink = {&told, on_begin, on_data, on_end};
    hash(draft_init(&draft)->file.sha256, "x");
    SCOPE_FD int fd = build(&draft);
    SCOPE_PACKAGE struct package *package = package_open(fd, &ring, NULL);
    assert_false(package_read(package, &sink, NULL));
    assert_null(strstr(told.text, "end"));
}

static const char *fit(const struct draft *draft, const struct package_place *place, enum error_code *code)
{
    SCOPE_FD int fd = build(draft);
    struct error err = {0};
    SCOPE_PACKAGE struct package *package = package_open(fd, &ring, &err);
    assert_non_null(package);
    bool fits = package_fits(package, place, &err);
    *code = fits ? ERR_NONE : err.code;
    return fits ? "fits" : err.reason != NULL ? err.reason : "no reason";
}

static const struct package_place usual = {"telehaul", "1.1.0", "1.1.0", 1000 * US_PER_S, NULL};

static void where_it_may_land(void **state)
{
    (void)state;
    static const struct {
        const char *product, *current, *floor;
        int64_t floor_s;
        const char *min_version;
        int64_t expires_s;
        const char *verdict;
        enum error_code code;
    } rows[] = {
        {"telehaul", "1.1.0", "", 0, "", 0, "fits", ERR_NONE},
        {"telehaul", "1.1.0", "1.2.0", 5000, "1.1.0", 5000, "fits", ERR_NONE},
        {"telehaul", "1.2.0-rc.1", "", 0, "", 0, "fits", ERR_NONE},
        {"other", "1.1.0", "", 0, "", 0, "wrong_product", ERR_INPUT},
        {"telehaul", "1.2.0", "", 0, "", 0, "same_version", ERR_EXISTS},
        {"telehaul", "1.2.0+build", "", 0, "", 0, "same_version", ERR_EXISTS},
        {"telehaul", "1.3.0", "", 0, "", 0, "older_version", ERR_CHANGED},
        {"telehaul", "1.1.0", "1.2.1", 0, "", 0, "older_version", ERR_CHANGED},
        {"telehaul", "1.1.0", "", 0, "1.1.1", 0, "min_version", ERR_INPUT},
        {"telehaul", "1.1.0", "", 5001, "", 5000, "expired", ERR_INPUT},
        {"telehaul", "1.1.0", "", 0, "", 999, "expired", ERR_INPUT}, /* before it was made */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        struct draft draft;
        enum error_code code;
        struct package_place place = usual;
        place.product = rows[i].product;
        place.current_version = rows[i].current;
        place.floor_version = rows[i].floor;
        place.floor_us = rows[i].floor_s * US_PER_S;
        draft_init(&draft);
        snprintf(draft.manifest.min_version, sizeof(draft.manifest.min_version), "%s", rows[i].min_version);
        if (rows[i].expires_s > 0)
            draft.manifest.expires_us = rows[i].expires_s * US_PER_S;
        const char *found = fit(&draft, &place, &code);
        if (strcmp(found, rows[i].verdict) != 0 || code != rows[i].code)
            fail_msg("row %zu: %s", i, found);
    }
}

/* A release folder with one program and one migration. */
static void make_release(const struct test_folder *folder)
{
    assert_int_equal(mkdir(test_folder_path(folder, "bin").text, 0755), 0);
    assert_int_equal(mkdir(test_folder_path(folder, "migrations").text, 0755), 0);
    assert_true(test_folder_write(folder, "bin/watchdog", "w"));
    assert_true(test_folder_write(folder, "migrations/0001_first.sql", earlier_sql));
}

static void it_lands_on_its_base_alone(void **state)
{
    (void)state;
    struct test_folder folder;
    struct draft draft;
    enum error_code code;
    struct package_place place = usual;
    assert_true(test_folder_make(&folder));
    make_release(&folder);
    place.release_folder = folder.path;
    draft_init(&draft);
    assert_string_equal(fit(&draft, &place, &code), "fits");
    assert_true(release_tree_sha256(folder.path, draft.manifest.base_tree, NULL));
    assert_string_equal(fit(&draft, &place, &code), "fits");
    assert_true(test_folder_write(&folder, "bin/watchdog", "W"));
    assert_string_equal(fit(&draft, &place, &code), "wrong_base");
    assert_int_equal(code, ERR_INPUT);
    place.release_folder = NULL;
    assert_string_equal(fit(&draft, &place, &code), "fits");
    test_folder_remove(&folder);
}

static void its_migrations_are_tried(void **state)
{
    (void)state;
    struct test_folder folder;
    struct draft draft;
    struct error err = {0};
    assert_true(test_folder_make(&folder));
    make_release(&folder);
    SCOPE_FD int fd = build(draft_init(&draft));
    SCOPE_PACKAGE struct package *package = package_open(fd, &ring, NULL);
    assert_true(package_check_migrations(package, folder.path, &err));
    /* a table of that name is there already */
    assert_true(test_folder_write(&folder, "migrations/0001_first.sql", sql));
    assert_false(package_check_migrations(package, folder.path, &err));
    assert_non_null(err.reason);
    assert_string_equal(err.reason, "bad_migration");
    test_folder_remove(&folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_one_is_opened),
        cmocka_unit_test(without_keys_no_signature_is_checked),
        cmocka_unit_test(each_fault_has_its_reason),
        cmocka_unit_test(the_content_streams_in_order),
        cmocka_unit_test(content_that_differs_never_ends),
        cmocka_unit_test(where_it_may_land),
        cmocka_unit_test(it_lands_on_its_base_alone),
        cmocka_unit_test(its_migrations_are_tried),
    };
    return cmocka_run_group_tests(tests, make_keys, free_keys);
}
