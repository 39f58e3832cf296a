/* What each kind of central store implements behind central.h: a table of functions, and the one place that
 * lists them. Private to server_tools/central. */
#ifndef SERVER_TOOLS_CENTRAL_CENTRAL_DRIVER_H
#define SERVER_TOOLS_CENTRAL_CENTRAL_DRIVER_H

#include "server_tools/central/central.h"

struct central_driver {
    void (*close)(struct central *central);
    bool (*vehicle)(struct central *central, const struct central_vehicle *vehicle, int64_t *vehicle_id,
                    struct error *err);
    bool (*cursor)(struct central *central, int64_t vehicle_id, const char *store_id, const char *stream,
                   int64_t *seq, struct error *err);
    bool (*channel)(struct central *central, int64_t vehicle_id, struct view name, int64_t *channel_id,
                    struct error *err);
    /* rows: sorted already */
    bool (*add)(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                const struct central_row *rows, size_t count, int64_t *added, struct error *err);
    bool (*journal)(struct central *central, const struct central_journal *entry, struct error *err);
    bool (*count)(struct central *central, int64_t vehicle_id, int64_t *rows, int64_t *channels,
                  struct error *err);
};

struct batch_sorter;

/* The first member of every driver's own struct. */
struct central {
    const struct central_driver *driver;
    const struct clock *clock;
    struct batch_sorter *sorter;
};

/* path: made when missing, its folder too. sorter is left to the caller. */
struct central *central_sqlite_open(const char *path, const struct clock *clock, struct error *err) MUST_USE;

#endif
