#include "collector/input_options.h"

#include "common/app/config.h"
#include "common/base/text.h"

static bool read_number(const struct input_option *option, struct view value, struct error *err)
{
    uint64_t number;
    if (!text_parse_u64(value, option->max, &number) || number < option->min)
        return error_set(err, ERR_USAGE, "expected a whole number from %llu to %llu behind %s=",
                         (unsigned long long)option->min, (unsigned long long)option->max, option->key);
    *(uint64_t *)option->target = number;
    return true;
}

static bool read_choice(const struct input_option *option, struct view value, struct error *err)
{
    struct view rest = view_of(option->choices);
    for (int i = 0; rest.size > 0; i++) {
        if (view_equal(text_cut(&rest, '|'), value)) {
            *(int *)option->target = i;
            return true;
        }
    }
    return error_set(err, ERR_USAGE, "expected one of %s behind %s=", option->choices, option->key);
}

static bool read_text(const struct input_option *option, struct view value, struct error *err)
{
    return (value.size > 0 && text_copy(option->target, option->max + 1, value)) ||
           error_set(err, ERR_USAGE, "expected 1 to %llu bytes behind %s=", (unsigned long long)option->max,
                     option->key);
}

static bool read_value(const struct input_option *option, struct view value, struct error *err)
{
    switch (option->kind) {
    case INPUT_OPTION_NUMBER:
        return read_number(option, value, err);
    case INPUT_OPTION_CHOICE:
        return read_choice(option, value, err);
    case INPUT_OPTION_TEXT:
        return read_text(option, value, err);
    }
    return false;
}

bool input_options_read(struct view words, const struct input_option *table, size_t count, const char *known,
                        struct error *err)
{
    bool seen[INPUT_OPTIONS_MAX] = {false};
    struct view word;
    while (config_next_word(&words, &word)) {
        struct view key;
        struct view value;
        size_t at = 0;
        if (!config_word_pair(word, &key, &value))
            return error_set(err, ERR_USAGE, "expected key=value, found `%.*s`", VIEW_ARG(word));
        while (at < count && !view_is(key, table[at].key))
            at++;
        if (at == count)
            return error_set(err, ERR_USAGE, "unknown option `%.*s`, expected %s", VIEW_ARG(key), known);
        if (seen[at])
            return error_set(err, ERR_USAGE, "expected %s= once", table[at].key);
        seen[at] = true;
        if (!read_value(&table[at], value, err))
            return false;
    }
    return true;
}
