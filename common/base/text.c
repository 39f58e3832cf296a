#include "common/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT_BYTES = 64 };

bool text_copy(char *out, size_t out_bytes, struct view text)
{
    if (text.size >= out_bytes || (text.size > 0 && memchr(text.data, '\0', text.size) != NULL))
        return false;
    if (text.size > 0)
        memcpy(out, text.data, text.size);
    out[text.size] = '\0';
    return true;
}

bool text_parse_u64(struct view text, uint64_t max, uint64_t *out)
{
    if (text.size == 0)
        return false;
    uint64_t value = 0;
    for (size_t i = 0; i < text.size; i++) {
        unsigned digit = (unsigned)(text.data[i] - '0');
        if (digit > 9 || value > (max - digit) / 10 || digit > max)
            return false;
        value = value * 10 + digit;
    }
    *out = value;
    return true;
}

bool text_parse_i64(struct view text, int64_t min, int64_t max, int64_t *out)
{
    bool negative = text.size > 0 && text.data[0] == '-';
    struct view digits = negative ? (struct view){text.data + 1, text.size - 1} : text;
    uint64_t magnitude;
    if (!text_parse_u64(digits, (uint64_t)INT64_MAX + (negative ? 1U : 0U), &magnitude))
        return false;
    int64_t value = negative ? (int64_t)(0U - magnitude) : (int64_t)magnitude;
    if (value < min || value > max)
        return false;
    *out = value;
    return true;
}

bool text_parse_double(struct view text, double *out)
{
    char copy[NUMBER_TEXT_BYTES];
    if (text.size == 0 || !text_copy(copy, sizeof(copy), text))
        return false;
    /* strtod also takes blanks, hex, "inf" and "nan": none of them is ours */
    if (copy[strspn(copy, "0123456789+-.eE")] != '\0')
        return false;
    char *end;
    double value = strtod(copy, &end);
    if (end == copy || *end != '\0' || !isfinite(value))
        return false;
    *out = value;
    return true;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

struct view text_trim(struct view text)
{
    while (text.size > 0 && is_blank(text.data[0])) {
        text.data++;
        text.size--;
    }
    while (text.size > 0 && is_blank(text.data[text.size - 1]))
        text.size--;
    return text;
}

struct view text_cut(struct view *rest, char separator)
{
    const char *end = rest->size > 0 ? memchr(rest->data, separator, rest->size) : NULL;
    struct view piece = *rest;
    if (end == NULL) {
        *rest = (struct view){NULL, 0};
        return piece;
    }
    piece.size = (size_t)(end - rest->data);
    rest->size -= piece.size + 1;
    rest->data = end + 1;
    return piece;
}

void text_hex_encode(char *out, const void *data, size_t size)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * size] = '\0';
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    if (byte >= 'a' && byte <= 'f')
        return byte - 'a' + 10;
    if (byte >= 'A' && byte <= 'F')
        return byte - 'A' + 10;
    return -1;
}

bool text_hex_decode(struct view text, void *out, size_t size)
{
    if (text.size != 2 * size)
        return false;
    for (size_t i = 0; i < text.size; i++) {
        if (hex_digit(text.data[i]) < 0)
            return false;
    }
    unsigned char *bytes = out;
    for (size_t i = 0; i < size; i++)
        bytes[i] = (unsigned char)(hex_digit(text.data[2 * i]) * 16 + hex_digit(text.data[2 * i + 1]));
    return true;
}

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void text_base64_encode(char *out, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    size_t at = 0;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned group = (unsigned)bytes[i] << 16;
        if (left > 1)
            group |= (unsigned)bytes[i + 1] << 8;
        if (left > 2)
            group |= bytes[i + 2];
        out[at++] = base64_digits[group >> 18];
        out[at++] = base64_digits[group >> 12 & 63];
        out[at++] = '=';
        out[at++] = '=';
        if (left > 1)
            out[at - 2] = base64_digits[group >> 6 & 63];
        if (left > 2)
            out[at - 1] = base64_digits[group & 63];
    }
    out[at] = '\0';
}

static int base64_digit(char byte)
{
    const char *found = byte == '\0' ? NULL : strchr(base64_digits, byte);
    return found == NULL ? -1 : (int)(found - base64_digits);
}

/* One group of four characters; returns how many bytes it holds, or 0 when it is malformed. */
static size_t base64_group(const char *text, bool last, unsigned char out[3])
{
    int digit[4];
    size_t digits = 4;
    if (last && text[3] == '=')
        digits = text[2] == '=' ? 2 : 3;
    unsigned group = 0;
    for (size_t i = 0; i < 4; i++) {
        digit[i] = i < digits ? base64_digit(text[i]) : 0;
        if (digit[i] < 0)
            return 0;
        group = group << 6 | (unsigned)digit[i];
    }
    if ((digits == 2 && (group & 0xffff) != 0) || (digits == 3 && (group & 0xff) != 0))
        return 0;
    out[0] = (unsigned char)(group >> 16);
    out[1] = (unsigned char)(group >> 8);
    out[2] = (unsigned char)group;
    return digits - 1;
}

bool text_base64_decode(struct view text, void *out, size_t out_bytes, size_t *size)
{
    if (text.size % 4 != 0)
        return false;
    unsigned char *bytes = out;
    size_t total = 0;
    for (size_t i = 0; i < text.size; i += 4) {
        unsigned char group[3];
        size_t count = base64_group(text.data + i, i + 4 == text.size, group);
        if (count == 0 || count > out_bytes - total)
            return false;
        memcpy(bytes + total, group, count);
        total += count;
    }
    *size = total;
    return true;
}

/* Size of the UTF-8 sequence at the start of text, 0 when it is none (RFC 3629, section 4). */
static size_t utf8_sequence(const unsigned char *text, size_t left)
{
    unsigned char first = text[0];
    if (first < 0x80)
        return 1;
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > left)
        return 0;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (first == 0xe0)
        low = 0xa0;
    else if (first == 0xed)
        high = 0x9f;
    else if (first == 0xf0)
        low = 0x90;
    else if (first == 0xf4)
        high = 0x8f;
    if (text[1] < low || text[1] > high)
        return 0;
    for (size_t i = 2; i < size; i++) {
        if (text[i] < 0x80 || text[i] > 0xbf)
            return 0;
    }
    return size;
}

bool text_is_utf8(struct view text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    for (size_t i = 0; i < text.size;) {
        size_t size = utf8_sequence(bytes + i, text.size - i);
        if (size == 0)
            return false;
        i += size;
    }
    return true;
}

/* C0, DEL and C1 (U+0080 to U+009F) */
static bool is_control(const unsigned char *sequence, size_t size)
{
    return (size == 1 && (sequence[0] < 0x20 || sequence[0] == 0x7f)) ||
           (size == 2 && sequence[0] == 0xc2 && sequence[1] < 0xa0);
}

void text_make_printable(char *text)
{
    unsigned char *at = (unsigned char *)text;
    size_t left = strlen(text);
    while (left > 0) {
        size_t size = utf8_sequence(at, left);
        size_t step = size > 0 ? size : 1;
        if (size == 0 || is_control(at, size))
            memset(at, '?', step);
        at += step;
        left -= step;
    }
}

bool text_equal_constant_time(struct view a, struct view b)
{
    if (a.size != b.size)
        return false;
    volatile unsigned char differs = 0;
    for (size_t i = 0; i < a.size; i++)
        differs = (unsigned char)(differs | (a.data[i] ^ b.data[i]));
    return differs == 0;
}

const char *text_bytes_for_people(char out[TEXT_SIZE_BYTES], uint64_t bytes)
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
    double value = (double)bytes;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < COUNT_OF(units)) {
        value /= 1024;
        unit++;
    }
    snprintf(out, TEXT_SIZE_BYTES, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return out;
}
