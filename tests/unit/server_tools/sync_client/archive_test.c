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
#include "common/base/text.h"

static const int64_t now_us = 1771754400LL * US_PER_S; /* 2026-02-22T10:00:00Z */

struct world {
    char storage[48];
    struct notices notices;
    struct archive_folder folder;
};

static bool open_folder(struct world *world, struct archive_folder *folder, struct error *err)
{
    return archive_folder_open(folder, world->storage, "m1", &world->notices, err);
}

static int make_world(void **state)
{
    static struct world world;
    struct error err;
    strcpy(world.storage, "/tmp/telehaul-archive-XXXXXX");
    notices_init(&world.notices, true, clock_system());
    if (mkdtemp(world.storage) == NULL || !open_folder(&world, &world.folder, &err))
        return -1;
    *state = &world;
    return 0;
}

static void clear_folder(const char *path)
{
    SCOPE_DIR DIR *dir = opendir(path);
    for (const struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
        (void)unlinkat(dirfd(dir), entry->d_name, 0);
    rmdir(path);
}

static int clear_world(void **state)
{
    struct world *world = *state;
    struct path path;
    archive_folder_close(&world->folder);
    assert_true(path_printf(&path, NULL, "%s/m1/aside", world->storage));
    clear_folder(path.text);
    assert_true(path_printf(&path, NULL, "%s/m1", world->storage));
    clear_folder(path.text);
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

/* after: -1 for an archive that was asked for since a time. */
static struct archive_info info_of(int64_t after, int64_t last_seq)
{
    struct archive_info info = {
        .present = true,
        .client_id = "m1",
        .agent_id = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        .store_id = "11111111-1111-4111-8111-111111111111",
        .format = PACK_ZSTD,
        .since = "",
        .period_start_us = now_us - US_PER_S,
        .period_end_us = now_us,
        .created_us = now_us + 5,
    };
    info.files[ARCHIVE_READINGS] = (struct archive_file){.present = true,
                                                         .after = after,
                                                         .first_seq = after + 1,
                                                         .last_seq = last_seq,
                                                         .count = last_seq - after};
    return info;
}

/* What a file holds, and what the json says of it. */
static void write_file(const struct archive_part *part, enum archive_stream stream, const char *content,
                       struct archive_info *info)
{
    struct error err;
    unsigned char sum[SHA256_BYTES];
    struct archive_file *file = &info->files[stream];
    assert_true(file_write_all(part->fds[stream], content, strlen(content), &err));
    sha256_of(view_of(content), sum);
    text_hex_encode(file->sha256, sum, sizeof(sum));
    file->bytes = (int64_t)strlen(content);
    file->present = true;
}

static void begin_one(const struct world *world, struct archive_part *part, struct archive_info *info)
{
    struct error err;
    if (!archive_part_open(part, &world->folder, info->format, now_us, &err))
        fail_msg("%s", err.text);
    write_file(part, ARCHIVE_READINGS, "readings", info);
}

static void add_alarms(struct archive_part *part, struct archive_info *info)
{
    struct error err;
    struct archive_file *alarms = &info->files[ARCHIVE_ALARMS];
    *alarms = (struct archive_file){.after = 7, .first_seq = 9, .last_seq = 12, .count = 2};
    assert_true(archive_part_add(part, ARCHIVE_ALARMS, alarms->file, &err));
    write_file(part, ARCHIVE_ALARMS, "alarms", info);
}

static void commit_one(const struct world *world, struct archive_info *info, struct path *path)
{
    struct error err;
    SCOPE_ARCHIVE_PART struct archive_part part;
    begin_one(world, &part, info);
    if (!archive_commit(&part, info, path, &err))
        fail_msg("%s", err.text);
}

static void assert_same_file(const struct archive_file *a, const struct archive_file *b)
{
    assert_true(a->present == b->present);
    assert_string_equal(a->file, b->file);
    assert_string_equal(a->sha256, b->sha256);
    assert_int_equal(a->after, b->after);
    assert_int_equal(a->first_seq, b->first_seq);
    assert_int_equal(a->last_seq, b->last_seq);
    assert_int_equal(a->count, b->count);
    assert_int_equal(a->bytes, b->bytes);
}

static void what_is_committed_is_read_back(void **state)
{
    const struct world *world = *state;
    struct archive_info info = info_of(10, 30);
    struct error err;
    struct path path;
    SCOPE_ARCHIVE_PART struct archive_part part;
    begin_one(world, &part, &info);
    add_alarms(&part, &info);
    assert_true(archive_commit(&part, &info, &path, &err));
    archive_part_close(&part);
    assert_true(exists(world, "20260222T100000Z.zst"));
    assert_true(exists(world, "20260222T100000Z.alarms.zst"));
    assert_true(exists(world, "20260222T100000Z.json"));
    assert_false(exists(world, "20260222T100000Z.zst.part"));
    assert_false(exists(world, "20260222T100000Z.json.part"));
    struct archive_info read;
    assert_true(archive_info_load(path.text, &read, &err));
    assert_true(read.present);
    assert_string_equal(read.since, "");
    assert_string_equal(read.client_id, info.client_id);
    assert_string_equal(read.agent_id, info.agent_id);
    assert_string_equal(read.store_id, info.store_id);
    assert_int_equal(read.format, PACK_ZSTD);
    assert_int_equal(read.period_start_us, info.period_start_us);
    assert_int_equal(read.period_end_us, info.period_end_us);
    assert_int_equal(read.created_us, info.created_us);
    assert_same_file(&read.files[ARCHIVE_READINGS], &info.files[ARCHIVE_READINGS]);
    assert_same_file(&read.files[ARCHIVE_ALARMS], &info.files[ARCHIVE_ALARMS]);
    assert_false(read.files[ARCHIVE_CHANNELS].present);
}

static void since_is_read_back(void **state)
{
    const struct world *world = *state;
    struct archive_info info = info_of(-1, 30);
    struct archive_info read;
    struct path path;
    memcpy(info.since, "2026-02-22T09:00:00.000000Z", sizeof(info.since));
    commit_one(world, &info, &path);
    assert_true(archive_info_load(path.text, &read, NULL));
    assert_string_equal(read.since, info.since);
    assert_int_equal(read.files[ARCHIVE_READINGS].after, -1);
}

static void a_taken_name_gets_a_number(void **state)
{
    const struct world *world = *state;
    struct archive_info info = info_of(0, 1);
    struct path path;
    put(world, "20260222T100000Z.json"); /* any of its files takes the name */
    for (int i = 2; i <= 11; i++)
        commit_one(world, &info, &path);
    assert_false(exists(world, "20260222T100000Z.zst"));
    assert_true(exists(world, "20260222T100000Z-2.zst"));
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
    struct archive_info info = info_of(0, 1);
    begin_one(world, &part, &info);
    add_alarms(&part, &info);
    assert_true(archive_part_seal(&part, &info, &err));
    static const char *const files[] = {"20260222T100000Z.zst.part", "20260222T100000Z.alarms.zst.part",
                                        "20260222T100000Z.json.part"};
    for (size_t i = 0; i < COUNT_OF(files); i++)
        assert_true(exists(world, files[i]));
    archive_part_close(&part);
    for (size_t i = 0; i < COUNT_OF(files); i++)
        assert_false(exists(world, files[i]));
    archive_part_close(&part); /* twice is no harm */
}

static void what_is_discarded_leaves_nothing(void **state)
{
    const struct world *world = *state;
    struct error err;
    struct path path;
    struct archive_info info = info_of(0, 1);
    SCOPE_ARCHIVE_PART struct archive_part part;
    begin_one(world, &part, &info);
    add_alarms(&part, &info);
    assert_true(archive_commit(&part, &info, &path, &err));
    archive_discard(path.text);
    assert_false(exists(world, "20260222T100000Z.zst"));
    assert_false(exists(world, "20260222T100000Z.alarms.zst"));
    assert_false(exists(world, "20260222T100000Z.json"));
}

/* As after a kill: nothing is tidied up. */
static void open_again(struct world *world)
{
    struct error err;
    archive_folder_close(&world->folder);
    if (!open_folder(world, &world->folder, &err))
        fail_msg("%s", err.text);
}

static void abandon(struct archive_part *part)
{
    for (size_t i = 0; i < ARCHIVE_STREAMS; i++)
        scope_fd(&part->fds[i]);
}

static void opening_removes_what_was_left_unfinished(void **state)
{
    struct world *world = *state;
    static const char *const ours[] = {"20260101T000000Z.gz.part", ".20260101T000000Z.json.part.tmp",
                                       "20260101T000000Z-2.channels.zst.part", "20260101T000000Z.json.part"};
    static const char *const others[] = {"my.part", "my.gz", "20260101.gz", ".my.tmp"};
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        put(world, ours[i]);
    for (size_t i = 0; i < COUNT_OF(others); i++)
        put(world, others[i]);
    open_again(world);
    for (size_t i = 0; i < COUNT_OF(ours); i++)
        assert_false(exists(world, ours[i]));
    for (size_t i = 0; i < COUNT_OF(others); i++)
        assert_true(exists(world, others[i]));
}

/* Killed while the alarms came: the readings are whole already. */
static void opening_completes_what_was_sealed(void **state)
{
    struct world *world = *state;
    struct error err;
    struct archive_part part;
    struct archive_info info = info_of(0, 1);
    struct archive_info read;
    struct path path;
    begin_one(world, &part, &info);
    assert_true(archive_part_seal(&part, &info, &err));
    char file[ARCHIVE_FILE_BYTES];
    assert_true(archive_part_add(&part, ARCHIVE_ALARMS, file, &err));
    abandon(&part);
    open_again(world);
    assert_true(archive_load(&world->folder, "20260222T100000Z", &path, &read, &err));
    assert_true(file_exists(path.text));
    assert_false(read.files[ARCHIVE_ALARMS].present);
    assert_false(exists(world, "20260222T100000Z.alarms.zst.part"));
    assert_false(exists(world, "20260222T100000Z.json.part"));
}

/* The power failed between two of the renames. */
static void opening_completes_what_was_half_named(void **state)
{
    struct world *world = *state;
    struct error err;
    struct archive_part part;
    struct archive_info info = info_of(0, 1);
    struct path from;
    struct path to;
    begin_one(world, &part, &info);
    add_alarms(&part, &info);
    assert_true(archive_part_seal(&part, &info, &err));
    abandon(&part);
    assert_true(path_join(&from, world->folder.path.text, "20260222T100000Z.zst.part", NULL));
    assert_true(path_join(&to, world->folder.path.text, "20260222T100000Z.zst", NULL));
    assert_int_equal(rename(from.text, to.text), 0);
    open_again(world);
    assert_true(exists(world, "20260222T100000Z.zst"));
    assert_true(exists(world, "20260222T100000Z.alarms.zst"));
    assert_true(exists(world, "20260222T100000Z.json"));
}

static void a_sealed_file_that_is_damaged_is_not_completed(void **state)
{
    struct world *world = *state;
    struct error err;
    struct archive_part part;
    struct archive_info info = info_of(0, 1);
    begin_one(world, &part, &info);
    assert_true(archive_part_seal(&part, &info, &err));
    assert_int_equal(pwrite(part.fds[ARCHIVE_READINGS], "R", 1, 0), 1);
    abandon(&part);
    open_again(world);
    assert_false(exists(world, "20260222T100000Z.json"));
    assert_false(exists(world, "20260222T100000Z.zst"));
    assert_false(exists(world, "20260222T100000Z.zst.part"));
}

/* It may be the only copy: the machine may have forgotten what is in it. */
static void opening_sets_aside_what_has_no_json(void **state)
{
    struct world *world = *state;
    for (int i = 0; i < 2; i++) {
        put(world, "20260101T000000Z.gz");
        put(world, "20260101T000000Z.alarms.gz");
        open_again(world);
        assert_false(exists(world, "20260101T000000Z.gz"));
    }
    assert_true(exists(world, "aside/20260101T000000Z.gz"));
    assert_true(exists(world, "aside/2-20260101T000000Z.gz"));
    assert_true(exists(world, "aside/2-20260101T000000Z.alarms.gz"));
}

static void a_folder_is_opened_once(void **state)
{
    struct world *world = *state;
    struct archive_folder second = {.lock_fd = -1};
    struct error err;
    assert_false(open_folder(world, &second, &err));
    assert_int_equal(err.code, ERR_BUSY);
    archive_folder_close(&world->folder);
    assert_true(open_folder(world, &second, &err));
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
        IN_A_WORLD(what_is_discarded_leaves_nothing),
        IN_A_WORLD(opening_removes_what_was_left_unfinished),
        IN_A_WORLD(opening_completes_what_was_sealed),
        IN_A_WORLD(opening_completes_what_was_half_named),
        IN_A_WORLD(a_sealed_file_that_is_damaged_is_not_completed),
        IN_A_WORLD(opening_sets_aside_what_has_no_json),
        IN_A_WORLD(a_folder_is_opened_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
