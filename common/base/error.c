#include "common/base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static enum error_code code_of_errno(int number)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return ERR_SPACE;
    case ENOMEM:
        return ERR_MEMORY;
    case ENOENT:
    case ENOTDIR:
        return ERR_NOT_FOUND;
    case EEXIST:
        return ERR_EXISTS;
    case EACCES:
    case EPERM:
        return ERR_DENIED;
    case ETIMEDOUT:
        return ERR_TIMEOUT;
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTUNREACH:
    case ENETUNREACH:
        return ERR_UNREACHABLE;
    default:
        return ERR_IO;
    }
}

static void set(struct error *err, enum error_code code, const char *reason, const char *format,
                va_list arguments)
{
    err->code = code;
    err->sys_errno = 0;
    err->reason = reason;
    vsnprintf(err->text, sizeof(err->text), format, arguments);
}

bool error_set(struct error *err, enum error_code code, const char *format, ...)
{
    if (err == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    set(err, code, NULL, format, arguments);
    va_end(arguments);
    return false;
}

bool error_refuse(struct error *err, enum error_code code, const char *reason, const char *format, ...)
{
    if (err == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    set(err, code, reason, format, arguments);
    va_end(arguments);
    return false;
}

bool error_set_errno(struct error *err, const char *format, ...)
{
    int number = errno;
    if (err == NULL)
        return false;
    va_list arguments;
    va_start(arguments, format);
    set(err, code_of_errno(number), NULL, format, arguments);
    va_end(arguments);
    err->sys_errno = number;
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", strerrordesc_np(number));
    return false;
}

bool error_wrap(struct error *err, const char *format, ...)
{
    if (err == NULL)
        return false;
    char old[ERROR_TEXT_BYTES];
    memcpy(old, err->text, sizeof(old));
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(err->text, sizeof(err->text), format, arguments);
    va_end(arguments);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof(err->text) - used, ": %s", old);
    return false;
}

int error_exit_code(const struct error *err)
{
    switch (err->code) {
    case ERR_NONE:
        return 0;
    case ERR_USAGE:
        return 2;
    case ERR_UNREACHABLE:
    case ERR_TIMEOUT:
        return 3;
    case ERR_DENIED: /* by the system, for a file: that is no authentication */
        return err->sys_errno == 0 ? 4 : 1;
    case ERR_INPUT:
        return 5;
    default:
        return 1;
    }
}
