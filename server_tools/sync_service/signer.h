/* RSA-PSS signatures on a thread of its own: 4.5 ms each would hold up everybody on the loop. Knows nothing
 * of sessions. Threads: all from the loop's; `done` is called there. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_SIGNER_H
#define SERVER_TOOLS_SYNC_SERVICE_SIGNER_H

#include "common/crypto/rsa.h"
#include "common/os/mailbox.h"

struct signer;
/* Errors: ERR_USAGE, ERR_INPUT, ERR_NOT_FOUND (the key file). */
struct signer *signer_start(const char *key_file, struct mailbox *mailbox, struct error *err) MUST_USE;
/* What waits is answered with ERR_CANCELLED by the mailbox. NULL is fine. */
void signer_stop(struct signer *signer);

enum { SIGN_MESSAGE_BYTES = 256 };
struct sign_request {
    struct letter letter; /* first */
    char message[SIGN_MESSAGE_BYTES];
    unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
    size_t signature_bytes;
    struct error error; /* code ERR_NONE: signed */
    void (*done)(struct sign_request *request);
};
/* request: the signer's until `done`. */
void signer_sign(struct signer *signer, struct sign_request *request);

#endif
