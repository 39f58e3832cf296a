#include "watchdog/approval.h"

#include "common/base/text.h"

enum { HOURS = 24, MINUTES = 60 };

/* HH:MM as minutes since midnight. */
static bool parse_minute(struct view text, int *out)
{
    struct view rest = text;
    struct view hour_text = text_cut(&rest, ':');
    uint64_t hour;
    uint64_t minute;
    if (hour_text.size != 2 || rest.size != 2 || !text_parse_u64(hour_text, HOURS - 1, &hour) ||
        !text_parse_u64(rest, MINUTES - 1, &minute))
        return false;
    *out = (int)(hour * MINUTES + minute);
    return true;
}

static bool parse_window(const char *setting, int *from, int *to)
{
    struct view rest = view_of(setting);
    struct view word = text_cut(&rest, ' ');
    if (!view_is(word, "window"))
        return false;
    rest = text_trim(rest);
    struct view from_text = text_cut(&rest, '-');
    return parse_minute(from_text, from) && parse_minute(rest, to) && *from != *to;
}

bool approval_waits_for_time(const char *setting)
{
    int from;
    int to;
    return parse_window(setting, &from, &to);
}

const char *approval_now(const char *setting, const struct tm *local)
{
    int from;
    int to;
    if (view_is(view_of(setting), "auto"))
        return "auto";
    if (!parse_window(setting, &from, &to))
        return NULL;
    int now = local->tm_hour * MINUTES + local->tm_min;
    bool inside = from < to ? now >= from && now < to : now >= from || now < to;
    return inside ? "window" : NULL;
}
