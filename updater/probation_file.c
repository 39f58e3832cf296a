#include "updater/probation_file.h"

#include <stdio.h>

#include "common/base/text.h"

enum { PROBATION_MAX_BYTES = RELEASE_VERSION_BYTES + 8, PROBATION_MODE = 0644, STARTS_MAX = 999 };

static bool parse(struct view text, char previous[RELEASE_VERSION_BYTES])
{
    uint64_t starts;
    char version[RELEASE_VERSION_BYTES];
    if (text.size > 0 && text.data[text.size - 1] == '\n')
        text.size--;
    struct view word = text_cut(&text, ' ');
    if (!text_copy(version, sizeof(version), word) || !release_version_ok(version) ||
        !text_parse_u64(text, STARTS_MAX, &starts))
        return false;
    memcpy(previous, version, sizeof(version));
    return true;
}

bool probation_file_read(const char *root, char previous[RELEASE_VERSION_BYTES], struct error *err)
{
    struct path path;
    struct error cause = {.code = ERR_NONE};
    SCOPE_BUF struct buf text = BUF_LIMIT(PROBATION_MAX_BYTES);
    if (!path_join(&path, root, "probation", err))
        return false;
    bool read = file_read_path(path.text, &text, &cause);
    if (!read && (cause.code == ERR_IO || cause.code == ERR_MEMORY))
        return error_set(err, cause.code, "%s", cause.text);
    if (!read || !parse(buf_view(&text), previous))
        previous[0] = '\0';
    return true;
}

bool probation_file_write(const char *root, const char *previous, struct error *err)
{
    struct path path;
    char line[PROBATION_MAX_BYTES];
    int size = snprintf(line, sizeof(line), "%s 0\n", previous);
    return path_join(&path, root, "probation", err) &&
           file_replace(path.text, (struct view){line, (size_t)size}, PROBATION_MODE, err);
}

bool probation_file_remove(const char *root, struct error *err)
{
    struct path path;
    return path_join(&path, root, "probation", err) && file_remove(path.text, err) && folder_sync(root, err);
}
