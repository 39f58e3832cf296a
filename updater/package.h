/* The one verifier of update packages, for agent, updater and publish: structure of the zip, signature over
 * the manifest's exact bytes, the manifest, the entries against it, and each entry's bytes while they stream.
 * Knows nothing of what becomes of the content. Reads a descriptor with pread, never a path. Errors carry a
 * stable `reason` (docs/package_format.md); contracts.md says which HTTP answer each becomes. Threads: a
 * package belongs to one thread at a time. */
#ifndef UPDATER_PACKAGE_H
#define UPDATER_PACKAGE_H

#include "keys/keyring.h"
#include "updater/manifest.h"

struct package;

/* Checks everything but the content. fd: borrowed until package_close. trusted: NULL checks no signature
 * (publish inspect without a key). Errors: ERR_INPUT or ERR_DENIED (`invalid_sig`). */
struct package *package_open(int fd, const struct keyring *trusted, struct error *err) MUST_USE;
void package_close(struct package *package); /* NULL is fine */
static inline void scope_package(struct package **package)
{
    package_close(*package);
}
#define SCOPE_PACKAGE SCOPE(scope_package)

const struct manifest *package_manifest(const struct package *package);
const char *package_manifest_sha256(const struct package *package); /* lowercase hex */
struct view package_signature(const struct package *package);       /* base64, as in manifest.sig */
/* Fingerprint of the key that verified; "" when none was asked. */
const char *package_signer(const struct package *package);

/* Where the package is to land. */
struct package_place {
    const char *product;
    const char *current_version; /* that runs */
    const char *floor_version;   /* the highest that was ever queued here; "": none */
    int64_t floor_us;            /* it is at least this late, whatever the clock says */
    const char *release_folder;  /* of current_version, for `base`; NULL: not looked at */
};

/* Errors: ERR_INPUT with reason wrong_product, min_version, expired, wrong_base; ERR_EXISTS `same_version`,
 * ERR_CHANGED `older_version`. */
bool package_fits(const struct package *package, const struct package_place *place,
                  struct error *err) MUST_USE;

/* The part of it that a version alone decides, before there is a package: current and floor. Errors:
 * ERR_EXISTS `same_version`, ERR_CHANGED `older_version`. */
bool package_version_fits(const char *version, const struct package_place *place, struct error *err) MUST_USE;

/* Exactly one of file and migration is set between begin and end. Each callback may fail; begin and end may
 * be NULL. */
struct package_sink {
    void *context;
    bool (*begin)(void *context, const struct manifest_file *file, const struct manifest_migration *migration,
                  struct error *err);
    bool (*data)(void *context, struct view piece, struct error *err);
    bool (*end)(void *context, struct error *err); /* size and hash held */
};

/* Appends the text of the package's number-th migration, checked as package_read does. */
bool package_read_migration(struct package *package, size_t number, struct buf *out,
                            struct error *err) MUST_USE;

/* Whether the package's migrations only add, tried on what release_folder/migrations makes of an empty
 * database. Errors: ERR_INPUT `bad_migration`, or package_read's. (package_migrations.c) */
bool package_check_migrations(struct package *package, const char *release_folder,
                              struct error *err) MUST_USE;

/* Streams every file and migration once, checked while it streams: size, CRC-32, SHA-256. sink NULL: checks
 * only. */
bool package_read(struct package *package, const struct package_sink *sink, struct error *err) MUST_USE;

#endif
