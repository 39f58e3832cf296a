/* Writes the package that contents.h describes: manifest, signature, files and migrations into one zip, which
 * appears under its name when it is whole, durable, and taken by the machine's own verifier. Threads: one. */
#ifndef SERVER_TOOLS_PUBLISH_PACK_H
#define SERVER_TOOLS_PUBLISH_PACK_H

#include "server_tools/publish/contents.h"

struct packed {
    struct path file; /* update_v<version>.zip */
    char manifest_sha256[SHA256_HEX_BYTES];
    char signer[SHA256_HEX_BYTES]; /* fingerprint of the key */
    int64_t bytes;
};

/* Errors: the key's (rsa_private_load), ERR_CHANGED (a file was written to meanwhile), ERR_SPACE, ERR_IO. */
bool pack_write(const struct settings *settings, const struct contents *contents, struct progress *progress,
                struct packed *out, struct error *err) MUST_USE;

#endif
