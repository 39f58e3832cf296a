#include "keys/commands.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "common/net/json_writer.h"
#include "common/os/file.h"
#include "keys/keyring.h"

enum { PRIVATE_MODE = 0600, PUBLIC_MODE = 0644, RESULT_MAX_BYTES = 64 * 1024 };

/* ---- results ---- */

bool keytool_print(struct buf *out, struct error *err)
{
    buf_append_byte(out, '\n');
    if (!buf_check(out, "the result", err))
        return false;
    if (fwrite(out->data, 1, out->size, stdout) != out->size || fflush(stdout) != 0)
        return error_set_errno(err, "standard output");
    return true;
}

static void write_key(struct json_writer *writer, const char *fingerprint, unsigned bits)
{
    json_object(writer, NULL);
    json_string(writer, "fingerprint", fingerprint);
    json_u64(writer, "bits", bits);
    json_end_object(writer);
}

static bool print_keys(const struct keytool *tool, const char *path, const struct keyring *ring,
                       struct error *err)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(RESULT_MAX_BYTES);
    if (!tool->json) {
        for (size_t i = 0; i < ring->count; i++)
            buf_printf(&out, "%s%s  %u bits", i > 0 ? "\n" : "", ring->fingerprints[i],
                       rsa_public_bits(ring->keys[i]));
        return keytool_print(&out, err);
    }
    struct json_writer writer;
    json_writer_init(&writer, &out);
    json_object(&writer, NULL);
    json_string(&writer, "file", path);
    json_array(&writer, "keys");
    for (size_t i = 0; i < ring->count; i++)
        write_key(&writer, ring->fingerprints[i], rsa_public_bits(ring->keys[i]));
    json_end_array(&writer);
    json_end_object(&writer);
    return keytool_print(&out, err);
}

static bool load_and_print(const struct keytool *tool, const char *path, struct error *err)
{
    struct keyring ring = {.count = 0};
    if (!keyring_load(path, &ring, err))
        return false;
    bool printed = print_keys(tool, path, &ring, err);
    keyring_clear(&ring);
    return printed;
}

/* ---- generate ---- */

struct pair {
    struct buf private_pem, public_pem;
    struct keyring ring; /* the public half */
};

static void pair_clear(struct pair *pair)
{
    if (pair->private_pem.data != NULL)
        explicit_bzero(pair->private_pem.data, pair->private_pem.capacity);
    buf_clear(&pair->private_pem);
    buf_clear(&pair->public_pem);
    keyring_clear(&pair->ring);
}

static bool pair_make(struct pair *pair, unsigned bits, struct error *err)
{
    SCOPE_RSA_PRIVATE struct rsa_private *key = rsa_private_generate(bits, err);
    return key != NULL && rsa_private_write_pem(key, &pair->private_pem, err) &&
           rsa_private_write_public_pem(key, &pair->public_pem, err) &&
           keyring_parse(buf_view(&pair->public_pem), &pair->ring, err);
}

bool keytool_write_new(const char *path, struct view content, mode_t mode, struct error *err)
{
    struct path temporary;
    if (!path_printf(&temporary, err, "%s.new", path) || !file_remove(temporary.text, err))
        return false;
    SCOPE_FD int fd = file_create(temporary.text, O_WRONLY | O_CREAT | O_EXCL, mode, err);
    if (fd < 0)
        return false;
    if (file_write_all(fd, content.data, content.size, err) &&
        file_publish_new(fd, temporary.text, path, err))
        return true;
    unlink(temporary.text);
    return error_wrap(err, "%s", path);
}

/* The public half first: a private key is never left behind whose public half is lost. */
static bool write_pair(const struct keytool *tool, const struct pair *pair, struct error *err)
{
    if (!keytool_write_new(tool->public_file, buf_view(&pair->public_pem), PUBLIC_MODE, err))
        return false;
    if (keytool_write_new(tool->private_file, buf_view(&pair->private_pem), PRIVATE_MODE, err))
        return true;
    unlink(tool->public_file);
    return false;
}

static bool print_pair(const struct keytool *tool, const struct pair *pair, struct error *err)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(RESULT_MAX_BYTES);
    const char *fingerprint = pair->ring.fingerprints[0];
    if (tool->json) {
        struct json_writer writer;
        json_writer_init(&writer, &out);
        json_object(&writer, NULL);
        json_string(&writer, "private", tool->private_file);
        json_string(&writer, "public", tool->public_file);
        json_i64(&writer, "bits", tool->bits);
        json_string(&writer, "fingerprint", fingerprint);
        json_end_object(&writer);
    } else {
        buf_printf(&out, "private key  %s\npublic key   %s\nfingerprint  %s", tool->private_file,
                   tool->public_file, fingerprint);
    }
    return keytool_print(&out, err);
}

bool keytool_generate(const struct keytool *tool, struct error *err)
{
    if (tool->private_file == NULL || tool->public_file == NULL)
        return error_set(err, ERR_USAGE, "generate needs --private FILE and --public FILE");
    if (strcmp(tool->private_file, tool->public_file) == 0)
        return error_set(err, ERR_USAGE, "--private and --public name the same file");
    const char *const files[] = {tool->private_file, tool->public_file};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        if (file_exists(files[i]))
            return error_set(err, ERR_EXISTS, "%s is already there and is not replaced", files[i]);
    }
    struct pair pair = {BUF_LIMIT(RSA_PEM_MAX_BYTES), BUF_LIMIT(RSA_PEM_MAX_BYTES), {.count = 0}};
    bool done = pair_make(&pair, (unsigned)tool->bits, err) && write_pair(tool, &pair, err) &&
                print_pair(tool, &pair, err);
    pair_clear(&pair);
    return done;
}

/* ---- fingerprint ---- */

static bool holds_private_key(struct view text)
{
    static const char mark[] = "PRIVATE KEY-----";
    return text.size > 0 && memmem(text.data, text.size, mark, sizeof(mark) - 1) != NULL;
}

static bool fingerprint_of_private(const struct keytool *tool, const char *path, struct error *err)
{
    SCOPE_RSA_PRIVATE struct rsa_private *key = rsa_private_load(path, err);
    SCOPE_BUF struct buf pem = BUF_LIMIT(RSA_PEM_MAX_BYTES);
    struct keyring ring = {.count = 0};
    if (key == NULL || !rsa_private_write_public_pem(key, &pem, err) ||
        !keyring_parse(buf_view(&pem), &ring, err))
        return false;
    bool printed = print_keys(tool, path, &ring, err);
    keyring_clear(&ring);
    return printed;
}

bool keytool_fingerprint(const struct keytool *tool, struct error *err)
{
    const char *path = tool->words[0];
    SCOPE_BUF struct buf text = BUF_LIMIT(KEYRING_MAX_BYTES);
    if (!file_read_path(path, &text, err))
        return false;
    bool private_key = holds_private_key(buf_view(&text));
    if (text.data != NULL)
        explicit_bzero(text.data, text.capacity);
    return private_key ? fingerprint_of_private(tool, path, err) : load_and_print(tool, path, err);
}

/* ---- trust ---- */

bool keytool_trust_add(const struct keytool *tool, struct error *err)
{
    SCOPE_BUF struct buf pem = BUF_LIMIT(KEYRING_MAX_BYTES);
    if (!file_read_path(tool->words[1], &pem, err))
        return false;
    if (!keyring_add(tool->words[0], buf_view(&pem), err))
        return error_wrap(err, "%s", tool->words[1]);
    return load_and_print(tool, tool->words[0], err);
}

bool keytool_trust_remove(const struct keytool *tool, struct error *err)
{
    return keyring_remove(tool->words[0], tool->words[1], err) && load_and_print(tool, tool->words[0], err);
}

bool keytool_trust_list(const struct keytool *tool, struct error *err)
{
    return load_and_print(tool, tool->words[0], err);
}
