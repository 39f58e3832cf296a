/* The parts of the input `system` and what they share: one table of parts, a file that is kept open and read
 * again, and names made of pieces from outside. Internal to input_system.c and system_*.c. */
#ifndef COLLECTOR_SYSTEM_H
#define COLLECTOR_SYSTEM_H

#include "collector/input.h"
#include "common/base/buf.h"

enum {
    SYSTEM_FILE_MAX_BYTES = 1024 * 1024, /* of one file of /proc */
    SYSTEM_RESCAN_SAMPLES = 30, /* how often what comes and goes (mounts, sensors, disks) is looked up */
};

/* What one sample of the input passes through its parts. */
struct system_turn {
    const char *root;   /* before /proc and /sys */
    const char *prefix; /* of every channel's name */
    const struct input_tick *tick;
    const struct sample_sink *sink;
    struct buf *text; /* scratch */
    size_t *given;    /* samples so far */
};

/* Gives one sample. The channel's name is made by the format; what is not [A-Za-z0-9_] becomes `_`. */
void system_put(const struct system_turn *turn, const char *unit, double value, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* A file of /proc or /sys that is kept open. fd -1: not open. */
struct system_file {
    int fd;
};
#define SYSTEM_FILE_NONE                                                                                     \
    {                                                                                                        \
        .fd = -1                                                                                             \
    }
/* Opens it when need be, and reads it whole into turn->text. */
bool system_read(struct system_file *file, const struct system_turn *turn, const char *path,
                 struct error *err) MUST_USE;
void system_file_close(struct system_file *file);

struct system_part {
    const char *name;
    void *(*make)(struct error *err);
    bool (*sample)(void *part, const struct system_turn *turn, struct error *err);
    void (*free)(void *part);
};
extern const struct system_part system_cpu, system_memory, system_load, system_disk, system_disk_io,
    system_net, system_temperature;

#endif
