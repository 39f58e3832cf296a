#include "common/store/db_rows.h"

#include "common/base/buf.h"

enum { DECLARATION_MAX_BYTES = 4096 };

struct rows_table {
    sqlite3_vtab base; /* first */
    const struct db_rows *rows;
};

struct rows_cursor {
    sqlite3_vtab_cursor base; /* first */
    size_t at;
};

static const struct db_rows *rows_of(const struct rows_cursor *cursor)
{
    return ((const struct rows_table *)cursor->base.pVtab)->rows;
}

static int declare(sqlite3 *db, const struct db_rows *rows)
{
    static const char *const types[] = {
        [DB_ROWS_I32] = "INTEGER", [DB_ROWS_I64] = "INTEGER", [DB_ROWS_DOUBLE] = "REAL"};
    SCOPE_BUF struct buf sql = BUF_LIMIT(DECLARATION_MAX_BYTES);
    buf_append_text(&sql, "CREATE TABLE x (");
    for (size_t i = 0; i < rows->column_count; i++)
        buf_printf(&sql, "%s%s %s", i > 0 ? ", " : "", rows->columns[i].name, types[rows->columns[i].type]);
    buf_append_text(&sql, ")");
    const char *text = buf_text(&sql);
    return sql.no_memory ? SQLITE_NOMEM : sqlite3_declare_vtab(db, text);
}

static int rows_connect(sqlite3 *db, void *context, int argc, const char *const *argv, sqlite3_vtab **out,
                        char **message)
{
    (void)argc;
    (void)argv;
    (void)message;
    int result = declare(db, context);
    if (result != SQLITE_OK)
        return result;
    struct rows_table *table = sqlite3_malloc(sizeof(*table));
    if (table == NULL)
        return SQLITE_NOMEM;
    *table = (struct rows_table){.rows = context};
    *out = &table->base;
    return SQLITE_OK;
}

static int rows_disconnect(sqlite3_vtab *table)
{
    sqlite3_free(table);
    return SQLITE_OK;
}

/* There is one way to read it: all of it, in its own order. */
static int rows_best_index(sqlite3_vtab *table, sqlite3_index_info *info)
{
    const struct db_rows *rows = ((const struct rows_table *)table)->rows;
    info->estimatedRows = (sqlite3_int64)rows->count;
    info->estimatedCost = (double)rows->count;
    return SQLITE_OK;
}

static int rows_open(sqlite3_vtab *table, sqlite3_vtab_cursor **out)
{
    (void)table;
    struct rows_cursor *cursor = sqlite3_malloc(sizeof(*cursor));
    if (cursor == NULL)
        return SQLITE_NOMEM;
    *cursor = (struct rows_cursor){.at = 0};
    *out = &cursor->base;
    return SQLITE_OK;
}

static int rows_close(sqlite3_vtab_cursor *cursor)
{
    sqlite3_free(cursor);
    return SQLITE_OK;
}

static int rows_filter(sqlite3_vtab_cursor *base, int index, const char *text, int argc, sqlite3_value **argv)
{
    (void)index;
    (void)text;
    (void)argc;
    (void)argv;
    ((struct rows_cursor *)base)->at = 0;
    return SQLITE_OK;
}

static int rows_next(sqlite3_vtab_cursor *base)
{
    ((struct rows_cursor *)base)->at++;
    return SQLITE_OK;
}

static int rows_eof(sqlite3_vtab_cursor *base)
{
    const struct rows_cursor *cursor = (const struct rows_cursor *)base;
    return cursor->at >= rows_of(cursor)->count;
}

static int rows_column(sqlite3_vtab_cursor *base, sqlite3_context *result, int index)
{
    const struct rows_cursor *cursor = (const struct rows_cursor *)base;
    const struct db_rows *rows = rows_of(cursor);
    const struct db_rows_column *column = &rows->columns[index];
    const char *at = (const char *)rows->rows + cursor->at * rows->row_bytes + column->offset;
    int32_t small;
    int64_t whole;
    double number;
    switch (column->type) {
    case DB_ROWS_I32:
        memcpy(&small, at, sizeof(small));
        sqlite3_result_int64(result, small);
        break;
    case DB_ROWS_I64:
        memcpy(&whole, at, sizeof(whole));
        sqlite3_result_int64(result, whole);
        break;
    case DB_ROWS_DOUBLE:
        memcpy(&number, at, sizeof(number));
        sqlite3_result_double(result, number);
        break;
    }
    return SQLITE_OK;
}

static int rows_rowid(sqlite3_vtab_cursor *base, sqlite3_int64 *rowid)
{
    *rowid = (sqlite3_int64)((const struct rows_cursor *)base)->at + 1;
    return SQLITE_OK;
}

/* Without xCreate the table is there by its module's name alone (an eponymous-only virtual table). */
static const sqlite3_module rows_module = {
    .xConnect = rows_connect,
    .xBestIndex = rows_best_index,
    .xDisconnect = rows_disconnect,
    .xOpen = rows_open,
    .xClose = rows_close,
    .xFilter = rows_filter,
    .xNext = rows_next,
    .xEof = rows_eof,
    .xColumn = rows_column,
    .xRowid = rows_rowid,
};

bool db_rows_register(sqlite3 *db, const char *name, struct db_rows *table, struct error *err)
{
    return sqlite3_create_module(db, name, &rows_module, table) == SQLITE_OK ||
           db_error(db, err, "table %s", name);
}
