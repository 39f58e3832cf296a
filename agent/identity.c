#include "agent/identity.h"

#include "common/crypto/cert_pair.h"

static const char common_name[] = "telehaul-agent";

bool identity_open(const struct appliance *appliance, const struct clock *clock, struct identity *out,
                   struct error *err)
{
    struct path cert;
    struct path key;
    struct cert_pair pair;
    if (!appliance_path(appliance, appliance->config.agent_cert_file, &cert, err) ||
        !appliance_path(appliance, appliance->config.agent_key_file, &key, err) ||
        !cert_pair_open(cert.text, key.text, common_name, clock, &pair, err))
        return false;
    struct identity identity = {.cert_pem = pair.cert_pem, .key_pem = pair.key_pem, .made = pair.made};
    if (!cert_agent_id(buf_view(&identity.cert_pem), identity.agent_id, err)) {
        identity_clear(&identity);
        return error_wrap(err, "%s", cert.text);
    }
    *out = identity;
    return true;
}

void identity_clear(struct identity *identity)
{
    struct cert_pair pair = {.cert_pem = identity->cert_pem, .key_pem = identity->key_pem};
    cert_pair_clear(&pair);
    *identity = (struct identity){.made = identity->made};
}
