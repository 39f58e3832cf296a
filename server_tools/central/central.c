#include "server_tools/central/central.h"

#include "server_tools/central/batch_sorter.h"
#include "server_tools/central/central_driver.h"

bool central_client_id_ok(const char *client_id)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t size = strlen(client_id);
    return size >= 1 && size < CLIENT_ID_BYTES && strspn(client_id, allowed) == size &&
           strcmp(client_id, ".") != 0 && strcmp(client_id, "..") != 0;
}

static bool refuse_url(const char *url, struct error *err)
{
    if (view_starts(view_of(url), "postgresql://") || view_starts(view_of(url), "postgres://"))
        return error_set(err, ERR_USAGE, "this build speaks SQLite only: give the path of a database file");
    return error_set(err, ERR_USAGE, "the central store is the path of an SQLite file, not a URL");
}

struct central *central_open(const char *url, const struct clock *clock, struct error *err)
{
    if (url[0] == '\0' || strstr(url, "://") != NULL) {
        refuse_url(url, err);
        return NULL;
    }
    struct batch_sorter *sorter = batch_sorter_new(err);
    if (sorter == NULL)
        return NULL;
    struct central *central = central_sqlite_open(url, clock, err);
    if (central == NULL) {
        batch_sorter_free(sorter);
        return NULL;
    }
    central->sorter = sorter;
    return central;
}

void central_close(struct central *central)
{
    if (central == NULL)
        return;
    batch_sorter_free(central->sorter);
    central->driver->close(central);
}

bool central_vehicle(struct central *central, const struct central_vehicle *vehicle, int64_t *vehicle_id,
                     struct error *err)
{
    if (!central_client_id_ok(vehicle->client_id))
        return error_set(err, ERR_USAGE,
                         "client id `%s`: 1 to %d letters, digits, dots, underscores or hyphens",
                         vehicle->client_id, CLIENT_ID_BYTES - 1);
    return central->driver->vehicle(central, vehicle, vehicle_id, err);
}

bool central_cursor(struct central *central, int64_t vehicle_id, const char *store_id, const char *stream,
                    int64_t *seq, struct error *err)
{
    return central->driver->cursor(central, vehicle_id, store_id, stream, seq, err);
}

bool central_channel(struct central *central, int64_t vehicle_id, struct view name, int64_t *channel_id,
                     struct error *err)
{
    return central->driver->channel(central, vehicle_id, name, channel_id, err);
}

bool central_add(struct central *central, int64_t vehicle_id, const char *store_id, int64_t last_seq,
                 struct central_row *rows, size_t count, int64_t *added, struct error *err)
{
    if (count > CENTRAL_BATCH_ROWS)
        return error_set(err, ERR_INTERNAL, "a batch of %zu rows", count);
    batch_sort(central->sorter, rows, count);
    return central->driver->add(central, vehicle_id, store_id, last_seq, rows, count, added, err);
}

bool central_journal(struct central *central, const struct central_journal *entry, struct error *err)
{
    return central->driver->journal(central, entry, err);
}

bool central_count(struct central *central, int64_t vehicle_id, int64_t *rows, int64_t *channels,
                   struct error *err)
{
    return central->driver->count(central, vehicle_id, rows, channels, err);
}
