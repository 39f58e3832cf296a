/* The key=value words of an INPUT line as a table. Knows nothing of any input. Threads: safe. */
#ifndef COLLECTOR_INPUT_OPTIONS_H
#define COLLECTOR_INPUT_OPTIONS_H

#include <stdint.h>

#include "common/base/error.h"
#include "common/base/view.h"

enum input_option_kind {
    INPUT_OPTION_NUMBER, /* uint64_t from min to max */
    INPUT_OPTION_CHOICE, /* int: the place of the word in `choices` */
    INPUT_OPTION_TEXT,   /* char[max + 1]; not empty */
};

struct input_option {
    const char *key;
    enum input_option_kind kind;
    void *target; /* untouched when the key is not given */
    uint64_t min, max;
    const char *choices; /* "ns|us|ms" */
};
enum { INPUT_OPTIONS_MAX = 32 };

/* known: for people, when a key is none. Errors: ERR_USAGE says what was expected. */
bool input_options_read(struct view words, const struct input_option *table, size_t count, const char *known,
                        struct error *err) MUST_USE;

#endif
