#include "collector/input.h"

#include "common/app/config.h"

static const struct input_kind *const kinds[] = {&input_system, &input_lines, &input_exec, &input_drive};

const struct input_kind *input_kind_of(const char *line, struct view *options, struct error *err)
{
    struct view rest = view_of(line);
    struct view name;
    if (!config_next_word(&rest, &name))
        name = (struct view){"", 0};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if (view_is(name, kinds[i]->name)) {
            *options = rest;
            return kinds[i];
        }
    }
    error_set(err, ERR_USAGE, "this version has no input `%.*s`", VIEW_ARG(name));
    return NULL;
}
