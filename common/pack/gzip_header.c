#include "common/pack/gzip_header.h"

#include <isa-l/crc.h>

enum {
    FIXED_BYTES = 10,
    FIXED_METHOD_AT = 2,
    FIXED_FLAGS_AT = 3,
    METHOD_DEFLATE = 8,
    FLAG_CHECK = 2,
    FLAG_EXTRA = 4,
    FLAG_NAME = 8,
    FLAG_COMMENT = 16,
    FLAGS_RESERVED = 0xe0,
};

void gzip_header_init(struct gzip_header *header)
{
    *header = (struct gzip_header){.step = GZIP_HEADER_FIXED};
}

static bool fixed_ok(struct gzip_header *header, uint8_t byte, struct error *err)
{
    static const uint8_t magic[] = {0x1f, 0x8b};
    uint32_t at = header->bytes;
    if (at < sizeof(magic) && byte != magic[at])
        return error_set(err, ERR_INPUT, "gzip: no gzip header where one must be");
    if (at == FIXED_METHOD_AT && byte != METHOD_DEFLATE)
        return error_set(err, ERR_INPUT, "gzip: a compression method other than deflate");
    if (at == FIXED_FLAGS_AT) {
        if ((byte & FLAGS_RESERVED) != 0)
            return error_set(err, ERR_INPUT, "gzip: reserved flags in the header");
        header->flags = byte;
    }
    return true;
}

static bool check_ok(const struct gzip_header *header, uint8_t byte, struct error *err)
{
    uint8_t expected = (uint8_t)(header->crc >> (header->bytes == 0 ? 0 : 8));
    return byte == expected || error_set(err, ERR_INPUT, "gzip: the header's checksum does not match");
}

static void extra_take(struct gzip_header *header, uint8_t byte)
{
    if (header->bytes < 2)
        header->extra_bytes |= (uint32_t)byte << (8 * header->bytes);
}

/* Whether the step ends with this byte, the header->bytes-th of it. */
static bool step_ends(const struct gzip_header *header, uint8_t byte)
{
    switch (header->step) {
    case GZIP_HEADER_FIXED:
        return header->bytes == FIXED_BYTES;
    case GZIP_HEADER_EXTRA:
        return header->bytes >= 2 && header->bytes - 2 == header->extra_bytes;
    case GZIP_HEADER_CHECK:
        return header->bytes == 2;
    default:
        return byte == '\0';
    }
}

/* To the next step that the flags ask for. */
static void step_on(struct gzip_header *header)
{
    static const uint8_t needs[] = {
        [GZIP_HEADER_EXTRA] = FLAG_EXTRA,
        [GZIP_HEADER_NAME] = FLAG_NAME,
        [GZIP_HEADER_COMMENT] = FLAG_COMMENT,
        [GZIP_HEADER_CHECK] = FLAG_CHECK,
    };
    header->bytes = 0;
    do
        header->step++;
    while (header->step < GZIP_HEADER_DONE && (header->flags & needs[header->step]) == 0);
}

static bool take_byte(struct gzip_header *header, uint8_t byte, struct error *err)
{
    if (header->step == GZIP_HEADER_FIXED && !fixed_ok(header, byte, err))
        return false;
    if (header->step == GZIP_HEADER_CHECK && !check_ok(header, byte, err))
        return false;
    if (header->step == GZIP_HEADER_EXTRA)
        extra_take(header, byte);
    if (header->step != GZIP_HEADER_CHECK)
        header->crc = crc32_gzip_refl(header->crc, &byte, 1);
    header->bytes++;
    if (step_ends(header, byte))
        step_on(header);
    return true;
}

bool gzip_header_read(struct gzip_header *header, struct view *in, struct error *err)
{
    while (header->step != GZIP_HEADER_DONE && in->size > 0) {
        if (!take_byte(header, (uint8_t)in->data[0], err))
            return false;
        in->data++;
        in->size--;
    }
    return true;
}
