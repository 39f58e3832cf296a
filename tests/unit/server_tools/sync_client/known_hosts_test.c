#include "server_tools/sync_client/known_hosts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/os/file.h"

#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

struct world {
    char folder[40];
    struct path path;
};

static int make_world(void **state)
{
    static struct world world;
    struct error err;
    strcpy(world.folder, "/tmp/telehaul-known-XXXXXX");
    if (mkdtemp(world.folder) == NULL || !path_join(&world.path, world.folder, "known_hosts", &err))
        return -1;
    *state = &world;
    return 0;
}

static int clear_world(void **state)
{
    struct world *world = *state;
    unlink(world->path.text);
    return rmdir(world->folder); /* fails when anything else is left behind */
}

static void expect_content(const struct world *world, const char *expected)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(KNOWN_HOSTS_MAX_BYTES);
    struct error err;
    assert_true(file_read_path(world->path.text, &text, &err));
    assert_string_equal(buf_text(&text), expected);
}

static void expect_id(const struct world *world, const char *name, const char *expected)
{
    char id[SHA256_HEX_BYTES] = "untouched";
    struct error err;
    assert_true(known_hosts_find(world->path.text, name, id, &err));
    assert_string_equal(id, expected);
}

static void what_is_put_is_found(void **state)
{
    const struct world *world = *state;
    struct error err;
    expect_id(world, "plant:9876", ""); /* no file yet */
    assert_true(known_hosts_put(world->path.text, "plant:9876", ID_A, &err));
    assert_true(known_hosts_put(world->path.text, "[::1]:9876", ID_B, &err));
    expect_id(world, "plant:9876", ID_A);
    expect_id(world, "[::1]:9876", ID_B);
    expect_id(world, "plant:987", "");
    expect_id(world, "plant", "");
}

static void a_new_one_replaces_its_own_line_alone(void **state)
{
    const struct world *world = *state;
    struct error err;
    struct view text = VIEW_LITERAL("# machines of the north\n\na:1 " ID_A "\nb:1 " ID_A "\n");
    assert_true(file_replace(world->path.text, text, 0644, &err));
    assert_true(known_hosts_put(world->path.text, "a:1", ID_B, &err));
    expect_content(world, "# machines of the north\n\nb:1 " ID_A "\na:1 " ID_B "\n");
    expect_id(world, "a:1", ID_B);
}

static void a_damaged_line_is_named(void **state)
{
    const struct world *world = *state;
    static const char *const lines[] = {"a:1", "a:1 abc", ("a:1 " ID_A "a"), ("a:1 " ID_A " more"),
                                        ("a:1\t" ID_A)};
    for (size_t i = 0; i < COUNT_OF(lines); i++) {
        SCOPE_BUF struct buf text = BUF_LIMIT(KNOWN_HOSTS_MAX_BYTES);
        buf_printf(&text, "b:1 " ID_B "\n%s\n", lines[i]);
        struct error err;
        assert_true(file_replace(world->path.text, buf_view(&text), 0644, &err));
        char id[SHA256_HEX_BYTES];
        assert_false(known_hosts_find(world->path.text, "b:1", id, &err));
        assert_int_equal(err.code, ERR_CORRUPT);
        assert_non_null(strstr(err.text, "known_hosts:2"));
        assert_false(known_hosts_put(world->path.text, "b:1", ID_A, &err));
        expect_content(world, buf_text(&text));
    }
}

static void names(void **state)
{
    (void)state;
    char name[HOST_PORT_BYTES];
    struct error err;
    assert_true(known_hosts_name(name, "Plant.Example", 9876, &err));
    assert_string_equal(name, "plant.example:9876");
    assert_true(known_hosts_name(name, "fe80::1%eth0", 1, &err));
    assert_string_equal(name, "[fe80::1%eth0]:1");
    assert_false(known_hosts_name(name, "a b", 1, &err));
    assert_false(known_hosts_name(name, "a\nb", 1, &err));
    assert_false(known_hosts_name(name, "#a", 1, &err));
    char endless[HOST_PORT_BYTES + 1];
    memset(endless, 'a', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    assert_false(known_hosts_name(name, endless, 1, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_is_put_is_found, make_world, clear_world),
        cmocka_unit_test_setup_teardown(a_new_one_replaces_its_own_line_alone, make_world, clear_world),
        cmocka_unit_test_setup_teardown(a_damaged_line_is_named, make_world, clear_world),
        cmocka_unit_test(names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
