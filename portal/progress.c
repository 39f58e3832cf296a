#include "portal/progress.h"

#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/json.h"

enum { LINE_MAX_BYTES = 4096 };

static bool read_line(struct view text, struct progress_line *out, int64_t *time_us)
{
    SCOPE_JSON struct json *json = json_parse(text, LINE_MAX_BYTES, NULL);
    if (json == NULL)
        return false;
    struct json_value root = json_root(json);
    struct progress_line line = {.number = out->number};
    char time[RFC3339_US_BYTES];
    int64_t pct;
    if (!json_get_string(json_member(root, "step"), line.step, sizeof(line.step)) ||
        !json_get_i64(json_member(root, "pct"), 0, 100, &pct) ||
        !json_get_string(json_member(root, "msg"), line.msg, sizeof(line.msg)))
        return false;
    *time_us = 0;
    if (json_get_string(json_member(root, "time"), time, sizeof(time)) &&
        !rfc3339_parse_us(view_of(time), time_us))
        *time_us = 0;
    line.pct = (int)pct;
    text_make_printable(line.step);
    text_make_printable(line.msg);
    *out = line;
    return true;
}

/* A whole line, without its end. False when none is left. */
static bool next_line(struct view *rest, struct view *line)
{
    const char *end = rest->size == 0 ? NULL : memchr(rest->data, '\n', rest->size);
    if (end == NULL)
        return false;
    size_t size = (size_t)(end - rest->data);
    *line = (struct view){rest->data, size};
    *rest = (struct view){end + 1, rest->size - size - 1};
    return true;
}

void progress_parse(struct view text, struct progress *out)
{
    struct view line;
    out->run_us = 0;
    out->count = 0;
    for (size_t number = 1; out->count < PROGRESS_LINES_MAX && next_line(&text, &line); number++) {
        int64_t time_us;
        struct progress_line *next = &out->lines[out->count];
        next->number = number;
        if (!read_line(line, next, &time_us))
            continue;
        if (out->count++ == 0)
            out->run_us = time_us;
    }
}

void progress_id(const struct progress *progress, const struct progress_line *line,
                 char out[PROGRESS_ID_BYTES])
{
    snprintf(out, PROGRESS_ID_BYTES, "%" PRId64 "-%zu", progress->run_us, line->number);
}

size_t progress_seen(const struct progress *progress, const char *id, bool *same_run)
{
    struct view rest = view_of(id);
    struct view run = text_cut(&rest, '-');
    int64_t run_us;
    int64_t number;
    *same_run = progress->count > 0 && text_parse_i64(run, 0, INT64_MAX, &run_us) &&
                run_us == progress->run_us && text_parse_i64(rest, 1, INT_MAX, &number);
    if (!*same_run)
        return 0;
    size_t seen = 0;
    while (seen < progress->count && progress->lines[seen].number <= (size_t)number)
        seen++;
    return seen;
}

bool progress_belongs(const struct progress *progress, const struct pending *pending)
{
    switch (pending->state) {
    case UPDATE_PENDING:
    case UPDATE_REJECTED:
        return false;
    case UPDATE_APPROVED:
    case UPDATE_APPLYING:
    case UPDATE_PROBATION:
        return progress->run_us >= pending->approved_us;
    default:
        return true;
    }
}
