/* GET /api/update/details: what the package that waits is and would do, as its verifier reads it: size,
 * signer, what it changes, whether it may land here. Read once a package, on a thread of its own, and kept
 * while zip and keys stay the same. It only informs: the updater verifies again when it applies.
 * Threads: safe. */
#ifndef PORTAL_UPDATE_DETAILS_H
#define PORTAL_UPDATE_DETAILS_H

#include "portal/portal.h"

struct update_details *update_details_new(struct error *err) MUST_USE;
void update_details_free(struct update_details *details); /* NULL is fine */

void update_details_get(struct http_request *request);

#endif
