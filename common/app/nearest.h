/* Which known name a misspelled one was probably meant to be. Knows nothing of options or keys. */
#ifndef COMMON_APP_NEAREST_H
#define COMMON_APP_NEAREST_H

#include "common/base/view.h"

enum { NEAREST_NAME_BYTES = 48 };

struct nearest {
    const char *name; /* the best so far, borrowed; NULL: none is similar */
    unsigned distance;
};

/* Offers one known name; letters compare without case. Names over NEAREST_NAME_BYTES are similar to none. */
void nearest_offer(struct nearest *nearest, struct view asked, const char *known);

#endif
