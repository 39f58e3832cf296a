/* license.dat: any bytes are a licence or an error; what was read has texts that end and a machine that is
 * one. */
#include <stdint.h>
#include <stdlib.h>

#include "keys/licence.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct licence licence;
    struct error err;
    struct view text = {(const char *)data, size};
    if (!licence_parse(text, NULL, &licence, &err)) {
        must(err.code == ERR_INPUT || err.code == ERR_LIMIT);
        return 0;
    }
    must(licence_machine_ok(licence.machine));
    must(strlen(licence.product) < LICENCE_TEXT_BYTES && strlen(licence.customer) < LICENCE_TEXT_BYTES);
    const struct keyring nobody = {.count = 0};
    must(!licence_parse(text, &nobody, &licence, &err) && err.code == ERR_DENIED);
    return 0;
}
