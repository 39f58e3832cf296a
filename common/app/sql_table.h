/* A table and three of its columns as config.txt names them:
 *   schema.table(time_column, channel_column, value_column)
 * Names are written as in SQL: plain ones are taken in lower case, "..." exactly ("" is a quote inside). The
 * schema may be missing (public), and so may the columns (time, channel, value). Threads: safe. */
#ifndef COMMON_APP_SQL_TABLE_H
#define COMMON_APP_SQL_TABLE_H

#include "common/base/buf.h"

enum { SQL_NAME_BYTES = 64 }; /* PostgreSQL's, NUL included */

struct sql_table {
    char schema[SQL_NAME_BYTES];
    char table[SQL_NAME_BYTES];
    char time[SQL_NAME_BYTES], channel[SQL_NAME_BYTES], value[SQL_NAME_BYTES];
};

/* Errors: ERR_USAGE says what was expected. */
bool sql_table_parse(const char *text, struct sql_table *out, struct error *err) MUST_USE;

/* Appends a name as a quoted identifier: whatever it holds, it stays one name. */
void sql_write_name(struct buf *out, const char *name);
/* "schema"."table" */
void sql_write_table(struct buf *out, const struct sql_table *table);

#endif
