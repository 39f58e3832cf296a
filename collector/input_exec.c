/* The input `exec`: what a command prints, as line protocol or as one number a line. It runs under a guard,
 * so that nothing of it outlives its run or the collector. */
#include <stdlib.h>

#include "collector/exec_command.h"
#include "collector/exec_machine.h"
#include "collector/exec_messages.h"
#include "collector/input_options.h"
#include "collector/lines_reader.h"
#include "collector/telemetry_store.h"

enum {
    EXEC_INTERVAL_MS = 10 * 1000, /* by default */
    EXEC_TIMEOUT_MS = 10 * 1000,  /* of a run with mode=once, by default */
    EXEC_MIN_MS = 100,
    EXEC_MAX_MS = 24 * 60 * 60 * 1000,
    EXEC_LAST_READS = 64, /* more than a pipe holds */
};

enum exec_format { FORMAT_LINES, FORMAT_VALUE };

struct exec_input {
    const struct input_env *env;
    const struct input_stream *stream;
    struct exec_command command;
    struct exec_machine machine;
    struct exec_messages messages;
    struct exec_run run;
    struct loop_watch *ended, *out, *errors;
    struct lines_rest rest;
    struct lines_reader reader;
    bool held;
    bool over;   /* the guard has ended; what is in the pipe is still to be taken */
    int status;  /* of waitpid, once it is over */
    bool retry;  /* the last run failed */
    bool failed; /* ... and the sampler has not been told yet */
    struct error failure;
};

/* ---- options ---- */

struct exec_words {
    char command[CONFIG_TEXT_BYTES];
    int mode, format;
    uint64_t interval_ms, timeout_ms;
};

static bool check_words(const struct exec_words *words, const struct lines_options *lines, struct error *err)
{
    if (words->command[0] == '\0')
        return error_set(err, ERR_USAGE, "expected command=\"PROGRAM ARGUMENTS\"");
    if (words->format == FORMAT_VALUE && lines->channel[0] == '\0')
        return error_set(err, ERR_USAGE, "expected channel=NAME with format=value");
    if (words->format == FORMAT_LINES && lines->channel[0] != '\0')
        return error_set(err, ERR_USAGE, "expected channel= with format=value alone");
    return lines->channel[0] == '\0' || record_channel_name_ok(view_of(lines->channel)) ||
           error_set(err, ERR_USAGE, "expected a channel's name behind channel=");
}

static bool read_options(struct exec_input *input, struct view options, struct error *err)
{
    struct lines_options *lines = &input->reader.options;
    struct exec_words words = {.interval_ms = EXEC_INTERVAL_MS, .timeout_ms = UINT64_MAX};
    const struct input_option table[] = {
        {"command", INPUT_OPTION_TEXT, words.command, 0, sizeof(words.command) - 1, NULL},
        {"mode", INPUT_OPTION_CHOICE, &words.mode, 0, 0, EXEC_MODES},
        {"format", INPUT_OPTION_CHOICE, &words.format, 0, 0, "lines|value"},
        {"channel", INPUT_OPTION_TEXT, lines->channel, 0, sizeof(lines->channel) - 1, NULL},
        {"interval_ms", INPUT_OPTION_NUMBER, &words.interval_ms, EXEC_MIN_MS, EXEC_MAX_MS, NULL},
        {"timeout_ms", INPUT_OPTION_NUMBER, &words.timeout_ms, EXEC_MIN_MS, EXEC_MAX_MS, NULL},
        {"precision", INPUT_OPTION_CHOICE, &lines->precision, 0, 0, LINES_PRECISIONS},
        {"max_channels", INPUT_OPTION_NUMBER, &lines->max_channels, 1, STORE_CHANNELS_MAX, NULL},
    };
    if (!input_options_read(options, table, COUNT_OF(table), input_exec.options, err) ||
        !check_words(&words, lines, err))
        return false;
    if (words.timeout_ms == UINT64_MAX) /* not given */
        words.timeout_ms = words.mode == EXEC_STREAM ? 0 : EXEC_TIMEOUT_MS;
    input->machine = (struct exec_machine){
        .mode = (enum exec_mode)words.mode,
        .interval_us = (int64_t)words.interval_ms * US_PER_MS,
        .timeout_us = (int64_t)words.timeout_ms * US_PER_MS,
    };
    return exec_command_parse(&input->command, view_of(words.command), err);
}

/* ---- a run's end ---- */

static int64_t now_us(const struct exec_input *input)
{
    return clock_monotonic_us(input->env->log->clock);
}

static void remove_watches(struct exec_input *input)
{
    loop_remove(input->ended);
    loop_remove(input->out);
    loop_remove(input->errors);
    input->ended = input->out = input->errors = NULL;
}

static void remember_failure(struct exec_input *input, const struct error *err)
{
    input->failure = *err;
    input->failed = true;
    input->retry = true;
}

/* All that it printed is taken. */
static void finish(struct exec_input *input)
{
    struct error err;
    remove_watches(input);
    for (int i = 0; i < EXEC_LAST_READS && exec_messages_read(&input->messages, input->run.err_fd); i++)
        continue;
    exec_messages_end(&input->messages);
    bool good = exec_machine_ended(&input->machine, input->status, input->messages.last, &err);
    lines_reader_finish(&input->reader, &input->rest, good);
    exec_run_clear(&input->run);
    input->over = false;
    input->held = false;
    if (!good)
        remember_failure(input, &err);
}

/* Takes what is in the pipe once it is over; held: the rest comes with resume. */
static void take_last(struct exec_input *input)
{
    enum lines_result result = input->held ? lines_reader_go_on(&input->reader, &input->rest) : LINES_TAKEN;
    for (int i = 0; i < EXEC_LAST_READS && result == LINES_TAKEN; i++)
        result = lines_reader_read(&input->reader, &input->rest, input->run.out_fd);
    input->held = result == LINES_HELD;
    if (!input->held)
        finish(input);
}

static void on_ended(void *context, uint32_t events)
{
    (void)events;
    struct exec_input *input = context;
    remove_watches(input);
    input->status = exec_run_reap(&input->run);
    input->over = true;
    if (!input->held)
        take_last(input);
}

/* ---- what it prints ---- */

static void on_errors(void *context, uint32_t events)
{
    (void)events;
    struct exec_input *input = context;
    if (exec_messages_read(&input->messages, input->run.err_fd))
        return;
    loop_remove(input->errors); /* closed; or not there, and the next word makes no difference */
    input->errors = NULL;
}

static void on_output(void *context, uint32_t events)
{
    (void)events;
    struct exec_input *input = context;
    enum lines_result result = lines_reader_read(&input->reader, &input->rest, input->run.out_fd);
    if (result == LINES_TAKEN)
        exec_machine_heard(&input->machine, now_us(input));
    input->held = result == LINES_HELD;
    if (result != LINES_HELD && result != LINES_END)
        return;
    loop_remove(input->out);
    input->out = NULL;
}

/* ---- a run's begin ---- */

static bool watch(struct exec_input *input, struct error *err)
{
    struct loop *loop = input->stream->loop;
    const struct exec_run *run = &input->run;
    input->ended = loop_fd(loop, run->pid_fd, EPOLLIN, on_ended, input, err);
    if (input->ended != NULL)
        input->out = loop_fd(loop, run->out_fd, EPOLLIN, on_output, input, err);
    if (input->out != NULL)
        input->errors = loop_fd(loop, run->err_fd, EPOLLIN, on_errors, input, err);
    return input->errors != NULL;
}

static bool begin(struct exec_input *input, struct error *err)
{
    exec_messages_begin(&input->messages);
    input->retry =
        !exec_run_start(&input->run, &input->command, input->env->program, input->env->root, err) ||
        !watch(input, err);
    if (!input->retry) {
        exec_machine_begun(&input->machine, now_us(input));
        return true;
    }
    remove_watches(input);
    exec_run_clear(&input->run);
    exec_machine_not_begun(&input->machine);
    return false;
}

/* ---- the input ---- */

/* A failed run is told once; the sampler comes back when it is time to try again. */
static bool exec_sample(void *context, const struct input_tick *tick, const struct sample_sink *sink,
                        struct error *err)
{
    (void)sink;
    struct exec_input *input = context;
    if (input->stream == NULL)
        return true;
    if (input->failed) {
        input->failed = false;
        *err = input->failure;
        return false;
    }
    if (input->held)
        exec_machine_held(&input->machine, now_us(input));
    switch (exec_machine_tick(&input->machine, now_us(input), tick->elapsed_us, input->retry)) {
    case EXEC_DO_START:
        return begin(input, err);
    case EXEC_DO_END:
        exec_run_end(&input->run);
        break;
    case EXEC_DO_NOTHING:
        break;
    }
    return true;
}

static void exec_attach(void *context, const struct input_stream *stream)
{
    struct exec_input *input = context;
    input->stream = stream;
    input->reader.stream = stream;
    input->messages.name = stream->name;
}

static void exec_resume(void *context)
{
    struct exec_input *input = context;
    struct error err;
    if (!input->held)
        return;
    if (input->over) {
        take_last(input);
        return;
    }
    if (lines_reader_go_on(&input->reader, &input->rest) == LINES_HELD)
        return;
    input->held = false;
    exec_machine_heard(&input->machine, now_us(input));
    input->out = loop_fd(input->stream->loop, input->run.out_fd, EPOLLIN, on_output, input, &err);
    if (input->out == NULL)
        exec_run_end(&input->run);
}

static bool exec_is_settled(const void *context)
{
    const struct exec_input *input = context;
    return exec_machine_is_settled(&input->machine) && !input->failed;
}

static size_t exec_counts(const void *context, struct input_count out[INPUT_COUNTS_MAX])
{
    const struct exec_input *input = context;
    out[0] = (struct input_count){"texts_skipped", input->reader.texts};
    out[1] = (struct input_count){"lines_refused", input->reader.refused_lines};
    return 2;
}

static void exec_free(void *context)
{
    struct exec_input *input = context;
    remove_watches(input);
    exec_run_clear(&input->run);
    lines_rest_clear(&input->rest);
    free(input);
}

static void *exec_make(struct view options, const struct input_env *env, struct error *err)
{
    struct exec_input *input = calloc(1, sizeof(*input));
    if (input == NULL) {
        error_set(err, ERR_MEMORY, "no memory for an input");
        return NULL;
    }
    input->env = env;
    input->run = EXEC_NO_RUN;
    input->messages.log = env->log;
    input->reader.log = env->log;
    input->reader.options.max_channels = LINES_MAX_CHANNELS;
    if (read_options(input, options, err))
        return input;
    exec_free(input);
    return NULL;
}

const struct input_kind input_exec = {
    .name = "exec",
    .options = "command=\"PROGRAM ARGUMENTS\" mode=" EXEC_MODES " format=lines|value channel=NAME "
               "interval_ms=N timeout_ms=N precision=" LINES_PRECISIONS " max_channels=N",
    .make = exec_make,
    .sample = exec_sample,
    .free = exec_free,
    .attach = exec_attach,
    .resume = exec_resume,
    .is_settled = exec_is_settled,
    .counts = exec_counts,
};
