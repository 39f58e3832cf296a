/* Which file of TELEMETRY_DIR is the telemetry store in use. Knows nothing of what is in it. Threads: safe.
 */
#ifndef COMMON_APP_STORE_FILE_H
#define COMMON_APP_STORE_FILE_H

#include "common/os/file.h"

/* The file in use: what data/current_store names, data/telemetry.db when there is none. folder:
 * TELEMETRY_DIR, absolute. Errors: ERR_CORRUPT (it names no store), ERR_IO. */
bool store_current_path(const char *folder, struct path *out, struct error *err) MUST_USE;

#endif
