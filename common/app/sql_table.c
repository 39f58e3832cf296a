#include "common/app/sql_table.h"

#include "common/base/text.h"

#define EXPECTED "expected table, schema.table or schema.table(time_column, channel_column, value_column)"

static void skip_blanks(struct view *rest)
{
    while (rest->size > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t'))
        *rest = (struct view){rest->data + 1, rest->size - 1};
}

/* With the blanks around it. */
static bool take_char(struct view *rest, char expected)
{
    skip_blanks(rest);
    if (rest->size == 0 || rest->data[0] != expected)
        return false;
    *rest = (struct view){rest->data + 1, rest->size - 1};
    skip_blanks(rest);
    return true;
}

/* Behind the opening quote; false without a closing one. */
static bool take_quoted(struct view *rest, struct buf *name)
{
    while (rest->size > 0) {
        char byte = rest->data[0];
        bool doubled = byte == '"' && rest->size > 1 && rest->data[1] == '"';
        size_t taken = doubled ? 2 : 1;
        *rest = (struct view){rest->data + taken, rest->size - taken};
        if (byte == '"' && !doubled)
            return true;
        buf_append_byte(name, byte);
    }
    return false;
}

static bool is_plain(char byte, bool first)
{
    bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '_';
    return letter || (!first && ((byte >= '0' && byte <= '9') || byte == '$'));
}

static void take_plain(struct view *rest, struct buf *name)
{
    while (rest->size > 0 && is_plain(rest->data[0], name->size == 0)) {
        char byte = rest->data[0];
        buf_append_byte(name, byte >= 'A' && byte <= 'Z' ? (char)(byte - 'A' + 'a') : byte);
        *rest = (struct view){rest->data + 1, rest->size - 1};
    }
}

static bool take_name(struct view *rest, char out[SQL_NAME_BYTES])
{
    SCOPE_BUF struct buf name = BUF_LIMIT(SQL_NAME_BYTES - 1);
    bool closed = true;
    if (take_char(rest, '"'))
        closed = take_quoted(rest, &name);
    else
        take_plain(rest, &name);
    return closed && name.size > 0 && !name.over_limit && !name.no_memory && text_is_utf8(buf_view(&name)) &&
           text_copy(out, SQL_NAME_BYTES, buf_view(&name));
}

static bool take_columns(struct view *rest, struct sql_table *table)
{
    return take_name(rest, table->time) && take_char(rest, ',') && take_name(rest, table->channel) &&
           take_char(rest, ',') && take_name(rest, table->value) && take_char(rest, ')');
}

bool sql_table_parse(const char *text, struct sql_table *out, struct error *err)
{
    struct view rest = view_of(text);
    struct sql_table table = {.schema = "public", .time = "time", .channel = "channel", .value = "value"};
    bool fits = take_name(&rest, table.table);
    if (fits && take_char(&rest, '.')) {
        memcpy(table.schema, table.table, sizeof(table.schema));
        fits = take_name(&rest, table.table);
    }
    if (fits && take_char(&rest, '('))
        fits = take_columns(&rest, &table);
    skip_blanks(&rest);
    if (!fits || rest.size > 0)
        return error_set(err, ERR_USAGE, EXPECTED);
    *out = table;
    return true;
}

void sql_write_name(struct buf *out, const char *name)
{
    buf_append_byte(out, '"');
    for (; *name != '\0'; name++) {
        if (*name == '"')
            buf_append_byte(out, '"');
        buf_append_byte(out, *name);
    }
    buf_append_byte(out, '"');
}

void sql_write_table(struct buf *out, const struct sql_table *table)
{
    sql_write_name(out, table->schema);
    buf_append_byte(out, '.');
    sql_write_name(out, table->table);
}
