#include "common/pack/zip_name.h"

#include <stdint.h>
#include <stdlib.h>

#include "common/base/text.h"

/* Characters `first` to `last` fold to themselves plus offset; every_other: pairs of upper and lower, of
 * which `first` is the first upper one. From Unicode's CaseFolding.txt, statuses C and S. */
struct fold_range {
    uint32_t first, last;
    int32_t offset;
    bool every_other;
};

static const struct fold_range folds[] = {
    {0x41, 0x5a, 32, false},        {0xb5, 0xb5, 775, false},       {0xc0, 0xd6, 32, false},
    {0xd8, 0xde, 32, false},        {0x100, 0x12f, 1, true},        {0x132, 0x137, 1, true},
    {0x139, 0x148, 1, true},        {0x14a, 0x177, 1, true},        {0x178, 0x178, -121, false},
    {0x179, 0x17e, 1, true},        {0x17f, 0x17f, -268, false},    {0x386, 0x386, 38, false},
    {0x388, 0x38a, 37, false},      {0x38c, 0x38c, 64, false},      {0x38e, 0x38f, 63, false},
    {0x391, 0x3a1, 32, false},      {0x3a3, 0x3ab, 32, false},      {0x3c2, 0x3c2, 1, false},
    {0x400, 0x40f, 80, false},      {0x410, 0x42f, 32, false},      {0x460, 0x481, 1, true},
    {0x48a, 0x4bf, 1, true},        {0x4c0, 0x4c0, 15, false},      {0x4c1, 0x4ce, 1, true},
    {0x4d0, 0x52f, 1, true},        {0x531, 0x556, 48, false},      {0x1e9e, 0x1e9e, -7615, false},
    {0x212a, 0x212a, -8383, false}, {0x212b, 0x212b, -8262, false},
};

static uint32_t fold(uint32_t character)
{
    for (size_t i = 0; i < COUNT_OF(folds) && character >= folds[i].first; i++) {
        if (character > folds[i].last)
            continue;
        bool is_lower = folds[i].every_other && (character - folds[i].first) % 2 == 1;
        return is_lower ? character : (uint32_t)((int32_t)character + folds[i].offset);
    }
    return character;
}

/* The next character of valid UTF-8, folded; *at moves on; 0 at the end, and 1 for the slash. */
static uint32_t next_folded(const char **at)
{
    unsigned char first = (unsigned char)**at;
    if (first == 0)
        return 0;
    (*at)++;
    if (first < 0x80)
        return first == '/' ? 1 : fold(first);
    uint32_t character = first >= 0xf0 ? first & 0x07 : first >= 0xe0 ? first & 0x0f : first & 0x1f;
    while (((unsigned char)**at & 0xc0) == 0x80)
        character = character << 6 | ((unsigned char)*(*at)++ & 0x3f);
    return fold(character);
}

int zip_name_compare(const char *a, const char *b)
{
    uint32_t left;
    uint32_t right;
    size_t same = 0; /* bytes at the beginning, back to where a character begins */
    while (a[same] == b[same] && a[same] != '\0')
        same++;
    while (same > 0 && (((unsigned char)a[same] & 0xc0) == 0x80 || ((unsigned char)b[same] & 0xc0) == 0x80))
        same--;
    a += same;
    b += same;
    do {
        left = next_folded(&a);
        right = next_folded(&b);
    } while (left == right && left != 0);
    return left < right ? -1 : left > right;
}

bool zip_name_both(const char *a, const char *b, struct error *err)
{
    const char *left = a;
    const char *right = b;
    bool same = true; /* so far, byte for byte */
    for (;;) {
        const char *left_before = left;
        const char *right_before = right;
        uint32_t left_character = next_folded(&left);
        uint32_t right_character = next_folded(&right);
        bool ends = left_character <= 1 && right_character <= 1; /* of a part, in both */
        if (left_character != right_character && !ends)
            return true;
        if (left_character != right_character)
            return zip_refuse(err, ZIP_FILE_AND_FOLDER, view_of(left_character == 0 ? a : b));
        if (ends && !same)
            return zip_refuse(err, ZIP_CASE_CLASH, view_of(b));
        if (left_character == 0)
            return zip_refuse(err, ZIP_DUPLICATE_ENTRY, view_of(b));
        size_t size = (size_t)(left - left_before);
        same = same && size == (size_t)(right - right_before) && memcmp(left_before, right_before, size) == 0;
    }
}

static int compare_names(const void *a, const void *b)
{
    return zip_name_compare(*(const char *const *)a, *(const char *const *)b);
}

bool zip_names_apart(const char **names, size_t count, struct error *err)
{
    qsort(names, count, sizeof(*names), compare_names);
    for (size_t i = 1; i < count; i++) {
        if (!zip_name_both(names[i - 1], names[i], err))
            return false;
    }
    return true;
}

static bool has_control(struct view name)
{
    for (size_t i = 0; i < name.size; i++) {
        unsigned char byte = (unsigned char)name.data[i];
        unsigned char next = i + 1 < name.size ? (unsigned char)name.data[i + 1] : 0;
        if (byte < 0x20 || byte == 0x7f || (byte == 0xc2 && next >= 0x80 && next < 0xa0))
            return true;
    }
    return false;
}

static bool has_drive_letter(struct view name)
{
    return name.size >= 2 && name.data[1] == ':' &&
           ((name.data[0] >= 'a' && name.data[0] <= 'z') || (name.data[0] >= 'A' && name.data[0] <= 'Z'));
}

/* What is wrong with a part; ZIP_REASON_COUNT: nothing. */
static enum zip_reason part_reason(struct view part)
{
    if (part.size == 0)
        return ZIP_EMPTY_PART;
    if (part.size > ZIP_PART_MAX_BYTES)
        return ZIP_PART_TOO_LONG;
    if (view_is(part, "."))
        return ZIP_DOT_PART;
    if (view_is(part, ".."))
        return ZIP_PATH_TRAVERSAL;
    char last = part.data[part.size - 1];
    return last == '.' || last == ' ' ? ZIP_TRAILING_DOT : ZIP_REASON_COUNT;
}

/* What is wrong with its bytes, wherever the slashes are. */
static enum zip_reason bytes_reason(struct view name, size_t max_bytes)
{
    if (name.size == 0)
        return ZIP_EMPTY_NAME;
    if (name.size > max_bytes)
        return ZIP_PATH_TOO_LONG;
    if (memchr(name.data, '\0', name.size) != NULL)
        return ZIP_NAME_NUL;
    if (!text_is_utf8(name))
        return ZIP_NAME_NOT_UTF8;
    if (has_control(name))
        return ZIP_NAME_CONTROL;
    if (memchr(name.data, '\\', name.size) != NULL)
        return ZIP_BACKSLASH;
    return has_drive_letter(name) ? ZIP_DRIVE_LETTER : ZIP_REASON_COUNT;
}

static enum zip_reason name_reason(struct view name, size_t max_bytes)
{
    enum zip_reason reason = bytes_reason(name, max_bytes);
    if (reason != ZIP_REASON_COUNT)
        return reason;
    if (name.data[0] == '/')
        return ZIP_ABSOLUTE_PATH;
    bool is_folder = name.data[name.size - 1] == '/';
    struct view rest = {name.data, name.size - (is_folder ? 1 : 0)};
    bool more = true;
    while (more && reason == ZIP_REASON_COUNT) {
        more = memchr(rest.data, '/', rest.size) != NULL;
        reason = part_reason(text_cut(&rest, '/'));
    }
    return reason == ZIP_REASON_COUNT && is_folder ? ZIP_DIRECTORY_ENTRY : reason;
}

bool zip_name_check(struct view name, size_t max_bytes, struct error *err)
{
    enum zip_reason reason = name_reason(name, max_bytes);
    return reason == ZIP_REASON_COUNT || zip_refuse(err, reason, name);
}
