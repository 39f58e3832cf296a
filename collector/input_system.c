/* The input `system`: this machine, from /proc and /sys, as a table of parts. A part that fails is said once
 * and left out until it works again; the input fails only when none gives anything. */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/system.h"
#include "collector/telemetry_store.h"
#include "common/app/config.h"
#include "common/base/text.h"
#include "common/os/file.h"

enum { READ_BYTES = 16 * 1024, PREFIX_BYTES = 33 };

static const struct system_part *const parts[] = {
    &system_cpu,     &system_memory, &system_load,        &system_disk,
    &system_disk_io, &system_net,    &system_temperature,
};

struct system_input {
    char prefix[PREFIX_BYTES];
    const struct input_env *env;
    void *parts[COUNT_OF(parts)];
    bool failing[COUNT_OF(parts)];
    struct buf text;
};

/* ---- what parts call ---- */

void system_put(const struct system_turn *turn, const char *unit, double value, const char *format, ...)
{
    char name[sizeof(((struct store_channel *)NULL)->name)];
    int used = snprintf(name, sizeof(name), "%s", turn->prefix);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(name + used, sizeof(name) - (size_t)used, format, arguments);
    va_end(arguments);
    for (char *at = name; *at != '\0'; at++) {
        if (!isalnum((unsigned char)*at))
            *at = '_';
    }
    const struct sample sample = {
        .channel = view_of(name),
        .value = value,
        .time_us = turn->tick->time_us,
        .unit = unit,
        .description = "this machine",
        .phys_min = NAN,
        .phys_max = NAN,
    };
    (void)turn->sink->put(turn->sink->context, &sample); /* what is too much is counted there */
    (*turn->given)++;
}

void system_file_close(struct system_file *file)
{
    if (file->fd >= 0)
        close(file->fd);
    file->fd = -1;
}

/* From the start to the end; files of /proc make their text anew for each reading from 0. */
static bool read_from_start(int fd, struct buf *out, struct error *err)
{
    buf_reset(out);
    for (;;) {
        char *into = buf_reserve(out, READ_BYTES);
        if (into == NULL)
            return buf_check(out, "the file", err);
        ssize_t got = pread(fd, into, READ_BYTES, (off_t)out->size);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return error_set_errno(err, "read");
        if (got == 0)
            return true;
        buf_commit(out, (size_t)got);
    }
}

bool system_read(struct system_file *file, const struct system_turn *turn, const char *path,
                 struct error *err)
{
    struct path full;
    if (file->fd < 0) {
        if (!path_printf(&full, err, "%s%s", turn->root, path))
            return false;
        file->fd = file_open(full.text, O_RDONLY | O_NONBLOCK, err);
        if (file->fd < 0)
            return false;
    }
    if (read_from_start(file->fd, turn->text, err))
        return true;
    system_file_close(file); /* what it stood for may be gone: opened afresh the next time */
    return error_wrap(err, "%s", path);
}

/* ---- the input ---- */

static void system_free(void *input)
{
    struct system_input *system = input;
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        if (system->parts[i] != NULL)
            parts[i]->free(system->parts[i]);
    }
    buf_clear(&system->text);
    free(system);
}

static bool prefix_ok(struct view prefix)
{
    for (size_t i = 0; i < prefix.size; i++) {
        if (!isalnum((unsigned char)prefix.data[i]) && prefix.data[i] != '_')
            return false;
    }
    return prefix.size < PREFIX_BYTES;
}

static bool read_options(struct system_input *system, struct view options, struct error *err)
{
    struct view word;
    while (config_next_word(&options, &word)) {
        struct view key;
        struct view value;
        if (!config_word_pair(word, &key, &value) || !view_is(key, "prefix"))
            return error_set(err, ERR_USAGE, "unknown option `%.*s`, expected %s", VIEW_ARG(word),
                             input_system.options);
        if (!prefix_ok(value) || !text_copy(system->prefix, sizeof(system->prefix), value))
            return error_set(err, ERR_USAGE,
                             "expected at most %d letters, digits and _ behind prefix=", PREFIX_BYTES - 1);
    }
    return true;
}

static bool make_parts(struct system_input *system, struct error *err)
{
    for (size_t i = 0; i < COUNT_OF(parts); i++) {
        system->parts[i] = parts[i]->make(err);
        if (system->parts[i] == NULL)
            return false;
    }
    return true;
}

static void *system_make(struct view options, const struct input_env *env, struct error *err)
{
    struct system_input *system = calloc(1, sizeof(*system));
    if (system == NULL) {
        error_set(err, ERR_MEMORY, "no memory for an input");
        return NULL;
    }
    system->env = env;
    system->text = (struct buf)BUF_LIMIT(SYSTEM_FILE_MAX_BYTES);
    if (read_options(system, options, err) && make_parts(system, err))
        return system;
    system_free(system);
    return NULL;
}

static void sample_part(struct system_input *system, size_t index, const struct system_turn *turn,
                        struct error *err)
{
    bool ok = parts[index]->sample(system->parts[index], turn, err);
    if (!ok && !system->failing[index])
        log_warn(system->env->log, "input system: %s is left out: %s", parts[index]->name, err->text);
    if (ok && system->failing[index])
        log_info(system->env->log, "input system: %s works again", parts[index]->name);
    system->failing[index] = !ok;
}

static bool system_sample(void *input, const struct input_tick *tick, const struct sample_sink *sink,
                          struct error *err)
{
    struct system_input *system = input;
    size_t given = 0;
    const struct system_turn turn = {
        .root = system->env->system_root,
        .prefix = system->prefix,
        .tick = tick,
        .sink = sink,
        .text = &system->text,
        .given = &given,
    };
    error_set(err, ERR_NOT_FOUND, "there is nothing to measure");
    for (size_t i = 0; i < COUNT_OF(parts); i++)
        sample_part(system, i, &turn, err);
    return given > 0;
}

const struct input_kind input_system = {
    .name = "system",
    .options = "prefix=TEXT",
    .make = system_make,
    .sample = system_sample,
    .free = system_free,
};
