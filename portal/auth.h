/* Who may ask: the gate before every request (Host, Origin, PIN or session), logging in and out. */
#ifndef PORTAL_AUTH_H
#define PORTAL_AUTH_H

#include "common/net/http_server.h"

enum { AUTH_BODY_MAX_BYTES = 8 * 1024 };

/* http_server_config.before: answers what may not pass. Every path below /api/ needs the PIN but for those
 * that its table names. */
void auth_gate(struct http_request *request);
/* For calls that a session is not enough for. False: it has answered 401. */
bool auth_needs_pin_itself(struct http_request *request) MUST_USE;

/* POST /api/login {"pin"} and POST /api/logout */
void auth_login(struct http_request *request);
void auth_logout(struct http_request *request);
/* GET /api/session {"logged_in"}, open to all: a page asks it first, so that it need not run into a 401. */
void auth_session(struct http_request *request);

#endif
