#include "common/crypto/rsa.h"

#include <pthread.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "common/crypto/mbedtls_compat.h"
#include "common/os/file.h"

enum {
    PUBLIC_EXPONENT = 65537,
    PUBLIC_DER_MAX_BYTES = 2048, /* of RSA_MAX_BITS: 1,062 */
    BITS_A_BYTE = 8,
};

#define PUBLIC_BEGIN "-----BEGIN PUBLIC KEY-----"
#define PUBLIC_END   "-----END PUBLIC KEY-----"

/* mbedTLS changes a key while using it: the public operation keeps R^2 mod N in the context, the private one
 * its blinding values. It guards them only when built with MBEDTLS_THREADING_C, so a key has a mutex here. */
struct key {
    mbedtls_pk_context pk;
    pthread_mutex_t mutex;
};

struct rsa_private {
    struct key *key; /* never NULL; by pointer, so that a const rsa_private may still be locked */
};
struct rsa_public {
    struct key *key;
};

static struct key *key_make(struct error *err)
{
    struct key *key = calloc(1, sizeof(*key));
    if (key == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for a key");
        return NULL;
    }
    mbedtls_pk_init(&key->pk);
    pthread_mutex_init(&key->mutex, NULL);
    return key;
}

static void key_free(struct key *key)
{
    if (key == NULL)
        return;
    mbedtls_pk_free(&key->pk); /* wipes what is private */
    pthread_mutex_destroy(&key->mutex);
    free(key);
}

static void scope_key(struct key **key)
{
    key_free(*key);
}
#define SCOPE_KEY SCOPE(scope_key)

/* These two take *key over. */
static struct rsa_private *private_of(struct key **key, struct error *err)
{
    struct rsa_private *wrapped = malloc(sizeof(*wrapped));
    if (wrapped == NULL)
        error_set(err, ERR_MEMORY, "no memory left for a key");
    else
        wrapped->key = POINTER_TAKE(*key);
    return wrapped;
}

static struct rsa_public *public_of(struct key **key, struct error *err)
{
    struct rsa_public *wrapped = malloc(sizeof(*wrapped));
    if (wrapped == NULL)
        error_set(err, ERR_MEMORY, "no memory left for a key");
    else
        wrapped->key = POINTER_TAKE(*key);
    return wrapped;
}

static bool key_accept(struct key *key, struct error *err)
{
    if (mbedtls_pk_get_type(&key->pk) != MBEDTLS_PK_RSA)
        return error_set(err, ERR_INPUT, "it is no RSA key");
    size_t bits = mbedtls_pk_get_bitlen(&key->pk);
    if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS)
        return error_set(err, ERR_INPUT, "an RSA key of %zu bits; %d to %d are taken", bits, RSA_MIN_BITS,
                         RSA_MAX_BITS);
    int status = crypto_rsa_use_pss(mbedtls_pk_rsa(key->pk));
    if (status != 0)
        return crypto_error(err, ERR_INTERNAL, "cannot use the key for RSA-PSS", status);
    return true;
}

/* ---- making and reading ---- */

struct rsa_private *rsa_private_generate(unsigned bits, struct error *err)
{
    if (bits < RSA_MIN_BITS || bits > RSA_MAX_BITS || bits % BITS_A_BYTE != 0) {
        error_set(err, ERR_USAGE, "a key has %d to %d bits, a multiple of %d", RSA_MIN_BITS, RSA_MAX_BITS,
                  BITS_A_BYTE);
        return NULL;
    }
    SCOPE_KEY struct key *key = key_make(err);
    if (key == NULL)
        return NULL;
    int status = mbedtls_pk_setup(&key->pk, mbedtls_pk_info_from_type(MBEDTLS_PK_RSA));
    if (status == 0)
        status = mbedtls_rsa_gen_key(mbedtls_pk_rsa(key->pk), crypto_random, NULL, bits, PUBLIC_EXPONENT);
    if (status != 0) {
        crypto_error(err, ERR_INTERNAL, "cannot make a key", status);
        return NULL;
    }
    return key_accept(key, err) ? private_of(&key, err) : NULL;
}

/* mbedTLS reads PEM only with its NUL. The copy is wiped by the caller. */
static bool pem_copy(char out[RSA_PEM_MAX_BYTES + 1], struct view pem, struct error *err)
{
    if (!text_copy(out, RSA_PEM_MAX_BYTES + 1, pem))
        return error_set(err, ERR_INPUT, "it is no PEM text of at most %d bytes", RSA_PEM_MAX_BYTES);
    return true;
}

static bool private_parse(struct key *key, const char *pem, struct error *err)
{
    int status = crypto_pk_parse_private(&key->pk, (const unsigned char *)pem, strlen(pem) + 1);
    if (status == MBEDTLS_ERR_PK_PASSWORD_REQUIRED)
        return error_set(err, ERR_INPUT, "the key has a passphrase; a key without one is needed");
    if (status != 0)
        return crypto_error(err, ERR_INPUT, "it is no private key in PEM", status);
    return key_accept(key, err);
}

struct rsa_private *rsa_private_parse(struct view pem, struct error *err)
{
    SCOPE_KEY struct key *key = key_make(err);
    if (key == NULL)
        return NULL;
    char text[RSA_PEM_MAX_BYTES + 1];
    bool parsed = pem_copy(text, pem, err) && private_parse(key, text, err);
    explicit_bzero(text, sizeof(text));
    return parsed ? private_of(&key, err) : NULL;
}

struct rsa_private *rsa_private_load(const char *path, struct error *err)
{
    struct buf text = BUF_LIMIT(RSA_PEM_MAX_BYTES);
    struct rsa_private *key = NULL;
    /* all the room at once: a buffer that grows would leave pieces of the key behind */
    if (buf_reserve(&text, RSA_PEM_MAX_BYTES) == NULL)
        error_set(err, ERR_MEMORY, "no memory left for %s", path);
    else if (file_read_private(path, &text, err)) {
        key = rsa_private_parse(buf_view(&text), err);
        if (key == NULL)
            error_wrap(err, "%s", path);
    }
    if (text.data != NULL)
        explicit_bzero(text.data, text.capacity);
    buf_clear(&text);
    return key;
}

/* One block from its first dash to its last, nothing around it but blanks. */
static bool is_one_public_block(const char *text)
{
    const char *begin = text + strspn(text, " \t\r\n");
    if (strncmp(begin, PUBLIC_BEGIN, strlen(PUBLIC_BEGIN)) != 0)
        return false;
    const char *end = strstr(begin, PUBLIC_END);
    if (end == NULL)
        return false;
    end += strlen(PUBLIC_END);
    return end[strspn(end, " \t\r\n")] == '\0';
}

struct rsa_public *rsa_public_parse(struct view pem, struct error *err)
{
    char text[RSA_PEM_MAX_BYTES + 1];
    if (!pem_copy(text, pem, err))
        return NULL;
    if (!is_one_public_block(text)) {
        error_set(err, ERR_INPUT, "it is not exactly one PEM block \"PUBLIC KEY\"");
        return NULL;
    }
    SCOPE_KEY struct key *key = key_make(err);
    if (key == NULL)
        return NULL;
    int status = mbedtls_pk_parse_public_key(&key->pk, (const unsigned char *)text, strlen(text) + 1);
    if (status != 0) {
        crypto_error(err, ERR_INPUT, "it is no public key in PEM", status);
        return NULL;
    }
    return key_accept(key, err) ? public_of(&key, err) : NULL;
}

void rsa_private_free(struct rsa_private *key)
{
    if (key != NULL)
        key_free(key->key);
    free(key);
}

void rsa_public_free(struct rsa_public *key)
{
    if (key != NULL)
        key_free(key->key);
    free(key);
}

/* ---- writing ---- */

static bool write_pem(struct key *key, int (*write)(mbedtls_pk_context *, unsigned char *, size_t),
                      struct buf *out, struct error *err)
{
    unsigned char text[RSA_PEM_MAX_BYTES];
    pthread_mutex_lock(&key->mutex);
    int status = write(&key->pk, text, sizeof(text));
    pthread_mutex_unlock(&key->mutex);
    bool ok = status == 0 ? buf_append_text(out, (const char *)text) || buf_check(out, "the key", err)
                          : crypto_error(err, ERR_INTERNAL, "cannot write the key as PEM", status);
    explicit_bzero(text, sizeof(text));
    return ok;
}

/* In mbedTLS 3 the three writers take a const context: one signature for both. */
static int write_private(mbedtls_pk_context *pk, unsigned char *out, size_t size)
{
    return mbedtls_pk_write_key_pem(pk, out, size);
}

static int write_public(mbedtls_pk_context *pk, unsigned char *out, size_t size)
{
    return mbedtls_pk_write_pubkey_pem(pk, out, size);
}

bool rsa_private_write_pem(const struct rsa_private *key, struct buf *out, struct error *err)
{
    return write_pem(key->key, write_private, out, err);
}

bool rsa_private_write_public_pem(const struct rsa_private *key, struct buf *out, struct error *err)
{
    return write_pem(key->key, write_public, out, err);
}

bool rsa_public_write_pem(const struct rsa_public *key, struct buf *out, struct error *err)
{
    return write_pem(key->key, write_public, out, err);
}

unsigned rsa_public_bits(const struct rsa_public *key)
{
    return (unsigned)mbedtls_pk_get_bitlen(&key->key->pk);
}

bool rsa_public_fingerprint(const struct rsa_public *key, char out[SHA256_HEX_BYTES], struct error *err)
{
    unsigned char der[PUBLIC_DER_MAX_BYTES];
    pthread_mutex_lock(&key->key->mutex);
    int size = mbedtls_pk_write_pubkey_der(&key->key->pk, der, sizeof(der)); /* at the end of der */
    pthread_mutex_unlock(&key->key->mutex);
    if (size < 0)
        return crypto_error(err, ERR_INTERNAL, "cannot write the key as DER", size);
    unsigned char digest[SHA256_BYTES];
    sha256_of((struct view){(const char *)der + sizeof(der) - (size_t)size, (size_t)size}, digest);
    text_hex_encode(out, digest, sizeof(digest));
    return true;
}

/* ---- signatures ---- */

/* What mbedTLS asks for first is the salt, later on what blinds the private operation. */
struct salt {
    const unsigned char *fixed; /* SHA256_BYTES, given once; NULL: random */
};

static int salt_or_random(void *context, unsigned char *out, size_t size)
{
    struct salt *salt = context;
    if (salt->fixed == NULL || size != SHA256_BYTES)
        return crypto_random(NULL, out, size);
    memcpy(out, salt->fixed, size);
    salt->fixed = NULL;
    return 0;
}

static bool sign_digest(const struct rsa_private *key, const unsigned char digest[SHA256_BYTES],
                        struct salt salt, unsigned char *out, size_t *size, struct error *err)
{
    mbedtls_rsa_context *rsa = mbedtls_pk_rsa(key->key->pk);
    unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
    pthread_mutex_lock(&key->key->mutex);
    int status = mbedtls_rsa_rsassa_pss_sign_ext(rsa, salt_or_random, &salt, MBEDTLS_MD_SHA256, SHA256_BYTES,
                                                 digest, SHA256_BYTES, signature);
    pthread_mutex_unlock(&key->key->mutex);
    if (status != 0)
        return crypto_error(err, ERR_INTERNAL, "cannot sign", status);
    *size = mbedtls_rsa_get_len(rsa);
    memcpy(out, signature, *size);
    return true;
}

bool rsa_pss_sign(const struct rsa_private *key, struct view message, unsigned char *out, size_t *size,
                  struct error *err)
{
    unsigned char digest[SHA256_BYTES];
    sha256_of(message, digest);
    return sign_digest(key, digest, (struct salt){NULL}, out, size, err);
}

bool rsa_pss_sign_repeatable(const struct rsa_private *key, struct view message, unsigned char *out,
                             size_t *size, struct error *err)
{
    unsigned char digest[SHA256_BYTES];
    unsigned char salt[SHA256_BYTES];
    sha256_of(message, digest);
    hmac_sha256(VIEW_LITERAL("telehaul-pss-salt"), (struct view){(const char *)digest, sizeof(digest)}, salt);
    return sign_digest(key, digest, (struct salt){salt}, out, size, err);
}

bool rsa_pss_verify(const struct rsa_public *key, struct view message, struct view signature)
{
    unsigned char digest[SHA256_BYTES];
    sha256_of(message, digest);
    return rsa_pss_verify_hash(key, digest, signature);
}

bool rsa_pss_verify_hash(const struct rsa_public *key, const unsigned char hash[SHA256_BYTES],
                         struct view signature)
{
    mbedtls_rsa_context *rsa = mbedtls_pk_rsa(key->key->pk);
    /* mbedTLS reads as many bytes as the key has and never looks at the size it was given */
    if (signature.size != mbedtls_rsa_get_len(rsa))
        return false;
    pthread_mutex_lock(&key->key->mutex);
    int status = crypto_rsa_pss_verify(rsa, hash, SHA256_BYTES, (const unsigned char *)signature.data);
    pthread_mutex_unlock(&key->key->mutex);
    return status == 0;
}
