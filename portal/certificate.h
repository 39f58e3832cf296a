/* The portal's own TLS pair, beside the data: made when missing. It is not the agent's, whose key says who
 * this machine is. An operator may put another pair into its place. Threads: one at a time. */
#ifndef PORTAL_CERTIFICATE_H
#define PORTAL_CERTIFICATE_H

#include "common/app/appliance.h"
#include "common/base/clock.h"

#define PORTAL_CERT_FILE "data/portal_cert.pem"
#define PORTAL_KEY_FILE  "data/portal_key.pem"

/* Makes a pair when there is none; of an operator's pair nothing is ever replaced. cert_pem, key_pem: empty
 * ones, filled. Errors: those of cert_pair_open. */
bool certificate_load(const struct appliance *appliance, const struct clock *clock, struct buf *cert_pem,
                      struct buf *key_pem, struct error *err) MUST_USE;

#endif
