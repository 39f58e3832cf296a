/* Readings into PostgreSQL. The keys that are there already in the ranges of a batch are read once; what is
 * new goes by COPY straight into the table. Should somebody else have added some of it meanwhile, all goes
 * through a staging table. */
#include <endian.h>
#include <stdio.h>

#include "server_tools/central/central_months.h"
#include "server_tools/central/central_postgres.h"
#include "server_tools/central/central_postgres_copy.h"

enum {
    KEYS_MAX = 4 * CENTRAL_BATCH_ROWS, /* more than that in a batch's ranges: not worth reading */
    RANGES_MAX_BYTES = CENTRAL_BATCH_ROWS * PARAM_BYTES,
    INSERT_SQL_BYTES = 192,
};

/* ---- what is there already ---- */

/* Of each channel its first and last time, as three arrays of PostgreSQL. */
static bool write_ranges(const struct postgres_batch *batch, struct buf ranges[3], struct error *err)
{
    const struct central_row *rows = batch->rows;
    for (size_t i = 0; i < 3; i++)
        buf_append_byte(&ranges[i], '{');
    for (size_t i = 0; i < batch->count; i++) {
        char text[PARAM_BYTES];
        const char *comma = i > 0 ? "," : "";
        bool first = i == 0 || rows[i - 1].channel_id != rows[i].channel_id;
        bool last = i + 1 == batch->count || rows[i + 1].channel_id != rows[i].channel_id;
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

static void find_period(const struct postgres_batch *batch, int64_t *first_us, int64_t *last_us)
{
    *first_us = INT64_MAX;
    *last_us = INT64_MIN;
    for (size_t i = 0; i < batch->count; i++) {
        int64_t time_us = batch->rows[i].time_us;
        *first_us = time_us < *first_us ? time_us : *first_us;
        *last_us = time_us > *last_us ? time_us : *last_us;
    }
}

/* channel_id, time (binary) of the vehicle's readings in the batch's ranges, in the batch's own order; at
 * most KEYS_MAX + 1. The period says once more what the ranges say, so that other months are left out of the
 * plan. */
static struct pg_result *read_keys(struct pg *pg, const struct postgres_batch *batch, struct error *err)
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
    find_period(batch, &first_us, &last_us);
    if (write_ranges(batch, ranges, err)) {
        const char *const params[] = {param_i64(id, batch->vehicle_id),
                                      buf_text(&ranges[0]),
                                      buf_text(&ranges[1]),
                                      buf_text(&ranges[2]),
                                      param_time(first, first_us),
                                      param_time(last, last_us),
                                      param_i64(limit, KEYS_MAX + 1)};
        keys = pg_query(
            pg,
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

/* ---- what is new ---- */

/* Rows in the batch's order, without those that are there (keys; NULL: none are) and repeated ones. */
struct new_rows {
    const struct postgres_batch *batch;
    const struct pg_result *keys;
    size_t key_count, key;
    struct central_row known; /* of `key`, when it is below key_count */
    size_t row;
};

static struct new_rows new_rows_of(const struct postgres_batch *batch, const struct pg_result *keys)
{
    struct new_rows rows = {.batch = batch, .keys = keys, .key_count = keys == NULL ? 0 : pg_rows(keys)};
    if (rows.key_count > 0)
        rows.known = key_at(keys, 0);
    return rows;
}

/* NULL: no more. */
static const struct central_row *next_new(struct new_rows *rows)
{
    while (rows->row < rows->batch->count) {
        const struct central_row *row = &rows->batch->rows[rows->row++];
        if (row > rows->batch->rows && !is_before(row - 1, row))
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

/* *added: rows that went in; without any, nothing is asked of the server. */
static bool copy_new(struct pg *pg, char *buffer, const struct postgres_batch *batch,
                     const struct pg_result *keys, const char *table, int64_t *added, struct error *err)
{
    struct row_copy copy;
    struct new_rows rows = new_rows_of(batch, keys);
    const struct central_row *row = next_new(&rows);
    *added = 0;
    if (row == NULL)
        return true;
    if (!row_copy_begin(&copy, pg, buffer, table, err))
        return false;
    for (; row != NULL; row = next_new(&rows)) {
        if (!row_copy_put(&copy, batch->vehicle_id, row, err))
            return false;
    }
    return row_copy_end(&copy, added, err);
}

/* ---- the two ways ---- */

bool postgres_copy_right(struct pg *pg, enum copy_right *right, struct error *err)
{
    if (*right != COPY_NOT_ASKED)
        return true;
    SCOPE_PG_RESULT struct pg_result *bound =
        pg_query(pg, "SELECT row_security_active('measurements')", NULL, 0, false, err);
    if (bound == NULL)
        return false;
    *right = view_is(pg_value(bound, 0, 0), "t") ? COPY_REFUSED : COPY_ALLOWED;
    return true;
}

bool postgres_add_staged(struct pg *pg, char *buffer, const char *table, const struct postgres_batch *batch,
                         int64_t *added, struct error *err)
{
    char sql[INSERT_SQL_BYTES];
    int64_t staged;
    snprintf(sql, sizeof(sql),
             "INSERT INTO %s (" READING_COLUMNS ") SELECT " READING_COLUMNS
             " FROM staging ON CONFLICT DO NOTHING",
             table);
    if (!pg_exec(pg,
                 "CREATE TEMP TABLE IF NOT EXISTS staging ON COMMIT DROP AS SELECT " READING_COLUMNS
                 " FROM measurements WHERE false; TRUNCATE staging",
                 err) ||
        !copy_new(pg, buffer, batch, NULL, "staging", &staged, err))
        return false;
    SCOPE_PG_RESULT struct pg_result *result = pg_query(pg, sql, NULL, 0, false, err);
    if (result == NULL)
        return false;
    *added = pg_changes(result);
    return true;
}

bool postgres_add_filtered(struct pg *pg, char *buffer, const struct postgres_batch *batch, int64_t *added,
                           struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *keys = read_keys(pg, batch, err);
    if (keys == NULL)
        return false;
    if (pg_rows(keys) > KEYS_MAX)
        return postgres_add_staged(pg, buffer, "measurements", batch, added, err);
    return copy_new(pg, buffer, batch, keys, "measurements", added, err);
}

/* In one transaction with the cursor. */
static bool add_in_transaction(struct central_postgres *self, const struct postgres_batch *batch, bool staged,
                               const char *store_id, int64_t last_seq, int64_t *added, struct error *err)
{
    struct pg *pg = self->pg;
    if (!pg_begin(pg, err))
        return false;
    bool done = staged ? postgres_add_staged(pg, self->copy, "measurements", batch, added, err)
                       : postgres_add_filtered(pg, self->copy, batch, added, err);
    if (done && postgres_move_cursor(pg, batch->vehicle_id, store_id, "readings", last_seq, err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}

static bool add_either_way(struct central_postgres *self, const struct postgres_batch *batch,
                           const char *store_id, int64_t last_seq, int64_t *added, struct error *err)
{
    struct error problem;
    if (!postgres_copy_right(self->pg, &self->copy_right, err))
        return false;
    if (self->copy_right == COPY_REFUSED)
        return add_in_transaction(self, batch, true, store_id, last_seq, added, err);
    if (add_in_transaction(self, batch, false, store_id, last_seq, added, &problem))
        return true;
    if (problem.code == ERR_CHANGED) /* somebody else has added some of the rows since the keys were read */
        return add_in_transaction(self, batch, true, store_id, last_seq, added, err);
    if (err != NULL)
        *err = problem;
    return false;
}

bool postgres_add(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                  const struct central_row *rows, size_t count, int64_t *added, struct error *err)
{
    struct central_postgres *self = postgres_of(central);
    const struct postgres_batch batch = {vehicle_id, rows, count};
    int64_t new_rows = 0;
    bool done = count == 0 ? postgres_move_cursor(self->pg, vehicle_id, store_id, "readings", last_seq, err)
                           : central_prepare_months(self->pg, rows, count, err) &&
                                 add_either_way(self, &batch, store_id, last_seq, &new_rows, err);
    if (!done)
        return error_wrap(
            err, "a batch of %zu readings (it is added whole or not at all, and once: try again)", count);
    *added = new_rows;
    return true;
}
