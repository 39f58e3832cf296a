/* `rollout start PACKAGE`: the package is verified and stored, the vehicles are put into waves; a running
 * service does the rest. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "server_tools/central/central_postgres.h"
#include "server_tools/sync_service/commands.h"
#include "server_tools/sync_service/keeper.h"
#include "server_tools/sync_service/listing.h"
#include "server_tools/sync_service/rollout_db.h"
#include "server_tools/sync_service/rollout_sql.h"

enum {
    IDS_MAX_BYTES = 2 * 1024 * 1024, /* 100,000 vehicles and more */
    WAVES_BYTES = ROLLOUT_WAVES_MAX * 10,
    HEALTHY_DEFAULT = 90,
    FAILURES_MAX = 1000000,
};

static const char waves_default[] = "1,10%,100%";

/* What was typed, and what comes of it. */
struct start {
    const struct command_line *line;
    int64_t max_failures, healthy_percent;
    struct rollout_package package;
    struct buf ids; /* {1,2,3}: of the vehicles, in their order */
    int64_t vehicles;
    struct rollout_waves waves;
    int64_t deployment_id;
};

/* ---- what was typed ---- */

static bool parse_options(struct start *start, struct error *err)
{
    const struct command_line *line = start->line;
    start->healthy_percent = HEALTHY_DEFAULT;
    if (line->max_failures != NULL &&
        !text_parse_i64(view_of(line->max_failures), 0, FAILURES_MAX, &start->max_failures))
        return error_set(err, ERR_USAGE, "--max-failures: expected a whole number from 0 on");
    if (line->healthy == NULL)
        return true;
    struct view percent = view_of(line->healthy);
    if (percent.size > 0 && percent.data[percent.size - 1] == '%')
        percent.size--;
    return text_parse_i64(percent, 1, 100, &start->healthy_percent) ||
           error_set(err, ERR_USAGE, "--healthy: expected a part from 1%% to 100%%");
}

/* ---- which vehicles ---- */

static bool list_named(struct pg *pg, struct start *start, struct error *err)
{
    const struct option_list *names = &start->line->vehicles;
    buf_append_byte(&start->ids, '{');
    for (size_t i = 0; i < names->count; i++) {
        char id[VEHICLE_ID_BYTES];
        if (!vehicle_find(pg, names->items[i], id, err))
            return false;
        buf_printf(&start->ids, "%s%s", i == 0 ? "" : ",", id);
    }
    buf_append_byte(&start->ids, '}');
    return buf_check(&start->ids, "the vehicles", err);
}

static bool list_all(struct pg *pg, struct start *start, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *all =
        pg_query(pg,
                 "SELECT coalesce(array_agg(v.vehicle_id ORDER BY v.name, v.client_id), '{}')::text"
                 " FROM vehicles v LEFT JOIN vehicle_sync s USING (vehicle_id) WHERE s.removed_at IS NULL",
                 NULL, 0, false, err);
    if (all == NULL)
        return false;
    buf_append_view(&start->ids, pg_value(all, 0, 0));
    return buf_check(&start->ids, "the vehicles", err);
}

/* Those of them that are in a rollout that is not over. */
static bool refuse_busy(struct pg *pg, struct start *start, struct error *err)
{
    const char *const params[] = {buf_text(&start->ids)};
    SCOPE_PG_RESULT struct pg_result *busy =
        pg_query(pg,
                 "SELECT left(string_agg(format('%s (rollout %s)', f.name, v.deployment_id), ', '"
                 " ORDER BY f.name), 300) FROM deployment_vehicles v JOIN vehicles f USING (vehicle_id)"
                 " WHERE v.vehicle_id = ANY ($1::int[]) AND v.state IN " ROLLOUT_OPEN_STATES,
                 params, 1, false, err);
    if (busy == NULL)
        return false;
    if (pg_is_null(busy, 0, 0))
        return true;
    return error_set(err, ERR_BUSY, "in another rollout that is not over: %.*s; end it with `rollout abort`",
                     VIEW_ARG(pg_value(busy, 0, 0)));
}

static bool count_vehicles(struct pg *pg, struct start *start, struct error *err)
{
    const char *const params[] = {buf_text(&start->ids)};
    SCOPE_PG_RESULT struct pg_result *count = pg_query(
        pg, "SELECT count(*) FROM vehicles WHERE vehicle_id = ANY ($1::int[]) AND transport = 'agent'",
        params, 1, false, err);
    if (count == NULL || !pg_i64(count, 0, 0, &start->vehicles, err))
        return false;
    return start->vehicles > 0 ||
           error_set(err, ERR_NOT_FOUND, "none of the vehicles takes updates: that needs --transport agent");
}

static bool choose_vehicles(struct pg *pg, struct start *start, struct error *err)
{
    bool listed = start->line->vehicles.count > 0 ? list_named(pg, start, err) : list_all(pg, start, err);
    const char *waves = start->line->waves == NULL ? waves_default : start->line->waves;
    return listed && refuse_busy(pg, start, err) && count_vehicles(pg, start, err) &&
           rollout_waves_parse(waves, start->vehicles, &start->waves, err);
}

/* ---- its rows ---- */

static void write_waves(const struct rollout_waves *waves, struct buf *out)
{
    for (size_t i = 0; i < waves->count; i++)
        buf_printf(out, "%s%" PRId64, i == 0 ? "" : ",", waves->up_to[i]);
}

static bool add_deployment(struct pg *pg, struct start *start, const char *waves, struct error *err)
{
    const struct rollout_package *package = &start->package;
    char bytes[PARAM_BYTES], healthy[PARAM_BYTES], failures[PARAM_BYTES], count[PARAM_BYTES];
    param_i64(bytes, package->bytes);
    param_i64(healthy, start->healthy_percent);
    param_i64(failures, start->max_failures);
    param_i64(count, (int64_t)start->waves.count);
    const char *const params[] = {
        package->product,
        package->version,
        package->name,
        package->sha256,
        bytes,
        package->manifest_sha256,
        package->signature,
        package->signer[0] == '\0' ? NULL : package->signer,
        package->notes,
        waves,
        count,
        healthy,
        failures,
    };
    SCOPE_PG_RESULT struct pg_result *made = pg_query(
        pg,
        "INSERT INTO deployments (product, version, package_name, package_sha256, package_bytes,"
        " manifest_sha256, signature, signer, notes, waves, wave_count, healthy_percent, max_failures)"
        " VALUES ($1, $2, $3, $4, $5::bigint, $6, $7, $8, $9, $10, $11::int, $12::int, $13::int)"
        " RETURNING deployment_id",
        params, COUNT_OF(params), false, err);
    return made != NULL && pg_i64(made, 0, 0, &start->deployment_id, err);
}

/* A vehicle's wave is the first whose number of vehicles it is within; behind the last it is not in it. */
static bool add_vehicles(struct pg *pg, struct start *start, const char *waves, struct error *err)
{
    char id[PARAM_BYTES];
    param_i64(id, start->deployment_id);
    const char *const params[] = {id, buf_text(&start->ids), waves};
    SCOPE_PG_RESULT struct pg_result *added = pg_query(
        pg,
        "WITH up_to AS (SELECT string_to_array($3, ',')::int[] AS waves), listed AS ("
        "SELECT vehicle_id, min(place) AS place FROM unnest($2::int[]) WITH ORDINALITY AS u (vehicle_id, "
        "place)"
        " GROUP BY vehicle_id), placed AS (SELECT vehicle_id, transport = 'agent' AS takes, row_number()"
        " OVER (PARTITION BY transport = 'agent' ORDER BY place) AS place FROM listed"
        " JOIN vehicles USING (vehicle_id)), sorted AS (SELECT vehicle_id, CASE WHEN takes THEN"
        " 1 + (SELECT count(*) FROM unnest(waves) AS w WHERE w < place) ELSE 0 END AS wave,"
        " cardinality(waves) AS last FROM placed, up_to)"
        " INSERT INTO deployment_vehicles (vehicle_id, deployment_id, wave, state)"
        " SELECT vehicle_id, $1::int, wave, CASE wave WHEN 0 THEN 'unsupported' WHEN 1 THEN 'due'"
        " ELSE 'waiting' END FROM sorted WHERE wave <= last",
        params, COUNT_OF(params), false, err);
    return added != NULL;
}

static bool add_rollout(struct pg *pg, struct start *start, struct error *err)
{
    SCOPE_BUF struct buf waves = BUF_LIMIT(WAVES_BYTES);
    if (!choose_vehicles(pg, start, err))
        return false;
    write_waves(&start->waves, &waves);
    const char *text = buf_text(&waves);
    return buf_check(&waves, "the waves", err) && add_deployment(pg, start, text, err) &&
           add_vehicles(pg, start, text, err);
}

/* ---- what is said ---- */

static bool say_started(struct pg *pg, const struct start *start, bool as_json, struct buf *out,
                        struct error *err)
{
    const struct rollout_package *package = &start->package;
    char id[PARAM_BYTES];
    param_i64(id, start->deployment_id);
    const char *const params[] = {id};
    SCOPE_PG_RESULT struct pg_result *others =
        pg_query(pg,
                 "SELECT f.name, f.transport FROM deployment_vehicles v JOIN vehicles f USING (vehicle_id)"
                 " WHERE v.deployment_id = $1::int AND v.state = 'unsupported' ORDER BY f.name",
                 params, 1, false, err);
    if (others == NULL)
        return false;
    if (as_json) {
        struct json_writer json;
        json_writer_init(&json, out);
        json_object(&json, NULL);
        json_i64(&json, "deployment_id", start->deployment_id);
        json_string(&json, "version", package->version);
        json_string(&json, "manifest_sha256", package->manifest_sha256);
        if (package->signer[0] != '\0')
            json_string(&json, "signer", package->signer);
        else
            json_null(&json, "signer");
        json_i64(&json, "vehicles", start->vehicles);
        json_array(&json, "waves");
        for (size_t i = 0; i < start->waves.count; i++)
            json_i64(&json, NULL, start->waves.up_to[i]);
        json_end_array(&json);
        json_array(&json, "not_reachable");
        for (size_t i = 0; i < pg_rows(others); i++)
            json_string_view(&json, NULL, pg_value(others, i, 0));
        json_end_array(&json);
        json_end_object(&json);
        buf_append_byte(out, '\n');
        return true;
    }
    buf_printf(out, "rollout %" PRId64 " of version %s begins: %" PRId64 " vehicles, in waves up to ",
               start->deployment_id, package->version, start->waves.up_to[start->waves.count - 1]);
    write_waves(&start->waves, out);
    buf_printf(
        out, "\n%s%s\n", package->signer[0] == '\0' ? "" : "signed with key ",
        package->signer[0] == '\0'
            ? "its signature was not verified: there is no UPDATE_PUBLIC_KEY_FILE; each machine does it"
            : package->signer);
    for (size_t i = 0; i < pg_rows(others); i++)
        buf_printf(out, "not reachable for updates: %.*s (%.*s)\n", VIEW_ARG(pg_value(others, i, 0)),
                   VIEW_ARG(pg_value(others, i, 1)));
    return true;
}

/* What earlier rollouts have left in ROLLOUT_DIR. */
static bool sweep(struct pg *pg, const struct command_scene *scene, struct error *err)
{
    if (!rollout_db_begin(pg, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *open =
        pg_query(pg,
                 "SELECT DISTINCT package_sha256 FROM deployments"
                 " WHERE state IN ('running', 'paused', 'aborting') AND octet_length(package_sha256) = 64",
                 NULL, 0, false, err);
    pg_rollback(pg);
    if (open == NULL)
        return false;
    size_t count = pg_rows(open);
    char(*kept)[SHA256_HEX_BYTES] = calloc(count + 1, sizeof(*kept));
    if (kept == NULL)
        return error_set(err, ERR_MEMORY, "no memory left");
    bool ok = true;
    for (size_t i = 0; ok && i < count; i++)
        ok = text_copy(kept[i], sizeof(kept[i]), pg_value(open, i, 0));
    ok = ok && rollout_package_sweep(scene->settings->rollout_dir, (const char(*)[SHA256_HEX_BYTES])kept,
                                     count, scene->clock, err);
    free(kept);
    return ok;
}

static bool start_in_transaction(struct pg *pg, struct start *start, bool as_json, struct buf *out,
                                 struct error *err)
{
    if (!rollout_db_begin(pg, err))
        return false;
    if (add_rollout(pg, start, err) && say_started(pg, start, as_json, out, err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

bool command_rollout_start(const struct command_scene *scene, struct buf *out, struct error *err)
{
    struct start start = {.line = scene->line, .ids = BUF_LIMIT(IDS_MAX_BYTES)};
    const char *key =
        scene->line->public_key != NULL ? scene->line->public_key : scene->settings->update_public_key_file;
    if (!parse_options(&start, err) ||
        !rollout_package_take(scene->line->words[0], key, scene->settings->rollout_dir, &start.package, err))
        return false;
    SCOPE_BUF struct buf said = BUF_LIMIT(IDS_MAX_BYTES);
    SCOPE_PG struct pg *pg = sync_db_open(scene->settings->db_url, err);
    bool ok = pg != NULL && start_in_transaction(pg, &start, scene->line->json, &said, err);
    struct error problem;
    if (ok)
        buf_append_view(out, buf_view(&said));
    if (ok && !sweep(pg, scene, &problem)) /* it goes on all the same */
        log_warn(scene->log, "packages of earlier rollouts stay: %s", problem.text);
    buf_clear(&start.ids);
    return ok;
}
