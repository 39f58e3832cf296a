#include "portal/api.h"

#include <stdlib.h>

#include "portal/answer.h"
#include "portal/live.h"
#include "portal/status.h"

void api_health(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    SCOPE_BUF struct buf text = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    json_string(&writer, "status", "ok");
    json_string(&writer, "version", portal->daemon.appliance.version);
    json_end_object(&writer);
    answer_json(request, &text);
}

void api_status(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    SCOPE_BUF struct buf text = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    status_write(portal, &writer);
    answer_json(request, &text);
}

static void write_channel(struct json_writer *writer, const struct store_channel *channel)
{
    json_object(writer, NULL);
    json_i64(writer, "channel_id", channel->channel_id);
    json_string(writer, "name", channel->name);
    json_string(writer, "unit", channel->unit);
    json_double(writer, "phys_min", channel->phys_min);
    json_double(writer, "phys_max", channel->phys_max);
    json_string(writer, "description", channel->description);
    json_end_object(writer);
}

void api_channels(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    SCOPE_FREE struct store_channel *channels = NULL;
    size_t count = 0;
    struct error err;
    if (!readings_channels(portal->readings, &channels, &count, &err)) {
        answer_store_error(request, &err);
        return;
    }
    SCOPE_BUF struct buf text = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    json_array(&writer, "channels");
    for (size_t i = 0; i < count; i++)
        write_channel(&writer, &channels[i]);
    json_end_array(&writer);
    json_end_object(&writer);
    answer_json(request, &text);
}

void api_write_latest(const struct portal *portal, struct json_writer *writer, const struct latest *latest,
                      int64_t after)
{
    json_object(writer, NULL);
    json_time_us(writer, "time", clock_utc_us(portal->daemon.clock));
    json_array(writer, "values");
    for (size_t i = 0; i < latest->count; i++) {
        const struct store_row *row = &latest->rows[i];
        if (row->seq <= after)
            continue;
        json_object(writer, NULL);
        json_i64(writer, "channel_id", row->channel_id);
        json_time_us(writer, "time", row->time_us);
        json_double(writer, "value", row->value);
        json_end_object(writer);
    }
    json_end_array(writer);
    json_end_object(writer);
}

void api_latest(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    SCOPE_LATEST struct latest latest = {0};
    struct error err;
    if (!readings_latest(portal->readings, &latest, &err)) {
        answer_store_error(request, &err);
        return;
    }
    SCOPE_BUF struct buf text = BUF_LIMIT(PORTAL_JSON_MAX_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    api_write_latest(portal, &writer, &latest, INT64_MIN);
    answer_json(request, &text);
}

void api_events(struct http_request *request)
{
    struct portal *portal = http_context(request);
    struct live *live = atomic_load(&portal->live);
    if (live == NULL)
        http_answer_error(request, 503, "not_ready", "the portal is starting or stopping");
    else
        live_subscribe(live, request);
}
