/* Who this machine is towards servers: the certificate and its key in ROOT, and the agent_id that clients
 * pin. Makes a self-signed pair on the first start. Knows nothing of serving. */
#ifndef AGENT_IDENTITY_H
#define AGENT_IDENTITY_H

#include "common/app/appliance.h"
#include "common/crypto/cert.h"

struct identity {
    struct buf cert_pem, key_pem; /* NUL-terminated */
    char agent_id[SHA256_HEX_BYTES];
    bool made; /* by this call */
};

/* AGENT_CERT_FILE and AGENT_KEY_FILE; both missing: a pair is made, durably. A crash at any moment of that
 * leaves what the next call repairs. Errors: ERR_USAGE when one alone is missing or the two are no pair. */
bool identity_open(const struct appliance *appliance, const struct clock *clock, struct identity *out,
                   struct error *err) MUST_USE;
void identity_clear(struct identity *identity);

#endif
