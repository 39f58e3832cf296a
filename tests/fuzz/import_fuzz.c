/* What the importer reads. The first byte's two high bits say what the rest is: readings, alarms, channels,
 * or an archive's json; its other bits how large the pieces are that readings come in. What does not begin
 * like gzip or zstd is compressed first, by the lowest bit's choice, so that lines are found quickly too.
 * However it is cut, the outcome is the same; what the json's reader takes, its writer writes and it takes
 * again. */
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "common/os/file.h"
#include "common/pack/packer.h"
#include "server_tools/central/archive_info.h"
#include "server_tools/central/archive_reader.h"
#include "server_tools/central/small_streams.h"

enum { PACKED_MAX_BYTES = 64 * 1024 * 1024, KIND_SHIFT = 6, PIECE_MASK = 0x3f };
enum kind { READINGS, ALARMS, CHANNELS, JSON };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

struct seen {
    int64_t count;
    uint64_t sum;
};

/* ---- readings ---- */

static bool see(void *context, const struct record_reading *reading, struct error *err)
{
    (void)err;
    struct seen *seen = context;
    must(record_channel_name_ok(reading->channel));
    seen->count++;
    seen->sum += (uint64_t)reading->time_us ^ (uint64_t)reading->seq;
    return true;
}

static bool read_in_pieces(struct view packed, size_t piece_bytes, struct seen *seen)
{
    struct error err;
    *seen = (struct seen){0};
    SCOPE_ARCHIVE_READER struct archive_reader *reader = archive_reader_new(see, seen, &err);
    must(reader != NULL);
    for (size_t at = 0; at < packed.size; at += piece_bytes) {
        size_t left = packed.size - at;
        struct view piece = {packed.data + at, left < piece_bytes ? left : piece_bytes};
        if (!archive_reader_feed(reader, piece, &err))
            return false;
    }
    must(archive_reader_lines(reader) == seen->count);
    return archive_reader_finish(reader, &err);
}

static void read_readings(struct view packed, size_t piece_bytes)
{
    struct seen whole;
    struct seen pieces;
    bool whole_ok = read_in_pieces(packed, packed.size + 1, &whole);
    bool pieces_ok = read_in_pieces(packed, piece_bytes, &pieces);
    must(whole_ok == pieces_ok);
    if (whole_ok)
        must(whole.count == pieces.count && whole.sum == pieces.sum);
}

/* ---- alarms and channels ---- */

static bool see_alarm(void *context, const struct alarm_record *alarm, struct error *err)
{
    (void)err;
    struct seen *seen = context;
    must(record_channel_name_ok(view_of(alarm->channel)) && alarm->seq > (int64_t)seen->sum);
    seen->count++;
    seen->sum = (uint64_t)alarm->seq;
    return true;
}

static bool see_channel(void *context, const struct channel_record *channel, struct error *err)
{
    (void)err;
    struct seen *seen = context;
    must(record_channel_name_ok(view_of(channel->channel)));
    seen->count++;
    return true;
}

static void read_small(struct view packed, enum kind kind)
{
    struct seen seen = {.sum = (uint64_t)-1};
    struct small_totals totals;
    struct error err;
    SCOPE_FD int fd = memfd_create("stream", MFD_CLOEXEC);
    must(fd >= 0 && file_write_all(fd, packed.data, packed.size, &err));
    bool ok = kind == ALARMS ? alarms_read(fd, see_alarm, &seen, &totals, &err)
                             : channels_read(fd, see_channel, &seen, &totals, &err);
    if (ok)
        must(totals.count == seen.count);
    must(ok == (kind == ALARMS ? alarms_read(fd, NULL, NULL, &totals, &err)
                               : channels_read(fd, NULL, NULL, &totals, &err)));
}

/* ---- the json ---- */

static void read_json(struct view text)
{
    struct archive_info info;
    struct archive_info again;
    struct error err;
    if (!archive_info_parse(text, &info, &err))
        return;
    must(central_client_id_ok(info.client_id) && strchr(info.files[ARCHIVE_ALARMS].file, '/') == NULL);
    SCOPE_BUF struct buf written = BUF_LIMIT(ARCHIVE_INFO_MAX_BYTES);
    archive_info_write(&info, &written);
    must(archive_info_parse(buf_view(&written), &again, &err));
    for (int i = 0; i < ARCHIVE_STREAMS; i++) {
        enum archive_stream stream = (enum archive_stream)i;
        must(archive_info_end(&info, stream) == archive_info_end(&again, stream));
        must(archive_info_follows(&info, stream, 7) == archive_info_follows(&again, stream, 7));
    }
}

/* ---- all of them ---- */

static void pack(struct view text, enum pack_format format, struct buf *out)
{
    struct packer *packer = packer_new(format, NULL);
    must(packer != NULL);
    bool ended = false;
    while (!ended) {
        char *room = buf_reserve(out, 4096);
        must(room != NULL);
        buf_commit(out, packer_write(packer, &text, true, room, 4096, &ended));
    }
    packer_free(packer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct view bytes = {(const char *)data + 1, size - 1};
    enum kind kind = (enum kind)(data[0] >> KIND_SHIFT);
    SCOPE_BUF struct buf packed = BUF_LIMIT(PACKED_MAX_BYTES);
    if (kind == JSON) {
        read_json(bytes);
        return 0;
    }
    if (view_starts(bytes, "\x1f\x8b") || view_starts(bytes, "\x28\xb5\x2f\xfd"))
        buf_append_view(&packed, bytes);
    else
        pack(bytes, data[0] % 2 == 0 ? PACK_GZIP : PACK_ZSTD, &packed);
    if (kind == READINGS)
        read_readings(buf_view(&packed), (size_t)(data[0] & PIECE_MASK) + 1);
    else
        read_small(buf_view(&packed), kind);
    return 0;
}
