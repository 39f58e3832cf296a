/* Makes a telemetry store as the collector leaves it: `make_store FOLDER READINGS [MIGRATIONS]` with the
 * made-up vehicle's channels at 1 Hz, the newest reading now. `make_store --scan FOLDER` measures how fast
 * store_range_read reads it against a bare sqlite3_step with all four column calls. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector/drive_model.h"
#include "collector/telemetry_store.h"
#include "common/app/migration_set.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/crypto/random.h"

enum { SCAN_REPEATS = 7, READINGS_MAX = 2000000000 };

static bool insert_meta(sqlite3 *db, const char *key, const char *text, int64_t number, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(db, "INSERT INTO meta (key, value) VALUES (?1, ?2)", err);
    if (stmt == NULL)
        return false;
    db_bind_view(stmt, 1, view_of(key));
    if (text != NULL)
        db_bind_view(stmt, 2, view_of(text));
    else
        sqlite3_bind_int64(stmt, 2, number);
    return db_run(stmt, err);
}

static bool insert_channels(sqlite3 *db, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(
        db,
        "INSERT INTO channels (channel_id, name, unit, phys_min, phys_max, description) VALUES (?,?,?,?,?,?)",
        err);
    for (int i = 0; stmt != NULL && i < DRIVE_CHANNELS; i++) {
        sqlite3_bind_int(stmt, 1, i + 1);
        db_bind_view(stmt, 2, view_of(drive_channels[i].name));
        db_bind_view(stmt, 3, view_of(drive_channels[i].unit));
        sqlite3_bind_double(stmt, 4, drive_channels[i].phys_min);
        sqlite3_bind_double(stmt, 5, drive_channels[i].phys_max);
        db_bind_view(stmt, 6, view_of(drive_channels[i].description));
        if (!db_run(stmt, err))
            return false;
    }
    return stmt != NULL;
}

static bool insert_readings(sqlite3 *db, int64_t count, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt =
        db_prepare(db, "INSERT INTO readings (seq, time_us, channel_id, value) VALUES (?,?,?,?)", err);
    double values[DRIVE_CHANNELS];
    int64_t first_us =
        clock_utc_us(clock_system()) / US_PER_S * US_PER_S - count / DRIVE_CHANNELS * US_PER_S + 3127;
    for (int64_t i = 0; stmt != NULL && i < count; i++) {
        int64_t second = i / DRIVE_CHANNELS;
        int channel = (int)(i % DRIVE_CHANNELS);
        if (channel == 0)
            drive_values(1, (double)second, values);
        sqlite3_bind_int64(stmt, 1, i + 1);
        sqlite3_bind_int64(stmt, 2, first_us + second * US_PER_S);
        sqlite3_bind_int(stmt, 3, channel + 1);
        sqlite3_bind_double(stmt, 4, values[channel]);
        if (!db_run(stmt, err))
            return false;
    }
    return stmt != NULL;
}

static bool make(const char *folder, int64_t count, const char *migrations, struct error *err)
{
    struct path path;
    char id[UUID_TEXT_BYTES];
    if (!folder_make_all(folder, 0755, err) || !path_join(&path, folder, "telemetry.db", err))
        return false;
    if (file_exists(path.text))
        return error_set(err, ERR_EXISTS, "%s is there already", path.text);
    SCOPE_MIGRATION_SET struct migration_set *set = migration_set_load(migrations, err);
    SCOPE_DB sqlite3 *db = set == NULL ? NULL : db_open(path.text, DB_CREATE, err);
    if (db == NULL || !migration_set_apply(set, db, TELEHAUL_VERSION, clock_system(), err))
        return false;
    random_uuid(id);
    return db_exec(db, "PRAGMA synchronous=OFF", err) && db_begin(db, err) &&
           insert_meta(db, "store_id", id, 0, err) && insert_meta(db, "next_seq", NULL, count + 1, err) &&
           insert_channels(db, err) && insert_readings(db, count, err) && db_commit(db, err);
}

/* ---- measuring ---- */

/* CPU time, so that a busy machine measures the same. */
static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static bool scan_bare(const char *path, int64_t *rows, double *seconds, struct error *err)
{
    SCOPE_DB sqlite3 *db = db_open(path, DB_READ, err);
    SCOPE_STMT sqlite3_stmt *stmt =
        db == NULL ? NULL
                   : db_prepare(db, "SELECT seq, time_us, channel_id, value FROM readings ORDER BY seq", err);
    if (stmt == NULL)
        return false;
    volatile double sum = 0;
    double total = 0;
    double start_s = cpu_seconds();
    *rows = 0;
    enum db_step step;
    while ((step = db_step(stmt, err)) == DB_STEP_ROW) {
        total += (double)(sqlite3_column_int64(stmt, 0) ^ sqlite3_column_int64(stmt, 1) ^
                          sqlite3_column_int64(stmt, 2)) +
                 sqlite3_column_double(stmt, 3);
        (*rows)++;
    }
    sum = total;
    (void)sum;
    *seconds = cpu_seconds() - start_s;
    return step == DB_STEP_DONE;
}

/* The range is fixed within the time, as an export has to. */
static bool scan_reader(const char *folder, int64_t *rows, double *seconds, double *range_seconds,
                        struct error *err)
{
    static struct store_row chunk[STORE_CHUNK_ROWS];
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(folder, err);
    struct store_range range;
    double start_s = cpu_seconds();
    if (reader == NULL || !store_range_after(reader, 0, 0, &range, err))
        return false;
    *range_seconds = cpu_seconds() - start_s;
    size_t count = 1;
    *rows = 0;
    for (int64_t after = 0; count > 0; *rows += (int64_t)count) {
        if (!store_range_read(reader, &range, after, chunk, STORE_CHUNK_ROWS, &count, err))
            return false;
        after = count > 0 ? chunk[count - 1].seq : after;
    }
    *seconds = cpu_seconds() - start_s - *range_seconds;
    if (*rows != range.count)
        return error_set(err, ERR_INTERNAL, "counted %lld, read %lld", (long long)range.count,
                         (long long)*rows);
    return true;
}

static int by_value(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return difference < 0 ? -1 : difference > 0;
}

static double median(double values[SCAN_REPEATS])
{
    qsort(values, SCAN_REPEATS, sizeof(*values), by_value);
    return values[SCAN_REPEATS / 2];
}

static bool measure(const char *folder, struct error *err)
{
    struct path path;
    double bare[SCAN_REPEATS];
    double reader[SCAN_REPEATS];
    double range[SCAN_REPEATS];
    int64_t rows = 0;
    if (!store_current_path(folder, &path, err))
        return false;
    for (int i = 0; i < SCAN_REPEATS; i++) {
        if (!scan_bare(path.text, &rows, &bare[i], err) ||
            !scan_reader(folder, &rows, &reader[i], &range[i], err))
            return false;
    }
    double bare_s = median(bare);
    double reader_s = median(reader);
    printf("rows %lld  bare scan %.2f M rows/s  store_range_read %.2f M rows/s  ratio %.2f  range fixed in "
           "%.1f ms\n",
           (long long)rows, (double)rows / bare_s / 1e6, (double)rows / reader_s / 1e6, bare_s / reader_s,
           median(range) * 1000);
    return true;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    uint64_t count = 0;
    bool ok;
    if (argc == 3 && strcmp(argv[1], "--scan") == 0) {
        ok = measure(argv[2], &err);
    } else if (argc >= 3 && argc <= 4 && text_parse_u64(view_of(argv[2]), READINGS_MAX, &count)) {
        ok = make(argv[1], (int64_t)count, argc == 4 ? argv[3] : "migrations/appliance", &err);
    } else {
        fprintf(stderr, "usage: make_store FOLDER READINGS [MIGRATIONS]\n       make_store --scan FOLDER\n");
        return 2;
    }
    if (!ok)
        fprintf(stderr, "make_store: %s\n", err.text);
    return ok ? 0 : 1;
}
