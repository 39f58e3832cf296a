#include "server_tools/sync_client/session.h"

#include <stdio.h>

#include "common/base/text.h"
#include "common/net/json.h"
#include "server_tools/sync_client/log_in.h"
#include "server_tools/sync_client/trust.h"
#include "server_tools/sync_client/turn.h"

enum { REFUSAL_DETAIL_BYTES = 256, HEADER_BYTES = SESSION_TOKEN_BYTES + 32 };

#define STORE_ID_CHARACTERS "0123456789abcdefABCDEF-"

/* ---- refusals ---- */

static bool is_control(const char *text)
{
    const unsigned char *bytes = (const unsigned char *)text;
    return bytes[0] < ' ' || bytes[0] == 0x7f || (bytes[0] == 0xc2 && bytes[1] >= 0x80 && bytes[1] < 0xa0);
}

/* What another side says goes to people's terminals: one line, no control characters, also not those of two
 * bytes (U+0080 to U+009F). */
static void make_harmless(char *text)
{
    for (; *text != '\0'; text++) {
        if (!is_control(text))
            continue;
        if ((unsigned char)*text == 0xc2)
            *text++ = '?';
        *text = '?';
    }
}

void session_answer_text(const struct http_exchange *exchange, const char *member, char *out,
                         size_t out_bytes)
{
    out[0] = '\0';
    if (exchange->answer_body == NULL)
        return;
    SCOPE_JSON struct json *json =
        json_parse(buf_view(exchange->answer_body), SESSION_ANSWER_MAX_BYTES, NULL);
    if (json == NULL || !json_get_string(json_member(json_root(json), member), out, out_bytes))
        return;
    make_harmless(out);
}

void session_refusal_word(const struct http_exchange *exchange, char out[REFUSAL_WORD_BYTES])
{
    session_answer_text(exchange, "error", out, REFUSAL_WORD_BYTES);
}

bool session_refused(const struct session *session, const struct http_exchange *exchange,
                     enum error_code code, struct error *err)
{
    char word[REFUSAL_WORD_BYTES];
    char detail[REFUSAL_DETAIL_BYTES];
    session_answer_text(exchange, "error", word, sizeof(word));
    session_answer_text(exchange, "detail", detail, sizeof(detail));
    return error_set(err, code, "%s:%d answered %u%s%s%s%s to %s %s", session->settings->host,
                     (int)session->settings->port, exchange->status, word[0] != '\0' ? " " : "", word,
                     detail[0] != '\0' ? ", " : "", detail, exchange->method, exchange->target);
}

/* ---- opening ---- */

static bool load_key(struct session *session, struct error *err)
{
    const char *path = session->settings->key_file;
    session->key = rsa_private_load(path, err);
    if (session->key != NULL)
        return true;
    if (err->code == ERR_NOT_FOUND)
        return error_set(err, ERR_NOT_FOUND,
                         "no private key at %s: give it with --key or $TELEHAUL_KEY (keytool makes one)",
                         path);
    return false;
}

static bool connect_pinned(struct session *session, struct error *err)
{
    const struct settings *settings = session->settings;
    const struct http_client_config config = {.host = settings->host,
                                              .port = (uint16_t)settings->port,
                                              .tls = true,
                                              .floor_s = (int)settings->floor_s,
                                              .bind = settings->bind};
    session->client = http_client_new(&config, err);
    return session->client != NULL &&
           trust_pin(session->client, settings, session->notices, session->agent_id, &session->met, err);
}

bool session_open(struct session *session, const struct settings *settings, struct notices *notices,
                  const struct clock *clock, struct error *err)
{
    *session = (struct session){.settings = settings, .notices = notices, .clock = clock};
    return load_key(session, err) && connect_pinned(session, err) && log_in(session, err);
}

void session_close(struct session *session)
{
    http_client_free(session->client);
    rsa_private_free(session->key);
    explicit_bzero(session->token, sizeof(session->token));
    session->client = NULL;
    session->key = NULL;
}

/* ---- requests ---- */

static bool exchange_with_token(struct session *session, struct http_exchange *exchange, struct error *err)
{
    char token[HEADER_BYTES];
    const char *const *theirs = exchange->headers;
    const char *headers[SESSION_HEADERS_MAX + 2] = {token};
    for (size_t i = 0; theirs != NULL && theirs[i] != NULL && i < SESSION_HEADERS_MAX; i++)
        headers[i + 1] = theirs[i];
    snprintf(token, sizeof(token), "Authorization: Bearer %s", session->token);
    exchange->headers = headers;
    bool done = http_client_exchange(session->client, exchange, err);
    exchange->headers = theirs;
    explicit_bzero(token, sizeof(token));
    if (!done && err->code == ERR_CHANGED)
        return trust_explain_change(session->client, session->settings, session->agent_id, err);
    return done;
}

static bool exchange_renewed(struct session *session, struct http_exchange *exchange, struct error *err)
{
    if (clock_monotonic_us(session->clock) >= session->renew_at_us && !log_in(session, err))
        return false;
    if (!exchange_with_token(session, exchange, err))
        return false;
    if (exchange->status != 401)
        return true;
    buf_reset(exchange->answer_body);
    return log_in(session, err) && exchange_with_token(session, exchange, err);
}

static bool is_busy(const struct http_exchange *exchange)
{
    char word[REFUSAL_WORD_BYTES];
    if (exchange->status != 503)
        return false;
    session_refusal_word(exchange, word);
    return strcmp(word, "busy") == 0;
}

bool session_exchange(struct session *session, struct http_exchange *exchange, struct error *err)
{
    if (!exchange_renewed(session, exchange, err))
        return false;
    while (is_busy(exchange)) {
        if (!turn_wait(session, exchange->status, err))
            return false;
        buf_reset(exchange->answer_body);
        if (!exchange_renewed(session, exchange, err))
            return false;
    }
    return true;
}

/* ---- status ---- */

static bool read_store(struct json_value root, struct agent_status *status, struct error *err)
{
    if (json_is_null(json_member(root, "store_id")))
        return true;
    if (!json_need_string(root, "store_id", status->store_id, sizeof(status->store_id), err))
        return false;
    status->has_seq = !json_is_null(json_member(root, "next_seq"));
    if (status->has_seq && !json_need_i64(root, "next_seq", 0, INT64_MAX, &status->next_seq, err))
        return false;
    return (status->store_id[0] != '\0' &&
            status->store_id[strspn(status->store_id, STORE_ID_CHARACTERS)] == '\0') ||
           error_set(err, ERR_PROTOCOL, "member `store_id`: expected a UUID");
}

/* Whether the list has the word. Words that are not known here are somebody else's; no list has none. */
static bool offers(struct json_value root, const char *list, const char *word)
{
    char item[32];
    struct json_value at = {0};
    while (json_next(json_member(root, list), &at, NULL)) {
        if (json_get_string(at, item, sizeof(item)) && strcmp(item, word) == 0)
            return true;
    }
    return false;
}

static bool read_status(const struct http_exchange *exchange, struct agent_status *out, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(buf_view(exchange->answer_body), SESSION_ANSWER_MAX_BYTES, err);
    struct agent_status status = {.next_seq = 0};
    if (json == NULL ||
        !json_need_string(json_root(json), "version", status.version, sizeof(status.version), err) ||
        !read_store(json_root(json), &status, err))
        return false;
    make_harmless(status.version);
    status.zstd = offers(json_root(json), "export_formats", "zstd");
    status.alarms = offers(json_root(json), "export_streams", "alarms");
    status.channels = offers(json_root(json), "export_streams", "channels");
    *out = status;
    return true;
}

bool session_status(struct session *session, struct agent_status *out, struct error *err)
{
    SCOPE_BUF struct buf body = BUF_LIMIT(SESSION_ANSWER_MAX_BYTES);
    struct http_exchange exchange = {
        .method = "GET", .target = "/status", .total_ms = SESSION_REQUEST_MS, .answer_body = &body};
    if (!session_exchange(session, &exchange, err))
        return false;
    if (exchange.status != 200)
        return session_refused(session, &exchange, exchange.status == 401 ? ERR_DENIED : ERR_PROTOCOL, err);
    if (read_status(&exchange, out, err))
        return true;
    err->code = ERR_PROTOCOL;
    return error_wrap(err, "%s:%d answered no good /status", session->settings->host,
                      (int)session->settings->port);
}
