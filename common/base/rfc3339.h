/* Times as text: RFC 3339 in UTC with `Z`, microseconds inside. Knows nothing of clocks or zones. */
#ifndef COMMON_BASE_RFC3339_H
#define COMMON_BASE_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/view.h"

enum {
    RFC3339_US_BYTES = 28,   /* 2026-02-22T10:00:00.000000Z and NUL */
    RFC3339_S_BYTES = 21,    /* 2026-02-22T10:00:00Z and NUL */
    RFC3339_NAME_BYTES = 17, /* 20260222T100000Z and NUL, for file names */
};

/* The first and the last microsecond of the years 0000 to 9999: no other has a text. */
#define RFC3339_FIRST_US INT64_C(-62167219200000000)
#define RFC3339_LAST_US  INT64_C(253402300799999999)

/* Years 0000 to 9999; a time outside is shown as the nearest one inside. */
void rfc3339_format_us(char out[RFC3339_US_BYTES], int64_t utc_us);
void rfc3339_format_s(char out[RFC3339_S_BYTES], int64_t utc_us);
void rfc3339_format_name(char out[RFC3339_NAME_BYTES], int64_t utc_us);

/* RFC 3339, section 5.6: full-date "T" full-time, up to 9 decimals (cut to microseconds), `Z` or an offset;
 * t and z in either case; second 60 is taken as the next minute's first. False for anything else. */
bool rfc3339_parse_us(struct view text, int64_t *utc_us) MUST_USE;

/* The same for exactly the form that rfc3339_format_us writes (no NUL needed), three times as fast. */
bool rfc3339_parse_own_us(const char text[RFC3339_US_BYTES - 1], int64_t *utc_us) MUST_USE;

#endif
