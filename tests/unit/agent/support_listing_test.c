#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>

#include "agent/support_listing.h"
#include "tests/harness/test_folder.h"

static struct test_folder folder;
static int root_fd;
static struct buf out = BUF_LIMIT(SUPPORT_LISTING_MAX_BYTES);

static int setup(void **state)
{
    (void)state;
    if (!test_folder_make(&folder))
        return -1;
    root_fd = open(folder.path, O_RDONLY | O_DIRECTORY);
    return root_fd < 0 ? -1 : 0;
}

static int teardown(void **state)
{
    (void)state;
    close(root_fd);
    buf_clear(&out);
    test_folder_remove(&folder);
    return 0;
}

static const char *list(void)
{
    struct error err;
    assert_true(support_listing(root_fd, &out, &err));
    return buf_text(&out);
}

static void expect(const char *line)
{
    if (strstr(list(), line) == NULL)
        fail_msg("no `%s` in\n%s", line, buf_text(&out));
    buf_reset(&out);
}

static size_t lines(const char *text)
{
    size_t count = 0;
    for (; (text = strchr(text, '\n')) != NULL; text++)
        count++;
    return count;
}

static void make_file(const char *name, mode_t mode)
{
    const struct timespec times[2] = {{.tv_sec = 1771754400}, {.tv_sec = 1771754400}};
    assert_true(test_folder_write(&folder, name, "content"));
    assert_int_equal(fchmodat(root_fd, name, mode, 0), 0);
    assert_int_equal(utimensat(root_fd, name, times, 0), 0);
}

static void test_lines(void **state)
{
    (void)state;
    assert_int_equal(mkdirat(root_fd, "a", 0750), 0);
    make_file("a/key.pem", 0600);
    make_file("top", 04711);
    assert_int_equal(symlinkat("releases/1.0.0", root_fd, "current"), 0);
    assert_int_equal(mkfifoat(root_fd, "pipe", 0600), 0);
    char line[128];
    snprintf(line, sizeof(line), "-0600 %u:%u            7 2026-02-22T10:00:00Z a/key.pem\n", getuid(),
             getgid());
    expect(line);
    expect("-4711 ");
    expect("d0750 ");
    expect(" current -> releases/1.0.0\n");
    expect("p0600 ");
    assert_null(strstr(list(), "content"));
    buf_reset(&out);
    assert_int_equal(lines(list()), 5);
}

static void test_links_are_not_followed(void **state)
{
    (void)state;
    assert_int_equal(symlinkat("/etc", root_fd, "etc"), 0);
    assert_int_equal(lines(list()), 1);
}

static void test_names_stay_on_their_line(void **state)
{
    (void)state;
    make_file("a\nb\x1b[2J", 0600);
    expect(" a?b?[2J\n");
}

static void test_many_in_one_folder(void **state)
{
    (void)state;
    char name[32];
    assert_int_equal(mkdirat(root_fd, "a", 0750), 0);
    for (int i = 0; i < SUPPORT_LISTING_FOLDER_MAX + 10; i++) {
        snprintf(name, sizeof(name), "a/%d", i);
        assert_int_equal(mknodat(root_fd, name, S_IFREG | 0600, 0), 0);
    }
    make_file("z", 0600);
    assert_int_equal(lines(list()), SUPPORT_LISTING_FOLDER_MAX + 3);
    buf_reset(&out);
    expect("  (more than 1000 files in a/: the others are left out)\n");
    expect(" z\n");
}

static void test_deep(void **state)
{
    (void)state;
    char name[128] = "d";
    for (int i = 0; i < 20; i++) {
        assert_int_equal(mkdirat(root_fd, name, 0750), 0);
        strncat(name, "/d", sizeof(name) - strlen(name) - 1);
    }
    expect("  (deeper folders are left out)\n");
    assert_int_equal(lines(list()), SUPPORT_LISTING_DEPTH + 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
        cmocka_unit_test_setup_teardown(test_links_are_not_followed, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names_stay_on_their_line, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_in_one_folder, setup, teardown),
        cmocka_unit_test_setup_teardown(test_deep, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
