/* GET /update/status as a machine may answer it: any bytes are refused, or say one thing that can be stored.
 */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "server_tools/sync_service/rollout_judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static void must_be_plain(const char *text, size_t bytes)
{
    must(strnlen(text, bytes) < bytes && text_is_utf8(view_of(text)));
    for (; *text != '\0'; text++)
        must((unsigned char)*text >= ' ');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char sha256[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    struct rollout_seen seen, again;
    struct error err;
    struct view answer = {(const char *)data, size};
    if (!rollout_judge(answer, "1.2.0", sha256, "", &seen, &err)) {
        must(err.code == ERR_PROTOCOL);
        return 0;
    }
    must_be_plain(seen.waiting_for, sizeof(seen.waiting_for));
    must_be_plain(seen.reason, sizeof(seen.reason));
    must_be_plain(seen.detail, sizeof(seen.detail));
    must_be_plain(seen.current_version, sizeof(seen.current_version));
    must_be_plain(seen.mark, sizeof(seen.mark));
    must(!seen.there || (seen.state >= ROLLOUT_QUEUED && seen.state != ROLLOUT_WITHDRAWING &&
                         seen.state != ROLLOUT_REFUSED && seen.state < ROLLOUT_STATES));
    /* what has been seen once is no news: only what is under way or runs is left */
    must(rollout_judge(answer, "1.2.0", sha256, seen.mark, &again, &err));
    must(seen.mark[0] == '\0' || !again.there || again.state <= ROLLOUT_HEALTHY);
    return 0;
}
