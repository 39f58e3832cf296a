/* The central store behind one interface: SQLite (embedded) or PostgreSQL. Knows the tables of
 * docs/data_contract.md, "Central store"; knows nothing of archives or sessions. Batches and cursors move in
 * one transaction. Threads: one at a time. */
#ifndef SERVER_TOOLS_CENTRAL_CENTRAL_H
#define SERVER_TOOLS_CENTRAL_CENTRAL_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/crypto/hash.h"

struct central;

enum { CENTRAL_BATCH_ROWS = 100000, CLIENT_ID_BYTES = 65 };

/* url: a path (SQLite; made when missing, and so is its folder), or postgresql://... Migrates. Errors:
 * ERR_UNREACHABLE, ERR_DENIED (PostgreSQL), ERR_USAGE, and those of the store. */
struct central *central_open(const char *url, const struct clock *clock, struct error *err) MUST_USE;
void central_close(struct central *central); /* NULL is fine */
static inline void scope_central(struct central **central)
{
    central_close(*central);
}
#define SCOPE_CENTRAL SCOPE(scope_central)

/* [A-Za-z0-9._-]{1,64}, not "." or "..". */
bool central_client_id_ok(const char *client_id);

/* What a session knows of a vehicle; "", INT64_MIN and a port of 0 leave a column as it is. */
struct central_vehicle {
    char client_id[CLIENT_ID_BYTES];
    char host[256];
    int64_t agent_port;
    char agent_id[SHA256_HEX_BYTES];
    char software_version[64];
    int64_t last_seen_us;
    int64_t last_sync_us;
    char sync_status[16];
};
/* Finds or makes the vehicle and updates what is known. */
bool central_vehicle(struct central *central, const struct central_vehicle *vehicle, int64_t *vehicle_id,
                     struct error *err) MUST_USE;

/* The agent_id that the vehicle's row has; "" when none is known. */
bool central_agent(struct central *central, int64_t vehicle_id, char agent_id[SHA256_HEX_BYTES],
                   struct error *err) MUST_USE;

/* The last seq imported of this store and stream; 0 when none. */
bool central_cursor(struct central *central, int64_t vehicle_id, const char *store_id, const char *stream,
                    int64_t *seq, struct error *err) MUST_USE;

/* One importer a vehicle: waits until no other holds it; held until central_unlock or central_close. SQLite:
 * its own lock is enough, and nothing is done. Errors: ERR_BUSY (after CENTRAL_LOCK_WAIT_S), those of the
 * store. */
enum { CENTRAL_LOCK_WAIT_S = 600 };
bool central_lock(struct central *central, int64_t vehicle_id, struct error *err) MUST_USE;
void central_unlock(struct central *central, int64_t vehicle_id);

/* The central store's own id of (vehicle, name); made when new. */
bool central_channel(struct central *central, int64_t vehicle_id, struct view name, int64_t *channel_id,
                     struct error *err) MUST_USE;

struct central_row {
    int64_t time_us;
    int32_t channel_id;
    double value; /* NaN: NULL */
};
/* Adds rows (repeated ones do nothing; the array is sorted in place) and moves the cursor of the stream
 * `readings` to last_seq, never back, in one transaction. count: at most CENTRAL_BATCH_ROWS. store_id NULL:
 * no cursor. *added: rows that were new. */
bool central_add(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                 struct central_row *rows, size_t count, int64_t *added, struct error *err) MUST_USE;

/* A channel as its machine describes it. */
struct central_description {
    struct view name;
    struct view unit; /* empty: none, as the next */
    struct view description;
    double min_value, max_value; /* NaN: none */
};
/* Brings the vehicle's channels up to what its machine said at as_of_us (the archive's created_at, which
 * synced_at keeps), in one transaction. A channel that was described later than that is left as it is, and
 * when it was something else then, channel_changes says so (held_until: as_of_us), once: an older archive
 * imported again changes nothing. A synced_at later than now is of a clock that was ahead and counts for
 * nothing. Where a channel that had been described says something else by now, what
 * it was before is kept as a row of channel_changes: what held until then, when the last readings before
 * that came (last_sync_at of the vehicle; NULL when unknown) and when the change was seen (as_of_us), so that
 * nobody takes old readings for new units. *changed: such channels. */
bool central_describe(struct central *central, int64_t vehicle_id, int64_t as_of_us,
                      const struct central_description *channels, size_t count, int64_t *changed,
                      struct error *err) MUST_USE;

struct central_alarm {
    int64_t alarm_id;
    struct view channel; /* made when new, as central_channel does; empty: of none */
    struct view severity, message;
    int64_t raised_us, resolved_us; /* INT64_MIN: it lasts */
};
enum { CENTRAL_ALARMS_MAX = 10000 }; /* of one call */
/* Adds alarms (of a repeated one only the end is taken, of several ends the latest, and an end once known is
 * never taken back) and moves the cursor of the stream `alarms` to last_seq, never back, in one transaction.
 * store_id NULL: no cursor. *added: alarms that were new. */
bool central_add_alarms(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                        const struct central_alarm *alarms, size_t count, int64_t *added,
                        struct error *err) MUST_USE;

struct central_journal {
    int64_t vehicle_id;
    int64_t started_us, finished_us;
    const char *status; /* ok, timeout, error */
    int64_t rows_written, bytes;
    const char *note;
};
/* Also forgets the vehicle's entries older than 30 days. */
bool central_journal(struct central *central, const struct central_journal *entry,
                     struct error *err) MUST_USE;

/* For messages: rows, channels of a vehicle. Reads all of the vehicle's rows, 30 ms a million; rows NULL:
 * does not count them. */
bool central_count(struct central *central, int64_t vehicle_id, int64_t *rows, int64_t *channels,
                   struct error *err) MUST_USE;

#endif
