/* Where what came is put, and how far that goes: the central database with its cursor, or, with --db none,
 * the archives alone. Knows nothing of the agent. Threads: one at a time. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_HOME_H
#define SERVER_TOOLS_SYNC_CLIENT_HOME_H

#include "server_tools/central/central.h"
#include "server_tools/sync_client/archive.h"
#include "server_tools/sync_client/notices.h"
#include "server_tools/sync_client/settings.h"

struct home {
    const struct settings *settings; /* borrowed, as the next three */
    const struct archive_folder *folder;
    struct notices *notices;
    const struct clock *clock;
    struct central *central; /* NULL: --db none */
    int64_t vehicle_id;
    char agent_id[SHA256_HEX_BYTES]; /* whom home_meet has found to be this client; "": nobody yet */
    int64_t imported, added;         /* readings read, those that were new */
    int64_t alarms_added;            /* alarms that were new */
    int64_t channels_changed;
};

/* Opens the database and imports the archives that an earlier run did not come to. home: to be closed
 * whatever comes back. */
bool home_open(struct home *home, const struct settings *settings, const struct archive_folder *folder,
               struct notices *notices, const struct clock *clock, struct error *err) MUST_USE;
void home_close(struct home *home);

/* Whether this client is this agent: two machines under one name would become one for ever. When it was
 * another one until now, that is an ERR_DENIED with both, unless the user has said in this run that it is
 * right (met): then it is said aloud. */
bool home_meet(struct home *home, const char *agent_id, bool met, struct error *err) MUST_USE;

/* How far this stream of this store is here: the last seq, or, of readings without seq, the last time in
 * microseconds; 0 when nothing is. */
bool home_cursor(const struct home *home, const char *store_id, enum archive_stream stream, int64_t *cursor,
                 struct error *err) MUST_USE;

/* Whether what came is worth an archive: readings, alarms, or channels that no archive of this store
 * describes so. */
bool home_is_news(const struct home *home, const struct archive_info *info, bool *news,
                  struct error *err) MUST_USE;

/* Imports one archive; with --db none verifies every line of it. path: of its readings. */
bool home_take(struct home *home, const char *path, struct error *err) MUST_USE;
/* The same of one whose lines were read as they came (export_request.read_lines). */
bool home_take_fresh(struct home *home, const char *path, struct error *err) MUST_USE;

struct home_session {
    const char *software_version; /* "": not learned */
    int64_t started_us;
    int64_t bytes;
    const struct error *failure; /* NULL: all went well */
};
/* "3 channels mean something else since 2026-02-22T10:00:00Z: see channel_changes"; "" for none. */
enum { HOME_CHANGED_BYTES = 128 };
void home_describe_changes(int64_t channels, int64_t since_us, char out[HOME_CHANGED_BYTES]);

/* The vehicle's row and the journal. channels: of this client, -1 when unknown. */
bool home_note(struct home *home, const struct home_session *session, int64_t *channels,
               struct error *err) MUST_USE;

#endif
