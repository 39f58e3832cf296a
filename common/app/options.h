/* Command lines as tables: one table feeds the parser and --help. Long options only, with `=` or a space.
 * --help and --version are handled here. */
#ifndef COMMON_APP_OPTIONS_H
#define COMMON_APP_OPTIONS_H

#include <stdint.h>

#include "common/base/error.h"

enum option_kind {
    OPTION_FLAG,   /* bool * */
    OPTION_TEXT,   /* const char ** : points into argv */
    OPTION_NUMBER, /* int64_t * : min to max */
    OPTION_LIST,   /* struct option_list * : one or more words up to the next option */
};

enum { OPTION_LIST_MAX = 1024 };
struct option_list {
    const char **items; /* into argv; count of them in a row */
    size_t count;
};

struct option {
    const char *name; /* without dashes */
    enum option_kind kind;
    void *target;
    const char *value_name; /* "DIR"; NULL for flags */
    const char *help;       /* one line */
    int64_t min, max;       /* OPTION_NUMBER */
    bool required;
};

/* Rows of a table. */
static inline struct option option_text(const char *name, const char **target, const char *value_name,
                                        const char *help)
{
    return (struct option){
        .name = name, .kind = OPTION_TEXT, .target = target, .value_name = value_name, .help = help};
}

static inline struct option option_words(const char *name, struct option_list *target, const char *value_name,
                                         const char *help)
{
    return (struct option){
        .name = name, .kind = OPTION_LIST, .target = target, .value_name = value_name, .help = help};
}

static inline struct option option_flag(const char *name, bool *target, const char *help)
{
    return (struct option){.name = name, .kind = OPTION_FLAG, .target = target, .help = help};
}

/* What was typed, else what the environment says (NULL and "" say nothing), else the default. */
const char *option_or(const char *typed, const char *variable, const char *otherwise);

struct program {
    const char *name;
    const char *summary; /* one line: what it does */
    const char *usage;   /* the usage lines, NULL-terminated text with \n between */
    const struct option *options;
    size_t option_count;
    const char *epilog; /* examples, exit codes; may be NULL */
};

/* Fills the targets; words that are no option are left in *words (into argv, in order; argv is reordered).
 * Returns -1 to go on, else the exit code: 0 after --help or --version (printed to stdout), 2 for wrong usage
 * (said on stderr with a hint). Missing required ones are wrong usage. */
int options_parse(const struct program *program, int argc, char **argv, struct option_list *words);

void options_print_help(const struct program *program);

#endif
