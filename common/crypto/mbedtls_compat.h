/* Where mbedTLS 2.28 and 3.x differ, under one name each. Knows nothing of what is signed.
 * Included by the sources of common/crypto alone. Threads: as the functions behind it. */
#ifndef COMMON_CRYPTO_MBEDTLS_COMPAT_H
#define COMMON_CRYPTO_MBEDTLS_COMPAT_H

#include <mbedtls/asn1.h>
#include <mbedtls/bignum.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/md.h>
#include <mbedtls/pem.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/version.h>
#include <mbedtls/x509_crt.h>

#include "common/base/error.h"
#include "common/crypto/random.h"

enum { CRYPTO_SERIAL_BYTES = 16, CRYPTO_ERROR_TEXT_BYTES = 128 };

/* The random source that mbedTLS asks for: the kernel's, which needs no state and no seeding. */
static inline int crypto_random(void *context, unsigned char *out, size_t size)
{
    (void)context;
    random_bytes(out, size);
    return 0;
}

/* A status is the sum of two: one of a low-level module, one of a high-level module. */
static inline bool crypto_is_no_memory(int status)
{
    enum { LOW = 0x7f, HIGH = 0x7f80 };
    int low = -status & LOW;
    int high = -status & HIGH;
    return low == -MBEDTLS_ERR_MPI_ALLOC_FAILED || low == -MBEDTLS_ERR_ASN1_ALLOC_FAILED ||
           high == -MBEDTLS_ERR_PEM_ALLOC_FAILED || high == -MBEDTLS_ERR_PK_ALLOC_FAILED ||
           high == -MBEDTLS_ERR_X509_ALLOC_FAILED || high == -MBEDTLS_ERR_ECP_ALLOC_FAILED ||
           high == -MBEDTLS_ERR_MD_ALLOC_FAILED;
}

/* "<what>: <mbedTLS's own words>". code: ERR_MEMORY instead when that is what mbedTLS lacked. Always false.
 */
static inline bool crypto_error(struct error *err, enum error_code code, const char *what, int status)
{
    char text[CRYPTO_ERROR_TEXT_BYTES];
    mbedtls_strerror(status, text, sizeof(text));
    return error_set(err, crypto_is_no_memory(status) ? ERR_MEMORY : code, "%s: %s", what, text);
}

#if MBEDTLS_VERSION_NUMBER >= 0x03000000

static inline int crypto_pk_parse_private(mbedtls_pk_context *pk, const unsigned char *pem, size_t size)
{
    return mbedtls_pk_parse_key(pk, pem, size, NULL, 0, crypto_random, NULL);
}

static inline int crypto_pk_check_pair(const mbedtls_pk_context *public_half,
                                       const mbedtls_pk_context *private_half)
{
    return mbedtls_pk_check_pair(public_half, private_half, crypto_random, NULL);
}

static inline int crypto_rsa_use_pss(mbedtls_rsa_context *rsa)
{
    return mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V21, MBEDTLS_MD_SHA256);
}

static inline int crypto_rsa_pss_verify(mbedtls_rsa_context *rsa, const unsigned char *hash,
                                        unsigned hash_bytes, const unsigned char *signature)
{
    return mbedtls_rsa_rsassa_pss_verify_ext(rsa, MBEDTLS_MD_SHA256, hash_bytes, hash, MBEDTLS_MD_SHA256,
                                             MBEDTLS_RSA_SALT_LEN_ANY, signature);
}

#else

static inline int crypto_pk_parse_private(mbedtls_pk_context *pk, const unsigned char *pem, size_t size)
{
    return mbedtls_pk_parse_key(pk, pem, size, NULL, 0);
}

static inline int crypto_pk_check_pair(const mbedtls_pk_context *public_half,
                                       const mbedtls_pk_context *private_half)
{
    return mbedtls_pk_check_pair(public_half, private_half);
}

static inline int crypto_rsa_use_pss(mbedtls_rsa_context *rsa)
{
    mbedtls_rsa_set_padding(rsa, MBEDTLS_RSA_PKCS_V21, MBEDTLS_MD_SHA256);
    return 0;
}

static inline int crypto_rsa_pss_verify(mbedtls_rsa_context *rsa, const unsigned char *hash,
                                        unsigned hash_bytes, const unsigned char *signature)
{
    return mbedtls_rsa_rsassa_pss_verify_ext(rsa, NULL, NULL, MBEDTLS_RSA_PUBLIC, MBEDTLS_MD_SHA256,
                                             hash_bytes, hash, MBEDTLS_MD_SHA256, MBEDTLS_RSA_SALT_LEN_ANY,
                                             signature);
}

#endif

#if MBEDTLS_VERSION_NUMBER >= 0x03040000

static inline int crypto_crt_set_serial(mbedtls_x509write_cert *crt, unsigned char *serial, size_t size)
{
    return mbedtls_x509write_crt_set_serial_raw(crt, serial, size);
}

#else

static inline int crypto_crt_set_serial(mbedtls_x509write_cert *crt, unsigned char *serial, size_t size)
{
    mbedtls_mpi number;
    mbedtls_mpi_init(&number);
    int status = mbedtls_mpi_read_binary(&number, serial, size);
    if (status == 0)
        status = mbedtls_x509write_crt_set_serial(crt, &number);
    mbedtls_mpi_free(&number);
    return status;
}

#endif

#endif
