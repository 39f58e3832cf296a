#include "common/pack/zip_headers.h"

#include <sys/stat.h>

#include "common/pack/zip_index.h"

enum {
    SATURATED16 = 0xffff,
    DOS_FOLDER = 0x10,
    DOS_VOLUME_LABEL = 0x08,
    EXTRA_UT = 0x5455,        /* Info-ZIP: times */
    EXTRA_UX = 0x7875,        /* Info-ZIP: user and group */
    EXTRA_ZIP64 = 0x0001,     /* 4.5.3 */
    EXTRA_UT_MAX_BYTES = 13,  /* a byte of flags, three times */
    EXTRA_UX_MAX_BYTES = 19,  /* version, two sizes, two numbers of up to 8 bytes */
    EXTRA_HEAD_BYTES = 4,     /* its kind and size */
    DEFLATE_MAX_RATIO = 1100, /* deflate's own limit is 1032 to 1 */
};
#define SATURATED32 UINT32_MAX
/* Python's zipfile goes over to zip64 at 2 GiB, others at 4 GiB; a smaller number has no need of it. */
#define ZIP64_FROM (UINT64_C(1) << 31)

uint16_t zip_get16(const unsigned char *at)
{
    return (uint16_t)(at[0] | at[1] << 8);
}

uint32_t zip_get32(const unsigned char *at)
{
    return zip_get16(at) | (uint32_t)zip_get16(at + 2) << 16;
}

uint64_t zip_get64(const unsigned char *at)
{
    return zip_get32(at) | (uint64_t)zip_get32(at + 4) << 32;
}

static bool refuse_archive(struct error *err, enum zip_reason reason)
{
    return zip_refuse(err, reason, (struct view){NULL, 0});
}

/* ---- the end ---- */

/* A value of the end record and its zip64 twin: they are the same, or the first is all ones. */
static bool same_or_saturated(uint64_t value, uint64_t saturated, uint64_t value64)
{
    return value == value64 || value == saturated;
}

static bool end64_parse(const unsigned char *end64, const unsigned char *end, struct zip_directory *out)
{
    const unsigned char *locator = end64 + ZIP_END64_BYTES;
    if (zip_get32(end64) != ZIP_SIGNATURE_END64 || zip_get64(end64 + 4) != ZIP_END64_BYTES - 12)
        return false;
    /* disks: of this record, of the directory; of the locator, and how many there are */
    if (zip_get32(end64 + 16) != 0 || zip_get32(end64 + 20) != 0 || zip_get32(locator + 4) != 0 ||
        zip_get32(locator + 16) != 1)
        return false;
    uint64_t entries = zip_get64(end64 + 32);
    uint64_t bytes = zip_get64(end64 + 40);
    uint64_t offset = zip_get64(end64 + 48);
    if (zip_get64(end64 + 24) != entries || zip_get64(locator + 8) != out->end)
        return false;
    bool needed = entries >= SATURATED16 || bytes >= ZIP64_FROM || offset >= ZIP64_FROM;
    if (!needed || !same_or_saturated(zip_get16(end + 10), SATURATED16, entries) ||
        !same_or_saturated(zip_get32(end + 12), SATURATED32, bytes) ||
        !same_or_saturated(zip_get32(end + 16), SATURATED32, offset))
        return false;
    out->entries = entries;
    out->bytes = bytes;
    out->offset = offset;
    return true;
}

/* No end record ends the file: there is none, or something comes behind it. */
static bool refuse_tail(struct view tail, struct error *err)
{
    const unsigned char *bytes = (const unsigned char *)tail.data;
    for (size_t left = ZIP_END_BYTES; left <= tail.size; left++) {
        const unsigned char *at = bytes + tail.size - left;
        size_t behind = left - ZIP_END_BYTES;
        if (zip_get32(at) != ZIP_SIGNATURE_END || zip_get16(at + 20) > behind)
            continue;
        bool has_comment = zip_get16(at + 20) == behind;
        return refuse_archive(err, has_comment ? ZIP_ARCHIVE_COMMENT : ZIP_TRAILING_BYTES);
    }
    return refuse_archive(err, ZIP_NO_END_RECORD);
}

bool zip_end_parse(struct view tail, uint64_t file_bytes, struct zip_directory *out, struct error *err)
{
    if (tail.size < ZIP_END_BYTES)
        return refuse_archive(err, ZIP_NO_END_RECORD);
    const unsigned char *end = (const unsigned char *)tail.data + tail.size - ZIP_END_BYTES;
    if (zip_get32(end) != ZIP_SIGNATURE_END || zip_get16(end + 20) != 0)
        return refuse_tail(tail, err);
    if (zip_get16(end + 4) != 0 || zip_get16(end + 6) != 0 || zip_get16(end + 8) != zip_get16(end + 10))
        return refuse_archive(err, ZIP_MULTI_DISK);
    struct zip_directory directory = {zip_get16(end + 10), zip_get32(end + 12), zip_get32(end + 16),
                                      file_bytes - ZIP_END_BYTES};
    enum { END64_AND_LOCATOR = ZIP_END64_BYTES + ZIP_END64_LOCATOR_BYTES };
    bool has_zip64 = tail.size >= ZIP_END_BYTES + END64_AND_LOCATOR &&
                     zip_get32(end - ZIP_END64_LOCATOR_BYTES) == ZIP_SIGNATURE_END64_LOCATOR;
    /* as many entries as that are too many anyway */
    bool saturated = directory.bytes == SATURATED32 || directory.offset == SATURATED32;
    directory.end -= has_zip64 ? END64_AND_LOCATOR : 0;
    if (has_zip64 ? !end64_parse(end - END64_AND_LOCATOR, end, &directory) : saturated)
        return refuse_archive(err, ZIP_BAD_ZIP64);
    *out = directory;
    return true;
}

/* ---- extra fields ---- */

struct extra_kind {
    uint16_t id;
    uint16_t max_bytes; /* of one that is taken */
    enum zip_reason reason;
};

static const struct extra_kind taken_kinds[] = {
    {EXTRA_UT, EXTRA_UT_MAX_BYTES, ZIP_BAD_EXTRA_FIELD},
    {EXTRA_UX, EXTRA_UX_MAX_BYTES, ZIP_BAD_EXTRA_FIELD},
    {EXTRA_ZIP64, 3 * sizeof(uint64_t), ZIP_BAD_ZIP64},
};

/* Refused with a word of their own; all others: bad_extra_field. */
static const struct extra_kind refused_kinds[] = {
    {0x7075, 0, ZIP_UNICODE_PATH},  /* Info-ZIP: Unicode path */
    {0x6375, 0, ZIP_ENTRY_COMMENT}, /* Info-ZIP: Unicode comment */
    {0x000d, 0, ZIP_HARD_LINK},     /* 4.5.7: names the target of a link */
    {0x756e, 0, ZIP_HARD_LINK},     /* Info-ZIP (ASi): likewise */
    {0x0017, 0, ZIP_ENCRYPTED},     /* 4.5.12: strong encryption */
    {0x9901, 0, ZIP_ENCRYPTED},     /* AE-x */
};

static const struct extra_kind *find_kind(const struct extra_kind *kinds, size_t count, uint16_t id)
{
    for (size_t i = 0; i < count; i++) {
        if (kinds[i].id == id)
            return &kinds[i];
    }
    return NULL;
}

/* Finds the zip64 field. Returns what is wrong with the extra fields; ZIP_REASON_COUNT: nothing. */
static enum zip_reason extra_reason(struct view extra, struct view *zip64)
{
    const unsigned char *at = (const unsigned char *)extra.data;
    bool seen[COUNT_OF(taken_kinds)] = {false};
    for (size_t left = extra.size; left > 0;) {
        if (left < EXTRA_HEAD_BYTES || (size_t)zip_get16(at + 2) > left - EXTRA_HEAD_BYTES)
            return ZIP_BAD_EXTRA_FIELD;
        uint16_t id = zip_get16(at);
        uint16_t bytes = zip_get16(at + 2);
        const struct extra_kind *refused = find_kind(refused_kinds, COUNT_OF(refused_kinds), id);
        if (refused != NULL)
            return refused->reason;
        const struct extra_kind *kind = find_kind(taken_kinds, COUNT_OF(taken_kinds), id);
        if (kind == NULL)
            return ZIP_BAD_EXTRA_FIELD;
        if (seen[kind - taken_kinds] || bytes == 0 || bytes > kind->max_bytes)
            return kind->reason;
        seen[kind - taken_kinds] = true;
        if (id == EXTRA_ZIP64)
            *zip64 = (struct view){(const char *)at + EXTRA_HEAD_BYTES, bytes};
        at += EXTRA_HEAD_BYTES + bytes;
        left -= EXTRA_HEAD_BYTES + (size_t)bytes;
    }
    return ZIP_REASON_COUNT;
}

/* Puts the zip64 field's numbers, in their order (4.5.3), where a central header has all ones. False when it
 * has not exactly as many, or none that needs it. */
static bool widen_central(struct view zip64, struct zip_header *header)
{
    uint64_t *const fields[] = {&header->bytes, &header->packed_bytes, &header->offset};
    bool large = zip64.size == 0;
    for (size_t i = 0; i < COUNT_OF(fields); i++) {
        if (*fields[i] != SATURATED32)
            continue;
        if (zip64.size < sizeof(uint64_t))
            return false;
        *fields[i] = zip_get64((const unsigned char *)zip64.data);
        large = large || *fields[i] >= ZIP64_FROM;
        zip64.data += sizeof(uint64_t);
        zip64.size -= sizeof(uint64_t);
    }
    return zip64.size == 0 && large;
}

/* A local header has both sizes or none, needed or not: who streams cannot know. The header beside them has
 * all ones, or the same (Python's zipfile up to 3.11.3). */
static bool widen_local(struct view zip64, struct zip_header *header)
{
    const unsigned char *at = (const unsigned char *)zip64.data;
    if (zip64.size == 0)
        return header->bytes != SATURATED32 && header->packed_bytes != SATURATED32;
    if (zip64.size != 2 * sizeof(uint64_t) || !same_or_saturated(header->bytes, SATURATED32, zip_get64(at)) ||
        !same_or_saturated(header->packed_bytes, SATURATED32, zip_get64(at + sizeof(uint64_t))))
        return false;
    header->bytes = zip_get64(at);
    header->packed_bytes = zip_get64(at + sizeof(uint64_t));
    return true;
}

/* ---- headers ---- */

struct tail_sizes { /* of what follows a header's fixed part */
    size_t fixed_bytes, name_bytes, extra_bytes;
};

/* Name and extra fields, which follow the fixed part. */
static bool tail_parse(struct view text, const struct tail_sizes *sizes, size_t max_name_bytes,
                       struct view *zip64, struct zip_header *out, struct error *err)
{
    size_t left = text.size - sizes->fixed_bytes;
    size_t known = sizes->name_bytes < left ? sizes->name_bytes : left;
    out->name = (struct view){text.data + sizes->fixed_bytes, known};
    if (sizes->name_bytes > max_name_bytes)
        return zip_refuse(err, ZIP_PATH_TOO_LONG, out->name);
    if (sizes->name_bytes > left)
        return zip_refuse(err, ZIP_OVERLAP, out->name);
    if (sizes->extra_bytes > left - known)
        return zip_refuse(err, ZIP_BAD_EXTRA_FIELD, out->name);
    struct view extra = {out->name.data + known, sizes->extra_bytes};
    enum zip_reason reason = extra_reason(extra, zip64);
    if (reason == ZIP_REASON_COUNT && extra.size > ZIP_EXTRA_MAX_BYTES)
        reason = ZIP_BAD_EXTRA_FIELD;
    out->zip64 = zip64->size > 0;
    out->total_bytes = sizes->fixed_bytes + known + extra.size;
    return reason == ZIP_REASON_COUNT || zip_refuse(err, reason, out->name);
}

static enum zip_reason coding_reason(const struct zip_header *header)
{
    const unsigned encrypted = ZIP_FLAG_ENCRYPTED | ZIP_FLAG_STRONG_ENCRYPTION | ZIP_FLAG_HIDDEN;
    const unsigned known = ZIP_FLAG_DEFLATE_HINTS | ZIP_FLAG_DESCRIPTOR | ZIP_FLAG_UTF8;
    if ((header->flags & encrypted) != 0)
        return ZIP_ENCRYPTED;
    if ((header->flags & ~known) != 0)
        return ZIP_BAD_FLAGS;
    return header->method == ZIP_STORE || header->method == ZIP_DEFLATE ? ZIP_REASON_COUNT : ZIP_BAD_METHOD;
}

static enum zip_reason sizes_reason(const struct zip_header *header)
{
    if (header->bytes > INT64_MAX || header->packed_bytes > INT64_MAX)
        return ZIP_SIZES_DIFFER;
    if (header->method == ZIP_STORE)
        return header->bytes == header->packed_bytes ? ZIP_REASON_COUNT : ZIP_SIZES_DIFFER;
    if (header->packed_bytes == 0)
        return ZIP_SIZES_DIFFER; /* not even nothing deflates to nothing */
    return header->bytes / DEFLATE_MAX_RATIO > header->packed_bytes ? ZIP_RATIO_BOMB : ZIP_REASON_COUNT;
}

struct mode_row {
    mode_t mask, bits;
    enum zip_reason reason;
};

/* Of the Unix half of the external attributes, in this order. No type at all is a regular file: so Python
 * writes what it had in memory. */
static const struct mode_row mode_rows[] = {
    {S_IFMT, S_IFDIR, ZIP_DIRECTORY_ENTRY}, {S_IFMT, S_IFLNK, ZIP_SYMLINK},
    {S_IFMT, S_IFBLK, ZIP_SPECIAL_FILE},    {S_IFMT, S_IFCHR, ZIP_SPECIAL_FILE},
    {S_IFMT, S_IFIFO, ZIP_SPECIAL_FILE},    {S_IFMT, S_IFSOCK, ZIP_SPECIAL_FILE},
    {S_ISUID, S_ISUID, ZIP_SETUID},         {S_ISGID, S_ISGID, ZIP_SETGID},
    {S_ISVTX, S_ISVTX, ZIP_STICKY},         {S_IWOTH, S_IWOTH, ZIP_WORLD_WRITABLE},
};

static enum zip_reason attributes_reason(uint32_t attributes)
{
    mode_t mode = attributes >> 16;
    if ((attributes & DOS_FOLDER) != 0)
        return ZIP_DIRECTORY_ENTRY;
    for (size_t i = 0; i < COUNT_OF(mode_rows); i++) {
        if ((mode & mode_rows[i].mask) == mode_rows[i].bits)
            return mode_rows[i].reason;
    }
    bool regular = ((mode & S_IFMT) == 0 || S_ISREG(mode)) && (attributes & DOS_VOLUME_LABEL) == 0;
    return regular ? ZIP_REASON_COUNT : ZIP_SPECIAL_FILE;
}

static bool refuse_if(enum zip_reason reason, struct view name, struct error *err)
{
    return reason == ZIP_REASON_COUNT || zip_refuse(err, reason, name);
}

bool zip_central_parse(struct view text, size_t max_name_bytes, struct zip_header *out, struct error *err)
{
    const unsigned char *at = (const unsigned char *)text.data;
    if (text.size < ZIP_CENTRAL_BYTES || zip_get32(at) != ZIP_SIGNATURE_CENTRAL)
        return refuse_archive(err, ZIP_BAD_DIRECTORY);
    struct zip_header header = {.flags = zip_get16(at + 8),
                                .method = zip_get16(at + 10),
                                .dos_time = zip_get32(at + 12),
                                .crc32 = zip_get32(at + 16),
                                .packed_bytes = zip_get32(at + 20),
                                .bytes = zip_get32(at + 24),
                                .offset = zip_get32(at + 42)};
    const struct tail_sizes sizes = {ZIP_CENTRAL_BYTES, zip_get16(at + 28), zip_get16(at + 30)};
    const uint32_t attributes = zip_get32(at + 38);
    struct view zip64 = {NULL, 0};
    if (!tail_parse(text, &sizes, max_name_bytes, &zip64, &header, err))
        return false;
    if (zip_get16(at + 32) != 0)
        return zip_refuse(err, ZIP_ENTRY_COMMENT, header.name);
    if (zip_get16(at + 34) != 0)
        return zip_refuse(err, ZIP_MULTI_DISK, header.name);
    if (!widen_central(zip64, &header))
        return zip_refuse(err, ZIP_BAD_ZIP64, header.name);
    header.mode = attributes >> 16 == 0 ? 0 : S_IFREG | (attributes >> 16 & 07777);
    if (!refuse_if(coding_reason(&header), header.name, err) ||
        !refuse_if(attributes_reason(attributes), header.name, err) ||
        !refuse_if(sizes_reason(&header), header.name, err))
        return false;
    *out = header;
    return true;
}

bool zip_local_parse(struct view text, size_t max_name_bytes, struct zip_header *out, struct error *err)
{
    const unsigned char *at = (const unsigned char *)text.data;
    if (text.size < ZIP_LOCAL_BYTES || zip_get32(at) != ZIP_SIGNATURE_LOCAL)
        return refuse_archive(err, ZIP_NO_LOCAL_HEADER);
    struct zip_header header = {.flags = zip_get16(at + 6),
                                .method = zip_get16(at + 8),
                                .dos_time = zip_get32(at + 10),
                                .crc32 = zip_get32(at + 14),
                                .packed_bytes = zip_get32(at + 18),
                                .bytes = zip_get32(at + 22)};
    const struct tail_sizes sizes = {ZIP_LOCAL_BYTES, zip_get16(at + 26), zip_get16(at + 28)};
    struct view zip64 = {NULL, 0};
    if (!tail_parse(text, &sizes, max_name_bytes, &zip64, &header, err))
        return false;
    if (!widen_local(zip64, &header))
        return zip_refuse(err, ZIP_BAD_ZIP64, header.name);
    *out = header;
    return true;
}

bool zip_descriptor_equals(struct view text, const struct zip_header *central, bool zip64)
{
    const unsigned char *at = (const unsigned char *)text.data;
    const size_t size_bytes = zip64 ? sizeof(uint64_t) : sizeof(uint32_t);
    const size_t plain_bytes = sizeof(uint32_t) + 2 * size_bytes; /* CRC-32, then the two sizes */
    if (text.size == plain_bytes + sizeof(uint32_t)) {
        if (zip_get32(at) != ZIP_SIGNATURE_DESCRIPTOR)
            return false;
        at += sizeof(uint32_t);
    } else if (text.size != plain_bytes) {
        return false;
    }
    uint64_t packed_bytes = zip64 ? zip_get64(at + 4) : zip_get32(at + 4);
    uint64_t bytes = zip64 ? zip_get64(at + 4 + size_bytes) : zip_get32(at + 4 + size_bytes);
    return zip_get32(at) == central->crc32 && packed_bytes == central->packed_bytes &&
           bytes == central->bytes;
}
