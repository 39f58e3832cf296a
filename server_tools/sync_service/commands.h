/* The commands of sync_service besides the service itself: what was typed, and one function each. A command's
 * module knows its own words and options; commands.c has the table. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_COMMANDS_H
#define SERVER_TOOLS_SYNC_SERVICE_COMMANDS_H

#include "common/app/options.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "server_tools/sync_service/settings.h"

/* Every option of every command; NULL, 0, false: not given. */
struct command_line {
    const char *config;
    bool check_config, json, quiet;
    /* vehicle add, vehicle set; once */
    const char *vehicle, *host, *transport, *agent_port, *api_port, *api_key, *api_key_file, *name, *kind,
        *client_id, *fingerprint, *accept_new_host, *silent_after;
    /* rollout */
    const char *waves, *max_failures, *healthy, *public_key;
    struct option_list vehicles;
    /* notify */
    const char *user, *channel, *target, *kinds, *min_severity, *quiet_hours, *time_zone, *secret,
        *secret_file;
    /* the words behind the command's own: NAME, PACKAGE ... */
    const char *const *words;
    size_t word_count;
};

struct command_scene {
    const struct command_line *line;
    const struct sync_settings *settings;
    const struct clock *clock;
    struct log *log;
};

/* Results go to out (printed also when the command fails): lines for people, with --json one JSON object.
 * False with err: said on stderr, and the exit code is its. */
typedef bool command_run(const struct command_scene *scene, struct buf *out, struct error *err);

struct command {
    const char *name, *second;   /* second: NULL when the command is one word */
    size_t min_words, max_words; /* behind its own */
    const char *options; /* that it takes besides --config, --json, --quiet: names, separated by "|" */
    command_run *run;
};

/* The same of the command of these words, "" without a word (the service); NULL: there is no such command. */
const char *command_options(const struct option_list *words);

/* The command of these words, its own words cut off; NULL with err. */
const struct command *command_find(const struct option_list *words, struct command_line *line,
                                   struct error *err) MUST_USE;

command_run command_once;        /* once.c */
command_run command_migrate;     /* migrate_command.c */
command_run command_status;      /* status_command.c */
command_run command_vehicle_add; /* vehicle_commands.c */
command_run command_vehicle_list;
command_run command_vehicle_set;
command_run command_vehicle_remove;
command_run command_notify_add; /* notify_commands.c */
command_run command_notify_list;
command_run command_notify_remove;
command_run command_notify_test;
command_run command_rollout_start;  /* rollout_start.c */
command_run command_rollout_status; /* rollout_commands.c */
command_run command_rollout_pause;
command_run command_rollout_resume;
command_run command_rollout_abort;

/* By name or client id; removed ones are not found. Errors: ERR_NOT_FOUND; ERR_USAGE, when several have the
 * name. (vehicle_commands.c) */
struct pg;
enum { VEHICLE_ID_BYTES = 24 };
bool vehicle_find(struct pg *pg, const char *name, char id[VEHICLE_ID_BYTES], struct error *err) MUST_USE;

#endif
