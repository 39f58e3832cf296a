/* Files embedded at build time by packaging/embed: web pages and server SQL. Read-only, forever. */
#ifndef COMMON_BASE_ASSET_H
#define COMMON_BASE_ASSET_H

#include <stddef.h>

#include "common/base/view.h"

struct asset {
    const char *name; /* NULL ends the table */
    const char *begin, *end;
};

static inline struct view asset_view(const struct asset *asset)
{
    return (struct view){asset->begin, (size_t)(asset->end - asset->begin)};
}

/* NULL when there is none of that name. */
static inline const struct asset *asset_find(const struct asset *table, const char *name)
{
    for (; table->name != NULL; table++) {
        if (strcmp(table->name, name) == 0)
            return table;
    }
    return NULL;
}

#endif
