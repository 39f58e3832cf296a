#include "portal/certificate.h"

#include "common/crypto/cert_pair.h"

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
