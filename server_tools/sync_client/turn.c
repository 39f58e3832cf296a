#include "server_tools/sync_client/turn.h"

#include <errno.h>
#include <inttypes.h>
#include <time.h>

#include "common/base/text.h"

enum { RETRY_AFTER_DEFAULT_S = 20 };

static void sleep_s(int64_t seconds)
{
    struct timespec left = {.tv_sec = seconds};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

bool turn_wait(struct session *session, unsigned status, struct error *err)
{
    const struct settings *settings = session->settings;
    const char *what = status == 429 ? "takes no more log-ins" : "is busy with others";
    const char *header = http_client_header(session->client, "Retry-After");
    uint64_t seconds = RETRY_AFTER_DEFAULT_S;
    if (header != NULL && !text_parse_u64(view_of(header), INT32_MAX, &seconds))
        seconds = RETRY_AFTER_DEFAULT_S; /* the form with a date is not worth a clock */
    if (seconds == 0)
        seconds = 1;
    if ((int64_t)seconds > SESSION_WAIT_MAX_S - session->waited_s)
        return error_set(err, ERR_BUSY,
                         "%s:%d %s for %" PRIu64 " s (%u), and %d s is as long as we wait in all: try again "
                         "later",
                         settings->host, (int)settings->port, what, seconds, status, SESSION_WAIT_MAX_S);
    notice(session->notices, "%s:%d %s for now (%u): waiting %" PRIu64 " s", settings->host,
           (int)settings->port, what, status, seconds);
    session->waited_s += (int64_t)seconds;
    sleep_s((int64_t)seconds);
    return true;
}

bool turn_wait_second(struct session *session)
{
    if (session->waited_s >= SESSION_WAIT_MAX_S)
        return false;
    session->waited_s++;
    sleep_s(1);
    return true;
}
