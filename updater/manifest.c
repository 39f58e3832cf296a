#include "updater/manifest.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/net/json.h"
#include "common/store/migrate.h"

/* What is read, and where the strings go: never more bytes than the text has, for each has two quotes there
 * and one NUL here. */
struct parser {
    struct manifest *out;
    size_t room, used;
    struct error *err;
};

static bool bad(struct error *err, const char *what)
{
    return error_refuse(err, ERR_INPUT, "bad_manifest", "manifest.json: %s", what);
}

static bool bad_member(struct error *err, const char *key, const char *expected)
{
    return error_refuse(err, ERR_INPUT, "bad_manifest", "manifest.json: member `%s`: expected %s", key,
                        expected);
}

/* An error of the JSON reader. */
static bool bad_json(struct error *err, const struct error *cause)
{
    if (cause->code == ERR_MEMORY)
        return error_set(err, ERR_MEMORY, "manifest.json: %s", cause->text);
    return bad(err, cause->text);
}

static bool only_members(struct json_value object, const char *const *names, struct error *err)
{
    struct error cause = {0};
    if (json_only_members(object, names, &cause))
        return true;
    return bad_json(err, &cause);
}

/* ---- single members ---- */

static bool take_string(struct parser *parser, struct json_value value, const char *key, const char **out)
{
    char *to = parser->out->strings + parser->used;
    if (!json_get_string(value, to, parser->room - parser->used))
        return bad_member(parser->err, key, "a string without U+0000");
    parser->used += strlen(to) + 1;
    *out = to;
    return true;
}

/* The member as text of at most out_bytes - 1 bytes; "" when it is missing. */
static bool take_text(const struct parser *parser, struct json_value object, const char *key, char *out,
                      size_t out_bytes, const char *expected)
{
    struct json_value value = json_member(object, key);
    if (!json_present(value)) {
        out[0] = '\0';
        return true;
    }
    if (json_get_string(value, out, out_bytes) && out[0] != '\0')
        return true;
    return bad_member(parser->err, key, expected);
}

static bool take_version(const struct parser *parser, struct json_value object, const char *key,
                         char out[RELEASE_VERSION_BYTES])
{
    static const char expected[] = "a SemVer 2.0 of at most 63 characters";
    if (!take_text(parser, object, key, out, RELEASE_VERSION_BYTES, expected))
        return false;
    return out[0] == '\0' || release_version_ok(out) || bad_member(parser->err, key, expected);
}

static bool is_hash(const char *text)
{
    return strlen(text) == MANIFEST_SHA256_BYTES - 1 &&
           strspn(text, "0123456789abcdef") == MANIFEST_SHA256_BYTES - 1;
}

static bool take_hash(const struct parser *parser, struct json_value object, const char *key,
                      char out[MANIFEST_SHA256_BYTES])
{
    struct json_value value = json_member(object, key);
    return (json_get_string(value, out, MANIFEST_SHA256_BYTES) && is_hash(out)) ||
           bad_member(parser->err, key, "64 lowercase hex digits");
}

static bool take_size(struct parser *parser, struct json_value object, int64_t max, int64_t *out)
{
    if (!json_get_i64(json_member(object, "size"), 0, max, out))
        return bad_member(parser->err, "size", "a whole number of bytes within bounds");
    parser->out->bytes += *out;
    return parser->out->bytes <= MANIFEST_MAX_CONTENT_BYTES ||
           bad(parser->err, "all files together are larger than 1 TiB");
}

/* fallback: of a missing member; INT64_MIN: it must be there. */
static bool take_time(const struct parser *parser, struct json_value object, const char *key,
                      int64_t fallback, int64_t *out)
{
    char text[RFC3339_US_BYTES + sizeof("+00:00000")];
    struct json_value value = json_member(object, key);
    if (!json_present(value) && fallback != INT64_MIN) {
        *out = fallback;
        return true;
    }
    return (json_get_string(value, text, sizeof(text)) && rfc3339_parse_us(view_of(text), out)) ||
           bad_member(parser->err, key, "a time such as 2026-02-22T10:00:00Z");
}

/* ---- the lists ---- */

static bool take_path(struct parser *parser, struct json_value value, const char **out)
{
    return take_string(parser, value, "path", out) && manifest_path_check(*out, parser->err);
}

static bool take_mode(const struct parser *parser, struct json_value object, mode_t *out)
{
    static const struct {
        const char *text;
        mode_t mode;
    } modes[] = {{"0755", 0755}, {"0644", 0644}};
    char text[sizeof("0755")];
    bool is_text = json_get_string(json_member(object, "mode"), text, sizeof(text));
    for (size_t i = 0; i < COUNT_OF(modes) && is_text; i++) {
        if (strcmp(text, modes[i].text) == 0) {
            *out = modes[i].mode;
            return true;
        }
    }
    return bad_member(parser->err, "mode", "\"0755\" or \"0644\"");
}

static bool take_file(struct parser *parser, struct json_value object)
{
    static const char *const members[] = {"path", "sha256", "size", "mode", NULL};
    struct manifest_file file = {.path = NULL};
    if (!only_members(object, members, parser->err) ||
        !take_path(parser, json_member(object, "path"), &file.path) ||
        !take_hash(parser, object, "sha256", file.sha256) ||
        !take_size(parser, object, MANIFEST_MAX_CONTENT_BYTES, &file.size) ||
        !take_mode(parser, object, &file.mode))
        return false;
    parser->out->files[parser->out->file_count++] = file;
    return true;
}

static bool take_migration(struct parser *parser, struct json_value object)
{
    static const char *const members[] = {"name", "sha256", "size", NULL};
    struct manifest_migration migration = {.name = NULL};
    if (!only_members(object, members, parser->err) ||
        !take_string(parser, json_member(object, "name"), "name", &migration.name))
        return false;
    if (!migration_name_ok(view_of(migration.name)))
        return bad_member(parser->err, "name", "a name such as 0012_add_alarms.sql");
    if (!take_hash(parser, object, "sha256", migration.sha256) ||
        !take_size(parser, object, MIGRATION_MAX_BYTES, &migration.size))
        return false;
    parser->out->migrations[parser->out->migration_count++] = migration;
    return true;
}

static bool take_removal(struct parser *parser, struct json_value value)
{
    return take_path(parser, value, &parser->out->removals[parser->out->removal_count]) &&
           ++parser->out->removal_count > 0;
}

static bool take_list(struct parser *parser, struct json_value list,
                      bool (*take)(struct parser *parser, struct json_value value))
{
    struct json_value at = {NULL, 0};
    while (json_next(list, &at, NULL)) {
        if (!take(parser, at))
            return false;
    }
    return true;
}

static bool is_list(struct json_value value)
{
    return json_present(value) && json_type_of(value) == JSON_ARRAY;
}

static bool make_room(struct parser *parser, struct json_value files, struct json_value migrations,
                      struct json_value removals)
{
    struct manifest *out = parser->out;
    size_t count = json_count(files) + json_count(migrations) + json_count(removals);
    if (count > MANIFEST_MAX_ENTRIES)
        return error_refuse(parser->err, ERR_INPUT, "too_many_entries",
                            "manifest.json: more than 20,000 files, migrations and removals");
    out->files = calloc(json_count(files) + 1, sizeof(*out->files));
    out->migrations = calloc(json_count(migrations) + 1, sizeof(*out->migrations));
    out->removals = calloc(json_count(removals) + 1, sizeof(*out->removals));
    return (out->files != NULL && out->migrations != NULL && out->removals != NULL) ||
           error_set(parser->err, ERR_MEMORY, "no memory left for a manifest of %zu entries", count);
}

static bool take_lists(struct parser *parser, struct json_value root)
{
    struct json_value files = json_member(root, "files");
    struct json_value migrations = json_member(root, "migrations");
    struct json_value removals = json_member(root, "remove");
    if (!is_list(files) || !is_list(migrations) || (json_present(removals) && !is_list(removals)))
        return bad(parser->err, "`files`, `migrations` and `remove` are lists, and only `remove` may miss");
    return make_room(parser, files, migrations, removals) && take_list(parser, files, take_file) &&
           take_list(parser, migrations, take_migration) && take_list(parser, removals, take_removal);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct manifest_migration *)a)->name, ((const struct manifest_migration *)b)->name);
}

/* Into their order; each number once. */
static bool sort_migrations(struct manifest *manifest, struct error *err)
{
    enum { NUMBER_DIGITS = 4 };
    struct manifest_migration *all = manifest->migrations;
    qsort(all, manifest->migration_count, sizeof(*all), by_name);
    for (size_t i = 1; i < manifest->migration_count; i++) {
        if (strncmp(all[i - 1].name, all[i].name, NUMBER_DIGITS) == 0)
            return error_refuse(err, ERR_INPUT, "bad_migration", "migrations %s and %s have one number",
                                all[i - 1].name, all[i].name);
    }
    return true;
}

static bool check_paths(const struct manifest *manifest, struct error *err)
{
    size_t count = manifest->file_count + manifest->removal_count;
    SCOPE_FREE const char **paths = calloc(count + 1, sizeof(*paths));
    if (paths == NULL)
        return error_set(err, ERR_MEMORY, "no memory left to compare %zu paths", count);
    for (size_t i = 0; i < manifest->file_count; i++)
        paths[i] = manifest->files[i].path;
    for (size_t i = 0; i < manifest->removal_count; i++)
        paths[manifest->file_count + i] = manifest->removals[i];
    return manifest_paths_apart(paths, count, err);
}

/* ---- the whole ---- */

static bool take_base(struct parser *parser, struct json_value base)
{
    static const char *const members[] = {"version", "tree_sha256", NULL};
    if (!json_present(base))
        return true;
    return (json_type_of(base) == JSON_OBJECT || bad_member(parser->err, "base", "an object")) &&
           only_members(base, members, parser->err) &&
           take_version(parser, base, "version", parser->out->base_version) &&
           take_hash(parser, base, "tree_sha256", parser->out->base_tree);
}

static bool take_head(struct parser *parser, struct json_value root)
{
    static const char *const members[] = {"format",     "product",    "version", "min_version",
                                          "base",       "created_at", "notes",   "expires_at",
                                          "migrations", "files",      "remove",  NULL};
    struct manifest *out = parser->out;
    int64_t format;
    if (json_type_of(root) != JSON_OBJECT)
        return bad(parser->err, "expected an object");
    if (!json_get_i64(json_member(root, "format"), MANIFEST_FORMAT, MANIFEST_FORMAT, &format))
        return bad_member(parser->err, "format", "1: this version knows no other format");
    if (!only_members(root, members, parser->err) ||
        !take_text(parser, root, "product", out->product, sizeof(out->product), "1 to 64 bytes") ||
        !take_version(parser, root, "version", out->version) ||
        !take_version(parser, root, "min_version", out->min_version) ||
        !take_time(parser, root, "created_at", INT64_MIN, &out->created_us) ||
        !take_time(parser, root, "expires_at", INT64_MAX, &out->expires_us))
        return false;
    if (out->product[0] == '\0' || out->version[0] == '\0')
        return bad(parser->err, "`product` and `version` must be there");
    return take_base(parser, json_member(root, "base")) &&
           take_string(parser, json_member(root, "notes"), "notes", &out->notes) &&
           (strlen(out->notes) <= MANIFEST_NOTES_MAX_BYTES ||
            bad_member(parser->err, "notes", "at most 64 KiB"));
}

static bool parse(struct parser *parser, struct view text)
{
    struct error cause = {0};
    SCOPE_JSON struct json *json = json_parse(text, MANIFEST_MAX_BYTES, &cause);
    if (json == NULL)
        return bad_json(parser->err, &cause);
    parser->room = text.size;
    parser->out->strings = malloc(text.size);
    if (parser->out->strings == NULL)
        return error_set(parser->err, ERR_MEMORY, "no memory left for a manifest");
    struct json_value root = json_root(json);
    return take_head(parser, root) && take_lists(parser, root) && sort_migrations(parser->out, parser->err) &&
           check_paths(parser->out, parser->err);
}

struct manifest *manifest_parse(struct view text, struct error *err)
{
    struct manifest *manifest = calloc(1, sizeof(*manifest));
    struct parser parser = {.out = manifest, .err = err};
    if (manifest == NULL)
        error_set(err, ERR_MEMORY, "no memory left for a manifest");
    else if (parse(&parser, text))
        return manifest;
    manifest_free(manifest);
    return NULL;
}

void manifest_free(struct manifest *manifest)
{
    if (manifest == NULL)
        return;
    free(manifest->files);
    free(manifest->migrations);
    free(manifest->removals);
    free(manifest->strings);
    free(manifest);
}
