#include "server_tools/sync_service/rollout_desk.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

#include "server_tools/sync_service/rollout_talk.h"

/* A machine that is talked to now and then; its session keeps its token. The loop's. */
struct peer {
    struct peer *next;
    int64_t vehicle_id;
    struct agent_session *session;
    struct talk *talk; /* under way; NULL: none */
    int64_t used_us;   /* monotonic */
};

/* From its order to its result: brought to the loop as a letter, back in the desk's list. */
struct talk {
    struct letter letter; /* first */
    struct talk *next;
    struct rollout_desk *desk;
    struct peer *peer;
    bool dropped; /* there is nothing to record */
    struct rollout_talk what;
};

struct rollout_desk {
    const struct sync_scene *scene;
    struct peer *peers;           /* the loop's */
    bool stopped;                 /* the loop's */
    struct rollout_shelf shelf;   /* the keeper's */
    struct rollout_order *orders; /* the keeper's; ROLLOUT_TALKS_MAX of them */
    pthread_mutex_t lock;         /* for what follows */
    struct talk *results;         /* the newest first */
    size_t under_way;             /* talks between their order and their result's record */
};

/* ---- talks ---- */

static void free_talk(struct talk *talk)
{
    if (talk->what.package_fd >= 0)
        close(talk->what.package_fd);
    free(talk);
}

/* Any thread: the result waits for the keeper. */
static void put_result(struct talk *talk)
{
    struct rollout_desk *desk = talk->desk;
    pthread_mutex_lock(&desk->lock);
    talk->next = desk->results;
    desk->results = talk;
    pthread_mutex_unlock(&desk->lock);
}

static void talk_done(struct rollout_talk *what)
{
    struct talk *talk = what->context;
    talk->peer->talk = NULL;
    put_result(talk);
}

static struct peer *new_peer(struct rollout_desk *desk, int64_t vehicle_id, struct error *err)
{
    struct peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a session");
        return NULL;
    }
    peer->session = agent_session_new(desk->scene, err);
    if (peer->session == NULL) {
        free(peer);
        return NULL;
    }
    peer->vehicle_id = vehicle_id;
    peer->next = desk->peers;
    desk->peers = peer;
    return peer;
}

/* Its peer, made when there is none; those that were not used for long go. */
static struct peer *find_peer(struct rollout_desk *desk, int64_t vehicle_id, struct error *err)
{
    int64_t now_us = clock_monotonic_us(desk->scene->clock);
    struct peer *found = NULL;
    struct peer **at = &desk->peers;
    while (*at != NULL) {
        struct peer *peer = *at;
        if (peer->vehicle_id == vehicle_id)
            found = peer;
        bool idle = peer->talk == NULL && now_us - peer->used_us > ROLLOUT_SESSION_KEPT_S * US_PER_S;
        if (idle && peer != found) {
            *at = peer->next;
            agent_session_free(peer->session);
            free(peer);
        } else {
            at = &peer->next;
        }
    }
    if (found == NULL)
        found = new_peer(desk, vehicle_id, err);
    if (found != NULL)
        found->used_us = now_us;
    return found;
}

static void give_up(struct talk *talk, const struct error *err)
{
    talk->what.result.state = talk->what.order.state;
    snprintf(talk->what.result.problem, sizeof(talk->what.result.problem), "%s", err->text);
    put_result(talk);
}

/* On the loop. A vehicle whose talk goes on for longer than a claim lasts is left to that talk. */
static void take_order(struct letter *letter)
{
    struct talk *talk = (struct talk *)letter;
    struct rollout_desk *desk = talk->desk;
    struct error err;
    struct peer *peer = desk->stopped ? NULL : find_peer(desk, talk->what.order.vehicle.vehicle_id, &err);
    if (desk->stopped || (peer != NULL && peer->talk != NULL)) {
        talk->dropped = true;
        put_result(talk);
        return;
    }
    if (peer == NULL) {
        give_up(talk, &err);
        return;
    }
    talk->peer = peer;
    talk->what.session = peer->session;
    peer->talk = talk;
    if (!rollout_talk_start(&talk->what))
        talk_done(&talk->what);
}

/* ---- the keeper's side ---- */

static struct talk *take_results(struct rollout_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    struct talk *results = desk->results;
    desk->results = NULL;
    pthread_mutex_unlock(&desk->lock);
    return results;
}

static void count(struct rollout_desk *desk, size_t more, size_t less)
{
    pthread_mutex_lock(&desk->lock);
    desk->under_way = desk->under_way + more - less;
    pthread_mutex_unlock(&desk->lock);
}

/* What PostgreSQL will not take for its own sake (22...) is dropped: the machine is asked again when its
 * claim has run out, and holds up no other. */
static bool write_result(const struct rollout_desk *desk, struct pg *pg, const struct talk *talk,
                         struct error *err)
{
    const struct sync_scene *scene = desk->scene;
    struct error problem;
    if (talk->dropped || rollout_db_record(pg, &talk->what.order, &talk->what.result,
                                           scene->settings->sync_interval_s, scene->log, &problem))
        return true;
    if (problem.code != ERR_INPUT) {
        *err = problem;
        return false;
    }
    log_warn(scene->log, "[%s] what came of its rollout cannot be written: %s", talk->what.order.vehicle.name,
             problem.text);
    return true;
}

/* What cannot be written for now waits for the next time. */
static bool write_results(struct rollout_desk *desk, struct pg *pg, struct error *err)
{
    struct talk *results = take_results(desk);
    bool ok = true;
    while (results != NULL) {
        struct talk *talk = results;
        results = talk->next;
        ok = ok && write_result(desk, pg, talk, err);
        if (ok) {
            free_talk(talk);
            count(desk, 0, 1);
        } else {
            put_result(talk);
        }
    }
    return ok;
}

static bool post_order(struct rollout_desk *desk, const struct rollout_order *order, struct error *err)
{
    struct talk *talk = calloc(1, sizeof(*talk));
    struct error problem;
    if (talk == NULL)
        return error_set(err, ERR_MEMORY, "no memory left for a rollout");
    talk->letter.read = take_order;
    talk->desk = desk;
    talk->what = (struct rollout_talk){
        .order = *order,
        .package_fd = -1,
        .settings = desk->scene->settings,
        .done = talk_done,
        .context = talk,
    };
    if (order->state == ROLLOUT_OFFERED && order->may_offer) {
        talk->what.package_fd = rollout_package_open(&desk->shelf, desk->scene->settings->rollout_dir,
                                                     order->package_sha256, &problem);
        if (talk->what.package_fd < 0)
            snprintf(talk->what.result.problem, sizeof(talk->what.result.problem), "%s", problem.text);
    }
    count(desk, 1, 0);
    mailbox_post(desk->scene->mailbox, &talk->letter);
    return true;
}

static size_t room_for_talks(struct rollout_desk *desk)
{
    pthread_mutex_lock(&desk->lock);
    size_t room = ROLLOUT_TALKS_MAX - desk->under_way;
    pthread_mutex_unlock(&desk->lock);
    return room;
}

static bool give_orders(struct rollout_desk *desk, struct pg *pg, struct error *err)
{
    size_t found = 0;
    size_t room = room_for_talks(desk);
    if (room == 0)
        return true;
    if (!rollout_db_claim(pg, desk->orders, room, &found, err))
        return false;
    for (size_t i = 0; i < found; i++) {
        if (!post_order(desk, &desk->orders[i], err))
            return false;
    }
    return true;
}

bool rollout_desk_run(void *context, struct pg *pg, struct error *err)
{
    struct rollout_desk *desk = context;
    int64_t open = 0;
    int64_t paused = 0;
    if (!write_results(desk, pg, err) || !rollout_db_count(pg, &open, &paused, err))
        return false;
    metric_set(desk->scene->metrics, METRIC_ROLLOUTS_PAUSED, (double)paused);
    return open == 0 || (rollout_db_advance(pg, desk->scene->log, err) && give_orders(desk, pg, err));
}

/* ---- new, stop, free ---- */

struct rollout_desk *rollout_desk_new(const struct sync_scene *scene, struct error *err)
{
    struct rollout_desk *desk = calloc(1, sizeof(*desk));
    struct rollout_order *orders = calloc(ROLLOUT_TALKS_MAX, sizeof(*orders));
    if (desk == NULL || orders == NULL) {
        free(desk);
        free(orders);
        error_set(err, ERR_MEMORY, "no memory left for rollouts");
        return NULL;
    }
    desk->scene = scene;
    desk->orders = orders;
    pthread_mutex_init(&desk->lock, NULL);
    return desk;
}

void rollout_desk_stop(struct rollout_desk *desk)
{
    if (desk == NULL)
        return;
    desk->stopped = true;
    while (desk->peers != NULL) {
        struct peer *peer = desk->peers;
        desk->peers = peer->next;
        agent_session_free(peer->session); /* no `done` follows */
        if (peer->talk != NULL)
            free_talk(peer->talk);
        free(peer);
    }
}

void rollout_desk_free(struct rollout_desk *desk)
{
    if (desk == NULL)
        return;
    for (struct talk *talk = desk->results; talk != NULL;) {
        struct talk *next = talk->next;
        free_talk(talk);
        talk = next;
    }
    rollout_shelf_clear(&desk->shelf);
    pthread_mutex_destroy(&desk->lock);
    free(desk->orders);
    free(desk);
}
