/* The Accept header of an export: which of the two formats its client wants (RFC 9110, section 12.5.1); and
 * the Accept-Encoding header of other answers (section 12.5.3). Threads: safe. */
#ifndef AGENT_ACCEPT_H
#define AGENT_ACCEPT_H

#include "common/pack/packer.h"

/* header: as it came; NULL: there was none. zstd only for a client that names application/zstd with a weight
 * above 0 and not below that of gzip; all others get gzip, whatever they accept. */
enum pack_format accept_format(const char *header);

/* header: as it came; NULL: there was none. Whether an answer may be gzip encoded: gzip, x-gzip or else `*`
 * is named with a weight above 0. */
bool accept_gzip_encoding(const char *header);

#endif
