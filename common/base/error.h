/* What went wrong: a code for decisions, an errno, and a text for people that each level may prefix.
 * Allocates nothing and has no globals. An error is logged once, where it is handled.
 * Threads: a struct error belongs to one thread. */
#ifndef COMMON_BASE_ERROR_H
#define COMMON_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "common/base/attr.h"

enum { ERROR_TEXT_BYTES = 512 };

enum error_code {
    ERR_NONE = 0,
    ERR_USAGE,       /* the command line or the config is wrong */
    ERR_INPUT,       /* bytes from outside are not what they must be */
    ERR_IO,          /* the system refused a read, a write, a call */
    ERR_SPACE,       /* no space left on the disk */
    ERR_MEMORY,      /* no memory left */
    ERR_LIMIT,       /* a named limit of ours was reached */
    ERR_NOT_FOUND,   /* what was asked for is not there */
    ERR_EXISTS,      /* what should be made is already there */
    ERR_BUSY,        /* somebody else holds it: try again later */
    ERR_DENIED,      /* authentication or permission failed */
    ERR_CHANGED,     /* what was expected has changed (store, host key, schema) */
    ERR_CORRUPT,     /* our own durable data is damaged */
    ERR_UNREACHABLE, /* the other side could not be reached or went away */
    ERR_TIMEOUT,     /* the other side was too slow */
    ERR_PROTOCOL,    /* the other side answered what the contract does not allow */
    ERR_CANCELLED,   /* stopped on request */
    ERR_INTERNAL,    /* a bug of ours */
};

struct error {
    enum error_code code;
    int sys_errno;
    char text[ERROR_TEXT_BYTES]; /* UTF-8, one line, no final full stop */
    const char *reason;          /* a stable word for programs, never freed; NULL: none but the code */
};

/* Each of the four always returns false, so that `return error_set(...)` reads well.
 * err may be NULL (the caller does not care). A text that is too long is cut. */
bool error_set(struct error *err, enum error_code code, const char *format, ...) PRINTF_LIKE(3, 4);

/* With the stable word that contracts name for it; reason: a literal. The others set none, error_wrap keeps
 * it. */
bool error_refuse(struct error *err, enum error_code code, const char *reason, const char *format, ...)
    PRINTF_LIKE(4, 5);

/* Takes the code from errno (ENOSPC: ERR_SPACE, ENOENT: ERR_NOT_FOUND ...) and adds its text. */
bool error_set_errno(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* Puts "<prefix>: " in front of the text; keeps the code and the reason. */
bool error_wrap(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);

/* The exit code of a program that ends with this error: 1 refused or failed, 2 wrong usage,
 * 3 could not reach the other side, 4 authentication failed (ERR_DENIED without an errno), 5 bad input file.
 */
int error_exit_code(const struct error *err);

#endif
