#include "common/wire/log_in_words.h"

#include <stdio.h>

#include "common/net/json.h"
#include "common/net/json_writer.h"

enum {
    SIGNATURE_MAX_BYTES = 1024, /* RSA 8192 */
    TOKEN_LIFETIME_S = 300,     /* when the agent does not say */
    TOKEN_LIFETIME_MAX_S = 24 * 3600,
    TOKEN_MARGIN_FROM_S = 2 * LOG_IN_RENEW_BEFORE_S,
};

static bool wrong(const char *what, struct error *err)
{
    if (err != NULL)
        err->code = ERR_PROTOCOL;
    return error_wrap(err, "no good %s", what);
}

/* ---- the challenge ---- */

static bool is_challenge(const char *text)
{
    unsigned char decoded[LOG_IN_CHALLENGE_BYTES];
    size_t size;
    return text_base64_decode(view_of(text), decoded, sizeof(decoded), &size) && size == sizeof(decoded);
}

bool log_in_read_challenge(struct view body, const char *shown, char out[LOG_IN_CHALLENGE_TEXT_BYTES],
                           struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(body, LOG_IN_ANSWER_MAX_BYTES, err);
    char challenge[LOG_IN_CHALLENGE_TEXT_BYTES];
    char claimed[SHA256_HEX_BYTES];
    if (json == NULL || !json_need_string(json_root(json), "challenge", challenge, sizeof(challenge), err) ||
        !json_need_string(json_root(json), "agent_id", claimed, sizeof(claimed), err))
        return wrong("challenge", err);
    if (!is_challenge(challenge))
        return error_set(err, ERR_PROTOCOL, "the challenge is not base64 of exactly %d bytes",
                         LOG_IN_CHALLENGE_BYTES);
    if (strcmp(claimed, shown) != 0) {
        text_make_printable(claimed);
        return error_set(
            err, ERR_DENIED,
            "it hands on the challenge of another agent: its certificate says %s, its answer %s; "
            "nothing was signed",
            shown, claimed);
    }
    memcpy(out, challenge, sizeof(challenge));
    return true;
}

void log_in_message(const char *agent_id, const char *challenge, char out[LOG_IN_MESSAGE_BYTES])
{
    snprintf(out, LOG_IN_MESSAGE_BYTES, "telehaul-auth-v2\n%s\n%s\n", agent_id, challenge);
}

/* ---- the signature and the token ---- */

bool log_in_write_body(const char *member, const char *value, const unsigned char *signature, size_t size,
                       struct buf *out, struct error *err)
{
    char text[TEXT_BASE64_BYTES(SIGNATURE_MAX_BYTES)];
    if (size > SIGNATURE_MAX_BYTES)
        return error_set(err, ERR_LIMIT, "a signature of %zu bytes", size);
    text_base64_encode(text, signature, size);
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, member, value);
    json_string(&writer, "signature", text);
    json_end_object(&writer);
    return buf_check(out, "the log-in", err);
}

static bool read_token(struct json_value root, char text[LOG_IN_TOKEN_BYTES], int64_t *lifetime_s,
                       struct error *err)
{
    if (!json_need_string(root, "session_token", text, LOG_IN_TOKEN_BYTES, err))
        return false;
    if (text[0] == '\0' || text[strspn(text, "0123456789abcdefABCDEF-")] != '\0')
        return error_set(err, ERR_PROTOCOL, "member `session_token`: expected a UUID");
    struct json_value expires = json_member(root, "expires_in");
    return !json_present(expires) || json_get_i64(expires, 1, TOKEN_LIFETIME_MAX_S, lifetime_s) ||
           error_set(err, ERR_PROTOCOL, "member `expires_in`: expected seconds");
}

bool log_in_read_token(struct view body, struct log_in_token *out, struct error *err)
{
    SCOPE_JSON struct json *json = json_parse(body, LOG_IN_ANSWER_MAX_BYTES, err);
    struct log_in_token token;
    int64_t lifetime_s = TOKEN_LIFETIME_S;
    if (json == NULL || !read_token(json_root(json), token.text, &lifetime_s, err))
        return wrong("log-in", err);
    /* a lifetime shorter than the margin is used up whole: renewing at once would never end */
    token.use_s = lifetime_s >= TOKEN_MARGIN_FROM_S ? lifetime_s - LOG_IN_RENEW_BEFORE_S : lifetime_s;
    *out = token;
    return true;
}

const char *log_in_advice(const char *word)
{
    static const struct {
        const char *word, *advice;
    } rows[] = {
        {"stale timestamp", "the clocks of this computer and of the machine differ by more than a minute"},
        {"replayed signature", "try again; did the agent restart just now?"},
        {"unknown challenge", "try again; did the agent restart just now?"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(word, rows[i].word) == 0)
            return rows[i].advice;
    }
    return "is the public half of this key in the machine's AUTH_PUBLIC_KEY_FILE (keytool fingerprint, "
           "keytool "
           "trust list)?";
}
