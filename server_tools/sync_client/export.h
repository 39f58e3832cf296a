/* One export: asks the agent for a range and makes an archive of what comes, or nothing at all. Knows nothing
 * of trying again. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_EXPORT_H
#define SERVER_TOOLS_SYNC_CLIENT_EXPORT_H

#include "server_tools/sync_client/archive.h"
#include "server_tools/sync_client/session.h"

struct export_request {
    const char *store_id; /* borrowed, as since */
    int64_t after;
    const char *since; /* "": by cursor */
    bool by_time;      /* ask by since; false: by after, also when since names what a session began with */
    int64_t limit;     /* lines; 0: all */
};

struct export_result {
    int64_t lines, bytes; /* also of a failed one: what arrived */
    int64_t first_seq, last_seq;
    int64_t period_start_us, period_end_us;
    int64_t us;          /* from the request to the durable archive */
    bool store_changed;  /* the agent has another store by now (the error is ERR_CHANGED) */
    struct path archive; /* "": there was nothing to fetch */
};

/* result: filled as far as it went. Errors worth another attempt: ERR_UNREACHABLE, ERR_TIMEOUT (it broke
 * off). Others: ERR_CHANGED, ERR_DENIED, ERR_PROTOCOL (the agent lies or answers nonsense),
 * ERR_BUSY, ERR_SPACE, ERR_IO. */
bool export_fetch(struct session *session, const struct archive_folder *folder,
                  const struct export_request *request, struct export_result *result,
                  struct error *err) MUST_USE;

#endif
