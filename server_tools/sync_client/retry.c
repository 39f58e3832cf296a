#include "server_tools/sync_client/retry.h"

#include <errno.h>
#include <time.h>

bool retry_is_break(const struct error *err)
{
    return err->code == ERR_UNREACHABLE || err->code == ERR_TIMEOUT;
}

static void wait_s(int seconds)
{
    struct timespec left = {.tv_sec = seconds};
    while (nanosleep(&left, &left) != 0 && errno == EINTR)
        continue;
}

bool retry_wait(struct notices *notices, int *failures, struct error *err)
{
    static const int waits_s[RETRY_ATTEMPTS - 1] = {1, 2, 4, 8}; /* before each further attempt */
    ++*failures;
    if (*failures >= RETRY_ATTEMPTS)
        return error_wrap(err, "given up after %d attempts", RETRY_ATTEMPTS);
    int seconds = waits_s[*failures - 1];
    notice(notices, "%s; trying again in %d s", err->text, seconds);
    wait_s(seconds);
    return true;
}
