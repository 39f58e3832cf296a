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

/* client_id NULL: what the archive's json says. store_id NULL: what the json says; without either no cursor
 * moves. progress (may be NULL) is called about ten times a second with lines done so far. Errors: ERR_INPUT
 * (not an archive, damaged line: its number and what is wrong; earlier batches stay). */
bool import_archive(struct central *central, const char *path, const char *client_id,
                    void (*progress)(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total),
                    void *context, struct import_result *result, struct error *err) MUST_USE;

#endif
