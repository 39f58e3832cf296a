#include "common/net/json_chars.h"

void json_chars_init(struct json_chars *chars, struct view raw)
{
    *chars = (struct json_chars){.at = raw.data, .end = raw.size > 0 ? raw.data + raw.size : raw.data};
}

static int hex_digit(char byte)
{
    if (byte >= '0' && byte <= '9')
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

int json_hex4(const char *text)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(text[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

/* RFC 3629, section 3. */
static void put_code_point(struct json_chars *chars, uint32_t code)
{
    static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};
    unsigned size = code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (unsigned i = size; i-- > 1; code >>= 6)
        chars->pending[i] = (unsigned char)(0x80 | (code & 0x3f));
    chars->pending[0] = (unsigned char)(lead[size == 1 ? 0 : size] | code);
    chars->pending_at = 0;
    chars->pending_size = (uint8_t)size;
}

/* at stands behind "\u". RFC 8259, section 7: above U+FFFF two escapes are one character. */
static void decode_unicode(struct json_chars *chars)
{
    uint32_t code = (uint32_t)json_hex4(chars->at);
    chars->at += 4;
    if (code >= 0xd800 && code < 0xdc00) {
        uint32_t low = (uint32_t)json_hex4(chars->at + 2);
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
        chars->at += 6;
    }
    put_code_point(chars, code);
}

static int take_pending(struct json_chars *chars)
{
    return chars->pending[chars->pending_at++];
}

int json_chars_next(struct json_chars *chars)
{
    if (chars->pending_at < chars->pending_size)
        return take_pending(chars);
    if (chars->at == chars->end)
        return -1;
    char byte = *chars->at++;
    if (byte != '\\')
        return (unsigned char)byte;
    switch (*chars->at++) {
    case 'b':
        return '\b';
    case 'f':
        return '\f';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case 'u':
        decode_unicode(chars);
        return take_pending(chars);
    default: /* quote, backslash, slash */
        return (unsigned char)chars->at[-1];
    }
}

static bool has_escape(struct view raw)
{
    return raw.size > 0 && memchr(raw.data, '\\', raw.size) != NULL;
}

static int compare_plain(struct view a, struct view b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common > 0 ? memcmp(a.data, b.data, common) : 0;
    if (order != 0)
        return order;
    return a.size < b.size ? -1 : a.size > b.size;
}

int json_chars_compare(struct view raw_a, struct view raw_b)
{
    if (raw_a.size > 0 && raw_b.size > 0 && raw_a.data[0] != raw_b.data[0] && raw_a.data[0] != '\\' &&
        raw_b.data[0] != '\\')
        return (unsigned char)raw_a.data[0] - (unsigned char)raw_b.data[0];
    if (!has_escape(raw_a) && !has_escape(raw_b))
        return compare_plain(raw_a, raw_b);
    struct json_chars a;
    struct json_chars b;
    json_chars_init(&a, raw_a);
    json_chars_init(&b, raw_b);
    int left;
    int right;
    do {
        left = json_chars_next(&a);
        right = json_chars_next(&b);
    } while (left == right && left >= 0);
    return left - right;
}

bool json_chars_equal(struct view raw, struct view plain)
{
    if (!has_escape(raw))
        return view_equal(raw, plain);
    struct json_chars chars;
    json_chars_init(&chars, raw);
    for (size_t i = 0; i < plain.size; i++) {
        if (json_chars_next(&chars) != (unsigned char)plain.data[i])
            return false;
    }
    return json_chars_next(&chars) < 0;
}
