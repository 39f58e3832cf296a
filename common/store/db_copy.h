/* A copy of a database while others write to it. Knows no tables. Threads: safe. */
#ifndef COMMON_STORE_DB_COPY_H
#define COMMON_STORE_DB_COPY_H

#include "common/base/error.h"

/* Copies page by page, in bounded memory, what one read transaction of `from` sees; nobody is kept from
 * writing meanwhile. to: an empty file that the caller has made; only its content is written, and fsynced.
 * Errors: ERR_NOT_FOUND, ERR_SPACE, ERR_CORRUPT, ERR_IO. */
bool db_copy(const char *from, const char *to, struct error *err) MUST_USE;

#endif
