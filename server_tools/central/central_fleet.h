/* The central PostgreSQL database of a fleet brought up to date: migrations, the roles that its programs log
 * in as and what they may do, this and the next months' partitions. Knows nothing of what the tables are used
 * for. Threads: safe, also from several processes: one at a time does it, the others wait. */
#ifndef SERVER_TOOLS_CENTRAL_CENTRAL_FLEET_H
#define SERVER_TOOLS_CENTRAL_CENTRAL_FLEET_H

#include <stdint.h>

#include "common/base/buf.h"
#include "common/base/clock.h"

enum { CENTRAL_MISSING_BYTES = 2048 };

struct central_migrate_report {
    int64_t applied; /* migrations, by this call */
    int64_t known;   /* to this program */
    /* What the role that connected may not do: a line each, as people read it, the last one what to do about
     * it; "": nothing. No error: everything works but the roles of their own. */
    char missing[CENTRAL_MISSING_BYTES];
};

/* db_url: postgresql://... of telehaul_owner or a superuser; where there is nothing to do any role may.
 * Errors: those of pg_open; ERR_USAGE (no postgresql://; the encoding is not UTF8), ERR_CHANGED (a migration
 * differs from the one that was applied), ERR_DENIED (the schema is behind and this role may not change it).
 */
bool central_migrate_fleet(const char *db_url, const struct clock *clock,
                           struct central_migrate_report *report, struct error *err) MUST_USE;

/* The report as lines for people, or as one JSON object and a line feed. */
void central_migrate_describe(const struct central_migrate_report *report, bool json, struct buf *out);

#endif
