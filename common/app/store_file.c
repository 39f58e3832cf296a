#include "common/app/store_file.h"

#include "common/base/text.h"

enum { CURRENT_STORE_MAX_BYTES = 256 };

/* telemetry.db, telemetry-2.db ... : a name that leads out of the folder is none of ours. */
static bool store_name_ok(struct view name)
{
    uint64_t number = 0;
    if (view_is(name, "telemetry.db"))
        return true;
    if (!view_starts(name, "telemetry-") || name.size < sizeof("telemetry-2.db") - 1)
        return false;
    struct view digits = {name.data + 10, name.size - 13};
    return memcmp(name.data + name.size - 3, ".db", 3) == 0 && digits.data[0] != '0' &&
           text_parse_u64(digits, UINT32_MAX, &number);
}

bool store_current_path(const char *folder, struct path *out, struct error *err)
{
    struct path pointer;
    SCOPE_BUF struct buf content = BUF_LIMIT(CURRENT_STORE_MAX_BYTES);
    struct error why;
    if (!path_join(&pointer, folder, "current_store", err))
        return false;
    if (!file_read_path(pointer.text, &content, &why)) {
        if (why.code == ERR_NOT_FOUND)
            return path_join(out, folder, "telemetry.db", err);
        return error_set(err, why.code, "%s", why.text);
    }
    struct view name = text_trim(buf_view(&content));
    if (name.size > 0 && name.data[name.size - 1] == '\n')
        name.size--;
    if (!store_name_ok(name))
        return error_set(err, ERR_CORRUPT, "%s names no store", pointer.text);
    return path_printf(out, err, "%s/%.*s", folder, VIEW_ARG(name));
}
