/* What the values of some keys must be beyond their syntax, so that --check-config, a start and a reload
 * refuse the same ones. Threads: safe. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_SETTINGS_CHECKS_H
#define SERVER_TOOLS_SYNC_SERVICE_SETTINGS_CHECKS_H

#include <stddef.h>

#include "common/base/error.h"

struct settings_check {
    const char *key;
    size_t offset; /* of its text in struct sync_settings; an empty one is not checked */
    bool is_file;  /* a file is read */
    /* Errors: ERR_USAGE, without the value where it may be a secret; ERR_DENIED, when others may read a
     * secret file; ERR_MEMORY. */
    bool (*run)(const char *value, struct error *err);
};
extern const struct settings_check settings_checks[];
extern const size_t settings_check_count;

#endif
