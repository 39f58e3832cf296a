/* Who is trusted: key files of one to four PEM public keys, any of which is valid. Knows nothing of what was
 * signed. Threads: verifying is safe from several threads. */
#ifndef KEYS_KEYRING_H
#define KEYS_KEYRING_H

#include "common/base/buf.h"
#include "common/crypto/rsa.h"

enum { KEYRING_MAX_KEYS = 4, KEYRING_MAX_BYTES = 64 * 1024 };

struct keyring {
    struct rsa_public *keys[KEYRING_MAX_KEYS];
    char fingerprints[KEYRING_MAX_KEYS][SHA256_HEX_BYTES];
    size_t count;
};

/* Errors: ERR_INPUT (no key, more than four, the same twice, anything between them but blanks and # lines).
 */
bool keyring_parse(struct view text, struct keyring *out, struct error *err) MUST_USE;
bool keyring_load(const char *path, struct keyring *out, struct error *err) MUST_USE;
void keyring_clear(struct keyring *ring);

/* Index of the key that verifies, or -1. */
int keyring_verify(const struct keyring *ring, struct view message, struct view signature);

/* Durable changes of a key file: written beside, fsynced, renamed. Adding one that is there, or a fifth:
 * ERR_EXISTS, ERR_LIMIT. Removing by fingerprint or its unambiguous beginning (8 hex digits or more); the
 * last key is not removed (ERR_DENIED). */
bool keyring_add(const char *path, struct view pem, struct error *err) MUST_USE;
bool keyring_remove(const char *path, const char *fingerprint, struct error *err) MUST_USE;

#endif
