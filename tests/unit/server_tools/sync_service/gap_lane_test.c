#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "server_tools/sync_service/turn.h"

enum { TICKETS = 5, PARALLEL = 2 };

struct lane_world {
    struct loop *loop;
    struct gap_lane *lane;
    struct gap_ticket tickets[TICKETS];
    char order[32]; /* who began, in this order */
    size_t begun;
    struct room_waiter *waiter; /* the writer has no room */
};

/* The writer's part, of the test's own. */
void writer_wait_for_room(struct writer *writer, struct room_waiter *waiter)
{
    ((struct lane_world *)(void *)writer)->waiter = waiter;
    waiter->waits = true;
}

static struct lane_world *world; /* the tickets' callbacks know their own place alone */

static void run(void *context)
{
    const struct gap_ticket *ticket = context;
    world->order[world->begun++] = (char)('a' + (ticket - world->tickets));
    world->order[world->begun] = '\0';
}

static int set_up(void **state)
{
    static struct lane_world fresh;
    struct error err;
    fresh = (struct lane_world){.loop = loop_new(&err)};
    world = &fresh;
    world->lane = gap_lane_new(world->loop, PARALLEL, &err);
    for (size_t i = 0; i < TICKETS; i++)
        world->tickets[i] = (struct gap_ticket){.run = run, .context = &world->tickets[i]};
    *state = world;
    return world->loop == NULL || world->lane == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    gap_lane_free(world->lane);
    loop_free(world->loop);
    return 0;
}

static void stop(void *context, uint64_t times)
{
    (void)times;
    loop_stop(context);
}

/* Everything that is due has happened. */
static void run_loop(void)
{
    struct error err;
    struct loop_watch *timer = loop_timer(world->loop, 30, 0, stop, world->loop, &err);
    assert_non_null(timer);
    assert_true(loop_run(world->loop, &err));
    loop_remove(timer);
}

static void ask(size_t ticket)
{
    gap_lane_ask(world->lane, &world->tickets[ticket]);
}

static void done(size_t ticket)
{
    gap_lane_done(world->lane, &world->tickets[ticket]);
}

static void so_many_at_a_time_in_turn(void **state)
{
    (void)state;
    for (size_t i = 0; i < TICKETS; i++)
        ask(i);
    ask(3);                            /* it waits already */
    assert_int_equal(world->begun, 0); /* never from within */
    run_loop();
    assert_string_equal(world->order, "ab");
    assert_true(gap_lane_is_wanted(world->lane));
    done(0);
    ask(0); /* behind the others */
    done(1);
    run_loop();
    assert_string_equal(world->order, "abcd");
    done(2);
    done(3);
    run_loop();
    assert_string_equal(world->order, "abcdea");
    assert_false(gap_lane_is_wanted(world->lane));
    done(4);
    done(0);
    done(0); /* no harm */
    run_loop();
    assert_string_equal(world->order, "abcdea");
}

static void a_free_place_is_had_at_once_and_none_is_waited_for(void **state)
{
    (void)state;
    struct gap_ticket *tickets = world->tickets;
    assert_true(gap_lane_try(world->lane, &tickets[0]));
    assert_true(gap_lane_try(world->lane, &tickets[1]));
    assert_false(gap_lane_try(world->lane, &tickets[1])); /* it has one */
    assert_false(gap_lane_try(world->lane, &tickets[2]));
    assert_false(gap_lane_is_wanted(world->lane)); /* who tries does not queue */
    ask(3);
    done(0);
    assert_false(gap_lane_try(world->lane, &tickets[2])); /* it is for who waits */
    run_loop();
    assert_string_equal(world->order, "d"); /* nobody is called for a place that he has tried for */
    done(1);
    assert_true(gap_lane_try(world->lane, &tickets[2]));
    gap_lane_wait_for_room(world->lane, (struct writer *)(void *)world);
    done(2);
    assert_false(gap_lane_try(world->lane, &tickets[2]));
}

static void a_ticket_can_be_taken_back(void **state)
{
    (void)state;
    for (size_t i = 0; i < TICKETS; i++)
        ask(i);
    run_loop();
    done(4); /* the last of those that wait */
    done(2); /* the first */
    ask(2);
    done(0);
    done(1);
    run_loop();
    assert_string_equal(world->order, "abdc");
}

static void without_room_nothing_begins(void **state)
{
    (void)state;
    gap_lane_wait_for_room(world->lane, (struct writer *)(void *)world);
    ask(0);
    run_loop();
    assert_string_equal(world->order, "");
    world->waiter->waits = false;
    world->waiter->room(world->waiter->context);
    run_loop();
    assert_string_equal(world->order, "a");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(so_many_at_a_time_in_turn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_free_place_is_had_at_once_and_none_is_waited_for, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_ticket_can_be_taken_back, set_up, tear_down),
        cmocka_unit_test_setup_teardown(without_room_nothing_begins, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
