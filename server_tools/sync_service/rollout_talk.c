#include "server_tools/sync_service/rollout_talk.h"

#include <stdio.h>

#include "common/base/text.h"
#include "common/net/json.h"
#include "common/net/json_writer.h"
#include "common/wire/agent_words.h"

enum {
    ANSWER_MAX_BYTES = 64 * 1024,
    HEADER_BYTES = ROLLOUT_SIGNATURE_BYTES + 64,
    WITHDRAW_BODY_BYTES = 256,
};

/* ---- ends of a talk ---- */

static void set_problem(struct rollout_result *result, const char *text)
{
    snprintf(result->problem, sizeof(result->problem), "%s", text);
    text_make_printable(result->problem);
}

static void fail(struct rollout_talk *talk, const struct error *err)
{
    talk->result.state = talk->order.state;
    set_problem(&talk->result, err->text);
    talk->done(talk);
}

static void end(struct rollout_talk *talk, enum rollout_state state, const char *reason)
{
    talk->result.state = state;
    if (reason != NULL)
        snprintf(talk->result.reason, sizeof(talk->result.reason), "%s", reason);
    talk->done(talk);
}

/* Its words in an answer about updates: `status`, and of a refusal `reason` and `detail`. */
struct words {
    char status[ROLLOUT_WORD_BYTES], reason[ROLLOUT_WORD_BYTES], detail[ROLLOUT_DETAIL_BYTES];
};

static void read_word(struct json_value root, const char *key, char *out, size_t out_bytes)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(ANSWER_MAX_BYTES);
    out[0] = '\0';
    if (!json_append_string(json_member(root, key), &text))
        return;
    snprintf(out, out_bytes, "%s", buf_text(&text));
    text_make_printable(out);
}

static void read_words(struct view body, struct words *out)
{
    *out = (struct words){.status = ""};
    SCOPE_JSON struct json *json = json_parse(body, ANSWER_MAX_BYTES, NULL);
    if (json == NULL)
        return;
    read_word(json_root(json), "status", out->status, sizeof(out->status));
    read_word(json_root(json), "reason", out->reason, sizeof(out->reason));
    read_word(json_root(json), "detail", out->detail, sizeof(out->detail));
}

static void say_answer(struct rollout_result *result, const char *call, unsigned status,
                       const struct words *words)
{
    char text[sizeof(result->problem)];
    snprintf(text, sizeof(text), "%s answered %u %s%s%.200s", call, status, words->status,
             words->detail[0] == '\0' ? "" : ": ", words->detail);
    set_problem(result, text);
}

/* ---- POST /update ---- */

/* Answers that are about the package; all others are about the moment. same_version, too: whether it runs and
 * has proved itself is what the next look says. */
static const struct {
    const char *word;
    unsigned status;
    enum rollout_state state;
} offer_answers[] = {
    {"queued", 200, ROLLOUT_QUEUED},       {"older_version", 409, ROLLOUT_REFUSED},
    {"bad_package", 400, ROLLOUT_REFUSED}, {"invalid_sig", 400, ROLLOUT_REFUSED},
    {"too_large", 413, ROLLOUT_REFUSED},
};

void rollout_talk_read_offer(unsigned status, struct view body, struct rollout_result *out)
{
    struct words words;
    read_words(body, &words);
    for (size_t i = 0; i < COUNT_OF(offer_answers); i++) {
        if (offer_answers[i].status != status || strcmp(offer_answers[i].word, words.status) != 0)
            continue;
        out->state = offer_answers[i].state;
        if (out->state == ROLLOUT_QUEUED)
            return;
        snprintf(out->reason, sizeof(out->reason), "%s",
                 words.reason[0] != '\0' ? words.reason : words.status);
        snprintf(out->detail, sizeof(out->detail), "%s", words.detail);
        return;
    }
    out->state = ROLLOUT_OFFERED;
    say_answer(out, "POST /update", status, &words);
}

static void offered(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct rollout_talk *talk = context;
    (void)transfer;
    if (answer->err != NULL) {
        fail(talk, answer->err);
        return;
    }
    rollout_talk_read_offer(answer->status, answer->body, &talk->result);
    talk->done(talk);
}

static void ask(struct rollout_talk *talk, const struct http_pool_request *request)
{
    struct error err;
    if (agent_session_request(talk->session, request, &err) == NULL)
        fail(talk, &err);
}

static void offer(struct rollout_talk *talk)
{
    const struct rollout_order *order = &talk->order;
    char version[HEADER_BYTES], signature[HEADER_BYTES];
    snprintf(version, sizeof(version), "X-Update-Version: %s", order->version);
    snprintf(signature, sizeof(signature), "X-Manifest-Signature: %s", order->signature);
    const char *const headers[] = {version, signature, "Content-Type: application/zip", NULL};
    if (talk->package_fd < 0) { /* result.problem says why */
        talk->result.state = order->state;
        talk->done(talk);
        return;
    }
    talk->result.problem[0] = '\0';
    const struct http_pool_request request = {
        .method = "POST",
        .target = "/update",
        .headers = headers,
        .upload_fd = talk->package_fd,
        .upload_bytes = (uint64_t)order->package_bytes,
        .max_body_bytes = ANSWER_MAX_BYTES,
        .done = offered,
        .context = talk,
    };
    ask(talk, &request);
}

/* ---- POST /update/withdraw ---- */

static void withdrawn(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct rollout_talk *talk = context;
    struct words words;
    (void)transfer;
    if (answer->err != NULL) {
        fail(talk, answer->err);
        return;
    }
    read_words(answer->body, &words);
    if (answer->status == 200) {
        end(talk, ROLLOUT_WITHDRAWN, NULL);
        return;
    }
    talk->result.state = ROLLOUT_WITHDRAWING; /* decided on, or replaced, meanwhile: the next look says how */
    if (answer->status == 404)
        set_problem(&talk->result, "its agent is of a version that cannot take an update back: it has to be "
                                   "rejected on the machine");
    else if (answer->status != 409)
        say_answer(&talk->result, "POST /update/withdraw", answer->status, &words);
    talk->done(talk);
}

static void withdraw(struct rollout_talk *talk)
{
    char body[WITHDRAW_BODY_BYTES];
    snprintf(body, sizeof(body), "{\"manifest_sha256\":\"%s\"}", talk->order.manifest_sha256);
    const char *const headers[] = {"Content-Type: application/json", NULL};
    const struct http_pool_request request = {
        .method = "POST",
        .target = "/update/withdraw",
        .headers = headers,
        .body = view_of(body),
        .total_ms = talk->settings->pull_timeout_ms,
        .max_body_bytes = ANSWER_MAX_BYTES,
        .done = withdrawn,
        .context = talk,
    };
    ask(talk, &request);
}

/* ---- GET /update/status ---- */

static void take_seen(struct rollout_talk *talk, const struct rollout_seen *seen)
{
    struct rollout_result *result = &talk->result;
    snprintf(result->waiting_for, sizeof(result->waiting_for), "%s", seen->waiting_for);
    snprintf(result->reason, sizeof(result->reason), "%s", seen->reason);
    snprintf(result->detail, sizeof(result->detail), "%s", seen->detail);
    end(talk, seen->state, NULL);
}

/* ---- GET /status ---- */

static void contradict(struct rollout_talk *talk, const char *call, const char *runs)
{
    char text[sizeof(talk->result.problem)];
    snprintf(text, sizeof(text), "it says that %s is committed, and its %s says that %s runs",
             talk->order.version, call, runs);
    set_problem(&talk->result, text);
    talk->result.state = talk->order.state;
    talk->done(talk);
}

static void compare(struct rollout_talk *talk, const struct http_pool_answer *answer)
{
    struct agent_status status;
    struct error err;
    struct words words = {.status = ""};
    if (answer->status != 200) {
        talk->result.state = talk->order.state;
        say_answer(&talk->result, "GET /status", answer->status, &words);
        talk->done(talk);
    } else if (!agent_status_read(answer->body, &status, &err)) {
        error_wrap(&err, "no good /status");
        fail(talk, &err);
    } else if (strcmp(status.version, talk->order.version) != 0) {
        contradict(talk, "/status", status.version);
    } else {
        end(talk, ROLLOUT_HEALTHY, NULL);
    }
}

static void compared(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct rollout_talk *talk = context;
    (void)transfer;
    if (answer->err != NULL)
        fail(talk, answer->err);
    else
        compare(talk, answer);
}

/* Committed is what `current` points to; what answers must be of that version, too. */
static void confirm(struct rollout_talk *talk)
{
    const struct http_pool_request request = {
        .method = "GET",
        .target = "/status",
        .total_ms = talk->settings->pull_timeout_ms,
        .max_body_bytes = AGENT_ANSWER_MAX_BYTES,
        .done = compared,
        .context = talk,
    };
    ask(talk, &request);
}

/* ---- what follows on a look ---- */

/* The machine knows nothing of our package. */
static void go_on_without(struct rollout_talk *talk, const struct rollout_seen *seen)
{
    struct rollout_result *result = &talk->result;
    switch (talk->order.state) {
    case ROLLOUT_DUE:
        snprintf(result->mark, sizeof(result->mark), "%s", seen->mark);
        snprintf(result->previous_version, sizeof(result->previous_version), "%s", seen->current_version);
        end(talk, ROLLOUT_OFFERED, NULL);
        return;
    case ROLLOUT_OFFERED:
        if (talk->order.may_offer)
            offer(talk);
        else
            end(talk, ROLLOUT_DUE, NULL);
        return;
    case ROLLOUT_WITHDRAWING:
        end(talk, ROLLOUT_WITHDRAWN, NULL);
        return;
    default:
        end(talk, ROLLOUT_FAILED, seen->other ? "replaced" : "vanished");
        return;
    }
}

static void judge(struct rollout_talk *talk, const struct http_pool_answer *answer)
{
    const struct rollout_order *order = &talk->order;
    struct rollout_seen seen;
    struct error err;
    struct words words = {.status = ""};
    if (answer->status != 200) {
        talk->result.state = order->state;
        say_answer(&talk->result, "GET /update/status", answer->status, &words);
        talk->done(talk);
    } else if (!rollout_judge(answer->body, order->version, order->manifest_sha256,
                              order->state == ROLLOUT_DUE ? NULL : order->mark, &seen, &err)) {
        fail(talk, &err);
    } else if (seen.contradicts) {
        contradict(talk, "/update/status", seen.current_version);
    } else if (seen.there && seen.state == ROLLOUT_HEALTHY) {
        confirm(talk);
    } else if (!seen.there) {
        go_on_without(talk, &seen);
    } else if (order->state == ROLLOUT_WITHDRAWING && seen.state == ROLLOUT_QUEUED) {
        withdraw(talk);
    } else {
        take_seen(talk, &seen);
    }
}

static void looked(void *context, struct http_transfer *transfer, const struct http_pool_answer *answer)
{
    struct rollout_talk *talk = context;
    (void)transfer;
    if (answer->err != NULL)
        fail(talk, answer->err);
    else
        judge(talk, answer);
}

bool rollout_talk_start(struct rollout_talk *talk)
{
    struct error err;
    const struct http_pool_request request = {
        .method = "GET",
        .target = "/update/status",
        .gzip = true,
        .total_ms = talk->settings->pull_timeout_ms,
        .max_body_bytes = ROLLOUT_STATUS_MAX_BYTES,
        .done = looked,
        .context = talk,
    };
    talk->result.state = talk->order.state;
    if (agent_session_meet(talk->session, &talk->order.vehicle, &err) &&
        agent_session_request(talk->session, &request, &err) != NULL)
        return true;
    set_problem(&talk->result, err.text);
    return false;
}
