/* What each kind of central store implements behind central.h: a table of functions, and the one place that
 * lists them. Private to server_tools/central. */
#ifndef SERVER_TOOLS_CENTRAL_CENTRAL_DRIVER_H
#define SERVER_TOOLS_CENTRAL_CENTRAL_DRIVER_H

#include "common/base/asset.h"
#include "common/crypto/hash.h"
#include "common/store/migrate.h"
#include "server_tools/central/central.h"

struct central_driver {
    void (*close)(struct central *central);
    bool (*vehicle)(struct central *central, const struct central_vehicle *vehicle, int64_t *vehicle_id,
                    struct error *err);
    bool (*agent)(struct central *central, int64_t vehicle_id, char agent_id[SHA256_HEX_BYTES],
                  struct error *err);
    bool (*cursor)(struct central *central, int64_t vehicle_id, const char *store_id, const char *stream,
                   int64_t *seq, struct error *err);
    bool (*lock)(struct central *central, int64_t vehicle_id, struct error *err);
    void (*unlock)(struct central *central, int64_t vehicle_id);
    bool (*channel)(struct central *central, int64_t vehicle_id, struct view name, int64_t *channel_id,
                    struct error *err);
    /* rows: sorted already, their times within the years 0000 to 9999 */
    bool (*add)(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                const struct central_row *rows, size_t count, int64_t *added, struct error *err);
    bool (*describe)(struct central *central, int64_t vehicle_id, int64_t as_of_us,
                     const struct central_description *channels, size_t count, int64_t *changed,
                     struct error *err);
    bool (*add_alarms)(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                       const struct central_alarm *alarms, size_t count, int64_t *added, struct error *err);
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

enum { CENTRAL_JOURNAL_DAYS = 30 };
#define CENTRAL_JOURNAL_KEPT_US (INT64_C(86400) * CENTRAL_JOURNAL_DAYS * US_PER_S)

/* path: made when missing, its folder too. sorter is left to the caller. */
struct central *central_sqlite_open(const char *path, const struct clock *clock, struct error *err) MUST_USE;
/* url: postgresql://... */
struct central *central_postgres_open(const char *url, const struct clock *clock, struct error *err) MUST_USE;

/* A driver's migrations as packaging/embed gives them, with their hashes. */
enum { CENTRAL_MIGRATIONS_MAX = 100 };
struct central_migrations {
    struct migration items[CENTRAL_MIGRATIONS_MAX];
    char sums[CENTRAL_MIGRATIONS_MAX][SHA256_HEX_BYTES];
    size_t count;
};
bool central_migrations_load(const struct asset *assets, struct central_migrations *out,
                             struct error *err) MUST_USE;

#endif
