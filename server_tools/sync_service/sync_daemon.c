#include "server_tools/sync_service/sync_daemon.h"

#include <string.h>

#include "server_tools/sync_service/service.h"

/* What is replaced as a whole. */
struct generation {
    struct sync_settings settings;
    struct log log;
    struct service service;
};

struct sync_daemon {
    const struct command_line *line;
    struct log log; /* as the first settings have it */
    struct metrics *metrics;
    struct generation generations[2]; /* one runs */
    size_t current;
};

/* Its settings are there. Whatever comes back: to be closed. */
static bool open_generation(const struct sync_daemon *daemon, struct generation *generation,
                            struct error *err)
{
    generation->log = daemon->log;
    sync_settings_log(&generation->settings, daemon->line->quiet, &generation->log);
    const struct service_config config = {
        .settings = &generation->settings,
        .clock = daemon->log.clock,
        .log = &generation->log,
        .metrics = daemon->metrics,
        .lease = true,
    };
    return service_open(&generation->service, &config, err);
}

/* At a start PostgreSQL may be away, and so it may while it stays the same one; another one, of new settings,
 * has to be there. */
static bool check_database(const struct generation *current, const struct generation *next, struct error *err)
{
    return next->service.chores.migrated || strcmp(current->settings.db_url, next->settings.db_url) == 0 ||
           error_set(err, ERR_UNREACHABLE, "the new database cannot be used: see the line above");
}

static bool replace(struct sync_daemon *daemon, struct error *err)
{
    struct generation *current = &daemon->generations[daemon->current];
    struct generation *next = &daemon->generations[1 - daemon->current];
    if (!sync_settings_load(daemon->line->config, SETTINGS_OF_SERVICE, &current->log, &next->settings, err))
        return false;
    if (!open_generation(daemon, next, err) || !check_database(current, next, err) ||
        !service_begin(&next->service, err)) {
        service_close(&next->service);
        return false;
    }
    service_close(&current->service);
    daemon->current = 1 - daemon->current;
    return true;
}

static bool run(struct sync_daemon *daemon, struct error *err)
{
    struct generation *first = &daemon->generations[0];
    bool reload = true;
    bool ok = open_generation(daemon, first, err) && service_begin(&first->service, err);
    while (ok && reload) {
        const struct generation *current = &daemon->generations[daemon->current];
        struct error problem;
        ok = service_run(&daemon->generations[daemon->current].service, &reload, err);
        if (ok && reload && !replace(daemon, &problem))
            log_error(&current->log, "the service goes on with its old settings: %s", problem.text);
    }
    service_close(&daemon->generations[daemon->current].service);
    return ok;
}

bool sync_daemon_run(const struct command_line *line, const struct sync_settings *settings,
                     const struct log *log, struct error *err)
{
    struct sync_daemon daemon = {.line = line, .log = *log, .metrics = metrics_new(err)};
    daemon.generations[0].settings = *settings;
    bool ok = daemon.metrics != NULL && run(&daemon, err);
    metrics_free(daemon.metrics);
    return ok;
}
