/* An update that has come whole: verified against this machine, then queued. Knows nothing of HTTP. Threads:
 * any; it reads the whole package and fsyncs, so it takes seconds. */
#ifndef AGENT_UPDATE_VERIFY_H
#define AGENT_UPDATE_VERIFY_H

#include <stdatomic.h>

#include "common/app/appliance.h"
#include "common/base/clock.h"

enum { UPDATE_VERSION_BYTES = 64, UPDATE_SIGNATURE_BYTES = 1400 }; /* of the headers; base64 of 8192 bits */

/* What a request says of its update before the body comes. */
struct update_offer {
    char version[UPDATE_VERSION_BYTES];     /* X-Update-Version */
    char signature[UPDATE_SIGNATURE_BYTES]; /* X-Manifest-Signature */
    char from[48];                          /* the address */
};

/* Whether an update of this version may land here now, as far as that can be said without it. Errors:
 * ERR_EXISTS `same_version`, ERR_CHANGED `older_version`, ERR_BUSY `busy`, ERR_IO ... */
bool update_wanted(const struct appliance *appliance, const char *version, struct error *err) MUST_USE;

/* fd: of PENDING_UPLOAD_NAME, borrowed. stopping: when it becomes true, ERR_CANCELLED. Errors: those of
 * package.h and pending_queue; ERR_INPUT `version_mismatch` and ERR_DENIED `invalid_sig` when the package is
 * not what the offer said. */
bool update_verify_and_queue(const struct appliance *appliance, const struct update_offer *offer, int fd,
                             const struct clock *clock, const atomic_bool *stopping,
                             struct error *err) MUST_USE;

/* A line in the update history, unless its newest one says just that; none when the history has become
 * UPDATE_HISTORY_MAX_BYTES large: a flood of refusals fills no disk. */
enum { UPDATE_HISTORY_MAX_BYTES = 16 * 1024 * 1024 };
bool update_note_refusal(const struct appliance *appliance, const struct update_offer *offer,
                         const char *reason, const char *text, const struct clock *clock,
                         struct error *err) MUST_USE;

#endif
