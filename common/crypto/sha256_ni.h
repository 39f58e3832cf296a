/* SHA-256 (FIPS 180-4) on the SHA instructions of x86 processors, several times as fast as plain C: an export
 * is hashed while it comes in. Knows one processor family; hash.c asks it first and else uses mbedTLS.
 * Threads: a struct belongs to one thread. */
#ifndef COMMON_CRYPTO_SHA256_NI_H
#define COMMON_CRYPTO_SHA256_NI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SHA256_NI_BLOCK_BYTES = 64, SHA256_NI_DIGEST_BYTES = 32, SHA256_NI_WORDS = 8 };

struct sha256_ni {
    uint32_t state[SHA256_NI_WORDS];
    uint64_t bytes;                            /* so far */
    unsigned char rest[SHA256_NI_BLOCK_BYTES]; /* the block that is not full yet: bytes % 64 of it */
};

/* Whether this processor has the instructions; the others must not be called where it has not. */
bool sha256_ni_usable(void);

void sha256_ni_start(struct sha256_ni *hash);
void sha256_ni_add(struct sha256_ni *hash, const void *data, size_t size);
void sha256_ni_finish(struct sha256_ni *hash, unsigned char out[SHA256_NI_DIGEST_BYTES]);

#endif
