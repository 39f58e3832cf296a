/* SHA-256 and HMAC-SHA-256 (FIPS 180-4, RFC 2104) on nettle, which is linked anyway and uses the processor's
 * own instructions: three times mbedTLS. Threads: a struct belongs to one thread. */
#ifndef COMMON_CRYPTO_HASH_H
#define COMMON_CRYPTO_HASH_H

#include <nettle/sha2.h>
#include <stddef.h>

#include "common/base/error.h"
#include "common/base/view.h"

enum { SHA256_BYTES = 32, SHA256_HEX_BYTES = 65 };

struct sha256 {
    struct sha256_ctx context;
};

void sha256_start(struct sha256 *hash);
void sha256_add(struct sha256 *hash, const void *data, size_t size);
void sha256_finish(struct sha256 *hash, unsigned char out[SHA256_BYTES]);
/* finish as lowercase hex with its NUL */
void sha256_finish_hex(struct sha256 *hash, char out[SHA256_HEX_BYTES]);
void sha256_of(struct view data, unsigned char out[SHA256_BYTES]);

/* From the descriptor's place to the end. */
bool sha256_file_hex(int fd, char out[SHA256_HEX_BYTES], struct error *err) MUST_USE;

void hmac_sha256(struct view key, struct view data, unsigned char out[SHA256_BYTES]);

#endif
