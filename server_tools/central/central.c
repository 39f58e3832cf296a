#include "server_tools/central/central.h"

#include "common/base/text.h"
#include "server_tools/central/batch_sorter.h"
#include "server_tools/central/central_driver.h"

#define TIME_MIN_US INT64_C(-62167219200000000) /* 0000-01-01T00:00:00Z */
#define TIME_MAX_US INT64_C(253402300799999999) /* 9999-12-31T23:59:59.999999Z */

bool central_client_id_ok(const char *client_id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(client_id);
    return size >= 1 && size < CLIENT_ID_BYTES && strspn(client_id, allowed) == size &&
           strcmp(client_id, ".") != 0 && strcmp(client_id, "..") != 0;
}

static struct central *open_driver(const char *url, const struct clock *clock, struct error *err)
{
    if (view_starts(view_of(url), "postgresql://") || view_starts(view_of(url), "postgres://"))
        return central_postgres_open(url, clock, err);
    if (url[0] != '\0' && strstr(url, "://") == NULL)
        return central_sqlite_open(url, clock, err);
    error_set(err, ERR_USAGE, "the central store is the path of an SQLite file or postgresql://...");
    return NULL;
}

struct central *central_open(const char *url, const struct clock *clock, struct error *err)
{
    struct batch_sorter *sorter = batch_sorter_new(err);
    if (sorter == NULL)
        return NULL;
    struct central *central = open_driver(url, clock, err);
    if (central == NULL) {
        batch_sorter_free(sorter);
        return NULL;
    }
    central->sorter = sorter;
    return central;
}

bool central_migrations_load(const struct asset *assets, struct central_migrations *out, struct error *err)
{
    out->count = 0;
    for (const struct asset *asset = assets; asset->name != NULL; asset++) {
        size_t i = out->count++;
        if (i == CENTRAL_MIGRATIONS_MAX)
            return error_set(err, ERR_INTERNAL, "more than %d migrations", CENTRAL_MIGRATIONS_MAX);
        unsigned char sum[SHA256_BYTES];
        sha256_of(asset_view(asset), sum);
        text_hex_encode(out->sums[i], sum, sizeof(sum));
        out->items[i] = (struct migration){asset->name, asset_view(asset), out->sums[i]};
    }
    return true;
}

void central_close(struct central *central)
{
    if (central == NULL)
        return;
    batch_sorter_free(central->sorter);
    central->driver->close(central);
}

/* A store that cannot take what is right (a column's type was changed by hand, say) is no fault of the
 * archive, which nobody may throw away for it. Returns done. */
static bool by_store(bool done, struct error *err)
{
    if (!done && err != NULL && err->code == ERR_INPUT)
        err->code = ERR_IO;
    return done;
}

bool central_vehicle(struct central *central, const struct central_vehicle *vehicle, int64_t *vehicle_id,
                     struct error *err)
{
    if (!central_client_id_ok(vehicle->client_id))
        return error_set(err, ERR_USAGE,
                         "client id `%s`: 1 to %d letters, digits, dots, underscores or hyphens",
                         vehicle->client_id, CLIENT_ID_BYTES - 1);
    return by_store(central->driver->vehicle(central, vehicle, vehicle_id, err), err);
}

bool central_agent(struct central *central, int64_t vehicle_id, char agent_id[SHA256_HEX_BYTES],
                   struct error *err)
{
    return by_store(central->driver->agent(central, vehicle_id, agent_id, err), err);
}

bool central_cursor(struct central *central, int64_t vehicle_id, const char *store_id, const char *stream,
                    int64_t *seq, struct error *err)
{
    return by_store(central->driver->cursor(central, vehicle_id, store_id, stream, seq, err), err);
}

bool central_lock(struct central *central, int64_t vehicle_id, struct error *err)
{
    return central->driver->lock(central, vehicle_id, err);
}

void central_unlock(struct central *central, int64_t vehicle_id)
{
    central->driver->unlock(central, vehicle_id);
}

bool central_channel(struct central *central, int64_t vehicle_id, struct view name, int64_t *channel_id,
                     struct error *err)
{
    return by_store(central->driver->channel(central, vehicle_id, name, channel_id, err), err);
}

/* What neither store could show: no archive's line can tell of it. */
static bool check_times(const struct central_row *rows, size_t count, struct error *err)
{
    for (size_t i = 0; i < count; i++) {
        if (rows[i].time_us < TIME_MIN_US || rows[i].time_us > TIME_MAX_US)
            return error_set(err, ERR_INPUT, "a time of %lld us is not within the years 0000 to 9999",
                             (long long)rows[i].time_us);
    }
    return true;
}

bool central_add(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                 struct central_row *rows, size_t count, int64_t *added, struct error *err)
{
    if (count > CENTRAL_BATCH_ROWS)
        return error_set(err, ERR_INTERNAL, "a batch of %zu rows", count);
    if (!check_times(rows, count, err))
        return false;
    if (count > 0)
        batch_sort(central->sorter, rows, count);
    return by_store(central->driver->add(central, vehicle_id, store_id, last_seq, rows, count, added, err),
                    err);
}

bool central_describe(struct central *central, int64_t vehicle_id, int64_t as_of_us,
                      const struct central_description *channels, size_t count, int64_t *changed,
                      struct error *err)
{
    return by_store(central->driver->describe(central, vehicle_id, as_of_us, channels, count, changed, err),
                    err);
}

bool central_add_alarms(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                        const struct central_alarm *alarms, size_t count, int64_t *added, struct error *err)
{
    if (count > CENTRAL_ALARMS_MAX)
        return error_set(err, ERR_INTERNAL, "%zu alarms at once", count);
    return by_store(
        central->driver->add_alarms(central, vehicle_id, store_id, last_seq, alarms, count, added, err), err);
}

bool central_journal(struct central *central, const struct central_journal *entry, struct error *err)
{
    return by_store(central->driver->journal(central, entry, err), err);
}

bool central_count(struct central *central, int64_t vehicle_id, int64_t *rows, int64_t *channels,
                   struct error *err)
{
    return by_store(central->driver->count(central, vehicle_id, rows, channels, err), err);
}
