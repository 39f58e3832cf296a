#include "agent/authenticator.h"

#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/net/json.h"

enum {
    SIGNATURE_TEXT_BYTES = TEXT_BASE64_BYTES(RSA_SIGNATURE_MAX_BYTES),
    MESSAGE_BYTES = 256,
};

void authenticator_init(struct authenticator *auth, const char *agent_id, bool takes_timestamp,
                        const struct clock *clock)
{
    auth->clock = clock;
    auth->agent_id = agent_id;
    auth->takes_timestamp = takes_timestamp;
    challenger_init(&auth->challenger, clock);
    replay_init(&auth->challenges, INT64_MIN);
    replay_init(&auth->timestamps, clock_utc_us(clock) - 1);
}

void authenticator_clear(struct authenticator *auth)
{
    replay_clear(&auth->challenges);
    replay_clear(&auth->timestamps);
}

const char *auth_answer_text(enum auth_answer answer)
{
    switch (answer) {
    case AUTH_ACCEPTED:
        return "accepted";
    case AUTH_BAD_REQUEST:
        return "bad_request";
    case AUTH_INVALID_SIGNATURE:
        return "invalid signature";
    case AUTH_STALE_TIMESTAMP:
        return "stale timestamp";
    case AUTH_UNKNOWN_CHALLENGE:
        return "unknown challenge";
    case AUTH_REPLAYED_SIGNATURE:
        return "replayed signature";
    }
    return "?";
}

const char *auth_answer_advice(enum auth_answer answer)
{
    switch (answer) {
    case AUTH_ACCEPTED:
    case AUTH_BAD_REQUEST:
        break;
    case AUTH_INVALID_SIGNATURE:
        return "no key that this machine trusts has signed these bytes: sign with the key of its "
               "AUTH_PUBLIC_KEY_FILE";
    case AUTH_STALE_TIMESTAMP:
        return "the timestamp is too far from this machine's clock: set the clocks, or sign a challenge "
               "instead";
    case AUTH_UNKNOWN_CHALLENGE:
        return "GET /auth/challenge gives one that can be signed for 60 s";
    case AUTH_REPLAYED_SIGNATURE:
        return "it has opened a session already: each session needs a challenge of its own";
    }
    return "send exactly one of the two forms of a log-in";
}

static bool signature_holds(const struct keyring *keys, struct view message, const char *signature_text)
{
    unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
    size_t size;
    return text_base64_decode(view_of(signature_text), signature, sizeof(signature), &size) &&
           keyring_verify(keys, message, (struct view){(const char *)signature, size}) >= 0;
}

static enum auth_answer used_up(enum replay_answer answer, enum auth_answer too_old)
{
    switch (answer) {
    case REPLAY_TAKEN:
        return AUTH_ACCEPTED;
    case REPLAY_USED:
        return AUTH_REPLAYED_SIGNATURE;
    case REPLAY_TOO_OLD:
        break;
    }
    return too_old;
}

static enum auth_answer check_challenge(struct authenticator *auth, const struct keyring *keys,
                                        const char *challenge, const char *signature)
{
    struct challenge_name name;
    if (!challenge_check(&auth->challenger, view_of(challenge), &name))
        return AUTH_UNKNOWN_CHALLENGE;
    char message[MESSAGE_BYTES];
    int size = snprintf(message, sizeof(message), "telehaul-auth-v2\n%s\n%s\n", auth->agent_id, challenge);
    if (!signature_holds(keys, (struct view){message, (size_t)size}, signature))
        return AUTH_INVALID_SIGNATURE;
    struct replay_name used = {.time_us = name.issued_us, .random = name.random};
    return used_up(replay_take(&auth->challenges, used), AUTH_UNKNOWN_CHALLENGE);
}

/* Taken once by its time, not by its text: another spelling of a used time is used too. */
static enum auth_answer check_timestamp(struct authenticator *auth, const struct keyring *keys,
                                        int64_t time_us, const char *timestamp, const char *signature)
{
    const int64_t slack_us = (int64_t)AUTH_TIMESTAMP_SLACK_S * US_PER_S;
    int64_t age_us = clock_utc_us(auth->clock) - time_us;
    if (age_us > slack_us || age_us < -slack_us)
        return AUTH_STALE_TIMESTAMP;
    if (!signature_holds(keys, view_of(timestamp), signature))
        return AUTH_INVALID_SIGNATURE;
    return used_up(replay_take(&auth->timestamps, (struct replay_name){.time_us = time_us}),
                   AUTH_STALE_TIMESTAMP);
}

static bool read_timestamp(const struct authenticator *auth, struct json_value root,
                           char timestamp[AUTH_TIMESTAMP_BYTES], int64_t *time_us, struct error *err)
{
    if (!auth->takes_timestamp)
        return error_set(err, ERR_INPUT, "this agent takes signed challenges only (AUTH_TIMESTAMP = no)");
    if (!json_need_string(root, "timestamp", timestamp, AUTH_TIMESTAMP_BYTES, err))
        return false;
    if (!rfc3339_parse_us(view_of(timestamp), time_us))
        return error_set(err, ERR_INPUT, "member `timestamp`: expected an RFC 3339 time");
    return true;
}

enum auth_answer authenticator_check(struct authenticator *auth, const struct keyring *keys, struct view body,
                                     struct error *err)
{
    static const char *const challenge_form[] = {"challenge", "signature", NULL};
    static const char *const timestamp_form[] = {"timestamp", "signature", NULL};

    SCOPE_JSON struct json *json = json_parse(body, AUTH_BODY_MAX_BYTES, err);
    if (json == NULL)
        return AUTH_BAD_REQUEST;
    struct json_value root = json_root(json);
    bool has_challenge = json_present(json_member(root, "challenge"));
    char signature[SIGNATURE_TEXT_BYTES];
    if (!json_only_members(root, has_challenge ? challenge_form : timestamp_form, err) ||
        !json_need_string(root, "signature", signature, sizeof(signature), err))
        return AUTH_BAD_REQUEST;

    if (has_challenge) {
        char challenge[CHALLENGE_TEXT_BYTES];
        if (!json_need_string(root, "challenge", challenge, sizeof(challenge), err))
            return AUTH_BAD_REQUEST;
        return check_challenge(auth, keys, challenge, signature);
    }
    char timestamp[AUTH_TIMESTAMP_BYTES];
    int64_t time_us = 0;
    if (!read_timestamp(auth, root, timestamp, &time_us, err))
        return AUTH_BAD_REQUEST;
    return check_timestamp(auth, keys, time_us, timestamp, signature);
}
