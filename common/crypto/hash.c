#include "common/crypto/hash.h"

#include <errno.h>
#include <nettle/hmac.h>
#include <unistd.h>

#include "common/base/text.h"

enum { FILE_PIECE_BYTES = 64 * 1024 };

void sha256_start(struct sha256 *hash)
{
    nettle_sha256_init(&hash->context);
}

void sha256_add(struct sha256 *hash, const void *data, size_t size)
{
    if (size > 0)
        nettle_sha256_update(&hash->context, size, data);
}

void sha256_finish(struct sha256 *hash, unsigned char out[SHA256_BYTES])
{
    nettle_sha256_digest(&hash->context, SHA256_BYTES, out);
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
    struct hmac_sha256_ctx hmac;
    nettle_hmac_sha256_set_key(&hmac, key.size, (const uint8_t *)key.data);
    if (data.size > 0)
        nettle_hmac_sha256_update(&hmac, data.size, (const uint8_t *)data.data);
    nettle_hmac_sha256_digest(&hmac, SHA256_BYTES, out);
    explicit_bzero(&hmac, sizeof(hmac));
}
