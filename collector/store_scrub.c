#include "collector/store_scrub.h"

#include "common/store/db.h"

bool store_scrub_step(struct store_scrub *scrub, const char *path, struct error *err)
{
    SCOPE_DB sqlite3 *db = db_open(path, DB_READ, err);
    SCOPE_STMT sqlite3_stmt *stmt =
        db == NULL
            ? NULL
            : db_prepare(db,
                         "SELECT max(seq), total(value), total(time_us) FROM (SELECT seq, time_us, value"
                         " FROM readings WHERE seq > ?1 ORDER BY seq LIMIT ?2)",
                         err);
    if (stmt == NULL)
        return false;
    db_bind_i64(stmt, 1, scrub->after_seq);
    db_bind_i64(stmt, 2, SCRUB_ROWS);
    if (db_step(stmt, err) != DB_STEP_ROW)
        return false;
    scrub->after_seq = db_column_i64(stmt, 0); /* 0 behind the last */
    return true;
}
