/* The newest reading of each channel. There is no index by channel (it would double the writing): the first
 * call looks back over the newest rows, the following ones read only what came since. */
#include <stdlib.h>
#include <string.h>

#include "collector/store_reader.h"

enum {
    LATEST_SCAN_ROWS = 1000 * 1000, /* how far back a call looks: near 0.2 s */
    LATEST_MORE_ROWS = 256,
};

/* Where the channel stands, or where it would stand, among those sorted by channel_id. */
static size_t place_of(const struct store_reader *reader, int64_t channel_id)
{
    size_t low = 0;
    size_t high = reader->latest_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (reader->latest[middle].channel_id < channel_id)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static bool make_room(struct store_reader *reader, struct error *err)
{
    if (reader->latest_count < reader->latest_capacity)
        return true;
    size_t capacity = reader->latest_capacity + LATEST_MORE_ROWS;
    void *grown = reallocarray(reader->latest, capacity, sizeof(*reader->latest));
    if (grown == NULL)
        return error_set(err, ERR_MEMORY, "no memory for the newest values");
    reader->latest = grown;
    reader->latest_capacity = capacity;
    return true;
}

static bool keep_newest(struct store_reader *reader, const struct store_row *row, struct error *err)
{
    size_t at = place_of(reader, row->channel_id);
    if (at < reader->latest_count && reader->latest[at].channel_id == row->channel_id) {
        if (reader->latest[at].seq < row->seq)
            reader->latest[at] = *row;
        return true;
    }
    if (!make_room(reader, err))
        return false;
    memmove(&reader->latest[at + 1], &reader->latest[at],
            (reader->latest_count - at) * sizeof(*reader->latest));
    reader->latest[at] = *row;
    reader->latest_count++;
    return true;
}

/* Rows come from the newest to older ones; the first scan ends once it has seen every channel. */
static bool scan_back(struct store_reader *reader, struct error *err)
{
    bool first = reader->latest_count == 0;
    int64_t channels = 0;
    if (first && !db_query_i64(reader->db, "SELECT count(*) FROM channels", 0, &channels, err))
        return false;
    sqlite3_stmt *stmt = reader->queries[QUERY_NEWEST];
    db_bind_i64(stmt, 1, reader->latest_seq);
    db_bind_i64(stmt, 2, LATEST_SCAN_ROWS);
    int64_t newest_seq = reader->latest_seq;
    enum db_step step;
    while ((step = db_step(stmt, err)) == DB_STEP_ROW) {
        struct store_row row = store_row_of(stmt);
        if (row.seq > newest_seq)
            newest_seq = row.seq;
        bool kept = keep_newest(reader, &row, err);
        if (kept && !(first && (int64_t)reader->latest_count == channels))
            continue;
        db_reset(stmt);
        step = kept ? DB_STEP_DONE : DB_STEP_FAILED;
        break;
    }
    if (step == DB_STEP_FAILED)
        return false;
    reader->latest_seq = newest_seq;
    return true;
}

/* What retention deleted is no longer shown. */
static bool forget_deleted(struct store_reader *reader, struct error *err)
{
    int64_t first_seq;
    if (!db_query_i64(reader->db, "SELECT min(seq) FROM readings", INT64_MAX, &first_seq, err))
        return false;
    size_t kept = 0;
    for (size_t i = 0; i < reader->latest_count; i++) {
        if (reader->latest[i].seq >= first_seq)
            reader->latest[kept++] = reader->latest[i];
    }
    reader->latest_count = kept;
    return true;
}

static bool update_latest(struct store_reader *reader, struct error *err)
{
    return scan_back(reader, err) && forget_deleted(reader, err);
}

bool store_latest(struct store_reader *reader, struct store_row **out, size_t *count, struct error *err)
{
    if (!store_snapshot_begin(reader, err))
        return false;
    bool ok = update_latest(reader, err);
    store_snapshot_end(reader);
    if (!ok)
        return false;
    struct store_row *rows = calloc(reader->latest_count + 1, sizeof(*rows));
    if (rows == NULL)
        return error_set(err, ERR_MEMORY, "no memory for the newest values");
    if (reader->latest_count > 0)
        memcpy(rows, reader->latest, reader->latest_count * sizeof(*rows));
    *out = rows;
    *count = reader->latest_count;
    return true;
}
