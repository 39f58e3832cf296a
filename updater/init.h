/* `updater init`: makes a ROOT with its first release. Knows what a ROOT consists of, not what runs in it.
 * config.txt is what makes a folder a ROOT and is written last: an init that was cut off can be repeated. */
#ifndef UPDATER_INIT_H
#define UPDATER_INIT_H

#include "common/base/error.h"

enum { INIT_PIN_BYTES = 9, INIT_API_KEY_BYTES = 65 };

struct init_request {
    const char *root;       /* made when missing */
    const char *from;       /* a release folder */
    const char *version;    /* of that release; SemVer */
    const char *public_key; /* PEM file for keys/update_public.pem; NULL: none */
};

struct init_result {
    char pin[INIT_PIN_BYTES]; /* of the portal */
    char api_key[INIT_API_KEY_BYTES];
};

/* All of it is durable when this returns true. Errors: ERR_EXISTS (a ROOT already: nothing was touched),
 * ERR_BUSY, ERR_INPUT (from or public_key), ERR_USAGE (version), ERR_IO ... */
bool init_root(const struct init_request *request, struct init_result *out, struct error *err) MUST_USE;

#endif
