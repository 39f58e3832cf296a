/* The json beside an archive (docs/protocol.md, "Archives"): who it is from and what it must hold. Members
 * that are not needed here may be there. Knows nothing of the central store. */
#ifndef SERVER_TOOLS_CENTRAL_ARCHIVE_INFO_H
#define SERVER_TOOLS_CENTRAL_ARCHIVE_INFO_H

#include "common/crypto/hash.h"
#include "server_tools/central/central.h"

enum { ARCHIVE_INFO_MAX_BYTES = 64 * 1024, STORE_ID_MAX_BYTES = 65 };

struct archive_info {
    bool present; /* false: there is no json, and nothing below is set */
    char client_id[CLIENT_ID_BYTES];
    char store_id[STORE_ID_MAX_BYTES];
    int64_t first_seq, last_seq; /* 0 when count is 0 */
    int64_t count;               /* lines */
    int64_t bytes;               /* of the archive */
    char sha256[SHA256_HEX_BYTES];
    bool since;    /* it was asked for by time: seqs may be missing before it and within it */
    int64_t after; /* else: it holds every reading with after < seq <= last_seq; -1: it does not say */
};

bool archive_info_parse(struct view text, struct archive_info *out, struct error *err) MUST_USE;

/* Reads NAME.json beside NAME.gz; none is no error. Errors: ERR_INPUT, ERR_IO, ERR_LIMIT. */
bool archive_info_load(const char *archive_path, struct archive_info *out, struct error *err) MUST_USE;

#endif
