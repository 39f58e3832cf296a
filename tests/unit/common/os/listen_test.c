#include "common/os/listen.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static char folder[] = "/tmp/listen_test.XXXXXX";

static int enter_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) == NULL || chdir(folder) != 0;
}

static int leave_folder(void **state)
{
    (void)state;
    return chdir("/") != 0 || rmdir(folder) != 0;
}

static int connect_to(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

static void a_tcp_socket_gets_a_port_of_its_own(void **state)
{
    (void)state;
    struct error err;
    uint16_t port = 0;
    int fd = listen_tcp("127.0.0.1", 0, &err);
    assert_true(fd >= 0);
    assert_true(listen_port(fd, &port, &err));
    assert_int_not_equal(port, 0);
    assert_int_equal(listen_tcp("127.0.0.1", port, &err), -1);
    assert_int_equal(listen_tcp("localhost", 0, &err), -1);
    assert_int_equal(err.code, ERR_USAGE);
    close(fd);
}

static void loopback_is_this_machine_alone(void **state)
{
    (void)state;
    assert_true(listen_is_loopback("127.0.0.1"));
    assert_true(listen_is_loopback("127.9.9.9"));
    assert_true(listen_is_loopback("::1"));
    assert_false(listen_is_loopback("0.0.0.0"));
    assert_false(listen_is_loopback("::"));
    assert_false(listen_is_loopback("10.0.0.1"));
    assert_false(listen_is_loopback("localhost"));
}

static void a_unix_socket_has_its_mode_and_takes_connections(void **state)
{
    (void)state;
    struct error err;
    struct stat about;
    mode_t before = umask(0);
    int fd = listen_unix("a.sock", 0660, &err);
    assert_true(fd >= 0);
    assert_int_equal(umask(before), 0); /* it is put back */
    assert_int_equal(stat("a.sock", &about), 0);
    assert_int_equal(about.st_mode & 07777, 0660);
    close(connect_to("a.sock"));
    close(fd);
    unlink("a.sock");
}

static void a_stale_socket_is_replaced_and_a_live_one_is_not(void **state)
{
    (void)state;
    struct error err;
    close(listen_unix("a.sock", 0660, &err));
    int fd = listen_unix("a.sock", 0660, &err);
    assert_true(fd >= 0);
    assert_int_equal(listen_unix("a.sock", 0660, &err), -1);
    assert_int_equal(err.code, ERR_BUSY);
    close(connect_to("a.sock"));
    close(fd);
    unlink("a.sock");
}

static void what_is_no_socket_stays(void **state)
{
    (void)state;
    struct error err;
    close(open("file", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
    assert_int_equal(listen_unix("file", 0660, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_int_equal(unlink("file"), 0);
    char is_long[200];
    memset(is_long, 'x', sizeof(is_long));
    is_long[108] = '\0';
    assert_int_equal(listen_unix(is_long, 0660, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tcp_socket_gets_a_port_of_its_own),
        cmocka_unit_test(loopback_is_this_machine_alone),
        cmocka_unit_test(a_unix_socket_has_its_mode_and_takes_connections),
        cmocka_unit_test(a_stale_socket_is_replaced_and_a_live_one_is_not),
        cmocka_unit_test(what_is_no_socket_stays),
    };
    return cmocka_run_group_tests(tests, enter_folder, leave_folder);
}
