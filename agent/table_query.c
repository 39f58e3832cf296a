#include "agent/table_query.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/rfc3339.h"
#include "common/base/text.h"

enum { SQL_MAX_BYTES = 8 * 1024, CHANNEL_MAX_BYTES = 4096, CHANNEL_KEPT_CHARACTERS = 1000 };

/* 0001-01-01T00:00:00Z: there is no year 0 in PostgreSQL, and none before it in a record line. */
#define FIRST_US INT64_C(-62135596800000000)

/* On the search path is nothing that somebody else may have put there. */
static const char begin_sql[] = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY;"
                                " SET LOCAL search_path = pg_catalog;"
                                " SET LOCAL statement_timeout = '60s';"
                                " SET LOCAL lock_timeout = '5s'";
static const char copy_timeout_sql[] = "SET LOCAL statement_timeout = '600s'";

/* The type below a domain, and what kind of type it is. */
static const char columns_sql[] =
    "SELECT a.attname::text, coalesce(nullif(t.typbasetype, 0), t.oid)::regtype::text, t.typcategory::text"
    " FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"
    " WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped";

static const char clock_sql[] = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint";

/* A table's column as a double, by its type: a numeric may be larger or smaller than any double. %s: its
 * quoted name. */
static const struct {
    const char *type, *expression;
} values[] = {
    {"double precision", "@"},
    {"real", "@::float8"},
    {"smallint", "@::float8"},
    {"integer", "@::float8"},
    {"bigint", "@::float8"},
    {"numeric", "CASE WHEN abs(@) < 1e-307 THEN 0 WHEN abs(@) <= 1.7976931348623157e308"
                " THEN @::float8 END"},
};

/* The pieces that every statement is made of. */
struct pieces {
    char time[2 * SQL_NAME_BYTES + 3], channel[2 * SQL_NAME_BYTES + 3], value[2 * SQL_NAME_BYTES + 3];
    const char *value_expression;
    char from[4 * SQL_NAME_BYTES + 16];
    char lower[RFC3339_US_BYTES], upper[RFC3339_US_BYTES];
};

static bool quote(const char *name, char *out, size_t out_bytes)
{
    SCOPE_BUF struct buf quoted = BUF_LIMIT(SQL_MAX_BYTES);
    sql_write_name(&quoted, name);
    return text_copy(out, out_bytes, buf_view(&quoted));
}

/* ---- asking ---- */

static bool exec(struct table_link *link, const char *sql, struct error *err)
{
    struct pg *pg = table_link_begin(link, TABLE_QUERY_S);
    return table_link_end(link, pg_exec(pg, sql, err), err);
}

static struct pg_result *query(struct table_link *link, const char *sql, const char *const *params,
                               size_t count, struct error *err)
{
    struct pg *pg = table_link_begin(link, TABLE_QUERY_S);
    struct pg_result *result = pg_query(pg, sql, params, count, false, err);
    return table_link_end(link, result != NULL, err) ? result : NULL;
}

/* One row of whole numbers; NULL is INT64_MIN. */
static bool query_numbers(struct table_link *link, const char *sql, int64_t *numbers, size_t count,
                          struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *result = query(link, sql, NULL, 0, err);
    if (result == NULL)
        return false;
    for (size_t i = 0; i < count; i++) {
        numbers[i] = INT64_MIN;
        if (!pg_is_null(result, 0, i) && !pg_i64(result, 0, i, &numbers[i], err))
            return false;
    }
    return true;
}

/* ---- the table ---- */

/* The row of columns_sql with this name; false: there is none. */
static bool find_column(const struct pg_result *columns, const char *name, size_t *row)
{
    for (*row = 0; *row < pg_rows(columns); (*row)++) {
        if (view_is(pg_value(columns, *row, 0), name))
            return true;
    }
    return false;
}

static bool check_time(struct view type)
{
    return view_is(type, "timestamp with time zone") || view_is(type, "timestamp without time zone");
}

/* Text, a number or an enum: of each there is one way to write it. */
static bool check_channel(struct view category)
{
    return view_is(category, "S") || view_is(category, "N") || view_is(category, "E");
}

static const char *value_expression(struct view type)
{
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        if (view_is(type, values[i].type))
            return values[i].expression;
    }
    return NULL;
}

static bool check_columns(const struct pg_result *columns, const struct sql_table *table,
                          struct pieces *pieces, struct error *err)
{
    const char *const names[] = {table->time, table->channel, table->value};
    size_t rows[COUNT_OF(names)];
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!find_column(columns, names[i], &rows[i]))
            return error_set(err, ERR_USAGE, "EXPORT_TABLE: the table %s.%s has no column %s", table->schema,
                             table->table, names[i]);
    }
    pieces->value_expression = value_expression(pg_value(columns, rows[2], 1));
    if (!check_time(pg_value(columns, rows[0], 1)))
        return error_set(err, ERR_USAGE, "EXPORT_TABLE: column %s is %s, not a timestamp", table->time,
                         pg_value(columns, rows[0], 1).data);
    if (!check_channel(pg_value(columns, rows[1], 2)))
        return error_set(err, ERR_USAGE, "EXPORT_TABLE: column %s is %s, neither a text nor a number",
                         table->channel, pg_value(columns, rows[1], 1).data);
    return pieces->value_expression != NULL ||
           error_set(err, ERR_USAGE, "EXPORT_TABLE: column %s is %s, not a number", table->value,
                     pg_value(columns, rows[2], 1).data);
}

static bool find_table(struct table_link *link, const struct sql_table *table, struct pieces *pieces,
                       struct error *err)
{
    SCOPE_BUF struct buf name = BUF_LIMIT(SQL_MAX_BYTES);
    sql_write_table(&name, table);
    snprintf(pieces->from, sizeof(pieces->from), "%s", buf_text(&name));
    if (!quote(table->time, pieces->time, sizeof(pieces->time)) ||
        !quote(table->channel, pieces->channel, sizeof(pieces->channel)) ||
        !quote(table->value, pieces->value, sizeof(pieces->value)))
        return error_set(err, ERR_INTERNAL, "EXPORT_TABLE is too long");
    const char *const params[] = {pieces->from};
    SCOPE_PG_RESULT struct pg_result *columns = query(link, columns_sql, params, 1, err);
    if (columns == NULL)
        return false;
    if (pg_rows(columns) == 0)
        return error_set(err, ERR_USAGE, "EXPORT_TABLE: there is no table %s.%s", table->schema,
                         table->table);
    return check_columns(columns, table, pieces, err);
}

/* ---- its rows ---- */

static void write_where(const struct pieces *pieces, struct buf *sql)
{
    buf_printf(sql, " FROM %s WHERE %s > '%s' AND %s <= '%s'", pieces->from, pieces->time, pieces->lower,
               pieces->time, pieces->upper);
}

static void write_limit(const struct pieces *pieces, int64_t limit, struct buf *sql)
{
    buf_printf(sql, " ORDER BY %s", pieces->time);
    if (limit > 0)
        buf_printf(sql, " LIMIT %" PRId64, limit);
}

static void write_count(const struct pieces *pieces, int64_t limit, struct buf *sql)
{
    const char *time = limit > 0 ? "t" : pieces->time;
    buf_printf(sql,
               "SELECT count(*), (extract(epoch FROM min(%s)) * 1000000)::bigint,"
               " (extract(epoch FROM max(%s)) * 1000000)::bigint",
               time, time);
    if (limit > 0) {
        buf_printf(sql, " FROM (SELECT %s AS t", pieces->time);
        write_where(pieces, sql);
        write_limit(pieces, limit, sql);
        buf_append_text(sql, ") AS r");
    } else {
        write_where(pieces, sql);
    }
}

static void write_left_out(const struct pieces *pieces, struct buf *sql)
{
    char first[RFC3339_US_BYTES];
    rfc3339_format_us(first, FIRST_US);
    buf_printf(sql, "SELECT count(*) FROM %s WHERE %s IS NULL OR %s > '%s' OR %s <= '%s'", pieces->from,
               pieces->time, pieces->time, pieces->upper, pieces->time, first);
}

static void write_value(const struct pieces *pieces, struct buf *sql)
{
    const char *rest = pieces->value_expression;
    for (const char *at; (at = strstr(rest, "@")) != NULL; rest = at + strlen("@")) {
        buf_append(sql, rest, (size_t)(at - rest));
        buf_append_text(sql, pieces->value);
    }
    buf_append_text(sql, rest);
}

/* A text may have a GiB, and libpq holds a whole row: of a very long one comes the beginning and a hash. */
static void write_channel(const struct pieces *pieces, struct buf *sql)
{
    const char *name = pieces->channel;
    buf_printf(sql,
               "CASE WHEN octet_length(%s::text) <= %d THEN %s::text ELSE"
               " left(%s::text, %d) || encode(sha256(convert_to(%s::text, 'UTF8')), 'hex') END",
               name, CHANNEL_MAX_BYTES, name, name, CHANNEL_KEPT_CHARACTERS, name);
}

static void write_copy(const struct pieces *pieces, int64_t limit, struct buf *sql)
{
    buf_printf(sql, "COPY (SELECT %s, ", pieces->time);
    write_channel(pieces, sql);
    buf_append_text(sql, ", ");
    write_value(pieces, sql);
    write_where(pieces, sql);
    write_limit(pieces, limit, sql);
    buf_append_text(sql, ") TO STDOUT (FORMAT BINARY)");
}

static bool set_bounds(struct table_link *link, const struct table_range *range, struct pieces *pieces,
                       struct error *err)
{
    int64_t now_us;
    int64_t lower_us = FIRST_US;
    if (!query_numbers(link, clock_sql, &now_us, 1, err))
        return false;
    if (range->since_us > FIRST_US + (int64_t)TABLE_OVERLAP_S * US_PER_S)
        lower_us = range->since_us - (int64_t)TABLE_OVERLAP_S * US_PER_S;
    rfc3339_format_us(pieces->lower, lower_us);
    rfc3339_format_us(pieces->upper, now_us);
    return true;
}

static bool count_rows(struct table_link *link, const struct pieces *pieces, struct table_range *range,
                       struct error *err)
{
    SCOPE_BUF struct buf count = BUF_LIMIT(SQL_MAX_BYTES);
    SCOPE_BUF struct buf left_out = BUF_LIMIT(SQL_MAX_BYTES);
    int64_t numbers[3];
    write_count(pieces, range->limit, &count);
    write_left_out(pieces, &left_out);
    if (!query_numbers(link, buf_text(&count), numbers, COUNT_OF(numbers), err) ||
        !query_numbers(link, buf_text(&left_out), &range->left_out, 1, err))
        return false;
    range->count = numbers[0];
    range->first_us = numbers[1];
    range->last_us = numbers[2];
    return true;
}

bool table_range_find(struct table_link *link, const struct sql_table *table, struct table_range *range,
                      struct buf *copy_sql, struct error *err)
{
    struct pieces pieces = {.value_expression = NULL};
    if (!exec(link, begin_sql, err) || !find_table(link, table, &pieces, err) ||
        !set_bounds(link, range, &pieces, err) || !count_rows(link, &pieces, range, err) ||
        !exec(link, copy_timeout_sql, err))
        return false;
    write_copy(&pieces, range->limit, copy_sql);
    buf_text(copy_sql);
    return buf_check(copy_sql, "the statement", err);
}
