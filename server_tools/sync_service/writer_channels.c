/* Channels of the machines of a group of jobs: what they say of them, and which of the central store's they
 * are. A machine's number means the channel that was described with it last; one that was never described has
 * a channel of its own, channel_<number>, until it is. */
#include <math.h>

#include "server_tools/central/central_postgres_lines.h"
#include "server_tools/sync_service/writer_group.h"

#define DESCRIBED_AGAIN_US (INT64_C(3600) * US_PER_S) /* synced_at moves that often where nothing changes */

/* ---- what was said before ---- */

/* FNV-1a, 64 bits: of one machine's own words, against themselves. */
static uint64_t digest_bytes(uint64_t digest, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        digest = (digest ^ bytes[i]) * UINT64_C(0x100000001b3);
    return digest;
}

static uint64_t digest_text(uint64_t digest, const char *text)
{
    return digest_bytes(digest, text, strlen(text) + 1);
}

/* Never 0. */
static uint64_t digest_of(const struct write_job *job)
{
    uint64_t digest = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < job->channel_count; i++) {
        const struct job_channel *channel = &job->channels[i];
        digest = digest_bytes(digest, &channel->remote_id, sizeof(channel->remote_id));
        digest =
            digest_text(digest_text(digest_text(digest, channel->name), channel->unit), channel->description);
        digest = digest_bytes(digest, &channel->min_value, sizeof(channel->min_value));
        digest = digest_bytes(digest, &channel->max_value, sizeof(channel->max_value));
    }
    return digest | 1;
}

static bool says_something(const struct write_job *job)
{
    int64_t as_of_us;
    if (job->channel_count == 0)
        return false;
    return channel_book_described(job->book, &as_of_us) != digest_of(job) ||
           job->described_us - as_of_us >= DESCRIBED_AGAIN_US || job->described_us < as_of_us;
}

void write_descriptions_done(const struct held_jobs *held)
{
    for (size_t i = 0; i < held->count; i++) {
        const struct write_job *job = held->jobs[i];
        if (says_something(job))
            channel_book_set_described(job->book, digest_of(job), job->described_us);
    }
}

/* ---- descriptions ---- */

static void describe_job(struct json_writer *lines, struct json_writer *numbers, const struct write_job *job)
{
    for (size_t i = 0; i < job->channel_count; i++) {
        const struct job_channel *channel = &job->channels[i];
        const struct central_description description = {view_of(channel->name), view_of(channel->unit),
                                                        view_of(channel->description), channel->min_value,
                                                        channel->max_value};
        line_description(lines, job->vehicle_id, job->described_us, &description);
        if (channel->remote_id < 0)
            continue;
        json_object(numbers, NULL);
        json_i64(numbers, "vehicle_id", job->vehicle_id);
        json_i64(numbers, "remote_id", channel->remote_id);
        json_string(numbers, "name", channel->name);
        json_end_object(numbers);
    }
}

/* $1 lines: of a name, and then of a number, that comes twice the last one counts. */
#define NUMBERED                                                                                             \
    "WITH named AS (SELECT DISTINCT ON (vehicle_id, name) * FROM ROWS FROM (json_to_recordset($1::json)"     \
    " AS (vehicle_id integer, remote_id integer, name text)) WITH ORDINALITY"                                \
    " AS line (vehicle_id, remote_id, name, nr) ORDER BY vehicle_id, name, nr DESC),"                        \
    " said AS (SELECT DISTINCT ON (vehicle_id, remote_id) * FROM named"                                      \
    " ORDER BY vehicle_id, remote_id, nr DESC) "

/* What has been called by its number alone has its name now, unless that is another's. */
static const char rename_placeholders[] = NUMBERED
    "UPDATE channel_config AS config SET name = said.name FROM said"
    " WHERE config.vehicle_id = said.vehicle_id AND config.remote_id = said.remote_id"
    " AND config.synced_at IS NULL AND config.name <> said.name"
    " AND config.name IN ('channel_' || said.remote_id, 'channel_' || said.remote_id || '_by_number')"
    " AND NOT EXISTS (SELECT FROM channel_config AS other WHERE other.vehicle_id = said.vehicle_id"
    " AND other.name = said.name)";

static const char take_numbers_away[] =
    NUMBERED "UPDATE channel_config AS config SET remote_id = NULL FROM said"
             " WHERE config.vehicle_id = said.vehicle_id AND config.remote_id = said.remote_id"
             " AND config.name <> said.name";

static const char give_numbers[] =
    NUMBERED "UPDATE channel_config AS config SET remote_id = said.remote_id FROM said"
             " WHERE config.vehicle_id = said.vehicle_id AND config.name = said.name"
             " AND config.remote_id IS DISTINCT FROM said.remote_id";

static bool describe(const struct held_jobs *held, const char *lines, const char *numbers, struct error *err)
{
    struct pg *pg = held->session->pg;
    const char *const params[] = {numbers};
    return postgres_run(pg, rename_placeholders, params, 1, err) && postgres_make_channels(pg, lines, err) &&
           postgres_run(pg, take_numbers_away, params, 1, err) &&
           postgres_run(pg, give_numbers, params, 1, err) &&
           postgres_describe_channels(pg, lines, clock_utc_us(held->session->clock), NULL, err);
}

bool write_descriptions(const struct held_jobs *held, struct error *err)
{
    SCOPE_BUF struct buf json = BUF_LIMIT(POSTGRES_LINES_MAX_BYTES);
    SCOPE_BUF struct buf numbers_json = BUF_LIMIT(POSTGRES_LINES_MAX_BYTES);
    struct json_writer lines;
    struct json_writer numbers;
    size_t described = 0;
    json_writer_init(&lines, &json);
    json_writer_init(&numbers, &numbers_json);
    json_array(&lines, NULL);
    json_array(&numbers, NULL);
    for (size_t i = 0; i < held->count; i++) {
        const struct write_job *job = held->jobs[i];
        if (!says_something(job))
            continue;
        describe_job(&lines, &numbers, job);
        channel_book_reset(job->book); /* numbers may mean something else now */
        described++;
    }
    json_end_array(&lines);
    json_end_array(&numbers);
    const char *text = buf_text(&json);
    const char *numbers_text = buf_text(&numbers_json);
    if (!buf_check(&json, "the descriptions of channels", err) ||
        !buf_check(&numbers_json, "the numbers of channels", err))
        return false;
    if (described == 0)
        return true;
    held->session->made_channels = true;
    return describe(held, text, numbers_text, err);
}

/* ---- ids ---- */

/* Of all entries that have none yet. Returns how many. */
static size_t write_wanted(const struct held_jobs *held, struct buf *json)
{
    struct json_writer lines;
    size_t wanted = 0;
    json_writer_init(&lines, json);
    json_array(&lines, NULL);
    for (size_t i = 0; i < held->count; i++) {
        const struct write_job *job = held->jobs[i];
        int32_t count = channel_book_count(job->book);
        for (int32_t index = 0; index < count; index++) {
            if (channel_book_channel_id(job->book, index) != 0)
                continue;
            struct view name = channel_book_name(job->book, index);
            json_object(&lines, NULL);
            json_i64(&lines, "vehicle_id", job->vehicle_id);
            json_i64(&lines, "index", index);
            line_text(&lines, "name", name);
            if (name.size == 0)
                json_i64(&lines, "remote_id", channel_book_remote_id(job->book, index));
            json_end_object(&lines);
            wanted++;
        }
    }
    json_end_array(&lines);
    return wanted;
}

/* *missing: those that are not there. */
static bool find_ids(const struct held_jobs *held, const char *lines, size_t *missing, struct error *err)
{
    const char *const params[] = {lines};
    SCOPE_PG_RESULT struct pg_result *result = pg_query(
        held->session->pg,
        "SELECT vehicle_id, index, CASE WHEN name IS NULL"
        " THEN (SELECT channel_id FROM channel_config AS config WHERE config.vehicle_id = line.vehicle_id"
        " AND config.remote_id = line.remote_id ORDER BY channel_id LIMIT 1)"
        " ELSE (SELECT channel_id FROM channel_config AS config WHERE config.vehicle_id = line.vehicle_id"
        " AND config.name = line.name) END FROM json_to_recordset($1::json)"
        " AS line (vehicle_id integer, index integer, remote_id integer, name text)",
        params, COUNT_OF(params), false, err);
    if (result == NULL)
        return false;
    *missing = 0;
    for (size_t row = 0; row < pg_rows(result); row++) {
        int64_t vehicle_id;
        int64_t index;
        int64_t channel_id;
        if (pg_is_null(result, row, 2)) {
            ++*missing;
            continue;
        }
        if (!pg_i64(result, row, 0, &vehicle_id, err) || !pg_i64(result, row, 1, &index, err) ||
            !pg_i64(result, row, 2, &channel_id, err))
            return false;
        const struct write_job *job = held_job_of(held, vehicle_id);
        if (job != NULL)
            channel_book_set_channel_id(job->book, (int32_t)index, (int32_t)channel_id);
    }
    return true;
}

bool write_numbered_channels(struct pg *pg, const char *lines, struct error *err)
{
    const char *const params[] = {lines};
    return postgres_run(
        pg,
        "INSERT INTO channel_config (vehicle_id, channel_id, remote_id, name)"
        " SELECT vehicle_id, (SELECT coalesce(max(channel_id), 0) FROM channel_config AS known"
        " WHERE known.vehicle_id = said.vehicle_id)"
        " + row_number() OVER (PARTITION BY vehicle_id ORDER BY remote_id), remote_id,"
        " 'channel_' || remote_id || CASE WHEN EXISTS (SELECT FROM channel_config AS other"
        " WHERE other.vehicle_id = said.vehicle_id AND other.name = 'channel_' || said.remote_id)"
        " THEN '_by_number' ELSE '' END FROM (SELECT DISTINCT vehicle_id, remote_id"
        " FROM json_to_recordset($1::json) AS line (vehicle_id integer, remote_id integer)"
        " WHERE remote_id IS NOT NULL) AS said WHERE NOT EXISTS (SELECT FROM channel_config AS known"
        " WHERE known.vehicle_id = said.vehicle_id AND known.remote_id = said.remote_id)",
        params, COUNT_OF(params), err);
}

bool write_channel_ids(const struct held_jobs *held, struct error *err)
{
    SCOPE_BUF struct buf json = BUF_LIMIT(POSTGRES_LINES_MAX_BYTES);
    size_t missing = 0;
    size_t wanted = write_wanted(held, &json);
    const char *lines = buf_text(&json);
    if (!buf_check(&json, "the channels that came in", err))
        return false;
    if (wanted == 0)
        return true;
    if (!find_ids(held, lines, &missing, err))
        return false;
    if (missing == 0)
        return true;
    held->session->made_channels = true;
    return postgres_make_channels(held->session->pg, lines, err) &&
           write_numbered_channels(held->session->pg, lines, err) && find_ids(held, lines, &missing, err) &&
           (missing == 0 ||
            error_set(err, ERR_INTERNAL, "%zu channels are not there though they were made", missing));
}
