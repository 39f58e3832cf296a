#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/net/http_pool_internal.h"

enum { SOCKETS_AT_FIRST = 64 };

/* ---- sockets ---- */

static struct http_pool_socket *socket_at(const struct http_pool *pool, int fd)
{
    return fd >= 0 && (size_t)fd < pool->socket_room ? pool->sockets[fd] : NULL;
}

static bool make_room(struct http_pool *pool, int fd)
{
    size_t room = pool->socket_room > 0 ? pool->socket_room : SOCKETS_AT_FIRST;
    while (room <= (size_t)fd)
        room *= 2;
    if (room == pool->socket_room)
        return true;
    struct http_pool_socket **sockets = realloc(pool->sockets, room * sizeof(struct http_pool_socket *));
    if (sockets == NULL)
        return false;
    for (size_t i = pool->socket_room; i < room; i++)
        sockets[i] = NULL;
    pool->sockets = sockets;
    pool->socket_room = room;
    return true;
}

static struct http_pool_socket *add_socket(struct http_pool *pool, int fd)
{
    struct http_pool_socket *known = socket_at(pool, fd);
    if (known != NULL || !make_room(pool, fd))
        return known;
    struct http_pool_socket *added = calloc(1, sizeof(*added));
    if (added != NULL)
        added->fd = fd;
    pool->sockets[fd] = added;
    return added;
}

static void drop_socket(struct http_pool *pool, int fd)
{
    struct http_pool_socket *dropped = socket_at(pool, fd);
    if (dropped == NULL)
        return;
    pool->sockets[fd] = NULL;
    loop_remove(dropped->watch);
    free(dropped);
}

/* That we have no more of something is not to be said of the host. */
static curl_socket_t not_opened(struct http_transfer *transfer)
{
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
        error_set_errno(&transfer->err, "a connection to %s:%u", transfer->site.host, transfer->site.port);
        transfer->refused = true;
    }
    return CURL_SOCKET_BAD;
}

static curl_socket_t open_socket(void *context, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct http_transfer *transfer = context;
    (void)purpose;
    SCOPE_FD int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    struct http_pool_socket *opened = fd >= 0 ? add_socket(transfer->pool, fd) : NULL;
    if (opened == NULL)
        return not_opened(transfer);
    opened->opened = true;
    opened->busy = true;
    opened->site_key = transfer->site_key;
    return fd_take(&fd);
}

static int close_socket(void *context, curl_socket_t fd)
{
    drop_socket(context, fd);
    return close(fd);
}

void http_pool_set_sockets(CURL *curl, struct http_transfer *transfer)
{
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(curl, CURLOPT_OPENSOCKETDATA, transfer);
    /* lives as long as the connection, which outlives the transfer */
    curl_easy_setopt(curl, CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    curl_easy_setopt(curl, CURLOPT_CLOSESOCKETDATA, transfer->pool);
}

void http_pool_socket_idle(struct http_pool *pool, int fd)
{
    struct http_pool_socket *idle = socket_at(pool, fd);
    if (idle != NULL)
        idle->busy = false;
}

void http_pool_forget(struct http_pool *pool, const char *host, uint16_t port)
{
    struct http_site site = {.port = port};
    if (!text_copy(site.host, sizeof(site.host), view_of(host)))
        return;
    uint64_t key = http_pool_site_key(&site);
    for (size_t fd = 0; fd < pool->socket_room; fd++) {
        const struct http_pool_socket *known = pool->sockets[fd];
        /* libcurl finds out, and closes it, before it would use it again */
        if (known != NULL && known->opened && !known->busy && known->site_key == key)
            shutdown(known->fd, SHUT_RDWR);
    }
}

/* ---- what libcurl waits for ---- */

static void on_ready(void *context, uint32_t events)
{
    const struct http_pool_socket *ready = context;
    int selected = ((events & (EPOLLIN | EPOLLHUP)) != 0 ? CURL_CSELECT_IN : 0) |
                   ((events & EPOLLOUT) != 0 ? CURL_CSELECT_OUT : 0) |
                   ((events & EPOLLERR) != 0 ? CURL_CSELECT_ERR : 0);
    http_pool_multi_drive(ready->multi, ready->fd, selected);
}

static bool watch(struct http_pool_socket *watched, int what, struct error *err)
{
    uint32_t events = ((what & CURL_POLL_IN) != 0 ? (uint32_t)EPOLLIN : 0) |
                      ((what & CURL_POLL_OUT) != 0 ? (uint32_t)EPOLLOUT : 0);
    if (watched->watch != NULL)
        return loop_fd_events(watched->watch, events) ||
               error_set(err, ERR_MEMORY, "no memory left to wait for an answer");
    struct loop *loop = watched->multi->pool->config.loop;
    watched->watch = loop_fd(loop, watched->fd, events, on_ready, watched, err);
    return watched->watch != NULL;
}

static void stop_watching(struct http_pool *pool, int fd)
{
    struct http_pool_socket *watched = socket_at(pool, fd);
    if (watched == NULL)
        return;
    loop_remove(watched->watch);
    watched->watch = NULL;
    if (!watched->opened)
        drop_socket(pool, fd);
}

static bool wait_for(struct http_pool_multi *multi, struct http_transfer *transfer, int fd, int what)
{
    struct http_pool_socket *wanted = add_socket(multi->pool, fd);
    if (wanted == NULL)
        return error_set(&transfer->err, ERR_MEMORY, "no memory left to wait for an answer");
    if (wanted->opened) {
        transfer->fd = fd;
        wanted->busy = true;
    }
    wanted->multi = multi;
    return watch(wanted, what, &transfer->err);
}

static int on_socket(CURL *curl, curl_socket_t fd, int what, void *context, void *own)
{
    struct http_pool_multi *multi = context;
    struct http_transfer *transfer = NULL;
    (void)own;
    if (what == CURL_POLL_REMOVE) {
        stop_watching(multi->pool, fd);
        return 0;
    }
    /* -1 would end all that the multi handle does, for good */
    curl_easy_getinfo(curl, CURLINFO_PRIVATE, &transfer);
    if (transfer != NULL && !wait_for(multi, transfer, fd, what))
        http_transfer_break(transfer);
    return 0;
}

static void on_timer(void *context, uint64_t times)
{
    (void)times;
    http_pool_multi_drive(context, CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *curl, long ms, void *context)
{
    struct http_pool_multi *multi = context;
    (void)curl;
    if (ms == 0) { /* soon, but not from within libcurl */
        http_chain_add(&multi->pool->due_multis, &multi->due, multi);
        http_pool_kick(multi->pool);
    }
    loop_timer_set(multi->timer, ms > 0 ? ms : -1, 0);
    return 0;
}

/* ---- multi handles ---- */

uint64_t http_pool_site_key(const struct http_site *site)
{
    uint64_t key = 0xcbf29ce484222325; /* FNV-1a */
    const uint64_t prime = 0x100000001b3;
    for (const char *byte = site->host; *byte != '\0'; byte++)
        key = (key ^ (unsigned char)*byte) * prime;
    key = (key ^ (site->port & 0xff)) * prime;
    key = (key ^ (site->port >> 8)) * prime;
    return key;
}

static void multi_free(struct http_pool_multi *multi)
{
    if (multi == NULL)
        return;
    http_chain_remove(&multi->due);
    if (multi->multi != NULL) {
        curl_multi_setopt(multi->multi, CURLMOPT_TIMERFUNCTION, NULL);
        curl_multi_cleanup(multi->multi);
    }
    loop_remove(multi->timer);
    free(multi);
}

static void set_multi(struct http_pool_multi *multi)
{
    const struct http_pool *pool = multi->pool;
    CURLM *curl = multi->multi;
    /* Hosts fall on the handles by chance: half as many again keeps those that are above the mean. */
    size_t kept = pool->config.max_idle / pool->multi_count;
    kept += kept / 2 + 1;
    curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS, (long)kept);
    curl_multi_setopt(curl, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, multi);
    curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(curl, CURLMOPT_TIMERDATA, multi);
}

static struct http_pool_multi *multi_new(struct http_pool *pool, struct error *err)
{
    struct http_pool_multi *multi = calloc(1, sizeof(*multi));
    if (multi == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for connections");
        return NULL;
    }
    multi->pool = pool;
    multi->timer = loop_timer(pool->config.loop, -1, 0, on_timer, multi, err);
    if (multi->timer != NULL)
        multi->multi = curl_multi_init();
    if (multi->timer != NULL && multi->multi == NULL)
        error_set(err, ERR_MEMORY, "no memory left for connections");
    if (multi->multi == NULL) {
        multi_free(multi);
        return NULL;
    }
    set_multi(multi);
    return multi;
}

struct http_pool_multi *http_pool_multi_of(struct http_pool *pool, uint64_t site_key, struct error *err)
{
    struct http_pool_multi **multi = &pool->multis[site_key % pool->multi_count];
    if (*multi == NULL)
        *multi = multi_new(pool, err);
    return *multi;
}

void http_pool_multis_free(struct http_pool *pool)
{
    for (size_t i = 0; i < pool->multi_count && pool->multis != NULL; i++)
        multi_free(pool->multis[i]);
    for (size_t fd = 0; fd < pool->socket_room; fd++)
        drop_socket(pool, (int)fd);
    free(pool->multis);
    free(pool->sockets);
}

/* ---- turns of the loop ---- */

static void finish_ended(struct http_pool_multi *multi)
{
    int left;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(multi->multi, &left)) != NULL) {
        struct http_transfer *transfer = NULL;
        struct error err;
        CURLcode code = message->data.result;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &transfer);
        bool whole = http_transfer_outcome(transfer, code, &err);
        http_pool_finish(transfer, whole ? NULL : &err);
    }
}

void http_pool_multi_drive(struct http_pool_multi *multi, curl_socket_t fd, int events)
{
    int running;
    curl_multi_socket_action(multi->multi, fd, events, &running);
    finish_ended(multi);
}
