/* TLS of the simulated vehicles: one P-256 certificate for all, and another one for those that changed
 * theirs. */
#include <stdio.h>

#include "common/crypto/cert_pair.h"
#include "common/os/file.h"
#include "tests/bench/farm.h"

static bool load_pair(struct farm *farm, int number, struct error *err)
{
    struct path cert;
    struct path key;
    struct cert_pair pair = {0};
    if (!path_join(&cert, farm->folder, number == 0 ? "cert.pem" : "other_cert.pem", err) ||
        !path_join(&key, farm->folder, number == 0 ? "key.pem" : "other_key.pem", err) ||
        !cert_pair_open(cert.text, key.text, "made-up vehicle", clock_system(), &pair, err))
        return false;
    int code = gnutls_certificate_allocate_credentials(&farm->certificates[number]);
    if (code == 0)
        code = gnutls_certificate_set_x509_key_file(farm->certificates[number], cert.text, key.text,
                                                    GNUTLS_X509_FMT_PEM);
    cert_pair_clear(&pair);
    return code >= 0 || error_set(err, ERR_IO, "certificate of the farm: %s", gnutls_strerror(code));
}

bool farm_tls_open(struct farm *farm, struct error *err)
{
    int code = gnutls_priority_init(&farm->priorities, "NORMAL", NULL);
    if (code != 0)
        return error_set(err, ERR_IO, "TLS: %s", gnutls_strerror(code));
    return load_pair(farm, 0, err) && load_pair(farm, 1, err);
}

void farm_tls_close(struct farm *farm)
{
    for (int i = 0; i < 2; i++) {
        if (farm->certificates[i] != NULL)
            gnutls_certificate_free_credentials(farm->certificates[i]);
    }
    if (farm->priorities != NULL)
        gnutls_priority_deinit(farm->priorities);
}

gnutls_session_t farm_tls_session(struct farm *farm, int fd, bool other_certificate)
{
    gnutls_session_t session = NULL;
    if (gnutls_init(&session, GNUTLS_SERVER | GNUTLS_NONBLOCK | GNUTLS_NO_SIGNAL | GNUTLS_NO_TICKETS) != 0)
        return NULL;
    gnutls_priority_set(session, farm->priorities);
    gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, farm->certificates[other_certificate ? 1 : 0]);
    gnutls_transport_set_int(session, fd);
    gnutls_handshake_set_timeout(session, GNUTLS_INDEFINITE_TIMEOUT);
    return session;
}
