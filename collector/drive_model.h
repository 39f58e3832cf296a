/* A made-up vehicle: 25 channels as pure functions of a seed and the seconds since it set off. Knows nothing
 * of inputs or stores. Threads: safe. */
#ifndef COLLECTOR_DRIVE_MODEL_H
#define COLLECTOR_DRIVE_MODEL_H

#include <stdint.h>

enum { DRIVE_CHANNELS = 25 };

struct drive_channel {
    const char *name;
    const char *unit;
    const char *description; /* says that it is made up */
    double phys_min, phys_max;
    double resolution; /* values are whole multiples of it, as a sensor's are */
};

/* DRIVE_CHANNELS of them. */
extern const struct drive_channel drive_channels[];

/* The value of every channel at t_s; the same seed and time give the same values on every machine that
 * rounds as IEEE 754 does. */
void drive_values(uint64_t seed, double t_s, double out[DRIVE_CHANNELS]);

#endif
