/* What an agent answers before its readings: a challenge, a token, /status, a refusal, the headers of an
 * export (here: lines `name: value`). What is taken is harmless and within its bounds, whatever it was. */
#include <stdint.h>
#include <stdlib.h>

#include "common/wire/agent_words.h"
#include "common/wire/export_words.h"
#include "common/wire/log_in_words.h"

#define AGENT "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define STORE "123e4567-e89b-42d3-a456-426614174000"

enum { HEADERS_MAX = 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

static bool is_printable(const char *text)
{
    char copy[AGENT_WORD_BYTES];
    must(text_copy(copy, sizeof(copy), view_of(text)));
    text_make_printable(copy);
    return strcmp(copy, text) == 0;
}

static void try_bodies(struct view body)
{
    char challenge[LOG_IN_CHALLENGE_TEXT_BYTES];
    struct log_in_token token;
    struct agent_status status;
    char word[AGENT_WORD_BYTES];
    if (log_in_read_challenge(body, AGENT, challenge, NULL))
        must(strlen(challenge) == LOG_IN_CHALLENGE_TEXT_BYTES - 1);
    if (log_in_read_token(body, &token, NULL))
        must(token.use_s > 0 && strspn(token.text, "0123456789abcdefABCDEF-") == strlen(token.text));
    if (agent_status_read(body, &status, NULL))
        must(is_printable(status.version) && status.next_seq >= 0 &&
             strspn(status.store_id, "0123456789abcdefABCDEF-") == strlen(status.store_id));
    agent_answer_text(body, "error", word, sizeof(word));
    must(is_printable(word));
}

struct headers {
    char *names[HEADERS_MAX], *values[HEADERS_MAX];
    size_t count;
};

static const char *find(const void *context, const char *name)
{
    const struct headers *headers = context;
    for (size_t i = 0; i < headers->count; i++) {
        if (strcmp(headers->names[i], name) == 0)
            return headers->values[i];
    }
    return NULL;
}

static void try_headers(struct view text)
{
    SCOPE_FREE char *copy = malloc(text.size + 1);
    struct headers headers = {.count = 0};
    const struct export_ask ask = {
        .stream = "readings", .format = PACK_GZIP, .store_id = STORE, .since = "", .has_seq = true};
    struct export_promise promise;
    must(copy != NULL);
    memcpy(copy, text.data, text.size);
    copy[text.size] = '\0';
    char *rest = copy;
    for (char *line; headers.count < HEADERS_MAX && (line = strsep(&rest, "\n")) != NULL;) {
        char *value = strstr(line, ": ");
        if (value == NULL)
            continue;
        *value = '\0';
        headers.names[headers.count] = line;
        headers.values[headers.count++] = value + 2;
    }
    if (export_promise_read(&ask, find, &headers, &promise, NULL))
        must(promise.count == 0 || (promise.first_seq >= 0 && promise.last_seq >= 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view text = {(const char *)data, size};
    try_bodies(text);
    try_headers(text);
    return 0;
}
