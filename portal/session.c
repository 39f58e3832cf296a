#include "portal/session.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/crypto/random.h"
#include "common/os/file.h"

enum { KEY_FILE_MAX_BYTES = 256, KEY_HEX_BYTES = 2 * SESSION_KEY_BYTES, NONCE_BYTES = 8 };

/* ---- the key ---- */

static bool read_key(const char *path, unsigned char key[SESSION_KEY_BYTES])
{
    SCOPE_BUF struct buf text = BUF_LIMIT(KEY_FILE_MAX_BYTES);
    if (!file_read_private(path, &text, NULL) || text.size != KEY_HEX_BYTES + 1)
        return false;
    return text_hex_decode((struct view){text.data, KEY_HEX_BYTES}, key, SESSION_KEY_BYTES);
}

static bool make_key(const char *path, unsigned char key[SESSION_KEY_BYTES], struct error *err)
{
    char text[KEY_HEX_BYTES + 2];
    random_bytes(key, SESSION_KEY_BYTES);
    text_hex_encode(text, key, SESSION_KEY_BYTES);
    text[KEY_HEX_BYTES] = '\n';
    return file_replace(path, (struct view){text, KEY_HEX_BYTES + 1}, 0600, err);
}

bool session_key_load(struct session_key *out, const char *path, const char *pin, struct error *err)
{
    unsigned char key[SESSION_KEY_BYTES];
    if (!read_key(path, key) && !make_key(path, key, err))
        return error_wrap(err, "session key");
    hmac_sha256((struct view){(const char *)key, sizeof(key)}, view_of(pin), out->bytes);
    return true;
}

/* ---- the cookie ---- */

static void sign(const struct session_key *key, struct view payload, char out[SHA256_HEX_BYTES])
{
    unsigned char mac[SHA256_BYTES];
    hmac_sha256((struct view){(const char *)key->bytes, sizeof(key->bytes)}, payload, mac);
    text_hex_encode(out, mac, sizeof(mac));
}

void session_make(const struct session_key *key, const struct clock *clock, char out[SESSION_COOKIE_BYTES])
{
    unsigned char nonce[NONCE_BYTES];
    char nonce_hex[2 * NONCE_BYTES + 1];
    char mac[SHA256_HEX_BYTES];
    random_bytes(nonce, sizeof(nonce));
    text_hex_encode(nonce_hex, nonce, sizeof(nonce));
    int64_t expiry_s = clock_utc_us(clock) / US_PER_S + SESSION_LIFETIME_S;
    int size = snprintf(out, SESSION_COOKIE_BYTES, "%" PRId64 ".%s", expiry_s, nonce_hex);
    sign(key, (struct view){out, (size_t)size}, mac);
    snprintf(out + size, SESSION_COOKIE_BYTES - (size_t)size, ".%s", mac);
}

bool session_valid(const struct session_key *key, const struct clock *clock, const char *cookie)
{
    struct view rest = view_of(cookie);
    if (rest.size == 0 || rest.size >= SESSION_COOKIE_BYTES)
        return false;
    struct view expiry = text_cut(&rest, '.');
    struct view nonce = text_cut(&rest, '.');
    char mac[SHA256_HEX_BYTES];
    int64_t expiry_s;
    if (nonce.data == NULL)
        return false;
    sign(key, (struct view){cookie, (size_t)(nonce.data + nonce.size - cookie)}, mac);
    if (!text_equal_constant_time(rest, view_of(mac)) || !text_parse_i64(expiry, 0, INT64_MAX, &expiry_s))
        return false;
    int64_t now_s = clock_utc_us(clock) / US_PER_S;
    return now_s < expiry_s && expiry_s - now_s <= SESSION_LIFETIME_S;
}

void session_id(const char *cookie, char out[SESSION_ID_BYTES])
{
    size_t size = strlen(cookie);
    size_t used = size < SESSION_ID_BYTES ? size : SESSION_ID_BYTES - 1;
    memcpy(out, cookie + size - used, used);
    out[used] = '\0';
}
