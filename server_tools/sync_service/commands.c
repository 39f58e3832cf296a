#include "server_tools/sync_service/commands.h"

#include "common/base/text.h"

#define VEHICLE_OPTIONS                                                                                      \
    "host|transport|agent-port|api-port|api-key|api-key-file|name|kind|client-id|fingerprint|"               \
    "accept-new-host|silent-after"
#define ROLLOUT_OPTIONS "waves|max-failures|healthy|vehicles|public-key"
#define NOTIFY_OPTIONS  "user|channel|target|kinds|min-severity|quiet-hours|time-zone|secret|secret-file"

static const struct command commands[] = {
    {"once", NULL, 0, 0, "vehicle", command_once},
    {"migrate", NULL, 0, 0, "", command_migrate},
    {"status", NULL, 0, 0, "", command_status},
    {"vehicle", "add", 1, 1, VEHICLE_OPTIONS, command_vehicle_add},
    {"vehicle", "list", 0, 0, "", command_vehicle_list},
    {"vehicle", "set", 1, 1, VEHICLE_OPTIONS, command_vehicle_set},
    {"vehicle", "remove", 1, 1, "", command_vehicle_remove},
    {"rollout", "start", 1, 1, ROLLOUT_OPTIONS, command_rollout_start},
    {"rollout", "status", 0, 1, "", command_rollout_status},
    {"rollout", "pause", 1, 1, "", command_rollout_pause},
    {"rollout", "resume", 1, 1, "", command_rollout_resume},
    {"rollout", "abort", 1, 1, "", command_rollout_abort},
    {"notify", "add", 0, 0, NOTIFY_OPTIONS, command_notify_add},
    {"notify", "list", 0, 0, "", command_notify_list},
    {"notify", "remove", 1, 1, "", command_notify_remove},
    {"notify", "test", 1, 1, "", command_notify_test},
};

static bool fits(const struct command *command, const struct option_list *words)
{
    size_t own = command->second == NULL ? 1 : 2;
    if (words->count < own || strcmp(words->items[0], command->name) != 0 ||
        (command->second != NULL && strcmp(words->items[1], command->second) != 0))
        return false;
    return words->count >= own + command->min_words && words->count <= own + command->max_words;
}

const char *command_options(const struct option_list *words)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        if (fits(&commands[i], words))
            return commands[i].options;
    }
    return words->count == 0 ? "" : NULL;
}

const struct command *command_find(const struct option_list *words, struct command_line *line,
                                   struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(commands); i++) {
        const struct command *command = &commands[i];
        size_t own = command->second == NULL ? 1 : 2;
        if (!fits(command, words))
            continue;
        line->words = (const char *const *)words->items + own;
        line->word_count = words->count - own;
        return command;
    }
    error_set(err, ERR_USAGE,
              "no such command, or a word too few or too many; `sync_service --help` lists them");
    return NULL;
}
