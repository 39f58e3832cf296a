#include "updater/release.h"

#include "common/base/text.h"

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static bool is_identifier_byte(char byte)
{
    return is_digit(byte) || (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || byte == '-';
}

static bool is_numeric(struct view identifier)
{
    for (size_t i = 0; i < identifier.size; i++) {
        if (!is_digit(identifier.data[i]))
            return false;
    }
    return identifier.size > 0;
}

/* SemVer 2.0, section 2: no leading zeros. */
static bool number_ok(struct view number)
{
    return is_numeric(number) && (number.size == 1 || number.data[0] != '0');
}

static bool has_byte(struct view text, char byte)
{
    return text.size > 0 && memchr(text.data, byte, text.size) != NULL;
}

/* Whether text is a row of identifiers with dots between; "a..b" and "a." are none. */
static bool identifiers_ok(struct view text, bool numbers_too)
{
    for (bool more = true; more;) {
        more = has_byte(text, '.');
        struct view identifier = text_cut(&text, '.');
        if (identifier.size == 0)
            return false;
        for (size_t i = 0; i < identifier.size; i++) {
            if (!is_identifier_byte(identifier.data[i]))
                return false;
        }
        if (numbers_too && is_numeric(identifier) && !number_ok(identifier))
            return false;
    }
    return true;
}

struct semver {
    struct view core[3];
    struct view pre_release; /* empty: none */
};

/* Cuts a version into its parts; false when it is not SemVer. */
static bool semver_parse(const char *version, struct semver *out)
{
    struct view rest = view_of(version);
    bool has_build = has_byte(rest, '+');
    struct view precedence = text_cut(&rest, '+');
    if (has_build && !identifiers_ok(rest, false)) /* section 10 */
        return false;
    bool has_pre_release = has_byte(precedence, '-');
    struct view core = text_cut(&precedence, '-');
    if (has_pre_release && !identifiers_ok(precedence, true)) /* section 9 */
        return false;
    struct semver parsed = {.pre_release = has_pre_release ? precedence : (struct view){NULL, 0}};
    for (size_t i = 0; i < COUNT_OF(parsed.core); i++) {
        if ((i < 2) != has_byte(core, '.'))
            return false;
        parsed.core[i] = text_cut(&core, '.');
        if (!number_ok(parsed.core[i]))
            return false;
    }
    *out = parsed;
    return true;
}

bool release_version_ok(const char *version)
{
    struct semver parsed;
    return strlen(version) < RELEASE_VERSION_BYTES && semver_parse(version, &parsed);
}

static int sign(int value)
{
    return (value > 0) - (value < 0);
}

static int compare_sizes(size_t a, size_t b)
{
    return (a > b) - (a < b);
}

static int compare_bytes(struct view a, struct view b)
{
    size_t common = a.size < b.size ? a.size : b.size;
    int order = common > 0 ? sign(memcmp(a.data, b.data, common)) : 0;
    return order != 0 ? order : compare_sizes(a.size, b.size);
}

/* Numbers without leading zeros, of any length: the longer one is the larger. */
static int compare_numbers(struct view a, struct view b)
{
    int order = compare_sizes(a.size, b.size);
    return order != 0 ? order : compare_bytes(a, b);
}

/* Section 11.4.1 to 11.4.3. */
static int compare_identifiers(struct view a, struct view b)
{
    bool a_number = is_numeric(a);
    bool b_number = is_numeric(b);
    if (a_number && b_number)
        return compare_numbers(a, b);
    if (a_number != b_number)
        return a_number ? -1 : 1;
    return compare_bytes(a, b);
}

static int compare_pre_releases(struct view a, struct view b)
{
    if (a.size == 0 || b.size == 0) /* section 11.3: none is above any */
        return (a.size == 0) - (b.size == 0);
    while (a.size > 0 && b.size > 0) {
        int order = compare_identifiers(text_cut(&a, '.'), text_cut(&b, '.'));
        if (order != 0)
            return order;
    }
    return compare_sizes(a.size, b.size); /* section 11.4.4: more of them is above fewer */
}

int release_version_compare(const char *a, const char *b)
{
    struct semver left;
    struct semver right;
    if (!semver_parse(a, &left) || !semver_parse(b, &right))
        return compare_bytes(view_of(a), view_of(b));
    for (size_t i = 0; i < COUNT_OF(left.core); i++) {
        int order = compare_numbers(left.core[i], right.core[i]);
        if (order != 0)
            return order;
    }
    return compare_pre_releases(left.pre_release, right.pre_release);
}
