/* What the collector's unit tests share: a folder of their own to work in, a silent log, a clock that stands
 * still, and stores made by the project's own migrations. */
#ifndef TESTS_UNIT_COLLECTOR_FIXTURE_H
#define TESTS_UNIT_COLLECTOR_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "collector/store_writer.h"

#define TEST(name) cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)
#define START_US   (INT64_C(1771754700) * US_PER_S) /* 2026-02-22T10:05:00Z */
#define NAME(text) VIEW_LITERAL(text)

struct fixture {
    char source[512]; /* where the tests are started */
    char folder[64];  /* the working folder of a test */
    struct clock_fake clock;
    struct log log;
    struct migration_set *migrations;
};

static inline int fixture_setup(void **state)
{
    struct fixture *fixture = calloc(1, sizeof(*fixture));
    struct path migrations;
    struct error err;
    if (fixture == NULL || getcwd(fixture->source, sizeof(fixture->source)) == NULL)
        return 1;
    strcpy(fixture->folder, "/tmp/collector_test.XXXXXX");
    clock_fake_init(&fixture->clock, START_US, 1000 * (int64_t)US_PER_S);
    log_init(&fixture->log, "test", &fixture->clock.clock);
    fixture->log.fd = -1;
    if (!path_join(&migrations, fixture->source, "migrations/appliance", &err))
        return 1;
    fixture->migrations = migration_set_load(migrations.text, &err);
    *state = fixture;
    return fixture->migrations == NULL || mkdtemp(fixture->folder) == NULL || chdir(fixture->folder) != 0;
}

static inline int fixture_teardown(void **state)
{
    struct fixture *fixture = *state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", fixture->folder);
    int failed = chdir(fixture->source) != 0 || system(command) != 0;
    migration_set_free(fixture->migrations);
    free(fixture);
    return failed;
}

static inline struct store_writer_spec fixture_spec(const struct fixture *fixture)
{
    return (struct store_writer_spec){
        .folder = fixture->folder,
        .version = "1.0.0",
        .migrations = fixture->migrations,
        .clock = &fixture->clock.clock,
        .log = &fixture->log,
    };
}

/* A number from a store's file, as another process would read it. */
static inline int64_t query(const char *path, const char *sql)
{
    struct error err;
    int64_t value = -1;
    SCOPE_DB sqlite3 *db = db_open(path, DB_READ, &err);
    if (db == NULL || !db_query_i64(db, sql, INT64_MIN, &value, &err))
        fail_msg("%s: %s", sql, err.text);
    return value;
}

static inline struct sample sample_of(const char *channel, double value, int64_t time_us)
{
    return (struct sample){.channel = view_of(channel),
                           .value = value,
                           .time_us = time_us,
                           .unit = "m",
                           .description = "a length",
                           .phys_min = NAN,
                           .phys_max = 9};
}

static inline struct reading reading_of(struct channel_table *channels, const char *channel, double value,
                                        int64_t time_us)
{
    struct sample sample = sample_of(channel, value, time_us);
    uint32_t index = channel_table_find(channels, &sample);
    assert_int_not_equal(index, CHANNEL_NONE);
    return (struct reading){.time_us = time_us, .value = value, .channel = index};
}

/* A channel table with these CHANNEL lines, the last of them NULL. */
static inline struct channel_table *channels_of(const char *const *lines)
{
    enum { MAX = 8 };
    struct error err;
    char texts[MAX][CONFIG_TEXT_BYTES];
    unsigned numbers[MAX] = {0};
    struct config_lines config = {texts, numbers, 0};
    for (; lines[config.count] != NULL; config.count++) {
        assert_true(config.count < MAX);
        snprintf(texts[config.count], CONFIG_TEXT_BYTES, "%s", lines[config.count]);
        numbers[config.count] = (unsigned)config.count + 1;
    }
    struct channel_table *table = channel_table_new(&err);
    assert_non_null(table);
    assert_non_null(table);
    if (!channel_table_configure(table, &config, &err))
        fail_msg("%s", err.text);
    return table;
}

static inline void write_text(const char *path, const char *content)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
}

#endif
