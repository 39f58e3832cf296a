#include "common/store/db_sink.h"

enum { SINK_COLUMNS = 4 };

static void emit_step(sqlite3_context *context, int count, sqlite3_value **values)
{
    (void)count;
    struct db_sink *sink = sqlite3_user_data(context);
    double value =
        sqlite3_value_type(values[3]) == SQLITE_NULL ? __builtin_nan("") : sqlite3_value_double(values[3]);
    if (sink->row(sink->context, sqlite3_value_int64(values[0]), sqlite3_value_int64(values[1]),
                  sqlite3_value_int64(values[2]), value))
        return;
    sink->stopped = true;
    sqlite3_result_error_code(context, SQLITE_INTERRUPT); /* the only way to end a scan from inside */
}

static void emit_final(sqlite3_context *context)
{
    sqlite3_result_null(context);
}

bool db_sink_register(sqlite3 *db, struct db_sink *sink, struct error *err)
{
    const int flags = SQLITE_UTF8 | SQLITE_DIRECTONLY;
    int result =
        sqlite3_create_function_v2(db, "emit", SINK_COLUMNS, flags, sink, NULL, emit_step, emit_final, NULL);
    return result == SQLITE_OK || db_error(db, err, "emit()");
}

bool db_sink_run(sqlite3_stmt *stmt, struct db_sink *sink, struct error *err)
{
    sink->stopped = false;
    return db_run(stmt, err) || sink->stopped;
}
