/* What a simulated vehicle says, right or wrong. */
#include <stdlib.h>

#include "common/base/decimal.h"
#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/http_target.h"
#include "tests/bench/farm.h"

enum { ROW_MAX_BYTES = 128, OUTSIDE_S = 7200, FOREIGN_CHANNELS = 1000 };
static const uint64_t endless_bytes = 1ULL << 30;

void body_clear(struct body *body)
{
    buf_clear(&body->text);
}

int64_t farm_vehicle_now_us(struct farm *farm, int32_t vehicle)
{
    struct farm_vehicle *v = &farm->vehicles[vehicle];
    int64_t now_us = clock_utc_us(clock_system());
    int64_t own_us = now_us + v->offset_us + (now_us - v->skew_from_us) / 1000 * v->skew_ppm / 1000;
    int64_t made_us = now_us < farm->frozen_us ? own_us : own_us - (now_us - farm->frozen_us);
    if (made_us > v->latest_us)
        v->latest_us = made_us;
    return own_us;
}

int64_t farm_vehicle_until_us(struct farm *farm, int32_t vehicle)
{
    farm_vehicle_now_us(farm, vehicle);
    bool frozen = farm->frozen_us != INT64_MAX;
    return farm->vehicles[vehicle].latest_us - (frozen ? 0 : farm->lag_us);
}

/* ---- rows ---- */
static size_t write_value(char *out, enum fault fault, int32_t vehicle, int32_t channel, int64_t tick)
{
    int64_t hundredths;
    if (!sim_value(vehicle, channel, tick, &hundredths)) {
        memcpy(out, "null", 4);
        return 4;
    }
    size_t size = decimal_write(out + 1, (double)hundredths / 100.0);
    if (fault != FAULT_WRONG_TYPES) {
        memmove(out, out + 1, size);
        return size;
    }
    out[0] = out[size + 1] = '"';
    return size + 2;
}

static size_t write_row(char *out, const struct body *body, struct view moment, bool first)
{
    char *at = out;
    if (!first)
        *at++ = ',';
    memcpy(at, moment.data, moment.size);
    at += moment.size;
    at += decimal_write_u64(at, (uint64_t)body->channel + (uint64_t)body->channel_shift);
    memcpy(at, ",\"value\":", 9);
    at += 9;
    at += write_value(at, body->fault, body->vehicle, body->channel, body->tick);
    *at++ = '}';
    return (size_t)(at - out);
}

/* The rest of one tick, or what fits. */
static void write_tick(const struct farm *farm, struct body *body, struct buf *out)
{
    char moment[64] = "{\"time\":\"";
    int64_t shift_us = body->fault == FAULT_OUTSIDE ? -(int64_t)OUTSIDE_S * US_PER_S : 0;
    rfc3339_format_us(moment + 9, sim_time_us(&farm->sim, body->vehicle, body->tick) + shift_us);
    memcpy(moment + 9 + RFC3339_US_BYTES - 1, "\",\"channel_id\":", 15);
    struct view prefix = {moment, 9 + RFC3339_US_BYTES - 1 + 15};
    for (; body->channel <= farm->sim.channels && body->left > 0; body->channel++, body->left--) {
        char *at = buf_reserve(out, ROW_MAX_BYTES);
        if (at == NULL)
            return;
        buf_commit(out, write_row(at, body, prefix, body->first));
        body->first = false;
    }
    if (body->channel > farm->sim.channels) {
        body->channel = 1;
        body->tick += body->tick_step;
    }
}

static void more_rows(const struct farm *farm, struct body *body, struct buf *out, bool *ended)
{
    size_t most = out->size + FARM_PIECE_BYTES;
    if (body->text.size > 0) {
        buf_append_view(out, buf_view(&body->text));
        buf_clear(&body->text);
    }
    while (body->left > 0 && out->size + ROW_MAX_BYTES < most && !out->no_memory)
        write_tick(farm, body, out);
    *ended = body->left == 0;
    if (*ended)
        buf_append_text(out, "]}");
}

void body_more(const struct farm *farm, struct body *body, struct buf *out, bool *ended)
{
    *ended = true;
    if (body->kind == BODY_ROWS) {
        more_rows(farm, body, out, ended);
        return;
    }
    buf_append_view(out, buf_view(&body->text));
    buf_reset(&body->text);
    if (body->kind == BODY_ENDLESS) {
        char *at = buf_reserve(out, FARM_PIECE_BYTES);
        if (at != NULL) {
            memset(at, ' ', FARM_PIECE_BYTES);
            buf_commit(out, FARM_PIECE_BYTES);
        }
        body->endless_left -= FARM_PIECE_BYTES;
        *ended = body->endless_left == 0;
    }
}

/* ---- the answers ---- */
struct asked {
    struct farm *farm;
    int32_t vehicle;
    enum fault fault;
    const struct http_target *target;
    struct body *body;
};

static void time_text(char out[RFC3339_US_BYTES], int64_t utc_us)
{
    rfc3339_format_us(out, utc_us);
}

static unsigned say_status(struct asked *asked)
{
    char now[RFC3339_US_BYTES];
    char last[RFC3339_US_BYTES];
    int64_t until_us = farm_vehicle_until_us(asked->farm, asked->vehicle);
    time_text(now, farm_vehicle_now_us(asked->farm, asked->vehicle));
    time_text(last, until_us);
    bool wrong = asked->fault == FAULT_WRONG_TYPES;
    buf_printf(&asked->body->text,
               "{\"name\":%s%d%s,\"software_version\":\"1.0.0\",\"time\":%s%s%s,\"uptime_s\":%s,\"db_ok\":%s,"
               "\"last_reading_at\":\"%s\",\"readings\":1000}",
               wrong ? "" : "\"made-up-", (int)asked->vehicle, wrong ? "" : "\"", wrong ? "[\"" : "\"", now,
               wrong ? "\"]" : "\"", wrong ? "\"long\"" : "86400", wrong ? "\"yes\"" : "true", last);
    return 200;
}

/* What the agent says of itself over TLS. */
static unsigned say_agent_status(struct asked *asked)
{
    char now[RFC3339_US_BYTES];
    time_text(now, farm_vehicle_now_us(asked->farm, asked->vehicle));
    buf_printf(&asked->body->text,
               "{\"product\":\"telehaul\",\"version\":\"1.0.0\",\"agent_id\":\"\",\"store_id\":\"made-up-%"
               "d\",\"next_seq\":1,"
               "\"clock\":\"%s\",\"uptime_s\":86400,\"pending\":null,\"last_update\":null,\"free_disk_"
               "bytes\":1000000000,"
               "\"days_until_full\":null}",
               (int)asked->vehicle, now);
    return 200;
}

static unsigned say_channels(struct asked *asked)
{
    struct buf *text = &asked->body->text;
    const char *quote = asked->fault == FAULT_WRONG_TYPES ? "\"" : "";
    buf_append_text(text, "{\"channels\":[");
    for (int channel = 1; channel <= asked->farm->sim.channels; channel++)
        buf_printf(text,
                   "%s{\"channel_id\":%s%d%s,\"name\":\"made_up_%d\",\"unit\":\"u\",\"phys_min\":-500,\"phys_"
                   "max\":1500.01}",
                   channel > 1 ? "," : "", quote, channel, quote, channel);
    buf_append_text(text, "]}");
    return 200;
}

static unsigned bad_window(struct asked *asked)
{
    buf_append_text(&asked->body->text,
                    "{\"error\":\"bad_window\",\"detail\":\"from and to, from before to\"}");
    return 400;
}

static bool window_of(const struct asked *asked, int64_t *from_us, int64_t *to_us)
{
    const char *from = http_target_parameter(asked->target, "from");
    const char *to = http_target_parameter(asked->target, "to");
    return from != NULL && to != NULL && rfc3339_parse_us(view_of(from), from_us) &&
           rfc3339_parse_us(view_of(to), to_us) && *from_us <= *to_us;
}

/* Which rows: those of the window, as many as one answer has. */
static void choose_rows(struct asked *asked, int64_t from_us, int64_t to_us, bool *truncated)
{
    struct body *body = asked->body;
    const struct sim *sim = &asked->farm->sim;
    int64_t until_us = farm_vehicle_until_us(asked->farm, asked->vehicle);
    int64_t first = sim_tick_from(sim, body->vehicle, from_us > sim->start_us ? from_us : sim->start_us);
    int64_t end = sim_tick_from(sim, body->vehicle, to_us < until_us ? to_us : until_us);
    int64_t rows = end > first ? (end - first) * sim->channels : 0;
    *truncated = rows > FARM_ROWS_MAX;
    body->kind = BODY_ROWS;
    body->left = *truncated ? FARM_ROWS_MAX : rows;
    body->channel = 1;
    body->first = true;
    body->tick = first;
    body->tick_step = 1;
    if (asked->fault == FAULT_DISORDER && end > first) {
        body->tick = end - 1;
        body->tick_step = -1;
    }
}

static unsigned say_data(struct asked *asked)
{
    int64_t from_us;
    int64_t to_us;
    bool truncated;
    char from[RFC3339_US_BYTES];
    char to[RFC3339_US_BYTES];
    if (!window_of(asked, &from_us, &to_us))
        return bad_window(asked);
    if (asked->fault == FAULT_FOREIGN) {
        asked->body->vehicle = (asked->vehicle + 1) % SIM_VEHICLES_MAX;
        asked->body->channel_shift = FOREIGN_CHANNELS;
        from_us -= (int64_t)OUTSIDE_S * US_PER_S;
        to_us -= (int64_t)OUTSIDE_S * US_PER_S;
    }
    choose_rows(asked, from_us, to_us, &truncated);
    asked->farm->vehicles[asked->vehicle].rows += (uint64_t)asked->body->left;
    asked->farm->counts.rows += (uint64_t)asked->body->left;
    time_text(from, from_us);
    time_text(to, to_us);
    buf_printf(&asked->body->text,
               "{\"from\":\"%s\",\"to\":\"%s\",\"truncated\":%s,\"count\":%lld,\"rows\":[", from, to,
               truncated ? "true" : "false", (long long)asked->body->left);
    return 200;
}

static unsigned say_latest(struct asked *asked)
{
    char moment[RFC3339_US_BYTES];
    const struct sim *sim = &asked->farm->sim;
    struct buf *text = &asked->body->text;
    int64_t tick = sim_tick_from(sim, asked->vehicle, farm_vehicle_until_us(asked->farm, asked->vehicle)) - 1;
    time_text(moment, sim_time_us(sim, asked->vehicle, tick));
    buf_printf(text, "{\"time\":\"%s\",\"values\":[", moment);
    for (int32_t channel = 1; channel <= sim->channels; channel++) {
        char value[DECIMAL_MAX_BYTES + 2];
        size_t size = write_value(value, asked->fault, asked->vehicle, channel, tick);
        buf_printf(text, "%s{\"channel_id\":%d,\"time\":\"%s\",\"value\":%.*s}", channel > 1 ? "," : "",
                   (int)channel, moment, (int)size, value);
    }
    buf_append_text(text, "]}");
    return 200;
}

static void add_alarm(const struct asked *asked, int64_t raised_us, bool over, bool first)
{
    char raised[RFC3339_US_BYTES];
    char resolved[RFC3339_US_BYTES];
    time_text(raised, raised_us);
    time_text(resolved, raised_us + (int64_t)SIM_ALARM_LASTS_S * US_PER_S);
    buf_printf(&asked->body->text,
               "%s{\"alarm_id\":%s%lld%s,\"channel_id\":1,\"severity\":\"warning\",\"message\":\"made "
               "up\",\"raised_at\":\"%s\","
               "\"resolved_at\":%s%s%s}",
               first ? "" : ",", asked->fault == FAULT_WRONG_TYPES ? "\"" : "", (long long)raised_us,
               asked->fault == FAULT_WRONG_TYPES ? "\"" : "", raised, over ? "\"" : "",
               over ? resolved : "null", over ? "\"" : "");
}

static unsigned say_alarms(struct asked *asked)
{
    int64_t from_us;
    int64_t to_us;
    if (!window_of(asked, &from_us, &to_us))
        return bad_window(asked);
    const int64_t period_us = (int64_t)SIM_ALARM_PERIOD_S * US_PER_S;
    const int64_t lasts_us = (int64_t)SIM_ALARM_LASTS_S * US_PER_S;
    int64_t until_us = farm_vehicle_until_us(asked->farm, asked->vehicle);
    int64_t start_us = asked->farm->sim.start_us;
    int64_t raised_us =
        (from_us - lasts_us > start_us ? from_us - lasts_us : start_us) / period_us * period_us;
    bool first = true;
    buf_append_text(&asked->body->text, "{\"alarms\":[");
    for (; raised_us < to_us && raised_us < until_us && asked->body->text.size < FARM_PIECE_BYTES;
         raised_us += period_us) {
        int64_t resolved_us = raised_us + lasts_us;
        bool within = raised_us >= from_us || (resolved_us >= from_us && resolved_us < to_us);
        if (raised_us < start_us || !within)
            continue;
        add_alarm(asked, raised_us, resolved_us < until_us, first);
        first = false;
    }
    buf_append_text(&asked->body->text, "]}");
    return 200;
}

static const struct {
    const char *path;
    unsigned scope;
    bool tls;
    unsigned (*say)(struct asked *asked);
} answers[] = {
    {"/status", SCOPE_STATUS, false, say_status}, {"/channels", SCOPE_CHANNELS, false, say_channels},
    {"/data", SCOPE_DATA, false, say_data},       {"/data/latest", SCOPE_DATA, false, say_latest},
    {"/alarms", SCOPE_ALARMS, false, say_alarms}, {"/status", SCOPE_STATUS, true, say_agent_status},
};

unsigned scope_of_target(const char *target)
{
    size_t size = strcspn(target, "?");
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        if (view_equal(view_of(answers[i].path), (struct view){target, size}))
            return answers[i].scope;
    }
    return SCOPE_STATUS;
}

static unsigned say_nothing_here(struct asked *asked)
{
    buf_append_text(&asked->body->text, "{\"error\":\"not_found\",\"detail\":\"no such call\"}");
    return 404;
}

/* The faults that are the same for every call; 0: none of them. */
static unsigned say_fault(struct asked *asked)
{
    struct buf *text = &asked->body->text;
    switch (asked->fault) {
    case FAULT_GARBAGE:
        buf_append_text(text, "<html><body>\xff\xfe no JSON at all {\"rows\":[{</body></html>");
        return 200;
    case FAULT_GIGABYTE:
        buf_append_text(text, "{\"rows\":[");
        asked->body->kind = BODY_ENDLESS;
        asked->body->endless_left = endless_bytes;
        return 200;
    case FAULT_REDIRECT:
        return 302;
    case FAULT_REFUSE:
        buf_append_text(text, "{\"error\":\"unauthorized\",\"detail\":\"X-API-Key is missing or wrong\"}");
        return 401;
    case FAULT_ERROR:
        buf_append_text(text, "{\"error\":\"internal\",\"detail\":\"made up\"}");
        return 500;
    default:
        return 0;
    }
}

unsigned body_for(struct farm *farm, int32_t vehicle, bool tls, const struct request *request,
                  enum fault fault, struct body *body)
{
    *body = (struct body){.fault = fault, .vehicle = vehicle, .text = BUF_LIMIT(1 << 20)};
    struct asked asked = {farm, vehicle, fault, NULL, body};
    unsigned status = say_fault(&asked);
    if (status != 0)
        return status;
    if (tls ? !request->bearer : !request->key_right) {
        asked.fault = FAULT_REFUSE;
        return say_fault(&asked);
    }
    struct http_target target = {0};
    struct error err;
    if (!http_target_parse(&target, request->target, &err))
        return bad_window(&asked);
    asked.target = &target;
    unsigned (*say)(struct asked *) = say_nothing_here;
    for (size_t i = 0; i < sizeof(answers) / sizeof(*answers); i++) {
        if (answers[i].tls == tls && strcmp(answers[i].path, target.path) == 0)
            say = answers[i].say;
    }
    status = say(&asked);
    http_target_clear(&target);
    return status;
}
