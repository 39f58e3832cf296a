/* tests/fault/torture: an archive's commit by sync_client, and its import into the central store. */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/store/db.h"
#include "server_tools/central/importer.h"
#include "server_tools/sync_client/archive.h"
#include "tests/fault/durable.h"

enum { LINES = 50, LINE_BYTES = 100, PACKED_MAX_BYTES = 64 * 1024 };

#define STORE    "6f9b7b0e-8f3e-4a53-9d53-0f6f3f1d2c11"
#define AGENT    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME     "20260222T100000Z"
#define START_US INT64_C(1771754400000000)

/* Made-up readings of one channel, and one alarm of it. */
static bool make_lines(enum archive_stream stream, struct buf *out, struct error *err)
{
    for (int i = 1; stream == ARCHIVE_READINGS && i <= LINES; i++)
        buf_printf(
            out,
            "{\"seq\":%d,\"time\":\"2026-02-22T10:00:%02d.000000Z\",\"channel\":\"speed\",\"value\":%d}\n", i,
            i, i);
    if (stream == ARCHIVE_ALARMS)
        buf_printf(
            out,
            "{\"seq\":%d,\"alarm_id\":1771754401000000,\"channel\":\"speed\",\"severity\":\"warning\","
            "\"message\":\"too fast\",\"raised_at\":\"2026-02-22T10:00:01.000000Z\",\"resolved_at\":null}\n",
            LINES + 1);
    return buf_check(out, "lines", err);
}

static bool pack(struct view lines, struct buf *out, struct error *err)
{
    struct packer *packer = packer_new(PACK_ZSTD, err);
    if (packer == NULL)
        return false;
    bool ended = false;
    char *room = buf_reserve(out, PACKED_MAX_BYTES);
    if (room != NULL)
        buf_commit(out, packer_write(packer, &lines, true, room, PACKED_MAX_BYTES, &ended));
    packer_free(packer);
    return ended || error_set(err, ERR_MEMORY, "packing");
}

/* Writes one stream's file and notes what the json must say of it. */
static bool write_stream(const struct archive_part *part, enum archive_stream stream,
                         struct archive_info *info, struct error *err)
{
    SCOPE_BUF struct buf lines = BUF_LIMIT(LINES * LINE_BYTES);
    SCOPE_BUF struct buf packed = BUF_LIMIT(PACKED_MAX_BYTES + 1);
    struct archive_file *file = &info->files[stream];
    bool readings = stream == ARCHIVE_READINGS;
    unsigned char sum[SHA256_BYTES];
    if (!make_lines(stream, &lines, err) || !pack(buf_view(&lines), &packed, err) ||
        !file_write_all(part->fds[stream], packed.data, packed.size, err))
        return false;
    file->present = true;
    file->first_seq = readings ? 1 : LINES + 1;
    file->last_seq = readings ? LINES : LINES + 1;
    file->count = readings ? LINES : 1;
    file->bytes = (int64_t)packed.size;
    sha256_of(buf_view(&packed), sum);
    text_hex_encode(file->sha256, sum, sizeof(sum));
    return true;
}

static bool commit_to(const struct archive_folder *folder, struct error *err)
{
    SCOPE_ARCHIVE_PART struct archive_part part = {.fds = {-1, -1, -1}};
    struct archive_info info = {.present = true,
                                .client_id = "m1",
                                .agent_id = AGENT,
                                .store_id = STORE,
                                .format = PACK_ZSTD,
                                .period_start_us = START_US + US_PER_S,
                                .period_end_us = START_US + LINES * US_PER_S,
                                .created_us = START_US};
    struct path path;
    return archive_part_open(&part, folder, PACK_ZSTD, START_US, err) &&
           archive_part_add(&part, ARCHIVE_ALARMS, info.files[ARCHIVE_ALARMS].file, err) &&
           write_stream(&part, ARCHIVE_READINGS, &info, err) &&
           write_stream(&part, ARCHIVE_ALARMS, &info, err) && archive_commit(&part, &info, &path, err);
}

static bool is_whole(const struct archive_folder *folder, const char *name)
{
    struct path path;
    struct path alarms;
    struct archive_info info;
    return archive_load(folder, name, &path, &info, NULL) &&
           file_size_bytes(path.text) == info.files[ARCHIVE_READINGS].bytes &&
           path_join(&alarms, folder->path.text, info.files[ARCHIVE_ALARMS].file, NULL) &&
           file_size_bytes(alarms.text) == info.files[ARCHIVE_ALARMS].bytes;
}

/* What counts is what has a json; its files must be there. SIZE_MAX: they are not. */
static size_t archives_that_count(void)
{
    struct archive_folder folder = {.path = {"m1"}, .lock_fd = -1};
    SCOPE_ARCHIVE_NAMES struct archive_names names = {NULL, 0};
    if (!file_exists("m1") || !archive_list(&folder, &names, NULL))
        return 0;
    for (size_t i = 0; i < names.count; i++) {
        if (!is_whole(&folder, names.names[i]))
            return SIZE_MAX;
    }
    return names.count;
}

static bool open_folder(struct archive_folder *folder, struct error *err)
{
    struct notices notices;
    notices_init(&notices, true, clock_system());
    return archive_folder_open(folder, ".", "m1", &notices, err);
}

static bool commit(struct error *err)
{
    struct archive_folder folder = {.lock_fd = -1};
    if (!open_folder(&folder, err))
        return false;
    bool done = commit_to(&folder, err);
    archive_folder_close(&folder);
    return done;
}

/* What was sealed is completed, and fetched again only when it was not. */
static bool commit_again(struct error *err)
{
    struct archive_folder folder = {.lock_fd = -1};
    if (!open_folder(&folder, err))
        return false;
    bool done = archives_that_count() == 1 || commit_to(&folder, err);
    archive_folder_close(&folder);
    return done;
}

static bool none_counts(void)
{
    return archives_that_count() == 0;
}

static bool one_counts(void)
{
    return archives_that_count() == 1;
}

/* ---- importing ---- */

static int64_t number(const char *sql)
{
    int64_t value = -1;
    SCOPE_DB sqlite3 *db = file_exists("central.db") ? db_open("central.db", DB_READ, NULL) : NULL;
    return db != NULL && db_query_i64(db, sql, 0, &value, NULL) ? value : -1;
}

static bool prepare_import(struct error *err)
{
    struct central *central = commit(err) ? central_open("central.db", clock_system(), err) : NULL;
    central_close(central);
    return central != NULL;
}

static bool import(struct error *err)
{
    struct import_result result;
    struct central *central = central_open("central.db", clock_system(), err);
    bool done = central != NULL && import_archive(central, "m1/" NAME ".zst", NULL, NULL, NULL, &result, err);
    central_close(central);
    return done;
}

/* A stream's rows and its cursor move together. */
static bool holds(int64_t readings, int64_t alarms)
{
    return number("SELECT count(*) FROM measurements") == readings &&
           number("SELECT max(seq) FROM sync_cursor WHERE stream = 'readings'") == readings &&
           number("SELECT count(*) FROM alarms_log") == alarms &&
           number("SELECT max(seq) FROM sync_cursor WHERE stream = 'alarms'") ==
               (alarms == 0 ? 0 : LINES + 1) &&
           number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1 &&
           number("SELECT count(*) FROM vehicles WHERE client_id <> 'm1'") == 0 &&
           number("SELECT count(*) FROM channel_config WHERE name <> 'speed'") == 0;
}

/* Each stream is a transaction of its own. */
static bool not_all_is_imported(void)
{
    return holds(0, 0) || holds(LINES, 0) || holds(0, 1);
}

static bool all_is_imported(void)
{
    return holds(LINES, 1);
}

static const struct durable_case cases[] = {
    {"commit", NULL, commit, none_counts, one_counts, commit_again},
    {"import", prepare_import, import, not_all_is_imported, all_is_imported, NULL},
};

int main(int count, char **words)
{
    return durable_main(count, words, cases, COUNT_OF(cases));
}
