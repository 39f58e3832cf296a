#include "server_tools/sync_service/windows.h"

#include "common/base/rfc3339.h"

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static struct windows without_live(int64_t last_us)
{
    return (struct windows){last_us, WINDOWS_NONE, WINDOWS_NONE};
}

static bool has_live(struct windows home)
{
    return home.live_from_us != WINDOWS_NONE;
}

/* ---- what is home ---- */

struct windows windows_add(struct windows home, struct window window)
{
    if (window_is_empty(window))
        return home;
    if (window.from_us <= home.last_us) {
        home.last_us = later(home.last_us, window.to_us);
    } else if (has_live(home) && window.from_us <= home.live_to_us && window.to_us >= home.live_from_us) {
        home.live_from_us = earlier(home.live_from_us, window.from_us);
        home.live_to_us = later(home.live_to_us, window.to_us);
    } else {
        home.live_from_us = window.from_us;
        home.live_to_us = window.to_us;
    }
    if (has_live(home) && home.live_from_us <= home.last_us)
        return without_live(later(home.last_us, home.live_to_us));
    return home;
}

struct windows windows_rewind(struct windows home, int64_t from_us)
{
    if (home.last_us >= from_us)
        return without_live(from_us);
    if (!has_live(home) || from_us >= home.live_to_us)
        return home;
    if (from_us <= home.live_from_us)
        return without_live(home.last_us);
    home.live_to_us = from_us;
    return home;
}

struct window windows_gap(struct windows home)
{
    if (!has_live(home))
        return (struct window){home.last_us, home.last_us};
    return (struct window){home.last_us, home.live_from_us};
}

int64_t windows_end(struct windows home)
{
    return has_live(home) ? home.live_to_us : home.last_us;
}

/* ---- a turn ---- */

int64_t windows_offset(const struct windows_clock *clock)
{
    return clock->vehicle_us - clock->asked_us;
}

/* Where the vehicle's clock stood, as it goes now, at checked_us of ours, when it was off by offset_us at
 * most; WINDOWS_NONE: it has not fallen since. */
static int64_t fallen_to(const struct windows_clock *clock, int64_t offset_us, int64_t checked_us,
                         const struct windows_limits *limits)
{
    if (checked_us == WINDOWS_NONE || offset_us == WINDOWS_NONE)
        return WINDOWS_NONE;
    int64_t now_us = clock->vehicle_us - clock->answered_us; /* never above the true one */
    if (offset_us - now_us <= WINDOWS_FALL_US)
        return WINDOWS_NONE;
    return checked_us + now_us - limits->settle_us;
}

/* What is known of this /status and of those before it. */
static void note_clock(struct windows_ahead *ahead, const struct windows_clock *clock,
                       const struct windows_limits *limits)
{
    int64_t fallen_us = fallen_to(clock, ahead->offset_us, ahead->asked_us, limits);
    if (fallen_us != WINDOWS_NONE)
        ahead->done_us = earlier(ahead->done_us, fallen_us);
    ahead->peak_us = later(later(ahead->peak_us, clock->old_offset_us), windows_offset(clock));
    ahead->asked_us = clock->asked_us;
    ahead->offset_us = windows_offset(clock);
}

/* Whether there may be readings later than the vehicle's now. */
static bool left_behind(struct windows home, const struct windows_clock *clock,
                        const struct windows_ahead *ahead)
{
    return home.last_us != WINDOWS_NONE && clock->old_offset_us != WINDOWS_NONE &&
           ahead->peak_us - (clock->vehicle_us - clock->answered_us) > WINDOWS_FALL_US;
}

static int64_t home_fallen_to(const struct windows_clock *clock, const struct windows_ahead *ahead,
                              const struct windows_limits *limits)
{
    if (ahead->home_checked_us != WINDOWS_NONE)
        return fallen_to(clock, ahead->home_offset_us, ahead->home_checked_us, limits);
    return fallen_to(clock, clock->old_offset_us, clock->old_checked_us, limits);
}

void windows_committed(struct windows_ahead *ahead, const struct windows_clock *clock, bool reference)
{
    ahead->home_offset_us = windows_offset(clock);
    ahead->home_checked_us = clock->asked_us;
    if (reference)
        ahead->peak_us = WINDOWS_NONE;
}

static struct windows begin(struct windows home, int64_t to_us, const struct windows_clock *clock,
                            const struct windows_limits *limits)
{
    bool never = home.last_us == WINDOWS_NONE;
    /* a time that nothing explains: set by hand, or left by another program */
    bool beyond =
        clock->old_offset_us == WINDOWS_NONE && windows_end(home) > clock->vehicle_us + limits->skew_us;
    if (!never && !beyond)
        return home;
    int64_t first_us = earlier(clock->vehicle_us, to_us + limits->settle_us) - limits->first_us;
    return without_live(later(first_us, RFC3339_FIRST_US));
}

static struct window plan_ahead(const struct window_plan *plan, int64_t to_us, int64_t old_end_us,
                                const struct windows_clock *clock, const struct windows_limits *limits,
                                const struct windows_ahead *ahead)
{
    int64_t now_us = clock->vehicle_us - limits->settle_us;
    struct window window = {to_us, now_us};
    if (plan->fell) {
        window.to_us = later(now_us, clock->answered_us + ahead->peak_us + US_PER_S);
        window.from_us = now_us > to_us ? to_us : later(to_us, old_end_us);
    } else if (plan->home.last_us == WINDOWS_NONE) {
        window.from_us = later(to_us, now_us - limits->first_us);
    }
    window.from_us = later(window.from_us, ahead->done_us);
    window.to_us = earlier(window.to_us, RFC3339_LAST_US); /* no request can say more */
    return window;
}

struct window_plan windows_plan(struct windows home, const struct windows_clock *clock,
                                const struct windows_limits *limits, bool narrow, struct windows_ahead *ahead)
{
    note_clock(ahead, clock, limits);
    int64_t to_us = earlier(clock->vehicle_us - limits->settle_us, clock->answered_us + limits->skew_us);
    struct window_plan plan = {.home = home, .fell = left_behind(home, clock, ahead)};
    plan.ahead = plan_ahead(&plan, to_us, windows_end(home), clock, limits, ahead);
    int64_t fallen_us = home_fallen_to(clock, ahead, limits);
    if (fallen_us != WINDOWS_NONE)
        plan.home = windows_rewind(home, fallen_us);
    plan.home = begin(plan.home, to_us, clock, limits);
    plan.live = (struct window){windows_end(plan.home), to_us};
    int64_t size_us = plan.live.to_us - plan.live.from_us;
    bool too_long = size_us > (int64_t)WINDOWS_ONE_REQUEST_S * US_PER_S;
    if ((too_long || narrow) && size_us > limits->first_us)
        plan.live.from_us = to_us - limits->first_us;
    return plan;
}

static bool too_dense(struct error *err)
{
    return error_set(err, ERR_PROTOCOL,
                     "one microsecond has more readings than an answer holds: nothing later can come home");
}

bool windows_narrow(struct window *live, int64_t first_us, struct error *err)
{
    int64_t size_us = live->to_us - live->from_us;
    if (size_us <= 1)
        return too_dense(err);
    live->from_us = live->to_us - (size_us > first_us ? first_us : size_us / 2);
    return true;
}

/* ---- a gap ---- */

void windows_steps_begin(struct window_steps *steps, int64_t window_us)
{
    if (steps->base_us != 0)
        return;
    bool too_long = window_us > (int64_t)WINDOWS_ONE_REQUEST_S * US_PER_S;
    steps->base_us = (int64_t)(too_long ? WINDOWS_LONG_GAP_STEP_S : WINDOWS_GAP_STEP_S) * US_PER_S;
    steps->step_us = steps->base_us;
}

struct window windows_piece(const struct window_steps *steps, struct window gap)
{
    return (struct window){gap.from_us, gap.from_us + earlier(gap.to_us - gap.from_us, steps->step_us)};
}

void windows_piece_whole(struct window_steps *steps, size_t rows, size_t max_rows)
{
    steps->empty = rows == 0 ? steps->empty + 1 : 0;
    if (rows > 0 && steps->step_us > steps->base_us)
        steps->step_us = steps->base_us;
    steps->whole++;
    bool sparse = rows < max_rows / 4 && steps->step_us < steps->base_us && steps->whole >= WINDOWS_WHOLE_MIN;
    bool desert = steps->empty >= WINDOWS_EMPTY_MAX && steps->step_us < INT64_MAX / 4;
    if (sparse || desert)
        steps->step_us *= 2;
    if (!desert)
        steps->step_us = earlier(steps->step_us, steps->base_us);
}

bool windows_piece_halve(struct window_steps *steps, struct window piece, struct error *err)
{
    int64_t size_us = piece.to_us - piece.from_us;
    if (size_us <= 1)
        return too_dense(err);
    steps->step_us = size_us / 2;
    steps->whole = 0;
    return true;
}
