#include "server_tools/sync_service/keeper_vehicles.h"

#include <stdlib.h>

#include "common/base/text.h"

enum { PORT_MAX = 65535 };

static const char *const transport_words[] = {
    [TRANSPORT_AGENT] = "agent",
    [TRANSPORT_OUTBOUND] = "outbound",
    [TRANSPORT_PUSH] = "push",
};

const char *transport_word(enum transport transport)
{
    return transport_words[transport];
}

/* ---- what is asked ---- */

/* The order of texts and numbers below. 'infinity' is a time that somebody may have written by hand. */
static const char select_vehicles[] =
    "SELECT here.client_id, here.name, coalesce(here.host, ''), coalesce(here.api_key, ''),"
    " coalesce(here.agent_id, ''), coalesce(sync.store_id, ''), here.transport, here.vehicle_id,"
    " coalesce(here.agent_port, 9876), here.api_port, coalesce(sync.accept_new_agent, false)::int,"
    " coalesce(sync.silent_after_s, 0), us[1], us[2], us[3], coalesce(readings.seq, 0),"
    " coalesce(alarms.seq, 0), coalesce(sync.live_after_seq, -1), coalesce(sync.live_seq, -1),"
    " sync.clock_offset_ms * 1000, us[4], us[5],"
    " (SELECT count(*) FROM (SELECT FROM measurements_quarantine AS future"
    " WHERE future.vehicle_id = here.vehicle_id LIMIT 100000) AS waiting)"
    " FROM vehicles AS here LEFT JOIN vehicle_sync AS sync USING (vehicle_id)"
    " LEFT JOIN sync_cursor AS readings ON readings.vehicle_id = here.vehicle_id"
    " AND readings.store_id = sync.store_id AND readings.stream = 'readings'"
    " LEFT JOIN sync_cursor AS alarms ON alarms.vehicle_id = here.vehicle_id"
    " AND alarms.store_id = sync.store_id AND alarms.stream = 'alarms'"
    " CROSS JOIN LATERAL (SELECT array_agg(CASE WHEN isfinite(time)"
    " THEN (extract(epoch FROM time) * 1000000)::bigint END ORDER BY nr) AS us"
    " FROM unnest(ARRAY[here.last_sync_at, sync.live_from, sync.live_to, sync.clock_checked_at,"
    " here.last_seen_at]) WITH ORDINALITY AS times (time, nr)) AS micros"
    " WHERE here.transport <> 'push' AND sync.removed_at IS NULL"
    " AND ($1::text IS NULL OR EXISTS (SELECT FROM vehicle_leases AS lease"
    " WHERE lease.vehicle_id = here.vehicle_id AND lease.holder = $1))"
    " AND ($2::text IS NULL OR here.client_id = $2 OR here.name = $2) ORDER BY here.vehicle_id";

static const struct {
    const char *column;
    size_t offset, bytes;
} texts[] = {
    {"client_id", offsetof(struct vehicle, client_id), sizeof(((struct vehicle *)0)->client_id)},
    {"name", offsetof(struct vehicle, name), sizeof(((struct vehicle *)0)->name)},
    {"host", offsetof(struct vehicle, host), sizeof(((struct vehicle *)0)->host)},
    {"api_key", offsetof(struct vehicle, api_key), sizeof(((struct vehicle *)0)->api_key)},
    {"agent_id", offsetof(struct vehicle, agent_id), sizeof(((struct vehicle *)0)->agent_id)},
    {"store_id", offsetof(struct vehicle, store_id), sizeof(((struct vehicle *)0)->store_id)},
};

/* Columns behind the texts. */
enum {
    COLUMN_TRANSPORT = COUNT_OF(texts),
    COLUMN_VEHICLE_ID,
    COLUMN_AGENT_PORT,
    COLUMN_API_PORT,
    COLUMN_ACCEPT,
    COLUMN_NUMBERS,
};

static const size_t numbers[] = {
    offsetof(struct vehicle, silent_after_s),  offsetof(struct vehicle, last_sync_us),
    offsetof(struct vehicle, live_from_us),    offsetof(struct vehicle, live_to_us),
    offsetof(struct vehicle, cursor_seq),      offsetof(struct vehicle, alarms_seq),
    offsetof(struct vehicle, live_after_seq),  offsetof(struct vehicle, live_seq),
    offsetof(struct vehicle, clock_offset_us), offsetof(struct vehicle, checked_us),
    offsetof(struct vehicle, last_seen_us),    offsetof(struct vehicle, quarantined),
};

/* ---- what comes ---- */

/* What is too long is cut, and vehicle_check says so: not here, where only the log would hear of it. */
static void read_texts(const struct pg_result *result, size_t row, struct vehicle *vehicle)
{
    vehicle->too_long = NULL;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        char *text = (char *)vehicle + texts[i].offset;
        struct view value = pg_value(result, row, i);
        if (text_copy(text, texts[i].bytes, value))
            continue;
        vehicle->too_long = texts[i].column;
        memcpy(text, value.data, texts[i].bytes - 1);
        text_make_printable(text);
    }
}

static bool read_port(const struct pg_result *result, size_t row, size_t column, uint16_t *port,
                      struct error *err)
{
    int64_t value;
    if (!pg_i64(result, row, column, &value, err))
        return false;
    *port = value < 1 || value > PORT_MAX ? 0 : (uint16_t)value;
    return true;
}

static bool read_transport(struct view word, enum transport *transport, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(transport_words); i++) {
        if (!view_is(word, transport_words[i]))
            continue;
        *transport = (enum transport)i;
        return true;
    }
    return error_set(err, ERR_INPUT, "`%.*s` is no transport", VIEW_ARG(word));
}

static bool read_numbers(const struct pg_result *result, size_t row, struct vehicle *vehicle,
                         struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(numbers); i++) {
        int64_t value = INT64_MIN;
        if (!pg_is_null(result, row, COLUMN_NUMBERS + i) &&
            !pg_i64(result, row, COLUMN_NUMBERS + i, &value, err))
            return false;
        memcpy((char *)vehicle + numbers[i], &value, sizeof(value));
    }
    return true;
}

static bool read_vehicle(const struct pg_result *result, size_t row, struct vehicle *vehicle,
                         struct error *err)
{
    int64_t accept;
    if (!pg_i64(result, row, COLUMN_VEHICLE_ID, &vehicle->vehicle_id, err) ||
        !pg_i64(result, row, COLUMN_ACCEPT, &accept, err))
        return false;
    vehicle->accept_new_agent = accept != 0;
    read_texts(result, row, vehicle);
    return (read_transport(pg_value(result, row, COLUMN_TRANSPORT), &vehicle->transport, err) &&
            read_port(result, row, COLUMN_AGENT_PORT, &vehicle->agent_port, err) &&
            read_port(result, row, COLUMN_API_PORT, &vehicle->api_port, err) &&
            read_numbers(result, row, vehicle, err)) ||
           error_wrap(err, "vehicle %lld", (long long)vehicle->vehicle_id);
}

bool vehicles_read(struct pg *pg, const char *holder, const char *only, struct vehicle **vehicles,
                   size_t *count, size_t *unfit, struct error *why, struct error *err)
{
    const char *const params[] = {holder, only};
    SCOPE_PG_RESULT struct pg_result *result =
        pg_query(pg, select_vehicles, params, COUNT_OF(params), false, err);
    if (result == NULL)
        return false;
    size_t rows = pg_rows(result);
    struct vehicle *list = calloc(rows + 1, sizeof(*list));
    if (list == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for %zu vehicles", rows);
    *count = 0;
    *unfit = 0;
    for (size_t row = 0; row < rows; row++) {
        struct error problem;
        if (read_vehicle(result, row, &list[*count], &problem)) {
            ++*count;
        } else if (++*unfit == 1) {
            *why = problem;
        }
    }
    *vehicles = list;
    return true;
}
