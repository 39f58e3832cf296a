#include "portal/alarms.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "portal/answer.h"

enum { ALARM_ID_TEXT_BYTES = 24 };

/* ---- one alarm ---- */

static int by_id(const void *key, const void *item)
{
    int64_t id = *(const int64_t *)key;
    int64_t other = ((const struct store_channel *)item)->channel_id;
    return (id > other) - (id < other);
}

void alarms_write(struct json_writer *writer, const struct store_alarm *alarm,
                  const struct store_channel *channels, size_t channel_count)
{
    const struct store_channel *channel =
        channel_count == 0 ? NULL
                           : bsearch(&alarm->channel_id, channels, channel_count, sizeof(*channels), by_id);
    char id[ALARM_ID_TEXT_BYTES];
    snprintf(id, sizeof(id), "%" PRId64, alarm->alarm_id); /* a text: JavaScript's numbers end at 2^53 */
    json_object(writer, NULL);
    json_string(writer, "alarm_id", id);
    json_string(writer, "channel", channel == NULL ? "" : channel->name);
    json_string(writer, "unit", channel == NULL ? "" : channel->unit);
    json_string(writer, "severity", alarm->severity);
    json_string(writer, "message", alarm->message);
    json_time_us(writer, "raised_at", alarm->raised_us);
    json_time_us(writer, "resolved_at", alarm->resolved_us);
    json_end_object(writer);
}

/* ---- GET /api/alarms ---- */

struct question {
    int64_t from_us, to_us;
    uint64_t limit;
};

static const char *read_question(struct http_request *request, struct question *out)
{
    const char *from = http_query(request, "from");
    const char *to = http_query(request, "to");
    const char *limit = http_query(request, "limit");
    size_t known = (size_t)(from != NULL) + (size_t)(to != NULL) + (size_t)(limit != NULL);
    *out = (struct question){INT64_MIN, INT64_MAX, ALARMS_LIMIT_DEFAULT};
    if (http_query_count(request) != known)
        return "the parameters are from, to and limit";
    if ((from != NULL && !rfc3339_parse_us(view_of(from), &out->from_us)) ||
        (to != NULL && !rfc3339_parse_us(view_of(to), &out->to_us)))
        return "from and to: expected an RFC 3339 time such as 2026-02-22T10:00:00Z";
    if (limit != NULL && !(text_parse_u64(view_of(limit), ALARMS_LIMIT_MAX, &out->limit) && out->limit > 0))
        return "limit: expected a whole number from 1 to 1000";
    return NULL;
}
_Static_assert(ALARMS_LIMIT_MAX == 1000, "as the text says");

static void write_alarms(struct json_writer *writer, const struct alarm_list *list, uint64_t limit)
{
    json_object(writer, NULL);
    json_u64(writer, "open", list->open);
    json_array(writer, "alarms");
    for (size_t i = 0; i < list->count && i < limit; i++)
        alarms_write(writer, &list->alarms[i], list->channels, list->channel_count);
    json_end_array(writer);
    json_bool(writer, "more", list->count > limit);
    json_end_object(writer);
}

void alarms_get(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    struct question question;
    struct error err;
    const char *wrong = read_question(request, &question);
    if (wrong != NULL) {
        http_answer_error(request, 400, "bad_request", wrong);
        return;
    }
    SCOPE_ALARM_LIST struct alarm_list list = {0};
    if (!readings_alarms(portal->readings, question.from_us, question.to_us, (size_t)question.limit + 1,
                         &list, &err)) {
        answer_store_error(request, &err);
        return;
    }
    SCOPE_BUF struct buf text = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    write_alarms(&writer, &list, question.limit);
    answer_json(request, &text);
}

/* ---- how many are open ---- */

/* From the least to the worst. */
static const char *const severities[] = {"info", "warning", "critical"};

static size_t rank_of(const char *severity)
{
    for (size_t i = 0; i < COUNT_OF(severities); i++) {
        if (strcmp(severities[i], severity) == 0)
            return i + 1;
    }
    return 0;
}

void alarms_write_state(const struct portal *portal, struct json_writer *writer)
{
    SCOPE_ALARM_LIST struct alarm_list list = {0};
    struct error err;
    if (!readings_alarms(portal->readings, INT64_MAX, INT64_MAX, ALARMS_LIMIT_MAX, &list, &err)) {
        json_null(writer, "alarms");
        return;
    }
    const char *worst = NULL;
    for (size_t i = 0; i < list.count; i++) {
        if (worst == NULL || rank_of(list.alarms[i].severity) > rank_of(worst))
            worst = list.alarms[i].severity;
    }
    json_object(writer, "alarms");
    json_u64(writer, "open", list.open);
    if (worst == NULL)
        json_null(writer, "worst");
    else
        json_string(writer, "worst", worst);
    json_end_object(writer);
}
