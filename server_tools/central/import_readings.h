/* The readings of an archive into the central store: a thread reads (import_reader.h), this one writes
 * batches of CENTRAL_BATCH_ROWS. */
#ifndef SERVER_TOOLS_CENTRAL_IMPORT_READINGS_H
#define SERVER_TOOLS_CENTRAL_IMPORT_READINGS_H

#include "server_tools/central/archive_files.h"

/* Called about ten times a second, and at the end. */
typedef void import_progress(void *context, int64_t lines, int64_t bytes_done, int64_t bytes_total);

struct import_target {
    struct central *central;
    int64_t vehicle_id;
    const char *store_id; /* whose cursor moves; NULL: none does */
};

struct import_counts {
    int64_t lines, added;
    int64_t last_seq; /* -1: none */
};

/* progress may be NULL. Errors: ERR_INPUT (whole batches before the damage stay), and those of the store. */
bool import_readings(const struct import_target *target, const struct archive_files *files,
                     import_progress *progress, void *context, struct import_counts *counts,
                     struct error *err) MUST_USE;

#endif
