#include "agent/outbound_window.h"

#include "common/base/rfc3339.h"

static bool refuse(struct http_request *request, const char *error, const char *detail)
{
    http_answer_error(request, 400, error, detail);
    return false;
}

bool outbound_window_read(struct http_request *request, struct outbound_window *out)
{
    const char *from = http_query(request, "from");
    const char *to = http_query(request, "to");
    struct outbound_window window;
    if (http_query_count(request) != (size_t)(from != NULL) + (size_t)(to != NULL))
        return refuse(request, "bad_request", "the parameters are from and to");
    if (from == NULL || to == NULL)
        return refuse(request, "bad_window", "from and to must be given");
    if (!rfc3339_parse_us(view_of(from), &window.from_us) || !rfc3339_parse_us(view_of(to), &window.to_us))
        return refuse(request, "bad_window",
                      "from, to: expected RFC 3339 times such as 2026-02-22T10:00:00Z");
    if (window.from_us > window.to_us)
        return refuse(request, "bad_window", "from is later than to");
    *out = window;
    return true;
}
