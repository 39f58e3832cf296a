/* What bench_import.py measures: `import_archive make FILE.gz ROWS` writes an archive of the made-up vehicle
 * with its json beside it, as sync_client leaves one; `import_archive import FILE.gz DB` imports it and
 * prints rows and seconds. `import_archive lines ROWS` measures writing, reading and packing lines in memory.
 */
#include <stdio.h>
#include <string.h>

#include "collector/drive_model.h"
#include "common/base/clock.h"
#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/os/file.h"
#include "common/pack/gzip.h"
#include "common/wire/record.h"
#include "server_tools/central/importer.h"

#define START_US       INT64_C(1771754400003127)
#define ROWS_MAX       100000000
#define TEXT_MAX_BYTES ((size_t)ROWS_MAX * 200)

static double seconds_since(int64_t start_us)
{
    return (double)(clock_monotonic_us(clock_system()) - start_us) / US_PER_S;
}

static bool write_lines(struct buf *out, int64_t rows, const double *values)
{
    struct record_writer writer;
    record_writer_init(&writer);
    for (int64_t i = 0; i < rows; i++) {
        int channel = (int)(i % DRIVE_CHANNELS);
        char *room = buf_reserve(out, RECORD_LINE_MAX_BYTES);
        if (room == NULL)
            return false;
        buf_commit(out, record_write_reading(&writer, room, i + 1, START_US + i / DRIVE_CHANNELS * US_PER_S,
                                             view_of(drive_channels[channel].name), values[i]));
    }
    return true;
}

static bool pack(struct view text, struct buf *out, struct error *err)
{
    enum { PIECE_BYTES = 256 * 1024 };
    struct gzip_writer *writer = gzip_writer_new(err);
    bool ended = writer == NULL;
    while (!ended) {
        struct view piece = {text.data, text.size < PIECE_BYTES ? text.size : PIECE_BYTES};
        bool last = piece.size == text.size;
        size_t before = piece.size;
        char *room = buf_reserve(out, PIECE_BYTES);
        if (room == NULL)
            break;
        buf_commit(out, gzip_write(writer, &piece, last, room, PIECE_BYTES, &ended));
        text.data += before - piece.size;
        text.size -= before - piece.size;
    }
    gzip_writer_free(writer);
    return ended && writer != NULL;
}

static const double *make_values(int64_t rows, struct buf *out)
{
    for (int64_t second = 0; second * DRIVE_CHANNELS < rows; second++) {
        double values[DRIVE_CHANNELS];
        drive_values(1, (double)second, values);
        buf_append(out, values, sizeof(values));
    }
    return (const double *)(const void *)out->data;
}

static bool write_json(const char *archive, struct view packed, int64_t rows, struct error *err)
{
    struct sha256 hash;
    char sum[SHA256_HEX_BYTES];
    sha256_start(&hash);
    sha256_add(&hash, packed.data, packed.size);
    sha256_finish_hex(&hash, sum);
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(PATH_LIMIT_BYTES);
    buf_printf(
        &text,
        "{\"client_id\":\"bench\",\"agent_id\":\"\",\"store_id\":\"00000000-0000-4000-8000-000000000000\","
        "\"stream\":\"readings\",\"first_seq\":1,\"last_seq\":%lld,\"count\":%lld,\"bytes\":%zu,"
        "\"sha256\":\"%s\"}\n",
        (long long)rows, (long long)rows, packed.size, sum);
    return path_printf(&path, err, "%.*s.json", (int)(strlen(archive) - strlen(".gz")), archive) &&
           file_replace(path.text, buf_view(&text), 0640, err);
}

static bool make(const char *archive, int64_t rows, struct error *err)
{
    SCOPE_BUF struct buf room = BUF_LIMIT(TEXT_MAX_BYTES);
    const double *values = make_values(rows, &room);
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    if (!buf_check(&room, "values", err) || !write_lines(&text, rows, values) ||
        !pack(buf_view(&text), &packed, err))
        return error_set(err, ERR_MEMORY, "no memory left for %lld rows", (long long)rows);
    return file_replace(archive, buf_view(&packed), 0640, err) &&
           write_json(archive, buf_view(&packed), rows, err);
}

static bool import(const char *archive, const char *database, struct error *err)
{
    int64_t start_us = clock_monotonic_us(clock_system());
    SCOPE_CENTRAL struct central *central = central_open(database, clock_system(), err);
    struct import_result result;
    if (central == NULL || !import_archive(central, archive, NULL, NULL, NULL, &result, err))
        return false;
    printf("{\"lines\":%lld,\"added\":%lld,\"seconds\":%.4f}\n", (long long)result.lines,
           (long long)result.added, seconds_since(start_us));
    return true;
}

static bool read_lines(struct view text, int64_t *rows, struct error *err)
{
    while (text.size > 0) {
        struct view line = text_cut(&text, '\n');
        struct record_reading reading;
        if (!record_read_reading(line, &reading, err))
            return false;
        (*rows)++;
    }
    return true;
}

static bool measure_lines(int64_t rows, struct error *err)
{
    SCOPE_BUF struct buf room = BUF_LIMIT(TEXT_MAX_BYTES);
    const double *values = make_values(rows, &room);
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    SCOPE_BUF struct buf packed = BUF_LIMIT(TEXT_MAX_BYTES);
    if (!buf_check(&room, "values", err) ||
        !write_lines(&text, rows, values)) /* once, for the memory's sake */
        return error_set(err, ERR_MEMORY, "no memory left for %lld rows", (long long)rows);
    buf_reset(&text);
    int64_t start_us = clock_monotonic_us(clock_system());
    bool ok = write_lines(&text, rows, values);
    double write_s = seconds_since(start_us);

    int64_t count = 0;
    start_us = clock_monotonic_us(clock_system());
    if (!ok || !read_lines(buf_view(&text), &count, err))
        return false;
    double read_s = seconds_since(start_us);

    start_us = clock_monotonic_us(clock_system());
    if (!pack(buf_view(&text), &packed, err))
        return false;
    double pack_s = seconds_since(start_us);
    printf("{\"rows\":%lld,\"write_s\":%.4f,\"read_s\":%.4f,\"pack_s\":%.4f,\"bytes\":%zu,\"packed\":%zu}\n",
           (long long)rows, write_s, read_s, pack_s, text.size, packed.size);
    return true;
}

int main(int argc, char **argv)
{
    struct error err = {0};
    uint64_t rows = 0;
    bool ok;
    if (argc == 4 && strcmp(argv[1], "make") == 0 && text_parse_u64(view_of(argv[3]), ROWS_MAX, &rows)) {
        ok = make(argv[2], (int64_t)rows, &err);
    } else if (argc == 4 && strcmp(argv[1], "import") == 0) {
        ok = import(argv[2], argv[3], &err);
    } else if (argc == 3 && strcmp(argv[1], "lines") == 0 &&
               text_parse_u64(view_of(argv[2]), ROWS_MAX, &rows)) {
        ok = measure_lines((int64_t)rows, &err);
    } else {
        fprintf(stderr, "usage: import_archive make FILE.gz ROWS | import FILE.gz DB | lines ROWS\n");
        return 2;
    }
    if (!ok)
        fprintf(stderr, "import_archive: %s\n", err.text);
    return ok ? 0 : error_exit_code(&err);
}
