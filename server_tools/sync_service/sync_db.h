/* Connections and transactions as sync_service uses them. Knows no tables. Threads: a connection belongs to
 * one at a time. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_SYNC_DB_H
#define SERVER_TOOLS_SYNC_SERVICE_SYNC_DB_H

#include "server_tools/sync_service/keeper.h" /* sync_db_open */

#define SYNC_DB_LOCK_WAIT "'5s'" /* for a row that somebody else holds; then ERR_BUSY */

/* With app.user_role for this transaction: row-level security lets a superuser see every row. */
bool sync_db_begin(struct pg *pg, struct error *err) MUST_USE;

#endif
