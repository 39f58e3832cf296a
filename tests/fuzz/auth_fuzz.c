/* The body of POST /auth: whatever it is, an agent that trusts no key lets nobody in, and says in one way
 * why. */
#include <stdint.h>
#include <stdlib.h>

#include "agent/authenticator.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct keyring nobody;
    struct clock_fake fake;
    struct authenticator auth;
    struct error err = {0};
    clock_fake_init(&fake, INT64_C(1771754400000000), 0); /* 2026-02-22T10:00:00Z, as in the corpus */
    authenticator_init(&auth, "0123", true, &fake.clock);
    enum auth_answer answer =
        authenticator_check(&auth, &nobody, (struct view){(const char *)data, size}, &err);
    if (answer == AUTH_ACCEPTED || answer == AUTH_REPLAYED_SIGNATURE ||
        (answer == AUTH_BAD_REQUEST) != (err.code != ERR_NONE))
        abort();
    authenticator_clear(&auth);
    return 0;
}
