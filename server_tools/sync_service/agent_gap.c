#include "server_tools/sync_service/agent_gap.h"

#include <stdio.h>
#include <stdlib.h>

struct agent_gap {
    const struct sync_scene *scene;
    struct agent_home *home;
    struct agent_session *session;
    enum pack_format format;
    char name[VEHICLE_NAME_BYTES];
    struct gap_ticket ticket;
    struct agent_readings *readings; /* the piece under way; NULL: none */
    struct agent_gap_news news;
    bool *failed;
};

static void note_problem(struct agent_gap *gap, const struct error *err)
{
    log_warn(gap->scene->log, "[%s] a gap is not filled for now: %s", gap->name, err->text);
    snprintf(gap->news.problem, sizeof(gap->news.problem), "%s", err->text);
    *gap->failed = true;
}

static void piece_done(void *context, const struct agent_readings_result *result)
{
    struct agent_gap *gap = context;
    gap->readings = NULL;
    gap->news.rows_added += result->rows_added;
    gap->news.bytes += result->bytes;
    gap_lane_done(gap->scene->gaps, &gap->ticket);
    if (result->err != NULL)
        note_problem(gap, result->err);
    else if (agent_home_position(gap->home)->live_after >= 0)
        gap_lane_ask(gap->scene->gaps, &gap->ticket);
}

static bool start_piece(struct agent_gap *gap, struct error *err)
{
    const struct home_position *position = agent_home_position(gap->home);
    int64_t behind = position->live_after - position->cursor;
    const struct export_ask ask = {
        .stream = "readings",
        .format = gap->format,
        .store_id = position->store_id,
        .since = "",
        .has_seq = true,
        .after = position->cursor,
        .limit = behind < AGENT_GAP_PIECE_ROWS ? behind : AGENT_GAP_PIECE_ROWS,
    };
    const struct agent_readings_config config = {
        .writer = gap->scene->writer,
        .session = gap->session,
        .home = gap->home,
        .ask = &ask,
        .lane = LANE_GAP,
        .until = position->live_after,
        .done = piece_done,
        .context = gap,
    };
    gap->readings = agent_readings_start(&config, err);
    return gap->readings != NULL;
}

static void fill_piece(void *context)
{
    struct agent_gap *gap = context;
    struct error err;
    bool left = agent_home_position(gap->home)->live_after >= 0;
    if (left && start_piece(gap, &err))
        return;
    if (left)
        note_problem(gap, &err);
    gap_lane_done(gap->scene->gaps, &gap->ticket);
}

struct agent_gap *agent_gap_new(const struct sync_scene *scene, const char *name, struct agent_home *home,
                                bool *failed, struct error *err)
{
    struct agent_gap *gap = calloc(1, sizeof(*gap));
    if (gap == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a vehicle");
        return NULL;
    }
    gap->scene = scene;
    gap->home = home;
    gap->failed = failed;
    snprintf(gap->name, sizeof(gap->name), "%s", name);
    gap->ticket = (struct gap_ticket){.run = fill_piece, .context = gap};
    return gap;
}

void agent_gap_free(struct agent_gap *gap)
{
    if (gap == NULL)
        return;
    agent_gap_stop(gap);
    free(gap);
}

bool agent_gap_is_filling(const struct agent_gap *gap)
{
    return gap->ticket.waiting || gap->ticket.running;
}

void agent_gap_fill(struct agent_gap *gap, struct agent_session *session, enum pack_format format)
{
    gap->session = session;
    gap->format = format;
    if (agent_home_position(gap->home)->live_after >= 0 && !agent_gap_is_filling(gap))
        gap_lane_ask(gap->scene->gaps, &gap->ticket);
}

void agent_gap_stop(struct agent_gap *gap)
{
    agent_readings_cancel(gap->readings);
    gap->readings = NULL;
    if (agent_gap_is_filling(gap))
        gap_lane_done(gap->scene->gaps, &gap->ticket);
}

void agent_gap_take_news(struct agent_gap *gap, struct agent_gap_news *out)
{
    *out = gap->news;
    gap->news = (struct agent_gap_news){.rows_added = 0};
}
