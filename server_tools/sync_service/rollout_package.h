/* The packages of rollouts: verified when one is taken, stored by their hash in ROLLOUT_DIR, opened for
 * sending. Knows nothing of vehicles or of SQL. Threads: a struct belongs to one thread at a time. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_PACKAGE_H
#define SERVER_TOOLS_SYNC_SERVICE_ROLLOUT_PACKAGE_H

#include <sys/stat.h>

#include "common/base/clock.h"
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
 * in folder, which is made when missing. Errors: package_open's and package_read's, ERR_INPUT (it, or
 * the key file, cannot be read), those of files. */
bool rollout_package_take(const char *path, const char *key_file, const char *folder,
                          struct rollout_package *out, struct error *err) MUST_USE;

/* Removes the stored packages that are older than a day, but for those in `kept` (hashes, count of them), and
 * what a rollout_package_take that was killed has left. Nothing else in the folder is touched. */
bool rollout_package_sweep(const char *folder, const char (*kept)[SHA256_HEX_BYTES], size_t count,
                           const struct clock *clock, struct error *err) MUST_USE;

/* Stored ones that are kept open; looked at anew when a file has changed. */
enum { ROLLOUT_SHELF_MAX = 4 };
struct rollout_stored {
    char sha256[SHA256_HEX_BYTES]; /* "": none */
    int fd;
    struct stat about;
};
struct rollout_shelf {
    struct rollout_stored items[ROLLOUT_SHELF_MAX];
    size_t next; /* whose place is taken next */
};
/* Its descriptor, the caller's own. -1 with err: it is not here (ERR_NOT_FOUND), or is not what it was
 * (ERR_CORRUPT). */
int rollout_package_open(struct rollout_shelf *shelf, const char *folder, const char *sha256,
                         struct error *err) MUST_USE;
void rollout_shelf_clear(struct rollout_shelf *shelf); /* a zeroed struct is fine */

#endif
