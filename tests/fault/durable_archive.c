/* tests/fault/torture: an archive's commit by sync_client, and its import into the central store. */
#include <stdio.h>

#include "common/base/clock.h"
#include "common/crypto/hash.h"
#include "common/pack/gzip.h"
#include "common/store/db.h"
#include "server_tools/central/importer.h"
#include "server_tools/sync_client/archive.h"
#include "tests/fault/durable.h"

enum { LINES = 50, LINE_BYTES = 100, PACKED_MAX_BYTES = 64 * 1024 };

#define STORE    "6f9b7b0e-8f3e-4a53-9d53-0f6f3f1d2c11"
#define AGENT    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define NAME     "20260222T100000Z"
#define START_US INT64_C(1771754400000000)

/* An archive of made-up readings of one channel. */
static bool pack_lines(struct buf *out, struct error *err)
{
    SCOPE_BUF struct buf lines = BUF_LIMIT(LINES * LINE_BYTES);
    for (int i = 1; i <= LINES; i++)
        buf_printf(
            &lines,
            "{\"seq\":%d,\"time\":\"2026-02-22T10:00:%02d.000000Z\",\"channel\":\"speed\",\"value\":%d}\n", i,
            i, i);
    struct gzip_writer *writer = gzip_writer_new(err);
    if (writer == NULL || !buf_check(&lines, "lines", err))
        return false;
    struct view rest = buf_view(&lines);
    bool ended = false;
    char *room = buf_reserve(out, PACKED_MAX_BYTES);
    if (room != NULL)
        buf_commit(out, gzip_write(writer, &rest, true, room, PACKED_MAX_BYTES, &ended));
    gzip_writer_free(writer);
    return ended || error_set(err, ERR_MEMORY, "packing");
}

static struct archive_facts facts_of(struct view packed)
{
    struct archive_facts facts = {.client_id = "m1",
                                  .agent_id = AGENT,
                                  .store_id = STORE,
                                  .since = "",
                                  .first_seq = 1,
                                  .last_seq = LINES,
                                  .count = LINES,
                                  .bytes = (int64_t)packed.size,
                                  .period_start_us = START_US + US_PER_S,
                                  .period_end_us = START_US + LINES * US_PER_S,
                                  .created_us = START_US};
    struct sha256 hash;
    sha256_start(&hash);
    sha256_add(&hash, packed.data, packed.size);
    sha256_finish_hex(&hash, facts.sha256);
    return facts;
}

static bool commit_to(const struct archive_folder *folder, struct view packed, struct error *err)
{
    SCOPE_ARCHIVE_PART struct archive_part part = {.fd = -1};
    struct archive_facts facts = facts_of(packed);
    struct path gz;
    return archive_part_open(&part, folder, START_US, err) &&
           file_write_all(part.fd, packed.data, packed.size, err) && archive_commit(&part, &facts, &gz, err);
}

static bool commit(struct error *err)
{
    SCOPE_BUF struct buf packed = BUF_LIMIT(PACKED_MAX_BYTES + 1);
    struct archive_folder folder = {.lock_fd = -1};
    if (!pack_lines(&packed, err) || !archive_folder_open(&folder, ".", "m1", err))
        return false;
    bool done = commit_to(&folder, buf_view(&packed), err);
    archive_folder_close(&folder);
    return done;
}

/* What counts is what has a json; its lines must be there. */
static size_t archives_that_count(void)
{
    struct archive_folder folder = {.path = {"m1"}, .lock_fd = -1};
    SCOPE_ARCHIVE_NAMES struct archive_names names = {NULL, 0};
    if (!file_exists("m1") || !archive_list(&folder, &names, NULL))
        return 0;
    for (size_t i = 0; i < names.count; i++) {
        struct path gz;
        if (!archive_gz_path(&folder, names.names[i], &gz, NULL) || file_size_bytes(gz.text) <= 0)
            return SIZE_MAX;
    }
    return names.count;
}

static bool none_counts(void)
{
    return archives_that_count() == 0;
}

/* Committed again after a commit whose last fsync failed: both are whole, and the importer takes them for
 * one. */
static bool one_counts(void)
{
    size_t count = archives_that_count();
    return count == 1 || count == 2;
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
    bool done = central != NULL && import_archive(central, "m1/" NAME ".gz", NULL, NULL, NULL, &result, err);
    central_close(central);
    return done;
}

static bool holds(int64_t rows)
{
    return number("SELECT count(*) FROM measurements") == rows &&
           number("SELECT max(seq) FROM sync_cursor") == rows &&
           number("SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'") == 1 &&
           number("SELECT count(*) FROM vehicles WHERE client_id <> 'm1'") == 0 &&
           number("SELECT count(*) FROM channel_config WHERE name <> 'speed'") == 0;
}

static bool nothing_is_imported(void)
{
    return holds(0);
}

static bool all_is_imported(void)
{
    return holds(LINES);
}

static const struct durable_case cases[] = {
    {"commit", NULL, commit, none_counts, one_counts, NULL},
    {"import", prepare_import, import, nothing_is_imported, all_is_imported, NULL},
};

int main(int count, char **words)
{
    return durable_main(count, words, cases, COUNT_OF(cases));
}
