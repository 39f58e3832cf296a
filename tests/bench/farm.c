/* A fleet of simulated vehicles in one process, on 127.64.0.1 and what follows: the peer of the fleet's
 * benches and tests, and their injector of faults. All readings are made up (farm_sim.h). */
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "common/app/options.h"
#include "common/base/text.h"
#include "common/os/file.h"
#include "tests/bench/farm.h"

struct wishes {
    struct farm farm;
    const char *vehicles; /* of `expected`: FIRST-LAST */
    int64_t count, port, tls_port, channels, hertz, lag_ms, from_us, to_us;
};

/* ---- sockets ---- */
static void listener_close(struct listener *listener)
{
    loop_remove(listener->watch);
    listener->watch = NULL;
    if (listener->fd >= 0)
        close(listener->fd);
    listener->fd = -1;
    for (int i = 0; i < 2; i++) {
        if (listener->fillers[i] >= 0)
            close(listener->fillers[i]);
        listener->fillers[i] = -1;
    }
}

static void listener_ready(void *context, uint32_t events)
{
    (void)events;
    conn_accept(context);
}

/* Loopback alone: its own address, or all addresses of the device lo. */
static bool listener_open(struct listener *listener, uint32_t address, uint16_t port, int backlog,
                          struct error *err)
{
    const int on = 1;
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    listener->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0)
        return error_set_errno(err, "socket");
    setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (address == INADDR_ANY && setsockopt(listener->fd, SOL_SOCKET, SO_BINDTODEVICE, "lo", 3) != 0)
        return error_set_errno(err, "bind to the loopback device alone");
    if (bind(listener->fd, (struct sockaddr *)&at, sizeof(at)) != 0 || listen(listener->fd, backlog) != 0)
        return error_set_errno(err, "listen on %s port %u", inet_ntoa(at.sin_addr), (unsigned)port);
    return true;
}

/* Whoever connects afterwards gets no answer to his SYN. */
static bool fill_queue(struct listener *listener, uint32_t address, uint16_t port, struct error *err)
{
    struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(address)};
    for (int i = 0; i < 2; i++) {
        listener->fillers[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (listener->fillers[i] < 0)
            return error_set_errno(err, "socket");
        if (connect(listener->fillers[i], (struct sockaddr *)&at, sizeof(at)) != 0 && errno != EINPROGRESS)
            return error_set_errno(err, "fill the queue of %s", inet_ntoa(at.sin_addr));
    }
    return true;
}

static bool listener_watch(struct listener *listener, struct error *err)
{
    listener->watch = loop_fd(listener->farm->loop, listener->fd, EPOLLIN, listener_ready, listener, err);
    return listener->watch != NULL;
}

bool farm_listen(struct farm *farm, int32_t vehicle, struct error *err)
{
    struct farm_vehicle *v = &farm->vehicles[vehicle];
    bool black = v->fault == FAULT_BLACK_HOLE;
    if (farm->one_socket)
        return !black ||
               error_set(err, ERR_USAGE, "a black hole needs a socket of its own: at most %d vehicles",
                         FARM_OWN_SOCKETS_MAX);
    for (int i = 0; i < FARM_PORTS; i++) {
        struct listener *listener = &v->listeners[i];
        bool right = listener->fd >= 0 && (listener->watch == NULL) == black;
        if (farm->ports[i] == 0 || (right && v->fault != FAULT_DEAD))
            continue;
        listener_close(listener);
        if (v->fault == FAULT_DEAD)
            continue;
        uint32_t address = sim_address(vehicle);
        if (!listener_open(listener, address, farm->ports[i], black ? 0 : 64, err) ||
            !(black ? fill_queue(listener, address, farm->ports[i], err) : listener_watch(listener, err)))
            return false;
    }
    return true;
}

static bool listen_shared(struct farm *farm, struct error *err)
{
    for (int i = 0; i < FARM_PORTS; i++) {
        if (farm->ports[i] != 0 && (!listener_open(&farm->shared[i], INADDR_ANY, farm->ports[i], 4096, err) ||
                                    !listener_watch(&farm->shared[i], err)))
            return false;
    }
    return true;
}

static void listener_init(struct farm *farm, struct listener *listener, int32_t vehicle, bool tls)
{
    *listener =
        (struct listener){.farm = farm, .vehicle = vehicle, .tls = tls, .fd = -1, .fillers = {-1, -1}};
}

static bool open_all(struct farm *farm, struct error *err)
{
    farm->one_socket = farm->vehicle_count > FARM_OWN_SOCKETS_MAX;
    for (int i = 0; i < FARM_PORTS; i++)
        listener_init(farm, &farm->shared[i], -1, i == 1);
    for (int32_t vehicle = 0; vehicle < farm->vehicle_count; vehicle++) {
        for (int i = 0; i < FARM_PORTS; i++)
            listener_init(farm, &farm->vehicles[vehicle].listeners[i], vehicle, i == 1);
        farm->vehicles[vehicle].scope = SCOPE_ALL;
        if (!farm->one_socket && !farm_listen(farm, vehicle, err))
            return false;
    }
    return !farm->one_socket || listen_shared(farm, err);
}

static void close_all(struct farm *farm)
{
    conns_drop(farm, -1);
    for (int32_t vehicle = 0; vehicle < farm->vehicle_count; vehicle++) {
        for (int i = 0; i < FARM_PORTS; i++)
            listener_close(&farm->vehicles[vehicle].listeners[i]);
    }
    for (int i = 0; i < FARM_PORTS; i++)
        listener_close(&farm->shared[i]);
}

/* ---- running ---- */
static void ticked(void *context, uint64_t times)
{
    (void)times;
    conns_tick(context);
}

static void ended(void *context, int signal_number)
{
    (void)signal_number;
    loop_stop(((struct farm *)context)->loop);
}

static bool serve(struct farm *farm, struct error *err)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) == 0) {
        files.rlim_cur = files.rlim_max;
        setrlimit(RLIMIT_NOFILE, &files);
    }
    SCOPE_LOOP struct loop *loop = loop_new(err);
    farm->loop = loop;
    if (loop == NULL || loop_signal(loop, SIGTERM, ended, farm, err) == NULL ||
        loop_signal(loop, SIGINT, ended, farm, err) == NULL ||
        loop_timer(loop, FARM_TICK_MS, FARM_TICK_MS, ticked, farm, err) == NULL)
        return false;
    struct control *control = open_all(farm, err) ? control_open(farm, err) : NULL;
    if (control != NULL) {
        printf("ready: %d made-up vehicles from 127.64.0.1 on\n", (int)farm->vehicle_count);
        fflush(stdout);
    }
    bool ok = control != NULL && loop_run(loop, err);
    control_close(control);
    close_all(farm);
    return ok;
}

static bool run_farm(struct wishes *wishes, struct error *err)
{
    struct farm *farm = &wishes->farm;
    farm->vehicle_count = (int32_t)wishes->count;
    farm->ports[0] = (uint16_t)wishes->port;
    farm->ports[1] = (uint16_t)wishes->tls_port;
    farm->lag_us = wishes->lag_ms * US_PER_MS;
    farm->frozen_us = INT64_MAX;
    farm->scratch.limit_bytes = 1 << 21;
    SCOPE_FREE struct farm_vehicle *vehicles = calloc((size_t)wishes->count, sizeof(*vehicles));
    farm->vehicles = vehicles;
    if (vehicles == NULL)
        return error_set(err, ERR_MEMORY, "no memory for %d vehicles", (int)farm->vehicle_count);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    bool ok = folder_make_all(farm->folder, 0700, err) && (farm->ports[1] == 0 || farm_tls_open(farm, err)) &&
              serve(farm, err);
    farm_tls_close(farm);
    buf_clear(&farm->scratch);
    return ok;
}

/* ---- what must have come home ---- */
static bool print_expected(const struct wishes *wishes, struct error *err)
{
    uint64_t first;
    uint64_t last;
    struct view rest = view_of(wishes->vehicles);
    struct view head = text_cut(&rest, '-');
    if (!text_parse_u64(head, SIM_VEHICLES_MAX - 1, &first) ||
        !text_parse_u64(rest.size > 0 ? rest : head, SIM_VEHICLES_MAX - 1, &last))
        return error_set(err, ERR_USAGE, "--vehicles: FIRST-LAST or a number below %d", SIM_VEHICLES_MAX);
    for (int32_t vehicle = (int32_t)first; vehicle <= (int32_t)last; vehicle++) {
        struct sim_sum sum = sim_expected(&wishes->farm.sim, vehicle, wishes->from_us, wishes->to_us);
        printf("%d %" PRId64 " %" PRIu64 "\n", (int)vehicle, sum.rows, sum.hash);
    }
    return true;
}

static const char usage[] =
    "farm --folder DIR [--count N] [--port PORT] [--tls-port PORT] ...\n"
    "farm expected --vehicles FIRST-LAST --start-us T --from-us T --to-us T [--channels N] [--hertz N]";
static const char epilog[] =
    "Everything is made up. Vehicle 0 is 127.64.0.1, vehicle 249 127.64.0.250, vehicle 250 127.64.1.1 and so "
    "on. The plain port\n"
    "is the Outbound API with X-API-Key; the TLS port answers GET /status to any Bearer token.\n\n"
    "DIR/control is a Unix socket that takes lines: fault FIRST-LAST WORD [SCOPE], clock FIRST-LAST "
    "OFFSET_MS [SKEW_PPM],\n"
    "freeze [TIME_US], thaw, drop FIRST-LAST, stats, requests FIRST-LAST. Faults:\n"
    "none dead black_hole silent trickle garbage types gigabyte disorder outside foreign redirect refuse "
    "error mid_close\n"
    "hang slow_start new_cert\n\n"
    "expected prints a line for each vehicle: its number, rows, and the sum of their hashes "
    "(tests/bench/farm_sim.h).";

int main(int argc, char **argv)
{
    struct wishes wishes = {.vehicles = "0", .count = 1, .channels = 25, .hertz = 1, .lag_ms = 200};
    wishes.farm.api_key = "made-up-key";
    wishes.farm.sim.start_us = clock_utc_us(clock_system());
    struct option options[] = {
        option_text("folder", &wishes.farm.folder, "DIR", "its control socket and certificates"),
        {.name = "count",
         .kind = OPTION_NUMBER,
         .target = &wishes.count,
         .value_name = "N",
         .help = "vehicles (1)",
         .min = 1,
         .max = SIM_VEHICLES_MAX},
        {.name = "port",
         .kind = OPTION_NUMBER,
         .target = &wishes.port,
         .value_name = "PORT",
         .help = "of the Outbound API (none)",
         .min = 1,
         .max = 65535},
        {.name = "tls-port",
         .kind = OPTION_NUMBER,
         .target = &wishes.tls_port,
         .value_name = "PORT",
         .help = "of /status over TLS (none)",
         .min = 1,
         .max = 65535},
        {.name = "channels",
         .kind = OPTION_NUMBER,
         .target = &wishes.channels,
         .value_name = "N",
         .help = "of each vehicle (25)",
         .min = 1,
         .max = SIM_CHANNELS_MAX},
        {.name = "hertz",
         .kind = OPTION_NUMBER,
         .target = &wishes.hertz,
         .value_name = "N",
         .help = "readings of a channel a second (1)",
         .min = 1,
         .max = 100},
        {.name = "lag-ms",
         .kind = OPTION_NUMBER,
         .target = &wishes.lag_ms,
         .value_name = "MS",
         .help = "from a reading's time until it is in the store (200)",
         .min = 0,
         .max = 60000},
        {.name = "start-us",
         .kind = OPTION_NUMBER,
         .target = &wishes.farm.sim.start_us,
         .value_name = "TIME",
         .help = "of the first reading (now)",
         .min = 0,
         .max = INT64_MAX},
        {.name = "from-us",
         .kind = OPTION_NUMBER,
         .target = &wishes.from_us,
         .value_name = "TIME",
         .help = "of expected",
         .min = 0,
         .max = INT64_MAX},
        {.name = "to-us",
         .kind = OPTION_NUMBER,
         .target = &wishes.to_us,
         .value_name = "TIME",
         .help = "of expected",
         .min = 0,
         .max = INT64_MAX},
        option_text("vehicles", &wishes.vehicles, "FIRST-LAST", "of expected"),
        option_text("api-key", &wishes.farm.api_key, "KEY", "the right X-API-Key (made-up-key)"),
    };
    struct program program = {.name = "farm",
                              .summary = "A fleet of simulated vehicles, on 127.0.0.0/8 alone.",
                              .usage = usage,
                              .options = options,
                              .option_count = sizeof(options) / sizeof(*options),
                              .epilog = epilog};
    struct option_list words = {0};
    struct error err = {0};
    int code = options_parse(&program, argc, argv, &words);
    if (code >= 0)
        return code;
    wishes.farm.sim.channels = (int32_t)wishes.channels;
    wishes.farm.sim.period_us = US_PER_S / wishes.hertz;
    bool ok;
    if (words.count == 1 && strcmp(words.items[0], "expected") == 0)
        ok = print_expected(&wishes, &err);
    else if (words.count == 0 && wishes.farm.folder != NULL)
        ok = run_farm(&wishes, &err);
    else
        ok = error_set(&err, ERR_USAGE, "farm --folder DIR, or farm expected: --help says more");
    if (!ok)
        fprintf(stderr, "farm: %s\n", err.text);
    return ok ? 0 : error_exit_code(&err);
}
