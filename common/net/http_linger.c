#include "common/net/http_linger.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HTTP_LINGER_PIECE_BYTES = 16 * 1024, HTTP_LINGER_MAX_PIECES = 16 }; /* at one go */

struct lingerer {
    int fd;
    int64_t until_us;
};

struct http_linger {
    const struct clock *clock;
    pthread_mutex_t lock;
    size_t count;
    struct lingerer all[HTTP_LINGER_MAX];
};

struct http_linger *http_linger_new(const struct clock *clock, struct error *err)
{
    struct http_linger *linger = calloc(1, sizeof(*linger));
    if (linger == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for ending connections");
        return NULL;
    }
    linger->clock = clock;
    pthread_mutex_init(&linger->lock, NULL);
    return linger;
}

void http_linger_free(struct http_linger *linger)
{
    if (linger == NULL)
        return;
    for (size_t i = 0; i < linger->count; i++)
        close(linger->all[i].fd);
    pthread_mutex_destroy(&linger->lock);
    free(linger);
}

void http_linger_add(struct http_linger *linger, int fd)
{
    int64_t until_us = clock_monotonic_us(linger->clock) + (int64_t)HTTP_LINGER_MS * US_PER_MS;
    pthread_mutex_lock(&linger->lock);
    int copy = linger->count < HTTP_LINGER_MAX ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (copy >= 0) {
        shutdown(copy, SHUT_WR);
        linger->all[linger->count++] = (struct lingerer){copy, until_us};
    }
    pthread_mutex_unlock(&linger->lock);
}

size_t http_linger_fill(struct http_linger *linger, struct pollfd fds[HTTP_LINGER_MAX])
{
    pthread_mutex_lock(&linger->lock);
    size_t count = linger->count;
    for (size_t i = 0; i < count; i++)
        fds[i] = (struct pollfd){.fd = linger->all[i].fd, .events = POLLIN};
    pthread_mutex_unlock(&linger->lock);
    return count;
}

/* False: it has ended. */
static bool drain_one(int fd)
{
    char piece[HTTP_LINGER_PIECE_BYTES];
    for (int i = 0; i < HTTP_LINGER_MAX_PIECES; i++) {
        ssize_t size = recv(fd, piece, sizeof(piece), MSG_DONTWAIT);
        if (size < 0)
            return errno == EAGAIN || errno == EINTR;
        if (size == 0)
            return false;
    }
    return true;
}

void http_linger_drain(struct http_linger *linger)
{
    int64_t now_us = clock_monotonic_us(linger->clock);
    pthread_mutex_lock(&linger->lock);
    for (size_t i = 0; i < linger->count;) {
        struct lingerer *one = &linger->all[i];
        if (drain_one(one->fd) && now_us < one->until_us) {
            i++;
            continue;
        }
        close(one->fd);
        *one = linger->all[--linger->count];
    }
    pthread_mutex_unlock(&linger->lock);
}
