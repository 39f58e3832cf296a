/* The commands of keytool: each does one thing and prints its result. Knows nothing of the command line. */
#ifndef KEYS_COMMANDS_H
#define KEYS_COMMANDS_H

#include <stdint.h>

#include "common/base/error.h"

struct keytool {
    const char *private_file; /* generate */
    const char *public_file;
    int64_t bits;
    bool json;
    const char *const *words; /* what follows the command's own words; borrowed */
};

/* Makes a pair of keys; never over existing files. The private one is 0600 from its first byte. */
bool keytool_generate(const struct keytool *tool, struct error *err) MUST_USE;
/* words: FILE, a key file or a private key */
bool keytool_fingerprint(const struct keytool *tool, struct error *err) MUST_USE;
/* words: KEYFILE PUBLIC.pem; a missing KEYFILE is made */
bool keytool_trust_add(const struct keytool *tool, struct error *err) MUST_USE;
/* words: KEYFILE FINGERPRINT */
bool keytool_trust_remove(const struct keytool *tool, struct error *err) MUST_USE;
/* words: KEYFILE */
bool keytool_trust_list(const struct keytool *tool, struct error *err) MUST_USE;

#endif
