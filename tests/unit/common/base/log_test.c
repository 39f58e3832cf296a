#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/text.h"

struct fixture {
    int read_end;
    struct clock_fake clock;
    struct log log;
    char line[2 * LOG_LINE_BYTES];
};

static void setup(struct fixture *f)
{
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    f->read_end = ends[0];
    clock_fake_init(&f->clock, 1771754400123456, 0); /* 2026-02-22T10:00:00.123456Z */
    log_init(&f->log, "agent", &f->clock.clock);
    assert_int_equal(f->log.fd, STDERR_FILENO);
    assert_int_equal(f->log.level, LOG_INFO);
    f->log.fd = ends[1];
}

/* What was written since the last call. */
static const char *written(struct fixture *f)
{
    log_error(&f->log, "%c", '!'); /* so that there is something to read */
    ssize_t size = read(f->read_end, f->line, sizeof(f->line) - 1);
    assert_true(size > 0);
    f->line[size] = '\0';
    char *mark = strrchr(f->line, '!');
    assert_non_null(mark);
    while (mark > f->line && mark[-1] != '\n')
        mark--;
    *mark = '\0';
    return f->line;
}

static void teardown(struct fixture *f)
{
    close(f->read_end);
    close(f->log.fd);
}

static void text_lines(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    log_info(&f.log, "serving on %d", 9876);
    assert_string_equal(written(&f), "2026-02-22T10:00:00Z info  agent: serving on 9876\n");
    log_error(&f.log, "disk \"full\"");
    assert_string_equal(written(&f), "2026-02-22T10:00:00Z error agent: disk \"full\"\n");
    teardown(&f);
}

static void json_lines(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    f.log.format = LOG_JSON;
    log_warn(&f.log, "a \"quoted\" \\ path");
    assert_string_equal(written(&f), "{\"time\":\"2026-02-22T10:00:00.123456Z\",\"level\":\"warn\","
                                     "\"program\":\"agent\",\"message\":\"a \\\"quoted\\\" \\\\ path\"}\n");
    teardown(&f);
}

static void below_the_level_is_silent(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    log_debug(&f.log, "no");
    f.log.level = LOG_ERROR;
    log_warn(&f.log, "no");
    assert_string_equal(written(&f), "");
    f.log.level = LOG_DEBUG;
    log_debug(&f.log, "yes");
    assert_string_equal(written(&f), "2026-02-22T10:00:00Z debug agent: yes\n");
    teardown(&f);
}

static void without_a_descriptor_it_is_silent(void **state)
{
    (void)state;
    struct log log = {-1, LOG_DEBUG, LOG_TEXT, "x", clock_system()};
    log_error(&log, "nobody hears this");
}

/* What a client sent cannot forge a second line, whatever it holds. */
static void one_event_is_one_line(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    log_info(&f.log, "from %s", "x\n2026-02-22T10:00:00Z info  agent: forged\r\x1b[2J");
    const char *line = written(&f);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    assert_null(strchr(line, '\x1b'));
    assert_non_null(strstr(line, "x?2026"));
    teardown(&f);
}

static void json_is_utf8_whatever_comes(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    f.log.format = LOG_JSON;
    log_info(&f.log, "bytes \xff\xc3( \xe2\x82\xac");
    const char *line = written(&f);
    assert_true(text_is_utf8(view_of(line)));
    assert_non_null(strstr(line, "bytes ?"
                                 "?( \xe2\x82\xac\"}"));
    teardown(&f);
}

/* However long the text: one whole line, with its end. */
static void a_long_text_is_cut(void **state)
{
    (void)state;
    static const char *const fillings[] = {"a", "\"", "\\", "\xe2\x82\xac", "\x01"};
    struct fixture f;
    setup(&f);
    for (size_t i = 0; i < COUNT_OF(fillings); i++) {
        char text[3 * LOG_LINE_BYTES];
        size_t size = strlen(fillings[i]);
        size_t used = 0;
        for (; used + size < sizeof(text); used += size)
            memcpy(text + used, fillings[i], size);
        text[used] = '\0';
        for (int format = LOG_TEXT; format <= LOG_JSON; format++) {
            f.log.format = (enum log_format)format;
            log_info(&f.log, "%s", text);
            const char *line = written(&f);
            size_t length = strlen(line);
            assert_in_range(length, LOG_LINE_BYTES / 4, LOG_LINE_BYTES + 256);
            assert_ptr_equal(strchr(line, '\n'), line + length - 1);
            assert_true(text_is_utf8(view_of(line)));
            if (format == LOG_JSON)
                assert_string_equal(line + length - 3, "\"}\n");
        }
    }
    teardown(&f);
}

static void a_long_program_name_is_cut(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f);
    char name[2 * LOG_LINE_BYTES];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    f.log.program = name;
    log_info(&f.log, "x");
    f.log.program = "agent";
    const char *line = written(&f);
    assert_ptr_equal(strchr(line, '\n'), line + strlen(line) - 1);
    teardown(&f);
}

static void levels_and_formats_by_name(void **state)
{
    (void)state;
    static const char *const names[] = {"debug", "info", "warn", "error"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        enum log_level level = LOG_INFO;
        assert_true(log_level_parse(view_of(names[i]), &level));
        assert_int_equal(level, i);
    }
    enum log_level level = LOG_WARN;
    assert_false(log_level_parse(view_of("INFO"), &level));
    assert_false(log_level_parse(view_of(""), &level));
    assert_int_equal(level, LOG_WARN);
    enum log_format format = LOG_TEXT;
    assert_true(log_format_parse(view_of("json"), &format));
    assert_int_equal(format, LOG_JSON);
    assert_true(log_format_parse(view_of("text"), &format));
    assert_int_equal(format, LOG_TEXT);
    assert_false(log_format_parse(view_of("xml"), &format));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_lines),
        cmocka_unit_test(json_lines),
        cmocka_unit_test(below_the_level_is_silent),
        cmocka_unit_test(without_a_descriptor_it_is_silent),
        cmocka_unit_test(one_event_is_one_line),
        cmocka_unit_test(json_is_utf8_whatever_comes),
        cmocka_unit_test(a_long_text_is_cut),
        cmocka_unit_test(a_long_program_name_is_cut),
        cmocka_unit_test(levels_and_formats_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
