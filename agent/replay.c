#include "agent/replay.h"

#include <string.h>

void replay_init(struct replay *replay, int64_t floor_us)
{
    pthread_mutex_init(&replay->lock, NULL);
    replay->count = 0;
    replay->floor_us = floor_us;
}

void replay_clear(struct replay *replay)
{
    pthread_mutex_destroy(&replay->lock);
}

static int compare(struct replay_name a, struct replay_name b)
{
    if (a.time_us != b.time_us)
        return a.time_us < b.time_us ? -1 : 1;
    return a.random < b.random ? -1 : a.random > b.random;
}

/* Index of the first that is not below name. */
static size_t place_of(const struct replay *replay, struct replay_name name)
{
    size_t low = 0, high = replay->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (compare(replay->used[middle], name) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static void forget_oldest(struct replay *replay)
{
    replay->floor_us = replay->used[0].time_us;
    replay->count--;
    memmove(replay->used, replay->used + 1, replay->count * sizeof(replay->used[0]));
}

static enum replay_answer take(struct replay *replay, struct replay_name name)
{
    size_t place = place_of(replay, name);
    if (place < replay->count && compare(replay->used[place], name) == 0)
        return REPLAY_USED;
    if (name.time_us <= replay->floor_us)
        return REPLAY_TOO_OLD;
    if (replay->count == REPLAY_REMEMBERED) {
        forget_oldest(replay);
        if (name.time_us <= replay->floor_us)
            return REPLAY_TOO_OLD;
        place--; /* above the floor, so it stands behind the one that went */
    }
    memmove(replay->used + place + 1, replay->used + place,
            (replay->count - place) * sizeof(replay->used[0]));
    replay->used[place] = name;
    replay->count++;
    return REPLAY_TAKEN;
}

enum replay_answer replay_take(struct replay *replay, struct replay_name name)
{
    pthread_mutex_lock(&replay->lock);
    enum replay_answer answer = take(replay, name);
    pthread_mutex_unlock(&replay->lock);
    return answer;
}
