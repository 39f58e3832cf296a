#include "common/crypto/random.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void random_bytes(void *out, size_t size)
{
    char *at = out;
    while (size > 0) {
        ssize_t got = getrandom(at, size, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            /* going on without randomness would hand out guessable keys and tokens */
            fputs("the kernel gives no random bytes\n", stderr);
            abort();
        }
        at += got;
        size -= (size_t)got;
    }
}

void random_uuid(char out[UUID_TEXT_BYTES])
{
    unsigned char b[16];
    random_bytes(b, sizeof(b));
    b[6] = (unsigned char)((b[6] & 0x0fU) | 0x40U); /* version 4 */
    b[8] = (unsigned char)((b[8] & 0x3fU) | 0x80U); /* variant 10 */
    snprintf(out, UUID_TEXT_BYTES, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
             b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14],
             b[15]);
}

void random_digits(char *out, size_t digits)
{
    enum { FAIR_BELOW = 250 }; /* the bytes from 250 on would favour 0 to 5 */
    for (size_t i = 0; i < digits;) {
        unsigned char byte;
        random_bytes(&byte, 1);
        if (byte < FAIR_BELOW)
            out[i++] = (char)('0' + byte % 10);
    }
    out[digits] = '\0';
}
