#include "agent/withdraw_route.h"

#include "agent/routes.h"
#include "agent/update_route.h"
#include "common/base/text.h"
#include "common/net/json.h"
#include "updater/pending.h"

static bool read_body(struct http_request *request, char sha256[MANIFEST_SHA256_BYTES], struct error *err)
{
    static const char *const members[] = {"manifest_sha256", NULL};
    unsigned char raw[(MANIFEST_SHA256_BYTES - 1) / 2];
    SCOPE_JSON struct json *json = json_parse(http_body(request), WITHDRAW_BODY_MAX_BYTES, err);
    if (json == NULL || !json_only_members(json_root(json), members, err) ||
        !json_need_string(json_root(json), "manifest_sha256", sha256, MANIFEST_SHA256_BYTES, err))
        return false;
    return text_hex_decode(view_of(sha256), raw, sizeof(raw)) ||
           error_set(err, ERR_INPUT, "member `manifest_sha256`: expected 64 hex digits");
}

static void refuse(struct http_request *request, unsigned status, const char *word, const char *detail)
{
    session_note(session_of(request), SESSION_REFUSED);
    update_answer(request, status, word, NULL, detail);
}

void answer_withdraw(struct http_request *request)
{
    struct agent *agent = agent_of(request);
    char sha256[MANIFEST_SHA256_BYTES];
    struct error err;
    if (!read_body(request, sha256, &err)) {
        refuse(request, 400, "bad_request", err.text);
        return;
    }
    if (pending_withdraw(agent->appliance->root, sha256, http_peer(request), agent->clock, &err)) {
        log_info(agent->log, "update withdrawn from %s", http_peer(request));
        session_note(session_of(request), SESSION_OK);
        update_answer(request, 200, "withdrawn", NULL, NULL);
        return;
    }
    if (err.reason != NULL) {
        refuse(request, 409, err.reason, err.text);
        return;
    }
    log_error(agent->log, "withdrawing an update: %s", err.text);
    refuse(request, 500, "internal", "the agent's log says why");
}
