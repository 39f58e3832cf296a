#include "common/app/options.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/app/nearest.h"
#include "common/base/text.h"

enum {
    HELP_COLUMNS = 100,
    HELP_LEFT_MAX = 34, /* a longer `--name VALUE` gets a line of its own */
    EXIT_WRONG_USAGE = 2,
    GO_ON = -1,
};

static const struct option standard[] = {
    {.name = "help", .kind = OPTION_FLAG, .help = "print this help and exit"},
    {.name = "version", .kind = OPTION_FLAG, .help = "print the version and exit"},
};

/* argv[1, options_end) are options with their values, [options_end, at) words, [at, argc) still unread. */
struct parse {
    const struct program *program;
    char **argv;
    int argc;
    int options_end;
    int at;
    bool want_help, want_version;
};

static const struct option *find_in(const struct option *options, size_t count, struct view name)
{
    for (size_t i = 0; i < count; i++) {
        if (view_is(name, options[i].name))
            return &options[i];
    }
    return NULL;
}

/* ---- help ---------------------------------------------------------------------------------------------- */

static size_t left_width(const struct option *option)
{
    return strlen("  --") + strlen(option->name) +
           (option->value_name != NULL ? strlen(option->value_name) + 1 : 0) +
           (option->kind == OPTION_LIST ? strlen("...") : 0);
}

static size_t widest(const struct option *options, size_t count, size_t width)
{
    for (size_t i = 0; i < count; i++) {
        size_t mine = left_width(&options[i]);
        if (mine > width && mine <= HELP_LEFT_MAX)
            width = mine;
    }
    return width;
}

/* The text from column `indent` on, broken at blanks; the cursor already stands there. */
static void print_wrapped(const char *text, size_t indent)
{
    size_t room = HELP_COLUMNS - indent;
    while (strlen(text) > room) {
        size_t cut = room;
        while (cut > 0 && text[cut] != ' ')
            cut--;
        if (cut == 0)
            cut = room;
        printf("%.*s\n%*s", (int)cut, text, (int)indent, "");
        text += cut + (text[cut] == ' ' ? 1 : 0);
    }
    printf("%s\n", text);
}

static void print_option(const struct option *option, size_t indent)
{
    printf("  --%s", option->name);
    if (option->value_name != NULL)
        printf(" %s%s", option->value_name, option->kind == OPTION_LIST ? "..." : "");
    size_t used = left_width(option);
    if (used + 2 > indent) {
        printf("\n");
        used = 0;
    }
    printf("%*s", (int)(indent - used), "");
    print_wrapped(option->help, indent);
}

void options_print_help(const struct program *program)
{
    printf("%s: %s\n\nUsage:\n", program->name, program->summary);
    struct view lines = view_of(program->usage);
    while (lines.size > 0) {
        struct view line = text_cut(&lines, '\n');
        printf("  %.*s\n", VIEW_ARG(line));
    }
    printf("\nOptions:\n");
    size_t indent = widest(program->options, program->option_count, 0);
    indent = widest(standard, COUNT_OF(standard), indent) + 2;
    for (size_t i = 0; i < program->option_count; i++)
        print_option(&program->options[i], indent);
    for (size_t i = 0; i < COUNT_OF(standard); i++) {
        if (find_in(program->options, program->option_count, view_of(standard[i].name)) == NULL)
            print_option(&standard[i], indent);
    }
    if (program->epilog != NULL)
        printf("\n%s\n", program->epilog);
}

/* ---- parsing ------------------------------------------------------------------------------------------- */

static bool unknown_option(const struct program *program, struct view name, struct error *err)
{
    struct nearest nearest = {NULL, 0};
    for (size_t i = 0; i < program->option_count; i++)
        nearest_offer(&nearest, name, program->options[i].name);
    for (size_t i = 0; i < COUNT_OF(standard); i++)
        nearest_offer(&nearest, name, standard[i].name);
    if (nearest.name != NULL)
        return error_set(err, ERR_USAGE, "unknown option --%.*s; did you mean --%s?", VIEW_ARG(name),
                         nearest.name);
    return error_set(err, ERR_USAGE, "unknown option --%.*s", VIEW_ARG(name));
}

static bool set_number(const struct option *option, const char *value, struct error *err)
{
    if (!text_parse_i64(view_of(value), option->min, option->max, (int64_t *)option->target))
        return error_set(err, ERR_USAGE,
                         "--%s: expected a whole number from %" PRId64 " to %" PRId64 ", found `%s`",
                         option->name, option->min, option->max, value);
    return true;
}

static bool set_flag(struct parse *parse, const struct option *option)
{
    if (option == &standard[0])
        parse->want_help = true;
    else if (option == &standard[1])
        parse->want_version = true;
    else
        *(bool *)option->target = true;
    return true;
}

static bool is_option(const char *word)
{
    return word[0] == '-' && word[1] != '\0';
}

/* Moves argv[middle, last) in front of argv[first, middle), each keeping its order. */
static void rotate(char **argv, int first, int middle, int last)
{
    for (; middle < last && first < middle; first++, middle++) {
        char *moved = argv[middle];
        memmove(&argv[first + 1], &argv[first], (size_t)(middle - first) * sizeof(argv[0]));
        argv[first] = moved;
    }
}

/* The option that begins at parse->at has taken `count` words of argv: puts them before the words. */
static int finish_option(struct parse *parse, int count)
{
    int start = parse->options_end;
    rotate(parse->argv, start, parse->at, parse->at + count);
    parse->options_end += count;
    parse->at += count;
    return start;
}

/* `--files A B` and `--files=A B`: all words up to the next option. */
static bool take_list(struct parse *parse, const struct option *option, char *value, struct error *err)
{
    struct option_list *list = option->target;
    if (list->count > 0)
        return error_set(err, ERR_USAGE, "--%s is given twice", option->name);
    int first = parse->at + 1;
    if (value != NULL) {
        first = parse->at;
        parse->argv[first] = value;
    }
    int last = value != NULL ? first + 1 : first;
    while (last < parse->argc && !is_option(parse->argv[last]))
        last++;
    if (last == first)
        return error_set(err, ERR_USAGE, "--%s needs at least one %s", option->name, option->value_name);
    if (last - first > OPTION_LIST_MAX)
        return error_set(err, ERR_LIMIT, "--%s takes at most %d words", option->name, OPTION_LIST_MAX);
    int skipped = first - parse->at;
    int start = finish_option(parse, last - parse->at);
    *list = (struct option_list){(const char **)&parse->argv[start + skipped], (size_t)(last - first)};
    return true;
}

static bool take_value(struct parse *parse, const struct option *option, char *value, struct error *err)
{
    int count = 1;
    if (value == NULL) {
        value = parse->at + 1 < parse->argc ? parse->argv[parse->at + 1] : NULL;
        if (value == NULL || strncmp(value, "--", 2) == 0)
            return error_set(err, ERR_USAGE, "--%s needs a value: --%s=%s", option->name, option->name,
                             option->value_name);
        count = 2;
    }
    if (option->kind == OPTION_NUMBER && !set_number(option, value, err))
        return false;
    if (option->kind == OPTION_TEXT)
        *(const char **)option->target = value;
    finish_option(parse, count);
    return true;
}

/* `updater --version` alone asks for the program's version, although `--version V` is its own option too. */
static const struct option *find_option(const struct parse *parse, struct view name)
{
    const struct option *own = find_in(parse->program->options, parse->program->option_count, name);
    const struct option *ours = find_in(standard, COUNT_OF(standard), name);
    bool alone = parse->argc == 2;
    return own == NULL || (alone && ours != NULL) ? ours : own;
}

static bool take_option(struct parse *parse, struct error *err)
{
    char *word = parse->argv[parse->at];
    if (word[1] != '-')
        return error_set(err, ERR_USAGE, "unknown option %s; options are words with two dashes", word);
    char *value = strchr(word, '=');
    struct view name = {word + 2, (value == NULL ? strlen(word) : (size_t)(value - word)) - 2};
    if (value != NULL)
        value++;
    const struct program *program = parse->program;
    const struct option *option = find_option(parse, name);
    if (option == NULL)
        return unknown_option(program, name, err);
    if (option->kind == OPTION_LIST)
        return take_list(parse, option, value, err);
    if (option->kind != OPTION_FLAG)
        return take_value(parse, option, value, err);
    if (value != NULL)
        return error_set(err, ERR_USAGE, "--%s takes no value", option->name);
    set_flag(parse, option);
    finish_option(parse, 1);
    return true;
}

/* Options up to `--` or the end; true also when --help or --version ended it early. */
static bool take_all(struct parse *parse, struct error *err)
{
    while (parse->at < parse->argc && !parse->want_help && !parse->want_version) {
        if (strcmp(parse->argv[parse->at], "--") == 0) {
            finish_option(parse, 1);
            parse->at = parse->argc;
        } else if (!is_option(parse->argv[parse->at])) {
            parse->at++;
        } else if (!take_option(parse, err)) {
            return false;
        }
    }
    return true;
}

/* Whether the option was given: argv[1, options_end) has nothing but options and their values. */
static bool was_given(const struct parse *parse, const struct option *option)
{
    if (option->kind == OPTION_TEXT)
        return *(const char **)option->target != NULL;
    if (option->kind == OPTION_LIST)
        return ((const struct option_list *)option->target)->count > 0;
    size_t size = strlen(option->name);
    for (int i = 1; i < parse->options_end; i++) {
        const char *word = parse->argv[i];
        if (strncmp(word, "--", 2) == 0 && strncmp(word + 2, option->name, size) == 0 &&
            (word[2 + size] == '\0' || word[2 + size] == '='))
            return true;
    }
    return false;
}

static bool check_complete(const struct parse *parse, const struct option_list *words, struct error *err)
{
    for (size_t i = 0; i < parse->program->option_count; i++) {
        const struct option *option = &parse->program->options[i];
        if (option->required && !was_given(parse, option))
            return error_set(err, ERR_USAGE, "--%s %s is missing", option->name,
                             option->value_name != NULL ? option->value_name : "");
    }
    if (words == NULL && parse->options_end < parse->argc)
        return error_set(err, ERR_USAGE, "unexpected word `%s`", parse->argv[parse->options_end]);
    return true;
}

const char *option_or(const char *typed, const char *variable, const char *otherwise)
{
    if (typed != NULL)
        return typed;
    const char *set = getenv(variable);
    return set != NULL && set[0] != '\0' ? set : otherwise;
}

int options_parse(const struct program *program, int argc, char **argv, struct option_list *words)
{
    struct error err = {0};
    struct parse parse = {.program = program, .argv = argv, .argc = argc, .options_end = 1, .at = 1};
    bool ok = take_all(&parse, &err);
    if (ok && parse.want_help) {
        options_print_help(program);
        return 0;
    }
    if (ok && parse.want_version) {
        printf("%s %s\n", program->name, TELEHAUL_VERSION);
        return 0;
    }
    if (!ok || !check_complete(&parse, words, &err)) {
        fprintf(stderr, "%s: %s\n%s --help shows how it is used\n", program->name, err.text, program->name);
        return EXIT_WRONG_USAGE;
    }
    if (words != NULL && argc > 0)
        *words =
            (struct option_list){(const char **)&argv[parse.options_end], (size_t)(argc - parse.options_end)};
    return GO_ON;
}
