#include "agent/challenge.h"

#include <string.h>

#include "common/crypto/hash.h"
#include "common/crypto/random.h"

/* time of issue (8) | random (8) | first half of HMAC-SHA-256 over both (16) */
enum { NAME_BYTES = sizeof(struct challenge_name), MAC_BYTES = CHALLENGE_BYTES - NAME_BYTES };
_Static_assert(NAME_BYTES == 16 && MAC_BYTES == 16, "a challenge is exactly 32 bytes");

static void mac_of(const struct challenger *challenger, const unsigned char name[NAME_BYTES],
                   unsigned char out[SHA256_BYTES])
{
    hmac_sha256((struct view){(const char *)challenger->key, CHALLENGE_KEY_BYTES},
                (struct view){(const char *)name, NAME_BYTES}, out);
}

void challenger_init(struct challenger *challenger, const struct clock *clock)
{
    challenger->clock = clock;
    random_bytes(challenger->key, sizeof(challenger->key));
}

void challenge_issue(const struct challenger *challenger, char out[CHALLENGE_TEXT_BYTES])
{
    struct challenge_name name = {.issued_us = clock_monotonic_us(challenger->clock)};
    random_bytes(&name.random, sizeof(name.random));

    unsigned char bytes[NAME_BYTES + SHA256_BYTES];
    memcpy(bytes, &name, NAME_BYTES);
    mac_of(challenger, bytes, bytes + NAME_BYTES);
    text_base64_encode(out, bytes, CHALLENGE_BYTES);
}

bool challenge_check(const struct challenger *challenger, struct view text, struct challenge_name *out)
{
    unsigned char bytes[CHALLENGE_BYTES], mac[SHA256_BYTES];
    size_t size;
    if (!text_base64_decode(text, bytes, sizeof(bytes), &size) || size != CHALLENGE_BYTES)
        return false;
    mac_of(challenger, bytes, mac);
    if (!text_equal_constant_time((struct view){(const char *)bytes + NAME_BYTES, MAC_BYTES},
                                  (struct view){(const char *)mac, MAC_BYTES}))
        return false;

    struct challenge_name name;
    memcpy(&name, bytes, NAME_BYTES);
    int64_t age_us = clock_monotonic_us(challenger->clock) - name.issued_us;
    if (age_us < 0 || age_us > (int64_t)CHALLENGE_LIFETIME_S * US_PER_S)
        return false;
    *out = name;
    return true;
}
