/* What a run that was killed, or a power cut, left in a client's folder. Three cases, in this order:
 *   NAME.json.part that names whole files: the archive is completed, nothing is fetched again;
 *   any other .part or temporary file: it is removed, the cursor stands before it;
 *   a file of an archive without its json (an older version, or somebody removed it): it may be the only
 *   copy, so it is moved to the folder `aside` and nobody reads it until he imports it.
 * Files with other names are somebody else's. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_ARCHIVE_RECOVER_H
#define SERVER_TOOLS_SYNC_CLIENT_ARCHIVE_RECOVER_H

#include "server_tools/sync_client/archive.h"

/* folder: its lock is held. */
bool archive_recover(const struct archive_folder *folder, struct notices *notices,
                     struct error *err) MUST_USE;

#endif
