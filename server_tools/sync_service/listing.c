#include "server_tools/sync_service/listing.h"

#include "common/base/text.h"

enum { SQL_MAX_BYTES = 16 * 1024, CELL_BYTES = 512, TIME_SHOWN_BYTES = 19 };

/* ---- for programs ---- */

/* PostgreSQL makes the JSON: its times as RFC 3339 UTC. */
static bool add_json(struct pg *pg, const struct listing *listing, struct buf *out, struct error *err)
{
    SCOPE_BUF struct buf sql = BUF_LIMIT(SQL_MAX_BYTES);
    buf_printf(&sql, "SELECT coalesce(json_agg(row_to_json(rows)), '[]')::text FROM (%s) AS rows",
               listing->sql);
    const char *text = buf_text(&sql);
    if (!buf_check(&sql, "a query", err))
        return false;
    SCOPE_PG_RESULT struct pg_result *result = pg_query(pg, text, NULL, 0, false, err);
    if (result == NULL)
        return false;
    buf_printf(out, "\"%s\":", listing->member);
    struct view rows = pg_value(result, 0, 0);
    return buf_append(out, rows.data, rows.size) || buf_check(out, "the list", err);
}

/* ---- for people ---- */

struct table {
    const struct pg_result *result;
    struct view names[LISTING_COLUMNS_MAX];
    size_t widths[LISTING_COLUMNS_MAX];
    size_t columns;
};

/* Characters, not bytes. */
static size_t width_of(const char *text)
{
    size_t width = 0;
    for (; *text != '\0'; text++)
        width += ((unsigned char)*text & 0xC0U) != 0x80U;
    return width;
}

/* A time by the second; nothing that could harm a terminal. */
static void cell(const struct table *table, size_t row, size_t column, char out[CELL_BYTES])
{
    struct view value = pg_value(table->result, row, column);
    if (value.size > TIME_SHOWN_BYTES && value.data[4] == '-' && value.data[10] == 'T')
        value.size = TIME_SHOWN_BYTES;
    if (value.size >= CELL_BYTES)
        value.size = CELL_BYTES - 1;
    if (pg_is_null(table->result, row, column) || !text_copy(out, CELL_BYTES, value))
        memcpy(out, "-", sizeof("-"));
    text_make_printable(out);
}

static void print_cell(struct buf *out, const char *text, size_t width, bool last)
{
    size_t shown = width_of(text);
    buf_printf(out, "%s", text);
    for (; !last && shown < width + 2; shown++)
        buf_append_byte(out, ' ');
}

static void print_table(struct table *table, struct buf *out)
{
    char text[CELL_BYTES];
    size_t rows = pg_rows(table->result);
    for (size_t column = 0; column < table->columns; column++) {
        table->widths[column] = table->names[column].size;
        for (size_t row = 0; row < rows; row++) {
            cell(table, row, column, text);
            size_t width = width_of(text);
            table->widths[column] = width > table->widths[column] ? width : table->widths[column];
        }
    }
    for (size_t column = 0; column < table->columns; column++) {
        if (!text_copy(text, sizeof(text), table->names[column]))
            continue;
        print_cell(out, text, table->widths[column], column + 1 == table->columns);
    }
    buf_append_byte(out, '\n');
    for (size_t row = 0; row < rows; row++) {
        for (size_t column = 0; column < table->columns; column++) {
            cell(table, row, column, text);
            print_cell(out, text, table->widths[column], column + 1 == table->columns);
        }
        buf_append_byte(out, '\n');
    }
}

static bool add_text(struct pg *pg, const struct listing *listing, struct buf *out, struct error *err)
{
    SCOPE_BUF struct buf sql = BUF_LIMIT(SQL_MAX_BYTES);
    struct table table = {.columns = 0};
    struct view rest = view_of(listing->columns);
    buf_printf(&sql, "SELECT ");
    while (rest.size > 0 && table.columns < LISTING_COLUMNS_MAX) {
        struct view name = text_cut(&rest, ',');
        table.names[table.columns++] = name;
        /* as in JSON, whatever the type: text, and times as RFC 3339 */
        buf_printf(&sql, "%sto_json(rows.%.*s)#>>'{}'", table.columns == 1 ? "" : ", ", VIEW_ARG(name));
    }
    buf_printf(&sql, " FROM (%s) AS rows", listing->sql);
    const char *text = buf_text(&sql);
    if (!buf_check(&sql, "a query", err))
        return false;
    SCOPE_PG_RESULT struct pg_result *result = pg_query(pg, text, NULL, 0, false, err);
    if (result == NULL)
        return false;
    table.result = result;
    if (pg_rows(result) == 0)
        buf_printf(out, "%s\n", listing->empty);
    else
        print_table(&table, out);
    return true;
}

static bool print_all(struct pg *pg, const struct listing *listings, size_t count, bool as_json,
                      struct buf *out, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (as_json)
            buf_append_byte(out, i == 0 ? '{' : ',');
        else if (i > 0)
            buf_append_byte(out, '\n');
        if (!(as_json ? add_json : add_text)(pg, &listings[i], out, err))
            return false;
    }
    buf_printf(out, as_json ? "}\n" : "");
    return true;
}

bool listing_print(struct pg *pg, const struct listing *listings, size_t count, bool as_json, struct buf *out,
                   struct error *err)
{
    if (!pg_begin(pg, err))
        return false;
    if (pg_exec(pg, "SELECT set_config('app.user_role', 'superuser', true)", err) &&
        print_all(pg, listings, count, as_json, out, err))
        return pg_commit(pg, err);
    pg_rollback(pg);
    return false;
}
