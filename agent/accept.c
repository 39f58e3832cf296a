#include "agent/accept.h"

#include <strings.h>

#include "common/base/text.h"

enum { WEIGHT_WHOLE = 1000, WEIGHT_DIGITS = 3 };

/* ranges that say something about gzip, the exact one last */
static const char *const gzip_ranges[] = {"*/*", "application/*", "application/gzip"};

static bool is(struct view text, const char *name)
{
    return text.size == strlen(name) && strncasecmp(text.data, name, text.size) == 0;
}

/* Up to the separator, but not to one inside quotes. */
static struct view cut_unquoted(struct view *rest, char separator)
{
    bool quoted = false;
    size_t size = 0;
    for (; size < rest->size && (quoted || rest->data[size] != separator); size++) {
        if (rest->data[size] == '"')
            quoted = !quoted;
        else if (quoted && rest->data[size] == '\\' && size + 1 < rest->size)
            size++;
    }
    struct view piece = {rest->data, size};
    size_t skipped = size < rest->size ? size + 1 : size;
    *rest = (struct view){rest->data + skipped, rest->size - skipped};
    return text_trim(piece);
}

/* 0 to WEIGHT_WHOLE; what is no weight (RFC 9110, section 12.4.2) counts as none at all: 0. */
static int weight_of(struct view text)
{
    uint64_t whole;
    uint64_t decimals = 0;
    struct view fraction = text;
    struct view digit = text_cut(&fraction, '.');
    if (!text_parse_u64(digit, 1, &whole) || digit.size != 1 || fraction.size > WEIGHT_DIGITS ||
        (fraction.size > 0 && !text_parse_u64(fraction, WEIGHT_WHOLE, &decimals)))
        return 0;
    for (size_t i = fraction.size; i < WEIGHT_DIGITS; i++)
        decimals *= 10;
    int weight = (int)whole * WEIGHT_WHOLE + (int)decimals;
    return weight <= WEIGHT_WHOLE ? weight : 0;
}

/* One element of the list: its range and its weight. */
static struct view read_range(struct view element, int *weight)
{
    struct view range = cut_unquoted(&element, ';');
    *weight = WEIGHT_WHOLE;
    while (element.size > 0) {
        struct view value = cut_unquoted(&element, ';');
        struct view name = text_trim(text_cut(&value, '='));
        if (is(name, "q"))
            *weight = weight_of(text_trim(value));
    }
    return range;
}

enum pack_format accept_format(const char *header)
{
    struct view rest = view_of(header);
    int zstd = 0;
    int gzip = 0;
    size_t exactness = 0; /* of the range that gzip's weight is of */
    while (rest.size > 0) {
        int weight;
        struct view range = read_range(cut_unquoted(&rest, ','), &weight);
        if (is(range, "application/zstd"))
            zstd = weight;
        for (size_t i = exactness; i < COUNT_OF(gzip_ranges); i++) {
            if (is(range, gzip_ranges[i])) {
                gzip = weight;
                exactness = i;
            }
        }
    }
    return zstd > 0 && zstd >= gzip ? PACK_ZSTD : PACK_GZIP;
}

bool accept_gzip_encoding(const char *header)
{
    struct view rest = view_of(header);
    int any = 0;
    int gzip = -1; /* not named */
    while (rest.size > 0) {
        int weight;
        struct view coding = read_range(cut_unquoted(&rest, ','), &weight);
        if (is(coding, "gzip") || is(coding, "x-gzip"))
            gzip = weight;
        else if (is(coding, "*"))
            any = weight;
    }
    return gzip >= 0 ? gzip > 0 : any > 0;
}
