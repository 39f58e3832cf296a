/* `vehicle add|list|set|remove`: who belongs to the fleet, and how each is reached. */
#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/store/pg.h"
#include "server_tools/sync_service/commands.h"
#include "server_tools/sync_service/keeper.h"
#include "server_tools/sync_service/listing.h"

enum { PORT_MAX = 65535, SILENT_MIN_S = 10, SILENT_MAX_S = 30 * 24 * 3600, DESCRIPTION_BYTES = 8 * 1024 };

/* ---- what may be set ---- */

static bool is_one_of(const char *value, const char *choices, struct error *err)
{
    struct view rest = view_of(choices);
    while (rest.size > 0) {
        if (view_is(text_cut(&rest, '|'), value))
            return true;
    }
    return error_set(err, ERR_USAGE, "expected one of %s", choices);
}

static bool check_number(const char *value, int64_t min, int64_t max, struct error *err)
{
    int64_t number;
    return text_parse_i64(view_of(value), min, max, &number) ||
           error_set(err, ERR_USAGE, "expected a whole number from %d to %d", (int)min, (int)max);
}

static bool check_text(const char *value, struct error *err)
{
    struct view text = view_of(value);
    for (size_t i = 0; i < text.size; i++) {
        if ((unsigned char)text.data[i] < ' ' || text.data[i] == 0x7f)
            return error_set(err, ERR_USAGE, "expected a text without control characters");
    }
    return (text.size < VEHICLE_NAME_BYTES && text_is_utf8(text)) ||
           error_set(err, ERR_USAGE, "expected UTF-8 of at most %d bytes", VEHICLE_NAME_BYTES - 1);
}

static bool check_name(const char *value, struct error *err)
{
    return check_text(value, err) && (value[0] != '\0' || error_set(err, ERR_USAGE, "expected a name"));
}
static bool check_transport(const char *value, struct error *err)
{
    return is_one_of(value, "agent|outbound|push", err);
}
static bool check_kind(const char *value, struct error *err)
{
    return is_one_of(value, "vehicle|plant|tracker|robot", err);
}
static bool check_yes_no(const char *value, struct error *err)
{
    return is_one_of(value, "yes|no", err);
}
static bool check_port(const char *value, struct error *err)
{
    return check_number(value, 1, PORT_MAX, err);
}
static bool check_silent(const char *value, struct error *err)
{
    return check_number(value, SILENT_MIN_S, SILENT_MAX_S, err);
}
static bool check_client_id(const char *value, struct error *err)
{
    return central_client_id_ok(value) || error_set(err, ERR_USAGE, "expected 1 to 64 of A-Z a-z 0-9 . _ -");
}
static bool check_fingerprint(const char *value, struct error *err)
{
    unsigned char bytes[SHA256_HEX_BYTES / 2];
    bool lower = strspn(value, "0123456789abcdef") == strlen(value);
    return (lower && text_hex_decode(view_of(value), bytes, SHA256_HEX_BYTES / 2)) ||
           error_set(err, ERR_USAGE, "expected the agent_id: 64 lowercase hexadecimal digits");
}

/* One option -> one column. The first group is in `vehicles`, the second in `vehicle_sync`. */
struct setting {
    const char *option, *column, *type;
    size_t offset; /* into struct command_line */
    bool (*check)(const char *value, struct error *err);
    bool in_sync;
};
#define FROM(field) offsetof(struct command_line, field)
static const struct setting settings[] = {
    {"name", "name", "text", FROM(name), check_name, false},
    {"host", "host", "text", FROM(host), vehicle_host_ok, false},
    {"transport", "transport", "text", FROM(transport), check_transport, false},
    {"kind", "kind", "text", FROM(kind), check_kind, false},
    {"agent-port", "agent_port", "int", FROM(agent_port), check_port, false},
    {"api-port", "api_port", "int", FROM(api_port), check_port, false},
    {"api-key", "api_key", "text", FROM(api_key), check_text, false},
    {"client-id", "client_id", "text", FROM(client_id), check_client_id, false},
    {"fingerprint", "agent_id", "text", FROM(fingerprint), check_fingerprint, false},
    {"accept-new-host", "accept_new_agent", "boolean", FROM(accept_new_host), check_yes_no, true},
    {"silent-after", "silent_after_s", "int", FROM(silent_after), check_silent, true},
};

static const char *typed(const struct command_line *line, const struct setting *setting)
{
    return *(const char *const *)((const char *)line + setting->offset);
}

static bool check_all(const struct command_line *line, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const char *value = typed(line, &settings[i]);
        if (value != NULL && !settings[i].check(value, err))
            return error_wrap(err, "--%s", settings[i].option);
    }
    return true;
}

/* UPDATE table SET column = $2, ... WHERE vehicle_id = $1, of what was typed; nothing typed: nothing done. An
 * empty text is NULL. */
static bool update(struct pg *pg, const struct command_line *line, const char *vehicle_id, bool in_sync,
                   struct error *err)
{
    SCOPE_BUF struct buf sql = BUF_LIMIT(4096);
    const char *params[COUNT_OF(settings) + 1] = {vehicle_id};
    size_t count = 1;
    buf_printf(&sql, "UPDATE %s SET ", in_sync ? "vehicle_sync" : "vehicles");
    for (size_t i = 0; i < COUNT_OF(settings); i++) {
        const char *value = typed(line, &settings[i]);
        if (value == NULL || settings[i].in_sync != in_sync)
            continue;
        params[count++] = value[0] == '\0' ? NULL : value;
        buf_printf(&sql, "%s%s = $%zu::%s", count == 2 ? "" : ", ", settings[i].column, count,
                   settings[i].type);
    }
    if (count == 1)
        return true;
    buf_printf(&sql, " WHERE vehicle_id = $1::int");
    const char *text = buf_text(&sql);
    if (!buf_check(&sql, "the settings", err))
        return false;
    SCOPE_PG_RESULT struct pg_result *result = pg_query(pg, text, params, count, false, err);
    if (result != NULL)
        return true;
    return err->code == ERR_CHANGED ? error_set(err, ERR_EXISTS, "another vehicle has that client id")
                                    : false;
}

/* ---- transactions ---- */

/* id: of the vehicle. */
typedef bool change(struct pg *pg, const struct command_scene *scene, char id[VEHICLE_ID_BYTES],
                    struct error *err);

static bool describe(struct pg *pg, const char *id, struct buf *out, struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *row =
        pg_query(pg,
                 "SELECT row_to_json(v) FROM (SELECT vehicle_id, client_id, name FROM vehicles"
                 " WHERE vehicle_id = $1::int) AS v",
                 &id, 1, false, err);
    if (row == NULL)
        return false;
    buf_append_view(out, pg_value(row, 0, 0));
    buf_append_byte(out, '\n');
    return buf_check(out, "the vehicle", err);
}

/* As every writer of the fleet: in a transaction that says who it is. */
static bool in_transaction(const struct command_scene *scene, change *run, struct buf *json,
                           struct error *err)
{
    char id[VEHICLE_ID_BYTES];
    SCOPE_PG struct pg *pg = sync_db_open(scene->settings->db_url, err);
    if (pg == NULL || !pg_begin(pg, err))
        return false;
    if (pg_exec(pg, "SELECT set_config('app.user_role', 'superuser', true)", err) &&
        run(pg, scene, id, err) && describe(pg, id, json, err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

/* word, rest: what is said before and behind its name. */
static bool change_vehicle(const struct command_scene *scene, change *run, const char *word, const char *rest,
                           struct buf *out, struct error *err)
{
    SCOPE_BUF struct buf json = BUF_LIMIT(DESCRIPTION_BYTES);
    if (!in_transaction(scene, run, &json, err))
        return false;
    if (scene->line->json)
        buf_append_view(out, buf_view(&json));
    else
        buf_printf(out, "%s %s%s\n", word, scene->line->words[0], rest);
    return true;
}

bool vehicle_find(struct pg *pg, const char *name, char id[VEHICLE_ID_BYTES], struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *result = pg_query(
        pg,
        "SELECT v.vehicle_id, v.client_id = $1 FROM vehicles v LEFT JOIN vehicle_sync s USING (vehicle_id)"
        " WHERE (v.client_id = $1 OR v.name = $1) AND s.removed_at IS NULL"
        " ORDER BY v.client_id = $1 DESC LIMIT 2",
        &name, 1, false, err);
    if (result == NULL)
        return false;
    if (pg_rows(result) == 0)
        return error_set(err, ERR_NOT_FOUND, "there is no vehicle %s: `sync_service vehicle list` names them",
                         name);
    if (pg_rows(result) == 2 && !view_is(pg_value(result, 0, 1), "t"))
        return error_set(err, ERR_USAGE, "more than one vehicle has the name %s: say its client id", name);
    return text_copy(id, VEHICLE_ID_BYTES, pg_value(result, 0, 0)) ||
           error_set(err, ERR_INTERNAL, "its number");
}

/* ---- add ---- */

/* One that comes back is what it was, which nobody may have in mind any more. */
static void say_transport(const struct command_scene *scene, struct view transport)
{
    const char *name = scene->line->words[0];
    if (scene->line->transport == NULL && !view_is(transport, "outbound"))
        log_warn(
            scene->log,
            "%s comes back with the transport %.*s that it had: `sync_service vehicle set %s --transport "
            "agent|outbound|push` changes that",
            name, VIEW_ARG(transport), name);
}

static bool make(struct pg *pg, const struct command_scene *scene, char vehicle_id[VEHICLE_ID_BYTES],
                 struct error *err)
{
    const struct command_line *line = scene->line;
    const char *name = line->words[0];
    const char *client_id = line->client_id != NULL ? line->client_id : name;
    const char *const params[] = {client_id, name};
    SCOPE_PG_RESULT struct pg_result *made =
        pg_query(pg,
                 "INSERT INTO vehicles (client_id, name, transport) VALUES ($1, $2, 'outbound')"
                 " ON CONFLICT (client_id) DO UPDATE SET name = excluded.name, added_at = excluded.added_at"
                 " WHERE EXISTS (SELECT FROM vehicle_sync s WHERE s.vehicle_id = vehicles.vehicle_id"
                 " AND s.removed_at IS NOT NULL) RETURNING vehicle_id, transport",
                 params, COUNT_OF(params), false, err);
    if (made == NULL)
        return false;
    if (pg_rows(made) == 0)
        return error_set(err, ERR_EXISTS,
                         "there is a vehicle %s already: `sync_service vehicle set` changes it", client_id);
    if (!text_copy(vehicle_id, VEHICLE_ID_BYTES, pg_value(made, 0, 0)))
        return error_set(err, ERR_INTERNAL, "its number");
    say_transport(scene, pg_value(made, 0, 1));
    const char *id = vehicle_id;
    SCOPE_PG_RESULT struct pg_result *state =
        pg_query(pg,
                 "INSERT INTO vehicle_sync (vehicle_id) VALUES ($1::int)"
                 " ON CONFLICT (vehicle_id) DO UPDATE SET removed_at = NULL",
                 &id, 1, false, err);
    return state != NULL && update(pg, line, vehicle_id, false, err) &&
           update(pg, line, vehicle_id, true, err);
}

bool command_vehicle_add(const struct command_scene *scene, struct buf *out, struct error *err)
{
    const struct command_line *line = scene->line;
    const char *client_id = line->client_id != NULL ? line->client_id : line->words[0];
    if (line->host == NULL && (line->transport == NULL || strcmp(line->transport, "push") != 0))
        return error_set(err, ERR_USAGE, "vehicle add needs --host HOST");
    if (!check_name(line->words[0], err) || !check_all(line, err))
        return false;
    if (!check_client_id(client_id, err))
        return error_wrap(err, "the client id `%s` (say another one with --client-id)", client_id);
    return change_vehicle(scene, make, "added", "", out, err);
}

/* ---- set, remove ---- */

static bool alter(struct pg *pg, const struct command_scene *scene, char vehicle_id[VEHICLE_ID_BYTES],
                  struct error *err)
{
    const struct command_line *line = scene->line;
    if (!vehicle_find(pg, line->words[0], vehicle_id, err))
        return false;
    const char *id = vehicle_id;
    SCOPE_PG_RESULT struct pg_result *state =
        pg_query(pg, "INSERT INTO vehicle_sync (vehicle_id) VALUES ($1::int) ON CONFLICT DO NOTHING", &id, 1,
                 false, err);
    return state != NULL && update(pg, line, vehicle_id, false, err) &&
           update(pg, line, vehicle_id, true, err);
}

bool command_vehicle_set(const struct command_scene *scene, struct buf *out, struct error *err)
{
    return check_all(scene->line, err) && change_vehicle(scene, alter, "changed", "", out, err);
}

static bool take_out(struct pg *pg, const struct command_scene *scene, char vehicle_id[VEHICLE_ID_BYTES],
                     struct error *err)
{
    const struct command_line *line = scene->line;
    if (!vehicle_find(pg, line->words[0], vehicle_id, err))
        return false;
    const char *id = vehicle_id;
    SCOPE_PG_RESULT struct pg_result *marked =
        pg_query(pg,
                 "INSERT INTO vehicle_sync (vehicle_id, removed_at) VALUES ($1::int, now())"
                 " ON CONFLICT (vehicle_id) DO UPDATE SET removed_at = now()",
                 &id, 1, false, err);
    return marked != NULL;
}

bool command_vehicle_remove(const struct command_scene *scene, struct buf *out, struct error *err)
{
    return change_vehicle(
        scene, take_out, "removed",
        ": it is not pulled any more. What came home stays; `vehicle add` with its client id"
        " brings it back",
        out, err);
}

/* ---- list ---- */

bool command_vehicle_list(const struct command_scene *scene, struct buf *out, struct error *err)
{
    static const struct listing listing = {
        .member = "vehicles",
        .sql = "SELECT v.name, v.client_id, v.kind, v.transport, v.host,"
               " CASE v.transport WHEN 'agent' THEN coalesce(v.agent_port, 9876) WHEN 'outbound' THEN "
               "v.api_port END AS port,"
               " v.api_key IS NOT NULL AS own_key, v.agent_id, v.software_version, v.sync_status,"
               " " LISTING_TIME("v.last_seen_at") " AS last_seen_at, " LISTING_TIME(
                   "v.last_sync_at") " AS last_sync_at FROM vehicles v LEFT JOIN vehicle_sync s USING "
                                     "(vehicle_id)"
                                     " WHERE s.removed_at IS NULL ORDER BY v.name, v.client_id",
        .columns = "name,transport,host,port,sync_status,software_version,last_seen_at,last_sync_at",
        .empty = "no vehicles yet: `sync_service vehicle add NAME --host HOST` adds one",
    };
    SCOPE_PG struct pg *pg = sync_db_open(scene->settings->db_url, err);
    return pg != NULL && listing_print(pg, &listing, 1, scene->line->json, out, err);
}
