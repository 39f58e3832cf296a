#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/app/config.h"
#include "common/base/clock.h"
#include "tests/harness/test_folder.h"

enum { LOGGED_BYTES = 4096 };

struct target {
    char name[CONFIG_TEXT_BYTES];
    int64_t port, wait_ms;
    bool on;
    int mode;
    char key_file[CONFIG_TEXT_BYTES];
    char colour[CONFIG_TEXT_BYTES];
    char unset[CONFIG_TEXT_BYTES];
    struct config_lines inputs;
    struct config_lines extras;
};

static bool check_colour(const char *value, struct error *err)
{
    return strcmp(value, "red") == 0 || strcmp(value, "#00f") == 0 ||
           error_set(err, ERR_INPUT, "expected red or #00f");
}

static bool check_input(const char *value, struct error *err)
{
    return value[0] != '\0' || error_set(err, ERR_USAGE, "expected an input");
}

#define AT(field) .offset = offsetof(struct target, field)

static const struct config_key keys[] = {
    {.name = "NAME", .kind = CONFIG_TEXT, AT(name), .default_value = "crane", .help = "the name"},
    {.name = "PORT",
     .kind = CONFIG_NUMBER,
     AT(port),
     .default_value = "80",
     .min = 1,
     .max = 65535,
     .help = "the port"},
    {.name = "WAIT",
     .kind = CONFIG_SECONDS,
     AT(wait_ms),
     .default_value = "1.5",
     .min = 100,
     .max = 3600 * 1000,
     .help = "the wait"},
    {.name = "ON", .kind = CONFIG_BOOL, AT(on), .default_value = "yes", .help = "yes or no"},
    {.name = "MODE",
     .kind = CONFIG_CHOICE,
     AT(mode),
     .default_value = "auto",
     .choices = "no|auto|yes",
     .help = "the mode"},
    {.name = "KEY_FILE", .kind = CONFIG_PATH, AT(key_file), .default_value = "keys/k.pem", .help = "the key"},
    {.name = "COLOUR",
     .kind = CONFIG_CUSTOM,
     AT(colour),
     .default_value = "red",
     .check = check_colour,
     .help = "the colour"},
    {.name = "UNSET", .kind = CONFIG_TEXT, AT(unset), .help = "nothing", .example = "something"},
    {.name = "INPUT",
     .kind = CONFIG_REPEAT,
     AT(inputs),
     .default_value = "system",
     .check = check_input,
     .help = "what is measured"},
    {.name = "EXTRA", .kind = CONFIG_REPEAT, AT(extras), .help = "more"},
};

static struct config_file file = {keys, COUNT_OF(keys), false, NULL, NULL};
static struct target target;
static struct error err;
static struct test_folder folder;

static int setup(void **state)
{
    (void)state;
    file = (struct config_file){keys, COUNT_OF(keys), false, NULL, NULL};
    memset(&target, 0, sizeof(target));
    memset(&err, 0, sizeof(err));
    return test_folder_make(&folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    config_clear(&file, &target);
    test_folder_remove(&folder);
    return 0;
}

static bool parse_view(struct view text)
{
    config_clear(&file, &target);
    memset(&target, 0, sizeof(target));
    return config_parse(&file, "config.txt", text, &target, &err);
}

static void parse(const char *text)
{
    if (!parse_view(view_of(text)))
        fail_msg("%s", err.text);
}

static void assert_refused(const char *text, const char *message)
{
    assert_false(parse_view(view_of(text)));
    assert_string_equal(err.text, message);
    assert_int_equal(err.code, ERR_USAGE);
    assert_null(target.inputs.lines);
    assert_null(target.extras.lines);
}

static void assert_defaults(void)
{
    assert_string_equal(target.name, "crane");
    assert_int_equal(target.port, 80);
    assert_int_equal(target.wait_ms, 1500);
    assert_true(target.on);
    assert_int_equal(target.mode, 1);
    assert_string_equal(target.key_file, "keys/k.pem");
    assert_string_equal(target.colour, "red");
    assert_string_equal(target.unset, "");
    assert_int_equal(target.inputs.count, 1);
    assert_string_equal(target.inputs.lines[0], "system");
    assert_int_equal(target.inputs.line_numbers[0], 0);
    assert_int_equal(target.extras.count, 0);
}

/* ---- what is read -------------------------------------------------------------------------------------- */

static void an_empty_file_is_the_defaults(void **state)
{
    (void)state;
    static const char *const empty[] = {"", "\n", "\n\n\n", "# a\n  # b\n\t\n", "\r\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < COUNT_OF(empty); i++) {
        parse(empty[i]);
        assert_defaults();
    }
}

static void every_kind_of_value(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, "here.pem", ""));
    SCOPE_BUF struct buf text = BUF_LIMIT(4096);
    buf_printf(&text, "NAME = a b\nPORT=65535\nON = no\nMODE = yes\nKEY_FILE = %s/here.pem\nUNSET = set\n",
               folder.path);
    parse(buf_text(&text));
    assert_string_equal(target.name, "a b");
    assert_int_equal(target.port, 65535);
    assert_false(target.on);
    assert_int_equal(target.mode, 2);
    assert_non_null(strstr(target.key_file, "/here.pem"));
    assert_string_equal(target.unset, "set");
}

static void seconds_are_whole_milliseconds(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } good[] = {{"WAIT = 10", 10000},     {"WAIT = 10.0", 10000}, {"WAIT = 0.1", 100},
                {"WAIT = 00.250", 250},   {"WAIT = 0.999", 999},  {"WAIT = 3600", 3600000},
                {"WAIT = \"2.5\"", 2500}, {"WAIT = 7.05", 7050},  {"WAIT = 3600.0", 3600000}};
    static const char *const bad[] = {"",
                                      "0",
                                      "0.099",
                                      "3600.001",
                                      "1.0000",
                                      ".5",
                                      "1.",
                                      "-1",
                                      "+1",
                                      "1e1",
                                      "1,5",
                                      "1.2.3",
                                      "1 s",
                                      "nan",
                                      "inf",
                                      "99999999999999999999",
                                      "9223372036854775807"};
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        parse(good[i].text);
        assert_int_equal(target.wait_ms, good[i].ms);
    }
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        char line[128];
        char message[256];
        snprintf(line, sizeof(line), "WAIT = %s\n", bad[i]);
        snprintf(message, sizeof(message),
                 "config.txt:1: WAIT: expected seconds from 0.1 to 3600, with at most 3 decimals, found `%s`",
                 bad[i]);
        assert_refused(line, message);
    }
}

static void blanks_comments_and_line_ends(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name;
    } table[] = {
        {"NAME=x", "x"},
        {"NAME = x", "x"},
        {"  NAME\t=\t x \t\r\n", "x"},
        {"NAME = x # why", "x"},
        {"NAME = x# why", "x"},
        {"NAME = x # a \"quote\" in a comment", "x"},
        {"NAME = x # an open \" in a comment", "x"},
        {"#NAME = y\nNAME = x", "x"},
        {"NAME = a=b", "a=b"},
        {"NAME =", ""},
        {"NAME = # nothing", ""},
        {"NAME = \"x\"", "x"},
        {"NAME = \" x # y \" # why", " x # y "},
        {"NAME = \"\"", ""},
        {"NAME = \"a\" and \"b\"", "\"a\" and \"b\""},
        {"NAME = a \"b # c\" d", "a \"b # c\" d"},
        {"\xef\xbb\xbfNAME = x", "x"},
        {"NAME = \xd0\xba\xd1\x80\xd0\xb0\xd0\xbd", "\xd0\xba\xd1\x80\xd0\xb0\xd0\xbd"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        parse(table[i].text);
        assert_string_equal(target.name, table[i].name);
    }
}

static void repeats_keep_order_and_line(void **state)
{
    (void)state;
    parse("INPUT = drive rate=1 # made up\n\nINPUT = lines name=\"a # b\"\nEXTRA = x\nINPUT = exec\n");
    assert_int_equal(target.inputs.count, 3);
    assert_string_equal(target.inputs.lines[0], "drive rate=1");
    assert_string_equal(target.inputs.lines[1], "lines name=\"a # b\"");
    assert_string_equal(target.inputs.lines[2], "exec");
    assert_int_equal(target.inputs.line_numbers[0], 1);
    assert_int_equal(target.inputs.line_numbers[1], 3);
    assert_int_equal(target.inputs.line_numbers[2], 5);
    assert_int_equal(target.extras.count, 1);
}

static void repeats_have_a_limit(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(CONFIG_MAX_BYTES);
    for (int i = 0; i < CONFIG_MAX_REPEATS; i++)
        buf_printf(&text, "EXTRA = %d\n", i);
    parse(buf_text(&text));
    assert_int_equal(target.extras.count, CONFIG_MAX_REPEATS);
    assert_string_equal(target.extras.lines[CONFIG_MAX_REPEATS - 1], "4095");
    buf_append_text(&text, "EXTRA = one too many\n");
    assert_refused(buf_text(&text),
                   "config.txt:4097: EXTRA: expected at most 4096 lines of this key, found `one too many`");
}

static void the_longest_text_fits(void **state)
{
    (void)state;
    char text[CONFIG_LINE_BYTES + 16] = "NAME = ";
    memset(text + 7, 'a', CONFIG_TEXT_BYTES - 1);
    parse(text);
    assert_int_equal(strlen(target.name), CONFIG_TEXT_BYTES - 1);
    text[7 + CONFIG_TEXT_BYTES - 1] = 'a';
    assert_false(parse_view(view_of(text)));
    assert_string_equal(err.text, "config.txt:1: NAME: expected at most 511 bytes"); /* it may be a secret */
    memset(text + 7, ' ', sizeof(text) - 8);
    assert_refused(text, "config.txt:1: expected a line of at most 1024 bytes");
}

/* ---- what is refused ----------------------------------------------------------------------------------- */

static void bad_values_name_line_key_and_what_was_expected(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"\nPORT = abc", "config.txt:2: PORT: expected a whole number from 1 to 65535, found `abc`"},
        {"PORT = 0", "config.txt:1: PORT: expected a whole number from 1 to 65535, found `0`"},
        {"PORT = 65536", "config.txt:1: PORT: expected a whole number from 1 to 65535, found `65536`"},
        {"PORT = 1.5", "config.txt:1: PORT: expected a whole number from 1 to 65535, found `1.5`"},
        {"PORT =", "config.txt:1: PORT: expected a whole number from 1 to 65535, found ``"},
        {"ON = true", "config.txt:1: ON: expected yes or no, found `true`"},
        {"ON = YES", "config.txt:1: ON: expected yes or no, found `YES`"},
        {"MODE = maybe", "config.txt:1: MODE: expected one of no|auto|yes, found `maybe`"},
        {"MODE = no|auto", "config.txt:1: MODE: expected one of no|auto|yes, found `no|auto`"},
        {"COLOUR = green", "config.txt:1: COLOUR: expected red or #00f, found `green`"},
        {"INPUT =", "config.txt:1: INPUT: expected an input, found ``"},
        {"INPUT = a\nINPUT = # none", "config.txt:2: INPUT: expected an input, found ``"},
        {"KEY_FILE = none.pem", "config.txt:1: KEY_FILE: expected a file that is there, found `none.pem`"},
        {"PORT = 1\nNAME = a\nPORT = 1", "config.txt:3: PORT: expected once, stands already in line 1"},
        {"just words", "config.txt:1: expected KEY = value, found `just words`"},
        {"= value", "config.txt:1: expected KEY = value, found `= value`"},
        {"NAME = \"open", "config.txt:1: expected a \" that ends the quoted text"},
        {"NAME = a\x1b[0m", "config.txt:1: expected text, found the control character 0x1b"},
        {"NAME = a\rb", "config.txt:1: expected text, found the control character 0x0d"},
        {"\n\nNAME = \xff", "config.txt:3: expected UTF-8"},
        {"# \xc0\x80", "config.txt:1: expected UTF-8"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_refused(table[i][0], table[i][1]);
    assert_false(parse_view(VIEW_LITERAL("NAME = a\0b")));
    assert_string_equal(err.text, "config.txt:1: expected text, found the control character 0x00");
}

static void a_quoted_hash_passes_its_check(void **state)
{
    (void)state;
    parse("COLOUR = \"#00f\"");
    assert_string_equal(target.colour, "#00f");
}

static void nobody_needs_to_care_why(void **state)
{
    (void)state;
    assert_false(config_parse(&file, "c", view_of("PORT = x"), &target, NULL));
    assert_false(config_parse(&file, "c", view_of("COLOUR = x"), &target, NULL));
}

/* ---- unknown keys -------------------------------------------------------------------------------------- */

static void an_unknown_key_is_a_warning(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    struct log log;
    log_init(&log, "unit", clock_system());
    log.fd = ends[1];
    file.log = &log;
    parse("PROT = 1\nNAME = x\nNEW_IN_2_0 = y\n");
    assert_string_equal(target.name, "x");
    char logged[LOGGED_BYTES] = "";
    assert_true(read(ends[0], logged, sizeof(logged) - 1) > 0);
    assert_non_null(strstr(logged, "warn  unit: config.txt:1: unknown key PROT is ignored\n"));
    assert_non_null(strstr(logged, "config.txt:3: unknown key NEW_IN_2_0 is ignored\n"));
    parse("COLUOR = red\n");
    ssize_t size = read(ends[0], logged, sizeof(logged) - 1);
    logged[size] = '\0';
    assert_non_null(strstr(logged, "unknown key COLUOR is ignored; did you mean COLOUR?\n"));
    close(ends[0]);
    close(ends[1]);
    file.log = NULL;
    parse("PROT = 1\n"); /* nobody to warn */
}

static void an_unknown_key_is_an_error_when_strict(void **state)
{
    (void)state;
    file.unknown_is_error = true;
    assert_refused("NAME = x\nUNSTE = 1", "config.txt:2: unknown key UNSTE; did you mean UNSET?");
    assert_refused("name = x", "config.txt:1: unknown key name; did you mean NAME?");
    assert_refused("QWERTZUIOP = x", "config.txt:1: unknown key QWERTZUIOP");
}

/* ---- files --------------------------------------------------------------------------------------------- */

static void a_path_starts_at_the_files_folder(void **state)
{
    (void)state;
    struct path path = test_folder_path(&folder, "config.txt");
    assert_true(test_folder_write(&folder, "config.txt", "KEY_FILE = k.pem\n"));
    assert_false(config_read(&file, path.text, &target, &err));
    assert_non_null(strstr(err.text, "config.txt:1: KEY_FILE: expected a file that is there, found `k.pem`"));
    assert_int_equal(strncmp(err.text, folder.path, strlen(folder.path)), 0);
    assert_true(test_folder_write(&folder, "k.pem", ""));
    assert_true(config_read(&file, path.text, &target, &err));
    assert_string_equal(target.key_file, "k.pem"); /* as written */
}

static void a_missing_file_is_not_found(void **state)
{
    (void)state;
    assert_false(config_read(&file, test_folder_path(&folder, "none").text, &target, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_false(config_read(&file, folder.path, &target, &err));
    assert_int_equal(err.code, ERR_INPUT);
}

static void a_huge_file_is_refused(void **state)
{
    (void)state;
    SCOPE_FD int fd = file_create(test_folder_path(&folder, "c").text, O_WRONLY | O_CREAT, 0600, &err);
    assert_int_equal(ftruncate(fd, CONFIG_MAX_BYTES + 1), 0);
    assert_false(config_read(&file, test_folder_path(&folder, "c").text, &target, &err));
    assert_int_equal(err.code, ERR_LIMIT);
}

static void the_written_defaults_read_back(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(CONFIG_MAX_BYTES);
    config_write_defaults(&file, &text);
    assert_int_equal(strncmp(buf_text(&text), "# the name\nNAME = crane\n\n# the port\nPORT = 80\n\n", 46),
                     0);
    assert_non_null(strstr(buf_text(&text), "\n\n# the key\n# KEY_FILE = keys/k.pem\n\n"));
    assert_non_null(strstr(buf_text(&text), "\n\n# nothing\n# UNSET = something\n\n"));
    assert_non_null(strstr(buf_text(&text), "\n\n# more\n# EXTRA =\n"));
    file.unknown_is_error = true;
    parse(buf_text(&text));
    assert_int_equal(target.inputs.line_numbers[0], 26); /* it stands in the file */
    target.inputs.line_numbers[0] = 0;
    assert_defaults();
}

/* ---- words --------------------------------------------------------------------------------------------- */

static void words_are_cut_at_blanks_outside_quotes(void **state)
{
    (void)state;
    static const char *const expected[] = {
        "name", "unit=\"m / s\"", "a=", "\"two words\"", "x\"y z\"w", "last=\"open end"};
    struct view rest = VIEW_LITERAL("  name\tunit=\"m / s\"  a= \"two words\" x\"y z\"w last=\"open end");
    struct view word;
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        assert_true(config_next_word(&rest, &word));
        assert_true(view_is(word, expected[i]));
    }
    assert_false(config_next_word(&rest, &word));
    assert_false(config_next_word(&rest, &word));
    assert_true(view_is(word, "last=\"open end"));
}

static void quotes_around_the_whole_are_taken_off(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"\"a b\"", "a b"},
        {"\"\"", ""},
        {"a", "a"},
        {"", ""},
        {"\"", "\""},
        {"\"a", "\"a"},
        {"a\"", "a\""},
        {"\"a\"b\"", "\"a\"b\""},
        {"\"a\"\"b\"", "\"a\"\"b\""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        assert_true(view_is(config_unquote(view_of(table[i][0])), table[i][1]));
}

static void pairs_have_two_sides(void **state)
{
    (void)state;
    struct view key;
    struct view value;
    assert_true(config_word_pair(VIEW_LITERAL("unit=\"m / s\""), &key, &value));
    assert_true(view_is(key, "unit"));
    assert_true(view_is(value, "m / s"));
    assert_true(config_word_pair(VIEW_LITERAL("a=b=c"), &key, &value));
    assert_true(view_is(value, "b=c"));
    assert_true(config_word_pair(VIEW_LITERAL("a="), &key, &value));
    assert_int_equal(value.size, 0);
    assert_false(config_word_pair(VIEW_LITERAL("=b"), &key, &value));
    assert_false(config_word_pair(VIEW_LITERAL("ab"), &key, &value));
    assert_false(config_word_pair((struct view){NULL, 0}, &key, &value));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_empty_file_is_the_defaults),
        TEST(every_kind_of_value),
        TEST(seconds_are_whole_milliseconds),
        TEST(blanks_comments_and_line_ends),
        TEST(repeats_keep_order_and_line),
        TEST(repeats_have_a_limit),
        TEST(the_longest_text_fits),
        TEST(bad_values_name_line_key_and_what_was_expected),
        TEST(a_quoted_hash_passes_its_check),
        TEST(nobody_needs_to_care_why),
        TEST(an_unknown_key_is_a_warning),
        TEST(an_unknown_key_is_an_error_when_strict),
        TEST(a_path_starts_at_the_files_folder),
        TEST(a_missing_file_is_not_found),
        TEST(a_huge_file_is_refused),
        TEST(the_written_defaults_read_back),
        TEST(words_are_cut_at_blanks_outside_quotes),
        TEST(quotes_around_the_whole_are_taken_off),
        TEST(pairs_have_two_sides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
