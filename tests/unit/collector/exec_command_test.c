#include "collector/exec_command.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static void blanks_part_words_and_quotes_keep_them_together(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words[5];
    } table[] = {
        {"/bin/read", {"/bin/read"}},
        {"/bin/read --json  -n 3", {"/bin/read", "--json", "-n", "3"}},
        {"  sh -c 'echo a; echo b' ", {"sh", "-c", "echo a; echo b"}},
        {"p --name='two words' 'x'y''", {"p", "--name=two words", "xy"}},
        {"p ''", {"p", ""}},
        {"p $HOME *.txt \\x `id`", {"p", "$HOME", "*.txt", "\\x", "`id`"}},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct error err;
        struct exec_command command;
        assert_true(exec_command_parse(&command, view_of(table[i].text), &err));
        size_t count = 0;
        for (; count < 5 && table[i].words[count] != NULL; count++)
            assert_string_equal(command.words[count], table[i].words[count]);
        assert_null(command.words[count]);
    }
}

static void what_is_no_command_says_so(void **state)
{
    (void)state;
    static const char *const table[] = {"", "   ", "''", "sh -c 'open", "'"};
    struct exec_command command;
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct error err = {0};
        assert_false(exec_command_parse(&command, view_of(table[i]), &err));
        assert_int_equal(err.code, ERR_USAGE);
    }
    char words[GUARD_WORDS_MAX * 2 + 3];
    for (size_t i = 0; i < sizeof(words) - 1; i++)
        words[i] = i % 2 == 0 ? 'x' : ' ';
    words[sizeof(words) - 1] = '\0';
    struct error err;
    assert_false(exec_command_parse(&command, view_of(words), &err));
    words[GUARD_WORDS_MAX * 2] = '\0';
    assert_true(exec_command_parse(&command, view_of(words), &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blanks_part_words_and_quotes_keep_them_together),
        cmocka_unit_test(what_is_no_command_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
