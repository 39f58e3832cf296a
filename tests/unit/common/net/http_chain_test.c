#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/net/http_chain.h"

struct member {
    char name;
    struct http_link link;
};

static void check(const struct http_chain *chain, const char *names)
{
    size_t count = 0;
    for (const struct http_link *link = chain->first; link != NULL; link = link->next, count++) {
        assert_int_equal(((const struct member *)link->owner)->name, names[count]);
        assert_ptr_equal(link->chain, chain);
        assert_ptr_equal(link->next != NULL ? link->next->previous : chain->last, link);
    }
    assert_int_equal(names[count], '\0');
    assert_int_equal(chain->count, count);
    const struct member *first = http_chain_first(chain);
    assert_true(count == 0 ? first == NULL : first->name == names[0]);
}

static void members_leave_from_anywhere(void **state)
{
    (void)state;
    static const struct {
        size_t leaves;
        const char *left;
    } cases[] = {{0, "bc"}, {1, "ac"}, {2, "ab"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct http_chain chain = {0};
        struct member members[] = {{.name = 'a'}, {.name = 'b'}, {.name = 'c'}};
        check(&chain, "");
        for (size_t k = 0; k < 3; k++)
            http_chain_add(&chain, &members[k].link, &members[k]);
        http_chain_add(&chain, &members[0].link, &members[0]); /* it is in it already, and keeps its place */
        check(&chain, "abc");
        http_chain_remove(&members[cases[i].leaves].link);
        http_chain_remove(&members[cases[i].leaves].link);
        check(&chain, cases[i].left);
        struct member *returns = &members[cases[i].leaves];
        http_chain_add(&chain, &returns->link, returns); /* last now */
        assert_ptr_equal(chain.last, &returns->link);
        for (size_t k = 0; k < 3; k++)
            http_chain_remove(&members[k].link);
        check(&chain, "");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(members_leave_from_anywhere)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
