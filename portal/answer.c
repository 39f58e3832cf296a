#include "portal/answer.h"

void answer_json(struct http_request *request, const struct buf *text)
{
    struct error err;
    if (buf_check(text, "the answer", &err))
        http_answer_json(request, 200, buf_view(text));
    else
        http_answer_error(request, 500, "internal", err.text);
}

void answer_store_error(struct http_request *request, const struct error *err)
{
    const struct portal *portal = http_context(request);
    if (err->code == ERR_NOT_FOUND) {
        http_answer_error(request, 503, "no_store", "the collector has not measured anything yet");
        return;
    }
    log_warn(&portal->daemon.log, "store: %s", err->text);
    http_answer_error(request, 503, "store_failing", err->text);
}
