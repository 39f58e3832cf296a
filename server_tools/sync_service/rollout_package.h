/* The packages of rollouts: verified when one is taken, stored by their hash in ROLLOUT_DIR, opened for
 * sending. Knows nothing of vehicles or of SQL. Threads: a struct belongs to one thread at a time. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_PACKAGE_H
#define SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_PACKAGE_H

#include <sys/stat.h>

#include "common/os/file.h"
#include "updater/package.h"

enum { ROLLOUT_SIGNATURE_BYTES = 2048, ROLLOUT_NOTES_BYTES = 4096 };

struct rollout_package {
    char name[256]; /* of the file that was given */
    char sha256[SHA256_HEX_BYTES];
    char manifest_sha256[MANIFEST_SHA256_BYTES];
    char product[MANIFEST_PRODUCT_BYTES], version[RELEASE_VERSION_BYTES];
    char signature[ROLLOUT_SIGNATURE_BYTES]; /* base64 */
    char signer[SHA256_HEX_BYTES];           /* "": nobody was asked */
    char notes[ROLLOUT_NOTES_BYTES];
    int64_t bytes;
};

/* Looks at every byte of it, at its signature too when there is a key file (NULL or "": none), and stores it
 * in folder, which is made when missing. Errors: package_open's and package_read's, keyring_load's, those of
 * files. */
bool rollout_package_take(const char *path, const char *key_file, const char *folder,
                          struct rollout_package *out, struct error *err) MUST_USE;

/* A stored one that is kept open; looked at anew when the file has changed. */
struct rollout_stored {
    char sha256[SHA256_HEX_BYTES]; /* "": none */
    int fd;
    struct stat about;
};
/* Its descriptor, the caller's own. -1 with err: it is not here (ERR_NOT_FOUND), or is not what it was
 * (ERR_CORRUPT). */
int rollout_package_open(struct rollout_stored *stored, const char *folder, const char *sha256,
                         struct error *err) MUST_USE;
void rollout_stored_clear(struct rollout_stored *stored); /* a zeroed struct is fine */

#endif
