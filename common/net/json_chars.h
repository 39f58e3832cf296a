/* Walks the decoded bytes of a JSON string whose raw text is known to be valid. Knows escapes and UTF-8,
 * nothing of documents. Inside common/net only. Threads: a struct belongs to one thread. */
#ifndef COMMON_NET_JSON_CHARS_H
#define COMMON_NET_JSON_CHARS_H

#include <stdint.h>

#include "common/base/view.h"

struct json_chars {
    const char *at, *end;
    unsigned char pending[4]; /* what is left of a decoded \u escape, as UTF-8 */
    uint8_t pending_at, pending_size;
};

/* raw: between the quotes, borrowed. */
void json_chars_init(struct json_chars *chars, struct view raw);
/* The next byte of the decoded text, 0 to 255; -1 at the end. */
int json_chars_next(struct json_chars *chars);

/* The value of four hexadecimal digits, or -1. text has at least four bytes. */
int json_hex4(const char *text);

/* Below, at, above 0 as memcmp, over the decoded bytes. */
int json_chars_compare(struct view raw_a, struct view raw_b);
/* The same against plain text. */
bool json_chars_equal(struct view raw, struct view plain);

#endif
