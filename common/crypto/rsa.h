/* RSA keys and RSA-PSS signatures (RFC 8017, section 8.1): SHA-256, MGF1-SHA-256; signing uses a salt of 32
 * bytes, verifying takes any length. Knows nothing of who is trusted for what (see keys/).
 * Threads: a key may be used by several threads at once. */
#ifndef COMMON_CRYPTO_RSA_H
#define COMMON_CRYPTO_RSA_H

#include "common/base/buf.h"
#include "common/crypto/hash.h"

enum {
    RSA_MIN_BITS = 2048,
    RSA_MAX_BITS = 8192,
    RSA_SIGNATURE_MAX_BYTES = RSA_MAX_BITS / 8,
    RSA_PEM_MAX_BYTES = 16 * 1024,
};

struct rsa_private;
struct rsa_public;

/* Makes a new key pair. bits: RSA_MIN_BITS to RSA_MAX_BITS, a multiple of 8. Takes seconds for large ones. */
struct rsa_private *rsa_private_generate(unsigned bits, struct error *err) MUST_USE;
/* PEM, PKCS#1 or PKCS#8, without a passphrase. Errors: ERR_INPUT. */
struct rsa_private *rsa_private_parse(struct view pem, struct error *err) MUST_USE;
/* Reads a file; one that others may read is refused with ERR_DENIED and the chmod to do. */
struct rsa_private *rsa_private_load(const char *path, struct error *err) MUST_USE;
void rsa_private_free(struct rsa_private *key);

bool rsa_private_write_pem(const struct rsa_private *key, struct buf *out, struct error *err) MUST_USE;
/* The public half, PEM SubjectPublicKeyInfo. */
bool rsa_private_write_public_pem(const struct rsa_private *key, struct buf *out, struct error *err) MUST_USE;

/* Exactly one PEM "PUBLIC KEY" (SubjectPublicKeyInfo) of RSA. Errors: ERR_INPUT. */
struct rsa_public *rsa_public_parse(struct view pem, struct error *err) MUST_USE;
void rsa_public_free(struct rsa_public *key);
bool rsa_public_write_pem(const struct rsa_public *key, struct buf *out, struct error *err) MUST_USE;
unsigned rsa_public_bits(const struct rsa_public *key);
/* SHA-256 of the DER SubjectPublicKeyInfo, lowercase hex. */
bool rsa_public_fingerprint(const struct rsa_public *key, char out[SHA256_HEX_BYTES],
                            struct error *err) MUST_USE;

/* out: RSA_SIGNATURE_MAX_BYTES; *size: the key's size in bytes. */
bool rsa_pss_sign(const struct rsa_private *key, struct view message, unsigned char *out, size_t *size,
                  struct error *err) MUST_USE;
/* The same with a salt that is a hash of the message (RFC 8017, section 9.1: the salt need not be random):
 * the same message gives the same signature, so that packages are reproducible. */
bool rsa_pss_sign_repeatable(const struct rsa_private *key, struct view message, unsigned char *out,
                             size_t *size, struct error *err) MUST_USE;
/* True only for a valid signature of exactly the key's size. */
bool rsa_pss_verify(const struct rsa_public *key, struct view message, struct view signature);
/* The same over a SHA-256 that the caller computed. */
bool rsa_pss_verify_hash(const struct rsa_public *key, const unsigned char hash[SHA256_BYTES],
                         struct view signature);

static inline void scope_rsa_private(struct rsa_private **key)
{
    rsa_private_free(*key);
}
static inline void scope_rsa_public(struct rsa_public **key)
{
    rsa_public_free(*key);
}
#define SCOPE_RSA_PRIVATE SCOPE(scope_rsa_private)
#define SCOPE_RSA_PUBLIC  SCOPE(scope_rsa_public)

#endif
