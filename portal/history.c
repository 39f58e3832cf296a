#include "portal/history.h"

#include <math.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "portal/answer.h"

struct question {
    const char *channel;
    int64_t from_us, to_us;
    uint64_t points;
};

/* NULL: all is well; else what is wrong. */
static const char *read_question(struct http_request *request, struct question *out)
{
    const char *from = http_query(request, "from");
    const char *to = http_query(request, "to");
    const char *points = http_query(request, "points");
    *out = (struct question){.channel = http_query(request, "channel"), .points = HISTORY_POINTS_DEFAULT};
    if (out->channel == NULL || from == NULL || to == NULL ||
        http_query_count(request) != (points == NULL ? 3 : 4))
        return "the parameters are channel, from, to and points";
    if (!rfc3339_parse_us(view_of(from), &out->from_us) || !rfc3339_parse_us(view_of(to), &out->to_us))
        return "from and to: expected an RFC 3339 time such as 2026-02-22T10:00:00Z";
    if (out->to_us <= out->from_us)
        return "to must be later than from";
    if (points != NULL &&
        !(text_parse_u64(view_of(points), HISTORY_POINTS_MAX, &out->points) && out->points >= 2))
        return "points: expected a whole number from 2 to 4000";
    return NULL;
}
_Static_assert(HISTORY_POINTS_MAX == 4000, "as the text says");

enum column { COLUMN_TIME, COLUMN_MIN, COLUMN_MAX };

static void write_column(struct json_writer *writer, const char *key, const struct channel_history *history,
                         enum column column)
{
    json_array(writer, key);
    for (size_t i = 0; i < history->facts.count; i++) {
        const struct history_point *point = &history->points[i];
        if (column == COLUMN_TIME)
            json_i64(writer, NULL, point->time_us / US_PER_MS);
        else
            json_double(writer, NULL, column == COLUMN_MIN ? point->min : point->max);
    }
    json_end_array(writer);
}

static void write_history(struct json_writer *writer, const struct question *question,
                          const struct channel_history *history)
{
    json_object(writer, NULL);
    json_string(writer, "channel", history->channel.name);
    json_string(writer, "unit", history->channel.unit);
    json_time_us(writer, "from", question->from_us);
    json_time_us(writer, "to", question->to_us);
    json_i64(writer, "step_ms", (history->facts.step_us + US_PER_MS - 1) / US_PER_MS);
    write_column(writer, "t", history, COLUMN_TIME);
    write_column(writer, "min", history, COLUMN_MIN);
    write_column(writer, "max", history, COLUMN_MAX);
    json_end_object(writer);
}

void history_get(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    struct question question;
    struct error err;
    const char *wrong = read_question(request, &question);
    if (wrong != NULL) {
        http_answer_error(request, 400, "bad_request", wrong);
        return;
    }
    SCOPE_CHANNEL_HISTORY struct channel_history history = {0};
    if (!readings_history(portal->history, view_of(question.channel), question.from_us, question.to_us,
                          (size_t)question.points, &history, &err)) {
        answer_store_error(request, &err);
        return;
    }
    if (history.points == NULL) {
        http_answer_error(request, 404, "unknown_channel", "the store has no channel of that name");
        return;
    }
    SCOPE_BUF struct buf text = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    write_history(&writer, &question, &history);
    answer_json(request, &text);
}
