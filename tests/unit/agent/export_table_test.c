#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/export_table.h"

static struct appliance appliance;

static int make_root(void **state)
{
    (void)state;
    snprintf(appliance.root, sizeof(appliance.root), "/tmp/export_table_test.XXXXXX");
    return mkdtemp(appliance.root) == NULL || chdir(appliance.root) != 0 || mkdir("agent", 0700) != 0;
}

static int remove_root(void **state)
{
    (void)state;
    unlink("agent/export_store_id");
    unlink("credentials.env");
    rmdir("agent");
    return chdir("/") != 0 || rmdir(appliance.root) != 0;
}

static void configure(const char *source, const char *table)
{
    snprintf(appliance.config.export_source, sizeof(appliance.config.export_source), "%s", source);
    snprintf(appliance.config.export_table, sizeof(appliance.config.export_table), "%s", table);
}

static void assert_id(const char *source, const char *table, const char *same_as, char out[STORE_ID_BYTES])
{
    struct export_table opened;
    struct error err = {0};
    configure(source, table);
    assert_true(export_is_of_table(&appliance));
    if (!export_table_open(&appliance, &opened, &err))
        fail_msg("%s", err.text);
    if (same_as != NULL)
        assert_string_equal(opened.store_id, same_as);
    assert_int_equal(strlen(opened.store_id), STORE_ID_BYTES - 1);
    memcpy(out, opened.store_id, STORE_ID_BYTES);
}

static void the_id_is_of_the_table_and_its_source(void **state)
{
    (void)state;
    char first[STORE_ID_BYTES];
    char other[STORE_ID_BYTES];
    configure("local", "readings");
    assert_false(export_is_of_table(&appliance));
    assert_id("postgresql://u:old@h/d", "s.t(a,b,c)", NULL, first);
    assert_id("postgresql://u:old@h/d", "s.t(a,b,c)", first, other);
    assert_id("postgresql://u:new@h/d", "S.T ( a, b, \"c\" )", first, other); /* the same in other words */
    assert_id("postgresql://u:new@h/e", "s.t(a,b,c)", NULL, other);
    assert_string_not_equal(other, first);
    assert_id("postgresql://u:new@h/e", "s.t(a,b,d)", NULL, first);
    assert_string_not_equal(other, first);
}

static void an_id_that_cannot_be_read_is_made_anew(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "x", "\n\n", "6f9619ff-8b86-4d11-b42d-00c04fc964ff",
        "short\npostgresql://h/d \"public\".\"t\" \"time\" \"channel\" \"value\"\n"};
    char id[STORE_ID_BYTES];
    char again[STORE_ID_BYTES];
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        assert_true(file_replace("agent/export_store_id", view_of(texts[i]), 0644, NULL));
        assert_id("postgresql://h/d", "t", NULL, id);
        assert_id("postgresql://h/d", "t", id, again);
    }
}

static void no_folder_no_id(void **state)
{
    (void)state;
    struct export_table opened;
    struct error err = {0};
    unlink("agent/export_store_id");
    rmdir("agent");
    configure("postgresql://h/d", "t");
    assert_false(export_table_open(&appliance, &opened, &err));
    assert_true(err.text[0] != '\0');
    assert_int_equal(mkdir("agent", 0700), 0);
}

static void assert_url(const char *source, const char *credentials, const char *expected)
{
    SCOPE_BUF struct buf url = BUF_LIMIT(4096);
    configure(source, "t");
    assert_true(file_replace("credentials.env", view_of(credentials), 0600, NULL));
    assert_true(export_table_url(&appliance, &url, NULL));
    assert_string_equal(buf_text(&url), expected);
}

static void the_password_is_put_in_safely(void **state)
{
    (void)state;
    assert_url("postgresql://u@h/d", "", "postgresql://u@h/d");
    assert_url("postgresql://u@h/d", "EXPORT_DB_PASSWORD=abc1\n", "postgresql://u@h/d?password=abc1");
    assert_url("postgresql://u@h/d?sslmode=require", "EXPORT_DB_PASSWORD='a&b=%/@ #'\n",
               "postgresql://u@h/d?sslmode=require&password=a%26b%3D%25%2F%40%20%23");
    assert_url("postgresql://u@h/d", "EXPORT_DB_PASSWORD=\xd1\x97\n", "postgresql://u@h/d?password=%D1%97");
    SCOPE_BUF struct buf url = BUF_LIMIT(4096);
    assert_int_equal(chmod("credentials.env", 0644), 0);
    assert_false(export_table_url(&appliance, &url, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_id_is_of_the_table_and_its_source),
        cmocka_unit_test(an_id_that_cannot_be_read_is_made_anew),
        cmocka_unit_test(no_folder_no_id),
        cmocka_unit_test(the_password_is_put_in_safely),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
