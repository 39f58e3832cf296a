#include "keys/keyring.h"

#include "common/base/text.h"
#include "common/os/file.h"

enum { KEY_FILE_MODE = 0644, FINGERPRINT_MIN_DIGITS = 8 };

#define BEGIN_LINE "-----BEGIN PUBLIC KEY-----"
#define END_LINE   "-----END PUBLIC KEY-----"

/* ---- reading ---- */

static struct view next_line(struct view *rest)
{
    struct view line = text_trim(text_cut(rest, '\n'));
    if (line.size > 0 && line.data[line.size - 1] == '\r')
        line.size--;
    return text_trim(line);
}

static bool refuse_line(struct view line, struct error *err)
{
    if (view_starts(line, "-----BEGIN ") && memmem(line.data, line.size, "PRIVATE KEY", 11) != NULL)
        return error_set(err, ERR_INPUT, "a private key: a key file holds public keys only");
    return error_set(err, ERR_INPUT, "expected %s, found `%.*s`", BEGIN_LINE,
                     (int)(line.size < 40 ? line.size : 40), line.data);
}

/* Moves *rest behind the next key and returns it in *block, its two dashed lines included; an empty one at
 * the end. */
static bool next_block(struct view *rest, struct view *block, struct error *err)
{
    struct view line = {NULL, 0};
    const char *begin = rest->data;
    while (rest->size > 0 && (line.size == 0 || line.data[0] == '#')) {
        begin = rest->data;
        line = next_line(rest);
    }
    if (line.size == 0 || line.data[0] == '#') {
        *block = (struct view){NULL, 0};
        return true;
    }
    if (!view_is(line, BEGIN_LINE))
        return refuse_line(line, err);
    while (rest->size > 0 && !view_is(line, END_LINE))
        line = next_line(rest);
    if (!view_is(line, END_LINE))
        return error_set(err, ERR_INPUT, "a key does not end: %s is missing", END_LINE);
    *block = (struct view){begin, (size_t)(line.data - begin) + line.size};
    return true;
}

static int find_fingerprint(const struct keyring *ring, const char *fingerprint)
{
    for (size_t i = 0; i < ring->count; i++) {
        if (strcmp(ring->fingerprints[i], fingerprint) == 0)
            return (int)i;
    }
    return -1;
}

/* Takes the key over on success alone. */
static bool ring_put(struct keyring *ring, struct rsa_public **key, struct error *err)
{
    char fingerprint[SHA256_HEX_BYTES];
    if (!rsa_public_fingerprint(*key, fingerprint, err))
        return false;
    if (ring->count == KEYRING_MAX_KEYS)
        return error_set(err, ERR_INPUT, "more than %d keys", KEYRING_MAX_KEYS);
    if (find_fingerprint(ring, fingerprint) >= 0)
        return error_set(err, ERR_INPUT, "the key %s twice", fingerprint);
    memcpy(ring->fingerprints[ring->count], fingerprint, sizeof(fingerprint));
    ring->keys[ring->count++] = POINTER_TAKE(*key);
    return true;
}

static bool fill(struct view text, struct keyring *ring, struct error *err)
{
    for (;;) {
        struct view block = {NULL, 0};
        if (!next_block(&text, &block, err))
            return false;
        if (block.size == 0)
            break;
        SCOPE_RSA_PUBLIC struct rsa_public *key = rsa_public_parse(block, err);
        if (key == NULL || !ring_put(ring, &key, err))
            return error_wrap(err, "key %zu", ring->count + 1);
    }
    return ring->count > 0 || error_set(err, ERR_INPUT, "there is no public key in it");
}

bool keyring_parse(struct view text, struct keyring *out, struct error *err)
{
    if (text.size > KEYRING_MAX_BYTES)
        return error_set(err, ERR_INPUT, "a key file has at most %d bytes", KEYRING_MAX_BYTES);
    struct keyring ring = {.count = 0};
    if (!fill(text, &ring, err)) {
        keyring_clear(&ring);
        return false;
    }
    *out = ring;
    return true;
}

static bool read_key_file(const char *path, struct buf *text, struct keyring *out, struct error *err)
{
    if (!file_read_path(path, text, err))
        return false;
    return keyring_parse(buf_view(text), out, err) || error_wrap(err, "%s", path);
}

bool keyring_load(const char *path, struct keyring *out, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(KEYRING_MAX_BYTES);
    return read_key_file(path, &text, out, err);
}

void keyring_clear(struct keyring *ring)
{
    for (size_t i = 0; i < ring->count; i++)
        rsa_public_free(ring->keys[i]);
    *ring = (struct keyring){.count = 0};
}

int keyring_verify(const struct keyring *ring, struct view message, struct view signature)
{
    unsigned char digest[SHA256_BYTES];
    sha256_of(message, digest);
    for (size_t i = 0; i < ring->count; i++) {
        if (rsa_pss_verify_hash(ring->keys[i], digest, signature))
            return (int)i;
    }
    return -1;
}

/* ---- changing ---- */

/* The file's content and its keys; neither when there is no file yet. */
static bool read_if_there(const char *path, struct buf *text, struct keyring *ring, struct error *err)
{
    return !file_exists(path) || read_key_file(path, text, ring, err);
}

static bool append_key(struct buf *text, const struct rsa_public *key, struct error *err)
{
    if (text->size > 0 && text->data[text->size - 1] != '\n')
        buf_append_byte(text, '\n');
    return rsa_public_write_pem(key, text, err) && buf_check(text, "the key file", err);
}

static bool add_to(const char *path, const struct keyring *added, struct keyring *ring, struct buf *text,
                   struct error *err)
{
    if (find_fingerprint(ring, added->fingerprints[0]) >= 0)
        return error_set(err, ERR_EXISTS, "%s already trusts %s", path, added->fingerprints[0]);
    if (ring->count == KEYRING_MAX_KEYS)
        return error_set(err, ERR_LIMIT, "%s already holds %d keys: remove one first", path,
                         KEYRING_MAX_KEYS);
    return append_key(text, added->keys[0], err) && file_replace(path, buf_view(text), KEY_FILE_MODE, err);
}

bool keyring_add(const char *path, struct view pem, struct error *err)
{
    struct keyring added = {.count = 0};
    if (!keyring_parse(pem, &added, err))
        return false;
    bool done = false;
    struct keyring ring = {.count = 0};
    SCOPE_BUF struct buf text = BUF_LIMIT(KEYRING_MAX_BYTES);
    SCOPE_FD int lock = folder_lock_of(path, err);
    if (added.count != 1)
        error_set(err, ERR_INPUT, "%zu keys: one is added at a time", added.count);
    else if (lock >= 0 && read_if_there(path, &text, &ring, err))
        done = add_to(path, &added, &ring, &text, err);
    keyring_clear(&ring);
    keyring_clear(&added);
    return done;
}

static bool find_by_beginning(const struct keyring *ring, const char *beginning, size_t *index,
                              struct error *err)
{
    size_t digits = strlen(beginning);
    if (digits < FINGERPRINT_MIN_DIGITS || strspn(beginning, "0123456789abcdefABCDEF") != digits)
        return error_set(err, ERR_USAGE, "`%s` is no fingerprint: %d or more of its hex digits are needed",
                         beginning, FINGERPRINT_MIN_DIGITS);
    size_t matches = 0;
    for (size_t i = 0; i < ring->count; i++) {
        if (strncasecmp(ring->fingerprints[i], beginning, digits) == 0) {
            *index = i;
            matches++;
        }
    }
    if (matches == 0)
        return error_set(err, ERR_NOT_FOUND, "no key has the fingerprint %s", beginning);
    return matches == 1 || error_set(err, ERR_USAGE, "%s fits more than one key", beginning);
}

/* The text without its key number `index`; what stands around it stays. */
static bool cut_key(struct view text, size_t index, struct buf *out, struct error *err)
{
    struct view rest = text;
    struct view block = {NULL, 0};
    for (size_t i = 0; i <= index; i++) {
        if (!next_block(&rest, &block, err))
            return false;
    }
    buf_append(out, text.data, (size_t)(block.data - text.data));
    buf_append_view(out, rest);
    return buf_check(out, "the key file", err);
}

static bool remove_from(const char *path, const struct keyring *ring, struct view text,
                        const char *fingerprint, struct error *err)
{
    size_t index = 0;
    if (!find_by_beginning(ring, fingerprint, &index, err))
        return error_wrap(err, "%s", path);
    if (ring->count == 1)
        return error_set(err, ERR_DENIED,
                         "%s: this is the only key, without it nobody is trusted; add its successor first",
                         path);
    SCOPE_BUF struct buf left = BUF_LIMIT(KEYRING_MAX_BYTES);
    return cut_key(text, index, &left, err) && file_replace(path, buf_view(&left), KEY_FILE_MODE, err);
}

bool keyring_remove(const char *path, const char *fingerprint, struct error *err)
{
    SCOPE_FD int lock = folder_lock_of(path, err);
    if (lock < 0)
        return false;
    SCOPE_BUF struct buf text = BUF_LIMIT(KEYRING_MAX_BYTES);
    struct keyring ring = {.count = 0};
    if (!read_key_file(path, &text, &ring, err))
        return false;
    bool done = remove_from(path, &ring, buf_view(&text), fingerprint, err);
    keyring_clear(&ring);
    return done;
}
