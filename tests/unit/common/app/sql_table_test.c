#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/app/sql_table.h"

#define SIXTY "abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefgh"

static const struct {
    const char *text;
    struct sql_table table;
} tables[] = {
    {"readings", {"public", "readings", "time", "channel", "value"}},
    {" plant.log ", {"plant", "log", "time", "channel", "value"}},
    {"plant.log(at,name,v)", {"plant", "log", "at", "name", "v"}},
    {"plant . log ( at , name , v ) ", {"plant", "log", "at", "name", "v"}},
    {"log(AT, Name, _v$1)", {"public", "log", "at", "name", "_v$1"}},
    {"\"Plant 7\".\"Log.x\"(\"At\",\"na\"\"me\",\"(v)\")", {"Plant 7", "Log.x", "At", "na\"me", "(v)"}},
    {"\"t\"\"; drop table x; --\"", {"public", "t\"; drop table x; --", "time", "channel", "value"}},
    {"\"\xd0\xb6\"", {"public", "\xd0\xb6", "time", "channel", "value"}},
    {SIXTY "123", {"public", SIXTY "123", "time", "channel", "value"}},
};

static void reads_what_sql_would(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(tables); i++) {
        struct sql_table table;
        struct error err = {0};
        const struct sql_table *expected = &tables[i].table;
        if (!sql_table_parse(tables[i].text, &table, &err))
            fail_msg("%s: %s", tables[i].text, err.text);
        assert_string_equal(table.schema, expected->schema);
        assert_string_equal(table.table, expected->table);
        assert_string_equal(table.time, expected->time);
        assert_string_equal(table.channel, expected->channel);
        assert_string_equal(table.value, expected->value);
    }
}

static void refuses_all_else(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",           " ",
        ".",          "a.",
        ".a",         "a.b.c",
        "1a",         "a b",
        "a;b",        "a(b)",
        "a(b,c)",     "a(b,c,)",
        "a(b,c,d",    "a(b,c,d,e)",
        "a(b,c,d)x",  "a()",
        "\"\"",       "\"a",
        "\"a\"\"",    "a(\"b,c,d)",
        "\xd0\xb6",   "\"\xff\"",
        "a-b",        "a'b",
        SIXTY "1234", "\"" SIXTY "1234\"",
        "a(b c d)",   "(a,b,c)",
    };
    struct sql_table table = {.table = "untouched"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct error err = {0};
        if (sql_table_parse(texts[i], &table, &err))
            fail_msg("%s was taken for a table", texts[i]);
        assert_int_equal(err.code, ERR_USAGE);
    }
    assert_string_equal(table.table, "untouched");
}

static void a_name_stays_one_name(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(1024);
    const struct sql_table table = {.schema = "Plant 7", .table = "t\"; drop table x; --"};
    sql_write_table(&out, &table);
    assert_string_equal(buf_text(&out), "\"Plant 7\".\"t\"\"; drop table x; --\"");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_sql_would),
        cmocka_unit_test(refuses_all_else),
        cmocka_unit_test(a_name_stays_one_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
