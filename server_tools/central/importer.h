/* Reads one archive (gzip JSON Lines) and its json into the central store: inflate, scan, batches of
 * CENTRAL_BATCH_ROWS sorted by channel then time, cursor in each transaction. Importing one again changes
 * nothing. Bounded memory whatever the archive's size. */
#ifndef SERVER_TOOLS_CENTRAL_IMPORTER_H
#define SERVER_TOOLS_CENTRAL_IMPORTER_H

#include "server_tools/central/central.h"

struct import_result {
    int64_t lines, added, bytes; /* bytes: of the archive file */
    int64_t last_seq;            /* -1 when the lines have none */
};

/* client_id NULL: what the archive's json says. With a json (NAME.json beside NAME.gz) its size, SHA-256 and
 * count are verified, the first two before anything is written, and the cursor of its store_id moves, unless
 * the archive leaves something out behind it: it follows on a later seq (`after`), or was asked for by time
 * (`since`) and does not hold every seq. Without a json no cursor moves. progress (may be NULL) is called
 * about ten times a second with lines and bytes done so far. Errors: ERR_INPUT (not an archive, not what its
 * json says, a damaged line: its number and what is wrong; whole batches before it stay), ERR_USAGE (no
 * client id), and those of the store. */
bool import_archive(struct central *central, const char *path, const char *client_id,
                    void (*progress)(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total),
                    void *context, struct import_result *result, struct error *err) MUST_USE;

#endif
