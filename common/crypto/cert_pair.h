/* A certificate and its private key in two files: a self-signed pair is made when both are missing, and never
 * over one that is there. Knows nothing of what they are for. Threads: one at a time. */
#ifndef COMMON_CRYPTO_CERT_PAIR_H
#define COMMON_CRYPTO_CERT_PAIR_H

#include "common/crypto/cert.h"

struct cert_pair {
    struct buf cert_pem, key_pem; /* NUL-terminated */
    bool made;                    /* by this call */
};

/* Both missing: a pair is made, durably (key 0600). A crash at any moment of that leaves what the next call
 * repairs. common_name: of a new certificate. Errors: ERR_USAGE when one alone is missing or the two are no
 * pair. */
bool cert_pair_open(const char *cert_path, const char *key_path, const char *common_name,
                    const struct clock *clock, struct cert_pair *out, struct error *err) MUST_USE;
void cert_pair_clear(struct cert_pair *pair); /* wiped */

#endif
