#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <pthread.h>

#include "server_tools/central/batch_queue.h"

enum { BATCHES = 500 };

/* Fills until it is sent home or has put BATCHES; gives the number it put. */
static void *fill(void *context)
{
    struct batch_queue *queue = context;
    struct batch *batch;
    intptr_t put = 0;
    while (put < BATCHES && (batch = batch_queue_take(queue)) != NULL) {
        batch->lines_done = ++put;
        batch->count = 1;
        batch_queue_put(queue, batch);
    }
    batch_queue_finish(queue);
    return (void *)put;
}

static void every_batch_comes_in_order(void **state)
{
    (void)state;
    SCOPE_BATCH_QUEUE struct batch_queue *queue = batch_queue_new(NULL);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, fill, queue), 0);
    struct batch *batch;
    int64_t seen = 0;
    while ((batch = batch_queue_next(queue)) != NULL) {
        assert_int_equal(batch->lines_done, ++seen);
        batch_queue_give_back(queue, batch);
    }
    assert_int_equal(seen, BATCHES);
    pthread_join(thread, NULL);
}

static void the_one_who_fills_waits_and_is_sent_home(void **state)
{
    (void)state;
    SCOPE_BATCH_QUEUE struct batch_queue *queue = batch_queue_new(NULL);
    pthread_t thread;
    void *put;
    assert_int_equal(pthread_create(&thread, NULL, fill, queue), 0);
    assert_non_null(batch_queue_next(queue)); /* never given back */
    batch_queue_cancel(queue);
    pthread_join(thread, &put);
    assert_in_range((intptr_t)put, 1, BATCH_QUEUE_BATCHES);
}

static void what_was_put_is_drained_after_the_end(void **state)
{
    (void)state;
    SCOPE_BATCH_QUEUE struct batch_queue *queue = batch_queue_new(NULL);
    for (int i = 0; i < BATCH_QUEUE_BATCHES; i++) {
        struct batch *batch = batch_queue_take(queue);
        assert_int_equal(batch->count, 0);
        batch->count = (size_t)i + 1;
        batch_queue_put(queue, batch);
    }
    batch_queue_finish(queue);
    for (int i = 0; i < BATCH_QUEUE_BATCHES; i++)
        assert_int_equal(batch_queue_next(queue)->count, i + 1);
    assert_null(batch_queue_next(queue));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_batch_comes_in_order),
        cmocka_unit_test(the_one_who_fills_waits_and_is_sent_home),
        cmocka_unit_test(what_was_put_is_drained_after_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
