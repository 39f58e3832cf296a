#include "agent/export_table.h"

#include <ctype.h>

#include "common/base/text.h"
#include "common/crypto/random.h"
#include "common/store/pg.h"

enum { ID_FILE_MAX_BYTES = 4096, ID_FILE_MODE = 0644, SOURCE_TEXT_BYTES = 2 * CONFIG_TEXT_BYTES };

bool export_is_of_table(const struct appliance *appliance)
{
    return strcmp(appliance->config.export_source, "local") != 0;
}

/* ---- the store_id ---- */

/* The file: the store_id, and the source and table that it stands for; a line each. */
static bool read_id(const char *path, const char *stands_for, char out[STORE_ID_BYTES])
{
    SCOPE_BUF struct buf text = BUF_LIMIT(ID_FILE_MAX_BYTES);
    if (!file_read_path(path, &text, NULL))
        return false;
    struct view rest = buf_view(&text);
    struct view id = text_cut(&rest, '\n');
    return view_is(text_cut(&rest, '\n'), stands_for) && id.size == STORE_ID_BYTES - 1 &&
           text_copy(out, STORE_ID_BYTES, id);
}

static bool make_id(const char *path, const char *stands_for, char out[STORE_ID_BYTES], struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(ID_FILE_MAX_BYTES);
    random_uuid(out);
    buf_printf(&text, "%s\n%s\n", out, stands_for);
    return buf_check(&text, path, err) && file_replace(path, buf_view(&text), ID_FILE_MODE, err);
}

/* Without the password: a new one makes no other table. */
static void describe(const struct appliance *appliance, const struct sql_table *table, struct buf *out)
{
    char source[SOURCE_TEXT_BYTES];
    pg_hide_password(appliance->config.export_source, source, sizeof(source));
    buf_printf(out, "%s ", source);
    sql_write_table(out, table);
    const char *const columns[] = {table->time, table->channel, table->value};
    for (size_t i = 0; i < COUNT_OF(columns); i++) {
        buf_append_byte(out, ' ');
        sql_write_name(out, columns[i]);
    }
}

bool export_table_open(const struct appliance *appliance, struct export_table *out, struct error *err)
{
    struct path folder;
    struct path path;
    SCOPE_BUF struct buf stands_for = BUF_LIMIT(ID_FILE_MAX_BYTES / 2);
    if (!sql_table_parse(appliance->config.export_table, &out->table, err))
        return error_wrap(err, "EXPORT_TABLE");
    describe(appliance, &out->table, &stands_for);
    if (!buf_check(&stands_for, "EXPORT_SOURCE", err) || !appliance_path(appliance, "agent", &folder, err) ||
        !path_join(&path, folder.text, "export_store_id", err))
        return false;
    return read_id(path.text, buf_text(&stands_for), out->store_id) ||
           make_id(path.text, buf_text(&stands_for), out->store_id, err);
}

/* ---- the URL ---- */

static void append_escaped(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        if (isalnum((unsigned char)*text))
            buf_append_byte(out, *text);
        else
            buf_printf(out, "%%%02X", (unsigned char)*text);
    }
}

bool export_table_url(const struct appliance *appliance, struct buf *out, struct error *err)
{
    struct appliance_secrets secrets;
    const char *source = appliance->config.export_source;
    if (!appliance_secrets(appliance, &secrets, err))
        return false;
    buf_append_text(out, source);
    if (secrets.export_db_password[0] != '\0') {
        buf_append_text(out, strchr(source, '?') == NULL ? "?password=" : "&password=");
        append_escaped(out, secrets.export_db_password);
    }
    explicit_bzero(&secrets, sizeof(secrets));
    buf_text(out);
    return buf_check(out, "EXPORT_SOURCE", err);
}
