#include "agent/exporter.h"

#include <stdlib.h>

#include "agent/line_feed.h"
#include "common/pack/gzip.h"

/* Up to so many rows a thread costs more than it saves. */
enum { EXPORT_ROWS_WITHOUT_THREAD = 2 * STORE_CHUNK_ROWS };

struct export
{
    struct store_range range;
    struct line_feed *feed;
    struct gzip_writer *gzip;
    struct view pending; /* the feed's block, not yet compressed */
    bool all_lines;      /* the feed is at its end */
    bool compressed_all; /* the stream's own end is out */
    bool whole;
    int64_t bytes;
};

static struct line_feed *open_feed(struct store_reader *reader, const struct store_range *range,
                                   struct error *err)
{
    struct export_lines *lines = export_lines_new(reader, range, err);
    return lines == NULL ? NULL : line_feed_new(lines, range->count > EXPORT_ROWS_WITHOUT_THREAD, err);
}

struct export *export_new(struct store_reader *reader, const struct store_range *range, struct error *err)
{
    struct export *export = calloc(1, sizeof(*export));
    if (export == NULL) {
        store_reader_close(reader);
        error_set(err, ERR_MEMORY, "an export");
        return NULL;
    }
    export->range = *range;
    export->feed = open_feed(reader, range, err);
    export->gzip = export->feed == NULL ? NULL : gzip_writer_new(err);
    if (export->gzip == NULL) {
        export_free(export);
        return NULL;
    }
    return export;
}

void export_free(struct export *export)
{
    if (export == NULL)
        return;
    line_feed_free(export->feed);
    gzip_writer_free(export->gzip);
    free(export);
}

static bool next_lines(struct export *export, struct error *err)
{
    if (!line_feed_next(export->feed, &export->pending, err))
        return false;
    export->all_lines = export->pending.size == 0;
    return true;
}

ssize_t export_read(struct export *export, char *out, size_t out_bytes, struct error *err)
{
    size_t size = 0;
    while (!export->compressed_all && size < out_bytes) {
        if (export->pending.size == 0 && !export->all_lines && !next_lines(export, err))
            return -1;
        size += gzip_write(export->gzip, &export->pending, export->all_lines, out + size, out_bytes - size,
                           &export->compressed_all);
    }
    export->whole = size == 0;
    export->bytes += (int64_t)size;
    return (ssize_t)size;
}

bool export_is_whole(const struct export *export)
{
    return export->whole;
}

int64_t export_bytes(const struct export *export)
{
    return export->bytes;
}

const struct store_range *export_range(const struct export *export)
{
    return &export->range;
}
