#include "common/pack/zip_index.h"

#include <sys/stat.h>

#include "common/os/file.h"
#include "common/pack/zip_headers.h"
#include "common/pack/zip_name.h"

enum {
    TAIL_BYTES = UINT16_MAX + ZIP_END_BYTES, /* where an end record with a comment may begin */
    /* one entry's local header, name and extra fields */
    LOCAL_MAX_BYTES = ZIP_LOCAL_BYTES + ZIP_NAME_MAX_BYTES + ZIP_EXTRA_MAX_BYTES,
    CENTRAL_MAX_BYTES = ZIP_CENTRAL_BYTES + ZIP_NAME_MAX_BYTES + ZIP_EXTRA_MAX_BYTES,
    SIGNATURE_BYTES = 4,
};

struct zip_index {
    char *directory; /* the central directory; names are moved to the beginning of their header in it */
    struct zip_entry *entries;
    size_t count;
};

/* While an index is made. */
struct reading {
    int fd;
    struct zip_directory directory;
    struct zip_index *index;
    struct zip_header *headers; /* from the central directory; names are in index->entries */
};

static bool refuse_archive(struct error *err, enum zip_reason reason)
{
    return zip_refuse(err, reason, (struct view){NULL, 0});
}

/* Whether a signature lies in [offset, end) of the file within the first `window` places. */
static bool has_signature(int fd, uint64_t offset, uint64_t end, enum zip_signature signature, size_t window)
{
    unsigned char bytes[ZIP_DESCRIPTOR_MAX_BYTES + SIGNATURE_BYTES];
    uint64_t there = offset < end ? end - offset : 0;
    size_t size = window + SIGNATURE_BYTES - 1;
    size = size < there ? size : (size_t)there;
    if (!file_read_at(fd, offset, bytes, size, NULL))
        return false;
    for (size_t i = 0; i + SIGNATURE_BYTES <= size; i++) {
        if (zip_get32(bytes + i) == signature)
            return true;
    }
    return false;
}

static bool find_directory(int fd, struct zip_directory *out, struct error *err)
{
    struct stat about;
    if (fstat(fd, &about) < 0)
        return error_set_errno(err, "the archive");
    if (!S_ISREG(about.st_mode))
        return refuse_archive(err, ZIP_NOT_A_FILE);
    uint64_t file_bytes = (uint64_t)about.st_size;
    size_t tail_bytes = file_bytes < TAIL_BYTES ? (size_t)file_bytes : TAIL_BYTES;
    SCOPE_FREE char *tail = malloc(TAIL_BYTES);
    if (tail == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for the archive's end record");
    return file_read_at(fd, file_bytes - tail_bytes, tail, tail_bytes, err) &&
           zip_end_parse((struct view){tail, tail_bytes}, file_bytes, out, err);
}

/* The central directory must end where the end record begins. */
static bool check_directory(const struct reading *reading, struct error *err)
{
    const struct zip_directory *directory = &reading->directory;
    uint64_t end = directory->end;
    if (directory->entries > ZIP_MAX_ENTRIES)
        return refuse_archive(err, ZIP_TOO_MANY_ENTRIES);
    if (directory->bytes > end)
        return refuse_archive(err, ZIP_BAD_DIRECTORY);
    if (directory->offset == end - directory->bytes)
        return directory->bytes <= directory->entries * CENTRAL_MAX_BYTES ||
               refuse_archive(err, ZIP_BAD_DIRECTORY);
    uint64_t stated_end =
        directory->offset < end - directory->bytes ? directory->offset + directory->bytes : end;
    if (has_signature(reading->fd, stated_end, end, ZIP_SIGNATURE_END, 1))
        return refuse_archive(err, ZIP_TWO_END_RECORDS);
    bool moved = has_signature(reading->fd, end - directory->bytes, end, ZIP_SIGNATURE_CENTRAL, 1);
    return refuse_archive(err, moved && stated_end < end ? ZIP_LEADING_BYTES : ZIP_BAD_DIRECTORY);
}

/* A name beyond ASCII is marked as UTF-8: else it is CP437 to one reader and UTF-8 to another. */
static bool check_name(const struct zip_header *header, struct error *err)
{
    if (!zip_name_check(header->name, ZIP_NAME_MAX_BYTES, err))
        return false;
    for (size_t i = 0; (header->flags & ZIP_FLAG_UTF8) == 0 && i < header->name.size; i++) {
        if ((unsigned char)header->name.data[i] > 0x7f)
            return zip_refuse(err, ZIP_NAME_ENCODING, header->name);
    }
    return true;
}

static bool read_directory(struct reading *reading, struct error *err)
{
    struct zip_index *index = reading->index;
    const size_t bytes = (size_t)reading->directory.bytes;
    size_t place = 0;
    if (!file_read_at(reading->fd, reading->directory.offset, index->directory, bytes, err))
        return false;
    for (size_t i = 0; i < reading->directory.entries; i++) {
        char *at = index->directory + place;
        struct zip_header *header = &reading->headers[i];
        if (!zip_central_parse((struct view){at, bytes - place}, ZIP_NAME_MAX_BYTES, header, err) ||
            !check_name(header, err))
            return false;
        /* over the fixed part, which is parsed: so there is room for the NUL */
        memmove(at, header->name.data, header->name.size);
        at[header->name.size] = '\0';
        header->name.data = at;
        index->entries[index->count++] = (struct zip_entry){.name = at,
                                                            .packed_bytes = header->packed_bytes,
                                                            .bytes = header->bytes,
                                                            .header_offset = header->offset,
                                                            .crc32 = header->crc32,
                                                            .method = header->method,
                                                            .mode = header->mode};
        place += header->total_bytes;
    }
    return place == bytes || refuse_archive(err, ZIP_BAD_DIRECTORY);
}

/* Where a descriptor follows, the local header may leave to it what was not known yet. */
static bool agrees(uint64_t local, uint64_t central, bool descriptor)
{
    return local == central || (descriptor && local == 0);
}

static bool headers_agree(const struct zip_header *local, const struct zip_header *central)
{
    bool descriptor = (central->flags & ZIP_FLAG_DESCRIPTOR) != 0;
    return view_equal(local->name, central->name) && local->flags == central->flags &&
           local->method == central->method && local->dos_time == central->dos_time &&
           agrees(local->crc32, central->crc32, descriptor) &&
           agrees(local->packed_bytes, central->packed_bytes, descriptor) &&
           agrees(local->bytes, central->bytes, descriptor);
}

/* What lies between an entry's content and what the central directory lists next: its descriptor or nothing.
 */
static bool check_rest(int fd, const struct zip_header *central, bool zip64, uint64_t begin, uint64_t end,
                       struct error *err)
{
    bool descriptor = (central->flags & ZIP_FLAG_DESCRIPTOR) != 0;
    if (end - begin > ZIP_DESCRIPTOR_MAX_BYTES || (!descriptor && end > begin)) {
        bool unlisted = has_signature(fd, begin, end, ZIP_SIGNATURE_LOCAL, ZIP_DESCRIPTOR_MAX_BYTES + 1);
        return zip_refuse(err, unlisted ? ZIP_UNLISTED_ENTRY : ZIP_GAP, central->name);
    }
    if (!descriptor)
        return true;
    char bytes[ZIP_DESCRIPTOR_MAX_BYTES];
    size_t size = (size_t)(end - begin);
    return file_read_at(fd, begin, bytes, size, err) &&
           (zip_descriptor_equals((struct view){bytes, size}, central, zip64) ||
            zip_refuse(err, ZIP_BAD_DESCRIPTOR, central->name));
}

/* One entry has [begin, end) of the file for itself, and leaves nothing of it. */
static bool check_local(struct reading *reading, size_t number, uint64_t end, struct error *err)
{
    const struct zip_header *central = &reading->headers[number];
    struct zip_entry *entry = &reading->index->entries[number];
    uint64_t room = end - central->offset;
    size_t size = room < LOCAL_MAX_BYTES ? (size_t)room : LOCAL_MAX_BYTES;
    char bytes[LOCAL_MAX_BYTES];
    struct zip_header local;
    if (!file_read_at(reading->fd, central->offset, bytes, size, err))
        return false;
    if (size < SIGNATURE_BYTES || zip_get32((const unsigned char *)bytes) != ZIP_SIGNATURE_LOCAL)
        return zip_refuse(err, ZIP_NO_LOCAL_HEADER, central->name);
    if (!zip_local_parse((struct view){bytes, size}, ZIP_NAME_MAX_BYTES, &local, err))
        return false;
    if (!headers_agree(&local, central))
        return zip_refuse(err, ZIP_HEADERS_DIFFER, central->name);
    if (central->packed_bytes > room - local.total_bytes)
        return zip_refuse(err, ZIP_OVERLAP, central->name);
    entry->data_offset = central->offset + local.total_bytes;
    return check_rest(reading->fd, central, local.zip64, entry->data_offset + entry->packed_bytes, end, err);
}

/* Entries lie one behind another, from the file's first byte to the central directory, in its order. */
static bool check_places(struct reading *reading, struct error *err)
{
    const uint64_t directory = reading->directory.offset;
    const size_t count = reading->index->count;
    uint64_t first = count > 0 ? reading->headers[0].offset : directory;
    if (first > 0) {
        bool unlisted = has_signature(reading->fd, 0, directory, ZIP_SIGNATURE_LOCAL, 1);
        return refuse_archive(err, unlisted ? ZIP_UNLISTED_ENTRY : ZIP_LEADING_BYTES);
    }
    for (size_t i = 0; i < count; i++) {
        const struct zip_header *header = &reading->headers[i];
        uint64_t end = i + 1 < count ? reading->headers[i + 1].offset : directory;
        if (end <= header->offset || end > directory)
            return zip_refuse(err, ZIP_OVERLAP, header->name);
        if (!check_local(reading, i, end, err))
            return false;
    }
    return true;
}

static bool check_clashes(const struct zip_index *index, struct error *err)
{
    SCOPE_FREE const char **names = calloc(index->count + 1, sizeof(*names));
    if (names == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for the names of an archive");
    for (size_t i = 0; i < index->count; i++)
        names[i] = index->entries[i].name;
    return zip_names_apart(names, index->count, err);
}

static bool read_index(struct reading *reading, struct error *err)
{
    if (!find_directory(reading->fd, &reading->directory, err) || !check_directory(reading, err))
        return false;
    /* one more, so that nothing is not no memory */
    const size_t entries = (size_t)reading->directory.entries + 1;
    reading->headers = calloc(entries, sizeof(*reading->headers));
    reading->index->entries = calloc(entries, sizeof(*reading->index->entries));
    reading->index->directory = malloc((size_t)reading->directory.bytes + 1);
    if (reading->headers == NULL || reading->index->entries == NULL || reading->index->directory == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for the index of an archive");
    return read_directory(reading, err) && check_places(reading, err) && check_clashes(reading->index, err);
}

struct zip_index *zip_index_read(int fd, struct error *err)
{
    struct zip_index *index = calloc(1, sizeof(*index));
    if (index == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the index of an archive");
        return NULL;
    }
    struct reading reading = {.fd = fd, .index = index};
    bool read = read_index(&reading, err);
    free(reading.headers);
    if (read)
        return index;
    zip_index_free(index);
    return NULL;
}

void zip_index_free(struct zip_index *index)
{
    if (index == NULL)
        return;
    free(index->directory);
    free(index->entries);
    free(index);
}

size_t zip_index_count(const struct zip_index *index)
{
    return index->count;
}

const struct zip_entry *zip_index_entry(const struct zip_index *index, size_t number)
{
    return &index->entries[number];
}
