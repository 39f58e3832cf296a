#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "common/app/options.h"
#include "tests/harness/capture.h"

enum { HELP_COLUMNS = 100, WORDS_MAX = 2048 };

/* One command line of a made-up program, and what came of it. */
static struct {
    const char *root;
    int64_t port;
    bool quiet;
    struct option_list files, words;
    struct capture capture;
    int code;
} t;

static const struct option options[] = {
    {.name = "root",
     .kind = OPTION_TEXT,
     .target = &t.root,
     .value_name = "DIR",
     .help = "the folder",
     .required = true},
    {.name = "port",
     .kind = OPTION_NUMBER,
     .target = &t.port,
     .value_name = "N",
     .min = 1,
     .max = 65535,
     .help = "a help line that is so long that it has to be broken somewhere, because no terminal of an"
             " operator shows more than a hundred columns without a wrap in the middle of a word"},
    {.name = "files", .kind = OPTION_LIST, .target = &t.files, .value_name = "PATH", .help = "what to pack"},
    {.name = "quiet", .kind = OPTION_FLAG, .target = &t.quiet, .help = "say nothing"},
    {.name = "a-very-long-name-of-an-option-that-has-its-own-line",
     .kind = OPTION_FLAG,
     .target = &t.quiet,
     .help = "the last"},
};

static const struct program program = {
    .name = "demo",
    .summary = "does nothing",
    .usage = "demo --root DIR [WORD...]\ndemo --root DIR --files PATH...",
    .options = options,
    .option_count = COUNT_OF(options),
    .epilog = "Exit codes: 0",
};

/* text: words with single blanks between; parsed with or without words of its own. */
static int parse_with(const char *text, struct option_list *words)
{
    static char line[WORDS_MAX * 4];
    static char *argv[WORDS_MAX];
    memset(&t.files, 0, sizeof(t.files));
    t.root = NULL;
    t.port = 9876;
    t.quiet = false;
    snprintf(line, sizeof(line), "%s", text);
    int argc = 0;
    char *rest = line;
    for (char *word; (word = strsep(&rest, " ")) != NULL && argc < WORDS_MAX - 1;)
        argv[argc++] = word;
    argv[argc] = NULL;
    capture_begin(&t.capture);
    t.code = options_parse(&program, argc, argv, words);
    capture_end(&t.capture);
    return t.code;
}

static int parse(const char *text)
{
    memset(&t.words, 0, sizeof(t.words));
    return parse_with(text, &t.words);
}

/* The items with commas between. */
static const char *joined(const struct option_list *list)
{
    static char out[WORDS_MAX];
    out[0] = '\0';
    for (size_t i = 0; i < list->count; i++) {
        size_t used = strlen(out);
        snprintf(out + used, sizeof(out) - used, "%s%s", i > 0 ? "," : "", list->items[i]);
    }
    return out;
}

static void values_with_equals_or_blank(void **state)
{
    (void)state;
    assert_int_equal(parse("demo --root /r --port=80 --quiet"), -1);
    assert_string_equal(t.root, "/r");
    assert_int_equal(t.port, 80);
    assert_true(t.quiet);
    assert_int_equal(parse("demo --port 443 --root=a=b"), -1);
    assert_string_equal(t.root, "a=b");
    assert_int_equal(t.port, 443);
    assert_false(t.quiet);
    assert_int_equal(parse("demo --root="), -1);
    assert_string_equal(t.root, "");
    assert_int_equal(parse("demo --root=a --root=b"), -1);
    assert_string_equal(t.root, "b"); /* the last one counts */
    assert_string_equal(t.capture.out, "");
    assert_string_equal(t.capture.err, "");
}

static void what_is_not_given_keeps_its_default(void **state)
{
    (void)state;
    assert_int_equal(parse("demo --root r"), -1);
    assert_int_equal(t.port, 9876);
    assert_int_equal(t.files.count, 0);
    assert_int_equal(t.words.count, 0);
}

static void words_stand_anywhere(void **state)
{
    (void)state;
    assert_int_equal(parse("demo a --root r b --quiet c"), -1);
    assert_string_equal(joined(&t.words), "a,b,c");
    assert_string_equal(t.root, "r");
    assert_int_equal(parse("demo - --root -x"), -1);
    assert_string_equal(joined(&t.words), "-");
    assert_string_equal(t.root, "-x");
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    assert_int_equal(parse("demo a --root r -- --quiet --nonsense --"), -1);
    assert_string_equal(joined(&t.words), "a,--quiet,--nonsense,--");
    assert_false(t.quiet);
}

static void a_list_goes_up_to_the_next_option(void **state)
{
    (void)state;
    assert_int_equal(parse("demo w1 --files a b c --root r w2"), -1);
    assert_string_equal(joined(&t.files), "a,b,c");
    assert_string_equal(joined(&t.words), "w1,w2");
    assert_int_equal(parse("demo --root r --files=a b"), -1);
    assert_string_equal(joined(&t.files), "a,b");
    assert_int_equal(parse("demo --root r --files a -- w"), -1);
    assert_string_equal(joined(&t.files), "a");
    assert_string_equal(joined(&t.words), "w");
    assert_int_equal(parse("demo w1 w2 w3 --files a b --quiet w4 w5 --root r w6"), -1);
    assert_string_equal(joined(&t.files), "a,b"); /* words that are moved never fall onto it */
    assert_string_equal(joined(&t.words), "w1,w2,w3,w4,w5,w6");
}

static void a_list_has_a_limit(void **state)
{
    (void)state;
    SCOPE_BUF struct buf line = BUF_LIMIT(WORDS_MAX * 4);
    buf_append_text(&line, "demo --root r --files");
    for (int i = 0; i < OPTION_LIST_MAX; i++)
        buf_append_text(&line, " x");
    assert_int_equal(parse(buf_text(&line)), -1);
    assert_int_equal(t.files.count, OPTION_LIST_MAX);
    buf_append_text(&line, " x");
    assert_int_equal(parse(buf_text(&line)), 2);
    assert_non_null(strstr(t.capture.err, "at most 1024"));
}

static void wrong_usage_is_said_on_stderr(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"demo --root", "--root needs a value"},
        {"demo --root --quiet", "--root needs a value"},
        {"demo --root r --port", "--port needs a value"},
        {"demo --root r --port 0", "--port: expected a whole number from 1 to 65535, found `0`"},
        {"demo --root r --port=65536", "found `65536`"},
        {"demo --root r --port abc", "found `abc`"},
        {"demo --root r --port=", "found ``"},
        {"demo --root r --quiet=yes", "--quiet takes no value"},
        {"demo --root r --files", "--files needs at least one PATH"},
        {"demo --root r --files --quiet", "--files needs at least one PATH"},
        {"demo --root r --files a --quiet --files b", "--files is given twice"},
        {"demo --rot r", "unknown option --rot; did you mean --root?"},
        {"demo --root r --verson", "did you mean --version?"},
        {"demo --root r --zzzzzz=1", "unknown option --zzzzzz\n"},
        {"demo --root r --=1", "unknown option --\n"},
        {"demo --root r --Port 1", "did you mean --port?"},
        {"demo -h", "unknown option -h; options are words with two dashes"},
        {"demo", "--root DIR is missing"},
        {"demo --quiet", "--root DIR is missing"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_int_equal(parse(table[i][0]), 2);
        if (strstr(t.capture.err, table[i][1]) == NULL)
            fail_msg("%s: %s", table[i][0], t.capture.err);
        assert_non_null(strstr(t.capture.err, "demo --help shows how it is used\n"));
        assert_string_equal(t.capture.out, "");
    }
}

static void a_program_without_words_refuses_them(void **state)
{
    (void)state;
    assert_int_equal(parse_with("demo --root r", NULL), -1);
    assert_int_equal(parse_with("demo --root r stray", NULL), 2);
    assert_non_null(strstr(t.capture.err, "unexpected word `stray`"));
    assert_int_equal(parse_with("demo --root r -- --stray", NULL), 2);
}

static void version_is_one_line(void **state)
{
    (void)state;
    assert_int_equal(parse("demo --version"), 0);
    assert_string_equal(t.capture.out, "demo " TELEHAUL_VERSION "\n");
    assert_string_equal(t.capture.err, "");
}

static void help_shows_the_table(void **state)
{
    (void)state;
    assert_int_equal(parse("demo --quiet --help --nonsense"), 0);
    const char *out = t.capture.out;
    assert_int_equal(strncmp(out, "demo: does nothing\n\nUsage:\n  demo --root DIR [WORD...]\n", 53), 0);
    assert_non_null(strstr(out, "\n  --root DIR       the folder\n"));
    assert_non_null(strstr(out, "\n  --files PATH...  what to pack\n"));
    assert_non_null(strstr(out, "\n  --quiet          say nothing\n"));
    assert_non_null(strstr(out, "has-its-own-line\n                   the last\n"));
    assert_non_null(strstr(out, "\n  --help           "));
    assert_non_null(strstr(out, "\n  --version        "));
    assert_non_null(strstr(out, "\nExit codes: 0\n"));
    assert_string_equal(t.capture.err, "");
    size_t column = 0;
    for (const char *at = out; *at != '\0'; at++) {
        column = *at == '\n' ? 0 : column + 1;
        assert_true(column <= HELP_COLUMNS);
    }
}

/* updater and publish have a --version V of their own; alone it is still the program's version. */
static void an_own_version_option_is_possible(void **state)
{
    (void)state;
    const char *version = NULL;
    const struct option own[] = {{.name = "version",
                                  .kind = OPTION_TEXT,
                                  .target = (void *)&version,
                                  .value_name = "V",
                                  .help = "the release's version"}};
    const struct program publish = {
        .name = "publish", .summary = "s", .usage = "u", .options = own, .option_count = 1};
    char *with[] = {"publish", "--version", "1.2.0", NULL};
    assert_int_equal(options_parse(&publish, 3, with, NULL), -1);
    assert_string_equal(version, "1.2.0");
    char *alone[] = {"publish", "--version", NULL};
    capture_begin(&t.capture);
    assert_int_equal(options_parse(&publish, 2, alone, NULL), 0);
    options_print_help(&publish);
    capture_end(&t.capture);
    assert_int_equal(strncmp(t.capture.out, "publish " TELEHAUL_VERSION "\n", 9), 0);
    const char *first = strstr(t.capture.out, "  --version");
    assert_non_null(first);
    assert_null(strstr(first + 1, "  --version")); /* it stands in the help once */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_with_equals_or_blank),
        cmocka_unit_test(what_is_not_given_keeps_its_default),
        cmocka_unit_test(words_stand_anywhere),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(a_list_goes_up_to_the_next_option),
        cmocka_unit_test(a_list_has_a_limit),
        cmocka_unit_test(wrong_usage_is_said_on_stderr),
        cmocka_unit_test(a_program_without_words_refuses_them),
        cmocka_unit_test(version_is_one_line),
        cmocka_unit_test(help_shows_the_table),
        cmocka_unit_test(an_own_version_option_is_possible),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
