/* What the json beside an archive says, as it is written here; server_tools/central/archive_info.h reads it.
 * Knows nothing of files. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_ARCHIVE_FACTS_H
#define SERVER_TOOLS_SYNC_CLIENT_ARCHIVE_FACTS_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/crypto/hash.h"

struct archive_facts {
    const char *client_id, *agent_id, *store_id; /* borrowed */
    const char *since;                           /* as asked for; "": by cursor. Borrowed */
    int64_t after; /* by cursor: it holds every reading with after < seq <= last_seq */
    int64_t first_seq, last_seq, count, bytes;
    int64_t period_start_us, period_end_us, created_us;
    char sha256[SHA256_HEX_BYTES];
};

/* One JSON object and a line feed. */
void archive_facts_write(const struct archive_facts *facts, struct buf *out);

#endif
