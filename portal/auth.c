#include "portal/auth.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/net/json.h"
#include "common/net/json_writer.h"
#include "portal/hosts.h"
#include "portal/portal.h"

enum { COOKIE_HEADER_BYTES = 256, LOGIN_ANSWER_BYTES = 256, NUMBER_BYTES = 24 };
#define COOKIE_NAME "telehaul_portal"

static const char *const open_to_all[] = {"/api/login", "/api/health", "/api/session"};

/* ---- answers ---- */

static void answer_locked(struct http_request *request, int64_t retry_after_s)
{
    char seconds[NUMBER_BYTES];
    snprintf(seconds, sizeof(seconds), "%" PRId64, retry_after_s);
    http_add_header(request, "Retry-After", seconds);
    http_answer_error(request, 429, "locked", "too many wrong PINs: try again later");
}

/* True when the PIN is right; otherwise it has answered. session: NULL when nobody is logged in. */
static bool pin_passes(struct http_request *request, const char *session, struct view pin)
{
    const struct portal *portal = http_context(request);
    const struct log *log = &portal->daemon.log;
    int64_t retry_after_s = 0;
    switch (pin_guard_check(portal->pins, http_peer_key(request), session, pin, &retry_after_s)) {
    case PIN_RIGHT:
        return true;
    case PIN_WRONG:
        log_warn(log, "wrong PIN from %s", http_peer(request));
        http_answer_error(request, 401, "wrong_pin", "this is not the PIN of this machine");
        return false;
    case PIN_LOCKED:
        log_warn(log, "log-in from %s refused: too many wrong PINs", http_peer(request));
        answer_locked(request, retry_after_s);
        return false;
    case PIN_UNSET:
        http_answer_error(request, 403, "no_pin",
                          "CONFIG_PIN in credentials.env is empty: nobody can log in");
        return false;
    }
    return false;
}

/* ---- the gate ---- */

static bool site_passes(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    const char *host = http_header(request, "Host");
    char local[HTTP_ADDRESS_BYTES];
    http_local(request, local);
    if (!host_allowed(host, local, portal->daemon.appliance.config.portal_hosts)) {
        http_answer_error(request, 421, "wrong_host",
                          "this name is not known here: add it to PORTAL_HOSTS in config.txt");
        return false;
    }
    if (!origin_allowed(http_header(request, "Origin"), host, portal->tls)) {
        http_answer_error(request, 403, "wrong_origin", "a page of another site has sent this request");
        return false;
    }
    return true;
}

static bool is_open_to_all(const char *path)
{
    for (size_t i = 0; i < COUNT_OF(open_to_all); i++) {
        if (strcmp(path, open_to_all[i]) == 0)
            return true;
    }
    return false;
}

static bool has_session(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    const char *cookie = http_cookie(request, COOKIE_NAME);
    return portal->secrets.config_pin[0] != '\0' &&
           session_valid(&portal->session_key, portal->daemon.clock, cookie);
}

static void check_person(struct http_request *request)
{
    const char *pin = http_header(request, "X-Config-Pin");
    bool logged_in = has_session(request);
    char session[SESSION_ID_BYTES];
    if (logged_in)
        session_id(http_cookie(request, COOKIE_NAME), session);
    if (pin != NULL)
        (void)pin_passes(request, logged_in ? session : NULL, view_of(pin)); /* it has answered if not */
    else if (!logged_in)
        http_answer_error(request, 401, "pin_required", "log in with the PIN of this machine");
}

bool auth_needs_pin_itself(struct http_request *request)
{
    if (http_header(request, "X-Config-Pin") != NULL)
        return true; /* the gate has compared it */
    http_answer_error(request, 401, "pin_required", "this call needs the PIN itself, in X-Config-Pin");
    return false;
}

void auth_gate(struct http_request *request)
{
    const char *path = http_path(request);
    bool api = strncmp(path, "/api/", 5) == 0;
    if (api)
        http_add_header(request, "Cache-Control", "no-store");
    if (site_passes(request) && api && !is_open_to_all(path))
        check_person(request);
}

/* ---- logging in and out ---- */

/* max_age_s 0: the browser forgets it. */
static void set_cookie(struct http_request *request, const char *value, int max_age_s)
{
    const struct portal *portal = http_context(request);
    char header[COOKIE_HEADER_BYTES];
    snprintf(header, sizeof(header), COOKIE_NAME "=%s; Path=/; Max-Age=%d; HttpOnly; SameSite=Strict%s",
             value, max_age_s, portal->tls ? "; Secure" : "");
    http_add_header(request, "Set-Cookie", header);
}

static bool read_pin(struct view body, char *pin, size_t pin_bytes, struct error *err)
{
    static const char *const members[] = {"pin", NULL};
    SCOPE_JSON struct json *json = json_parse(body, AUTH_BODY_MAX_BYTES, err);
    return json != NULL && json_only_members(json_root(json), members, err) &&
           json_need_string(json_root(json), "pin", pin, pin_bytes, err);
}

static void answer_status_ok(struct http_request *request, int64_t expires_in_s)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(LOGIN_ANSWER_BYTES);
    struct json_writer writer;
    json_writer_init(&writer, &text);
    json_object(&writer, NULL);
    json_string(&writer, "status", "ok");
    if (expires_in_s > 0)
        json_i64(&writer, "expires_in", expires_in_s);
    json_end_object(&writer);
    http_answer_json(request, 200, buf_view(&text));
}

void auth_login(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    char pin[SECRET_BYTES];
    char cookie[SESSION_COOKIE_BYTES];
    struct error err;
    if (!read_pin(http_body(request), pin, sizeof(pin), &err)) {
        http_answer_error(request, 400, "bad_request", err.text);
        return;
    }
    if (!pin_passes(request, NULL, view_of(pin)))
        return;
    session_make(&portal->session_key, portal->daemon.clock, cookie);
    log_info(&portal->daemon.log, "log-in from %s", http_peer(request));
    set_cookie(request, cookie, SESSION_LIFETIME_S);
    answer_status_ok(request, SESSION_LIFETIME_S);
}

void auth_session(struct http_request *request)
{
    static const struct view answers[] = {VIEW_LITERAL("{\"logged_in\":false}"),
                                          VIEW_LITERAL("{\"logged_in\":true}")};
    http_answer_json(request, 200, answers[has_session(request)]);
}

void auth_logout(struct http_request *request)
{
    set_cookie(request, "", 0);
    answer_status_ok(request, 0);
}
