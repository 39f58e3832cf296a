/* `sync_client --update ZIP`: an update is looked at here, then delivered to a machine, which decides. Knows
 * nothing of keys of updates: who signed it is the machine's business. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_UPDATE_H
#define SERVER_TOOLS_SYNC_CLIENT_UPDATE_H

#include "server_tools/sync_client/report.h"
#include "server_tools/sync_client/session.h"

enum {
    UPDATE_ANSWER_S = 600, /* how long a machine may take to verify what it has received */
    UPDATE_SIGNATURE_BYTES = 2048,
};

/* A package that is worth sending. */
struct update_file {
    const char *path; /* borrowed */
    int fd;           /* -1: not open */
    uint64_t bytes;
    char version[REPORT_VERSION_BYTES];
    char signature[UPDATE_SIGNATURE_BYTES]; /* base64 */
};

/* Reads all of it: its structure, its manifest, every hash; not who signed it. Errors: ERR_INPUT,
 * ERR_NOT_FOUND, ERR_IO. */
bool update_open(const char *path, struct update_file *out, struct error *err) MUST_USE;
void update_close(struct update_file *update);
#define SCOPE_UPDATE_FILE SCOPE(update_close)

/* True when the machine has queued it. An upload that broke off is begun anew, RETRY_ATTEMPTS times in all.
 * report: filled, whatever comes. Errors: those of a session; a refusal is ERR_EXISTS, in words that say what
 * to do. */
bool update_deliver(struct session *session, const struct update_file *update, struct report_update *report,
                    struct error *err) MUST_USE;

#endif
