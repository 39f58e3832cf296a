#include "common/base/rfc3339.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/decimal.h"

enum {
    DAYS_PER_ERA = 146097, /* 400 years of the Gregorian calendar */
    S_PER_DAY = 86400,
};

struct civil {
    int year, month, day, hour, minute, second, microsecond;
};

/* The two conversions are Howard Hinnant's days_from_civil and civil_from_days
 * (https://howardhinnant.github.io/date_algorithms.html). */
static int64_t days_from_civil(int year, int month, int day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t era = (y >= 0 ? y : y - 399) / 400;
    int64_t year_of_era = y - era * 400;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * DAYS_PER_ERA + day_of_era - 719468;
}

static int64_t us_from_civil(const struct civil *c)
{
    int64_t minutes = (int64_t)c->hour * 60 + c->minute;
    int64_t seconds = days_from_civil(c->year, c->month, c->day) * S_PER_DAY + minutes * 60 + c->second;
    return seconds * US_PER_S + c->microsecond;
}

static struct civil civil_from_us(int64_t utc_us)
{
    if (utc_us < RFC3339_FIRST_US)
        utc_us = RFC3339_FIRST_US;
    if (utc_us > RFC3339_LAST_US)
        utc_us = RFC3339_LAST_US;
    int64_t seconds = utc_us / US_PER_S;
    int64_t us = utc_us % US_PER_S;
    if (us < 0) {
        us += US_PER_S;
        seconds--;
    }
    int64_t days = seconds / S_PER_DAY;
    int64_t rest = seconds % S_PER_DAY;
    if (rest < 0) {
        rest += S_PER_DAY;
        days--;
    }
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - (DAYS_PER_ERA - 1)) / DAYS_PER_ERA;
    int64_t day_of_era = z - era * DAYS_PER_ERA;
    int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / (DAYS_PER_ERA - 1)) / 365;
    int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    int64_t month_from_march = (5 * day_of_year + 2) / 153;
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    return (struct civil){
        .year = (int)(year_of_era + era * 400 + (month <= 2 ? 1 : 0)),
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
        .hour = (int)(rest / 3600),
        .minute = (int)(rest / 60 % 60),
        .second = (int)(rest % 60),
        .microsecond = (int)us,
    };
}

static void put_digits(char *out, size_t digits, int value)
{
    decimal_write_digits(out, digits, (uint64_t)value);
}

void rfc3339_format_us(char out[RFC3339_US_BYTES], int64_t utc_us)
{
    struct civil c = civil_from_us(utc_us);
    memcpy(out, "0000-00-00T00:00:00.000000Z", RFC3339_US_BYTES);
    put_digits(out, 4, c.year);
    put_digits(out + 5, 2, c.month);
    put_digits(out + 8, 2, c.day);
    put_digits(out + 11, 2, c.hour);
    put_digits(out + 14, 2, c.minute);
    put_digits(out + 17, 2, c.second);
    put_digits(out + 20, 6, c.microsecond);
}

void rfc3339_format_s(char out[RFC3339_S_BYTES], int64_t utc_us)
{
    char full[RFC3339_US_BYTES];
    rfc3339_format_us(full, utc_us);
    memcpy(out, full, 19);
    memcpy(out + 19, "Z", 2);
}

void rfc3339_format_name(char out[RFC3339_NAME_BYTES], int64_t utc_us)
{
    static const unsigned char parts[] = {0, 1, 2, 3, 5, 6, 8, 9, 10, 11, 12, 14, 15, 17, 18};
    char full[RFC3339_US_BYTES];
    rfc3339_format_us(full, utc_us);
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        out[i] = full[parts[i]];
    memcpy(out + COUNT_OF(parts), "Z", 2);
}

struct cursor {
    struct view text;
    size_t at;
    bool ok;
};

static bool take_char(struct cursor *cursor, const char *any_of)
{
    if (cursor->at >= cursor->text.size || cursor->text.data[cursor->at] == '\0' ||
        strchr(any_of, cursor->text.data[cursor->at]) == NULL)
        return false;
    cursor->at++;
    return true;
}

static void need_char(struct cursor *cursor, const char *any_of)
{
    if (!take_char(cursor, any_of))
        cursor->ok = false;
}

static bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

static int need_number(struct cursor *cursor, int digits, int min, int max)
{
    int value = 0;
    for (int i = 0; i < digits; i++) {
        if (cursor->at >= cursor->text.size || !is_digit(cursor->text.data[cursor->at])) {
            cursor->ok = false;
            return 0;
        }
        value = value * 10 + (cursor->text.data[cursor->at] - '0');
        cursor->at++;
    }
    if (value < min || value > max)
        cursor->ok = false;
    return value;
}

/* Up to 9 decimals, cut to microseconds. */
static int need_fraction_us(struct cursor *cursor)
{
    int value = 0;
    int digits = 0;
    while (cursor->at < cursor->text.size && is_digit(cursor->text.data[cursor->at])) {
        if (digits < 6)
            value = value * 10 + (cursor->text.data[cursor->at] - '0');
        digits++;
        cursor->at++;
    }
    if (digits < 1 || digits > 9)
        cursor->ok = false;
    for (int i = digits; i < 6; i++)
        value *= 10;
    return value;
}

static int need_offset_s(struct cursor *cursor)
{
    if (take_char(cursor, "Zz"))
        return 0;
    int sign = take_char(cursor, "-") ? -1 : 1;
    if (sign > 0)
        need_char(cursor, "+");
    int hour = need_number(cursor, 2, 0, 23);
    need_char(cursor, ":");
    int minute = need_number(cursor, 2, 0, 59);
    return sign * (hour * 3600 + minute * 60);
}

/* 0 when there is no such month. */
static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (month < 1 || month > 12)
        return 0;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && leap ? 29 : days[month - 1];
}

bool rfc3339_parse_us(struct view text, int64_t *utc_us)
{
    struct cursor cursor = {text, 0, true};
    struct civil c = {0};
    c.year = need_number(&cursor, 4, 0, 9999);
    need_char(&cursor, "-");
    c.month = need_number(&cursor, 2, 1, 12);
    need_char(&cursor, "-");
    c.day = need_number(&cursor, 2, 1, 31);
    need_char(&cursor, "Tt");
    c.hour = need_number(&cursor, 2, 0, 23);
    need_char(&cursor, ":");
    c.minute = need_number(&cursor, 2, 0, 59);
    need_char(&cursor, ":");
    c.second = need_number(&cursor, 2, 0, 60);
    if (take_char(&cursor, "."))
        c.microsecond = need_fraction_us(&cursor);
    int64_t offset_s = need_offset_s(&cursor);
    if (!cursor.ok || cursor.at != text.size || c.day > days_in_month(c.year, c.month))
        return false;
    *utc_us = us_from_civil(&c) - offset_s * US_PER_S;
    return true;
}

static int two_digits(const char *text, bool *ok)
{
    unsigned tens = (unsigned)(text[0] - '0');
    unsigned ones = (unsigned)(text[1] - '0');
    if (tens > 9 || ones > 9)
        *ok = false;
    return (int)(tens * 10 + ones);
}

bool rfc3339_parse_own_us(const char text[RFC3339_US_BYTES - 1], int64_t *utc_us)
{
    bool ok = text[4] == '-' && text[7] == '-' && text[10] == 'T' && text[13] == ':' && text[16] == ':' &&
              text[19] == '.' && text[26] == 'Z';
    struct civil c = {
        .year = two_digits(text, &ok) * 100 + two_digits(text + 2, &ok),
        .month = two_digits(text + 5, &ok),
        .day = two_digits(text + 8, &ok),
        .hour = two_digits(text + 11, &ok),
        .minute = two_digits(text + 14, &ok),
        .second = two_digits(text + 17, &ok),
        .microsecond = two_digits(text + 20, &ok) * 10000 + two_digits(text + 22, &ok) * 100 +
                       two_digits(text + 24, &ok),
    };
    if (!ok || c.day < 1 || c.day > days_in_month(c.year, c.month) || c.hour > 23 || c.minute > 59 ||
        c.second > 59)
        return false;
    *utc_us = us_from_civil(&c);
    return true;
}
