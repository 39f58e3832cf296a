/* The json beside an archive (docs/data_contract.md, "Archives"): who it is from and what each of its files
 * must hold. Written by sync_client, read by every importer. Knows nothing of the central store. */
#ifndef SERVER_TOOLS_CENTRAL_ARCHIVE_INFO_H
#define SERVER_TOOLS_CENTRAL_ARCHIVE_INFO_H

#include "common/base/rfc3339.h"
#include "common/crypto/hash.h"
#include "common/os/file.h"
#include "common/pack/packer.h"
#include "server_tools/central/central.h"

enum { ARCHIVE_INFO_MAX_BYTES = 64 * 1024, STORE_ID_MAX_BYTES = 65, ARCHIVE_FILE_BYTES = 256 };

enum archive_stream { ARCHIVE_READINGS, ARCHIVE_ALARMS, ARCHIVE_CHANNELS, ARCHIVE_STREAMS };

/* "readings", "alarms", "channels": as in /data/export?stream= and as the streams of a cursor. */
const char *archive_stream_word(enum archive_stream stream);

/* One file of an archive. */
struct archive_file {
    bool present;                  /* the readings always are */
    char file[ARCHIVE_FILE_BYTES]; /* its name in the folder; readings: "", it is the archive's own */
    int64_t after;               /* by cursor: it holds everything between here and its end; -1: no cursor */
    int64_t first_seq, last_seq; /* -1: no lines, or lines without seq */
    int64_t count, bytes;        /* lines; of the file */
    char sha256[SHA256_HEX_BYTES];
};

struct archive_info {
    bool present; /* false: there is no json, and nothing below is set */
    char client_id[CLIENT_ID_BYTES];
    char agent_id[SHA256_HEX_BYTES]; /* "": it does not say */
    char store_id[STORE_ID_MAX_BYTES];
    enum pack_format format;
    char since[RFC3339_US_BYTES]; /* as it was asked for; "": not by time */
    struct archive_file files[ARCHIVE_STREAMS];
    int64_t period_start_us, period_end_us, created_us; /* INT64_MIN: it does not say */
};

/* One JSON object and a line feed. */
void archive_info_write(const struct archive_info *info, struct buf *out);

/* Members that are not needed here may be there. Errors: ERR_INPUT. */
bool archive_info_parse(struct view text, struct archive_info *out, struct error *err) MUST_USE;

/* NAME.json beside NAME.gz or NAME.zst; false when the path ends otherwise, or is too long. */
bool archive_json_path(const char *archive_path, struct path *out);
/* Reads that one; none is no error. Errors: ERR_INPUT, ERR_IO, ERR_LIMIT. */
bool archive_info_load(const char *archive_path, struct archive_info *out, struct error *err) MUST_USE;

/* Where the stream ends, as its cursor counts: by seq; readings without seq (of a table) by microseconds, but
 * never later than when it was fetched, for a time that is ahead would hide what comes before it. 0: it holds
 * nothing that counts. */
int64_t archive_info_end(const struct archive_info *info, enum archive_stream stream);

/* Whether the cursor may move to that end: nothing lies between the two that the archive leaves out. One that
 * was asked for by time must hold every seq from the cursor on, which it hardly does among the seqs of
 * alarms; where it does not, what follows comes once more and changes nothing. */
bool archive_info_follows(const struct archive_info *info, enum archive_stream stream, int64_t cursor);

#endif
