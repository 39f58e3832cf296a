#include "server_tools/sync_client/archive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <cmocka.h>

#include "common/base/clock.h"
#include "server_tools/central/archive_info.h"

static const int64_t now_us = 1771754400LL * US_PER_S; /* 2026-02-22T10:00:00Z */

struct world {
    char storage[48];
    struct archive_folder folder;
};

static int make_world(void **state)
{
    static struct world world;
    struct error err;
    strcpy(world.storage, "/tmp/telehaul-archive-XXXXXX");
    if (mkdtemp(world.storage) == NULL || !archive_folder_open(&world.folder, world.storage, "m1", &err))
        return -1;
    *state = &world;
    return 0;
}

static int clear_world(void **state)
{
    struct world *world = *state;
    archive_folder_close(&world->folder);
    char command[80];
    snprintf(command, sizeof(command), "%s/m1", world->storage);
    SCOPE_DIR DIR *dir = opendir(command);
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    rmdir(command);
    return rmdir(world->storage);
}

static bool exists(const struct world *world, const char *name)
{
    struct path path;
    return path_join(&path, world->folder.path.text, name, NULL) && file_exists(path.text);
}

static void put(const struct world *world, const char *name)
{
    struct path path;
    assert_true(path_join(&path, world->folder.path.text, name, NULL));
    assert_true(file_replace(path.text, view_of("x"), 0644, NULL));
}

static struct archive_facts facts_of(int64_t after, int64_t last_seq, const char *since)
{
    return (struct archive_facts){
        .client_id = "m1",
        .agent_id = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        .store_id = "11111111-1111-4111-8111-111111111111",
        .since = since,
        .after = after,
        .first_seq = after + 1,
        .last_seq = last_seq,
        .count = last_seq - after,
        .bytes = 4,
        .sha256 = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb",
        .period_start_us = now_us - US_PER_S,
        .period_end_us = now_us,
        .created_us = now_us,
    };
}

static void commit_one(const struct world *world, const struct archive_facts *facts, struct path *gz)
{
    struct error err;
    SCOPE_ARCHIVE_PART struct archive_part part = {.fd = -1};
    assert_true(archive_part_open(&part, &world->folder, now_us, &err));
    assert_true(file_write_all(part.fd, "gzip", 4, &err));
    if (!archive_commit(&part, facts, gz, &err))
        fail_msg("%s", err.text);
}

static void what_is_committed_is_read_back(void **state)
{
    const struct world *world = *state;
    struct archive_facts facts = facts_of(10, 30, "");
    struct path gz;
    commit_one(world, &facts, &gz);
    assert_true(exists(world, "20260222T100000Z.gz"));
    assert_true(exists(world, "20260222T100000Z.json"));
    assert_false(exists(world, "20260222T100000Z.gz.part"));
    struct archive_info info;
    struct error err;
    assert_true(archive_info_load(gz.text, &info, &err));
    assert_true(info.present);
    assert_false(info.since);
    assert_string_equal(info.client_id, facts.client_id);
    assert_string_equal(info.store_id, facts.store_id);
    assert_string_equal(info.sha256, facts.sha256);
    assert_int_equal(info.after, 10);
    assert_int_equal(info.first_seq, 11);
    assert_int_equal(info.last_seq, 30);
    assert_int_equal(info.count, 20);
}

static void since_is_read_back(void **state)
{
    const struct world *world = *state;
    struct archive_facts facts = facts_of(10, 30, "2026-02-22T09:00:00.000000Z");
    struct path gz;
    commit_one(world, &facts, &gz);
    struct archive_info info;
    assert_true(archive_info_load(gz.text, &info, NULL));
    assert_true(info.since);
    assert_int_equal(info.after, -1);
}

static void a_taken_name_gets_a_number(void **state)
{
    const struct world *world = *state;
    struct archive_facts facts = facts_of(0, 1, "");
    struct path gz;
    put(world, "20260222T100000Z.json"); /* any of its files takes the name */
    for (int i = 2; i <= 11; i++)
        commit_one(world, &facts, &gz);
    assert_false(exists(world, "20260222T100000Z.gz"));
    assert_true(exists(world, "20260222T100000Z-2.gz"));
    assert_true(exists(world, "20260222T100000Z-11.json"));

    SCOPE_ARCHIVE_NAMES struct archive_names names;
    struct error err;
    put(world, "20260222T095959Z-2.json");
    put(world, "20260222T100001Z.json");
    put(world, "notes.json");
    put(world, "2026.json");
    assert_true(archive_list(&world->folder, &names, &err));
    assert_int_equal(names.count, 13);
    assert_string_equal(names.names[0], "20260222T095959Z-2");
    assert_string_equal(names.names[1], "20260222T100000Z");
    assert_string_equal(names.names[2], "20260222T100000Z-2");
    assert_string_equal(names.names[10], "20260222T100000Z-10");
    assert_string_equal(names.names[11], "20260222T100000Z-11");
    assert_string_equal(names.names[12], "20260222T100001Z");
}

static void what_is_not_committed_leaves_nothing(void **state)
{
    const struct world *world = *state;
    struct error err;
    struct archive_part part;
    assert_true(archive_part_open(&part, &world->folder, now_us, &err));
    assert_true(exists(world, "20260222T100000Z.gz.part"));
    archive_part_close(&part);
    assert_false(exists(world, "20260222T100000Z.gz.part"));
    archive_part_close(&part); /* twice is no harm */
}

static void opening_removes_what_was_left_unfinished(void **state)
{
    struct world *world = *state;
    put(world, "20260101T000000Z.gz.part");
    put(world, ".20260101T000000Z.json.tmp");
    put(world, "20260101T000000Z.gz");
    put(world, "my.part");
    archive_folder_close(&world->folder);
    struct error err;
    assert_true(archive_folder_open(&world->folder, world->storage, "m1", &err));
    assert_false(exists(world, "20260101T000000Z.gz.part"));
    assert_false(exists(world, ".20260101T000000Z.json.tmp"));
    assert_true(exists(world, "20260101T000000Z.gz"));
    assert_true(exists(world, "my.part"));
}

static void a_folder_is_opened_once(void **state)
{
    struct world *world = *state;
    struct archive_folder second = {.lock_fd = -1};
    struct error err;
    assert_false(archive_folder_open(&second, world->storage, "m1", &err));
    assert_int_equal(err.code, ERR_BUSY);
    archive_folder_close(&world->folder);
    assert_true(archive_folder_open(&second, world->storage, "m1", &err));
    archive_folder_close(&second);
}

#define IN_A_WORLD(test) cmocka_unit_test_setup_teardown(test, make_world, clear_world)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_A_WORLD(what_is_committed_is_read_back),
        IN_A_WORLD(since_is_read_back),
        IN_A_WORLD(a_taken_name_gets_a_number),
        IN_A_WORLD(what_is_not_committed_leaves_nothing),
        IN_A_WORLD(opening_removes_what_was_left_unfinished),
        IN_A_WORLD(a_folder_is_opened_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
