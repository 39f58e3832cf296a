/* A support bundle: logs, status, settings without secrets and sizes of a machine, as zstd of tar, produced
 * piece by piece in constant memory. Never in it: credentials, keys, licences, readings. docs/support.md says
 * what is. Knows nothing of HTTP. Threads: a bundle belongs to one thread at a time. */
#ifndef AGENT_SUPPORT_BUNDLE_H
#define AGENT_SUPPORT_BUNDLE_H

#include <sys/types.h>

#include "agent/support_scene.h"

enum {
    SUPPORT_MAX_BYTES = 32 * 1024 * 1024,    /* of all files, before they are compressed */
    SUPPORT_LOG_MAX_BYTES = 4 * 1024 * 1024, /* of one log: its last part */
    SUPPORT_FILE_MAX_BYTES = 1024 * 1024,    /* of one other file */
    SUPPORT_TIME_S = 10 * 60,                /* then no more logs are begun */
    SUPPORT_TIME_MAX_S = 20 * 60,            /* then it is broken off */
    SUPPORT_NAME_BYTES = 128,
};

struct support_bundle;

/* scene: copied; what it points to is borrowed. Errors: those of reading secrets (nothing is given out that
 * could not be hidden), ERR_IO, ERR_MEMORY. */
struct support_bundle *support_bundle_new(const struct support_scene *scene, struct error *err) MUST_USE;
void support_bundle_free(struct support_bundle *bundle); /* NULL is fine */

/* "telehaul-support-HOST-20260222T100000Z", the folder that all is in. */
const char *support_bundle_name(const struct support_bundle *bundle);

/* Fills out as far as it goes: bytes written, 0 at the end, -1 with err when it cannot be brought to its end.
 */
ssize_t support_bundle_read(struct support_bundle *bundle, char *out, size_t out_bytes,
                            struct error *err) MUST_USE;

bool support_bundle_is_whole(const struct support_bundle *bundle); /* read has returned 0 */
int64_t support_bundle_bytes(const struct support_bundle *bundle); /* written so far */

#endif
