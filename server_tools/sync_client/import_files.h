/* `sync_client import FILE...`: archives into the database again, or for the first time. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_IMPORT_FILES_H
#define SERVER_TOOLS_SYNC_CLIENT_IMPORT_FILES_H

#include "server_tools/sync_client/notices.h"
#include "server_tools/sync_client/settings.h"

/* Prints the result. Stops at the first file that cannot be imported; what was imported stays. */
bool import_files(const struct settings *settings, struct notices *notices, struct error *err) MUST_USE;

#endif
