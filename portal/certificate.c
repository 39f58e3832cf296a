#include "portal/certificate.h"

#include <arpa/inet.h>

#include "common/crypto/cert_pair.h"

static bool is_loopback(const char *bind)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, bind, &v4) == 1)
        return ntohl(v4.s_addr) >> 24 == 127;
    return inet_pton(AF_INET6, bind, &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

bool certificate_wanted(const struct appliance_config *config)
{
    if (config->portal_tls == PORTAL_TLS_AUTO)
        return !is_loopback(config->portal_bind);
    return config->portal_tls == PORTAL_TLS_YES;
}

bool certificate_load(const struct appliance *appliance, const struct clock *clock, struct buf *cert_pem,
                      struct buf *key_pem, struct error *err)
{
    struct path cert;
    struct path key;
    struct cert_pair pair;
    if (!appliance_path(appliance, PORTAL_CERT_FILE, &cert, err) ||
        !appliance_path(appliance, PORTAL_KEY_FILE, &key, err))
        return false;
    if (!cert_pair_open(cert.text, key.text, "telehaul portal", clock, &pair, err))
        return error_wrap(err, "portal certificate");
    *cert_pem = pair.cert_pem;
    *key_pem = pair.key_pem;
    return true;
}
