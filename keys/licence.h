/* license.dat: who may run what, on which machine, until when. Two lines: a JSON object, and the base64 of
 * the RSA-PSS signature over "telehaul-license-v1\n" and the first line's exact bytes, by a key of the
 * licence role. Knows nothing of what a licence lets run. Threads: safe. */
#ifndef KEYS_LICENCE_H
#define KEYS_LICENCE_H

#include <stdint.h>

#include "common/base/buf.h"
#include "keys/keyring.h"

enum {
    LICENCE_MAX_BYTES = 16 * 1024,
    LICENCE_TEXT_BYTES = 128,
    LICENCE_MACHINE_BYTES = 33, /* 32 lowercase hex digits with a NUL */
};

struct licence {
    char product[LICENCE_TEXT_BYTES];
    char customer[LICENCE_TEXT_BYTES];
    char machine[LICENCE_MACHINE_BYTES]; /* as licence_machine_id has it, or "any" */
    int64_t issued_us;
    int64_t expires_us;            /* INT64_MAX: never */
    char signer[SHA256_HEX_BYTES]; /* fingerprint of the key that verified; "" when none was asked */
};

/* trusted: NULL checks no signature. Errors: ERR_INPUT (no licence), ERR_DENIED (`forged`). */
bool licence_parse(struct view text, const struct keyring *trusted, struct licence *out,
                   struct error *err) MUST_USE;
/* Whether it holds here and now. machine: NULL when this machine has no id. now_us: UTC, the later of the
 * clock and what is known to be past, so that a clock set back revives nothing; a clock that lost its time
 * (no battery) stops nobody. Errors: ERR_DENIED with the reasons wrong_product, wrong_machine, expired. */
bool licence_allows(const struct licence *licence, const char *product, const char *machine, int64_t now_us,
                    struct error *err) MUST_USE;

/* The signed text. */
bool licence_issue(const struct licence *licence, const struct rsa_private *key, struct buf *out,
                   struct error *err) MUST_USE;

/* "any", or an id as licence_machine_id has it. */
bool licence_machine_ok(const char *machine);

/* This machine's: HMAC-SHA-256 of /etc/machine-id (machine-id(5) asks not to show that itself), cut to 128
 * bits. path: of that file; NULL: /etc/machine-id. Errors: ERR_NOT_FOUND, ERR_INPUT. */
bool licence_machine_id(const char *path, char out[LICENCE_MACHINE_BYTES], struct error *err) MUST_USE;

#endif
