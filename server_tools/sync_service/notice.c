#include "server_tools/sync_service/notice.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

const struct notice_way *const notice_ways[NOTICE_WAYS] = {&notice_email, &notice_webhook, &notice_telegram};

const struct notice_way *notice_way_find(const char *channel)
{
    for (size_t i = 0; i < NOTICE_WAYS; i++) {
        if (strcmp(notice_ways[i]->channel, channel) == 0)
            return notice_ways[i];
    }
    return NULL;
}

void notice_key(const struct notice *notice, char out[NOTICE_ID_BYTES])
{
    snprintf(out, NOTICE_ID_BYTES, "notice.%" PRId64 ".%" PRId64, notice->notice_id, notice->created_us);
}
