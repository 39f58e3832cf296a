#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/app/migration_set.h"

static int make_folder(void **state)
{
    char *folder = strdup("/tmp/migration_set_test.XXXXXX");
    *state = folder;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int remove_folder(void **state)
{
    char command[256];
    snprintf(command, sizeof(command), "rm -rf '%s'", (char *)*state);
    free(*state);
    return chdir("/") != 0 || system(command) != 0;
}

static void write_file(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

static void the_sql_files_of_a_folder_are_read_and_hashed(void **state)
{
    (void)state;
    struct error err;
    size_t count = 0;
    write_file("0002_b.sql", "abc");
    write_file("0001_a.sql", "");
    write_file("README", "no migration");
    SCOPE_MIGRATION_SET struct migration_set *set = migration_set_load(".", &err);
    assert_non_null(set);
    const struct migration *items = migration_set_items(set, &count);
    assert_int_equal(count, 2);
    const struct migration *b = strcmp(items[0].name, "0002_b.sql") == 0 ? &items[0] : &items[1];
    assert_string_equal(b->name, "0002_b.sql");
    assert_true(view_is(b->sql, "abc"));
    /* FIPS 180-4's own example */
    assert_string_equal(b->sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

static void a_folder_without_any_is_not_found(void **state)
{
    (void)state;
    struct error err;
    assert_null(migration_set_load(".", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_null(migration_set_load("nowhere", &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

static void a_name_of_another_shape_is_refused(void **state)
{
    (void)state;
    struct error err;
    const char *const names[] = {"1_a.sql", "0001-a.sql", "0001_A.sql", "0001_.sql", "a.sql", "0001_a b.sql"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        write_file(names[i], "SELECT 1;");
        assert_null(migration_set_load(".", &err));
        assert_int_equal(err.code, ERR_INPUT);
        assert_int_equal(unlink(names[i]), 0);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_sql_files_of_a_folder_are_read_and_hashed),
        TEST(a_folder_without_any_is_not_found),
        TEST(a_name_of_another_shape_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
