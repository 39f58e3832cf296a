/* One export of one stream: asks the agent for a range and takes what comes into a file, whole and checked,
 * or not at all. Knows nothing of archives and of trying again. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_EXPORT_H
#define SERVER_TOOLS_SYNC_CLIENT_EXPORT_H

#include "server_tools/central/archive_info.h"
#include "server_tools/sync_client/session.h"

struct export_request {
    enum archive_stream stream;
    enum pack_format format;
    const char *store_id; /* borrowed, as since */
    const char *since;    /* "": by seq */
    int64_t after;        /* by seq. Channels are asked for whole: neither counts */
    bool has_seq;         /* false: of a table, whose lines have none */
    int64_t limit;        /* lines; 0: all */
    bool read_lines;      /* readings: every line is read, because nobody will import them */
};

struct export_result {
    struct archive_file file;               /* count and bytes also of a failed one: what arrived */
    int64_t period_start_us, period_end_us; /* of readings; INT64_MIN: none */
    int64_t us;                             /* from the request to the last byte checked */
    bool store_changed; /* the agent has another store by now (the error is ERR_CHANGED) */
    bool no_cursor;     /* the agent's readings come from a table (the error is ERR_CHANGED) */
};

/* fd: empty, for reading and writing. result: filled as far as it went; file.file and file.after are the
 * caller's. Errors worth another attempt: ERR_UNREACHABLE, ERR_TIMEOUT (it broke off). Others: ERR_CHANGED,
 * ERR_DENIED, ERR_PROTOCOL (the agent lies or answers nonsense), ERR_BUSY, ERR_SPACE, ERR_IO. */
bool export_fetch(struct session *session, int fd, const struct export_request *request,
                  struct export_result *result, struct error *err) MUST_USE;

#endif
