#include "common/crypto/sha256_ni.h"

#include <string.h>

#if defined(__x86_64__) && __has_include(<sys/platform/x86.h>)

#include <endian.h>
#include <immintrin.h>
#include <sys/platform/x86.h>

#define WITH_SHA __attribute__((target("sha,sse4.1")))

enum { ROUND_GROUPS = 16, WORDS_A_GROUP = 4, LENGTH_BYTES = 8 };

/* FIPS 180-4, section 4.2.2 */
static const uint32_t round_constants[ROUND_GROUPS * WORDS_A_GROUP] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* FIPS 180-4, section 5.3.3 */
static const uint32_t first_state[SHA256_NI_WORDS] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                                      0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};

bool sha256_ni_usable(void)
{
    return CPU_FEATURE_ACTIVE(SHA) && CPU_FEATURE_ACTIVE(SSE4_1);
}

/* The processor keeps the eight words of state as (a b e f) and (c d g h), the first in the highest lane. */
struct lanes {
    __m128i abef, cdgh;
};

WITH_SHA static struct lanes load_state(const uint32_t s[SHA256_NI_WORDS])
{
    return (struct lanes){_mm_set_epi32((int)s[0], (int)s[1], (int)s[4], (int)s[5]),
                          _mm_set_epi32((int)s[2], (int)s[3], (int)s[6], (int)s[7])};
}

WITH_SHA static void store_state(struct lanes lanes, uint32_t s[SHA256_NI_WORDS])
{
    uint32_t feba[WORDS_A_GROUP];
    uint32_t hgdc[WORDS_A_GROUP];
    _mm_storeu_si128((__m128i *)feba, lanes.abef);
    _mm_storeu_si128((__m128i *)hgdc, lanes.cdgh);
    const uint32_t state[SHA256_NI_WORDS] = {feba[3], feba[2], hgdc[3], hgdc[2],
                                             feba[1], feba[0], hgdc[1], hgdc[0]};
    memcpy(s, state, sizeof(state));
}

/* Four words of the message, big-endian in memory. */
WITH_SHA static inline __m128i load_words(const unsigned char *at)
{
    const __m128i swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
    return _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)at), swap);
}

/* The next four words of the message schedule (section 6.2.2, step 1) from the sixteen before them. */
WITH_SHA static inline __m128i next_words(__m128i w0, __m128i w1, __m128i w2, __m128i w3)
{
    __m128i sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
    return _mm_sha256msg2_epu32(sum, w3);
}

/* Four rounds (section 6.2.2, step 3). */
WITH_SHA static inline struct lanes four_rounds(struct lanes s, __m128i words, unsigned group)
{
    const __m128i *constants =
        (const __m128i *)(const void *)(round_constants + (size_t)group * WORDS_A_GROUP);
    __m128i sum = _mm_add_epi32(words, _mm_loadu_si128(constants));
    s.cdgh = _mm_sha256rnds2_epu32(s.cdgh, s.abef, sum);
    s.abef = _mm_sha256rnds2_epu32(s.abef, s.cdgh, _mm_shuffle_epi32(sum, 0x0e));
    return s;
}

WITH_SHA static struct lanes one_block(struct lanes before, const unsigned char *data)
{
    struct lanes s = before;
    __m128i w0 = load_words(data);
    __m128i w1 = load_words(data + 16);
    __m128i w2 = load_words(data + 32);
    __m128i w3 = load_words(data + 48);
    for (unsigned group = 0;; group += 4) {
        s = four_rounds(s, w0, group);
        s = four_rounds(s, w1, group + 1);
        s = four_rounds(s, w2, group + 2);
        s = four_rounds(s, w3, group + 3);
        if (group + 4 == ROUND_GROUPS)
            break;
        w0 = next_words(w0, w1, w2, w3);
        w1 = next_words(w1, w2, w3, w0);
        w2 = next_words(w2, w3, w0, w1);
        w3 = next_words(w3, w0, w1, w2);
    }
    return (struct lanes){_mm_add_epi32(before.abef, s.abef), _mm_add_epi32(before.cdgh, s.cdgh)};
}

WITH_SHA static void add_blocks(struct sha256_ni *hash, const unsigned char *data, size_t blocks)
{
    struct lanes lanes = load_state(hash->state);
    for (; blocks > 0; blocks--, data += SHA256_NI_BLOCK_BYTES)
        lanes = one_block(lanes, data);
    store_state(lanes, hash->state);
}

void sha256_ni_start(struct sha256_ni *hash)
{
    memcpy(hash->state, first_state, sizeof(first_state));
    hash->bytes = 0;
}

void sha256_ni_add(struct sha256_ni *hash, const void *data, size_t size)
{
    const unsigned char *from = data;
    size_t held = hash->bytes % SHA256_NI_BLOCK_BYTES;
    hash->bytes += size;
    if (held > 0) {
        size_t room = SHA256_NI_BLOCK_BYTES - held;
        size_t taken = size < room ? size : room;
        memcpy(hash->rest + held, from, taken);
        from += taken;
        size -= taken;
        if (taken < room)
            return;
        add_blocks(hash, hash->rest, 1);
    }
    size_t blocks = size / SHA256_NI_BLOCK_BYTES;
    if (blocks > 0)
        add_blocks(hash, from, blocks);
    if (size % SHA256_NI_BLOCK_BYTES > 0)
        memcpy(hash->rest, from + blocks * SHA256_NI_BLOCK_BYTES, size % SHA256_NI_BLOCK_BYTES);
}

/* Section 5.1.1: a one bit, zeros, the length in bits. */
void sha256_ni_finish(struct sha256_ni *hash, unsigned char out[SHA256_NI_DIGEST_BYTES])
{
    static const unsigned char padding[SHA256_NI_BLOCK_BYTES] = {0x80};
    uint64_t bits = htobe64(hash->bytes * 8);
    size_t held = hash->bytes % SHA256_NI_BLOCK_BYTES;
    size_t last = SHA256_NI_BLOCK_BYTES - LENGTH_BYTES;
    sha256_ni_add(hash, padding, held < last ? last - held : last + SHA256_NI_BLOCK_BYTES - held);
    sha256_ni_add(hash, &bits, sizeof(bits));
    for (size_t i = 0; i < SHA256_NI_WORDS; i++) {
        uint32_t word = htobe32(hash->state[i]);
        memcpy(out + i * sizeof(word), &word, sizeof(word));
    }
    explicit_bzero(hash, sizeof(*hash)); /* it may be an HMAC's */
}

#else

bool sha256_ni_usable(void)
{
    return false;
}

void sha256_ni_start(struct sha256_ni *hash)
{
    memset(hash, 0, sizeof(*hash));
}

void sha256_ni_add(struct sha256_ni *hash, const void *data, size_t size)
{
    (void)hash;
    (void)data;
    (void)size;
}

void sha256_ni_finish(struct sha256_ni *hash, unsigned char out[SHA256_NI_DIGEST_BYTES])
{
    (void)hash;
    memset(out, 0, SHA256_NI_DIGEST_BYTES);
}

#endif
