#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "common/os/process.h"
#include "tests/harness/test_folder.h"

enum { OUTPUT_MAX_BYTES = 64 * 1024, DEADLINE_MS = 10000 };

#define SH(script)                                                                                           \
    (const char *const[])                                                                                    \
    {                                                                                                        \
        "/bin/sh", "-c", (script), NULL                                                                      \
    }

static struct error err;

static int wait_for(pid_t pid)
{
    int status = -1;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

/* Runs it to its end; what it printed, in *out. */
static int run(struct process_spec spec, struct buf *out)
{
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    spec.stdout_fd = ends[1];
    pid_t pid = 0;
    bool started = process_start(&spec, &pid, &err);
    close(ends[1]);
    if (!started)
        fail_msg("%s", err.text);
    assert_true(file_read_all(ends[0], out, &err));
    close(ends[0]);
    return wait_for(pid);
}

static void assert_prints(const char *script, struct process_spec spec, const char *expected)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(OUTPUT_MAX_BYTES);
    spec.argv = SH(script);
    int status = run(spec, &out);
    assert_int_equal(status, 0);
    assert_string_equal(buf_text(&out), expected);
}

/* ---- what is started ----------------------------------------------------------------------------------- */

static void runs_with_arguments(void **state)
{
    (void)state;
    SCOPE_BUF struct buf out = BUF_LIMIT(OUTPUT_MAX_BYTES);
    struct process_spec spec = PROCESS_SPEC;
    spec.argv = (const char *const[]){"/bin/sh", "-c", "echo \"$0|$1\"; exit 3", "a b", "$HOME", NULL};
    int status = run(spec, &out);
    assert_int_equal(WEXITSTATUS(status), 3);
    assert_string_equal(buf_text(&out), "a b|$HOME\n");
}

static void environment_is_ours_and_more(void **state)
{
    (void)state;
    struct process_spec spec = PROCESS_SPEC;
    setenv("UNIT_KEPT", "kept", 1);
    setenv("UNIT_CHANGED", "old", 1);
    setenv("UNIT_CHANGED_NOT", "same", 1);
    setenv("UNIT_GONE", "here", 1);
    spec.environment = (const char *const[]){"UNIT_CHANGED=new", "UNIT_GONE", "UNIT_NEW=a=b", NULL};
    assert_prints("echo $UNIT_KEPT $UNIT_CHANGED $UNIT_CHANGED_NOT ${UNIT_GONE-gone} $UNIT_NEW;"
                  "env | grep -c ^UNIT_CHANGED=",
                  spec, "kept new same gone a=b\n1\n");
}

static void works_in_the_folder(void **state)
{
    (void)state;
    struct process_spec spec = PROCESS_SPEC;
    spec.folder = "/usr";
    assert_prints("pwd", spec, "/usr\n");
}

static void stdin_is_empty_unless_given(void **state)
{
    (void)state;
    struct process_spec spec = PROCESS_SPEC;
    assert_prints("cat; readlink /proc/self/fd/0", spec, "/dev/null\n");
    SCOPE_FD int fd = file_open("/proc/self/comm", O_RDONLY, &err);
    spec.stdin_fd = fd;
    assert_prints("cat >/dev/null && echo read", spec, "read\n");
}

static void stdio_may_be_given_crosswise(void **state)
{
    (void)state;
    struct test_folder folder;
    assert_true(test_folder_make(&folder));
    SCOPE_FD int out = file_create(test_folder_path(&folder, "out").text, O_WRONLY | O_CREAT, 0600, &err);
    SCOPE_FD int errors = file_create(test_folder_path(&folder, "err").text, O_WRONLY | O_CREAT, 0600, &err);
    SCOPE_FD int old_out = fcntl(1, F_DUPFD_CLOEXEC, 10);
    SCOPE_FD int old_errors = fcntl(2, F_DUPFD_CLOEXEC, 10);
    struct process_spec spec = PROCESS_SPEC;
    spec.argv = SH("echo to out; echo to err >&2");
    spec.stdout_fd = 2;
    spec.stderr_fd = 1;
    pid_t pid;
    dup2(out, 2); /* our own stderr is the file `out` and our stdout the file `err` */
    dup2(errors, 1);
    bool started = process_start(&spec, &pid, &err);
    dup2(old_out, 1);
    dup2(old_errors, 2);
    assert_true(started);
    assert_int_equal(wait_for(pid), 0);
    assert_true(test_folder_has(&folder, "out", "to out\n"));
    assert_true(test_folder_has(&folder, "err", "to err\n"));
    test_folder_remove(&folder);
}

/* No descriptor of ours reaches it, whether it was opened with O_CLOEXEC or not; but the one that is kept. */
static void other_descriptors_are_closed(void **state)
{
    (void)state;
    SCOPE_FD int careless = open("/dev/null", O_RDONLY);
    SCOPE_FD int kept = file_open("/dev/null", O_RDONLY, &err);
    assert_true(careless >= 3 && kept >= 3);
    SCOPE_FD int high = fcntl(careless, F_DUPFD, 900);
    assert_true(high >= 900);
    static const char script[] = "ls /proc/$$/fd; :"; /* those of the shell, not of ls */
    struct process_spec spec = PROCESS_SPEC;
    assert_prints(script, spec, "0\n1\n2\n");
    spec.keep_fd = kept;
    char expected[32];
    snprintf(expected, sizeof(expected), "0\n1\n2\n%d\n", kept);
    assert_prints(script, spec, expected);
}

static void ignore_signal(int number)
{
    (void)number;
}

static void signals_are_as_at_a_fresh_start(void **state)
{
    (void)state;
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGUSR1);
    sigaddset(&blocked, SIGTERM);
    pthread_sigmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGUSR2, ignore_signal);
    struct process_spec spec = PROCESS_SPEC;
    /* but for 32 and 33, which are glibc's own and stay as whoever started this test left them */
    assert_prints("cat /proc/self/status | while read name mask; do case $name in Sig[BIC]*) "
                  "echo $name $((0x$mask & ~0x180000000));; esac; done",
                  spec, "SigBlk: 0\nSigIgn: 0\nSigCgt: 0\n");
    sigset_t mine;
    pthread_sigmask(SIG_SETMASK, NULL, &mine); /* and ours are as before */
    assert_int_equal(sigismember(&mine, SIGUSR1), 1);
    assert_int_equal(sigismember(&mine, SIGHUP), 0);
    pthread_sigmask(SIG_UNBLOCK, &blocked, NULL);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGUSR2, SIG_DFL);
}

static void a_group_of_its_own_can_be_signalled_whole(void **state)
{
    (void)state;
    struct process_spec spec = PROCESS_SPEC;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    spec.argv = SH("sleep 100 & sleep 100 & echo ready; wait");
    spec.stdout_fd = ends[1];
    spec.new_group = true;
    pid_t pid;
    assert_true(process_start(&spec, &pid, &err));
    close(ends[1]);
    char ready[6];
    assert_int_equal(read(ends[0], ready, sizeof(ready)), 6);
    assert_int_equal(getpgid(pid), pid);
    assert_int_equal(kill(-pid, SIGKILL), 0);
    assert_int_equal(read(ends[0], ready, sizeof(ready)), 0); /* all three have let go of the pipe */
    int status = wait_for(pid);
    assert_int_equal(WTERMSIG(status), SIGKILL);
    close(ends[0]);
}

/* ---- what cannot be started ---------------------------------------------------------------------------- */

static void what_cannot_start_is_an_error_now(void **state)
{
    (void)state;
    struct test_folder folder;
    assert_true(test_folder_make(&folder));
    assert_true(test_folder_write(&folder, "text", "no program"));
    struct path text = test_folder_path(&folder, "text");
    const struct {
        const char *program, *folder, *user;
        enum error_code code;
        const char *said;
    } table[] = {
        {"/no/such/program", NULL, NULL, ERR_NOT_FOUND, "/no/such/program: No such file or directory"},
        {text.text, NULL, NULL, ERR_DENIED, text.text},
        {"/bin/true", "/no/folder", NULL, ERR_NOT_FOUND, "working folder /no/folder: No such file"},
        {"/tmp", NULL, NULL, ERR_DENIED, "/tmp"},
        {"/bin/true", NULL, "no-such-user", ERR_NOT_FOUND, "no-such-user"},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        if (table[i].user != NULL && geteuid() != 0)
            continue; /* only root drops to a user */
        struct process_spec spec = PROCESS_SPEC;
        spec.argv = (const char *const[]){table[i].program, NULL};
        spec.folder = table[i].folder;
        spec.user = table[i].user;
        pid_t pid = 42;
        assert_false(process_start(&spec, &pid, &err));
        assert_int_equal(err.code, table[i].code);
        assert_non_null(strstr(err.text, table[i].said));
        assert_int_equal(pid, 42);
    }
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* and no child is left to wait for */
    assert_int_equal(errno, ECHILD);
    test_folder_remove(&folder);
}

/* ---- users and parents --------------------------------------------------------------------------------- */

static void privileges_are_dropped_for_good(void **state)
{
    (void)state;
    const struct passwd *nobody = getpwnam("nobody");
    if (geteuid() != 0 || nobody == NULL)
        skip();
    struct process_spec spec = PROCESS_SPEC;
    spec.user = "nobody";
    char expected[128];
    snprintf(expected, sizeof(expected), "Uid:%u%u%u%u\nGid:%u%u%u%u\nGroups:%u \n", nobody->pw_uid,
             nobody->pw_uid, nobody->pw_uid, nobody->pw_uid, nobody->pw_gid, nobody->pw_gid, nobody->pw_gid,
             nobody->pw_gid, nobody->pw_gid);
    assert_prints("grep -E '^(Uid|Gid|Groups)' /proc/self/status | tr -d '\\t'", spec, expected);
}

static void user_is_looked_up(void **state)
{
    (void)state;
    uid_t uid = 42;
    gid_t gid = 42;
    assert_true(process_user("root", &uid, &gid, &err));
    assert_int_equal(uid, 0);
    assert_int_equal(gid, 0);
    uid = 42;
    assert_false(process_user("no-such-user", &uid, &gid, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(uid, 42);
}

/* Ended, whether its new parent has waited for it or not. */
static bool is_gone(pid_t pid)
{
    struct path path;
    SCOPE_BUF struct buf text = BUF_LIMIT(OUTPUT_MAX_BYTES);
    assert_true(path_printf(&path, &err, "/proc/%d/stat", (int)pid));
    return !file_read_path(path.text, &text, NULL) || strstr(buf_text(&text), ") Z ") != NULL;
}

/* A parent that is killed takes the child with it, dropped privileges or not. */
static void the_child_dies_with_its_parent(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    pid_t parent = fork();
    assert_true(parent >= 0); /* -1 is everybody, to kill(2) */
    if (parent == 0) {
        struct process_spec spec = PROCESS_SPEC;
        spec.argv = (const char *const[]){"/bin/sleep", "100", NULL};
        spec.user = "nobody";
        pid_t child = -1;
        bool started = process_start(&spec, &child, NULL);
        if (write(ends[1], &child, sizeof(child)) == (ssize_t)sizeof(child) && started)
            pause();
        _exit(1);
    }
    close(ends[1]);
    pid_t child = -1;
    assert_int_equal(read(ends[0], &child, sizeof(child)), sizeof(child));
    close(ends[0]);
    assert_true(child > 0);
    assert_false(is_gone(child));
    kill(parent, SIGKILL);
    wait_for(parent);
    for (int waited_ms = 0; !is_gone(child) && waited_ms < DEADLINE_MS; waited_ms += 5)
        usleep(5000);
    assert_true(is_gone(child));
}

static void without_a_death_signal_it_outlives(void **state)
{
    (void)state;
    struct process_spec spec = PROCESS_SPEC;
    spec.parent_death_signal = 0;
    assert_prints("echo fine", spec, "fine\n");
}

/* ---- looking ------------------------------------------------------------------------------------------- */

static void status_reads_well(void **state)
{
    (void)state;
    char out[PROCESS_STATUS_BYTES];
    assert_string_equal(process_status_text(out, W_EXITCODE(0, 0)), "exit 0");
    assert_string_equal(process_status_text(out, W_EXITCODE(3, 0)), "exit 3");
    assert_string_equal(process_status_text(out, W_EXITCODE(0, SIGKILL)), "signal 9 (Killed)");
    assert_string_equal(process_status_text(out, W_EXITCODE(0, SIGSEGV) | 0x80),
                        "signal 11 (Segmentation fault)");
    assert_string_equal(process_status_text(out, W_STOPCODE(SIGSTOP)), "wait status 0x137f");
}

static void usage_is_what_top_says(void **state)
{
    (void)state;
    double cpu_s = -1;
    uint64_t rss_bytes = 0;
    prctl(PR_SET_NAME, "a ) R (0 b");
    assert_true(process_usage(getpid(), &cpu_s, &rss_bytes));
    assert_true(cpu_s >= 0 && cpu_s < 3600);
    assert_in_range(rss_bytes, 100 * 1024, (uint64_t)1 << 40);
    pid_t child = fork();
    assert_true(child >= 0); /* -1 is everybody, to kill(2) */
    if (child == 0)
        _exit(0);
    wait_for(child);
    double before = cpu_s;
    assert_false(process_usage(child, &cpu_s, &rss_bytes));
    assert_true(cpu_s == before);
}

static void descriptors_are_raised_as_far_as_allowed(void **state)
{
    (void)state;
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = {.rlim_cur = 64, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
    assert_int_equal(process_raise_descriptors(128), 128);
    assert_int_equal(process_raise_descriptors(100), 128); /* never lowered */
    assert_int_equal(process_raise_descriptors(SIZE_MAX), before.rlim_max);
    struct rlimit after;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &after), 0);
    assert_int_equal(after.rlim_cur, before.rlim_max);
    assert_int_equal(after.rlim_max, before.rlim_max);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_are_raised_as_far_as_allowed),
        cmocka_unit_test(runs_with_arguments),
        cmocka_unit_test(environment_is_ours_and_more),
        cmocka_unit_test(works_in_the_folder),
        cmocka_unit_test(stdin_is_empty_unless_given),
        cmocka_unit_test(stdio_may_be_given_crosswise),
        cmocka_unit_test(other_descriptors_are_closed),
        cmocka_unit_test(signals_are_as_at_a_fresh_start),
        cmocka_unit_test(a_group_of_its_own_can_be_signalled_whole),
        cmocka_unit_test(what_cannot_start_is_an_error_now),
        cmocka_unit_test(privileges_are_dropped_for_good),
        cmocka_unit_test(user_is_looked_up),
        cmocka_unit_test(the_child_dies_with_its_parent),
        cmocka_unit_test(without_a_death_signal_it_outlives),
        cmocka_unit_test(status_reads_well),
        cmocka_unit_test(usage_is_what_top_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
