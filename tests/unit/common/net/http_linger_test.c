#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/socket.h>
#include <unistd.h>

#include "common/net/http_linger.h"

struct bed {
    struct clock_fake clock;
    struct http_linger *linger;
};

static int set_up(void **state)
{
    static struct bed bed;
    clock_fake_init(&bed.clock, 0, 0);
    bed.linger = http_linger_new(&bed.clock.clock, NULL);
    *state = &bed;
    return bed.linger == NULL;
}

static int tear_down(void **state)
{
    struct bed *bed = *state;
    http_linger_free(bed->linger);
    return 0;
}

/* Returns the peer's end of a connection that lingers. */
static int begin(struct bed *bed)
{
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
    http_linger_add(bed->linger, pair[0]);
    close(pair[0]);
    return pair[1];
}

static size_t count(struct bed *bed)
{
    struct pollfd fds[HTTP_LINGER_MAX];
    return http_linger_fill(bed->linger, fds);
}

static void the_peer_may_go_on_sending(void **state)
{
    struct bed *bed = *state;
    int peer = begin(bed);
    char byte;
    assert_int_equal(recv(peer, &byte, 1, 0), 0); /* our side is shut */
    static const char data[1000];
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(send(peer, data, sizeof(data), MSG_NOSIGNAL | MSG_DONTWAIT), sizeof(data));
        http_linger_drain(bed->linger);
    }
    assert_int_equal(count(bed), 1);
    close(peer);
    http_linger_drain(bed->linger);
    assert_int_equal(count(bed), 0);
}

static void its_time_is_short(void **state)
{
    struct bed *bed = *state;
    int peer = begin(bed);
    clock_fake_advance(&bed->clock, (int64_t)HTTP_LINGER_MS * US_PER_MS - 1);
    http_linger_drain(bed->linger);
    assert_int_equal(count(bed), 1);
    clock_fake_advance(&bed->clock, 1);
    http_linger_drain(bed->linger);
    assert_int_equal(count(bed), 0);
    assert_int_equal(send(peer, "x", 1, MSG_NOSIGNAL), -1);
    close(peer);
}

static void there_are_only_so_many(void **state)
{
    struct bed *bed = *state;
    int peers[HTTP_LINGER_MAX + 1];
    for (int i = 0; i <= HTTP_LINGER_MAX; i++)
        peers[i] = begin(bed);
    assert_int_equal(count(bed), HTTP_LINGER_MAX);
    for (int i = 0; i <= HTTP_LINGER_MAX; i++)
        close(peers[i]);
    http_linger_drain(bed->linger);
    assert_int_equal(count(bed), 0);
    close(begin(bed)); /* left for http_linger_free */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_peer_may_go_on_sending, set_up, tear_down),
        cmocka_unit_test_setup_teardown(its_time_is_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(there_are_only_so_many, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
