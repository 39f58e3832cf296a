#include "common/net/http_server.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>

#include "common/net/http_internal.h"
#include "common/os/listen.h"
#include "common/os/process.h"

enum {
    /* Of a connection: headers, and the chunks of streams. */
    HTTP_CONNECTION_MEMORY_BYTES = 32 * 1024,
    HTTP_MAX_DESCRIPTORS = 4096, /* what the soft limit is raised to, for two servers and all else */
    HTTP_KEEPER_MAX_PERIOD_MS = 1000,
    HTTP_KEEPER_MIN_PERIOD_MS = 10,
    HTTP_STOP_GRACE_MS = 500, /* for clients to take the answers under way */
    HTTP_STOP_MAX_MS = 3000,  /* for us to give them, on a busy machine: two servers stop within 10 s */
};

static const char tls_priorities[] = "NONE:+VERS-TLS1.3:+VERS-TLS1.2:+AES-128-GCM:+AES-256-GCM:"
                                     "+CHACHA20-POLY1305:+AEAD:+ECDHE-ECDSA:+ECDHE-RSA:+GROUP-X25519:"
                                     "+GROUP-SECP256R1:+GROUP-SECP384R1:+SIGN-ALL:+COMP-NULL:+CTYPE-X509:"
                                     "%SERVER_PRECEDENCE";

/* ---- callbacks of libmicrohttpd ---- */

static void take_log_line(void *context, const char *format, va_list arguments) PRINTF_LIKE(2, 0);
static void take_log_line(void *context, const char *format, va_list arguments)
{
    const struct http_server *server = context;
    char line[LOG_LINE_BYTES / 2];
    vsnprintf(line, sizeof(line), format, arguments);
    line[strcspn(line, "\n")] = '\0';
    log_debug(server->config.log, "http: %s", line); /* a peer can cause most of them: not for people */
}

static enum MHD_Result admit(void *context, const struct sockaddr *peer, socklen_t peer_bytes)
{
    struct http_server *server = context;
    struct http_address address;
    (void)peer_bytes;
    http_address_of(&address, peer);
    if (http_connections_admits(server->connections, &address))
        return MHD_YES;
    log_debug(server->config.log, "%s has too many connections", address.text);
    return MHD_NO;
}

static void begin_connection(struct http_server *server, struct MHD_Connection *connection, void **row)
{
    int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    const struct sockaddr *peer =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    struct http_address address;
    http_address_of(&address, peer);
    *row = http_connections_add(server->connections, fd, &address);
    if (*row == NULL)
        shutdown(fd, SHUT_RDWR);
}

static void end_connection(struct http_server *server, struct http_connection *row)
{
    if (http_connection_cut_short(row)) {
        http_linger_add(server->linger, http_connection_fd(row));
        eventfd_write(server->keeper_wake_fd, 1);
    }
    http_connections_remove(server->connections, row);
}

/* A closed one is told of before its socket is closed. */
static void notice_connection(void *context, struct MHD_Connection *connection, void **row,
                              enum MHD_ConnectionNotificationCode what)
{
    struct http_server *server = context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        begin_connection(server, connection, row);
    } else if (*row != NULL) {
        end_connection(server, *row);
        *row = NULL;
    }
}

/* ---- the keeper: a thread that looks at the connections ---- */

static void tick_hubs(struct http_server *server)
{
    int64_t now_us = clock_monotonic_us(server->config.clock);
    pthread_mutex_lock(&server->hubs_lock);
    for (struct http_events *hub = server->hubs; hub != NULL; hub = http_events_next(hub))
        http_events_tick(hub, now_us);
    pthread_mutex_unlock(&server->hubs_lock);
}

static int smaller(int a, int b)
{
    return a < b ? a : b;
}

/* A quarter of the shortest time it has to keep. */
static int keeper_period_ms(const struct http_server_config *config)
{
    int shortest = smaller(smaller(config->first_header_deadline_ms, config->idle_ms),
                           smaller(config->progress_window_ms, config->sse_heartbeat_ms));
    int period = smaller(shortest / 4, HTTP_KEEPER_MAX_PERIOD_MS);
    return period > HTTP_KEEPER_MIN_PERIOD_MS ? period : HTTP_KEEPER_MIN_PERIOD_MS;
}

static void look_at_connections(struct http_server *server)
{
    size_t closed = http_connections_sweep(server->connections);
    if (closed > 0)
        log_debug(server->config.log, "closed %zu slow or silent connections", closed);
    tick_hubs(server);
}

static void *keep(void *context)
{
    struct http_server *server = context;
    int64_t period_us = (int64_t)keeper_period_ms(&server->config) * US_PER_MS;
    int64_t next_us = clock_monotonic_us(clock_system()) + period_us;
    while (!atomic_load(&server->keeper_ends)) {
        struct pollfd fds[1 + HTTP_LINGER_MAX] = {{.fd = server->keeper_wake_fd, .events = POLLIN}};
        size_t count = 1 + http_linger_fill(server->linger, fds + 1);
        int64_t left_us = next_us - clock_monotonic_us(clock_system());
        if (left_us > 0 && poll(fds, count, (int)(left_us / US_PER_MS) + 1) > 0) {
            eventfd_t times;
            eventfd_read(server->keeper_wake_fd, &times);
        }
        http_linger_drain(server->linger);
        if (clock_monotonic_us(clock_system()) >= next_us) {
            look_at_connections(server);
            next_us = clock_monotonic_us(clock_system()) + period_us;
        }
    }
    return NULL;
}

/* ---- start ---- */

static void fill_defaults(struct http_server_config *config)
{
    if (config->first_header_deadline_ms == 0)
        config->first_header_deadline_ms = HTTP_FIRST_HEADER_DEADLINE_MS;
    if (config->idle_ms == 0)
        config->idle_ms = HTTP_IDLE_MS;
    if (config->progress_window_ms == 0)
        config->progress_window_ms = HTTP_PROGRESS_WINDOW_MS;
    if (config->max_connections_an_address == 0)
        config->max_connections_an_address = HTTP_MAX_CONNECTIONS_AN_ADDRESS;
    if (config->sse_heartbeat_ms == 0)
        config->sse_heartbeat_ms = HTTP_SSE_HEARTBEAT_MS;
}

static struct http_server *new_server(const struct http_server_config *config, struct error *err)
{
    struct http_server *server = calloc(1, sizeof(*server));
    if (server == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for an HTTP server");
        return NULL;
    }
    server->config = *config;
    fill_defaults(&server->config);
    pthread_mutex_init(&server->hubs_lock, NULL);
    pthread_mutex_init(&server->asides_lock, NULL);
    server->keeper_wake_fd = -1;
    return server;
}

/* libmicrohttpd, when it does not start, has closed the socket it was given or not, as it happens. */
static void take_back(int *listen_fd, const struct stat *before)
{
    struct stat now;
    if (fstat(*listen_fd, &now) != 0 || now.st_dev != before->st_dev || now.st_ino != before->st_ino)
        *listen_fd = -1;
}

static bool start_daemon(struct http_server *server, int *listen_fd, struct error *err)
{
    struct stat listening;
    if (fstat(*listen_fd, &listening) != 0)
        return error_set_errno(err, "fstat of the listening socket");
    const struct http_server_config *config = &server->config;
    bool tls = config->cert_pem != NULL;
    struct MHD_OptionItem tls_options[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)config->cert_pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)config->key_pem},
        {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)tls_priorities},
        {MHD_OPTION_END, 0, NULL},
    };
    unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG |
                     (tls ? (unsigned)MHD_USE_TLS : 0U);
    server->daemon = MHD_start_daemon(
        flags, 0, admit, server, http_request_step, server, /* options */
        MHD_OPTION_EXTERNAL_LOGGER, take_log_line, server, MHD_OPTION_LISTEN_SOCKET, *listen_fd,
        MHD_OPTION_THREAD_POOL_SIZE, (unsigned)HTTP_THREADS, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)HTTP_MAX_CONNECTIONS, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)HTTP_CONNECTION_MEMORY_BYTES, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_NOTIFY_CONNECTION,
        notice_connection, server, MHD_OPTION_NOTIFY_COMPLETED, http_request_close, server,
        MHD_OPTION_URI_LOG_CALLBACK, http_request_open, server, MHD_OPTION_ARRAY,
        tls ? tls_options : &tls_options[COUNT_OF(tls_options) - 1], MHD_OPTION_END);
    if (server->daemon == NULL) {
        take_back(listen_fd, &listening);
        return error_set(err, ERR_INPUT, "libmicrohttpd did not start%s",
                         tls ? ": is the certificate or its key damaged?" : "");
    }
    *listen_fd = -1; /* the daemon's now */
    return true;
}

static bool start_keeper(struct http_server *server, struct error *err)
{
    server->keeper_wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (server->keeper_wake_fd < 0)
        return error_set_errno(err, "eventfd");
    int result = pthread_create(&server->keeper, NULL, keep, server);
    if (result != 0)
        return error_set(err, ERR_IO, "no thread for the HTTP server: %s", strerrordesc_np(result));
    server->keeper_runs = true;
    return true;
}

static bool start_parts(struct http_server *server, struct error *err)
{
    const struct http_server_config *config = &server->config;
    const struct http_connection_limits limits = {
        .max_connections = HTTP_MAX_CONNECTIONS,
        .max_connections_an_address = config->max_connections_an_address,
        .first_header_deadline_ms = config->first_header_deadline_ms,
        .idle_ms = config->idle_ms,
        .progress_window_ms = config->progress_window_ms,
        .progress_floor_bytes_s = HTTP_PROGRESS_FLOOR_BYTES_S,
    };
    process_raise_descriptors(HTTP_MAX_DESCRIPTORS); /* with fewer it accepts fewer */
    server->connections = http_connections_new(&limits, config->clock, err);
    if (server->connections == NULL)
        return false;
    server->linger = http_linger_new(config->clock, err);
    if (server->linger == NULL)
        return false;
    SCOPE_FD int fd = listen_tcp(config->bind, config->port, err);
    return fd >= 0 && listen_port(fd, &server->port, err) && start_keeper(server, err) &&
           start_daemon(server, &fd, err);
}

struct http_server *http_server_start(const struct http_server_config *config, struct error *err)
{
    struct http_server *server = new_server(config, err);
    if (server == NULL)
        return NULL;
    /* signals are for the program's own threads */
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, &before);
    bool started = start_parts(server, err);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (started)
        return server;
    http_server_stop(server);
    error_wrap(err, "HTTP server");
    return NULL;
}

uint16_t http_server_port(const struct http_server *server)
{
    return server->port;
}

/* ---- stop ---- */

static void end_hubs(struct http_server *server)
{
    pthread_mutex_lock(&server->hubs_lock);
    for (struct http_events *hub = server->hubs; hub != NULL; hub = http_events_next(hub))
        http_events_end(hub);
    pthread_mutex_unlock(&server->hubs_lock);
}

static void stop_daemon(struct http_server *server)
{
    if (server->daemon == NULL)
        return;
    int listen_fd = MHD_quiesce_daemon(server->daemon);
    end_hubs(server);
    http_asides_wait(server); /* first: their answers are under way then, as all others */
    if (!http_connections_wait_idle(server->connections, HTTP_STOP_GRACE_MS, HTTP_STOP_MAX_MS))
        log_debug(server->config.log, "answers under way are broken off");
    MHD_stop_daemon(server->daemon);
    if (listen_fd >= 0)
        close(listen_fd);
}

static void stop_keeper(struct http_server *server)
{
    if (server->keeper_runs) {
        atomic_store(&server->keeper_ends, true);
        eventfd_write(server->keeper_wake_fd, 1);
        pthread_join(server->keeper, NULL);
    }
    if (server->keeper_wake_fd >= 0)
        close(server->keeper_wake_fd);
}

void http_server_stop(struct http_server *server)
{
    if (server == NULL)
        return;
    atomic_store(&server->stopping, true);
    stop_daemon(server);
    stop_keeper(server);
    while (server->hubs != NULL)
        server->hubs = http_events_destroy(server->hubs);
    http_linger_free(server->linger);
    http_connections_free(server->connections);
    pthread_mutex_destroy(&server->hubs_lock);
    pthread_mutex_destroy(&server->asides_lock);
    free(server);
}
