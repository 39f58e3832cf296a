#include "common/base/decimal.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 wide; /* a standard type under a name that fits on a line */

enum {
    SIGNIFICANT_BITS = 53,
    EXPONENT_BIAS = 1075, /* of the last of the 53 bits */
    EXPONENT_SHIFT = 52,
    EXPONENT_MASK = 0x7ff,
    SEVENTEEN_DIGITS = 17, /* enough for any double */
    FRACTION_MAX_DIGITS = 19,
    EXACT_POWER_MAX = 22, /* 10^22 is the last power of ten that is a double */
};

#define TWO_TO_53      9007199254740992.0
#define SCALED_MAX     1e15 /* 15 digits always survive the way through a double */
#define MIDDLE_MIN     1e-5 /* from here on 2^53 * 10^21 * 4 fits into 128 bits */
#define MANTISSA_MAX   1000000000000000000U
#define IMPLICIT_BIT   ((uint64_t)1 << EXPONENT_SHIFT)
#define TWO_TO_53_UINT ((uint64_t)1 << SIGNIFICANT_BITS)

static const uint64_t powers_u64[] = {1U,
                                      10U,
                                      100U,
                                      1000U,
                                      10000U,
                                      100000U,
                                      1000000U,
                                      10000000U,
                                      100000000U,
                                      1000000000U,
                                      10000000000U,
                                      100000000000U,
                                      1000000000000U,
                                      10000000000000U,
                                      100000000000000U,
                                      1000000000000000U,
                                      10000000000000000U,
                                      100000000000000000U,
                                      1000000000000000000U,
                                      10000000000000000000U};

static const double powers_double[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* ---- writing ---- */

static const char two_digits[] =
    "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
    "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
    "8081828384858687888990919293949596979899";

static size_t count_digits(uint64_t value)
{
    size_t digits = 1;
    while (digits < COUNT_OF(powers_u64) && value >= powers_u64[digits])
        digits++;
    return digits;
}

void decimal_write_digits(char *out, size_t digits, uint64_t value)
{
    while (digits >= 2) {
        digits -= 2;
        memcpy(out + digits, two_digits + 2 * (value % 100), 2);
        value /= 100;
    }
    if (digits == 1)
        out[0] = (char)('0' + value % 10);
}

size_t decimal_write_u64(char *out, uint64_t value)
{
    size_t digits = count_digits(value);
    decimal_write_digits(out, digits, value);
    return digits;
}

/* scaled / 10^decimals, without the zeros at the end; it is no whole number. */
static size_t put_scaled(char *out, uint64_t scaled, size_t decimals)
{
    while (scaled % 10 == 0) {
        scaled /= 10;
        decimals--;
    }
    size_t size = decimal_write_u64(out, scaled / powers_u64[decimals]);
    out[size++] = '.';
    decimal_write_digits(out + size, decimals, scaled % powers_u64[decimals]);
    return size + decimals;
}

/* Most readings have few decimals. A quotient of two whole numbers below 2^53 and 10^22 is what any exact
 * reader makes of the text, so comparing it decides. 0 when value has more decimals. */
static size_t write_few_decimals(char *out, double value)
{
    static const size_t tried[] = {3, 6};
    for (size_t i = 0; i < COUNT_OF(tried); i++) {
        double scaled = value * powers_double[tried[i]];
        if (scaled >= SCALED_MAX)
            return 0;
        uint64_t whole = (uint64_t)(scaled + 0.5);
        if ((double)whole / powers_double[tried[i]] == value)
            return put_scaled(out, whole, tried[i]);
    }
    return 0;
}

static wide power_wide(unsigned exponent)
{
    return exponent < COUNT_OF(powers_u64) ? (wide)powers_u64[exponent]
                                           : (wide)powers_u64[COUNT_OF(powers_u64) - 1] *
                                                 powers_u64[exponent - (COUNT_OF(powers_u64) - 1)];
}

/* The power of ten that brings value to 16 or 17 digits before the point. */
static unsigned scale_to_17(double value)
{
    static const double tenths[] = {1e0, 1e-1, 1e-2, 1e-3, 1e-4};
    unsigned exponent = SEVENTEEN_DIGITS - 1;
    for (size_t i = 0; i < COUNT_OF(tenths) && value < tenths[i]; i++)
        exponent++;
    while (exponent < SEVENTEEN_DIGITS && value >= powers_double[SEVENTEEN_DIGITS - exponent])
        exponent--;
    return exponent;
}

/* The whole numbers between the two halves of the way to the neighbours, and what lies in their middle. */
struct interval {
    uint64_t low, middle, high;
};

/* Bounds that fall exactly on a half belong to the double whose last bit is even (IEEE 754). */
static struct interval rounding_interval(double value, unsigned scale)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    uint64_t significant = (bits & (IMPLICIT_BIT - 1)) | IMPLICIT_BIT;
    /* everything in quarters of the last bit: below a power of two the neighbour is half as far */
    unsigned quarters = EXPONENT_BIAS - (unsigned)(bits >> EXPONENT_SHIFT & EXPONENT_MASK) + 2;
    wide power = power_wide(scale);
    wide middle = power * significant * 4;
    wide low = middle - (significant == IMPLICIT_BIT ? power : 2 * power);
    wide high = middle + 2 * power;
    bool closed = significant % 2 == 0;
    wide fraction = ((wide)1 << quarters) - 1;
    struct interval interval = {
        .low = (uint64_t)(low >> quarters) + ((low & fraction) != 0 || !closed),
        .middle = (uint64_t)((middle >> (quarters - 1)) + 1) / 2,
        .high = (uint64_t)(high >> quarters) - ((high & fraction) == 0 && !closed),
    };
    return interval;
}

/* digits / 10^scale with a point; it is no whole number. */
static size_t put_point(char *out, uint64_t value, unsigned scale)
{
    size_t digits = count_digits(value);
    if (scale < digits) {
        size_t before = digits - scale;
        decimal_write_digits(out, before, value / powers_u64[scale]);
        out[before] = '.';
        decimal_write_digits(out + before + 1, scale, value % powers_u64[scale]);
        return digits + 1;
    }
    size_t zeros = scale - digits;
    memcpy(out, "0.", 2);
    memset(out + 2, '0', zeros);
    decimal_write_digits(out + 2 + zeros, digits, value);
    return 2 + scale;
}

/* The fewest digits within the rounding interval, found with whole numbers alone. value: no whole number,
 * MIDDLE_MIN up to 2^53; no whole number lies in its interval then, so digits remain behind the point. */
static size_t write_shortest(char *out, double value)
{
    unsigned scale = scale_to_17(value);
    struct interval interval = rounding_interval(value, scale);
    uint64_t power = 1;
    uint64_t low = interval.low;
    uint64_t high = interval.high;
    while ((low + 9) / 10 <= high / 10) {
        low = (low + 9) / 10;
        high /= 10;
        power *= 10;
        scale--;
    }
    uint64_t nearest = (interval.middle + power / 2) / power;
    if (nearest < low)
        nearest = low;
    if (nearest > high)
        nearest = high;
    return put_point(out, nearest, scale);
}

/* The very small and the very large. */
static size_t write_rare(char *out, double value)
{
    char text[DECIMAL_MAX_BYTES];
    int size = 0;
    int fewest = value < DBL_MIN ? 1 : DBL_DIG; /* so many survive, but not in a subnormal */
    for (int digits = fewest; digits <= SEVENTEEN_DIGITS; digits++) {
        size = snprintf(text, sizeof(text), "%.*g", digits, value);
        if (strtod(text, NULL) == value)
            break;
    }
    memcpy(out, text, (size_t)size);
    return (size_t)size;
}

static size_t write_positive(char *out, double value)
{
    if (value < TWO_TO_53) {
        uint64_t whole = (uint64_t)value;
        if ((double)whole == value)
            return decimal_write_u64(out, whole);
        size_t size = write_few_decimals(out, value);
        if (size > 0)
            return size;
        if (value >= MIDDLE_MIN)
            return write_shortest(out, value);
    }
    return write_rare(out, value);
}

size_t decimal_write(char *out, double value)
{
    if (!isfinite(value)) {
        memcpy(out, "null", 4);
        return 4;
    }
    if (!signbit(value))
        return write_positive(out, value);
    if (value == 0) {
        memcpy(out, "-0.0", 4);
        return 4;
    }
    out[0] = '-';
    return 1 + write_positive(out + 1, -value);
}

/* ---- reading ---- */

struct scan {
    const char *at, *end;
    uint64_t mantissa; /* all digits, while they fit */
    size_t fraction_digits;
    bool fits;
};

static bool take_digits(struct scan *scan)
{
    const char *begin = scan->at;
    for (; scan->at < scan->end; scan->at++) {
        unsigned digit = (unsigned)(*scan->at - '0');
        if (digit > 9)
            break;
        if (scan->mantissa >= MANTISSA_MAX)
            scan->fits = false;
        else
            scan->mantissa = scan->mantissa * 10 + digit;
    }
    return scan->at > begin;
}

static bool take_exponent(struct scan *scan)
{
    scan->at++;
    if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
        scan->at++;
    scan->fits = false;
    uint64_t mantissa = scan->mantissa;
    bool any = take_digits(scan);
    scan->mantissa = mantissa;
    return any;
}

/* RFC 8259: int [ frac ] [ exp ], after the sign. */
static bool scan_number(struct scan *scan)
{
    const char *begin = scan->at;
    if (!take_digits(scan) || (*begin == '0' && scan->at - begin > 1))
        return false;
    if (scan->at < scan->end && *scan->at == '.') {
        const char *fraction = ++scan->at;
        if (!take_digits(scan))
            return false;
        scan->fraction_digits = (size_t)(scan->at - fraction);
    }
    if (scan->at < scan->end && (*scan->at == 'e' || *scan->at == 'E') && !take_exponent(scan))
        return false;
    return scan->at == scan->end;
}

/* mantissa / 10^digits, rounded once: a quotient of 64 bits and more, to which what remains is only "more
 * than nothing". mantissa > 0, digits up to FRACTION_MAX_DIGITS. */
static double divide_exactly(uint64_t mantissa, size_t digits)
{
    int shift = 64 + __builtin_clzll(mantissa);
    wide dividend = (wide)mantissa << shift;
    wide quotient = dividend / powers_u64[digits];
    bool remains = dividend % powers_u64[digits] != 0;
    uint64_t top = (uint64_t)(quotient >> 64);
    int dropped =
        (top != 0 ? 128 - __builtin_clzll(top) : 64 - __builtin_clzll((uint64_t)quotient)) - SIGNIFICANT_BITS;
    uint64_t significant = (uint64_t)(quotient >> dropped);
    wide rest = quotient & (((wide)1 << dropped) - 1);
    wide half = (wide)1 << (dropped - 1);
    if (rest > half || (rest == half && (remains || significant % 2 == 1)))
        significant++; /* 2^53 is a double too */
    return ldexp((double)significant, dropped - shift);
}

static bool parse_slowly(struct view text, double *out)
{
    char copy[DECIMAL_PARSE_MAX_BYTES + 1];
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    double value = strtod(copy, NULL);
    if (!isfinite(value))
        return false;
    *out = value;
    return true;
}

bool decimal_parse(struct view text, double *out)
{
    if (text.size == 0 || text.size > DECIMAL_PARSE_MAX_BYTES)
        return false;
    bool negative = text.data[0] == '-';
    struct scan scan = {.at = text.data + (negative ? 1 : 0), .end = text.data + text.size, .fits = true};
    if (!scan_number(&scan))
        return false;
    double value;
    if (scan.fits && scan.mantissa <= TWO_TO_53_UINT && scan.fraction_digits <= EXACT_POWER_MAX)
        value = (double)scan.mantissa / powers_double[scan.fraction_digits]; /* both exact: one rounding */
    else if (scan.fits && scan.fraction_digits <= FRACTION_MAX_DIGITS)
        value = divide_exactly(scan.mantissa, scan.fraction_digits);
    else
        return parse_slowly(text, out);
    *out = negative ? -value : value;
    return true;
}
