/* watchdog: keeps the services of a machine alive. */
#include <fcntl.h>
#include <stdio.h>

#include "common/app/options.h"
#include "common/os/guard.h"
#include "watchdog/licensed.h"
#include "watchdog/probe.h"
#include "watchdog/status.h"
#include "watchdog/watchdog.h"

struct arguments {
    const char *root;
    bool json;
    bool check_config;
};

static int fail(const struct log *log, const struct error *err)
{
    log_error(log, "%s", err->text);
    return error_exit_code(err);
}

static bool supervise(const struct appliance *appliance, struct log *log, struct error *err)
{
    struct watchdog watchdog;
    if (!watchdog_open(&watchdog, appliance, log, err))
        return false;
    bool ok = watchdog_run(&watchdog, err);
    bool succession = watchdog.succession && watchdog.phase == WATCHDOG_RESTARTING;
    watchdog_close(&watchdog);
    if (!ok || !succession)
        return ok;
    watchdog_succeed(appliance, err);
    return false;
}

static bool check_services(const struct appliance *appliance, struct error *err)
{
    struct service_list services;
    if (!service_list_make(&services, &appliance->config, clock_system(), err))
        return false;
    service_list_clear(&services);
    return true;
}

static int run(const struct arguments *arguments)
{
    struct log log;
    struct error err = {.code = ERR_NONE};
    struct appliance appliance;
    log_init(&log, "watchdog", clock_system());
    if (!appliance_open(&appliance, arguments->root, arguments->check_config, &log, &err))
        return fail(&log, &err);
    log.level = (enum log_level)appliance.config.log_level;
    log.format = (enum log_format)appliance.config.log_format;
    if (!arguments->check_config && !licensed(&appliance, &log, &err)) {
        log_error(&log, "%s", err.text);
        appliance_close(&appliance);
        return 1;
    }
    bool ok = arguments->check_config ? check_services(&appliance, &err) : supervise(&appliance, &log, &err);
    appliance_close(&appliance);
    if (!ok)
        return fail(&log, &err);
    if (arguments->check_config)
        printf("ok\n");
    return 0;
}

/* Descriptors of ours must not take the places of stdin, stdout and stderr. */
static void occupy_stdio(void)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDWR);
    } while (fd >= 0 && fd <= STDERR_FILENO);
    scope_fd(&fd);
}

int main(int argc, char **argv)
{
    occupy_stdio();
    /* a command's own options must not be taken for ours */
    if (guard_is_asked(argc, argv))
        return guard_main(argc, argv);
    struct arguments arguments = {.root = NULL};
    const struct option options[] = {
        {.name = "root",
         .kind = OPTION_TEXT,
         .target = &arguments.root,
         .value_name = "DIR",
         .help = "the appliance's folder, made by updater --root DIR init",
         .required = true},
        {.name = "json",
         .kind = OPTION_FLAG,
         .target = &arguments.json,
         .help = "status: as one JSON object"},
        {.name = "check-config",
         .kind = OPTION_FLAG,
         .target = &arguments.check_config,
         .help = "read the config strictly, print ok and exit"},
    };
    const struct program program = {
        .name = "watchdog",
        .summary = "keeps the services of a machine alive",
        .usage = "watchdog --root DIR                   run in the foreground until SIGTERM\n"
                 "watchdog --root DIR status [--json]   what runs; exit 0 when everything does\n"
                 "watchdog --root DIR probe [VERSION]   whether agent and portal answer; exit 0 when both do",
        .options = options,
        .option_count = COUNT_OF(options),
        .epilog = "Exit codes: 0 done, 1 failed or not everything runs, 2 wrong usage or config.\n"
                  "touch DIR/restart.flag restarts all services.",
    };
    struct option_list words = {.count = 0};
    int code = options_parse(&program, argc, argv, &words);
    if (code >= 0)
        return code;
    if (words.count == 0)
        return run(&arguments);
    if (words.count == 1 && strcmp(words.items[0], "status") == 0)
        return status_command(arguments.root, arguments.json);
    if (words.count >= 1 && words.count <= 2 && strcmp(words.items[0], "probe") == 0)
        return probe_command(arguments.root, words.count == 2 ? words.items[1] : NULL);
    fprintf(stderr, "watchdog: unknown command `%s` (`watchdog --help` says more)\n", words.items[0]);
    return 2;
}
