/* One row of an answer of /data: {"time","channel_id","value"}. Inside data_answer only. Knows nothing of the
 * window or of the order. Threads: one at a time. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_DATA_ROW_H
#define SERVER_TOOLS_SYNC_SERVICE_DATA_ROW_H

#include "server_tools/central/central.h"

enum {
    DATA_ROW_BYTES = 1024,
    DATA_ROW_SECOND_BYTES = 20, /* "2026-02-22T10:00:00." */
    DATA_SCAN_PAD_BYTES = 64,   /* NULs behind what has come: no look ahead leaves the buffer */
};

/* What is looked at; DATA_SCAN_PAD_BYTES NULs begin at end. */
struct data_scan {
    const char *at, *end;
};

enum data_taken { DATA_TAKEN, DATA_NEED_MORE, DATA_WRONG };

/* The second of the row before: days are worked out once a second. All 0 to begin with. */
struct data_row_reader {
    char second_text[DATA_ROW_SECOND_BYTES];
    int64_t second_us;
};

/* Takes the row that begins at scan->at, and nothing when it has not come whole. channel_id is the vehicle's
 * number. Errors: what is wrong with it. */
enum data_taken data_row_take(struct data_row_reader *reader, struct data_scan *scan, struct central_row *row,
                              struct error *err);

#endif
