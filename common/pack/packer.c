#include "common/pack/packer.h"

#include "common/pack/gzip.h"
#include "common/pack/zstd.h"

enum { GZIP_FIRST_BYTE = 0x1f, ZSTD_FIRST_BYTE = 0x28 };

const char *pack_suffix(enum pack_format format)
{
    static const char *const suffixes[] = {[PACK_GZIP] = ".gz", [PACK_ZSTD] = ".zst", [PACK_NONE] = ""};
    return suffixes[format];
}

/* ---- writing ---- */

struct packer { /* one of the two, or none for PACK_NONE */
    struct gzip_writer *gzip;
    struct zstd_writer *zstd;
};

struct packer *packer_new(enum pack_format format, struct error *err)
{
    struct packer *packer = calloc(1, sizeof(*packer));
    if (packer == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a compressed stream");
        return NULL;
    }
    if (format == PACK_GZIP)
        packer->gzip = gzip_writer_new(err);
    else if (format == PACK_ZSTD)
        packer->zstd = zstd_writer_new(err);
    if (packer->gzip != NULL || packer->zstd != NULL || format == PACK_NONE)
        return packer;
    free(packer);
    return NULL;
}

void packer_free(struct packer *packer)
{
    if (packer == NULL)
        return;
    gzip_writer_free(packer->gzip);
    zstd_writer_free(packer->zstd);
    free(packer);
}

static size_t copy(struct view *in, bool last, char *out, size_t out_bytes, bool *ended)
{
    size_t size = in->size < out_bytes ? in->size : out_bytes;
    if (size > 0)
        memcpy(out, in->data, size);
    *in = (struct view){in->data + size, in->size - size};
    *ended = last && in->size == 0;
    return size;
}

size_t packer_write(struct packer *packer, struct view *in, bool last, char *out, size_t out_bytes,
                    bool *ended)
{
    if (packer->gzip != NULL)
        return gzip_write(packer->gzip, in, last, out, out_bytes, ended);
    return packer->zstd != NULL ? zstd_write(packer->zstd, in, last, out, out_bytes, ended)
                                : copy(in, last, out, out_bytes, ended);
}

/* ---- reading ---- */

struct unpacker { /* none before the first byte, then one of the two */
    struct gzip_reader *gzip;
    struct zstd_reader *zstd;
};

struct unpacker *unpacker_new(struct error *err)
{
    struct unpacker *unpacker = calloc(1, sizeof(*unpacker));
    if (unpacker == NULL)
        error_set(err, ERR_MEMORY, "no memory left for a compressed stream");
    return unpacker;
}

void unpacker_free(struct unpacker *unpacker)
{
    if (unpacker == NULL)
        return;
    gzip_reader_free(unpacker->gzip);
    zstd_reader_free(unpacker->zstd);
    free(unpacker);
}

static bool recognise(struct unpacker *unpacker, char first, struct error *err)
{
    if (first == GZIP_FIRST_BYTE) {
        unpacker->gzip = gzip_reader_new(err);
        return unpacker->gzip != NULL;
    }
    if (first == ZSTD_FIRST_BYTE) {
        unpacker->zstd = zstd_reader_new(err);
        return unpacker->zstd != NULL;
    }
    return error_set(err, ERR_INPUT, "neither gzip nor zstd");
}

bool unpacker_read(struct unpacker *unpacker, struct view *in, char *out, size_t out_bytes, size_t *size,
                   struct error *err)
{
    bool known = unpacker->gzip != NULL || unpacker->zstd != NULL;
    if (!known && in->size == 0) {
        *size = 0;
        return true;
    }
    if (!known && !recognise(unpacker, in->data[0], err))
        return false;
    return unpacker->gzip != NULL ? gzip_read(unpacker->gzip, in, out, out_bytes, size, err)
                                  : zstd_read(unpacker->zstd, in, out, out_bytes, size, err);
}

bool unpacker_at_end(const struct unpacker *unpacker)
{
    if (unpacker->gzip != NULL)
        return gzip_reader_at_end(unpacker->gzip);
    return unpacker->zstd != NULL && zstd_reader_at_end(unpacker->zstd);
}
