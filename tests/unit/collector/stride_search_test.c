#include "collector/stride_search.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What belongs to the block: from first to last, but for one hole. */
struct block {
    int64_t first, last, hole;
    int64_t fails_at;
    int questions;
};

static bool ask(void *context, int64_t at, bool *inside, struct error *err)
{
    struct block *block = context;
    block->questions++;
    if (at == block->fails_at)
        return error_set(err, ERR_IO, "asked for %lld", (long long)at);
    *inside = at >= block->first && at <= block->last && at != block->hole;
    return true;
}

static int64_t search(struct block *block)
{
    const struct stride_question question = {ask, block};
    struct error err;
    int64_t behind = -1;
    assert_true(stride_search(&question, block->first, &behind, &err));
    return behind;
}

static void a_block_of_any_size_ends_where_it_ends(void **state)
{
    (void)state;
    for (int64_t size = 1; size < 1000; size++) {
        struct block block = {.first = -500, .last = -500 + size - 1, .hole = 1, .fails_at = INT64_MAX};
        if (block.last >= 1)
            block.hole = INT64_MIN;
        assert_int_equal(search(&block), -500 + size);
        assert_true(block.questions <= 20);
    }
}

static void a_large_block_costs_few_questions(void **state)
{
    (void)state;
    struct block block = {.first = 0, .last = INT64_C(1) << 40, .hole = -1, .fails_at = -1};
    assert_int_equal(search(&block), (INT64_C(1) << 40) + 1);
    assert_true(block.questions <= 82);
}

static void behind_a_hole_comes_after_what_belongs_to_it(void **state)
{
    (void)state;
    struct block block = {.first = 0, .last = 1000, .hole = 15, .fails_at = -1};
    int64_t behind = search(&block);
    assert_true(behind == 15 || behind == 1001);
}

static void a_block_without_end(void **state)
{
    (void)state;
    struct block block = {.first = 5, .last = INT64_MAX, .hole = -1, .fails_at = -1};
    assert_int_equal(search(&block), INT64_MAX);
}

static void a_question_that_fails_ends_the_search(void **state)
{
    (void)state;
    struct block block = {.first = 0, .last = 100, .hole = -1, .fails_at = 7};
    const struct stride_question question = {ask, &block};
    struct error err;
    int64_t behind = -1;
    assert_false(stride_search(&question, 0, &behind, &err));
    assert_int_equal(err.code, ERR_IO);
    assert_int_equal(behind, -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_of_any_size_ends_where_it_ends),
        cmocka_unit_test(a_large_block_costs_few_questions),
        cmocka_unit_test(behind_a_hole_comes_after_what_belongs_to_it),
        cmocka_unit_test(a_block_without_end),
        cmocka_unit_test(a_question_that_fails_ends_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
