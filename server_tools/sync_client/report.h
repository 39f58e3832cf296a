/* What came home, said at the end: a few lines for people, or one JSON object. Knows nothing of how it came.
 */
#ifndef SERVER_TOOLS_SYNC_CLIENT_REPORT_H
#define SERVER_TOOLS_SYNC_CLIENT_REPORT_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/crypto/hash.h"

enum { REPORT_MAX_BYTES = 4 * 1024 * 1024 };

struct report {
    const char *client_id; /* borrowed, as the next */
    const char *database;  /* "": none */
    char agent_id[SHA256_HEX_BYTES];
    char store_id[64]; /* "": nothing was measured yet */
    char software_version[64];
    int64_t records, bytes;      /* of this session's archives */
    struct buf archives;         /* their paths, each with its NUL */
    int64_t imported, added;     /* lines read into the database, those that were new there */
    int64_t channels;            /* of this client in the database; -1 without one */
    int64_t first_seq, last_seq; /* first -1: nothing came; last: where the cursor stands */
    int64_t period_start_us, period_end_us;
    int64_t us; /* spent on receiving */
};

void report_init(struct report *report);
void report_clear(struct report *report);

bool report_print(const struct report *report, bool json, struct error *err) MUST_USE;

#endif
