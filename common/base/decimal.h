/* Doubles as decimal text, both ways exact and fast: what is written reads back as the same double, and what
 * is read is the double nearest to the text. JSON's grammar of numbers (RFC 8259, section 6). Knows nothing
 * of locales: nobody here calls setlocale. Threads: safe. */
#ifndef COMMON_BASE_DECIMAL_H
#define COMMON_BASE_DECIMAL_H

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/view.h"

enum {
    DECIMAL_MAX_BYTES = 32,         /* no double takes more */
    DECIMAL_U64_MAX_BYTES = 20,     /* nor a whole number */
    DECIMAL_PARSE_MAX_BYTES = 1024, /* a longer text is refused */
};

/* The shortest text that reads back as the same double; whole numbers below 2^53 without a point, negative
 * zero as -0.0, NaN and infinities as null. No NUL. Returns the size. */
size_t decimal_write(char *out, double value);

/* No NUL. Returns the size. */
size_t decimal_write_u64(char *out, uint64_t value);

/* Exactly so many digits, the lowest ones, with leading zeros. No NUL. */
void decimal_write_digits(char *out, size_t digits, uint64_t value);

/* The whole text is one JSON number; one that is too large for a double is refused, too small is zero. */
bool decimal_parse(struct view text, double *out) MUST_USE;

#endif
