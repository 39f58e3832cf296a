#include "common/crypto/cert.h"

#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/crypto/mbedtls_compat.h"

enum {
    COMMON_NAME_MAX_BYTES = 64,
    SUBJECT_BYTES = COMMON_NAME_MAX_BYTES + 4, /* "CN=" and NUL */
    MADE_PEM_MAX_BYTES = 4096,                 /* a P-256 certificate or key: below 1 KiB */
    VALID_TIME_BYTES = 15,                     /* 20260222100000 and NUL */
    DAY_S = 24 * 3600,
    LEAP_DAYS = 3, /* ten years have two or three */
};

#define CERT_END "-----END CERTIFICATE-----"

static void scope_pk(mbedtls_pk_context *pk)
{
    mbedtls_pk_free(pk);
}
static void scope_crt(mbedtls_x509_crt *crt)
{
    mbedtls_x509_crt_free(crt);
}
static void scope_write_crt(mbedtls_x509write_cert *crt)
{
    mbedtls_x509write_crt_free(crt);
}

/* ---- making ---- */

static bool common_name_ok(const char *name)
{
    size_t size = strlen(name);
    return size > 0 && size <= COMMON_NAME_MAX_BYTES &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ._-") == size;
}

/* YYYYMMDDhhmmss as mbedTLS takes it: the name form without its T and Z. */
static void valid_time(char out[VALID_TIME_BYTES], int64_t utc_us)
{
    char name[RFC3339_NAME_BYTES];
    rfc3339_format_name(name, utc_us);
    memcpy(out, name, 8);
    memcpy(out + 8, name + 9, 6);
    out[VALID_TIME_BYTES - 1] = '\0';
}

static int set_content(mbedtls_x509write_cert *crt, const char *subject, const struct clock *clock)
{
    unsigned char serial[CRYPTO_SERIAL_BYTES];
    random_bytes(serial, sizeof(serial));
    serial[0] = (unsigned char)((serial[0] & 0x3fU) | 0x40U); /* positive, never shorter: RFC 5280, 4.1.2.2 */

    int64_t now_us = clock_utc_us(clock);
    char from[VALID_TIME_BYTES];
    char to[VALID_TIME_BYTES];
    valid_time(from, now_us - (int64_t)DAY_S * US_PER_S);
    valid_time(to, now_us + ((int64_t)CERT_VALID_YEARS * 365 + LEAP_DAYS) * DAY_S * US_PER_S);

    mbedtls_x509write_crt_set_version(crt, MBEDTLS_X509_CRT_VERSION_3);
    mbedtls_x509write_crt_set_md_alg(crt, MBEDTLS_MD_SHA256);
    int status = mbedtls_x509write_crt_set_subject_name(crt, subject);
    if (status == 0)
        status = mbedtls_x509write_crt_set_issuer_name(crt, subject);
    if (status == 0)
        status = crypto_crt_set_serial(crt, serial, sizeof(serial));
    if (status == 0)
        status = mbedtls_x509write_crt_set_validity(crt, from, to);
    if (status == 0)
        status = mbedtls_x509write_crt_set_basic_constraints(crt, 0, -1);
    return status;
}

static bool write_cert(mbedtls_pk_context *pk, const char *subject, const struct clock *clock, char *out,
                       size_t out_bytes, struct error *err)
{
    SCOPE(scope_write_crt) mbedtls_x509write_cert crt;
    mbedtls_x509write_crt_init(&crt);
    mbedtls_x509write_crt_set_subject_key(&crt, pk);
    mbedtls_x509write_crt_set_issuer_key(&crt, pk);
    int status = set_content(&crt, subject, clock);
    if (status == 0)
        status = mbedtls_x509write_crt_pem(&crt, (unsigned char *)out, out_bytes, crypto_random, NULL);
    return status == 0 || crypto_error(err, ERR_INTERNAL, "cannot make a certificate", status);
}

static int make_p256(mbedtls_pk_context *pk)
{
    int status = mbedtls_pk_setup(pk, mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));
    if (status == 0)
        status = mbedtls_ecp_gen_key(MBEDTLS_ECP_DP_SECP256R1, mbedtls_pk_ec(*pk), crypto_random, NULL);
    return status;
}

bool cert_make(const char *common_name, const struct clock *clock, struct buf *cert_pem, struct buf *key_pem,
               struct error *err)
{
    if (!common_name_ok(common_name))
        return error_set(err, ERR_USAGE, "a certificate's name has 1 to %d of A-Z a-z 0-9 blank . _ -",
                         COMMON_NAME_MAX_BYTES);
    char subject[SUBJECT_BYTES];
    snprintf(subject, sizeof(subject), "CN=%s", common_name);

    SCOPE(scope_pk) mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    int status = make_p256(&pk);
    if (status != 0)
        return crypto_error(err, ERR_INTERNAL, "cannot make a P-256 key", status);

    char cert[MADE_PEM_MAX_BYTES];
    char key[MADE_PEM_MAX_BYTES];
    if (!write_cert(&pk, subject, clock, cert, sizeof(cert), err))
        return false;
    status = mbedtls_pk_write_key_pem(&pk, (unsigned char *)key, sizeof(key));
    if (status != 0)
        return crypto_error(err, ERR_INTERNAL, "cannot write the key as PEM", status);
    buf_append_text(cert_pem, cert);
    buf_append_text(key_pem, key);
    explicit_bzero(key, sizeof(key));
    return buf_check(cert_pem, "the certificate", err) && buf_check(key_pem, "its key", err);
}

/* ---- reading ---- */

/* The first certificate alone: what follows it is somebody's chain and names nobody here. */
static bool parse_first(struct view pem, mbedtls_x509_crt *crt, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(CERT_PEM_MAX_BYTES);
    const char *end = pem.size > 0 ? memmem(pem.data, pem.size, CERT_END, strlen(CERT_END)) : NULL;
    if (end == NULL)
        return error_set(err, ERR_INPUT, "there is no certificate in PEM");
    size_t size = (size_t)(end - pem.data) + strlen(CERT_END);
    if (!buf_append(&text, pem.data, size) || !buf_append_text(&text, "\n"))
        return buf_check(&text, "the certificate", err);
    int status = mbedtls_x509_crt_parse(crt, (const unsigned char *)buf_text(&text), text.size + 1);
    if (status != 0 || crt->pk_raw.p == NULL)
        return crypto_error(err, ERR_INPUT, "it is no certificate in PEM", status);
    return true;
}

bool cert_agent_id(struct view cert_pem, char out[SHA256_HEX_BYTES], struct error *err)
{
    SCOPE(scope_crt) mbedtls_x509_crt crt;
    mbedtls_x509_crt_init(&crt);
    if (!parse_first(cert_pem, &crt, err))
        return false;
    unsigned char digest[SHA256_BYTES];
    sha256_of((struct view){(const char *)crt.pk_raw.p, crt.pk_raw.len}, digest);
    text_hex_encode(out, digest, sizeof(digest));
    return true;
}

static bool parse_private(struct view key_pem, mbedtls_pk_context *pk, struct error *err)
{
    char text[CERT_PEM_MAX_BYTES];
    if (!text_copy(text, sizeof(text), key_pem))
        return error_set(err, ERR_INPUT, "the key is no PEM text below %d bytes", CERT_PEM_MAX_BYTES);
    int status = crypto_pk_parse_private(pk, (const unsigned char *)text, strlen(text) + 1);
    explicit_bzero(text, sizeof(text));
    return status == 0 || crypto_error(err, ERR_INPUT, "the key is no private key in PEM", status);
}

bool cert_matches_key(struct view cert_pem, struct view key_pem, struct error *err)
{
    SCOPE(scope_crt) mbedtls_x509_crt crt;
    mbedtls_x509_crt_init(&crt);
    SCOPE(scope_pk) mbedtls_pk_context pk;
    mbedtls_pk_init(&pk);
    if (!parse_first(cert_pem, &crt, err) || !parse_private(key_pem, &pk, err))
        return false;
    if (crypto_pk_check_pair(&crt.pk, &pk) != 0)
        return error_set(err, ERR_INPUT, "the private key does not belong to the certificate");
    return true;
}
