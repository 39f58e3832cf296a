/* Exports from a table in PostgreSQL (EXPORT_SOURCE, EXPORT_TABLE) in place of the machine's own store: which
 * table, and the store_id that stands for it, kept in agent/export_store_id for as long as the config names
 * the same table of the same source. Threads: safe once it is open. */
#ifndef AGENT_EXPORT_TABLE_H
#define AGENT_EXPORT_TABLE_H

#include "collector/telemetry_store.h"
#include "common/app/appliance.h"
#include "common/app/sql_table.h"

struct export_table {
    struct sql_table table;
    char store_id[STORE_ID_BYTES];
};

/* Whether the config says so. */
bool export_is_of_table(const struct appliance *appliance);

/* Reads or makes the store_id. Errors: those of files; ERR_USAGE. */
bool export_table_open(const struct appliance *appliance, struct export_table *out,
                       struct error *err) MUST_USE;

/* EXPORT_SOURCE with the password of credentials.env, when there is one: a secret. */
bool export_table_url(const struct appliance *appliance, struct buf *out, struct error *err) MUST_USE;

#endif
