#include "watchdog/log_file.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

enum { FLOOD_BYTES = 64 * 1024 * 1024, PIECE_BYTES = 16 * 1024 };

struct place {
    char folder[32];
    struct path path;
    struct clock_fake clock;
    struct log_file file;
};

static int set_up(void **state)
{
    struct place *place = calloc(1, sizeof(*place));
    snprintf(place->folder, sizeof(place->folder), "/tmp/log_file_test.XXXXXX");
    assert_non_null(mkdtemp(place->folder));
    assert_true(path_join(&place->path, place->folder, "a.log", NULL));
    clock_fake_init(&place->clock, 0, 0);
    log_file_open(&place->file, &place->path, &place->clock.clock);
    *state = place;
    return 0;
}

static void file_name(const struct place *place, int number, struct path *out)
{
    if (number == 0)
        *out = place->path;
    else
        assert_true(path_printf(out, NULL, "%s.%d", place->path.text, number));
}

static int64_t size_of(const struct place *place, int number)
{
    struct path path;
    file_name(place, number, &path);
    return file_size_bytes(path.text);
}

static int tear_down(void **state)
{
    struct place *place = *state;
    log_file_close(&place->file);
    for (int number = 0; number <= LOG_FILES; number++) {
        struct path path;
        file_name(place, number, &path);
        unlink(path.text);
    }
    int left = rmdir(place->folder);
    free(place);
    return left;
}

static void say(struct place *place, const char *text)
{
    log_file_write(&place->file, text, strlen(text));
}

/* `bytes` of lines of 64 bytes, in pieces of 1 KiB. */
static void say_much(struct place *place, size_t bytes)
{
    char piece[1024];
    memset(piece, 'x', sizeof(piece));
    for (size_t i = 63; i < sizeof(piece); i += 64)
        piece[i] = '\n';
    for (size_t done = 0; done < bytes; done += sizeof(piece))
        log_file_write(&place->file, piece, sizeof(piece));
}

static void pass_s(struct place *place, int64_t s)
{
    clock_fake_advance(&place->clock, s * US_PER_S);
}

static void content(const struct place *place, int number, struct buf *out)
{
    struct path path;
    file_name(place, number, &path);
    assert_true(file_read_path(path.text, out, NULL));
}

static void appends_to_what_is_there(void **state)
{
    struct place *place = *state;
    say(place, "one\n");
    log_file_close(&place->file);
    log_file_open(&place->file, &place->path, &place->clock.clock);
    say(place, "two\n");
    SCOPE_BUF struct buf text = BUF_LIMIT(100);
    content(place, 0, &text);
    assert_string_equal(buf_text(&text), "one\ntwo\n");
}

static void keeps_five_files_of_a_mebibyte(void **state)
{
    struct place *place = *state;
    for (int i = 0; i < 8 * 2; i++) {
        say_much(place, LOG_FILE_BYTES / 2);
        pass_s(place, 3600);
    }
    for (int number = 1; number < LOG_FILES; number++)
        assert_int_equal(size_of(place, number), LOG_FILE_BYTES);
    assert_int_equal(size_of(place, LOG_FILES), -1);
    say(place, "the newest\n");
    assert_int_equal(size_of(place, 0), strlen("the newest\n"));
}

static void a_flood_is_cut_and_said_so(void **state)
{
    struct place *place = *state;
    say_much(place, FLOOD_BYTES);
    assert_true(log_file_drops(&place->file));
    int64_t all = size_of(place, 0) + size_of(place, 1);
    assert_in_range(all, LOG_BURST_BYTES, LOG_BURST_BYTES + 1024);
    assert_int_equal(size_of(place, 2), -1);
    pass_s(place, LOG_RESUME_BYTES / LOG_RATE_BYTES_S);
    say(place, "after the flood\n");
    assert_false(log_file_drops(&place->file));
    SCOPE_BUF struct buf text = BUF_LIMIT(1000);
    content(place, 0, &text);
    assert_string_equal(buf_text(&text),
                        "[watchdog: 66060288 bytes of output were lost here]\nafter the flood\n");
}

/* Ten minutes of a flood: the burst, and the rate for ten minutes, and nothing more. */
static void a_long_flood_writes_at_its_rate(void **state)
{
    struct place *place = *state;
    uint64_t dropped_before = 0;
    size_t said = 0;
    for (int i = 0; i < 6000; i++) {
        say_much(place, PIECE_BYTES);
        said += PIECE_BYTES;
        clock_fake_advance(&place->clock, US_PER_S / 10);
    }
    dropped_before = place->file.lost_bytes;
    assert_true(dropped_before < said);
    int64_t kept = 0;
    for (int number = 0; number < LOG_FILES; number++)
        kept += size_of(place, number) > 0 ? size_of(place, number) : 0;
    assert_true(kept <= (int64_t)LOG_FILES * (LOG_FILE_BYTES + 1024));
}

static void a_deleted_file_is_begun_again(void **state)
{
    struct place *place = *state;
    say(place, "gone\n");
    unlink(place->path.text);
    say(place, "here\n");
    assert_int_equal(size_of(place, 0), strlen("here\n"));
}

static void never_writes_through_a_link(void **state)
{
    struct place *place = *state;
    struct path target;
    assert_true(path_join(&target, place->folder, "target", NULL));
    assert_true(file_replace(target.text, VIEW_LITERAL("untouched"), 0644, NULL));
    unlink(place->path.text);
    assert_int_equal(symlink(target.text, place->path.text), 0);
    say(place, "lost\n");
    assert_true(log_file_drops(&place->file));
    assert_int_equal(file_size_bytes(target.text), strlen("untouched"));
    unlink(place->path.text);
    say(place, "found\n");
    assert_false(log_file_drops(&place->file));
    unlink(target.text);
}

static void a_full_disk_loses_lines_alone(void **state)
{
    struct place *place = *state;
    struct log_file full = {.fd = -1};
    (void)place;
    /* /dev/full is no regular file and is not written to either; the descriptor is put in by hand */
    log_file_open(&full, &place->path, &place->clock.clock);
    int fd = file_open("/dev/full", 01, NULL);
    assert_true(fd >= 0);
    dup2(fd, full.fd);
    close(fd);
    log_file_write(&full, "lost\n", 5);
    assert_true(log_file_drops(&full));
    assert_int_equal(full.lost_bytes, 5);
    log_file_close(&full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(appends_to_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_five_files_of_a_mebibyte, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_is_cut_and_said_so, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_long_flood_writes_at_its_rate, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_deleted_file_is_begun_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(never_writes_through_a_link, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_full_disk_loses_lines_alone, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
