/* `rollout status|pause|resume|abort`: they change rows alone; a running service carries it out. */
#include <inttypes.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/net/json_writer.h"
#include "server_tools/sync_service/commands.h"
#include "server_tools/sync_service/keeper.h"
#include "server_tools/sync_service/listing.h"
#include "server_tools/sync_service/rollout_db.h"
#include "server_tools/sync_service/rollout_sql.h"

enum {
    NUMBER_BYTES = 24,
    SQL_BYTES = 8 * 1024,
    LISTS_BYTES = 64 * 1024 * 1024 /* 100,000 vehicles */
};

/* ---- which rollout ---- */

struct found {
    char id[NUMBER_BYTES];
    char version[RELEASE_VERSION_BYTES], state[32];
    bool by_hand; /* paused */
};

/* By its number, version, package's file name or the path of it; of several one that is not over, the newest.
 */
static bool find(struct pg *pg, const char *word, struct found *out, struct error *err)
{
    const char *slash = strrchr(word, '/');
    const char *const params[] = {word, slash == NULL ? word : slash + 1};
    SCOPE_PG_RESULT struct pg_result *rows =
        pg_query(pg,
                 "SELECT deployment_id, version, state, reason = " ROLLOUT_BY_HAND
                 " FROM deployments WHERE deployment_id::text = $1"
                 " OR version = $1 OR package_name = $2"
                 " ORDER BY state IN ('running', 'paused', 'aborting') DESC, deployment_id DESC LIMIT 1"
                 " FOR UPDATE",
                 params, COUNT_OF(params), false, err);
    if (rows == NULL)
        return false;
    if (pg_rows(rows) == 0)
        return error_set(err, ERR_NOT_FOUND, "there is no rollout of %s: `rollout status` lists them", word);
    out->by_hand = view_is(pg_value(rows, 0, 3), "t");
    return (text_copy(out->id, sizeof(out->id), pg_value(rows, 0, 0)) &&
            text_copy(out->version, sizeof(out->version), pg_value(rows, 0, 1)) &&
            text_copy(out->state, sizeof(out->state), pg_value(rows, 0, 2))) ||
           error_set(err, ERR_INTERNAL, "deployments: a version that is none");
}

/* ---- changes ---- */

/* One of pause, resume, abort. */
struct change {
    const char *word; /* for people */
    const char *from; /* states in which it can be done */
    const char *sql;
    const char *then; /* NULL: nothing more */
};

static const struct change pause_change = {
    "pause", "running",
    "UPDATE deployments SET state = 'paused', reason = " ROLLOUT_BY_HAND
    ", changed_at = now() WHERE deployment_id = $1::int",
    NULL};
/* What it was paused for by itself is accepted: those that failed, and those that left the waves so far. */
static const struct change resume_change = {
    "resume", "paused",
    "UPDATE deployment_vehicles v SET accepted_at = now() FROM deployments d WHERE d.deployment_id = $1::int"
    " AND v.deployment_id = d.deployment_id AND d.reason <> " ROLLOUT_BY_HAND
    " AND (" ROLLOUT_COUNTS_AS_FAILED
    " OR (v.state = 'withdrawn' AND v.accepted_at IS NULL AND v.wave BETWEEN 1 AND d.wave))",
    "UPDATE deployments d SET state = 'running', reason = '', changed_at = now(), failures_accepted ="
    " (SELECT count(*) FROM deployment_vehicles v WHERE v.deployment_id = d.deployment_id"
    " AND v.accepted_at IS NOT NULL AND v.state IN " ROLLOUT_FAILED_STATES ") WHERE deployment_id = $1::int"};
static const struct change abort_change = {
    "abort", "running paused",
    "UPDATE deployments SET state = 'aborting', reason = 'by hand', changed_at = now() WHERE deployment_id = "
    "$1::int",
    ROLLOUT_SQL_WITHDRAW};

static bool run_for(struct pg *pg, const char *sql, const struct found *found, struct error *err)
{
    const char *const params[] = {found->id};
    SCOPE_PG_RESULT struct pg_result *done = sql == NULL ? NULL : pg_query(pg, sql, params, 1, false, err);
    return sql == NULL || done != NULL;
}

static bool change_found(struct pg *pg, const char *word, const struct change *change, struct found *found,
                         struct error *err)
{
    if (!find(pg, word, found, err))
        return false;
    if (strstr(change->from, found->state) == NULL)
        return error_set(err, ERR_BUSY, "rollout %s of %s is %s: there is nothing to %s", found->id,
                         found->version, found->state, change->word);
    return run_for(pg, change->sql, found, err) && run_for(pg, change->then, found, err);
}

static bool change_rollout(const struct command_scene *scene, const struct change *change,
                           struct found *found, struct error *err)
{
    SCOPE_PG struct pg *pg = sync_db_open(scene->settings->db_url, err);
    if (pg == NULL || !rollout_db_begin(pg, err))
        return false;
    if (change_found(pg, scene->line->words[0], change, found, err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

/* The object is left open. */
static void begin_json(const struct found *found, const char *state, struct json_writer *json,
                       struct buf *out)
{
    json_writer_init(json, out);
    json_object(json, NULL);
    json_raw_text(json, "deployment_id", view_of(found->id));
    json_string(json, "version", found->version);
    json_string(json, "state", state);
}

static void print_change(const struct found *found, const char *state, struct buf *out)
{
    struct json_writer json;
    begin_json(found, state, &json, out);
    json_end_object(&json);
    buf_append_byte(out, '\n');
}

bool command_rollout_pause(const struct command_scene *scene, struct buf *out, struct error *err)
{
    struct found found;
    if (!change_rollout(scene, &pause_change, &found, err))
        return false;
    if (scene->line->json)
        print_change(&found, "paused", out);
    else
        buf_printf(out,
                   "rollout %s of %s is paused: nothing more is delivered; what is queued stays queued\n",
                   found.id, found.version);
    return true;
}

bool command_rollout_resume(const struct command_scene *scene, struct buf *out, struct error *err)
{
    struct found found;
    if (!change_rollout(scene, &resume_change, &found, err))
        return false;
    if (scene->line->json)
        print_change(&found, "running", out);
    else
        buf_printf(out, "rollout %s of %s goes on%s\n", found.id, found.version,
                   found.by_hand ? "" : "; the failures so far are accepted");
    return true;
}

/* ---- what is shown ---- */

#define NAMES(state_condition)                                                                               \
    "SELECT f.name, v.state, v.reason, " LISTING_TIME(                                                       \
        "v.changed_at") " AS since FROM deployment_vehicles v"                                               \
                        " JOIN vehicles f USING (vehicle_id) WHERE v.deployment_id = %s "                    \
                        "AND " state_condition " ORDER BY f.name"

#define ROLLOUT_TIMES                                                                                        \
    LISTING_TIME("d.created_at") " AS created_at, " LISTING_TIME("d.finished_at") " AS finished_at"

static const char rollouts_sql[] =
    "SELECT d.deployment_id, d.version, d.state, d.reason, d.wave, d.wave_count, d.waves, d.healthy_percent,"
    " d.max_failures, c.*, d.package_name, d.signer, " ROLLOUT_TIMES " FROM deployments d, LATERAL (SELECT"
    " count(*) FILTER (WHERE v.wave > 0) AS vehicles,"
    " count(*) FILTER (WHERE v.state = 'healthy') AS healthy,"
    " count(*) FILTER (WHERE " ROLLOUT_WAITS_FOR_OPERATOR ") AS waiting_for_operator,"
    " count(*) FILTER (WHERE v.state IN " ROLLOUT_FAILED_STATES ") AS failed,"
    " count(*) FILTER (WHERE v.state IN " ROLLOUT_FAILED_STATES " AND v.accepted_at IS NOT NULL) AS accepted,"
    " count(*) FILTER (WHERE v.state IN " ROLLOUT_OPEN_STATES " AND v.problem <> '') AS with_problem"
    " FROM deployment_vehicles v WHERE v.deployment_id = d.deployment_id) c";
static const char rollouts_columns[] = "deployment_id,version,state,reason,wave,wave_count,vehicles,healthy,"
                                       "waiting_for_operator,failed,accepted,with_problem";

#define VEHICLE_TIMES                                                                                        \
    LISTING_TIME("v.offered_at")                                                                             \
    " AS offered_at, " LISTING_TIME("v.changed_at") " AS changed_at, " LISTING_TIME(                         \
        "v.looked_at") " AS looked_at, " LISTING_TIME("v.accepted_at") " AS accepted_at"

static const char vehicles_sql[] =
    "SELECT f.name, f.client_id, v.wave, v.state, v.waiting_for, v.reason, v.detail, v.problem,"
    " v.previous_version, f.software_version, " VEHICLE_TIMES
    " FROM deployment_vehicles v JOIN vehicles f USING (vehicle_id)"
    " WHERE v.deployment_id = %s ORDER BY v.wave = 0, v.wave, f.name";

static bool show(struct pg *pg, const struct command_scene *scene, const struct found *found, struct buf *out,
                 struct error *err)
{
    SCOPE_BUF struct buf rollout = BUF_LIMIT(SQL_BYTES);
    SCOPE_BUF struct buf waiting = BUF_LIMIT(SQL_BYTES);
    SCOPE_BUF struct buf vehicles = BUF_LIMIT(SQL_BYTES);
    buf_printf(&rollout, "%s WHERE d.deployment_id = %s", rollouts_sql, found->id);
    buf_printf(&waiting, NAMES(ROLLOUT_WAITS_FOR_OPERATOR), found->id);
    buf_printf(&vehicles, vehicles_sql, found->id);
    const struct listing listings[] = {
        {"rollouts", buf_text(&rollout), rollouts_columns, "-"},
        {"waiting_for_operator", buf_text(&waiting), "name,since", "nobody has to approve it at this moment"},
        {"vehicles", buf_text(&vehicles), "name,wave,state,waiting_for,reason,problem,changed_at,accepted_at",
         "-"},
    };
    if (!buf_check(&rollout, "a query", err) || !buf_check(&waiting, "a query", err) ||
        !buf_check(&vehicles, "a query", err))
        return false;
    return listing_print(pg, listings, COUNT_OF(listings), scene->line->json, out, err);
}

static bool find_alone(struct pg *pg, const char *word, struct found *found, struct error *err)
{
    if (!rollout_db_begin(pg, err))
        return false;
    bool ok = find(pg, word, found, err);
    pg_rollback(pg);
    return ok;
}

bool command_rollout_status(const struct command_scene *scene, struct buf *out, struct error *err)
{
    struct found found;
    SCOPE_BUF struct buf all = BUF_LIMIT(SQL_BYTES);
    SCOPE_PG struct pg *pg = sync_db_open(scene->settings->db_url, err);
    if (pg == NULL)
        return false;
    if (scene->line->word_count > 0)
        return find_alone(pg, scene->line->words[0], &found, err) && show(pg, scene, &found, out, err);
    buf_printf(&all, "%s ORDER BY d.deployment_id DESC LIMIT 50", rollouts_sql);
    const struct listing listing = {"rollouts", buf_text(&all), rollouts_columns,
                                    "no rollouts yet: `sync_service rollout start PACKAGE` begins one"};
    return buf_check(&all, "a query", err) && listing_print(pg, &listing, 1, scene->line->json, out, err);
}

/* Who has it, and who gives it back: members of the object, or tables. */
static bool list_aborted(const struct command_scene *scene, const struct found *found, struct buf *out,
                         struct error *err)
{
    SCOPE_BUF struct buf applied = BUF_LIMIT(SQL_BYTES);
    SCOPE_BUF struct buf leaving = BUF_LIMIT(SQL_BYTES);
    SCOPE_PG struct pg *pg = sync_db_open(scene->settings->db_url, err);
    if (pg == NULL)
        return false;
    buf_printf(&applied, NAMES("v.state IN ('healthy', 'approved', 'applying')"), found->id);
    buf_printf(&leaving, NAMES("v.state = 'withdrawing'"), found->id);
    const struct listing listings[] = {
        {"applied", buf_text(&applied), "name,state,since", "none has it"},
        {"withdrawing", buf_text(&leaving), "name,since", "none has it queued"},
    };
    return buf_check(&applied, "a query", err) && buf_check(&leaving, "a query", err) &&
           listing_print(pg, listings, COUNT_OF(listings), scene->line->json, out, err);
}

bool command_rollout_abort(const struct command_scene *scene, struct buf *out, struct error *err)
{
    struct found found;
    struct json_writer json;
    SCOPE_BUF struct buf lists = BUF_LIMIT(LISTS_BYTES);
    if (!change_rollout(scene, &abort_change, &found, err) || !list_aborted(scene, &found, &lists, err))
        return false;
    struct view shown = buf_view(&lists);
    if (scene->line->json) {
        begin_json(&found, "aborting", &json, out);
        buf_append_byte(out, ',');
        shown = (struct view){shown.data + 1, shown.size - 1}; /* behind its { */
    } else {
        buf_printf(out,
                   "rollout %s of %s is aborted. Those that have it stay as they are (`updater rollback`"
                   " on the machine goes back):\n\n",
                   found.id, found.version);
    }
    buf_append_view(out, shown);
    return true;
}
