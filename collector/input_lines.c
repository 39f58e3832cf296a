/* The input `lines`: Influx line protocol from other programs over TCP or a Unix socket. Senders beyond the
 * limit are refused, one that says nothing costs nothing, and none is read while there is no room. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "collector/input_options.h"
#include "collector/lines_reader.h"
#include "collector/telemetry_store.h"
#include "common/base/text.h"
#include "common/os/file.h"
#include "common/os/listen.h"

enum {
    LINES_CONNECTIONS_MAX = 64,
    LINES_ACCEPTS_A_TURN = 16,
    LINES_SOCKET_MODE = 0660,
    LINES_KEEPALIVE_S =
        60, /* a sender that vanished without a word gives its place back after a few of them */
    LISTEN_BYTES = 128,
    PORT_MAX = 65535,
};

static const char unix_prefix[] = "unix:";

struct lines_connection {
    struct lines_input *input;
    int fd; /* -1: free */
    struct loop_watch *watch;
    struct lines_rest rest;
    bool held;
};

struct lines_input {
    const struct input_env *env;
    const struct input_stream *stream;
    char listen[LISTEN_BYTES]; /* as the config says it */
    char address[INET6_ADDRSTRLEN];
    uint16_t port;
    struct path path; /* of a Unix socket; "": TCP */
    int fd;
    struct loop_watch *watch;
    size_t connection_count;
    uint64_t refused_connections;
    bool full_said, pause_said;
    struct lines_connection connections[LINES_CONNECTIONS_MAX];
    struct lines_reader reader;
};

/* ---- options ---- */

/* 127.0.0.1:8094 or [::1]:8094 */
static bool parse_tcp(struct lines_input *input)
{
    struct view text = view_of(input->listen);
    const char *colon = text.size == 0 ? NULL : memrchr(text.data, ':', text.size);
    uint64_t port;
    struct in_addr v4;
    struct in6_addr v6;
    if (colon == NULL || !text_parse_u64(view_of(colon + 1), PORT_MAX, &port) || port == 0)
        return false;
    text.size = (size_t)(colon - input->listen);
    bool bracketed = text.size > 2 && text.data[0] == '[' && text.data[text.size - 1] == ']';
    if (bracketed)
        text = (struct view){text.data + 1, text.size - 2};
    input->port = (uint16_t)port;
    return text_copy(input->address, sizeof(input->address), text) &&
           inet_pton(bracketed ? AF_INET6 : AF_INET, input->address, bracketed ? (void *)&v6 : &v4) == 1;
}

static bool parse_listen(struct lines_input *input, struct error *err)
{
    const char *path = input->listen + strlen(unix_prefix);
    if (!view_starts(view_of(input->listen), unix_prefix))
        return parse_tcp(input) ||
               error_set(
                   err, ERR_USAGE,
                   "expected listen=ADDRESS:PORT (127.0.0.1:8094, [::1]:8094) or listen=unix:PATH, found "
                   "`%s`",
                   input->listen);
    if (path[0] == '\0')
        return error_set(err, ERR_USAGE, "expected a path behind listen=unix:");
    if (path[0] == '/')
        return path_printf(&input->path, err, "%s", path);
    return path_join(&input->path, input->env->root, path, err);
}

static bool read_options(struct lines_input *input, struct view options, struct error *err)
{
    struct lines_options *lines = &input->reader.options;
    const struct input_option table[] = {
        {.key = "listen", .kind = INPUT_OPTION_TEXT, .target = input->listen, .max = LISTEN_BYTES - 1},
        {.key = "precision",
         .kind = INPUT_OPTION_CHOICE,
         .target = &lines->precision,
         .choices = LINES_PRECISIONS},
        {.key = "max_channels", .target = &lines->max_channels, .min = 1, .max = STORE_CHANNELS_MAX},
    };
    return input_options_read(options, table, COUNT_OF(table), input_lines.options, err) &&
           parse_listen(input, err);
}

/* ---- connections ---- */

static void disconnect(struct lines_connection *connection)
{
    struct lines_input *input = connection->input;
    loop_remove(connection->watch);
    close(connection->fd);
    lines_rest_clear(&connection->rest);
    *connection = (struct lines_connection){.input = input, .fd = -1};
    input->connection_count--;
    input->full_said = false;
}

static void end_connection(struct lines_connection *connection)
{
    lines_reader_finish(&connection->input->reader, &connection->rest, false);
    disconnect(connection);
}

static void hold(struct lines_connection *connection)
{
    connection->held = true;
    loop_remove(connection->watch);
    connection->watch = NULL;
}

static void on_bytes(void *context, uint32_t events)
{
    (void)events;
    struct lines_connection *connection = context;
    enum lines_result result =
        lines_reader_read(&connection->input->reader, &connection->rest, connection->fd);
    if (result == LINES_END)
        end_connection(connection);
    else if (result == LINES_HELD)
        hold(connection);
}

/* Reads on. Without memory to wait for it the connection is given up: its sender sees that. */
static void listen_to(struct lines_connection *connection)
{
    struct error err;
    connection->watch =
        loop_fd(connection->input->stream->loop, connection->fd, EPOLLIN, on_bytes, connection, &err);
    if (connection->watch != NULL)
        return;
    log_warn(connection->input->env->log, "input lines: a connection is given up: %s", err.text);
    disconnect(connection);
}

static void set_keepalive(int fd)
{
    static const int on = 1;
    static const int seconds = LINES_KEEPALIVE_S;
    /* a Unix socket has none */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &seconds, sizeof(seconds));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &seconds, sizeof(seconds));
}

/* Takes fd over. */
static void connect_sender(struct lines_input *input, int fd)
{
    struct lines_connection *connection = input->connections;
    while (connection < input->connections + LINES_CONNECTIONS_MAX && connection->fd >= 0)
        connection++;
    if (connection == input->connections + LINES_CONNECTIONS_MAX) {
        close(fd);
        input->refused_connections++;
        if (!input->full_said)
            log_warn(input->env->log, "input lines at %s: more than %d connections: further ones are closed",
                     input->listen, LINES_CONNECTIONS_MAX);
        input->full_said = true;
        return;
    }
    set_keepalive(fd);
    *connection = (struct lines_connection){.input = input, .fd = fd};
    input->connection_count++;
    listen_to(connection);
}

/* ---- the listening socket ---- */

static void stop_listening(struct lines_input *input)
{
    loop_remove(input->watch);
    input->watch = NULL;
    if (input->fd < 0)
        return;
    close(input->fd);
    input->fd = -1;
    if (input->path.text[0] != '\0')
        unlink(input->path.text);
}

/* Out of descriptors or of memory: tried again at the next tick, not at once and for ever. */
static void pause_accepting(struct lines_input *input)
{
    if (!input->pause_said)
        log_warn(input->env->log, "input lines at %s: no connection can be accepted (said once): %s",
                 input->listen, strerrordesc_np(errno));
    input->pause_said = true;
    loop_remove(input->watch);
    input->watch = NULL;
}

static void on_connection(void *context, uint32_t events)
{
    (void)events;
    struct lines_input *input = context;
    for (int i = 0; i < LINES_ACCEPTS_A_TURN; i++) {
        int fd = accept4(input->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0)
            connect_sender(input, fd);
        else if (errno == EAGAIN)
            return;
        else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(input);
            return;
        }
    }
}

static bool accept_connections(struct lines_input *input, struct error *err)
{
    if (input->watch == NULL)
        input->watch = loop_fd(input->stream->loop, input->fd, EPOLLIN, on_connection, input, err);
    return input->watch != NULL;
}

static void say_where(const struct lines_input *input)
{
    const struct log *log = input->env->log;
    const char *when = input->env->trial ? " (not for --test)" : "";
    log_info(log, "input lines listens at %s%s", input->listen, when);
    if (input->path.text[0] == '\0' && !listen_is_loopback(input->address))
        log_warn(log,
                 "input lines at %s: whoever reaches this address may write readings: there is no "
                 "authentication",
                 input->listen);
}

/* ---- the input ---- */

static bool lines_start(void *context, struct error *err)
{
    struct lines_input *input = context;
    if (input->fd >= 0)
        return true;
    if (!input->env->trial) {
        input->fd = input->path.text[0] == '\0' ? listen_tcp(input->address, input->port, err)
                                                : listen_unix(input->path.text, LINES_SOCKET_MODE, err);
        if (input->fd < 0)
            return false;
    }
    say_where(input);
    return true;
}

/* Samples come when they come: a tick only looks whether connections are accepted. */
static bool lines_sample(void *context, const struct input_tick *tick, const struct sample_sink *sink,
                         struct error *err)
{
    (void)tick;
    (void)sink;
    struct lines_input *input = context;
    return input->stream == NULL || input->env->trial || accept_connections(input, err);
}

static void lines_attach(void *context, const struct input_stream *stream)
{
    struct lines_input *input = context;
    input->stream = stream;
    input->reader.stream = stream;
}

static void lines_resume(void *context)
{
    struct lines_input *input = context;
    for (size_t i = 0; i < LINES_CONNECTIONS_MAX; i++) {
        struct lines_connection *connection = &input->connections[i];
        if (!connection->held)
            continue;
        if (lines_reader_go_on(&input->reader, &connection->rest) == LINES_HELD)
            continue;
        connection->held = false;
        listen_to(connection);
    }
}

static size_t lines_counts(const void *context, struct input_count out[INPUT_COUNTS_MAX])
{
    const struct lines_input *input = context;
    out[0] = (struct input_count){"texts_skipped", input->reader.texts};
    out[1] = (struct input_count){"lines_refused", input->reader.refused_lines};
    out[2] = (struct input_count){"connections", input->connection_count};
    out[3] = (struct input_count){"connections_refused", input->refused_connections};
    return 4;
}

static void lines_free(void *context)
{
    struct lines_input *input = context;
    for (size_t i = 0; i < LINES_CONNECTIONS_MAX; i++) {
        if (input->connections[i].fd >= 0)
            disconnect(&input->connections[i]);
    }
    stop_listening(input);
    free(input);
}

static void *lines_make(struct view options, const struct input_env *env, struct error *err)
{
    struct lines_input *input = calloc(1, sizeof(*input));
    if (input == NULL) {
        error_set(err, ERR_MEMORY, "no memory for an input");
        return NULL;
    }
    input->env = env;
    input->fd = -1;
    input->reader.log = env->log;
    input->reader.options.max_channels = LINES_MAX_CHANNELS;
    for (size_t i = 0; i < LINES_CONNECTIONS_MAX; i++)
        input->connections[i] = (struct lines_connection){.input = input, .fd = -1};
    if (read_options(input, options, err))
        return input;
    lines_free(input);
    return NULL;
}

const struct input_kind input_lines = {
    .name = "lines",
    .options = "listen=ADDRESS:PORT|unix:PATH precision=" LINES_PRECISIONS " max_channels=N",
    .make = lines_make,
    .start = lines_start,
    .sample = lines_sample,
    .free = lines_free,
    .attach = lines_attach,
    .resume = lines_resume,
    .counts = lines_counts,
};
