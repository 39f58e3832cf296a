/* A folder with a central store and one archive in it, for the importer's tests: made-up readings, alarms and
 * channels of a machine, with the json that goes with them. */
#ifndef TESTS_UNIT_SERVER_TOOLS_CENTRAL_IMPORT_WORLD_H
#define TESTS_UNIT_SERVER_TOOLS_CENTRAL_IMPORT_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/os/file.h"
#include "common/pack/packer.h"
#include "common/store/db.h"
#include "common/wire/alarm_record.h"
#include "server_tools/central/importer.h"
#include "tests/unit/server_tools/central/stores.h"

enum { ARCHIVE_MAX_BYTES = 64 * 1024 * 1024, CHANNELS = 25 };

#define START_US INT64_C(1771754400000000)

struct world {
    struct store store; /* its folder holds the archive, too */
    struct path archive, json, alarms, channels;
    struct buf packed; /* the archive's bytes */
};

static inline int set_up(void **state, bool postgres)
{
    struct world *world = store_make(postgres, sizeof(*world));
    const struct test_folder *folder = &world->store.folder;
    world->packed.limit_bytes = ARCHIVE_MAX_BYTES;
    clock_fake_init(&world->store.clock, clock_utc_us(clock_system()), 0);
    world->archive = test_folder_path(folder, "20260222T100000Z.gz");
    world->json = test_folder_path(folder, "20260222T100000Z.json");
    world->alarms = test_folder_path(folder, "20260222T100000Z.alarms.gz");
    world->channels = test_folder_path(folder, "20260222T100000Z.channels.gz");
    *state = world;
    return 0;
}

static inline int set_up_sqlite(void **state)
{
    return set_up(state, false);
}

static inline int set_up_postgres(void **state)
{
    return set_up(state, true);
}

static inline int tear_down(void **state)
{
    struct world *world = *state;
    buf_clear(&world->packed);
    store_remove(&world->store);
    return 0;
}

static inline void pack_as(enum pack_format format, struct view text, struct buf *out)
{
    struct packer *packer = packer_new(format, NULL);
    bool ended = false;
    while (!ended) {
        char *room = buf_reserve(out, 65536);
        assert_non_null(room);
        buf_commit(out, packer_write(packer, &text, true, room, 65536, &ended));
    }
    packer_free(packer);
}

static inline void pack(struct view text, struct buf *out)
{
    pack_as(PACK_GZIP, text, out);
}

/* What a machine's export holds: rows first..last, CHANNELS of them a second. */
static inline void write_lines(struct buf *out, int64_t first, int64_t last)
{
    struct record_writer writer;
    record_writer_init(&writer);
    for (int64_t seq = first; seq <= last; seq++) {
        char name[RECORD_CHANNEL_BYTES];
        int size = snprintf(name, sizeof(name), "channel_%d", (int)(seq % CHANNELS));
        char *room = buf_reserve(out, RECORD_LINE_MAX_BYTES);
        assert_non_null(room);
        buf_commit(out, record_write_reading(&writer, room, seq, START_US + seq / CHANNELS * US_PER_S,
                                             (struct view){name, (size_t)size}, (double)seq / 4));
    }
}

static inline void write_archive(struct world *world, struct view lines)
{
    buf_reset(&world->packed);
    pack(lines, &world->packed);
    assert_true(file_replace(world->archive.text, buf_view(&world->packed), 0640, NULL));
}

/* since: "" or `"since":"...",` or `"after":N,` */
static inline void write_json(struct world *world, int64_t first, int64_t last, int64_t count,
                              const char *since)
{
    struct sha256 hash;
    char sum[SHA256_HEX_BYTES];
    sha256_start(&hash);
    sha256_add(&hash, world->packed.data, world->packed.size);
    sha256_finish_hex(&hash, sum);
    SCOPE_BUF struct buf text = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    buf_printf(
        &text,
        "{\"client_id\":\"tractor-7\",\"agent_id\":\"00\",\"store_id\":\"%s\",\"stream\":\"readings\",%s"
        "\"first_seq\":%lld,\"last_seq\":%lld,\"count\":%lld,\"bytes\":%zu,\"sha256\":\"%s\"}\n",
        STORE, since, (long long)first, (long long)last, (long long)count, world->packed.size, sum);
    assert_true(file_replace(world->json.text, buf_view(&text), 0640, NULL));
}

static inline void make_archive(struct world *world, int64_t first, int64_t last, const char *since)
{
    SCOPE_BUF struct buf lines = BUF_LIMIT(ARCHIVE_MAX_BYTES);
    write_lines(&lines, first, last);
    write_archive(world, buf_view(&lines));
    write_json(world, first, last, last - first + 1, since);
}

static inline bool import(struct world *world, const char *client_id, struct import_result *result,
                          struct error *err)
{
    return import_archive(world->store.central, world->archive.text, client_id, NULL, NULL, result, err);
}

static inline void assert_imports(struct world *world, int64_t lines, int64_t added)
{
    struct import_result result = {0};
    struct error err = {0};
    if (!import(world, NULL, &result, &err))
        fail_msg("%s", err.text);
    assert_int_equal(result.lines, lines);
    assert_int_equal(result.added, added);
    assert_int_equal(result.bytes, world->packed.size);
}

static inline void assert_refused(struct world *world, enum error_code code, const char *words)
{
    struct import_result result = {.lines = 77};
    struct error err = {0};
    assert_false(import(world, NULL, &result, &err));
    assert_int_equal(err.code, code);
    assert_int_equal(result.lines, 77);
    if (strstr(err.text, words) == NULL)
        fail_msg("\"%s\" does not say \"%s\"", err.text, words);
}

static inline int64_t cursor_of(const struct world *world)
{
    return ask(&world->store, "SELECT coalesce(max(seq), 0) FROM sync_cursor WHERE store_id = '" STORE "'");
}

static inline struct import_result imported(struct world *world)
{
    struct import_result result = {0};
    struct error err = {0};
    if (!import(world, NULL, &result, &err))
        fail_msg("%s", err.text);
    return result;
}

static inline int64_t alarm_cursor(const struct world *world)
{
    return ask(&world->store, "SELECT coalesce(max(seq), 0) FROM sync_cursor WHERE stream = 'alarms'");
}

static inline int64_t readings_cursor(const struct world *world)
{
    return ask(&world->store, "SELECT coalesce(max(seq), 0) FROM sync_cursor WHERE stream = 'readings'");
}

#endif
