/* Which windows of time a turn of the Outbound API asks for, and what is home afterwards. All in the
 * vehicle's own clock (vehicle.h), microseconds; [from, to). Pure arithmetic: knows nothing of HTTP or of
 * PostgreSQL. What it relies on: a statement "everything before T is home" was true when the vehicle's clock
 * stood where the reference (offset, checked) says; a clock that has fallen since then may write before T
 * again, and then the turn goes back (docs/protocol.md, "Windows of time"). */
#ifndef SERVER_TOOLS_SYNC_SERVICE_WINDOWS_H
#define SERVER_TOOLS_SYNC_SERVICE_WINDOWS_H

#include <stdint.h>

#include "common/base/clock.h"
#include "common/base/error.h"

#define WINDOWS_NONE INT64_MIN

enum {
    WINDOWS_ONE_REQUEST_S = 24 * 3600, /* a longer window is a gap at once */
    WINDOWS_GAP_STEP_S = 600,          /* of a gap that was one truncated answer */
    WINDOWS_LONG_GAP_STEP_S = 3600,    /* of a gap longer than one request */
    WINDOWS_FALL_US = US_PER_S,        /* a clock that has fallen by more was stepped back */
    WINDOWS_EMPTY_MAX = 168,           /* so many empty pieces of a gap in a row, and the next are doubled */
    WINDOWS_WHOLE_MIN = 4,             /* so many whole ones, and those that were halved are tried larger */
};

struct window {
    int64_t from_us, to_us;
};
static inline bool window_is_empty(struct window window)
{
    return window.to_us <= window.from_us;
}

/* What is home: everything before last_us, and live_from_us to live_to_us (WINDOWS_NONE: no such range). */
struct windows {
    int64_t last_us, live_from_us, live_to_us;
};

/* [from, to) has come home too. What cannot be kept in one range more is forgotten: it comes again. */
struct windows windows_add(struct windows home, struct window window);
/* Nothing from from_us on counts as home any more. */
struct windows windows_rewind(struct windows home, int64_t from_us);
/* Where the next live window begins. */
int64_t windows_end(struct windows home);
/* What is missing between the two ranges; empty: nothing. */
struct window windows_gap(struct windows home);

struct windows_limits {
    int64_t first_us;  /* PULL_WINDOW_SEC: of a first pull, of the live window beside a gap */
    int64_t settle_us; /* PULL_SETTLE_MS */
    int64_t skew_us;   /* MAX_CLOCK_SKEW_SEC */
};

/* The vehicle's clock at one /status, and the reference: the last one whose windows are home. */
struct windows_clock {
    int64_t vehicle_us;            /* what it said */
    int64_t asked_us, answered_us; /* ours, around it */
    int64_t old_offset_us;         /* WINDOWS_NONE: never compared */
    int64_t old_checked_us;        /* ours */
};
/* The offset to keep: never below the true one, so that no fall is overlooked. */
int64_t windows_offset(const struct windows_clock *clock);

/* The readings that a vehicle has behind what a turn may count as home: those of a clock far ahead, those
 * that it wrote before its clock was stepped back. In memory alone: it is asked for again after a restart. */
struct windows_ahead {
    int64_t done_us;   /* home up to here; WINDOWS_NONE: nothing */
    int64_t peak_us;   /* the largest offset seen since the reference; WINDOWS_NONE: none */
    int64_t asked_us;  /* the /status before this one, our clock; WINDOWS_NONE: none */
    int64_t offset_us; /* what it said */
    /* The clock that `home` in memory relies on: the reference, or a later one while what a clock left behind
     * when it fell is still being fetched. WINDOWS_NONE: the reference. */
    int64_t home_offset_us, home_checked_us;
};
#define WINDOWS_AHEAD_NONE                                                                                   \
    ((struct windows_ahead){WINDOWS_NONE, WINDOWS_NONE, WINDOWS_NONE, WINDOWS_NONE, WINDOWS_NONE,            \
                            WINDOWS_NONE})

struct window_plan {
    struct windows home; /* to start from: rewound where the clock has fallen */
    struct window live;  /* to ask for; empty: nothing is new */
    struct window ahead; /* to ask for besides; empty: nothing */
    bool fell;           /* `ahead` holds what a clock that fell left behind: the reference waits for it */
};
/* narrow: one request for all was too much lately; the live window is asked for alone. ahead: moved on where
 * the clock has fallen. */
struct window_plan windows_plan(struct windows home, const struct windows_clock *clock,
                                const struct windows_limits *limits, bool narrow,
                                struct windows_ahead *ahead);
/* The live window of this clock's plan is committed; reference: and the reference moves with it. */
void windows_committed(struct windows_ahead *ahead, const struct windows_clock *clock, bool reference);
/* The live window was truncated: the one to ask for instead, shorter, with the same end. Errors: ERR_PROTOCOL
 * (a microsecond has more readings than an answer holds). */
bool windows_narrow(struct window *live, int64_t first_us, struct error *err) MUST_USE;

/* ---- how a gap is cut into pieces ---- */
struct window_steps {
    int64_t base_us; /* 0: not begun */
    int64_t step_us;
    unsigned empty; /* pieces in a row */
    unsigned whole; /* pieces in a row, since one was too much */
};
/* Of a gap in so long a window: pieces of ten minutes or an hour. No harm when it has begun. */
void windows_steps_begin(struct window_steps *steps, int64_t window_us);
/* The next piece of [gap.from, gap.to). */
struct window windows_piece(const struct window_steps *steps, struct window gap);
/* The piece came whole, with so many rows of max_rows. */
void windows_piece_whole(struct window_steps *steps, size_t rows, size_t max_rows);
/* It was truncated, or too slow. Errors: as windows_narrow. */
bool windows_piece_halve(struct window_steps *steps, struct window piece, struct error *err) MUST_USE;

#endif
