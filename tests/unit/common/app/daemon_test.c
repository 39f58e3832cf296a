#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <sys/wait.h>

#include "common/app/daemon.h"
#include "common/os/notify.h"
#include "tests/harness/capture.h"
#include "tests/harness/test_folder.h"

enum { DEADLINE_MS = 10000, ARGUMENTS_MAX = 8 };

static struct {
    struct test_folder root;
    struct capture capture;
    struct error err;
    int64_t speed;
    bool check_result;
    unsigned checks;
} t;

static bool check(struct daemon *daemon, struct error *err)
{
    t.checks++;
    assert_true(daemon->check_config);
    return t.check_result || error_set(err, ERR_INPUT, "INPUT: drive: unknown word x");
}

static const struct option extra[] = {{.name = "speed",
                                       .kind = OPTION_NUMBER,
                                       .target = &t.speed,
                                       .value_name = "N",
                                       .min = 1,
                                       .max = 9,
                                       .help = "how fast"}};

static const struct daemon_spec spec = {
    .name = "demo",
    .summary = "does nothing for ever",
    .usage = "demo --root DIR",
    .extra = extra,
    .extra_count = COUNT_OF(extra),
    .check = check,
};

static int setup(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    t.check_result = true;
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    return test_folder_make(&t.root) && test_folder_write(&t.root, "config.txt", "") ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    test_folder_remove(&t.root);
    return 0;
}

/* arguments: NULL-terminated, behind the program's name. */
static int open_daemon(struct daemon *daemon, char *const *arguments)
{
    char *argv[ARGUMENTS_MAX + 1] = {"demo"};
    int argc = 1;
    while (arguments[argc - 1] != NULL && argc < ARGUMENTS_MAX) {
        argv[argc] = arguments[argc - 1];
        argc++;
    }
    capture_begin(&t.capture);
    int code = daemon_open(daemon, &spec, argc, argv);
    capture_end(&t.capture);
    return code;
}

static void it_opens_with_config_and_loop(void **state)
{
    (void)state;
    struct daemon daemon;
    assert_true(test_folder_write(&t.root, "config.txt", "LOG_LEVEL = debug\nLOG_FORMAT = json\nX = 1\n"));
    char *arguments[] = {"--root", t.root.path, "--speed=3", NULL};
    assert_int_equal(open_daemon(&daemon, arguments), -1);
    assert_int_equal(t.speed, 3);
    assert_int_equal(daemon.log.level, LOG_DEBUG);
    assert_int_equal(daemon.log.format, LOG_JSON);
    assert_non_null(daemon.loop);
    assert_int_equal(t.checks, 0);
    assert_non_null(strstr(t.capture.err, "unknown key X is ignored"));
    assert_string_equal(t.capture.out, "");
    daemon_close(&daemon);
}

static void wrong_starts_have_their_exit_code(void **state)
{
    (void)state;
    struct daemon daemon;
    char *no_root[] = {NULL};
    assert_int_equal(open_daemon(&daemon, no_root), 2);
    assert_non_null(strstr(t.capture.err, "--root DIR is missing"));
    char *word[] = {"--root", t.root.path, "stray", NULL};
    assert_int_equal(open_daemon(&daemon, word), 2);
    char *elsewhere[] = {"--root", "/no/such", NULL};
    assert_int_equal(open_daemon(&daemon, elsewhere), 1);
    assert_non_null(strstr(t.capture.err, "error demo: /no/such is no Telehaul root"));
    assert_true(test_folder_write(&t.root, "config.txt", "AGENT_PORT = x\n"));
    char *bad[] = {"--root", t.root.path, NULL};
    assert_int_equal(open_daemon(&daemon, bad), 2);
    assert_non_null(strstr(t.capture.err, "config.txt:1: AGENT_PORT: expected"));
    char *help[] = {"--help", NULL};
    assert_int_equal(open_daemon(&daemon, help), 0);
    assert_non_null(strstr(t.capture.out, "--check-config"));
    assert_non_null(strstr(t.capture.out, "--speed N"));
    assert_string_equal(t.capture.err, "");
}

static void check_config_is_strict_and_starts_nothing(void **state)
{
    (void)state;
    struct daemon daemon;
    char *arguments[] = {"--root", t.root.path, "--check-config", NULL};
    assert_int_equal(open_daemon(&daemon, arguments), 0);
    assert_string_equal(t.capture.out, "ok\n");
    assert_string_equal(t.capture.err, "");
    assert_int_equal(t.checks, 1);
    t.check_result = false;
    assert_int_equal(open_daemon(&daemon, arguments), 5);
    assert_string_equal(t.capture.out, "");
    assert_non_null(strstr(t.capture.err, "unknown word x"));
    t.check_result = true;
    assert_true(test_folder_write(&t.root, "config.txt", "X = 1\n"));
    assert_int_equal(open_daemon(&daemon, arguments), 2);
    assert_non_null(strstr(t.capture.err, "unknown key X"));
}

/* Waits for the next message of the child. */
static void expect_message(int listener, pid_t child, const char *line)
{
    struct notify_message message;
    struct pollfd wait = {listener, POLLIN, 0};
    assert_int_equal(poll(&wait, 1, DEADLINE_MS), 1);
    assert_true(notify_receive(listener, &message));
    assert_int_equal(message.sender, child);
    if (!notify_has(&message, line))
        fail_msg("expected %s, got %s", line, message.text);
}

static int child_main(void)
{
    struct daemon daemon;
    char *argv[] = {"demo", "--root", t.root.path, NULL};
    struct error err;
    if (daemon_open(&daemon, &spec, 3, argv) != -1)
        return 10;
    daemon.log.fd = -1;
    bool ok = daemon_run(&daemon, "doing nothing", &err);
    daemon_close(&daemon);
    return ok ? 0 : 11;
}

static void assert_runs_until(int signal_number)
{
    struct path path = test_folder_path(&t.root, "notify");
    SCOPE_FD int listener = notify_listen(path.text, 0600, &t.err);
    assert_true(listener >= 0);
    setenv("NOTIFY_SOCKET", path.text, 1);
    setenv("WATCHDOG_USEC", "40000", 1);
    pid_t child = fork();
    assert_true(child >= 0); /* -1 is everybody, to kill(2) */
    if (child == 0)
        _exit(child_main());
    expect_message(listener, child, "READY=1");
    for (int beats = 0; beats < 3; beats++)
        expect_message(listener, child, "WATCHDOG=1");
    kill(child, SIGPIPE); /* ignored */
    expect_message(listener, child, "WATCHDOG=1");
    /* its beats must not fill the socket while we are slow: it finds room for its last words */
    int status;
    struct notify_message message;
    assert_int_equal(kill(child, SIGSTOP), 0);
    assert_int_equal(waitpid(child, &status, WUNTRACED), child);
    assert_true(WIFSTOPPED(status));
    while (notify_receive(listener, &message))
        continue;
    assert_int_equal(kill(child, signal_number), 0);
    assert_int_equal(kill(child, SIGCONT), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    bool stopping = false;
    while (notify_receive(listener, &message))
        stopping = notify_has(&message, "STOPPING=1");
    assert_true(stopping); /* and it was the last word */
}

static void it_says_ready_beats_and_stops(void **state)
{
    (void)state;
    assert_runs_until(SIGTERM);
    assert_runs_until(SIGINT);
}

static void ready_is_said_until_it_arrives(void **state)
{
    (void)state;
    struct path path = test_folder_path(&t.root, "notify");
    SCOPE_FD int listener = notify_listen(path.text, 0600, &t.err);
    setenv("NOTIFY_SOCKET", path.text, 1);
    setenv("WATCHDOG_USEC", "40000", 1);
    while (notify_send("STATUS=a busy supervisor has not read this yet"))
        continue;
    pid_t child = fork();
    assert_true(child >= 0); /* -1 is everybody, to kill(2) */
    if (child == 0)
        _exit(child_main());
    poll(NULL, 0, 300); /* its first words find no room */
    struct notify_message message = {.text = ""};
    struct pollfd wait = {listener, POLLIN, 0};
    while (!notify_has(&message, "READY=1")) {
        assert_int_equal(poll(&wait, 1, DEADLINE_MS), 1);
        if (notify_receive(listener, &message) && message.sender == child)
            assert_false(notify_has(&message, "WATCHDOG=1")); /* it comes first */
    }
    kill(child, SIGTERM);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

/* SIGTERM between daemon_open and daemon_run is not lost. */
static void a_stop_before_it_runs_counts(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0); /* -1 is everybody, to kill(2) */
    if (child == 0) {
        struct daemon daemon;
        char *argv[] = {"demo", "--root", t.root.path, NULL};
        if (daemon_open(&daemon, &spec, 3, argv) != -1)
            _exit(10);
        daemon.log.fd = -1;
        raise(SIGTERM);
        bool ok = daemon_run(&daemon, "", &t.err);
        daemon_close(&daemon);
        _exit(ok ? 0 : 11);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_opens_with_config_and_loop),
        TEST(wrong_starts_have_their_exit_code),
        TEST(check_config_is_strict_and_starts_nothing),
        TEST(it_says_ready_beats_and_stops),
        TEST(ready_is_said_until_it_arrives),
        TEST(a_stop_before_it_runs_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
