#include "tests/unit/collector/fixture.h"

#include "collector/sampler.h"

/* An input whose behaviour the test sets: `fake count=3`; it fails while *failing is true. */
static bool failing;
static int starts;
static int asked;

static void *fake_make(struct view options, const struct input_env *env, struct error *err)
{
    (void)env;
    int *count = malloc(sizeof(*count));
    *count = options.size == 0 ? 1 : atoi(options.data + 1);
    if (*count >= 0)
        return count;
    free(count);
    error_set(err, ERR_USAGE, "expected a count");
    return NULL;
}

static bool fake_start(void *input, struct error *err)
{
    (void)input;
    starts++;
    return !failing || error_set(err, ERR_IO, "no such sensor");
}

static bool fake_sample(void *input, const struct input_tick *tick, const struct sample_sink *sink,
                        struct error *err)
{
    asked++;
    if (failing)
        return error_set(err, ERR_IO, "the sensor is gone");
    for (int i = 0; i < *(int *)input; i++) {
        struct sample sample = sample_of("fake", i, tick->time_us);
        if (!sink->put(sink->context, &sample))
            break;
    }
    return true;
}

static bool names_sample(void *input, const struct input_tick *tick, const struct sample_sink *sink,
                         struct error *err)
{
    (void)err;
    for (int i = 0; i < *(int *)input; i++) {
        char name[32];
        snprintf(name, sizeof(name), "name_%d", i);
        struct sample sample = sample_of(name, i == 0 ? INFINITY : 4, tick->time_us);
        if (!sink->put(sink->context, &sample))
            break;
    }
    return true;
}

static const struct input_kind fake = {.name = "fake",
                                       .options = "",
                                       .make = fake_make,
                                       .start = fake_start,
                                       .sample = fake_sample,
                                       .free = free};
static const struct input_kind names = {
    .name = "names", .options = "", .make = fake_make, .sample = names_sample, .free = free};

/* An input that is given bytes at any time, here by the test itself. */
static const struct input_stream *stream;
static int resumed;
static bool settled;

static void stream_attach(void *input, const struct input_stream *given)
{
    (void)input;
    stream = given;
}

static bool stream_sample(void *input, const struct input_tick *tick, const struct sample_sink *sink,
                          struct error *err)
{
    (void)input;
    (void)tick;
    (void)sink;
    return !failing || error_set(err, ERR_IO, "nobody can connect");
}

static void stream_resume(void *input)
{
    (void)input;
    resumed++;
}

static bool stream_is_settled(const void *input)
{
    (void)input;
    return settled;
}

static size_t stream_counts(const void *input, struct input_count out[INPUT_COUNTS_MAX])
{
    (void)input;
    out[0] = (struct input_count){"texts_skipped", 12};
    return 1;
}

static const struct input_kind streamed = {.name = "streamed",
                                           .options = "",
                                           .make = fake_make,
                                           .sample = stream_sample,
                                           .free = free,
                                           .attach = stream_attach,
                                           .resume = stream_resume,
                                           .is_settled = stream_is_settled,
                                           .counts = stream_counts};

static const struct input_kind *kind_of(const char *line, struct view *options, struct error *err)
{
    (void)err;
    struct view rest = view_of(line);
    struct view word;
    config_next_word(&rest, &word);
    *options = rest;
    return view_is(word, "names") ? &names : view_is(word, "streamed") ? &streamed : &fake;
}

struct bench {
    struct channel_table *channels;
    struct sampler *sampler;
    struct input_env env;
    struct batch batch;
    struct log log;
    FILE *log_file;
};

static struct bench bench_of(struct fixture *fixture, const char *first, const char *second)
{
    struct error err;
    struct bench bench = {.channels = channel_table_new(&err), .log = fixture->log, .log_file = tmpfile()};
    char lines[2][CONFIG_TEXT_BYTES];
    unsigned numbers[2] = {1, 2};
    failing = false;
    starts = 0;
    asked = 0;
    bench.log.fd = fileno(bench.log_file);
    snprintf(lines[0], sizeof(lines[0]), "%s", first);
    snprintf(lines[1], sizeof(lines[1]), "%s", second);
    const struct config_lines config = {lines, numbers, 2};
    struct log *log = malloc(sizeof(*log)); /* outlives this frame, freed with the bench */
    *log = bench.log;
    const struct sampler_spec spec = {kind_of, &config, &bench.env, bench.channels, log};
    bench.env.log = log;
    bench.sampler = sampler_new(&spec, &err);
    assert_non_null(bench.sampler);
    return bench;
}

static void bench_clear(struct bench *bench)
{
    free((void *)(uintptr_t)bench->env.log);
    sampler_free(bench->sampler);
    channel_table_free(bench->channels);
    batch_clear(&bench->batch);
    fclose(bench->log_file);
}

static size_t lines_in_log(struct bench *bench, const char *text)
{
    char line[4096];
    size_t count = 0;
    rewind(bench->log_file);
    while (fgets(line, sizeof(line), bench->log_file) != NULL)
        count += strstr(line, text) != NULL;
    fseek(bench->log_file, 0, SEEK_END);
    return count;
}

static bool tick(struct bench *bench)
{
    bench->batch.count = 0;
    return sampler_tick(bench->sampler, START_US, US_PER_S, &bench->batch);
}

static void every_input_gives_its_samples(void **state)
{
    struct bench bench = bench_of(*state, "fake 3", "names 2");
    assert_false(tick(&bench));
    assert_int_equal(bench.batch.count, 5);
    assert_true(isnan(bench.batch.items[3].value)); /* infinity is no number */
    assert_true(bench.batch.items[4].value == 4);
    assert_int_equal(sampler_status(bench.sampler, 0)->readings, 3);
    bench_clear(&bench);
}

static void a_dead_input_is_said_once_tried_again_with_back_off_and_stops_nobody(void **state)
{
    struct bench bench = bench_of(*state, "fake 1", "names 2");
    tick(&bench);
    failing = true;
    assert_true(tick(&bench));
    assert_int_equal(bench.batch.count, 2);
    const struct input_status *status = sampler_status(bench.sampler, 0);
    assert_int_equal(status->state, INPUT_FAILING);
    assert_string_equal(status->error.text, "the sensor is gone");
    starts = 0;
    for (int i = 0; i < 600; i++) {
        assert_false(tick(&bench));
        assert_int_equal(bench.batch.count, 2);
    }
    /* after 1, 2, 4, 8, 16, 32 s, then each 60 s */
    assert_in_range(starts, 14, 16);
    assert_int_equal(lines_in_log(&bench, "input fake is failing"), 1);
    failing = false;
    for (int i = 0; i < 61; i++)
        tick(&bench);
    assert_int_equal(status->state, INPUT_OK);
    assert_int_equal(status->error.code, ERR_NONE);
    assert_int_equal(lines_in_log(&bench, "input fake works again"), 1);
    bench_clear(&bench);
}

static void a_flood_of_samples_is_cut_counted_and_stops_nobody(void **state)
{
    struct bench bench = bench_of(*state, "fake 50007", "names 2");
    assert_true(tick(&bench));
    assert_int_equal(bench.batch.count, INPUT_MAX_SAMPLES_A_TICK + 2);
    const struct input_status *status = sampler_status(bench.sampler, 0);
    assert_int_equal(status->state, INPUT_FLOODING);
    assert_true(status->dropped > 0);
    assert_int_equal(sampler_status(bench.sampler, 1)->state, INPUT_OK);
    bench_clear(&bench);
}

static void a_flood_of_names_is_cut_and_known_channels_go_on(void **state)
{
    struct bench bench = bench_of(*state, "fake 1", "names 10010");
    assert_true(tick(&bench));
    assert_false(tick(&bench));
    assert_int_equal(bench.batch.count, STORE_CHANNELS_MAX);
    assert_int_equal(sampler_status(bench.sampler, 1)->state, INPUT_FLOODING);
    assert_int_equal(sampler_status(bench.sampler, 1)->dropped, 2 * 11);
    assert_int_equal(sampler_status(bench.sampler, 0)->state, INPUT_OK);
    bench_clear(&bench);
}

/* ---- streams ---- */

static bool flush_works;
static int flushes;

static bool flush(void *context)
{
    struct batch *batch = context;
    flushes++;
    if (flush_works)
        batch->count = 0;
    return flush_works;
}

static struct bench stream_bench(struct fixture *fixture, const struct sampler_feed *feed)
{
    struct bench bench = bench_of(fixture, "streamed 1", "fake 1");
    sampler_attach(bench.sampler, feed);
    resumed = 0;
    flushes = 0;
    settled = true;
    flush_works = true;
    return bench;
}

/* As many samples as there is room for, at most count. */
static int pour(int count)
{
    struct sample sample = sample_of("poured", 1, START_US);
    int given = 0;
    while (given < count && stream->has_room(stream->context) &&
           stream->sink.put(stream->sink.context, &sample))
        given++;
    return given;
}

static void what_a_stream_gives_between_ticks_is_in_the_batch_and_in_its_status(void **state)
{
    struct batch batch = {0};
    const struct sampler_feed feed = {.batch = &batch, .flush = flush, .context = &batch};
    struct bench bench = stream_bench(*state, &feed);
    assert_string_equal(stream->name, "streamed");
    assert_int_equal(pour(7), 7);
    assert_int_equal(batch.count, 7);
    assert_true(batch.items[0].kept);
    assert_true(
        sampler_tick(bench.sampler, START_US, US_PER_S, &batch)); /* the first skipped texts are news */
    assert_false(sampler_tick(bench.sampler, START_US, 0, &batch));
    assert_int_equal(batch.count, 9);
    assert_false(batch.items[7].kept);
    const struct input_status *status = sampler_status(bench.sampler, 0);
    assert_int_equal(status->readings, 7);
    assert_int_equal(status->count_count, 1);
    assert_string_equal(status->counts[0].name, "texts_skipped");
    batch_clear(&batch);
    bench_clear(&bench);
}

static void much_is_written_before_the_tick(void **state)
{
    struct batch batch = {0};
    const struct sampler_feed feed = {.batch = &batch, .flush = flush, .context = &batch};
    struct bench bench = stream_bench(*state, &feed);
    assert_int_equal(pour(3 * INPUT_FLUSH_READINGS + 1), 3 * INPUT_FLUSH_READINGS + 1);
    assert_int_equal(flushes, 3);
    assert_int_equal(batch.count, 1);
    batch_clear(&batch);
    bench_clear(&bench);
}

static void a_store_that_takes_nothing_holds_the_stream_until_it_does(void **state)
{
    struct batch batch = {0};
    const struct sampler_feed feed = {.batch = &batch, .flush = flush, .context = &batch};
    struct bench bench = stream_bench(*state, &feed);
    flush_works = false;
    assert_int_equal(pour(1000 * 1000), INPUT_STREAM_READINGS);
    assert_int_equal(flushes, 1); /* not again before the next tick */
    sampler_tick(bench.sampler, START_US, US_PER_S, &batch);
    sampler_resume(bench.sampler);
    assert_int_equal(resumed, 0);                /* nothing was written: no room yet */
    assert_int_equal(batch_trim(&batch, 10), 1); /* of the input that is asked alone */
    assert_int_equal(batch.count, INPUT_STREAM_READINGS);
    batch.count = INPUT_RESUME_READINGS;
    sampler_resume(bench.sampler);
    assert_int_equal(resumed, 1);
    sampler_resume(bench.sampler);
    assert_int_equal(resumed, 1);
    assert_int_equal(sampler_status(bench.sampler, 0)->dropped, 0);
    batch_clear(&batch);
    bench_clear(&bench);
}

static void what_a_stream_refuses_is_counted_and_forgiven_after_a_minute(void **state)
{
    struct batch batch = {0};
    const struct sampler_feed feed = {.batch = &batch, .flush = flush, .context = &batch};
    struct bench bench = stream_bench(*state, &feed);
    const struct input_status *status = sampler_status(bench.sampler, 0);
    for (int i = 0; i < 120; i++) {
        if (i % 10 == 0)
            stream->refuse(stream->context, "a bad line");
        sampler_tick(bench.sampler, START_US, US_PER_S, &batch);
        assert_int_equal(status->state, INPUT_FLOODING);
    }
    assert_string_equal(status->error.text, "a bad line");
    assert_int_equal(status->dropped, 12);
    for (int i = 0; i < 60; i++)
        sampler_tick(bench.sampler, START_US, US_PER_S, &batch);
    assert_int_equal(status->state, INPUT_OK);
    assert_int_equal(status->error.code, ERR_NONE);
    assert_int_equal(lines_in_log(&bench, "input streamed is flooding: a bad line"), 1);
    assert_int_equal(lines_in_log(&bench, "input streamed works again"), 1);
    batch_clear(&batch);
    bench_clear(&bench);
}

static void a_failing_stream_is_well_again_only_when_that_is_known(void **state)
{
    struct batch batch = {0};
    const struct sampler_feed feed = {.batch = &batch, .flush = flush, .context = &batch};
    struct bench bench = stream_bench(*state, &feed);
    const struct input_status *status = sampler_status(bench.sampler, 0);
    failing = true;
    sampler_tick(bench.sampler, START_US, US_PER_S, &batch);
    assert_int_equal(status->state, INPUT_FAILING);
    failing = false;
    settled = false;
    for (int i = 0; i < 5; i++) {
        sampler_tick(bench.sampler, START_US, US_PER_S, &batch);
        assert_int_equal(status->state, INPUT_FAILING);
        assert_false(sampler_is_settled(bench.sampler));
    }
    settled = true;
    sampler_tick(bench.sampler, START_US, US_PER_S, &batch); /* asked at once, back-off or not */
    assert_int_equal(status->state, INPUT_OK);
    assert_true(sampler_is_settled(bench.sampler));
    batch_clear(&batch);
    bench_clear(&bench);
}

static void an_input_of_its_own_limit_makes_no_channel_beyond_it(void **state)
{
    struct batch batch = {0};
    const struct sampler_feed feed = {.batch = &batch, .flush = flush, .context = &batch};
    struct bench bench = stream_bench(*state, &feed);
    struct sample sample = sample_of("one", 1, START_US);
    sample.max_channels = 2;
    for (int round = 0; round < 2; round++) {
        static const char *const channels[] = {"one", "two", "three"};
        for (size_t i = 0; i < COUNT_OF(channels); i++) {
            sample.channel = view_of(channels[i]);
            assert_true(stream->sink.put(stream->sink.context, &sample));
        }
    }
    assert_int_equal(batch.count, 4); /* what is there goes on */
    sampler_tick(bench.sampler, START_US, US_PER_S, &batch);
    assert_int_equal(sampler_status(bench.sampler, 0)->dropped, 2);
    assert_int_equal(sampler_status(bench.sampler, 0)->state, INPUT_FLOODING);
    assert_int_equal(batch.count, 5); /* another input makes its own */
    batch_clear(&batch);
    bench_clear(&bench);
}

static void scale_and_offset_are_applied(void **state)
{
    struct bench bench = bench_of(*state, "names 2", "fake 1");
    char lines[1][CONFIG_TEXT_BYTES] = {"name_1 scale=2 offset=-1"};
    unsigned numbers[1] = {1};
    const struct config_lines config = {lines, numbers, 1};
    assert_true(channel_table_configure(bench.channels, &config, NULL));
    tick(&bench);
    assert_true(bench.batch.items[1].value == 7);
    bench_clear(&bench);
}

static void two_of_a_kind_have_names_of_their_own(void **state)
{
    struct bench bench = bench_of(*state, "fake 1", "fake 1");
    assert_string_equal(sampler_status(bench.sampler, 0)->name, "fake");
    assert_string_equal(sampler_status(bench.sampler, 1)->name, "fake#2");
    bench_clear(&bench);
}

static void a_bad_line_names_its_place(void **state)
{
    struct fixture *fixture = *state;
    struct error err;
    char lines[1][CONFIG_TEXT_BYTES] = {"fake -1"};
    unsigned numbers[1] = {12};
    const struct config_lines config = {lines, numbers, 1};
    const struct input_env env = {.log = &fixture->log};
    const struct sampler_spec spec = {kind_of, &config, &env, NULL, &fixture->log};
    assert_null(sampler_new(&spec, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_string_equal(err.text, "config.txt:12: INPUT: fake: expected a count");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_input_gives_its_samples),
        TEST(a_dead_input_is_said_once_tried_again_with_back_off_and_stops_nobody),
        TEST(a_flood_of_samples_is_cut_counted_and_stops_nobody),
        TEST(a_flood_of_names_is_cut_and_known_channels_go_on),
        TEST(what_a_stream_gives_between_ticks_is_in_the_batch_and_in_its_status),
        TEST(much_is_written_before_the_tick),
        TEST(a_store_that_takes_nothing_holds_the_stream_until_it_does),
        TEST(what_a_stream_refuses_is_counted_and_forgiven_after_a_minute),
        TEST(a_failing_stream_is_well_again_only_when_that_is_known),
        TEST(an_input_of_its_own_limit_makes_no_channel_beyond_it),
        TEST(scale_and_offset_are_applied),
        TEST(two_of_a_kind_have_names_of_their_own),
        TEST(a_bad_line_names_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
