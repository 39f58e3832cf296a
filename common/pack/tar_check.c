#include "common/pack/tar_check.h"

/* ustar Interchange Format: where the fields of a header are. */
enum {
    NAME_BYTES = 100,
    SIZE_AT = 124,
    SIZE_BYTES = 12,
    SUM_AT = 148,
    SUM_BYTES = 8,
    TYPE_AT = 156,
    MAGIC_AT = 257,
    END_BLOCKS = 2,
};

/* Octal digits, then blanks or NULs. */
static bool read_octal(const unsigned char *field, size_t size, int64_t *out)
{
    int64_t value = 0;
    size_t at = 0;
    for (; at < size && field[at] >= '0' && field[at] <= '7'; at++)
        value = value * 8 + (field[at] - '0');
    bool digits = at > 0;
    while (at < size && (field[at] == ' ' || field[at] == '\0'))
        at++;
    *out = value;
    return digits && at == size;
}

static int64_t sum_of(const unsigned char *block)
{
    int64_t sum = 0;
    for (size_t i = 0; i < TAR_BLOCK_BYTES; i++)
        sum += i >= SUM_AT && i < SUM_AT + SUM_BYTES ? ' ' : block[i];
    return sum;
}

static bool is_zero(const unsigned char *block)
{
    for (size_t i = 0; i < TAR_BLOCK_BYTES; i++) {
        if (block[i] != 0)
            return false;
    }
    return true;
}

static bool take_header(struct tar_check *check, struct error *err)
{
    const unsigned char *block = check->block;
    int64_t sum;
    int64_t size;
    if (memcmp(block + MAGIC_AT, "ustar", sizeof("ustar")) != 0 ||
        !read_octal(block + SUM_AT, SUM_BYTES, &sum) || sum != sum_of(block) ||
        !read_octal(block + SIZE_AT, SIZE_BYTES, &size))
        return error_set(err, ERR_INPUT, "a tar archive: a header is damaged");
    if (block[TYPE_AT] != '0' && block[TYPE_AT] != 'x')
        return error_set(err, ERR_INPUT,
                         "a tar archive: something is neither a regular file nor its pax header");
    check->content_bytes = (size + TAR_BLOCK_BYTES - 1) / TAR_BLOCK_BYTES * TAR_BLOCK_BYTES;
    if (block[TYPE_AT] == 'x')
        return true;
    check->files++;
    check->bytes += size;
    memcpy(check->last_name, block, NAME_BYTES);
    check->last_name[NAME_BYTES] = '\0';
    return true;
}

static bool take_block(struct tar_check *check, struct error *err)
{
    check->block_bytes = 0;
    if (is_zero(check->block)) {
        check->zero_blocks++;
        return true;
    }
    return check->zero_blocks == 0
               ? take_header(check, err)
               : error_set(err, ERR_INPUT, "a tar archive: something stands behind its end");
}

/* Moves *piece on by what is content or fills the header. */
static void take_some(struct tar_check *check, struct view *piece)
{
    size_t size = piece->size;
    if (check->content_bytes > 0) {
        size = (uint64_t)check->content_bytes < size ? (size_t)check->content_bytes : size;
        check->content_bytes -= (int64_t)size;
    } else {
        size_t room = TAR_BLOCK_BYTES - check->block_bytes;
        size = room < size ? room : size;
        memcpy(check->block + check->block_bytes, piece->data, size);
        check->block_bytes += size;
    }
    piece->data += size;
    piece->size -= size;
}

bool tar_check_take(struct tar_check *check, struct view piece, struct error *err)
{
    while (piece.size > 0) {
        take_some(check, &piece);
        if (check->block_bytes == TAR_BLOCK_BYTES && !take_block(check, err))
            return false;
    }
    return true;
}

bool tar_check_finish(const struct tar_check *check, struct error *err)
{
    return (check->zero_blocks >= END_BLOCKS && check->block_bytes == 0) ||
           error_set(err, ERR_UNREACHABLE, "a tar archive: its end is missing");
}
