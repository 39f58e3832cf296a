#include "collector/lines_reader.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base/buf.h"

#define NOW_US (INT64_C(1771754700) * US_PER_S)

/* A reader whose samples are written down, and a pipe that it reads. */
struct bench {
    struct lines_reader *reader;
    struct lines_rest rest;
    struct clock_fake clock;
    struct log log;
    struct input_stream stream;
    struct buf samples; /* "name=value@seconds " */
    struct buf refusals;
    int room; /* lines that are still taken; below 0: any number */
    int in, out;
};

static bool note_sample(void *context, const struct sample *sample)
{
    struct bench *bench = context;
    buf_printf(&bench->samples, "%.*s=%.15g@%.15g ", VIEW_ARG(sample->channel), sample->value,
               (double)sample->time_us / US_PER_S);
    return true;
}

static void note_refusal(void *context, const char *why)
{
    struct bench *bench = context;
    buf_printf(&bench->refusals, "%s\n", why);
}

static bool has_room(void *context)
{
    struct bench *bench = context;
    if (bench->room > 0)
        bench->room--;
    else if (bench->room == 0)
        return false;
    return true;
}

static int bench_setup(void **state)
{
    struct bench *bench = calloc(1, sizeof(*bench));
    int ends[2];
    if (bench == NULL || pipe2(ends, O_NONBLOCK) != 0)
        return 1;
    clock_fake_init(&bench->clock, NOW_US, 0);
    log_init(&bench->log, "test", &bench->clock.clock);
    bench->log.fd = -1;
    bench->stream = (struct input_stream){.name = "lines",
                                          .has_room = has_room,
                                          .sink = {note_sample, bench},
                                          .refuse = note_refusal,
                                          .context = bench};
    bench->samples = (struct buf)BUF_LIMIT(1 << 20);
    bench->refusals = (struct buf)BUF_LIMIT(1 << 20);
    bench->room = -1;
    bench->out = ends[0];
    bench->in = ends[1];
    bench->reader = calloc(1, sizeof(*bench->reader));
    if (bench->reader == NULL)
        return 1;
    bench->reader->log = &bench->log;
    bench->reader->stream = &bench->stream;
    *state = bench;
    return 0;
}

static int bench_teardown(void **state)
{
    struct bench *bench = *state;
    lines_rest_clear(&bench->rest);
    buf_clear(&bench->samples);
    buf_clear(&bench->refusals);
    close(bench->in);
    close(bench->out);
    free(bench->reader);
    free(bench);
    return 0;
}

static enum lines_result send_bytes(struct bench *bench, const char *bytes, size_t size)
{
    assert_int_equal(write(bench->in, bytes, size), size);
    return lines_reader_read(bench->reader, &bench->rest, bench->out);
}

static enum lines_result send_text(struct bench *bench, const char *text)
{
    return send_bytes(bench, text, strlen(text));
}

static void points_become_samples(void **state)
{
    struct bench *bench = *state;
    assert_int_equal(send_text(bench, "cpu,host=a x=1,y=2i 1771754600000000000\n# c\n\nm v=t\r\n"),
                     LINES_TAKEN);
    assert_string_equal(buf_text(&bench->samples), "cpu.x{host=a}=1@1771754600 cpu.y{host=a}=2@1771754600 "
                                                   "m.v=1@1771754700 ");
    assert_int_equal(bench->reader->refused_lines, 0);
    assert_int_equal(lines_reader_read(bench->reader, &bench->rest, bench->out), LINES_EMPTY);
}

static void a_cut_anywhere_makes_no_difference(void **state)
{
    struct bench *bench = *state;
    static const char text[] = "cpu,host=a x=1,t=\"two\nlines\",y=2 1771754600000000000\nbad\nm v=3\n";
    for (size_t at = 1; at < sizeof(text) - 1; at++) {
        buf_reset(&bench->samples);
        send_bytes(bench, text, at);
        send_bytes(bench, text + at, sizeof(text) - 1 - at);
        assert_string_equal(buf_text(&bench->samples),
                            "cpu.x{host=a}=1@1771754600 cpu.y{host=a}=2@1771754600 m.v=3@1771754700 ");
        assert_int_equal(bench->rest.size, 0);
    }
    assert_int_equal(bench->reader->texts, sizeof(text) - 2);
    assert_int_equal(bench->reader->refused_lines, sizeof(text) - 2);
}

static void without_room_nothing_is_lost(void **state)
{
    struct bench *bench = *state;
    bench->room = 2;
    assert_int_equal(send_text(bench, "m a=1\nm a=2\nm a=3\nm a=4\nm a="), LINES_HELD);
    assert_string_equal(buf_text(&bench->samples), "m.a=1@1771754700 m.a=2@1771754700 ");
    assert_int_equal(lines_reader_go_on(bench->reader, &bench->rest), LINES_HELD);
    bench->room = -1;
    buf_reset(&bench->samples);
    assert_int_equal(lines_reader_go_on(bench->reader, &bench->rest), LINES_TAKEN);
    assert_int_equal(send_text(bench, "5\n"), LINES_TAKEN);
    assert_string_equal(buf_text(&bench->samples), "m.a=3@1771754700 m.a=4@1771754700 m.a=5@1771754700 ");
}

static void an_endless_line_costs_a_bounded_memory_and_itself_alone(void **state)
{
    struct bench *bench = *state;
    static char piece[32 * 1024];
    memset(piece, 'x', sizeof(piece));
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(send_bytes(bench, piece, sizeof(piece)), LINES_TAKEN);
        assert_true(bench->rest.size < LINE_MAX_BYTES);
    }
    send_text(bench, "\nm v=1\n");
    assert_string_equal(buf_text(&bench->samples), "m.v=1@1771754700 ");
    assert_int_equal(bench->reader->refused_lines, 1);
    assert_string_equal(buf_text(&bench->refusals), "a line is longer than 65535 bytes\n");
}

static void an_open_quote_delays_what_follows_and_swallows_nothing(void **state)
{
    struct bench *bench = *state;
    send_text(bench, "m v=\"open\n");
    for (int i = 0; i < 20000; i++)
        send_text(bench, "m v=1\n");
    assert_int_equal(bench->samples.size, 20000 * strlen("m.v=1@1771754700 "));
    assert_int_equal(bench->reader->refused_lines, 1);
}

/* Each line, wherever one begins to read, opens a text that has no end in what follows. */
static void lines_that_all_open_a_quote_cost_a_few_looks(void **state)
{
    struct bench *bench = *state;
    static char open_lines[LINES_READ_BYTES];
    static const char line[] = "m \"a=\"1\n";
    for (size_t i = 0; i < sizeof(open_lines); i++)
        open_lines[i] = line[i % (sizeof(line) - 1)];
    for (int i = 1; i <= 50; i++) {
        send_bytes(bench, open_lines, sizeof(open_lines));
        assert_true(bench->reader->refused_lines <= (uint64_t)i * (LINES_UNENDED_A_READ + 1));
        assert_true(bench->rest.size < LINE_MAX_BYTES);
    }
    send_text(bench, "\"\nthe rest\nm v=1\n");
    assert_non_null(strstr(buf_text(&bench->samples), "m.v=1@1771754700 "));
}

static void times_are_in_the_precision_and_in_this_century(void **state)
{
    struct bench *bench = *state;
    static const struct {
        enum lines_precision precision;
        const char *time, *seconds; /* "": refused */
    } table[] = {
        {LINES_NS, "1771754600123456789", "1771754600.12346"},
        {LINES_US, "1771754600123456", "1771754600.12346"},
        {LINES_MS, "1771754600123", "1771754600.123"},
        {LINES_S, "1771754600", "1771754600"},
        {LINES_AUTO, "1771754600", "1771754600"},
        {LINES_AUTO, "1771754600123", "1771754600.123"},
        {LINES_AUTO, "1771754600123456", "1771754600.12346"},
        {LINES_AUTO, "1771754600123456789", "1771754600.12346"},
        {LINES_S, "946684800", "946684800"},
        {LINES_S, "946684799", ""},
        {LINES_S, "4102444799", "4102444799"},
        {LINES_S, "4102444800", ""},
        {LINES_NS, "1771754600", ""},
        {LINES_S, "1771754600123", ""},
        {LINES_S, "9223372036854775807", ""},
        {LINES_MS, "-9223372036854775808", ""},
        {LINES_AUTO, "-5", ""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        char line[64];
        char expected[64] = "";
        snprintf(line, sizeof(line), "m v=1 %s\n", table[i].time);
        if (table[i].seconds[0] != '\0')
            snprintf(expected, sizeof(expected), "m.v=1@%s ", table[i].seconds);
        bench->reader->options.precision = (int)table[i].precision;
        buf_reset(&bench->samples);
        send_text(bench, line);
        assert_string_equal(buf_text(&bench->samples), expected);
    }
    assert_int_equal(bench->reader->refused_lines, 7);
}

static void texts_and_long_names_are_counted_and_the_rest_is_taken(void **state)
{
    struct bench *bench = *state;
    SCOPE_BUF struct buf line = BUF_LIMIT(1024);
    buf_append_text(&line, "m a=\"x\",b=1,");
    for (int i = 0; i < 130; i++)
        buf_append_byte(&line, 'n');
    buf_append_text(&line, "=2,c=3,d=\"y\"\n");
    send_text(bench, buf_text(&line));
    assert_string_equal(buf_text(&bench->samples), "m.b=1@1771754700 m.c=3@1771754700 ");
    assert_int_equal(bench->reader->texts, 2);
    assert_string_equal(buf_text(&bench->refusals), "names of channels longer than 127 bytes\n");
}

static void the_end_of_a_sender(void **state)
{
    struct bench *bench = *state;
    send_text(bench, "m v=1\nm v=12");
    lines_reader_finish(bench->reader, &bench->rest, false);
    assert_string_equal(buf_text(&bench->samples), "m.v=1@1771754700 ");
    assert_int_equal(bench->reader->refused_lines, 1); /* it may have been 123 */
    send_text(bench, "m v=12");
    lines_reader_finish(bench->reader, &bench->rest, true);
    assert_string_equal(buf_text(&bench->samples), "m.v=1@1771754700 m.v=12@1771754700 ");
    close(bench->in);
    bench->in = -1;
    assert_int_equal(lines_reader_read(bench->reader, &bench->rest, bench->out), LINES_END);
}

static void one_number_a_line(void **state)
{
    struct bench *bench = *state;
    snprintf(bench->reader->options.channel, RECORD_CHANNEL_BYTES, "room");
    send_text(bench, "21.5\n\n -3 \r\n.5\nnan\n1 2\ntwo\n");
    assert_string_equal(buf_text(&bench->samples),
                        "room=21.5@1771754700 room=-3@1771754700 room=0.5@1771754700 ");
    assert_int_equal(bench->reader->refused_lines, 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, bench_setup, bench_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(points_become_samples),
        TEST(a_cut_anywhere_makes_no_difference),
        TEST(without_room_nothing_is_lost),
        TEST(an_endless_line_costs_a_bounded_memory_and_itself_alone),
        TEST(an_open_quote_delays_what_follows_and_swallows_nothing),
        TEST(lines_that_all_open_a_quote_cost_a_few_looks),
        TEST(times_are_in_the_precision_and_in_this_century),
        TEST(texts_and_long_names_are_counted_and_the_rest_is_taken),
        TEST(the_end_of_a_sender),
        TEST(one_number_a_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
