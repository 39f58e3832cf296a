/* What the files of the PostgreSQL driver share, and sync_service with them: the tables' SQL is in one place.
 * Private to central_postgres*.c and server_tools/sync_service. */
#ifndef SERVER_TOOLS_CENTRAL_CENTRAL_POSTGRES_H
#define SERVER_TOOLS_CENTRAL_CENTRAL_POSTGRES_H

#include "common/store/pg.h"
#include "server_tools/central/central_driver.h"

/* Whether this session may COPY into measurements: PostgreSQL refuses it to whom row-level security binds. */
enum copy_right { COPY_NOT_ASKED, COPY_ALLOWED, COPY_REFUSED };

struct central_postgres {
    struct central central; /* first */
    struct pg *pg;
    enum copy_right copy_right;
    char copy[PG_COPY_BUFFER_BYTES]; /* rows on their way */
};

static inline struct central_postgres *postgres_of(struct central *central)
{
    return (struct central_postgres *)central;
}

/* The first numbers of pg_advisory_lock(number, number) that are Telehaul's ("telh" and on). */
enum {
    LOCK_MIGRATIONS = 0x74656c68, /* with 0 */
    LOCK_MONTHS,                  /* with 0; 0002_fleet.sql has its number */
    LOCK_VEHICLE,                 /* with vehicle_id: one importer */
};

/* ---- parameters: each writes to out and returns it ---- */

enum { PARAM_BYTES = 40 };
const char *param_i64(char out[PARAM_BYTES], int64_t value);
/* A time as timestamptz reads it; NULL for INT64_MIN. */
const char *param_time(char out[PARAM_BYTES], int64_t utc_us);
/* NULL for "". */
const char *param_text(const char *text);

/* Checks the encoding, and lets the session see every row where row-level security binds its role. */
bool postgres_prepare(struct pg *pg, struct error *err) MUST_USE;
/* Every query here follows a key and is short: plans are to follow the keys also where nothing is known of a
 * new partition, and none is worth compiling. The server notices within a minute when this computer is gone,
 * and gives its locks back. */
bool postgres_prepare_plans(struct pg *pg, struct error *err) MUST_USE;
/* Applies what the ledger does not have, in a session that postgres_prepare prepared. *known: how many there
 * are. */
bool postgres_migrate(struct pg *pg, int64_t *known, struct error *err) MUST_USE;

/* A statement whose result does not matter. */
bool postgres_run(struct pg *pg, const char *sql, const char *const *params, size_t count,
                  struct error *err) MUST_USE;

/* Begins a transaction and holds the vehicle's row: numbers within the vehicle are given to one at a time. */
bool postgres_begin_for(struct central_postgres *self, int64_t vehicle_id, struct error *err) MUST_USE;

/* The statement that moves a cursor, inside the transaction of its rows. store_id NULL: none. */
bool postgres_move_cursor(struct pg *pg, int64_t vehicle_id, const char *store_id, const char *stream,
                          int64_t last_seq, struct error *err) MUST_USE;

/* ---- readings ---- */

/* Asks once: *right stays as it is when it is known. Where it is refused, postgres_add_staged works. */
bool postgres_copy_right(struct pg *pg, enum copy_right *right, struct error *err) MUST_USE;

/* Of one vehicle; rows: at most CENTRAL_BATCH_ROWS, in order of channel, then time; repeated ones do no harm.
 */
struct postgres_batch {
    int64_t vehicle_id;
    const struct central_row *rows;
    size_t count;
};

/* Each adds those that are not there yet, in a transaction of the caller's. buffer: PG_COPY_BUFFER_BYTES.
 * Filtered: reads the keys that are there, and what is new goes by COPY straight into `measurements`;
 * ERR_CHANGED when somebody else adds some of it meanwhile. Staged: through a temporary table. */
bool postgres_add_filtered(struct pg *pg, char *buffer, const struct postgres_batch *batch, int64_t *added,
                           struct error *err) MUST_USE;
bool postgres_add_staged(struct pg *pg, char *buffer, const char *table, const struct postgres_batch *batch,
                         int64_t *added, struct error *err) MUST_USE;

/* ---- the driver's larger functions ---- */

bool postgres_add(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                  const struct central_row *rows, size_t count, int64_t *added, struct error *err) MUST_USE;
bool postgres_describe(struct central *central, int64_t vehicle_id, int64_t as_of_us,
                       const struct central_description *channels, size_t count, int64_t *changed,
                       struct error *err) MUST_USE;
bool postgres_add_alarms(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                         const struct central_alarm *alarms, size_t count, int64_t *added,
                         struct error *err) MUST_USE;

#endif
