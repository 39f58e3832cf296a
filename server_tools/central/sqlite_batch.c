#include "server_tools/central/sqlite_batch.h"

enum batch_column { COLUMN_CHANNEL_ID, COLUMN_TIME_US, COLUMN_VALUE };

struct batch_table {
    sqlite3_vtab base;
    const struct sqlite_batch *batch;
};

struct batch_cursor {
    sqlite3_vtab_cursor base;
    const struct central_row *at, *end;
};

static int batch_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                         char **message)
{
    (void)argc;
    (void)argv;
    (void)message;
    int result =
        sqlite3_declare_vtab(db, "CREATE TABLE batch (channel_id INTEGER, time_us INTEGER, value REAL)");
    if (result != SQLITE_OK)
        return result;
    struct batch_table *table = sqlite3_malloc(sizeof(*table));
    if (table == NULL)
        return SQLITE_NOMEM;
    *table = (struct batch_table){.batch = context};
    *out = &table->base;
    return SQLITE_OK;
}

static int batch_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

/* There is one way to read it: all of it, in its own order. */
static int batch_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    (void)table;
    info->estimatedRows = CENTRAL_BATCH_ROWS;
    info->estimatedCost = CENTRAL_BATCH_ROWS;
    return SQLITE_OK;
}

static int batch_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    struct batch_cursor *cursor = sqlite3_malloc(sizeof(*cursor));
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *cursor = (struct batch_cursor){.at = NULL};
    *out = &cursor->base;
    return SQLITE_OK;
}

static int batch_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int batch_filter(sqlite3_vtab_cursor *base, int index, const char *text, int argc,
                        sqlite3_value **argv)
{
    (void)index;
    (void)text;
    (void)argc;
    (void)argv;
    struct batch_cursor *cursor = (struct batch_cursor *)base;
    const struct sqlite_batch *batch = ((struct batch_table *)base->pVtab)->batch;
    cursor->at = batch->rows;
    cursor->end = batch->rows + batch->count;
    return SQLITE_OK;
}

static int batch_next(sqlite3_vtab_cursor *base)
{
    ((struct batch_cursor *)base)->at++;
    return SQLITE_OK;
}

static int batch_eof(sqlite3_vtab_cursor *base)
{
    const struct batch_cursor *cursor = (const struct batch_cursor *)base;
    return cursor->at == cursor->end;
}

static int batch_column(sqlite3_vtab_cursor *base, sqlite3_context *result, int column)
{
    const struct central_row *row = ((const struct batch_cursor *)base)->at;
    switch ((enum batch_column)column) {
    case COLUMN_CHANNEL_ID:
        sqlite3_result_int64(result, row->channel_id);
        break;
    case COLUMN_TIME_US:
        sqlite3_result_int64(result, row->time_us);
        break;
    case COLUMN_VALUE:
        sqlite3_result_double(result, row->value); /* SQLite makes NULL of NaN */
        break;
    }
    return SQLITE_OK;
}

static int batch_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    const struct batch_cursor *cursor = (const struct batch_cursor *)base;
    *rowid = cursor->end - cursor->at;
    return SQLITE_OK;
}

/* Without xCreate it is there by its name alone (eponymous-only). */
static const sqlite3_module batch_module = {
    .xConnect = batch_connect,
    .xBestIndex = batch_best_index,
    .xDisconnect = batch_disconnect,
    .xOpen = batch_open,
    .xClose = batch_close,
    .xFilter = batch_filter,
    .xNext = batch_next,
    .xEof = batch_eof,
    .xColumn = batch_column,
    .xRowid = batch_rowid,
};

bool sqlite_batch_register(sqlite3 *db, struct sqlite_batch *batch, struct error *err)
{
    return sqlite3_create_module(db, "batch", &batch_module, batch) == SQLITE_OK ||
           db_error(db, err, "table of the batch");
}
