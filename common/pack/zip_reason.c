#include "common/pack/zip_reason.h"

#include "common/base/text.h"

enum { SHOWN_NAME_BYTES = 200 };

struct reason_row {
    const char *word, *text;
};

#define REASON_ROW(constant, word, text) [constant] = {word, text},
static const struct reason_row rows[] = {ZIP_REASONS(REASON_ROW)};
#undef REASON_ROW

const char *zip_reason_word(enum zip_reason reason)
{
    return rows[reason].word;
}

bool zip_refuse(struct error *err, enum zip_reason reason, struct view name)
{
    char shown[SHOWN_NAME_BYTES] = "the archive";
    if (name.size > 0) {
        size_t size = name.size < sizeof(shown) ? name.size : sizeof(shown) - 1;
        memcpy(shown, name.data, size);
        shown[size] = '\0';
        for (size_t i = 0; i < size; i++)
            shown[i] = shown[i] == '\0' ? '?' : shown[i];
        text_make_printable(shown);
    }
    return error_refuse(err, ERR_INPUT, rows[reason].word, "%s %s", shown, rows[reason].text);
}
