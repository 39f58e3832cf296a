#include "common/os/process_tree.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* child -> grandchild -> great-grandchild, each waiting for a signal; they tell their pids through a pipe,
 * which ends when all have told theirs or one could not be made. */
struct family {
    pid_t pids[3];
};

static void wait_for_ever(void)
{
    for (;;)
        pause();
}

static void live(int fd)
{
    for (int generation = 0; generation < 3; generation++) {
        pid_t self = getpid();
        if (write(fd, &self, sizeof(self)) != sizeof(self))
            _exit(1);
        if (generation == 2 || fork() != 0) {
            close(fd);
            wait_for_ever();
        }
    }
}

static int set_up(void **state)
{
    struct family *family = calloc(1, sizeof(*family));
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    if (fork() == 0)
        live(ends[1]);
    close(ends[1]);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(read(ends[0], &family->pids[i], sizeof(pid_t)), sizeof(pid_t));
    close(ends[0]);
    *state = family;
    return 0;
}

static int tear_down(void **state)
{
    struct family *family = *state;
    for (size_t i = 0; i < 3; i++)
        kill(family->pids[i], SIGKILL);
    while (waitpid(-1, NULL, 0) > 0)
        continue;
    free(family);
    return 0;
}

static void finds_all_that_descends(void **state)
{
    const struct family *family = *state;
    static struct process_tree tree;
    assert_true(process_tree_read(getpid(), NULL, 0, &tree));
    assert_int_equal(tree.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(tree.pids[i], family->pids[i]); /* parents first */
    assert_true(process_tree_read(family->pids[1], NULL, 0, &tree));
    assert_int_equal(tree.count, 1);
    assert_int_equal(tree.pids[0], family->pids[2]);
}

static void leaves_the_spared_and_theirs_out(void **state)
{
    const struct family *family = *state;
    static struct process_tree tree;
    assert_true(process_tree_read(getpid(), &family->pids[1], 1, &tree));
    assert_int_equal(tree.count, 1);
    assert_int_equal(tree.pids[0], family->pids[0]);
}

static void signals_reach_all_of_them(void **state)
{
    const struct family *family = *state;
    static struct process_tree tree;
    assert_true(process_tree_read(getpid(), NULL, 0, &tree));
    assert_int_equal(process_tree_signal(&tree, SIGKILL), 3);
    int status;
    assert_int_equal(waitpid(family->pids[0], &status, 0), family->pids[0]);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

/* A tree that was read long ago names pids that belong to others by now: init must not be hit. */
static void a_stranger_is_never_hit(void **state)
{
    (void)state;
    static struct process_tree tree;
    tree = (struct process_tree){.pids = {getppid()}, .count = 1};
    assert_int_equal(process_tree_signal(&tree, 0), 0);
}

static void finds_the_owner(void **state)
{
    const struct family *family = *state;
    pid_t owners[] = {0, family->pids[1], family->pids[0]};
    assert_int_equal(process_tree_owner(family->pids[2], owners, 3), 1);
    assert_int_equal(process_tree_owner(family->pids[1], owners, 3), 1);
    assert_int_equal(process_tree_owner(family->pids[0], owners, 3), 2);
    assert_int_equal(process_tree_owner(getpid(), owners, 3), 3);
    assert_int_equal(process_tree_owner(1, owners, 3), 3);
}

int main(void)
{
    prctl(PR_SET_CHILD_SUBREAPER, 1); /* as the watchdog and its guards are */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(finds_all_that_descends, set_up, tear_down),
        cmocka_unit_test_setup_teardown(leaves_the_spared_and_theirs_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(signals_reach_all_of_them, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_stranger_is_never_hit, set_up, tear_down),
        cmocka_unit_test_setup_teardown(finds_the_owner, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
