/* Cases of tests/fault/torture: an operation that is made to fail at each of its calls, and what must hold
 * whatever failed: the old or the new content is whole, what it says is true, and once more without a failure
 * it is done. */
#ifndef TESTS_FAULT_DURABLE_H
#define TESTS_FAULT_DURABLE_H

#include "common/os/file.h"

/* The working folder of a case is an empty one; paths are relative to it. */
struct durable_case {
    const char *name;
    bool (*prepare)(struct error *err); /* makes the old content; NULL: there is none */
    bool (*act)(struct error *err);     /* what is made to fail */
    bool (*is_old)(void);               /* whole, and as before */
    bool (*is_new)(void);               /* whole, and as it should be */
    bool (*again)(struct error *err);   /* what repairs; NULL: act */
};

/* `PROGRAM CASE FOLDER`: 0 when everything held, whether the operation failed or not; else 1 and what did not
 * hold. `PROGRAM` alone lists the cases. */
int durable_main(int count, char **words, const struct durable_case *cases, size_t cases_count);

/* For the checks. */
bool durable_write(const char *path, const char *content);
bool durable_has(const char *path, const char *content);
/* Whether no file of the folder has a name that holds `part`. */
bool durable_none(const char *folder, const char *part);

#endif
