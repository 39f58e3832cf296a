/* What a piece of a unit test prints to stdout and stderr. */
#ifndef TESTS_HARNESS_CAPTURE_H
#define TESTS_HARNESS_CAPTURE_H

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "common/os/file.h"

enum { CAPTURE_MAX_BYTES = 64 * 1024 };

struct capture {
    int file[2]; /* what has stdout's and stderr's place */
    int real[2];
    char out[CAPTURE_MAX_BYTES], err[CAPTURE_MAX_BYTES];
};

static inline void capture_begin(struct capture *capture)
{
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        capture->file[i] = memfd_create("capture", MFD_CLOEXEC);
        capture->real[i] = fcntl(i + 1, F_DUPFD_CLOEXEC, 3);
        dup2(capture->file[i], i + 1);
    }
}

static inline void capture_end(struct capture *capture)
{
    fflush(stdout);
    fflush(stderr);
    for (int i = 0; i < 2; i++) {
        char *text = i == 0 ? capture->out : capture->err;
        ssize_t size = pread(capture->file[i], text, CAPTURE_MAX_BYTES - 1, 0);
        text[size > 0 ? size : 0] = '\0';
        dup2(capture->real[i], i + 1);
        close(capture->real[i]);
        close(capture->file[i]);
    }
}

#endif
