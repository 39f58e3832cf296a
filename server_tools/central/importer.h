/* Reads one archive and its json into the central store (docs/data_contract.md): how the channels are
 * described, the readings, the alarms, with the cursors in the transactions that they count. Importing one
 * again at any time changes nothing. Bounded memory whatever the archive's size. */
#ifndef SERVER_TOOLS_CENTRAL_IMPORTER_H
#define SERVER_TOOLS_CENTRAL_IMPORTER_H

#include "server_tools/central/import_readings.h"

struct import_result {
    int64_t lines, added;         /* readings; those that were new */
    int64_t alarms, alarms_added; /* the same of alarms */
    int64_t channels_changed;     /* mean something else than before: they are in channel_changes */
    int64_t bytes;                /* of the archive's files, without the json */
    int64_t last_seq;             /* of the readings; -1 when the lines have none */
};

/* path: NAME.gz or NAME.zst. client_id NULL: what the archive's json says. With a json (NAME.json beside it)
 * size, SHA-256 and every line of alarms and channels are verified before anything is written, the count of
 * readings before the last batch of them, and the cursors of its store_id move, unless the archive leaves
 * something out behind them (archive_info_follows). Without a json there are readings alone, and no cursor
 * moves. progress may be NULL. Errors: ERR_INPUT (not an archive, not what its json says, a damaged line: the
 * file, its number and what is wrong; whole batches before it stay), ERR_USAGE (no client id; the path is of
 * alarms or channels), ERR_BUSY (another importer works on this vehicle), and those of the store. */
bool import_archive(struct central *central, const char *path, const char *client_id,
                    import_progress *progress, void *context, struct import_result *result,
                    struct error *err) MUST_USE;

#endif
