/* Random bytes from the kernel. Threads: safe. */
#ifndef COMMON_CRYPTO_RANDOM_H
#define COMMON_CRYPTO_RANDOM_H

#include <stddef.h>

enum { UUID_TEXT_BYTES = 37 };

/* getrandom(2); never fails once the machine has booted: a kernel without it aborts the program. */
void random_bytes(void *out, size_t size);

/* A version 4 UUID, lowercase, with its NUL (RFC 9562, section 5.4). */
void random_uuid(char out[UUID_TEXT_BYTES]);

/* `digits` decimal digits, each one equally likely, and a NUL. */
void random_digits(char *out, size_t digits);

#endif
