/* What a package is made of: the files of a release folder and the migrations that the command line names,
 * looked at, hashed and held against the rules; its manifest. Knows nothing of zips and signatures. Threads:
 * one. */
#ifndef SERVER_TOOLS_PUBLISH_CONTENTS_H
#define SERVER_TOOLS_PUBLISH_CONTENTS_H

#include "common/os/file.h"
#include "server_tools/publish/progress.h"
#include "server_tools/publish/settings.h"
#include "updater/package.h"

struct contents {
    struct manifest manifest; /* its pointers are into what follows, and into the settings */
    char **file_paths;        /* of manifest.files, relative to the source */
    char **migration_paths;   /* of manifest.migrations, to open them by */
    struct buf *sql;          /* their texts */
    size_t file_room;
};

/* Errors: ERR_INPUT with the reasons of manifest_path_check, manifest_paths_apart and migrate_check,
 * ERR_NOT_FOUND (a file or a removal is not there), ERR_LIMIT, ERR_IO. */
bool contents_collect(const struct settings *settings, struct progress *progress, struct contents *out,
                      struct error *err) MUST_USE;
void contents_clear(struct contents *contents);
#define SCOPE_CONTENTS SCOPE(contents_clear)

/* Reads a regular file in pieces; take may be NULL. sha256, size: of what was read. */
typedef bool contents_take(void *context, struct view piece, struct error *err);
bool contents_stream(int fd, struct progress *progress, contents_take *take, void *context,
                     char sha256[SHA256_HEX_BYTES], int64_t *size, struct error *err) MUST_USE;
/* A file of the source, that is no link. */
int contents_open(const struct settings *settings, const char *path, struct error *err) MUST_USE;

#endif
