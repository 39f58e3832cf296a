/* X.509 certificates: makes self-signed ones and names a certificate by its key. Knows nothing of chains:
 * peers are pinned. Threads: safe. */
#ifndef COMMON_CRYPTO_CERT_H
#define COMMON_CRYPTO_CERT_H

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/crypto/hash.h"

enum { CERT_PEM_MAX_BYTES = 64 * 1024, CERT_VALID_YEARS = 10 };

/* A P-256 key and a certificate for it, self-signed, valid from a day before now (a machine's clock may be
 * behind) for CERT_VALID_YEARS. common_name: [A-Za-z0-9 ._-]{1,64}. Both out as PEM. */
bool cert_make(const char *common_name, const struct clock *clock, struct buf *cert_pem, struct buf *key_pem,
               struct error *err) MUST_USE;

/* agent_id: lowercase hex SHA-256 of the DER SubjectPublicKeyInfo of the first certificate in the PEM. */
bool cert_agent_id(struct view cert_pem, char out[SHA256_HEX_BYTES], struct error *err) MUST_USE;

/* True when the private key (PEM) belongs to the certificate (PEM). Errors: ERR_INPUT says which is wrong. */
bool cert_matches_key(struct view cert_pem, struct view key_pem, struct error *err) MUST_USE;

#endif
