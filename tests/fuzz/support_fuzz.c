/* What a support bundle is made of and looked through with: the mask that hides secrets in any bytes of a
 * log, and the check of a tar that came from outside. */
#include <stdint.h>
#include <stdlib.h>

#include "agent/secret_mask.h"
#include "common/base/buf.h"
#include "common/pack/tar_check.h"

enum { TEXT_MAX_BYTES = 64 * 1024 };
static const char known[] = "kn0wn-secret";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

/* Only stars are put in; the known one is gone; a second look changes nothing more that matters. */
static void try_mask(const uint8_t *data, size_t size)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(TEXT_MAX_BYTES);
    SCOPE_SECRET_MASK struct secret_mask *mask = secret_mask_new(NULL);
    must(mask != NULL && secret_mask_add(mask, view_of(known), NULL));
    if (!buf_append(&text, data, size) || size == 0)
        return;
    bool learn = data[0] % 2 == 0;
    size_t hidden =
        learn ? secret_mask_learn(mask, text.data, size) : secret_mask_text(mask, text.data, size);
    size_t changed = 0;
    for (size_t i = 0; i < size; i++) {
        must(text.data[i] == (char)data[i] || text.data[i] == '*');
        changed += text.data[i] != (char)data[i];
    }
    must((hidden > 0) == (changed > 0));
    must(memmem(text.data, size, known, sizeof(known) - 1) == NULL);
    for (size_t i = 0; i < size; i++)
        must(data[i] != '\n' || text.data[i] == '\n'); /* lines stay lines */
}

/* However it is cut, the outcome is the same; nothing overflows. */
static bool check_tar(struct view bytes, size_t piece_bytes, struct tar_check *check)
{
    *check = (struct tar_check){.files = 0};
    for (size_t at = 0; at < bytes.size; at += piece_bytes) {
        size_t left = bytes.size - at;
        if (!tar_check_take(check, (struct view){bytes.data + at, left < piece_bytes ? left : piece_bytes},
                            NULL))
            return false;
        must(check->content_bytes >= 0 && check->bytes >= 0);
    }
    return tar_check_finish(check, NULL);
}

static void try_tar(struct view bytes, size_t piece_bytes)
{
    struct tar_check whole;
    struct tar_check pieces;
    bool is_whole = check_tar(bytes, bytes.size + 1, &whole);
    must(is_whole == check_tar(bytes, piece_bytes, &pieces));
    must(!is_whole ||
         (whole.files == pieces.files && whole.bytes == pieces.bytes && (uint64_t)whole.bytes <= bytes.size &&
          strcmp(whole.last_name, pieces.last_name) == 0));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0 || size > TEXT_MAX_BYTES)
        return 0;
    try_mask(data, size);
    try_tar((struct view){(const char *)data + 1, size - 1}, (size_t)data[0] + 1);
    return 0;
}
