/* sync_service: brings the whole fleet's telemetry into PostgreSQL, over and over. */
#include <signal.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/net/http_client.h"
#include "server_tools/sync_service/secret_options.h"
#include "server_tools/sync_service/sync_daemon.h"

enum { GO_ON = -1, WRONG_USAGE = 2, OUTPUT_MAX_BYTES = 64 * 1024 * 1024 /* the list of 100,000 vehicles */ };

static const char usage[] = "sync_service --config FILE [--check-config [--json]]\n"
                            "sync_service --config FILE once [--vehicle NAME]\n"
                            "sync_service --config FILE migrate | status [--json]\n"
                            "sync_service --config FILE vehicle add NAME --host HOST [--transport "
                            "agent|outbound|push] [--api-key-file FILE] ...\n"
                            "sync_service --config FILE vehicle list | set NAME ... | remove NAME\n"
                            "sync_service --config FILE notify add --user EMAIL --channel HOW ... | list | "
                            "remove RULE | test RULE\n"
                            "sync_service --config FILE rollout start PACKAGE [--waves 1,10%,100%] "
                            "[--max-failures N] ...\n"
                            "sync_service --config FILE rollout status [PACKAGE] | pause PACKAGE | resume "
                            "PACKAGE | abort PACKAGE";

static const char epilog[] = "Without a command it is the service: a cycle every SYNC_INTERVAL_SEC until "
                             "SIGTERM; SIGHUP reads the config anew.\n"
                             "Every key of FILE may be given in the environment instead, which wins; secrets "
                             "also in credentials.env beside FILE.\n"
                             "\n"
                             "Exit codes: 0 done, 1 refused or failed, 2 wrong usage or config, 3 could not "
                             "reach PostgreSQL, 4 not permitted, 5 bad input file.";

static bool is_given(const struct option *option)
{
    if (option->kind == OPTION_FLAG)
        return *(const bool *)option->target;
    if (option->kind == OPTION_LIST)
        return ((const struct option_list *)option->target)->count > 0;
    return *(const char *const *)option->target != NULL;
}

static bool is_among(const char *name, const char *names)
{
    struct view rest = view_of(names);
    while (rest.size > 0) {
        if (view_is(text_cut(&rest, '|'), name))
            return true;
    }
    return false;
}

/* An option that the command (none: the service) does not look at was meant otherwise. Exit code, or GO_ON.
 */
static int check_options(const struct option *options, size_t count, bool check_config,
                         const struct option_list *words)
{
    const char *own = command_options(words);
    const char *common = words->count > 0 ? "config|quiet|json"
                         : check_config   ? "config|quiet|json|check-config"
                                          : "config|quiet";
    for (size_t i = 0; own != NULL && i < count; i++) {
        const char *name = options[i].name;
        if (!is_given(&options[i]) || is_among(name, common) || is_among(name, own))
            continue;
        fprintf(stderr,
                "sync_service: --%s does not go with %s%s\nsync_service --help shows how it is used\n", name,
                words->count > 0 ? "the command " : "no command: that starts the service",
                words->count > 0 ? words->items[0] : "");
        return WRONG_USAGE;
    }
    return GO_ON;
}

static int parse(int argc, char **argv, struct command_line *line, struct option_list *words)
{
    const struct option options[] = {
        option_text("config", &line->config, "FILE", "KEY = value; without it the environment alone counts"),
        option_flag("check-config", &line->check_config, "read the config strictly, print ok and exit"),
        option_flag("json", &line->json, "the result as one JSON object"),
        option_flag("quiet", &line->quiet, "errors alone are said"),
        option_text("vehicle", &line->vehicle, "NAME", "once: this one alone"),
        option_text("host", &line->host, "HOST", "vehicle: where it is reached"),
        option_text("transport", &line->transport, "HOW",
                    "vehicle: agent (signed session), outbound (API with a key) or push (it calls us)"),
        option_text("agent-port", &line->agent_port, "PORT", "vehicle: of the signed session (9876)"),
        option_text("api-port", &line->api_port, "PORT", "vehicle: of the Outbound API (8001)"),
        option_text("api-key", &line->api_key, "KEY",
                    "vehicle: its X-API-Key, for all to see; \"\": VEHICLE_DEFAULT_API_KEY"),
        option_text("api-key-file", &line->api_key_file, "FILE",
                    "vehicle: the same from a file (0600); -: from standard input"),
        option_text("name", &line->name, "NAME", "vehicle set: its new name"),
        option_text("kind", &line->kind, "KIND", "vehicle: vehicle, plant, tracker or robot"),
        option_text("client-id", &line->client_id, "ID", "vehicle: as sync_client calls it (NAME)"),
        option_text("fingerprint", &line->fingerprint, "HEX",
                    "vehicle: its agent_id, as sync_client shows it at the first contact"),
        option_text("accept-new-host", &line->accept_new_host, "yes|no",
                    "vehicle: whether the first agent that answers is taken for it (no)"),
        option_text("silent-after", &line->silent_after, "SECONDS",
                    "vehicle: when people are told that it is silent (SILENT_AFTER_SEC)"),
        option_text("waves", &line->waves, "LIST",
                    "rollout: how many vehicles, or which part of them, each wave goes up to (1,10%,100%)"),
        option_text("max-failures", &line->max_failures, "N",
                    "rollout: more than so many and it pauses by itself (0)"),
        option_text("healthy", &line->healthy, "PART",
                    "rollout: which part must report the new version before the next wave (90%)"),
        option_words("vehicles", &line->vehicles, "NAME", "rollout: these alone, in this order"),
        option_text("public-key", &line->public_key, "FILE",
                    "rollout: who may sign the package (UPDATE_PUBLIC_KEY_FILE)"),
        option_text("user", &line->user, "EMAIL", "notify: who is told"),
        option_text("channel", &line->channel, "HOW", "notify: email, webhook or telegram"),
        option_text("target", &line->target, "WHERE",
                    "notify: address, URL or chat id (of an email: the user's own)"),
        option_text("kinds", &line->kinds, "LIST", "notify: of silent,alarm,resolved,rollout (all)"),
        option_text("min-severity", &line->min_severity, "WORD",
                    "notify: of alarms: info, warning or critical (info)"),
        option_text("quiet-hours", &line->quiet_hours, "HH:MM-HH:MM",
                    "notify: only critical alarms are sent then, the rest at their end"),
        option_text("time-zone", &line->time_zone, "ZONE", "notify: of the quiet hours: Europe/Kyiv (UTC)"),
        option_text("secret", &line->secret, "TEXT", "notify: signs a webhook's calls (one is made)"),
        option_text("secret-file", &line->secret_file, "FILE",
                    "notify: the same from a file (0600); -: from standard input"),
    };
    const struct program program = {
        .name = "sync_service",
        .summary = "brings the whole fleet's telemetry into PostgreSQL, over and over",
        .usage = usage,
        .options = options,
        .option_count = COUNT_OF(options),
        .epilog = epilog,
    };
    int code = options_parse(&program, argc, argv, words);
    return code != GO_ON ? code : check_options(options, COUNT_OF(options), line->check_config, words);
}

static bool run_command(const struct command_scene *scene, const struct command *command, struct error *err)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(OUTPUT_MAX_BYTES);
    bool done = command->run(scene, &out, err) && buf_check(&out, "the output", err);
    if (out.size > 0 && (fwrite(out.data, 1, out.size, stdout) != out.size || fflush(stdout) != 0))
        return error_set_errno(err, "standard output");
    return done;
}

static bool run(struct command_line *line, const struct option_list *words, struct log *log,
                struct error *err)
{
    struct sync_settings settings;
    bool is_service = words->count == 0 || strcmp(words->items[0], "once") == 0;
    enum settings_use use = line->check_config ? SETTINGS_CHECKED
                            : is_service       ? SETTINGS_OF_SERVICE
                                               : SETTINGS_OF_COMMAND;
    if (!sync_settings_load(line->config, use, log, &settings, err))
        return false;
    sync_settings_log(&settings, line->quiet, log);
    if (line->check_config)
        return printf("%s\n", line->json ? "{\"ok\":true}" : "ok") > 0;
    if (!http_client_global_init(err))
        return false;
    signal(SIGPIPE, SIG_IGN);
    if (words->count == 0)
        return sync_daemon_run(line, &settings, log, err);
    struct secret_texts secrets;
    const struct command *command = command_find(words, line, err);
    const struct command_scene scene = {line, &settings, clock_system(), log};
    return command != NULL && secret_options_read(line, &secrets, err) && run_command(&scene, command, err);
}

int main(int argc, char **argv)
{
    struct command_line line = {.config = NULL};
    struct option_list words = {.count = 0};
    int code = parse(argc, argv, &line, &words);
    if (code != GO_ON)
        return code;
    struct log log;
    struct error err = {.code = ERR_NONE};
    log_init(&log, "sync", clock_system());
    if (run(&line, &words, &log, &err))
        return 0;
    text_make_printable(err.text);
    fprintf(stderr, "sync_service: %s\n", err.text);
    return error_exit_code(&err);
}
