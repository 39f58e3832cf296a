#include "common/net/http_upload.h"

#include <stdio.h>

#include "common/base/clock.h"
#include "common/net/http_curl.h"
#include "common/os/file.h"

enum { SEND_BUFFER_BYTES = 256 * 1024, CONTINUE_WAIT_MS = 10 * 1000 };

/* ---- reading the file ---- */

static size_t give_piece(char *out, size_t unit, size_t count, void *context)
{
    struct http_sending *sending = context;
    uint64_t left = sending->upload->bytes - sending->at;
    size_t size = unit * count < left ? unit * count : (size_t)left;
    if (size == 0)
        return 0;
    if (!file_read_at(sending->upload->fd, sending->at, out, size, sending->err)) {
        sending->failed = true;
        return CURL_READFUNC_ABORT;
    }
    sending->at += size;
    return size;
}

/* ---- progress ---- */

static bool too_slow(struct http_sending *sending, const char *what, int seconds)
{
    sending->failed = true;
    return error_set(sending->err, ERR_TIMEOUT, "the server was too slow: %s in %d s", what, seconds);
}

/* curl's own floor would end it, too, while the server, which has everything, works on its answer. */
static bool judge(struct http_sending *sending, uint64_t moved)
{
    bool waits = moved >= sending->upload->bytes;
    int limit_s = waits ? sending->upload->answer_s : sending->floor_s;
    uint64_t floor = waits ? 1 : (uint64_t)HTTP_CLIENT_FLOOR_BYTES_S * (uint64_t)sending->floor_s;
    int64_t now_us = clock_monotonic_us(clock_system());
    if (sending->window_us == 0 || moved >= sending->window_at + floor) {
        sending->window_us = now_us;
        sending->window_at = moved;
        return true;
    }
    if (now_us - sending->window_us < (int64_t)limit_s * US_PER_S)
        return true;
    return too_slow(sending, waits ? "no answer" : "it took next to nothing", limit_s);
}

bool http_sending_watch(struct http_sending *sending, uint64_t sent, uint64_t received)
{
    const struct http_upload *upload = sending->upload;
    if (!http_curl_is_connected(sending->curl))
        return true;
    if (upload->sent != NULL)
        upload->sent(upload->context, sent);
    return judge(sending, sent + received);
}

static int look_at_progress(void *context, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                            curl_off_t up)
{
    (void)down_total;
    (void)up_total;
    return http_sending_watch(context, (uint64_t)up, (uint64_t)down) ? 0 : 1;
}

/* ---- the handle ---- */

void http_sending_set(struct http_sending *sending)
{
    CURL *curl = sending->curl;
    bool sends = sending->upload != NULL;
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, sends ? 0L : 1L);
    /* On a kept connection that turns out to be dead libcurl would begin anew by itself, unseen and from the
     * file's beginning. A fresh one is never begun anew. */
    curl_easy_setopt(curl, CURLOPT_FRESH_CONNECT, sends ? 1L : 0L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, sends ? 0L : (long)HTTP_CLIENT_FLOOR_BYTES_S);
    if (!sends)
        return;
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, NULL);
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)sending->upload->bytes);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give_piece);
    curl_easy_setopt(curl, CURLOPT_READDATA, sending);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, look_at_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, sending);
    curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)SEND_BUFFER_BYTES);
    curl_easy_setopt(curl, CURLOPT_EXPECT_100_TIMEOUT_MS, (long)CONTINUE_WAIT_MS);
}
