/* What the files of the SQLite driver share. Private to central_sqlite*.c. */
#ifndef SERVER_TOOLS_CENTRAL_CENTRAL_SQLITE_H
#define SERVER_TOOLS_CENTRAL_CENTRAL_SQLITE_H

#include "common/store/db_rows.h"
#include "server_tools/central/central_driver.h"

enum central_sqlite_query {
    Q_VEHICLE,
    Q_AGENT,
    Q_CURSOR,
    Q_MOVE_CURSOR,
    Q_CHANNEL,
    Q_MAKE_CHANNEL,
    Q_ADD,
    Q_JOURNAL,
    Q_FORGET_JOURNAL,
    Q_DESCRIBED,
    Q_KEEP_CHANGE,
    Q_KEEP_OLDER,
    Q_DESCRIBE,
    Q_ADD_ALARM,
    Q_END_ALARM,
    Q_COUNT_ROWS,
    Q_COUNT_CHANNELS,
    QUERIES
};

struct central_sqlite {
    struct central central; /* first */
    sqlite3 *db;
    sqlite3_stmt *stmts[QUERIES];
    struct db_rows batch; /* the table `batch` */
};

static inline struct central_sqlite *sqlite_of(struct central *central)
{
    return (struct central_sqlite *)central;
}

/* NULL for an empty text. */
void sqlite_bind_text(sqlite3_stmt *stmt, int index, struct view text);
/* NULL for INT64_MIN. */
void sqlite_bind_time(sqlite3_stmt *stmt, int index, int64_t utc_us);

/* The first column of the statement's one row, which must be there. Runs it to its end. */
bool sqlite_need_i64(sqlite3_stmt *stmt, int64_t *out, struct error *err) MUST_USE;

/* The statement that moves a cursor, inside the transaction of its rows. store_id NULL: none. */
bool sqlite_move_cursor(struct central_sqlite *self, int64_t vehicle_id, const char *store_id,
                        const char *stream, int64_t last_seq, struct error *err) MUST_USE;

/* Of the driver's table; also used inside transactions. */
bool sqlite_channel(struct central *central, int64_t vehicle_id, struct view name, int64_t *channel_id,
                    struct error *err) MUST_USE;
bool sqlite_describe(struct central *central, int64_t vehicle_id, int64_t as_of_us,
                     const struct central_description *channels, size_t count, int64_t *changed,
                     struct error *err) MUST_USE;
bool sqlite_add_alarms(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                       const struct central_alarm *alarms, size_t count, int64_t *added,
                       struct error *err) MUST_USE;

#endif
