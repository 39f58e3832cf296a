/* Which key the agent must show: the known one, the one that was told, or, at first sight, what a person says
 * to the one that is shown. Knows nothing of log-ins; the only request it sends tells the agent nothing. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_TRUST_H
#define SERVER_TOOLS_SYNC_CLIENT_TRUST_H

#include "common/net/http_client.h"
#include "server_tools/sync_client/notices.h"
#include "server_tools/sync_client/settings.h"

/* Pins the client to the agent's key; a new one is in the known hosts when this returns true.
 * agent_id: the pinned key's fingerprint. *met: it was told or accepted just now. Errors: ERR_DENIED (not
 * known, not accepted, or not the one that was told), ERR_UNREACHABLE and the client's others. */
bool trust_pin(struct http_client *client, const struct settings *settings, struct notices *notices,
               char agent_id[SHA256_HEX_BYTES], bool *met, struct error *err) MUST_USE;

/* After ERR_CHANGED, the client's word for another key than the pinned one: an ERR_DENIED that shows both
 * and says what to do. Always false. */
bool trust_explain_change(const struct http_client *client, const struct settings *settings,
                          const char *agent_id, struct error *err);

#endif
