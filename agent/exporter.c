#include "agent/exporter.h"

#include <stdlib.h>

#include "agent/line_feed.h"

/* Up to so many lines a thread costs more than it saves. */
enum { EXPORT_LINES_WITHOUT_THREAD = 8192 };

struct exporter {
    struct line_feed *feed;
    struct packer *packer;
    struct view pending; /* the feed's block, not yet compressed */
    bool all_lines;      /* the feed is at its end */
    bool compressed_all; /* the stream's own end is out */
    bool whole;
    int64_t bytes;
};

struct exporter *exporter_new(struct line_source *source, int64_t lines, enum pack_format format,
                              struct error *err)
{
    struct exporter *exporter = calloc(1, sizeof(*exporter));
    if (exporter == NULL) {
        source->kind->free(source);
        error_set(err, ERR_MEMORY, "an export");
        return NULL;
    }
    exporter->feed = line_feed_new(source, lines > EXPORT_LINES_WITHOUT_THREAD, err);
    exporter->packer = exporter->feed == NULL ? NULL : packer_new(format, err);
    if (exporter->packer == NULL) {
        exporter_free(exporter);
        return NULL;
    }
    return exporter;
}

void exporter_free(struct exporter *exporter)
{
    if (exporter == NULL)
        return;
    line_feed_free(exporter->feed);
    packer_free(exporter->packer);
    free(exporter);
}

static bool next_lines(struct exporter *exporter, struct error *err)
{
    if (!line_feed_next(exporter->feed, &exporter->pending, err))
        return false;
    exporter->all_lines = exporter->pending.size == 0;
    return true;
}

ssize_t exporter_read(struct exporter *exporter, char *out, size_t out_bytes, struct error *err)
{
    size_t size = 0;
    while (!exporter->compressed_all && size < out_bytes) {
        if (exporter->pending.size == 0 && !exporter->all_lines && !next_lines(exporter, err))
            return -1;
        size += packer_write(exporter->packer, &exporter->pending, exporter->all_lines, out + size,
                             out_bytes - size, &exporter->compressed_all);
    }
    exporter->whole = size == 0;
    exporter->bytes += (int64_t)size;
    return (ssize_t)size;
}

bool exporter_is_whole(const struct exporter *exporter)
{
    return exporter->whole;
}

int64_t exporter_bytes(const struct exporter *exporter)
{
    return exporter->bytes;
}
