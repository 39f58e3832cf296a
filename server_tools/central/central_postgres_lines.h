/* What is said of one or of many vehicles in one statement: channels, alarms, cursors, journal entries, each
 * a line (an object) of a JSON array that names its vehicle_id. Knows nothing of who says it. All inside a
 * transaction of the caller's, who holds the vehicles' rows: numbers within a vehicle are given to one at a
 * time. Threads: the connection's. */
#ifndef SERVER_TOOLS_CENTRAL_CENTRAL_POSTGRES_LINES_H
#define SERVER_TOOLS_CENTRAL_CENTRAL_POSTGRES_LINES_H

#include "common/net/json_writer.h"
#include "common/store/pg.h"
#include "server_tools/central/central.h"

#define POSTGRES_LINES_MAX_BYTES ((size_t)64 * 1024 * 1024)

/* ---- members of a line ---- */

void line_text(struct json_writer *line, const char *key, struct view text); /* empty: null */
void line_time(struct json_writer *line, const char *key, int64_t utc_us);   /* INT64_MIN: null */

/* ---- whole lines ---- */

void line_description(struct json_writer *lines, int64_t vehicle_id, int64_t as_of_us,
                      const struct central_description *channel);
/* remote_id: the machine's number of the channel, when the alarm names none; -1: neither. */
void line_alarm(struct json_writer *lines, int64_t vehicle_id, const struct central_alarm *alarm,
                int32_t remote_id);
void line_journal(struct json_writer *lines, const struct central_journal *entry);
void line_cursor(struct json_writer *lines, int64_t vehicle_id, const char *store_id, const char *stream,
                 int64_t seq);

/* ---- statements ---- */

/* Makes those channels that are new. Lines with a `name`; null is none. */
bool postgres_make_channels(struct pg *pg, const char *lines, struct error *err) MUST_USE;
/* As central_describe, of channels that are there. *changed may be NULL. */
bool postgres_describe_channels(struct pg *pg, const char *lines, int64_t now_us, int64_t *changed,
                                struct error *err) MUST_USE;
/* As central_add_alarms; their channels are there. The result: vehicle_id, how many were new. */
struct pg_result *postgres_write_alarms(struct pg *pg, const char *lines, struct error *err) MUST_USE;
/* At most one line a vehicle. */
bool postgres_write_journal(struct pg *pg, const char *lines, struct error *err) MUST_USE;
/* Never back. At most one line a vehicle, store and stream. */
bool postgres_move_cursors(struct pg *pg, const char *lines, struct error *err) MUST_USE;

#endif
