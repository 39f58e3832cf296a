/* Zip archives made byte by byte, so that any of them can be wrong in any place. Written from PKWARE APPNOTE
 * 6.3.10, without the code that it tests. Deflated content is made of stored blocks (RFC 1951, 3.2.4). */
#ifndef TESTS_HARNESS_ZIP_CRAFT_H
#define TESTS_HARNESS_ZIP_CRAFT_H

#include <stdint.h>

#include "common/base/buf.h"

enum { CRAFT_MAX_ENTRIES = 8, CRAFT_MAX_BYTES = 64 * 1024 * 1024 };

/* A descriptor behind the content, or not. */
enum craft_descriptor { CRAFT_NONE, CRAFT_PLAIN, CRAFT_SIGNED };

struct craft_entry {
    struct view name;
    struct view content; /* at most 65,535 bytes */
    uint16_t method;     /* 0 or 8 */
    uint16_t flags;      /* besides bit 3 */
    uint32_t attributes; /* external; 0: 0100644 */
    enum craft_descriptor descriptor;
    bool zip64; /* local sizes in that extra field, a descriptor of 64 bits */
    struct view local_extra, central_extra;
    struct view before; /* bytes before its local header */
    bool not_listed;    /* in the central directory */
    bool only_listed;   /* there, with the place of the entry before */
};

struct craft {
    struct buf bytes;
    size_t count; /* below: where each record begins, of the first CRAFT_MAX_ENTRIES entries */
    size_t local[CRAFT_MAX_ENTRIES], descriptor[CRAFT_MAX_ENTRIES], central[CRAFT_MAX_ENTRIES];
    size_t directory, end;
};

#define CRAFT                                                                                                \
    {                                                                                                        \
        .bytes = BUF_LIMIT(CRAFT_MAX_BYTES)                                                                  \
    }
#define SCOPE_CRAFT SCOPE(craft_clear)

void craft_clear(struct craft *craft);
/* The whole archive, correct but for what the entries ask for. */
void craft_archive(struct craft *craft, const struct craft_entry *entries, size_t count);
/* The same with bytes between the entries and the directory, between it and the end record, and after. */
void craft_loose(struct craft *craft, const struct craft_entry *entries, size_t count, struct view between,
                 struct view before_end, struct view after);

/* Little endian. */
void craft_append(struct buf *buf, size_t bytes, uint64_t value);
void craft_put(struct craft *craft, size_t at, size_t bytes, uint64_t value);
uint32_t craft_crc32(struct view content);

/* A file in memory with these bytes, from its first on. */
int craft_file(struct view bytes);

/* Why zip_index_read refuses them; NULL: it takes them. Anything but a refusal with ERR_INPUT fails the test.
 */
const char *craft_reason(struct view bytes);
const char *craft_reason_fd(int fd);
/* Fails the test when the two are not the same; what: says which case it is. */
void craft_expect(const char *what, const char *reason, const char *expected);

#endif
