#include "common/crypto/hash.h"

#include <errno.h>
#include <unistd.h>

#include "common/base/text.h"
#include "common/crypto/mbedtls_compat.h"

enum { HMAC_BLOCK_BYTES = 64, FILE_PIECE_BYTES = 64 * 1024 };

/* mbedTLS's software SHA-256 cannot fail: its status tells of hardware drivers that are not built in. */
void sha256_start(struct sha256 *hash)
{
    hash->on_instructions = sha256_ni_usable();
    if (hash->on_instructions) {
        sha256_ni_start(&hash->ni);
        return;
    }
    mbedtls_sha256_init(&hash->context);
    (void)crypto_sha256_starts(&hash->context);
}

void sha256_add(struct sha256 *hash, const void *data, size_t size)
{
    if (size == 0)
        return;
    if (hash->on_instructions)
        sha256_ni_add(&hash->ni, data, size);
    else
        (void)crypto_sha256_update(&hash->context, data, size);
}

void sha256_finish(struct sha256 *hash, unsigned char out[SHA256_BYTES])
{
    if (hash->on_instructions) {
        sha256_ni_finish(&hash->ni, out);
        return;
    }
    (void)crypto_sha256_finish(&hash->context, out);
    mbedtls_sha256_free(&hash->context);
}

void sha256_finish_hex(struct sha256 *hash, char out[SHA256_HEX_BYTES])
{
    unsigned char digest[SHA256_BYTES];
    sha256_finish(hash, digest);
    text_hex_encode(out, digest, sizeof(digest));
}

void sha256_of(struct view data, unsigned char out[SHA256_BYTES])
{
    struct sha256 hash;
    sha256_start(&hash);
    sha256_add(&hash, data.data, data.size);
    sha256_finish(&hash, out);
}

bool sha256_file_hex(int fd, char out[SHA256_HEX_BYTES], struct error *err)
{
    char piece[FILE_PIECE_BYTES];
    struct sha256 hash;
    sha256_start(&hash);
    for (;;) {
        ssize_t got = read(fd, piece, sizeof(piece));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, "cannot read what should be hashed");
        if (got == 0)
            break;
        sha256_add(&hash, piece, (size_t)got);
    }
    sha256_finish_hex(&hash, out);
    return true;
}

void hmac_sha256(struct view key, struct view data, unsigned char out[SHA256_BYTES])
{
    unsigned char block[HMAC_BLOCK_BYTES] = {0};
    if (key.size > sizeof(block))
        sha256_of(key, block);
    else if (key.size > 0)
        memcpy(block, key.data, key.size);

    unsigned char pad[HMAC_BLOCK_BYTES];
    struct sha256 hash;
    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] = block[i] ^ 0x36;
    sha256_start(&hash);
    sha256_add(&hash, pad, sizeof(pad));
    sha256_add(&hash, data.data, data.size);
    unsigned char inner[SHA256_BYTES];
    sha256_finish(&hash, inner);

    for (size_t i = 0; i < sizeof(pad); i++)
        pad[i] = block[i] ^ 0x5c;
    sha256_start(&hash);
    sha256_add(&hash, pad, sizeof(pad));
    sha256_add(&hash, inner, sizeof(inner));
    sha256_finish(&hash, out);
    explicit_bzero(block, sizeof(block));
    explicit_bzero(pad, sizeof(pad));
}
