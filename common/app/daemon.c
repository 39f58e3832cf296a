#include "common/app/daemon.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "common/os/notify.h"

enum {
    OPTIONS_MAX = 32, /* of one daemon, the common ones included */
    EXIT_DONE = 0,
    GO_ON = -1,
};

static const char exit_codes[] =
    "Exit codes: 0 done, 1 failed, 2 wrong usage or config, 4 a secret is open to others.";

/* The common options in front of the program's own. */
static int parse_command_line(struct daemon *daemon, const struct daemon_spec *spec, int argc, char **argv,
                              const char **root)
{
    struct option options[OPTIONS_MAX] = {
        {.name = "root",
         .kind = OPTION_TEXT,
         .target = root,
         .value_name = "DIR",
         .help = "the appliance's folder, made by updater --root DIR init",
         .required = true},
        {.name = "check-config",
         .kind = OPTION_FLAG,
         .target = &daemon->check_config,
         .help = "read the config strictly, print ok and exit"},
    };
    size_t count = 2;
    for (size_t i = 0; i < spec->extra_count && count < OPTIONS_MAX; i++)
        options[count++] = spec->extra[i];
    const struct program program = {
        .name = spec->name,
        .summary = spec->summary,
        .usage = spec->usage,
        .options = options,
        .option_count = count,
        .epilog = exit_codes,
    };
    return options_parse(&program, argc, argv, spec->words);
}

static void stop_on_signal(void *context, int signal_number)
{
    struct daemon *daemon = context;
    log_info(&daemon->log, "stopping on %s", signal_number == SIGINT ? "SIGINT" : "SIGTERM");
    loop_stop(daemon->loop);
}

static bool start_loop(struct daemon *daemon, struct error *err)
{
    signal(SIGPIPE, SIG_IGN);
    daemon->loop = loop_new(err);
    return daemon->loop != NULL && loop_signal(daemon->loop, SIGTERM, stop_on_signal, daemon, err) != NULL &&
           loop_signal(daemon->loop, SIGINT, stop_on_signal, daemon, err) != NULL;
}

static bool open_all(struct daemon *daemon, const struct daemon_spec *spec, const char *root,
                     struct error *err)
{
    if (!appliance_open(&daemon->appliance, root, daemon->check_config, &daemon->log, err))
        return false;
    daemon->log.level = (enum log_level)daemon->appliance.config.log_level;
    daemon->log.format = (enum log_format)daemon->appliance.config.log_format;
    if (daemon->check_config)
        return spec->check == NULL || spec->check(daemon, err);
    return start_loop(daemon, err);
}

int daemon_open(struct daemon *daemon, const struct daemon_spec *spec, int argc, char **argv)
{
    *daemon = (struct daemon){.name = spec->name, .clock = clock_system()};
    log_init(&daemon->log, spec->name, daemon->clock);
    const char *root = NULL;
    int code = parse_command_line(daemon, spec, argc, argv, &root);
    if (code != GO_ON)
        return code;
    struct error err = {0};
    if (!open_all(daemon, spec, root, &err)) {
        code = daemon_fail(daemon, &err);
    } else if (daemon->check_config) {
        printf("ok\n");
        code = EXIT_DONE;
    }
    if (code != GO_ON)
        daemon_close(daemon);
    return code;
}

/* A supervisor that is busy may have its socket full of the others' messages (net.unix.max_dgram_qlen: 10),
 * and one that never hears of READY=1 kills us: it is said until it arrives. */
struct beats {
    char ready[NOTIFY_MESSAGE_BYTES];
    bool ready_told;
};

static void beat(void *context, uint64_t times)
{
    struct beats *beats = context;
    (void)times;
    if (!beats->ready_told)
        beats->ready_told = notify_send(beats->ready);
    if (beats->ready_told)
        notify_send("WATCHDOG=1");
}

bool daemon_run(struct daemon *daemon, const char *status, struct error *err)
{
    struct beats beats = {.ready_told = false};
    struct loop_watch *timer = NULL;
    int64_t period_ms = notify_beat_period_ms();
    if (period_ms > 0) {
        timer = loop_timer(daemon->loop, 0, period_ms, beat, &beats, err);
        if (timer == NULL)
            return false;
    }
    snprintf(beats.ready, sizeof(beats.ready), "READY=1\nX_TELEHAUL_VERSION=%s\nSTATUS=%s",
             daemon->appliance.version, status);
    beats.ready_told = notify_send(beats.ready);
    bool ok = loop_run(daemon->loop, err);
    notify_send("STOPPING=1");
    loop_remove(timer);
    return ok;
}

void daemon_close(struct daemon *daemon)
{
    loop_free(daemon->loop);
    daemon->loop = NULL;
    appliance_close(&daemon->appliance);
}

int daemon_fail(const struct daemon *daemon, const struct error *err)
{
    log_error(&daemon->log, "%s", err->text);
    return error_exit_code(err);
}
