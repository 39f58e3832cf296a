#include "server_tools/sync_service/rollout_state.h"

#include "common/base/text.h"

enum { PERCENT = 100, COUNT_MAX = 10 * 1000 * 1000 };

static const char *const words[ROLLOUT_STATES] = {
    [ROLLOUT_UNSUPPORTED] = "unsupported",
    [ROLLOUT_WAITING] = "waiting",
    [ROLLOUT_DUE] = "due",
    [ROLLOUT_OFFERED] = "offered",
    [ROLLOUT_QUEUED] = "queued",
    [ROLLOUT_APPROVED] = "approved",
    [ROLLOUT_APPLYING] = "applying",
    [ROLLOUT_WITHDRAWING] = "withdrawing",
    [ROLLOUT_HEALTHY] = "healthy",
    [ROLLOUT_FAILED] = "failed",
    [ROLLOUT_ROLLED_BACK] = "rolled_back",
    [ROLLOUT_REJECTED] = "rejected",
    [ROLLOUT_REFUSED] = "refused",
    [ROLLOUT_WITHDRAWN] = "withdrawn",
};

const char *rollout_state_word(enum rollout_state state)
{
    return words[state];
}

bool rollout_state_of(struct view word, enum rollout_state *out, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (view_is(word, words[i])) {
            *out = (enum rollout_state)i;
            return true;
        }
    }
    return error_set(err, ERR_INTERNAL, "deployment_vehicles has a state that is none: %.*s", VIEW_ARG(word));
}

static bool is_enough(const struct rollout_counts *counts, int64_t healthy, int64_t of)
{
    return healthy > 0 && healthy * PERCENT >= of * counts->healthy_percent;
}

enum rollout_step rollout_next(const struct rollout_counts *counts)
{
    bool all_accepted = counts->hopeful + counts->hopeless + counts->gone == 0;
    if (counts->failures > counts->failures_allowed)
        return ROLLOUT_PAUSE;
    if (counts->open == 0)
        return ROLLOUT_FINISH;
    if (counts->wave >= counts->wave_count)
        return ROLLOUT_STAY;
    if (all_accepted || is_enough(counts, counts->healthy, counts->judged))
        return ROLLOUT_NEXT_WAVE;
    return is_enough(counts, counts->hopeful, counts->hopeful + counts->hopeless) ? ROLLOUT_STAY
                                                                                  : ROLLOUT_HOPELESS;
}

/* ---- waves ---- */

/* May be more than there are vehicles. */
static bool parse_wave(struct view word, int64_t vehicles, int64_t *out, struct error *err)
{
    bool percent = word.size > 0 && word.data[word.size - 1] == '%';
    struct view digits = {word.data, percent ? word.size - 1 : word.size};
    int64_t number;
    if (!text_parse_i64(digits, 1, percent ? PERCENT : COUNT_MAX, &number))
        return error_set(err, ERR_USAGE, "`%.*s`: expected a number of vehicles, or a part from 1%% to 100%%",
                         VIEW_ARG(word));
    *out = percent ? (vehicles * number + PERCENT - 1) / PERCENT : number;
    return true;
}

/* One that would have no vehicle of its own is left out. */
static bool add_wave(struct rollout_waves *waves, int64_t up_to, struct error *err)
{
    int64_t before = waves->count == 0 ? 0 : waves->up_to[waves->count - 1];
    if (up_to <= before)
        return true;
    if (waves->count == ROLLOUT_WAVES_MAX)
        return error_set(err, ERR_USAGE, "more than %d waves", ROLLOUT_WAVES_MAX);
    waves->up_to[waves->count++] = up_to;
    return true;
}

bool rollout_waves_parse(const char *text, int64_t vehicles, struct rollout_waves *out, struct error *err)
{
    struct rollout_waves waves = {.count = 0};
    struct view rest = view_of(text);
    int64_t before = 0;
    do {
        struct view word = text_trim(text_cut(&rest, ','));
        int64_t asked = 0;
        if (!parse_wave(word, vehicles, &asked, err))
            return error_wrap(err, "the waves");
        if (asked < before)
            return error_set(err, ERR_USAGE, "the waves: `%.*s` is less than the wave before it",
                             VIEW_ARG(word));
        if (!add_wave(&waves, asked < vehicles ? asked : vehicles, err))
            return error_wrap(err, "the waves");
        before = asked;
    } while (rest.size > 0);
    *out = waves;
    return true;
}
