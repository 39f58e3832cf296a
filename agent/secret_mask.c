#include "agent/secret_mask.h"

#include <stdlib.h>
#include <strings.h>

#include "common/base/buf.h"

enum { HIDDEN = '*' };

struct secret {
    char bytes[MASK_SECRET_MAX_BYTES];
    size_t size;
};

struct secret_mask {
    struct secret secrets[MASK_SECRETS_MAX]; /* the longest first: one may be a part of another */
    size_t count;
    size_t key_bytes; /* of a PEM that has begun and not ended; 0: none */
};

/* One call: the text, and what comes of it. */
struct work {
    struct secret_mask *mask;
    char *text;
    size_t size;
    bool learn;
    size_t hidden;
    size_t no_at_before; /* no `@` in the word up to here */
};

struct secret_mask *secret_mask_new(struct error *err)
{
    struct secret_mask *mask = calloc(1, sizeof(*mask));
    if (mask == NULL)
        error_set(err, ERR_MEMORY, "no memory left to hide secrets");
    return mask;
}

void secret_mask_free(struct secret_mask *mask)
{
    if (mask == NULL)
        return;
    explicit_bzero(mask->secrets, sizeof(mask->secrets));
    free(mask);
}

/* ---- what is known ------------------------------------------------------------------------------------- */

static bool is_known(const struct secret_mask *mask, struct view secret)
{
    for (size_t i = 0; i < mask->count; i++) {
        if (view_equal((struct view){mask->secrets[i].bytes, mask->secrets[i].size}, secret))
            return true;
    }
    return false;
}

bool secret_mask_add(struct secret_mask *mask, struct view secret, struct error *err)
{
    if (secret.size < MASK_SECRET_MIN_BYTES || is_known(mask, secret))
        return true;
    if (secret.size > MASK_SECRET_MAX_BYTES)
        return error_set(err, ERR_LIMIT, "a secret is longer than %d bytes", MASK_SECRET_MAX_BYTES);
    if (mask->count == MASK_SECRETS_MAX)
        return error_set(err, ERR_LIMIT, "more than %d secrets", MASK_SECRETS_MAX);
    struct secret *place = &mask->secrets[mask->count++];
    for (; place > mask->secrets && place[-1].size < secret.size; place--)
        *place = place[-1];
    memcpy(place->bytes, secret.data, secret.size);
    place->size = secret.size;
    return true;
}

/* Hides text[from, to) unless all of it is hidden already. */
static void hide(struct work *work, size_t from, size_t to)
{
    bool anew = false;
    for (size_t i = from; i < to; i++)
        anew = anew || work->text[i] != HIDDEN;
    if (!anew)
        return;
    work->hidden++;
    if (work->learn)
        (void)!secret_mask_add(work->mask, (struct view){work->text + from, to - from}, NULL);
    memset(work->text + from, HIDDEN, to - from);
}

static void hide_known(struct work *work)
{
    for (size_t i = 0; i < work->mask->count; i++) {
        const struct secret *secret = &work->mask->secrets[i];
        char *at = work->text;
        char *end = work->text + work->size;
        while ((at = memmem(at, (size_t)(end - at), secret->bytes, secret->size)) != NULL) {
            memset(at, HIDDEN, secret->size);
            at += secret->size;
            work->hidden++;
        }
    }
}

/* ---- names that announce a secret ---------------------------------------------------------------------- */

static bool is_name_byte(char byte)
{
    return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9') ||
           byte == '_' || byte == '-' || byte == '.';
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\r';
}

static bool is_quote(char byte)
{
    return byte == '"' || byte == '\'' || byte == '`';
}

static bool holds(struct view name, const char *word)
{
    size_t size = strlen(word);
    for (size_t i = 0; i + size <= name.size; i++) {
        if (strncasecmp(name.data + i, word, size) == 0)
            return true;
    }
    return false;
}

static bool ends_with(struct view name, const char *word)
{
    size_t size = strlen(word);
    return name.size >= size && strncasecmp(name.data + name.size - size, word, size) == 0;
}

/* "config_pin" -> "pin" */
static struct view last_part(struct view name)
{
    size_t at = name.size;
    while (at > 0 && name.data[at - 1] != '_' && name.data[at - 1] != '-' && name.data[at - 1] != '.')
        at--;
    return (struct view){name.data + at, name.size - at};
}

/* The value behind `name=`, `name:` or `--name` is a secret. */
static bool announces_secret(struct view name)
{
    static const char *const anywhere[] = {"password",   "passwd",  "passphrase",    "passcode", "secret",
                                           "token",      "apikey",  "api_key",       "api-key",  "sessionid",
                                           "credential", "private", "authorization", "cookie"};
    static const char *const at_end[] = {"key", "psk", "jwt", "sig", "signature"};
    static const char *const alone[] = {"pass", "pwd", "pw", "pin", "auth", "otp", "sid", "sas"};
    for (size_t i = 0; i < COUNT_OF(anywhere); i++) {
        if (holds(name, anywhere[i]))
            return true;
    }
    for (size_t i = 0; i < COUNT_OF(at_end); i++) {
        if (ends_with(name, at_end[i]))
            return true;
    }
    struct view last = last_part(name);
    for (size_t i = 0; i < COUNT_OF(alone); i++) {
        if (last.size == strlen(alone[i]) && ends_with(last, alone[i]))
            return true;
    }
    return false;
}

/* ---- where the value ends ------------------------------------------------------------------------------ */

static size_t line_end(const struct work *work, size_t at)
{
    const char *end = memchr(work->text + at, '\n', work->size - at);
    return end == NULL ? work->size : (size_t)(end - work->text);
}

static size_t skip_blanks(const struct work *work, size_t at, size_t end)
{
    while (at < end && is_blank(work->text[at]))
        at++;
    return at;
}

/* Up to the quote that ends it; escapes: \" does not. */
static size_t quoted_end(const struct work *work, size_t at, size_t end, char quote, bool escapes)
{
    while (at < end && work->text[at] != quote)
        at += escapes && work->text[at] == '\\' ? 2 : 1;
    return at < end ? at : end;
}

static size_t bare_end(const struct work *work, size_t at, size_t end, bool json)
{
    while (at < end && !is_blank(work->text[at]) && !(json && memchr(",}]", work->text[at], 3) != NULL))
        at++;
    return at;
}

/* What stands around a name: `"name": value`, `"--name=value"`, neither. */
struct name {
    struct view text;
    char opened; /* a quote right before it, '\0': none */
    bool closed; /* a quote right behind it */
};

static void hide_value(struct work *work, size_t at, size_t end, const struct name *name)
{
    size_t from = at;
    while (from < end && work->text[from] == '\\') /* JSON inside JSON: \"value\" */
        from++;
    if (from < end && is_quote(work->text[from]))
        hide(work, from + 1, quoted_end(work, from + 1, end, work->text[from], from == at));
    else if (name->opened != '\0' && !name->closed)
        hide(work, at, quoted_end(work, at, end, name->opened, false));
    else
        hide(work, at, bare_end(work, at, end, name->closed));
}

static struct name name_before(const struct work *work, size_t at, size_t begin)
{
    struct name name = {.closed = false};
    while (at > begin && is_blank(work->text[at - 1]))
        at--;
    while (at > begin && (is_quote(work->text[at - 1]) || work->text[at - 1] == '\\')) {
        name.closed = true;
        at--;
    }
    size_t from = at;
    while (from > begin && is_name_byte(work->text[from - 1]))
        from--;
    name.text = (struct view){work->text + from, at - from};
    if (from > begin && is_quote(work->text[from - 1]))
        name.opened = work->text[from - 1];
    return name;
}

/* ---- the rules, each at one byte of a line ------------------------------------------------------------- */

/* name=value, name: value, "name": "value", name => value */
static void at_equals(struct work *work, size_t at, size_t begin, size_t end)
{
    struct name name = name_before(work, at, begin);
    if (name.text.size == 0 || !announces_secret(name.text))
        return;
    at++;
    while (at < end && (work->text[at] == '=' || work->text[at] == '>'))
        at++;
    at = skip_blanks(work, at, end);
    if (holds(name.text, "authorization") || holds(name.text, "cookie"))
        hide(work, at, end); /* its value is of two words and more */
    else
        hide_value(work, at, end, &name);
}

/* scheme://user:password@host, up to the last @ of the word; without a `:` the user itself may be a token. A
 * password may have a `'` in it, the other quotes are no part of a URI (RFC 3986, appendix A). */
static void at_authority(struct work *work, size_t at, size_t end)
{
    const char *text = work->text;
    size_t begin = at + 3;
    size_t last = begin;
    size_t stop = begin;
    if (at < work->no_at_before)
        return;
    for (; stop < end && !is_blank(text[stop]) && text[stop] != '"' && text[stop] != '`'; stop++) {
        if (text[stop] == '@')
            last = stop;
    }
    work->no_at_before = stop; /* not behind `last`: the word is looked through once */
    if (last == begin)
        return;
    const char *colon = memchr(text + begin, ':', last - begin);
    hide(work, colon == NULL ? begin : (size_t)(colon - text) + 1, last);
}

/* A word that announces the next one: --password value, Bearer value */
static void at_word(struct work *work, size_t at, size_t end)
{
    const char *text = work->text;
    size_t stop = at;
    while (stop < end && is_name_byte(text[stop]))
        stop++;
    struct view word = {text + at, stop - at};
    bool option = word.size > 1 && word.data[0] == '-' && announces_secret(word);
    bool scheme =
        (word.size == 6 && ends_with(word, "bearer")) || (word.size == 5 && ends_with(word, "basic"));
    size_t value = skip_blanks(work, stop, end);
    const struct name name = {.text = word};
    if ((option || scheme) && value > stop && value < end)
        hide_value(work, value, end, &name);
}

static void hide_in_line(struct work *work, size_t begin, size_t end)
{
    const char *text = work->text;
    for (size_t at = begin; at < end; at++) {
        bool word_begins = at == begin || is_blank(text[at - 1]) || is_quote(text[at - 1]);
        if (word_begins && is_name_byte(text[at]))
            at_word(work, at, end);
        if (text[at] == ':' && end - at > 3 && text[at + 1] == '/' && text[at + 2] == '/')
            at_authority(work, at, end);
        else if (text[at] == '=' || text[at] == ':')
            at_equals(work, at, begin, end);
    }
}

/* ---- private keys -------------------------------------------------------------------------------------- */

static size_t find(const struct work *work, size_t from, size_t end, const char *what)
{
    const char *at = memmem(work->text + from, end - from, what, strlen(what));
    return at == NULL ? end : (size_t)(at - work->text);
}

/* A line of base64 as PEM has it, whose BEGIN may have been cut off. */
static bool is_key_line(const char *line, size_t size)
{
    static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=";
    enum { PEM_LINE_BYTES = 64 };
    if (size > 0 && line[size - 1] == '\r')
        size--;
    if (size != PEM_LINE_BYTES)
        return false;
    for (size_t i = 0; i < size; i++) {
        if (memchr(base64, line[i], sizeof(base64) - 1) == NULL)
            return false;
    }
    return true;
}

/* Hides from the BEGIN of a private key, or from the line's begin when it has begun before, to its END.
 * Returns where the rest of the line begins. */
static size_t hide_key(struct work *work, size_t begin, size_t end)
{
    struct secret_mask *mask = work->mask;
    size_t from = begin;
    if (mask->key_bytes == 0) {
        size_t words = find(work, begin, end, "PRIVATE KEY");
        size_t dashes = find(work, begin, words, "-----BEGIN");
        if (words == end || dashes == words)
            return begin;
        from = words + strlen("PRIVATE KEY");
        mask->key_bytes = 1;
    }
    size_t stop = find(work, from, end, "-----END");
    bool more = stop == end;
    hide(work, from, stop);
    mask->key_bytes = more ? mask->key_bytes + end - from : 0;
    if (mask->key_bytes > MASK_KEY_MAX_BYTES)
        mask->key_bytes = 0;
    return stop;
}

static void run(struct work *work)
{
    hide_known(work);
    for (size_t begin = 0; begin < work->size;) {
        size_t end = line_end(work, begin);
        size_t rest = hide_key(work, begin, end);
        if (is_key_line(work->text + rest, end - rest))
            hide(work, rest, end);
        else
            hide_in_line(work, rest, end);
        begin = end + 1;
    }
    if (work->learn)
        hide_known(work); /* what was learned at the end may stand at the beginning */
}

void secret_mask_begin(struct secret_mask *mask)
{
    mask->key_bytes = 0;
}

static size_t mask_with(struct secret_mask *mask, char *text, size_t size, bool learn)
{
    struct work work = {.mask = mask, .text = text, .size = size, .learn = learn};
    run(&work);
    return work.hidden;
}

size_t secret_mask_text(struct secret_mask *mask, char *text, size_t size)
{
    return mask_with(mask, text, size, false);
}

size_t secret_mask_learn(struct secret_mask *mask, char *text, size_t size)
{
    return mask_with(mask, text, size, true);
}
