#include "server_tools/central/central_months.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "server_tools/central/central_postgres.h"

/* A clock can tell of any year: what is outside these shares two partitions that 0001_central.sql makes. */
enum { FIRST_YEAR = 2000, LAST_YEAR = 2099, MONTHS_A_YEAR = 12 };
enum { MONTHS = (LAST_YEAR - FIRST_YEAR + 1) * MONTHS_A_YEAR };

enum {
    TABLE_BYTES = 32,
    NAMES_MAX_BYTES = MONTHS * TABLE_BYTES,
    DROP_TRIES = 5,
    YEAR_DIGITS = 4,
    MONTH_DIGITS = 2
};

struct month {
    int64_t begin_us, end_us; /* begin_us <= its times < end_us */
    int number;               /* of months since FIRST_YEAR; -1 and MONTHS: before and behind them all */
};

static int64_t begin_of(int number)
{
    char text[PARAM_BYTES];
    int64_t begin_us = 0;
    snprintf(text, sizeof(text), "%04d-%02d-01T00:00:00Z", FIRST_YEAR + number / MONTHS_A_YEAR,
             number % MONTHS_A_YEAR + 1);
    return rfc3339_parse_us(view_of(text), &begin_us) ? begin_us : INT64_MAX;
}

static struct month month_of(int64_t time_us)
{
    char text[RFC3339_US_BYTES];
    uint64_t year = 0;
    uint64_t month = 0;
    if (time_us < begin_of(0))
        return (struct month){INT64_MIN, begin_of(0), -1};
    if (time_us >= begin_of(MONTHS))
        return (struct month){begin_of(MONTHS), INT64_MAX, MONTHS};
    rfc3339_format_us(text, time_us);
    if (!text_parse_u64((struct view){text, YEAR_DIGITS}, LAST_YEAR, &year) ||
        !text_parse_u64((struct view){text + YEAR_DIGITS + 1, MONTH_DIGITS}, MONTHS_A_YEAR, &month))
        return (struct month){INT64_MIN, INT64_MAX, -1}; /* never: it has just been written so */
    int number = ((int)year - FIRST_YEAR) * MONTHS_A_YEAR + (int)month - 1;
    return (struct month){begin_of(number), begin_of(number + 1), number};
}

static void name_of(int number, char name[TABLE_BYTES])
{
    snprintf(name, TABLE_BYTES, "measurements_%04d_%02d", FIRST_YEAR + number / MONTHS_A_YEAR,
             number % MONTHS_A_YEAR + 1);
}

/* Which months occur, numbered from 1: 0 and MONTHS + 1 are before and behind. */
static void find_months(const struct central_row *rows, size_t count, bool occurs[MONTHS + 2])
{
    struct month month = {0, 0, 0};
    for (size_t i = 0; i < count; i++) {
        if (rows[i].time_us >= month.begin_us && rows[i].time_us < month.end_us)
            continue;
        month = month_of(rows[i].time_us);
        occurs[month.number + 1] = true;
    }
}

/* The numbers of those that are no partitions yet. */
static struct pg_result *find_missing(struct pg *pg, const bool occurs[MONTHS + 2], struct error *err)
{
    SCOPE_BUF struct buf names = BUF_LIMIT(NAMES_MAX_BYTES);
    buf_append_byte(&names, '{');
    for (int number = 0; number < MONTHS; number++) {
        char name[TABLE_BYTES];
        name_of(number, name);
        if (occurs[number + 1])
            buf_printf(&names, "%s%d=%s", names.size > 1 ? "," : "", number, name);
    }
    buf_append_byte(&names, '}');
    const char *const params[] = {buf_text(&names)};
    if (!buf_check(&names, "the names of months", err))
        return NULL;
    return pg_query(pg,
                    "SELECT split_part(wanted, '=', 1) FROM unnest($1::text[]) AS wanted"
                    " WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'measurements'::regclass"
                    " AND inhrelid = to_regclass(split_part(wanted, '=', 2)))",
                    params, COUNT_OF(params), false, err);
}

/* Another importer may be making the same one: the function looks again under its lock. */
static bool make_month(struct pg *pg, int number, struct error *err)
{
    char name[TABLE_BYTES];
    char year[PARAM_BYTES];
    char month[PARAM_BYTES];
    const char *const params[] = {param_i64(year, FIRST_YEAR + number / MONTHS_A_YEAR),
                                  param_i64(month, number % MONTHS_A_YEAR + 1)};
    name_of(number, name);
    SCOPE_PG_RESULT struct pg_result *made =
        pg_query(pg, "SELECT fleet_make_month($1::int, $2::int)", params, COUNT_OF(params), false, err);
    return made != NULL || error_wrap(err, "partition %s", name);
}

/* Makes those of them that are no partitions yet. */
static bool make_missing(struct pg *pg, const bool occurs[MONTHS + 2], struct error *err)
{
    SCOPE_PG_RESULT struct pg_result *missing = find_missing(pg, occurs, err);
    if (missing == NULL)
        return false;
    for (size_t i = 0; i < pg_rows(missing); i++) {
        int64_t number;
        if (!pg_i64(missing, i, 0, &number, err) || !make_month(pg, (int)number, err))
            return false;
    }
    return true;
}

bool central_prepare_months(struct pg *pg, const struct central_row *rows, size_t count, struct error *err)
{
    bool occurs[MONTHS + 2] = {false};
    find_months(rows, count, occurs);
    return make_missing(pg, occurs, err);
}

/* ---- retention ---- */

/* *dropped false: there was nothing left to drop. */
static bool drop_oldest(struct pg *pg, int64_t now_us, int retention_months, bool *dropped, struct error *err)
{
    char keep[PARAM_BYTES];
    char now[PARAM_BYTES];
    const char *const params[] = {param_i64(keep, retention_months), param_time(now, now_us)};
    SCOPE_PG_RESULT struct pg_result *result = pg_query(
        pg, "SELECT fleet_drop_months($1::int, $2::timestamptz)", params, COUNT_OF(params), false, err);
    if (result == NULL)
        return false;
    *dropped = pg_rows(result) > 0 && !pg_is_null(result, 0, 0);
    return true;
}

/* Each try waits in PostgreSQL's queue of locks for a moment and lets those behind it pass. */
static bool drop_old(struct pg *pg, int64_t now_us, int retention_months, struct error *err)
{
    bool dropped = true;
    for (int tries = 0; dropped;) {
        struct error problem = {0};
        if (drop_oldest(pg, now_us, retention_months, &dropped, &problem)) {
            tries = 0;
        } else if (problem.code != ERR_BUSY || ++tries == DROP_TRIES) {
            if (err != NULL)
                *err = problem;
            return error_wrap(err, "dropping a month of readings older than %d months", retention_months);
        }
    }
    return true;
}

bool central_keep_months(struct pg *pg, int64_t now_us, int retention_months, struct error *err)
{
    bool occurs[MONTHS + 2] = {false};
    int this_month = month_of(now_us).number;
    if (retention_months < 0 || retention_months > CENTRAL_MONTHS_KEPT_MAX)
        return error_set(err, ERR_USAGE, "months to keep: expected 0 to %d, not %d", CENTRAL_MONTHS_KEPT_MAX,
                         retention_months);
    for (int ahead = 0; ahead <= CENTRAL_MONTHS_AHEAD; ahead++) {
        if (this_month >= 0 && this_month + ahead < MONTHS)
            occurs[this_month + ahead + 1] = true;
    }
    return make_missing(pg, occurs, err) &&
           (retention_months == 0 || drop_old(pg, now_us, retention_months, err));
}
