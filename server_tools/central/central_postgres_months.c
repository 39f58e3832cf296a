/* The monthly partitions of `measurements`, made when the first reading of a month comes. */
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
    SQL_BYTES = 256,
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
static struct pg_result *find_missing(struct central_postgres *self, const bool occurs[MONTHS + 2],
                                      struct error *err)
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
    return pg_query(self->pg,
                    "SELECT split_part(wanted, '=', 1) FROM unnest($1::text[]) AS wanted"
                    " WHERE NOT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'measurements'::regclass"
                    " AND inhrelid = to_regclass(split_part(wanted, '=', 2)))",
                    params, COUNT_OF(params), false, err);
}

/* Attached, not made as a partition: that way nobody who reads or writes other months has to wait. */
static bool make_table(struct central_postgres *self, int number, struct error *err)
{
    char name[TABLE_BYTES];
    char begin[PARAM_BYTES];
    char end[PARAM_BYTES];
    char sql[SQL_BYTES];
    name_of(number, name);
    snprintf(sql, sizeof(sql),
             "CREATE TABLE %s (LIKE measurements);"
             "ALTER TABLE measurements ATTACH PARTITION %s FOR VALUES FROM ('%s') TO ('%s')",
             name, name, param_time(begin, begin_of(number)), param_time(end, begin_of(number + 1)));
    return pg_exec(self->pg, sql, err) || error_wrap(err, "partition %s", name);
}

/* Another importer may be making the same one: it is looked for again under the lock. */
static bool make_month(struct central_postgres *self, int number, struct error *err)
{
    char lock[PARAM_BYTES];
    bool occurs[MONTHS + 2] = {false};
    const char *const params[] = {param_i64(lock, LOCK_MONTHS)};
    occurs[number + 1] = true;
    if (!pg_begin(self->pg, err))
        return false;
    if (postgres_run(self, "SELECT pg_advisory_xact_lock($1::int, 0)", params, COUNT_OF(params), err)) {
        SCOPE_PG_RESULT struct pg_result *missing = find_missing(self, occurs, err);
        if (missing != NULL && (pg_rows(missing) == 0 || make_table(self, number, err)))
            return pg_commit(self->pg, err);
    }
    pg_rollback(self->pg);
    return false;
}

bool postgres_prepare_months(struct central_postgres *self, const struct central_row *rows, size_t count,
                             struct error *err)
{
    bool occurs[MONTHS + 2] = {false};
    find_months(rows, count, occurs);
    SCOPE_PG_RESULT struct pg_result *missing = find_missing(self, occurs, err);
    if (missing == NULL)
        return false;
    for (size_t i = 0; i < pg_rows(missing); i++) {
        int64_t number;
        if (!pg_i64(missing, i, 0, &number, err) || !make_month(self, (int)number, err))
            return false;
    }
    return true;
}
