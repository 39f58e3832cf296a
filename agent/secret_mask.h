/* Hides secrets in text: each of their bytes becomes `*`, so a text keeps its size. Secrets are values that
 * are known (the PIN, what credentials.env holds), and what looks like one: `password=...`, `token: ...`,
 * `--secret ...`, `Authorization: ...`, `Bearer ...`, `scheme://user:...@`, private keys in PEM. Rather too
 * much is hidden than too little. Knows nothing of files. Threads: one at a time. */
#ifndef AGENT_SECRET_MASK_H
#define AGENT_SECRET_MASK_H

#include "common/base/error.h"
#include "common/base/scope.h"
#include "common/base/view.h"

enum {
    MASK_SECRET_MIN_BYTES = 4, /* a shorter value would hide half of every text */
    MASK_SECRET_MAX_BYTES = 512,
    MASK_SECRETS_MAX = 128,
    MASK_KEY_MAX_BYTES = 16 * 1024, /* a PEM that does not end is believed for so long */
};

struct secret_mask;

struct secret_mask *secret_mask_new(struct error *err) MUST_USE;
void secret_mask_free(struct secret_mask *mask); /* wiped; NULL is fine */

/* From now on this value is hidden wherever it stands. One that is too short, or known already, changes
 * nothing. Errors: ERR_LIMIT (too long, too many). */
bool secret_mask_add(struct secret_mask *mask, struct view secret, struct error *err) MUST_USE;

/* Another text begins. */
void secret_mask_begin(struct secret_mask *mask);
/* Hides in place, in whole lines or pieces of a long one; what was hidden before may be part of it. A private
 * key may go over several calls. Returns how many values were hidden. */
size_t secret_mask_text(struct secret_mask *mask, char *text, size_t size);
/* The same, and values that look like secrets are known from then on, as far as there is room. */
size_t secret_mask_learn(struct secret_mask *mask, char *text, size_t size);

static inline void scope_secret_mask(struct secret_mask **mask)
{
    secret_mask_free(*mask);
}
#define SCOPE_SECRET_MASK SCOPE(scope_secret_mask)

#endif
