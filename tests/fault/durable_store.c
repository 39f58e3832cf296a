/* tests/fault/torture: the telemetry store: making one, the next one beside a damaged one, a tick, retention;
 * and migrations. */
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/retention.h"
#include "collector/store_writer.h"
#include "common/store/migrate.h"
#include "tests/fault/durable.h"

enum { OLD_READINGS = 3, TICK_READINGS = 5, MANY_READINGS = RETENTION_CHUNK_ROWS * 2 };

#define START_US (INT64_C(1771754700) * US_PER_S) /* 2026-02-22T10:05:00Z */

static struct {
    struct migration_set *migrations;
    struct clock_fake clock;
    struct log log;
} world;

static struct store_writer_spec spec(void)
{
    return (struct store_writer_spec){.folder = ".",
                                      .version = "1.0.0",
                                      .migrations = world.migrations,
                                      .clock = &world.clock.clock,
                                      .log = &world.log};
}

/* A number from a database as another process reads it; -1: it cannot be read. */
static int64_t number(const char *path, const char *sql)
{
    int64_t value = -1;
    SCOPE_DB sqlite3 *db = db_open(path, DB_READ, NULL);
    return db != NULL && db_query_i64(db, sql, -1, &value, NULL) ? value : -1;
}

static bool is_sound(const char *path)
{
    return number(path, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1 &&
           number(path, "SELECT count(*) FROM meta WHERE key = 'store_id' AND length(value) = 36") == 1;
}

/* ---- making one ---- */

static bool nothing_is_there(void)
{
    return !file_exists("telemetry.db") && !file_exists("current_store");
}

static bool a_store_is_there(void)
{
    return is_sound("telemetry.db") &&
           number("telemetry.db", "SELECT value FROM meta WHERE key = 'next_seq'") == 1;
}

static bool make(struct error *err)
{
    struct store_writer_spec chosen = spec();
    struct store_writer *writer = store_writer_open(&chosen, err);
    store_writer_close(writer);
    return writer != NULL;
}

static bool prepare_damaged(struct error *err)
{
    return durable_write("telemetry.db", "damaged") || error_set(err, ERR_IO, "telemetry.db");
}

static bool names_the_damaged(void)
{
    return durable_has("telemetry.db", "damaged") && !file_exists("current_store");
}

static bool names_the_next(void)
{
    SCOPE_BUF struct buf name = BUF_LIMIT(100);
    if (!durable_has("telemetry.db", "damaged") || !file_read_path("current_store", &name, NULL) ||
        name.size == 0)
        return false;
    name.size--; /* the line feed */
    return view_starts(buf_view(&name), "telemetry-") && is_sound(buf_text(&name));
}

static bool begin_next(struct error *err)
{
    if (names_the_next()) /* only the last fsync had failed */
        return folder_sync(".", err);
    struct store_writer_spec chosen = spec();
    struct store_writer *writer = store_writer_open_next(&chosen, err);
    store_writer_close(writer);
    return writer != NULL;
}

/* ---- a tick ---- */

static struct sample sample_of(const char *channel)
{
    return (struct sample){.channel = view_of(channel),
                           .unit = "km/h",
                           .description = "how fast",
                           .phys_min = NAN,
                           .phys_max = 9};
}

/* Readings of one time each, in one transaction, all of one channel. */
static bool write_readings(struct store_writer *writer, const char *channel, int64_t time_us, size_t count,
                           struct error *err)
{
    struct channel_table *channels = channel_table_new(err);
    SCOPE_FREE struct reading *readings = calloc(count, sizeof(*readings));
    bool ok = channels != NULL && (readings != NULL || error_set(err, ERR_MEMORY, "readings")) &&
              store_writer_load_channels(writer, channels, err);
    struct sample sample = sample_of(channel);
    uint32_t index = ok ? channel_table_find(channels, &sample) : 0;
    for (size_t i = 0; ok && i < count; i++)
        readings[i] =
            (struct reading){.time_us = time_us + (int64_t)i * US_PER_S, .value = 1.5, .channel = index};
    ok = ok && store_writer_write(writer, channels, readings, count, err);
    channel_table_free(channels);
    return ok;
}

static bool add_readings(const char *channel, int64_t time_us, size_t count, struct error *err)
{
    struct store_writer_spec chosen = spec();
    struct store_writer *writer = store_writer_open(&chosen, err);
    bool ok = writer != NULL && write_readings(writer, channel, time_us, count, err);
    store_writer_close(writer);
    return ok;
}

static bool prepare_tick(struct error *err)
{
    return add_readings("speed", START_US, OLD_READINGS, err);
}

static bool holds(int64_t readings, int64_t channels)
{
    return is_sound("telemetry.db") && number("telemetry.db", "SELECT count(*) FROM readings") == readings &&
           number("telemetry.db", "SELECT value FROM meta WHERE key = 'next_seq'") == readings + 1 &&
           number("telemetry.db", "SELECT count(*) FROM channels") == channels &&
           number("telemetry.db",
                  "SELECT count(*) FROM channels WHERE unit = 'km/h' AND description = 'how fast'"
                  " AND phys_min IS NULL AND phys_max = 9 AND length(name) = 5") == channels &&
           number("telemetry.db", "SELECT count(*) FROM readings LEFT JOIN channels USING (channel_id)"
                                  " WHERE name IS NULL OR value <> 1.5") == 0;
}

static bool before_the_tick(void)
{
    return holds(OLD_READINGS, 1);
}

static bool after_the_tick(void)
{
    return holds(OLD_READINGS + TICK_READINGS, 2);
}

static bool tick(struct error *err)
{
    return after_the_tick() || add_readings("power", START_US + 60 * US_PER_S, TICK_READINGS, err);
}

/* ---- retention ---- */

static bool prepare_many(struct error *err)
{
    return add_readings("speed", START_US, MANY_READINGS, err);
}

static int64_t count_readings(void)
{
    return is_sound("telemetry.db") ? number("telemetry.db", "SELECT count(*) FROM readings") : -1;
}

static bool all_are_there(void)
{
    return count_readings() == MANY_READINGS;
}

static bool a_chunk_is_gone(void)
{
    return count_readings() == MANY_READINGS - RETENTION_CHUNK_ROWS &&
           number("telemetry.db", "SELECT min(seq) FROM readings") == RETENTION_CHUNK_ROWS + 1;
}

static bool forget(struct error *err)
{
    if (a_chunk_is_gone())
        return true;
    struct store_writer_spec chosen = spec();
    struct store_writer *writer = store_writer_open(&chosen, err);
    int64_t deleted = 0;
    bool ok =
        writer != NULL && retention_by_age(writer, START_US + (int64_t)RETENTION_CHUNK_ROWS * US_PER_S,
                                           START_US + (int64_t)10 * MANY_READINGS * US_PER_S, &deleted, err);
    store_writer_close(writer);
    return ok &&
           (deleted == RETENTION_CHUNK_ROWS || error_set(err, ERR_INTERNAL, "it deleted something else"));
}

/* ---- migrations ---- */

static const struct migration migrations[] = {
    {"0001_a.sql", VIEW_LITERAL("CREATE TABLE a (x TEXT NOT NULL); INSERT INTO a VALUES ('1');"), "1"},
    {"0002_b.sql", VIEW_LITERAL("ALTER TABLE a ADD COLUMN y TEXT; UPDATE a SET y = x || '2';"), "2"},
};

static bool migrate(size_t count, struct error *err)
{
    SCOPE_DB sqlite3 *db = db_open("a.db", DB_CREATE, err);
    return db != NULL && migrate_db(db, migrations, count, "1.0.0", &world.clock.clock, err);
}

static bool prepare_migration(struct error *err)
{
    return migrate(1, err);
}

static bool second_migration(struct error *err)
{
    return migrate(2, err);
}

static bool first_is_applied(void)
{
    return number("a.db", "SELECT count(*) FROM schema_migrations WHERE version = '1.0.0'") == 1 &&
           number("a.db", "SELECT count(*) FROM pragma_table_info('a')") == 1;
}

static bool both_are_applied(void)
{
    return number("a.db", "SELECT count(*) FROM schema_migrations WHERE version = '1.0.0'") == 2 &&
           number("a.db", "SELECT count(*) FROM a WHERE y = '12'") == 1;
}

static const struct durable_case cases[] = {
    {"make", NULL, make, nothing_is_there, a_store_is_there, NULL},
    {"next", prepare_damaged, begin_next, names_the_damaged, names_the_next, NULL},
    {"tick", prepare_tick, tick, before_the_tick, after_the_tick, NULL},
    {"retention", prepare_many, forget, all_are_there, a_chunk_is_gone, NULL},
    {"migrate", prepare_migration, second_migration, first_is_applied, both_are_applied, NULL},
};

int main(int count, char **words)
{
    struct path folder;
    struct error err = {.code = ERR_NONE};
    clock_fake_init(&world.clock, START_US, 1000 * (int64_t)US_PER_S);
    log_init(&world.log, "durable_store", &world.clock.clock);
    world.log.fd = -1;
    if (realpath("migrations/appliance", folder.text) == NULL ||
        (world.migrations = migration_set_load(folder.text, &err)) == NULL) {
        printf("migrations/appliance: %s\n", err.text);
        return 2;
    }
    int code = durable_main(count, words, cases, COUNT_OF(cases));
    migration_set_free(world.migrations);
    return code;
}
