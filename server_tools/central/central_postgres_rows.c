/* Readings into PostgreSQL. The keys that are there already in the ranges of a batch are read once; what is
 * new goes by COPY straight into the table. Should somebody else have added some of it meanwhile, all goes
 * through a staging table. */
#include <endian.h>
#include <math.h>
#include <stdio.h>

#include "server_tools/central/central_postgres.h"

#define POSTGRES_EPOCH_US INT64_C(946684800000000) /* 2000-01-01T00:00:00Z: where timestamptz counts from */

enum {
    KEYS_MAX = 4 * CENTRAL_BATCH_ROWS, /* more than that in a batch's ranges: not worth reading */
    RANGES_MAX_BYTES = CENTRAL_BATCH_ROWS * PARAM_BYTES,
    COPY_SQL_BYTES = 128,
    /* COPY BINARY (https://www.postgresql.org/docs/15/sql-copy.html): int16 fields; each int32 size, value */
    COPY_FIELDS = 4,
    COPY_ROW_BYTES = 2 + 4 + 4 + 4 + 4 + 4 + 8 + 4 + 8,
};

/* Named wherever rows go in: the operator's own columns behind them are nobody's business. */
#define COLUMNS "vehicle_id, channel_id, time, value"

static const char copy_header[19] = "PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0";
static const char copy_trailer[2] = "\377\377";

struct addition {
    struct central_postgres *self;
    int64_t vehicle_id;
    const char *store_id;
    int64_t last_seq;
    const struct central_row *rows;
    size_t count;
};

/* ---- what is there already ---- */

/* Of each channel its first and last time, as three arrays of PostgreSQL. */
static bool write_ranges(const struct addition *addition, struct buf ranges[3], struct error *err)
{
    const struct central_row *rows = addition->rows;
    for (size_t i = 0; i < 3; i++)
        buf_append_byte(&ranges[i], '{');
    for (size_t i = 0; i < addition->count; i++) {
        char text[PARAM_BYTES];
        const char *comma = i > 0 ? "," : "";
        bool first = i == 0 || rows[i - 1].channel_id != rows[i].channel_id;
        bool last = i + 1 == addition->count || rows[i + 1].channel_id != rows[i].channel_id;
        if (first) {
            buf_printf(&ranges[0], "%s%d", comma, rows[i].channel_id);
            buf_printf(&ranges[1], "%s%s", comma, param_time(text, rows[i].time_us));
        }
        if (last)
            buf_printf(&ranges[2], "%s%s", ranges[2].size > 1 ? "," : "", param_time(text, rows[i].time_us));
    }
    for (size_t i = 0; i < 3; i++) {
        buf_append_byte(&ranges[i], '}');
        if (!buf_check(&ranges[i], "a batch's ranges", err))
            return false;
    }
    return true;
}

static void find_period(const struct addition *addition, int64_t *first_us, int64_t *last_us)
{
    *first_us = INT64_MAX;
    *last_us = INT64_MIN;
    for (size_t i = 0; i < addition->count; i++) {
        int64_t time_us = addition->rows[i].time_us;
        *first_us = time_us < *first_us ? time_us : *first_us;
        *last_us = time_us > *last_us ? time_us : *last_us;
    }
}

/* channel_id, time (binary) of the vehicle's readings in the batch's ranges, in the batch's own order; at
 * most KEYS_MAX + 1. The period says once more what the ranges say, so that other months are left out of the
 * plan. */
static struct pg_result *read_keys(const struct addition *addition, struct error *err)
{
    struct buf ranges[3] = {BUF_LIMIT(RANGES_MAX_BYTES), BUF_LIMIT(RANGES_MAX_BYTES),
                            BUF_LIMIT(RANGES_MAX_BYTES)};
    char id[PARAM_BYTES];
    char first[PARAM_BYTES];
    char last[PARAM_BYTES];
    char limit[PARAM_BYTES];
    int64_t first_us;
    int64_t last_us;
    struct pg_result *keys = NULL;
    find_period(addition, &first_us, &last_us);
    if (write_ranges(addition, ranges, err)) {
        const char *const params[] = {param_i64(id, addition->vehicle_id),
                                      buf_text(&ranges[0]),
                                      buf_text(&ranges[1]),
                                      buf_text(&ranges[2]),
                                      param_time(first, first_us),
                                      param_time(last, last_us),
                                      param_i64(limit, KEYS_MAX + 1)};
        keys = pg_query(
            addition->self->pg,
            "SELECT known.channel_id, known.time"
            " FROM unnest($2::int[], $3::timestamptz[], $4::timestamptz[]) AS here (channel_id, first, last)"
            " CROSS JOIN LATERAL (SELECT channel_id, time FROM measurements WHERE vehicle_id = $1::int"
            " AND channel_id = here.channel_id AND time BETWEEN here.first AND here.last"
            " AND time BETWEEN $5::timestamptz AND $6::timestamptz ORDER BY time) AS known"
            " LIMIT $7::bigint",
            params, COUNT_OF(params), true, err);
    }
    for (size_t i = 0; i < 3; i++)
        buf_clear(&ranges[i]);
    return keys;
}

static struct central_row key_at(const struct pg_result *keys, size_t row)
{
    uint32_t channel_id;
    uint64_t time;
    memcpy(&channel_id, pg_value(keys, row, 0).data, sizeof(channel_id));
    memcpy(&time, pg_value(keys, row, 1).data, sizeof(time));
    return (struct central_row){.time_us = (int64_t)be64toh(time) + POSTGRES_EPOCH_US,
                                .channel_id = (int32_t)be32toh(channel_id)};
}

static bool is_before(const struct central_row *a, const struct central_row *b)
{
    return a->channel_id < b->channel_id || (a->channel_id == b->channel_id && a->time_us < b->time_us);
}

/* ---- COPY ---- */

static char *put_u32(char *out, uint32_t value)
{
    value = htobe32(value);
    memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}

static char *put_u64(char *out, uint64_t value)
{
    value = htobe64(value);
    memcpy(out, &value, sizeof(value));
    return out + sizeof(value);
}

/* Returns the end. out: COPY_ROW_BYTES. */
static char *put_row(char *out, int64_t vehicle_id, const struct central_row *row)
{
    uint64_t bits;
    memcpy(&bits, &row->value, sizeof(bits));
    *out++ = 0;
    *out++ = COPY_FIELDS;
    out = put_u32(put_u32(out, sizeof(uint32_t)), (uint32_t)vehicle_id);
    out = put_u32(put_u32(out, sizeof(uint32_t)), (uint32_t)row->channel_id);
    out = put_u64(put_u32(out, sizeof(uint64_t)), (uint64_t)(row->time_us - POSTGRES_EPOCH_US));
    if (isnan(row->value))
        return put_u32(out, UINT32_MAX);
    return put_u64(put_u32(out, sizeof(uint64_t)), bits);
}

/* Rows in the batch's order, without those that are there (keys; NULL: none are) and repeated ones. */
struct new_rows {
    const struct addition *addition;
    const struct pg_result *keys;
    size_t key_count, key;
    struct central_row known; /* of `key`, when it is below key_count */
    size_t row;
};

static struct new_rows new_rows_of(const struct addition *addition, const struct pg_result *keys)
{
    struct new_rows rows = {
        .addition = addition, .keys = keys, .key_count = keys == NULL ? 0 : pg_rows(keys)};
    if (rows.key_count > 0)
        rows.known = key_at(keys, 0);
    return rows;
}

/* NULL: no more. */
static const struct central_row *next_new(struct new_rows *rows)
{
    while (rows->row < rows->addition->count) {
        const struct central_row *row = &rows->addition->rows[rows->row++];
        if (row > rows->addition->rows && !is_before(row - 1, row))
            continue;
        while (rows->key < rows->key_count && is_before(&rows->known, row)) {
            if (++rows->key < rows->key_count)
                rows->known = key_at(rows->keys, rows->key);
        }
        if (rows->key >= rows->key_count || is_before(row, &rows->known))
            return row;
    }
    return NULL;
}

static bool send_rows(struct new_rows *rows, const struct central_row *row, struct error *err)
{
    const struct addition *addition = rows->addition;
    struct pg *pg = addition->self->pg;
    char *begin = addition->self->copy;
    char *full = begin + sizeof(addition->self->copy) - COPY_ROW_BYTES;
    char *at = begin;
    memcpy(at, copy_header, sizeof(copy_header));
    at += sizeof(copy_header);
    for (; row != NULL; row = next_new(rows)) {
        at = put_row(at, addition->vehicle_id, row);
        if (at <= full)
            continue;
        if (!pg_copy_put(pg, (struct view){begin, (size_t)(at - begin)}, err))
            return false;
        at = begin;
    }
    memcpy(at, copy_trailer, sizeof(copy_trailer));
    at += sizeof(copy_trailer);
    return pg_copy_put(pg, (struct view){begin, (size_t)(at - begin)}, err);
}

/* *added: rows that went in; without any, nothing is asked of the server. */
static bool copy_new(const struct addition *addition, const struct pg_result *keys, const char *table,
                     int64_t *added, struct error *err)
{
    char sql[COPY_SQL_BYTES];
    struct new_rows rows = new_rows_of(addition, keys);
    const struct central_row *first = next_new(&rows);
    *added = 0;
    if (first == NULL)
        return true;
    snprintf(sql, sizeof(sql), "COPY %s (" COLUMNS ") FROM STDIN (FORMAT binary)", table);
    return pg_copy_begin(addition->self->pg, sql, err) && send_rows(&rows, first, err) &&
           pg_copy_end(addition->self->pg, added, err);
}

/* ---- the two ways ---- */

static bool move_cursor(const struct addition *addition, struct error *err)
{
    return postgres_move_cursor(addition->self, addition->vehicle_id, addition->store_id, "readings",
                                addition->last_seq, err);
}

/* ERR_CHANGED: somebody else has added some of the rows since the keys were read. */
static bool add_straight(const struct addition *addition, const struct pg_result *keys, int64_t *added,
                         struct error *err)
{
    struct pg *pg = addition->self->pg;
    if (!pg_begin(pg, err))
        return false;
    if (copy_new(addition, keys, "measurements", added, err) && move_cursor(addition, err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

static bool copy_staged(const struct addition *addition, int64_t *added, struct error *err)
{
    struct pg *pg = addition->self->pg;
    int64_t staged;
    if (!pg_exec(pg,
                 "CREATE TEMP TABLE staging ON COMMIT DROP AS SELECT " COLUMNS
                 " FROM measurements WHERE false",
                 err) ||
        !copy_new(addition, NULL, "staging", &staged, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *result = pg_query(
        pg, "INSERT INTO measurements (" COLUMNS ") SELECT " COLUMNS " FROM staging ON CONFLICT DO NOTHING",
        NULL, 0, false, err);
    if (result == NULL)
        return false;
    *added = pg_changes(result);
    return true;
}

static bool add_staged(const struct addition *addition, int64_t *added, struct error *err)
{
    struct pg *pg = addition->self->pg;
    if (!pg_begin(pg, err))
        return false;
    if (copy_staged(addition, added, err) && move_cursor(addition, err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

static bool add_either_way(const struct addition *addition, int64_t *added, struct error *err)
{
    struct error problem;
    SCOPE_PG_RESULT struct pg_result *keys = read_keys(addition, err);
    if (keys == NULL)
        return false;
    if (pg_rows(keys) > KEYS_MAX)
        return add_staged(addition, added, err);
    if (add_straight(addition, keys, added, &problem))
        return true;
    if (problem.code == ERR_CHANGED)
        return add_staged(addition, added, err);
    if (err != NULL)
        *err = problem;
    return false;
}

bool postgres_add(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                  const struct central_row *rows, size_t count, int64_t *added, struct error *err)
{
    struct addition addition = {.self = postgres_of(central),
                                .vehicle_id = vehicle_id,
                                .store_id = store_id,
                                .last_seq = last_seq,
                                .rows = rows,
                                .count = count};
    int64_t new_rows = 0;
    bool done = count == 0 ? move_cursor(&addition, err)
                           : postgres_prepare_months(addition.self, rows, count, err) &&
                                 add_either_way(&addition, &new_rows, err);
    if (!done)
        return error_wrap(
            err, "a batch of %zu readings (it is added whole or not at all, and once: try again)", count);
    *added = new_rows;
    return true;
}
