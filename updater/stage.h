/* A new release that is being built: in a private folder releases/.new-<version>, of the package's bytes as
 * they stream and of hard links to the files of the running release that stay. Only when all of it is durable
 * does a rename make it releases/<version>. Folders are walked part by part and no link is followed. Knows
 * nothing of signatures and databases. Threads: under run/update.lock. */
#ifndef UPDATER_STAGE_H
#define UPDATER_STAGE_H

#include "updater/package.h"

struct stage;

/* Makes the private folder, empty. */
struct stage *stage_begin(const char *root, const char *version, struct error *err) MUST_USE;
/* NULL is fine. What was not published is removed. */
void stage_free(struct stage *stage);
static inline void scope_stage(struct stage **stage)
{
    stage_free(*stage);
}
#define SCOPE_STAGE SCOPE(scope_stage)

/* The package's content, verified while it is written. Errors: package_read's, ERR_SPACE, ERR_IO. */
bool stage_unpack(struct stage *stage, struct package *package, struct error *err) MUST_USE;

/* The rest: what the manifest neither brings nor removes stays as it is in the running release. After this
 * releases/<version> is there, whole and durable; one that was left there by an earlier try is replaced.
 * Errors: ERR_INPUT `file_and_folder` (a path of the package is a folder of the running release, or the other
 * way round), `no_watchdog` (nothing would start), ERR_SPACE, ERR_IO. */
bool stage_publish(struct stage *stage, const struct manifest *manifest, const char *running,
                   struct error *err) MUST_USE;

#endif
