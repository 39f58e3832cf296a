/* What a machine says of its channels and its alarms, into PostgreSQL: sent as one JSON text, so that a
 * thousand channels cost as many round trips as one. */
#include "server_tools/central/central_postgres.h"
#include "server_tools/central/central_postgres_lines.h"

/* ---- channels ---- */

static void write_channels(struct buf *json, int64_t vehicle_id, int64_t as_of_us,
                           const struct central_description *channels, size_t count)
{
    struct json_writer lines;
    json_writer_init(&lines, json);
    json_array(&lines, NULL);
    for (size_t i = 0; i < count; i++)
        line_description(&lines, vehicle_id, as_of_us, &channels[i]);
    json_end_array(&lines);
}

bool postgres_describe(struct central *central, int64_t vehicle_id, int64_t as_of_us,
                       const struct central_description *channels, size_t count, int64_t *changed,
                       struct error *err)
{
    struct central_postgres *self = postgres_of(central);
    int64_t changes;
    SCOPE_BUF struct buf json = BUF_LIMIT(POSTGRES_LINES_MAX_BYTES);
    write_channels(&json, vehicle_id, as_of_us, channels, count);
    const char *lines = buf_text(&json);
    if (!buf_check(&json, "the descriptions of channels", err) || !postgres_begin_for(self, vehicle_id, err))
        return false;
    if (!postgres_make_channels(self->pg, lines, err) ||
        !postgres_describe_channels(self->pg, lines, clock_utc_us(central->clock), &changes, err)) {
        pg_rollback(self->pg);
        return false;
    }
    if (!pg_commit(self->pg, err))
        return false;
    *changed = changes;
    return true;
}

/* ---- alarms ---- */

static void write_alarms(struct buf *json, int64_t vehicle_id, const struct central_alarm *alarms,
                         size_t count)
{
    struct json_writer lines;
    json_writer_init(&lines, json);
    json_array(&lines, NULL);
    for (size_t i = 0; i < count; i++)
        line_alarm(&lines, vehicle_id, &alarms[i], -1);
    json_end_array(&lines);
}

/* vehicle_id, how many; no row: none. */
static bool add_lines(struct pg *pg, const char *lines, int64_t *added, struct error *err)
{
    if (!postgres_make_channels(pg, lines, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *made = postgres_write_alarms(pg, lines, err);
    if (made == NULL)
        return false;
    *added = 0;
    return pg_rows(made) == 0 || pg_i64(made, 0, 1, added, err);
}

bool postgres_add_alarms(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                         const struct central_alarm *alarms, size_t count, int64_t *added, struct error *err)
{
    struct central_postgres *self = postgres_of(central);
    int64_t new_alarms;
    SCOPE_BUF struct buf json = BUF_LIMIT(POSTGRES_LINES_MAX_BYTES);
    write_alarms(&json, vehicle_id, alarms, count);
    const char *lines = buf_text(&json);
    if (!buf_check(&json, "alarms", err) || !postgres_begin_for(self, vehicle_id, err))
        return false;
    if (!add_lines(self->pg, lines, &new_alarms, err) ||
        !postgres_move_cursor(self->pg, vehicle_id, store_id, "alarms", last_seq, err)) {
        pg_rollback(self->pg);
        return false;
    }
    if (!pg_commit(self->pg, err))
        return false;
    *added = new_alarms;
    return true;
}
