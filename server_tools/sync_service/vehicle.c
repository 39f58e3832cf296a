#include "server_tools/sync_service/vehicle.h"

#include <arpa/inet.h>

#include "common/base/text.h"
#include "common/net/http_curl.h"

/* A colon stands in no name: a port behind one is no part of the host. */
static bool is_ipv6(const char *host)
{
    char address[INET6_ADDRSTRLEN];
    struct in6_addr parsed;
    struct view rest = view_of(host);
    return text_copy(address, sizeof(address), text_cut(&rest, '%')) &&
           inet_pton(AF_INET6, address, &parsed) == 1;
}

bool vehicle_host_ok(const char *host, struct error *err)
{
    return (http_curl_host_ok(host) && (strchr(host, ':') == NULL || is_ipv6(host))) ||
           error_set(err, ERR_USAGE,
                     "expected a host name, an IPv4 address or an IPv6 address without brackets, and "
                     "nothing else: no http://, no port");
}

static bool has_control(const char *text)
{
    for (; *text != '\0'; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f)
            return true;
    }
    return false;
}

bool vehicle_check(const struct vehicle *vehicle, struct error *err)
{
    const char *id = vehicle->client_id;
    bool signs = vehicle->transport == TRANSPORT_AGENT;
    if (vehicle->too_long != NULL)
        return error_set(err, ERR_INPUT, "its %s in the table vehicles is too long", vehicle->too_long);
    if (vehicle->host[0] == '\0')
        return error_set(err, ERR_INPUT,
                         "no host is set: `sync_service vehicle set %s --host HOST`, or `--transport push` "
                         "if nobody is to ask it",
                         id);
    if (!vehicle_host_ok(vehicle->host, NULL))
        return error_set(err, ERR_INPUT,
                         "its host `%.60s` is no host name and no address: `sync_service vehicle set %s "
                         "--host HOST`",
                         vehicle->host, id);
    if ((signs ? vehicle->agent_port : vehicle->api_port) == 0)
        return error_set(err, ERR_INPUT,
                         "its %s_port is no port (1 to 65535): `sync_service vehicle set %s --%s-port PORT`",
                         signs ? "agent" : "api", id, signs ? "agent" : "api");
    if (!signs && has_control(vehicle->api_key))
        return error_set(err, ERR_INPUT,
                         "its API key has a line break or another control character in it: `sync_service "
                         "vehicle set %s --api-key-file FILE`",
                         id);
    return true;
}
