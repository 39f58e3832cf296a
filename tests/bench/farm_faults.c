#include "tests/bench/farm_faults.h"

static const char *const words[FAULTS] = {
    [FAULT_NONE] = "none",
    [FAULT_DEAD] = "dead",
    [FAULT_BLACK_HOLE] = "black_hole",
    [FAULT_SILENT] = "silent",
    [FAULT_TRICKLE] = "trickle",
    [FAULT_GARBAGE] = "garbage",
    [FAULT_WRONG_TYPES] = "types",
    [FAULT_GIGABYTE] = "gigabyte",
    [FAULT_DISORDER] = "disorder",
    [FAULT_OUTSIDE] = "outside",
    [FAULT_FOREIGN] = "foreign",
    [FAULT_REDIRECT] = "redirect",
    [FAULT_REFUSE] = "refuse",
    [FAULT_ERROR] = "error",
    [FAULT_MID_CLOSE] = "mid_close",
    [FAULT_HANG] = "hang",
    [FAULT_SLOW_START] = "slow_start",
    [FAULT_NEW_CERT] = "new_cert",
};

static const struct {
    const char *word;
    unsigned scope;
} scopes[] = {
    {"", SCOPE_ALL},      {"all", SCOPE_ALL},       {"status", SCOPE_STATUS}, {"channels", SCOPE_CHANNELS},
    {"data", SCOPE_DATA}, {"alarms", SCOPE_ALARMS},
};

enum fault fault_of(struct view word)
{
    for (int i = 0; i < FAULTS; i++) {
        if (view_is(word, words[i]))
            return (enum fault)i;
    }
    return FAULTS;
}

unsigned fault_scope_of(struct view word)
{
    for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
        if (view_is(word, scopes[i].word))
            return scopes[i].scope;
    }
    return 0;
}
