#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "common/os/notify.h"
#include "tests/harness/test_folder.h"

static struct test_folder folder;
static struct path socket_path;
static struct error err;
static int listener;

static int setup(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    socket_path = test_folder_path(&folder, "notify");
    listener = notify_listen(socket_path.text, 0666, &err);
    setenv("NOTIFY_SOCKET", socket_path.text, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return listener >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    close(listener);
    unsetenv("NOTIFY_SOCKET");
    test_folder_remove(&folder);
    return 0;
}

static void a_message_arrives_with_its_sender(void **state)
{
    (void)state;
    struct notify_message message;
    assert_false(notify_receive(listener, &message));
    assert_true(notify_send("READY=1\nSTATUS=serving on 9876"));
    assert_true(notify_receive(listener, &message));
    assert_int_equal(message.sender, getpid());
    assert_string_equal(message.text, "READY=1\nSTATUS=serving on 9876");
    assert_false(notify_receive(listener, &message));
}

static void the_sender_is_the_process_that_sent(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0); /* -1 is everybody, to kill(2) */
    if (child == 0)
        _exit(notify_send("WATCHDOG=1\nMAINPID=1") ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    struct notify_message message;
    assert_true(notify_receive(listener, &message));
    assert_int_equal(message.sender, child);
}

static void without_a_supervisor_nothing_is_sent(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_true(notify_send("READY=1"));
    setenv("NOTIFY_SOCKET", "", 1);
    assert_true(notify_send("READY=1"));
    struct notify_message message;
    assert_false(notify_receive(listener, &message));
}

static void a_bad_address_is_false(void **state)
{
    (void)state;
    char long_path[300];
    memset(long_path, 'a', sizeof(long_path) - 1);
    long_path[sizeof(long_path) - 1] = '\0';
    long_path[0] = '/';
    const char *const bad[] = {"relative", "@", "/nowhere/at/all", long_path, "vsock:2:1"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        setenv("NOTIFY_SOCKET", bad[i], 1);
        assert_false(notify_send("READY=1"));
    }
    assert_int_equal(notify_listen(long_path, 0600, &err), -1);
    assert_int_equal(err.code, ERR_LIMIT);
    assert_int_equal(notify_listen("relative", 0600, &err), -1);
}

static void an_abstract_address_works(void **state)
{
    (void)state;
    char name[64];
    int size = snprintf(name, sizeof(name), "@telehaul-unit-%d", (int)getpid());
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path + 1, name + 1, (size_t)size - 1);
    SCOPE_FD int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + (size_t)size);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, bytes), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_true(notify_send("READY=1"));
    char text[32] = "";
    assert_int_equal(recv(fd, text, sizeof(text), 0), 7);
    assert_string_equal(text, "READY=1");
}

static void a_full_socket_drops_and_does_not_wait(void **state)
{
    (void)state;
    int sent = 0;
    while (sent < 100000 && notify_send("WATCHDOG=1"))
        sent++;
    assert_in_range(sent, 1, 99999);
    struct notify_message message;
    for (int i = 0; i < sent; i++)
        assert_true(notify_receive(listener, &message));
    assert_false(notify_receive(listener, &message));
    assert_true(notify_send("WATCHDOG=1"));
}

static void a_message_too_long_is_dropped(void **state)
{
    (void)state;
    char text[2 * NOTIFY_MESSAGE_BYTES];
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    assert_true(notify_send(text));
    text[NOTIFY_MESSAGE_BYTES - 1] = '\0';
    assert_true(notify_send(text));
    struct notify_message message;
    assert_true(notify_receive(listener, &message)); /* the second */
    assert_int_equal(strlen(message.text), NOTIFY_MESSAGE_BYTES - 1);
    assert_false(notify_receive(listener, &message));
}

static int open_descriptors(void)
{
    int count = 0;
    for (int fd = 0; fd < 1024; fd++)
        count += fcntl(fd, F_GETFD) >= 0;
    return count;
}

/* A service that sends descriptors along must not fill the supervisor's table. */
static void descriptors_that_come_along_are_closed(void **state)
{
    (void)state;
    union {
        char bytes[CMSG_SPACE(3 * sizeof(int))];
        struct cmsghdr align;
    } control = {0};
    struct iovec data = {(void *)"READY=1", 7};
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    memcpy(to.sun_path, socket_path.text, strlen(socket_path.text));
    struct msghdr header = {.msg_name = &to,
                            .msg_namelen = sizeof(to),
                            .msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = control.bytes,
                            .msg_controllen = sizeof(control.bytes)};
    struct cmsghdr *part = CMSG_FIRSTHDR(&header);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(3 * sizeof(int));
    const int fds[3] = {0, 1, 2};
    memcpy(CMSG_DATA(part), fds, sizeof(fds));
    SCOPE_FD int sender = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    int before = open_descriptors();
    assert_int_equal(sendmsg(sender, &header, 0), 7);
    struct notify_message message;
    assert_true(notify_receive(listener, &message));
    assert_string_equal(message.text, "READY=1");
    assert_int_equal(open_descriptors(), before);
}

static void a_stale_socket_is_replaced(void **state)
{
    (void)state;
    SCOPE_FD int second = notify_listen(socket_path.text, 0600, &err);
    assert_true(second >= 0);
    struct stat about;
    assert_int_equal(stat(socket_path.text, &about), 0);
    assert_int_equal(about.st_mode & 0777, 0600);
    assert_true(notify_send("READY=1"));
    struct notify_message message;
    assert_true(notify_receive(second, &message));
}

static void a_file_in_the_way_is_left(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, "file", "precious"));
    assert_int_equal(notify_listen(test_folder_path(&folder, "file").text, 0600, &err), -1);
    assert_int_equal(err.code, ERR_EXISTS);
    assert_true(test_folder_has(&folder, "file", "precious"));
}

static void messages_are_read_line_by_line(void **state)
{
    (void)state;
    struct notify_message message = {1, "READY=1\nSTATUS=a=b, two words\nX_READY=2\nEMPTY=\n"};
    assert_true(notify_has(&message, "READY=1"));
    assert_false(notify_has(&message, "READY=2"));
    assert_false(notify_has(&message, "READY"));
    assert_false(notify_has(&message, "TATUS=a=b, two words"));
    char value[16] = "old";
    assert_true(notify_value(&message, "STATUS", value, sizeof(value)));
    assert_string_equal(value, "a=b, two words");
    assert_true(notify_value(&message, "STATUS", value, 4));
    assert_string_equal(value, "a=b");
    assert_true(notify_value(&message, "EMPTY", value, sizeof(value)));
    assert_string_equal(value, "");
    assert_false(notify_value(&message, "STAT", value, sizeof(value)));
    assert_false(notify_value(&message, "MISSING", value, sizeof(value)));
    assert_string_equal(value, "");
}

static void beats_are_half_the_period(void **state)
{
    (void)state;
    char me[32];
    char other[32];
    snprintf(me, sizeof(me), "%d", (int)getpid());
    snprintf(other, sizeof(other), "%d", (int)getppid());
    const struct {
        const char *period, *pid;
        int64_t beat_ms;
    } table[] = {
        {NULL, NULL, 0},        {"30000000", NULL, 15000}, {"30000000", me, 15000},
        {"30000000", other, 0}, {"30000000", "x", 0},      {"0", NULL, 0},
        {"1", NULL, 1},         {"-1", NULL, 0},           {"ten", NULL, 0},
        {"", NULL, 0},          {"3000000", me, 1500},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        unsetenv("WATCHDOG_USEC");
        unsetenv("WATCHDOG_PID");
        if (table[i].period != NULL)
            setenv("WATCHDOG_USEC", table[i].period, 1);
        if (table[i].pid != NULL)
            setenv("WATCHDOG_PID", table[i].pid, 1);
        assert_int_equal(notify_beat_period_ms(), table[i].beat_ms);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_arrives_with_its_sender),
        TEST(the_sender_is_the_process_that_sent),
        TEST(without_a_supervisor_nothing_is_sent),
        TEST(a_bad_address_is_false),
        TEST(an_abstract_address_works),
        TEST(a_full_socket_drops_and_does_not_wait),
        TEST(a_message_too_long_is_dropped),
        TEST(descriptors_that_come_along_are_closed),
        TEST(a_stale_socket_is_replaced),
        TEST(a_file_in_the_way_is_left),
        TEST(messages_are_read_line_by_line),
        TEST(beats_are_half_the_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
