#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "common/os/mailbox.h"

enum { DEADLINE_MS = 20000, THREADS = 4, LETTERS = 20000 };

struct numbered {
    struct letter letter; /* first */
    int sender, number;
};

static struct {
    struct loop *loop;
    struct mailbox *mailbox;
    struct error err;
    int count, wanted;
    int order[8];
    int last[THREADS]; /* of each sender */
    bool mixed_up, late;
} t;

static void too_late(void *context, uint64_t times)
{
    (void)context;
    (void)times;
    t.late = true;
    loop_stop(t.loop);
}

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.loop = loop_new(&t.err);
    t.mailbox = t.loop == NULL ? NULL : mailbox_new(t.loop, &t.err);
    return t.mailbox != NULL && loop_timer(t.loop, DEADLINE_MS, 0, too_late, NULL, &t.err) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    mailbox_free(t.mailbox);
    loop_free(t.loop);
    return 0;
}

static void run(int wanted)
{
    t.wanted = wanted;
    assert_true(loop_run(t.loop, &t.err));
    assert_false(t.late);
    assert_int_equal(t.count, wanted);
}

static void note(struct letter *letter)
{
    struct numbered *numbered = (struct numbered *)letter;
    t.order[t.count] = numbered->number;
    if (++t.count == t.wanted)
        loop_stop(t.loop);
}

static void letters_are_read_in_their_order(void **state)
{
    (void)state;
    struct numbered letters[3];
    for (int i = 0; i < 3; i++) {
        letters[i] = (struct numbered){.letter.read = note, .number = i};
        mailbox_post(t.mailbox, &letters[i].letter);
    }
    run(3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(t.order[i], i);
}

/* ---- from the letters themselves ---- */

static void post_again(struct letter *letter)
{
    struct numbered *numbered = (struct numbered *)letter;
    note(letter);
    if (--numbered->number >= 0)
        mailbox_post(t.mailbox, letter);
    else
        free(numbered);
}

static struct numbered *returning_letter(void)
{
    struct numbered *numbered = calloc(1, sizeof(*numbered));
    assert_non_null(numbered);
    *numbered = (struct numbered){.letter.read = post_again, .number = 2};
    return numbered;
}

static void a_letter_may_be_posted_again_and_freed_by_its_reader(void **state)
{
    (void)state;
    mailbox_post(t.mailbox, &returning_letter()->letter);
    run(3);
}

static void what_is_there_is_read_before_the_end(void **state)
{
    (void)state;
    t.wanted = -1;
    mailbox_post(t.mailbox, &returning_letter()->letter);
    mailbox_free(t.mailbox);
    t.mailbox = NULL;
    assert_int_equal(t.count, 3);
}

/* ---- from several threads ---- */

static void check_order(struct letter *letter)
{
    struct numbered *numbered = (struct numbered *)letter;
    t.mixed_up = t.mixed_up || numbered->number != t.last[numbered->sender] + 1;
    t.last[numbered->sender] = numbered->number;
    free(numbered);
    if (++t.count == t.wanted)
        loop_stop(t.loop);
}

static void *send_many(void *context)
{
    for (int i = 1; i <= LETTERS; i++) {
        struct numbered *numbered = calloc(1, sizeof(*numbered));
        if (numbered == NULL)
            return NULL;
        *numbered = (struct numbered){.letter.read = check_order, .sender = *(int *)context, .number = i};
        mailbox_post(t.mailbox, &numbered->letter);
    }
    return NULL;
}

static void every_letter_of_every_thread_is_read_once_and_in_order(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    int senders[THREADS];
    for (int i = 0; i < THREADS; i++) {
        senders[i] = i;
        assert_int_equal(pthread_create(&threads[i], NULL, send_many, &senders[i]), 0);
    }
    run(THREADS * LETTERS);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_false(t.mixed_up);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(t.last[i], LETTERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(letters_are_read_in_their_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_letter_may_be_posted_again_and_freed_by_its_reader, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_is_there_is_read_before_the_end, setup, teardown),
        cmocka_unit_test_setup_teardown(every_letter_of_every_thread_is_read_once_and_in_order, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
