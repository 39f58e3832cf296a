/* `once`: one cycle in the foreground, gaps filled to their end, and a line of what came of it. */
#include <inttypes.h>

#include "common/net/json_writer.h"
#include "server_tools/sync_service/commands.h"
#include "server_tools/sync_service/service.h"

struct outcome {
    struct service *service;
    struct cycle_totals totals;
    struct error error; /* ERR_NONE: it ended well */
};

static void finished(void *context, const struct cycle_totals *totals, const struct error *err)
{
    struct outcome *outcome = context;
    if (totals != NULL)
        outcome->totals = *totals;
    if (err != NULL)
        outcome->error = *err;
    loop_stop(outcome->service->loop);
}

static void print_totals(const struct cycle_totals *totals, bool as_json, struct buf *out)
{
    if (!as_json) {
        buf_printf(out, "vehicles %zu: ok %zu, timeout %zu, error %zu, left out %zu; readings %" PRId64 "\n",
                   totals->vehicles, totals->ok, totals->timeout, totals->error, totals->left_out,
                   totals->rows_added);
        return;
    }
    struct json_writer json;
    json_writer_init(&json, out);
    json_object(&json, NULL);
    json_u64(&json, "vehicles", totals->vehicles);
    json_u64(&json, "ok", totals->ok);
    json_u64(&json, "timeout", totals->timeout);
    json_u64(&json, "error", totals->error);
    json_u64(&json, "left_out", totals->left_out);
    json_i64(&json, "rows_written", totals->rows_added);
    json_i64(&json, "bytes", totals->bytes);
    json_i64(&json, "duration_us", totals->duration_us);
    json_end_object(&json);
    buf_append_byte(out, '\n');
}

static bool run_once(struct service *service, const struct command_scene *scene, struct buf *out,
                     struct error *err)
{
    struct outcome outcome = {.service = service, .error = {.code = ERR_NONE}};
    if (!service->chores.migrated)
        return error_set(err, ERR_UNREACHABLE, "PostgreSQL cannot be reached: see the line above");
    cycle_once(service->cycle, scene->line->vehicle, finished, &outcome);
    if (!loop_run(service->loop, err))
        return false;
    if (outcome.error.code != ERR_NONE) {
        *err = outcome.error;
        return false;
    }
    if (scene->line->vehicle == NULL)
        chores_run_once(&service->chores);
    print_totals(&outcome.totals, scene->line->json, out);
    size_t failed = outcome.totals.timeout + outcome.totals.error;
    return failed == 0 ||
           error_set(err, ERR_IO, "%zu of %zu vehicles failed: `sync_service status` tells why", failed,
                     outcome.totals.vehicles);
}

bool command_once(const struct command_scene *scene, struct buf *out, struct error *err)
{
    struct service service;
    const struct service_config config = {
        .settings = scene->settings, .clock = scene->clock, .log = scene->log};
    bool done = service_open(&service, &config, err) && run_once(&service, scene, out, err);
    service_close(&service);
    return done;
}
