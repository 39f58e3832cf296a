#include "common/app/appliance_checks.h"

#include <arpa/inet.h>

#include "common/app/config.h"
#include "common/app/sql_table.h"
#include "common/base/text.h"

#define DIGITS  "0123456789"
#define LOWER   "abcdefghijklmnopqrstuvwxyz"
#define UPPER   "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define LETTERS LOWER UPPER

enum {
    PRODUCT_MAX_BYTES = 64,
    USER_MAX_BYTES = 32,
    CHANNEL_NAME_MAX_BYTES = 127,
    SERVICE_NAME_MAX_BYTES = 32,
    MINUTES_AN_HOUR = 60,
    HOURS_A_DAY = 24,
};

static bool has_only(struct view text, const char *allowed)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] == '\0' || strchr(allowed, text.data[i]) == NULL)
            return false;
    }
    return true;
}

static bool is_one_of(struct view text, const char *names)
{
    struct view rest = view_of(names);
    while (rest.size > 0) {
        if (view_equal(text_cut(&rest, '|'), text))
            return true;
    }
    return false;
}

static bool expected(struct error *err, bool holds, const char *what)
{
    return holds || error_set(err, ERR_USAGE, "expected %s", what);
}

bool check_address(const char *value, struct error *err)
{
    struct in6_addr address;
    bool holds = inet_pton(AF_INET, value, &address) == 1 || inet_pton(AF_INET6, value, &address) == 1;
    return expected(err, holds, "an IPv4 or IPv6 address");
}

bool check_hosts(const char *value, struct error *err)
{
    return expected(err, has_only(view_of(value), LETTERS DIGITS ".-:[], "),
                    "host names with commas or blanks between");
}

bool check_language(const char *value, struct error *err)
{
    return expected(err, is_one_of(view_of(value), "auto|en|uk|ru"), "one of auto|en|uk|ru");
}

/* HH:MM */
static bool is_time_of_day(struct view text)
{
    uint64_t number;
    return text.size == 5 && text.data[2] == ':' &&
           text_parse_u64((struct view){text.data, 2}, HOURS_A_DAY - 1, &number) &&
           text_parse_u64((struct view){text.data + 3, 2}, MINUTES_AN_HOUR - 1, &number);
}

static bool is_window(struct view text)
{
    struct view word;
    struct view span;
    struct view rest = text;
    if (!config_next_word(&rest, &word) || !view_is(word, "window") || !config_next_word(&rest, &span) ||
        config_next_word(&rest, &word))
        return false;
    struct view from = text_cut(&span, '-');
    return is_time_of_day(from) && is_time_of_day(span) && !view_equal(from, span);
}

bool check_approval(const char *value, struct error *err)
{
    struct view text = view_of(value);
    return expected(err, is_one_of(text, "operator|auto") || is_window(text),
                    "operator, auto or window HH:MM-HH:MM");
}

bool check_product(const char *value, struct error *err)
{
    struct view text = view_of(value);
    bool holds = text.size > 0 && text.size <= PRODUCT_MAX_BYTES && has_only(text, LOWER DIGITS "._-");
    return expected(err, holds, "1 to 64 of a-z 0-9 . _ -");
}

bool check_user(const char *value, struct error *err)
{
    struct view text = view_of(value);
    bool holds = text.size <= USER_MAX_BYTES && has_only(text, LETTERS DIGITS "._-") && value[0] != '-';
    return expected(err, holds, "a user name");
}

bool check_folder(const char *value, struct error *err)
{
    return expected(err, value[0] != '\0', "a folder");
}

bool check_export_source(const char *value, struct error *err)
{
    struct view text = view_of(value);
    bool holds =
        view_is(text, "local") || view_starts(text, "postgresql://") || view_starts(text, "postgres://");
    return expected(err, holds, "local or postgresql://...");
}

bool check_export_table(const char *value, struct error *err)
{
    struct sql_table table;
    return sql_table_parse(value, &table, err);
}

/* Any number of key=value; key: lowercase with _. */
static bool are_pairs(struct view words)
{
    struct view word;
    struct view key;
    struct view value;
    while (config_next_word(&words, &word)) {
        if (!config_word_pair(word, &key, &value) || !has_only(key, LOWER DIGITS "_"))
            return false;
    }
    return true;
}

bool check_input(const char *value, struct error *err)
{
    struct view rest = view_of(value);
    struct view kind;
    bool holds = config_next_word(&rest, &kind) && is_one_of(kind, "system|lines|exec|drive");
    return expected(err, holds, "one of system|lines|exec|drive first") &&
           expected(err, are_pairs(rest), "key=value words behind the kind");
}

static bool check_channel_pair(struct view word, struct error *err)
{
    static const char known[] =
        "unit|phys_min|phys_max|scale|offset|alarm_low|alarm_high|hysteresis|severity";
    struct view key;
    struct view value;
    if (!config_word_pair(word, &key, &value) || !is_one_of(key, known))
        return expected(err, false,
                        "key=value words, with a key of unit|phys_min|phys_max|scale|offset|"
                        "alarm_low|alarm_high|hysteresis|severity");
    double number;
    if (view_is(key, "severity"))
        return expected(err, is_one_of(value, "info|warning|critical"),
                        "one of info|warning|critical behind severity=");
    bool is_text = view_is(key, "unit");
    if (!is_text && !text_parse_double(value, &number))
        return error_set(err, ERR_USAGE, "expected a number behind %.*s=", VIEW_ARG(key));
    return true;
}

bool check_channel(const char *value, struct error *err)
{
    struct view rest = view_of(value);
    struct view word;
    bool holds = config_next_word(&rest, &word);
    struct view name = holds ? config_unquote(word) : rest;
    bool quoted = holds && name.data != word.data;
    holds = holds && name.size > 0 && name.size <= CHANNEL_NAME_MAX_BYTES;
    if (!expected(err, holds && (quoted || memchr(name.data, '=', name.size) == NULL),
                  "a channel's name first, in \"...\" when it has blanks or = in it"))
        return false;
    while (config_next_word(&rest, &word)) {
        if (!check_channel_pair(word, err))
            return false;
    }
    return true;
}

bool check_service(const char *value, struct error *err)
{
    struct view rest = view_of(value);
    struct view name;
    struct view command;
    bool holds = config_next_word(&rest, &name) && name.size <= SERVICE_NAME_MAX_BYTES &&
                 has_only(name, LETTERS DIGITS "_-");
    if (!expected(err, holds, "a name of at most 32 letters, digits, _ and - first") ||
        !expected(err, !is_one_of(name, "boot|watchdog|collector|agent|portal"),
                  "another name than boot, watchdog, collector, agent and portal"))
        return false;
    return expected(err, config_next_word(&rest, &command), "a command behind the name");
}
