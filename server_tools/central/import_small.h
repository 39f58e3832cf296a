/* The channels and the alarms of an archive into the central store. The files were verified line by line
 * (archive_files.h). */
#ifndef SERVER_TOOLS_CENTRAL_IMPORT_SMALL_H
#define SERVER_TOOLS_CENTRAL_IMPORT_SMALL_H

#include "server_tools/central/import_readings.h"

/* Nothing to do without channels. *changed: those that mean something else than before. */
bool import_channels(const struct import_target *target, const struct archive_files *files, int64_t *changed,
                     struct error *err) MUST_USE;

/* Nothing to do without alarms. added: those that were new. */
bool import_alarms(const struct import_target *target, const struct archive_files *files,
                   struct import_counts *counts, struct error *err) MUST_USE;

#endif
