#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/attr.h"
#include "server_tools/sync_service/room.h"

enum { WAITERS = 5, LIMIT_BYTES = 100, ORDER_BYTES = 64 };

struct scene;

struct somebody {
    struct room_waiter waiter;
    struct scene *scene;
    char letter;
    size_t takes;             /* bytes, when he is called */
    bool again;               /* he waits for the next time at once */
    struct somebody *removes; /* lets him wait no more */
};

struct scene {
    struct room room;
    struct somebody people[WAITERS];
    char order[ORDER_BYTES]; /* who was called */
    size_t calls;
};

static void call(void *context)
{
    struct somebody *self = context;
    struct scene *scene = self->scene;
    assert_true(scene->calls + 1 < ORDER_BYTES);
    assert_false(self->waiter.waits);
    scene->order[scene->calls++] = self->letter;
    scene->order[scene->calls] = '\0';
    scene->room.used_bytes += self->takes;
    if (self->again)
        room_wait(&scene->room, &self->waiter);
    if (self->removes != NULL)
        room_wait_no_more(&scene->room, &self->removes->waiter);
}

/* Everybody waits: a, b, c ... */
static void init(struct scene *scene)
{
    *scene = (struct scene){.room = {.limit_bytes = LIMIT_BYTES, .used_bytes = LIMIT_BYTES}};
    for (size_t i = 0; i < WAITERS; i++) {
        struct somebody *self = &scene->people[i];
        *self = (struct somebody){.scene = scene, .letter = (char)('a' + i)};
        self->waiter.room = call;
        self->waiter.context = self;
        room_wait(&scene->room, &self->waiter);
    }
}

static const char *said(struct scene *scene, size_t used_bytes)
{
    scene->room.used_bytes = used_bytes;
    scene->calls = 0;
    scene->order[0] = '\0';
    room_say(&scene->room);
    return scene->order;
}

static void who_waits_is_called_when_half_of_it_is_free(void **state)
{
    struct scene scene;
    (void)state;
    init(&scene);
    assert_string_equal(said(&scene, LIMIT_BYTES / 2 + 1), "");
    assert_string_equal(said(&scene, LIMIT_BYTES / 2), "abcde");
    assert_null(scene.room.waiters);
    assert_string_equal(said(&scene, 0), ""); /* once */
}

static void who_takes_it_keeps_the_rest_waiting(void **state)
{
    struct scene scene;
    (void)state;
    init(&scene);
    scene.people[1].takes = LIMIT_BYTES / 2 + 1;
    assert_string_equal(said(&scene, 0), "ab");
    assert_string_equal(said(&scene, 0), "cde"); /* those who were not called first */
}

static void who_waits_again_is_called_the_next_time(void **state)
{
    struct scene scene;
    (void)state;
    init(&scene);
    for (size_t i = 0; i < WAITERS; i++)
        scene.people[i].again = true;
    assert_string_equal(said(&scene, 0), "abcde");
    scene.people[0].takes = LIMIT_BYTES;
    assert_string_equal(said(&scene, 0), "a");
    assert_string_equal(said(&scene, 0), "bcdea"); /* behind those who waited longer; and then it is full */
}

static void who_waits_twice_is_called_once(void **state)
{
    struct scene scene;
    (void)state;
    init(&scene);
    room_wait(&scene.room, &scene.people[0].waiter);
    room_wait(&scene.room, &scene.people[4].waiter);
    assert_string_equal(said(&scene, 0), "abcde");
}

static void who_waits_no_more_is_not_called(void **state)
{
    static const size_t places[] = {0, 2, WAITERS - 1};
    struct scene scene;
    (void)state;
    init(&scene);
    for (size_t i = 0; i < COUNT_OF(places); i++) {
        room_wait_no_more(&scene.room, &scene.people[places[i]].waiter);
        room_wait_no_more(&scene.room, &scene.people[places[i]].waiter); /* no harm */
        assert_false(scene.people[places[i]].waiter.waits);
    }
    room_wait(&scene.room, &scene.people[0].waiter);
    assert_string_equal(said(&scene, 0), "bda");
}

static void who_is_called_may_let_others_wait_no_more(void **state)
{
    struct scene scene;
    (void)state;
    init(&scene);
    scene.people[0].removes = &scene.people[1]; /* the next */
    scene.people[2].removes = &scene.people[4]; /* the last */
    scene.people[3].removes = &scene.people[3]; /* himself, and he does not wait */
    assert_string_equal(said(&scene, 0), "acd");
    assert_null(scene.room.waiters);
}

static void who_gathers_leaves_half_of_it_free(void **state)
{
    struct room room = {.limit_bytes = LIMIT_BYTES};
    struct room_part one = {.room = NULL};
    struct room_part other = {.room = NULL};
    (void)state;
    assert_true(room_take(&room, &one, LIMIT_BYTES / 2 - 1));
    assert_false(room_take(&room, &other, 2));
    assert_true(room_take(&room, &other, 1));
    room_take_anyway(&room, &other, LIMIT_BYTES);
    assert_false(room_take(&room, &one, 0)); /* there is no more than there was, but it is too much now */
    assert_int_equal(other.bytes, LIMIT_BYTES + 1);
    assert_int_equal(room.used_bytes, LIMIT_BYTES + LIMIT_BYTES / 2);
}

static void what_is_given_back_is_told(void **state)
{
    struct scene scene;
    struct room_part part = {.room = NULL};
    (void)state;
    init(&scene);
    scene.room.used_bytes = 0;
    room_keep(&part, 0); /* of nothing: no harm */
    room_take_anyway(&scene.room, &part, LIMIT_BYTES);
    room_keep(&part, LIMIT_BYTES); /* all of it */
    assert_int_equal(scene.calls, 0);
    room_keep(&part, LIMIT_BYTES / 2 + 1);
    assert_int_equal(scene.calls, 0);
    room_keep(&part, 1);
    assert_string_equal(scene.order, "abcde");
    assert_int_equal(part.bytes, 1);
    assert_int_equal(scene.room.used_bytes, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_waits_is_called_when_half_of_it_is_free),
        cmocka_unit_test(who_takes_it_keeps_the_rest_waiting),
        cmocka_unit_test(who_waits_again_is_called_the_next_time),
        cmocka_unit_test(who_waits_twice_is_called_once),
        cmocka_unit_test(who_waits_no_more_is_not_called),
        cmocka_unit_test(who_is_called_may_let_others_wait_no_more),
        cmocka_unit_test(who_gathers_leaves_half_of_it_free),
        cmocka_unit_test(what_is_given_back_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
