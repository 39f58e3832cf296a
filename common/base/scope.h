/* Cleanup at the end of a scope, in place of goto ladders. Knows files and memory only; a module with a
 * resource of its own defines its own SCOPE_ macro beside its close function. */
#ifndef COMMON_BASE_SCOPE_H
#define COMMON_BASE_SCOPE_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static inline void scope_free(void *pointer)
{
    free(*(void **)pointer);
}

static inline void scope_fd(const int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static inline void scope_file(FILE **file)
{
    if (*file != NULL)
        fclose(*file);
}

static inline void scope_dir(DIR **dir)
{
    if (*dir != NULL)
        closedir(*dir);
}

#define SCOPE(function) __attribute__((cleanup(function)))
#define SCOPE_FREE      SCOPE(scope_free) /* any pointer from malloc; NULL is fine */
#define SCOPE_FD        SCOPE(scope_fd)   /* a file descriptor; below 0 is none */
#define SCOPE_FILE      SCOPE(scope_file)
#define SCOPE_DIR       SCOPE(scope_dir)

/* Hands an fd or a pointer over to the caller: the scope lets go of it. */
static inline int fd_take(int *fd)
{
    int taken = *fd;
    *fd = -1;
    return taken;
}

#define POINTER_TAKE(pointer)                                                                                \
    __extension__({                                                                                          \
        __typeof__(pointer) taken_ = (pointer);                                                              \
        (pointer) = NULL;                                                                                    \
        taken_;                                                                                              \
    })

#endif
