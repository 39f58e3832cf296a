#include "portal/certificate.h"

#include <arpa/inet.h>

#include "common/crypto/cert.h"

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

/* The key first: a crash between the two leaves no certificate, and both are made anew. */
static bool make(const struct clock *clock, const char *cert_path, const char *key_path, struct error *err)
{
    SCOPE_BUF struct buf cert_pem = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    SCOPE_BUF struct buf key_pem = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    return cert_make("telehaul portal", clock, &cert_pem, &key_pem, err) &&
           file_replace(key_path, buf_view(&key_pem), 0600, err) &&
           file_replace(cert_path, buf_view(&cert_pem), 0644, err);
}

bool certificate_load(const struct appliance *appliance, const struct clock *clock, struct buf *cert_pem,
                      struct buf *key_pem, struct error *err)
{
    struct path cert;
    struct path key;
    if (!appliance_path(appliance, PORTAL_CERT_FILE, &cert, err) ||
        !appliance_path(appliance, PORTAL_KEY_FILE, &key, err))
        return false;
    if (!file_exists(cert.text) && !make(clock, cert.text, key.text, err))
        return error_wrap(err, "portal certificate");
    if (!file_read_path(cert.text, cert_pem, err) || !file_read_path(key.text, key_pem, err) ||
        !cert_matches_key(buf_view(cert_pem), buf_view(key_pem), err))
        return error_wrap(err, "portal certificate");
    buf_text(cert_pem); /* NUL-terminated for the server */
    buf_text(key_pem);
    return true;
}
