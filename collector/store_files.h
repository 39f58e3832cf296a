/* The files of telemetry stores: making one whole, finding a free name, naming the current one. Knows nothing
 * of what is written later. */
#ifndef COLLECTOR_STORE_FILES_H
#define COLLECTOR_STORE_FILES_H

#include "collector/store_writer.h"

/* Makes folder/name: schema, store_id, next_seq 1; it appears under its name when it is whole and durable.
 * Errors: ERR_EXISTS when the name is taken. */
bool store_file_make(const struct store_writer_spec *spec, const char *path, struct error *err) MUST_USE;

/* A store's path that is free, also of a -wal or -shm that another file of the name left: SQLite would take
 * those for its own. first: telemetry.db may be taken too. */
bool store_file_free_path(const char *folder, bool first, struct path *out, struct error *err) MUST_USE;
bool store_file_is_free(const char *path);

/* data/current_store. */
bool store_file_name_current(const char *folder, const char *path, struct error *err) MUST_USE;

#endif
