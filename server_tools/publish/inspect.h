/* Shows a package: checked as a machine checks it, every byte of it; with its signature when a key is given.
 * Threads: one. */
#ifndef SERVER_TOOLS_PUBLISH_INSPECT_H
#define SERVER_TOOLS_PUBLISH_INSPECT_H

#include "common/base/buf.h"
#include "server_tools/publish/progress.h"
#include "server_tools/publish/settings.h"

/* A package whose signature does not hold is shown all the same, and refused. Appends to out what standard
 * output gets; a refusal as JSON too. Errors: package.h's. */
bool inspect_package(const struct settings *settings, struct progress *progress, struct buf *out,
                     struct error *err) MUST_USE;

#endif
