#include "server_tools/sync_client/archive_facts.h"

#include "common/net/json_writer.h"

void archive_facts_write(const struct archive_facts *facts, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "client_id", facts->client_id);
    json_string(&writer, "agent_id", facts->agent_id);
    json_string(&writer, "store_id", facts->store_id);
    json_string(&writer, "stream", "readings");
    if (facts->since[0] != '\0')
        json_string(&writer, "since", facts->since);
    else
        json_i64(&writer, "after", facts->after);
    json_i64(&writer, "first_seq", facts->first_seq);
    json_i64(&writer, "last_seq", facts->last_seq);
    json_time_us(&writer, "period_start", facts->period_start_us);
    json_time_us(&writer, "period_end", facts->period_end_us);
    json_i64(&writer, "count", facts->count);
    json_i64(&writer, "bytes", facts->bytes);
    json_string(&writer, "sha256", facts->sha256);
    json_time_us(&writer, "created_at", facts->created_us);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}
