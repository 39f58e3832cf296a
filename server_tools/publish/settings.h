/* What was asked for on publish's command line, checked. Knows nothing of how it is done. */
#ifndef SERVER_TOOLS_PUBLISH_SETTINGS_H
#define SERVER_TOOLS_PUBLISH_SETTINGS_H

#include <stdint.h>

#include "common/app/options.h"

struct settings {
    const char *version; /* SemVer 2.0 */
    const char *product;
    const char *notes;
    const char *min_version; /* NULL: none */
    const char *source;      /* the release folder that files are taken from */
    const char *base;        /* the release folder that the package is made for; NULL: any */
    const char *output;      /* folder of the package */
    const char *key_file;
    int64_t created_us;
    int64_t expires_us; /* INT64_MAX: never */
    struct option_list files, migrations, removals;
    bool json, quiet;
    const char *inspect;    /* `inspect ZIP`: this one; NULL: a package is made */
    const char *public_key; /* that its signature is held against; NULL: it is not */
};

/* Returns -1 to go on, else the exit code; messages were written. */
int settings_read(struct settings *out, int argc, char **argv);

#endif
