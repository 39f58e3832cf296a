/* Strict conversions between text and values: numbers, hex, base64, UTF-8. All input is hostile: a whole
 * text is what is asked for, or false. Outputs stay untouched on failure. */
#ifndef COMMON_BASE_TEXT_H
#define COMMON_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/view.h"

/* Copies with a final NUL. False (nothing copied) when it does not fit or contains a NUL byte. */
bool text_copy(char *out, size_t out_bytes, struct view text) MUST_USE;

/* Decimal digits only: no sign (but for i64's '-'), no blanks, no leading '+', within the range. */
bool text_parse_u64(struct view text, uint64_t max, uint64_t *out) MUST_USE;
bool text_parse_i64(struct view text, int64_t min, int64_t max, int64_t *out) MUST_USE;
/* A finite number as strtod("C") reads it, decimal only. */
bool text_parse_double(struct view text, double *out) MUST_USE;

/* Without blanks and tabs at both ends. */
struct view text_trim(struct view text);
/* Cuts the piece before the first `separator` off *rest and returns it; all of it when there is none. */
struct view text_cut(struct view *rest, char separator);

/* Lowercase. out: 2 * size + 1 bytes. */
void text_hex_encode(char *out, const void *data, size_t size);
/* Exactly `size` bytes, either case. */
bool text_hex_decode(struct view text, void *out, size_t size) MUST_USE;

/* RFC 4648, section 4, with padding. out: TEXT_BASE64_BYTES(size) bytes, NUL included. */
#define TEXT_BASE64_BYTES(size) (((size) + 2) / 3 * 4 + 1)
void text_base64_encode(char *out, const void *data, size_t size);
/* Strict: no blanks, padding required, unused bits zero. False when it is not base64 or decodes to more
 * than out_bytes. */
bool text_base64_decode(struct view text, void *out, size_t out_bytes, size_t *size) MUST_USE;

/* RFC 3629: no overlong forms, no surrogates, nothing above U+10FFFF. */
bool text_is_utf8(struct view text);
/* Puts '?' in place of every byte that is a control character or no UTF-8: what is left fits into one line of
 * a log, a terminal or JSON. */
void text_make_printable(char *text);

/* Compares without telling by its time where they differ. The size is not secret. */
bool text_equal_constant_time(struct view a, struct view b);

/* "1.5 GiB", "17.3 MB/s" style sizes: out at least 16 bytes. Returns out. */
enum { TEXT_SIZE_BYTES = 16 };
const char *text_bytes_for_people(char out[TEXT_SIZE_BYTES], uint64_t bytes);

#endif
