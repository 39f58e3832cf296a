#include "common/store/migrate_guard.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/attr.h"

enum { REFUSAL_BYTES = 256, SCHEMA_MAX_ROWS = 100000 };

/* One thing of a schema. */
struct schema_row {
    char *kind;  /* "object", "column", "generated", "key", "unique" */
    char *table; /* that it belongs to */
    char *name;  /* of the column; a foreign key's parent; an object's type */
    char *text;  /* all about it: equal when it did not change */
};

struct schema {
    struct schema_row *rows; /* in order of text */
    size_t count, room;
};

struct migrate_guard {
    sqlite3 *db;
    struct schema before;
    bool indexes_old_table, uses_function; /* of the statement that is being prepared */
    char refusal[REFUSAL_BYTES];           /* "": none */
};

/* ---- the schema ---- */

static const char schema_sql[] =
    "SELECT 'object', tbl_name, type,"
    "  json_array('object', type, name, tbl_name, CASE WHEN type <> 'table' THEN sql END)"
    " FROM sqlite_schema"
    " UNION ALL SELECT CASE c.hidden WHEN 0 THEN 'column' ELSE 'generated' END, m.name, c.name,"
    "  json_array('column', m.name, c.cid, c.name, c.type, c.\"notnull\", c.dflt_value, c.pk, c.hidden)"
    " FROM sqlite_schema m, pragma_table_xinfo(m.name) c WHERE m.type = 'table'"
    " UNION ALL SELECT 'key', m.name, k.\"table\","
    "  json_array('key', m.name, k.\"table\", k.seq, k.\"from\", k.\"to\", k.on_update, k.on_delete)"
    " FROM sqlite_schema m, pragma_foreign_key_list(m.name) k WHERE m.type = 'table'"
    " UNION ALL SELECT 'unique', m.name, i.name, json_array('unique', i.name)"
    " FROM sqlite_schema m, pragma_index_list(m.name) i"
    " WHERE m.type = 'table' AND i.\"unique\" AND i.origin = 'c'"
    " ORDER BY 4";

static void schema_clear(struct schema *schema)
{
    for (size_t i = 0; i < schema->count; i++) {
        free(schema->rows[i].kind);
        free(schema->rows[i].table);
        free(schema->rows[i].name);
        free(schema->rows[i].text);
    }
    free(schema->rows);
    *schema = (struct schema){.rows = NULL};
}

static bool schema_grow(struct schema *schema, struct error *err)
{
    if (schema->count < schema->room)
        return true;
    if (schema->room >= SCHEMA_MAX_ROWS)
        return error_set(err, ERR_LIMIT, "a schema of more than %d columns and indexes", SCHEMA_MAX_ROWS);
    enum { FIRST_ROOM = 64 };
    size_t room = schema->room == 0 ? FIRST_ROOM : 2 * schema->room;
    struct schema_row *rows = realloc(schema->rows, room * sizeof(*rows));
    if (rows == NULL)
        return error_set(err, ERR_MEMORY, "no memory left to compare schemas");
    schema->rows = rows;
    schema->room = room;
    return true;
}

static char *column_copy(sqlite3_stmt *stmt, int column)
{
    const char *text = db_column_text(stmt, column);
    return strdup(text == NULL ? "" : text);
}

static bool schema_add(struct schema *schema, sqlite3_stmt *stmt, struct error *err)
{
    if (!schema_grow(schema, err) || schema->rows == NULL)
        return false;
    struct schema_row row = {column_copy(stmt, 0), column_copy(stmt, 1), column_copy(stmt, 2),
                             column_copy(stmt, 3)};
    schema->rows[schema->count++] = row;
    return (row.kind != NULL && row.table != NULL && row.name != NULL && row.text != NULL) ||
           error_set(err, ERR_MEMORY, "no memory left to compare schemas");
}

static bool schema_read(sqlite3 *db, struct schema *out, struct error *err)
{
    SCOPE_STMT sqlite3_stmt *stmt = db_prepare(db, schema_sql, err);
    if (stmt == NULL)
        return false;
    for (;;) {
        enum db_step step = db_step(stmt, err);
        if (step != DB_STEP_ROW)
            return step == DB_STEP_DONE;
        if (!schema_add(out, stmt, err))
            return false;
    }
}

static int by_text(const void *a, const void *b)
{
    return strcmp(((const struct schema_row *)a)->text, ((const struct schema_row *)b)->text);
}

static bool schema_has(const struct schema *schema, const struct schema_row *row)
{
    return schema->count > 0 &&
           bsearch(row, schema->rows, schema->count, sizeof(*schema->rows), by_text) != NULL;
}

static bool has_table(const struct schema *schema, const char *table)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_row *row = &schema->rows[i];
        if (strcmp(row->kind, "object") == 0 && strcmp(row->name, "index") != 0 &&
            sqlite3_stricmp(row->table, table) == 0)
            return true;
    }
    return false;
}

static bool has_column(const struct schema *schema, const char *table, const char *column)
{
    for (size_t i = 0; i < schema->count; i++) {
        const struct schema_row *row = &schema->rows[i];
        bool is_column = strcmp(row->kind, "column") == 0 || strcmp(row->kind, "generated") == 0;
        if (is_column && sqlite3_stricmp(row->table, table) == 0 && sqlite3_stricmp(row->name, column) == 0)
            return true;
    }
    return false;
}

/* ---- the authorizer: sqlite3_set_authorizer's two words are of a statement's object ---- */

static int refuse(struct migrate_guard *guard, const char *what, const char *object)
{
    if (guard->refusal[0] == '\0')
        snprintf(guard->refusal, sizeof(guard->refusal), "%s%s%s", what, object == NULL ? "" : " ",
                 object == NULL ? "" : object);
    return SQLITE_DENY;
}

static bool is_schema_table(const char *table)
{
    return strcmp(table, "sqlite_master") == 0 || strcmp(table, "sqlite_schema") == 0;
}

static bool is_own_table(const char *table)
{
    return sqlite3_strnicmp(table, "sqlite_", sizeof("sqlite_") - 1) == 0;
}

static int allow(struct migrate_guard *guard, const char *one, const char *other)
{
    (void)guard;
    (void)one;
    (void)other;
    return SQLITE_OK;
}

static int check_function(struct migrate_guard *guard, const char *one, const char *name)
{
    static const char *const reach_out[] = {"load_extension", "fts3_tokenizer"};
    (void)one;
    guard->uses_function = true;
    for (size_t i = 0; i < COUNT_OF(reach_out); i++) {
        if (sqlite3_stricmp(name, reach_out[i]) == 0)
            return refuse(guard, "calls", name);
    }
    return SQLITE_OK;
}

static int check_index(struct migrate_guard *guard, const char *index, const char *table)
{
    (void)index;
    guard->indexes_old_table = guard->indexes_old_table || has_table(&guard->before, table);
    return SQLITE_OK;
}

static int check_insert(struct migrate_guard *guard, const char *table, const char *other)
{
    (void)other;
    if (is_schema_table(table)) /* how SQLite itself adds; by hand it refuses */
        return SQLITE_OK;
    bool is_old = is_own_table(table) || has_table(&guard->before, table);
    return is_old ? refuse(guard, "adds rows to", table) : SQLITE_OK;
}

static int check_update(struct migrate_guard *guard, const char *table, const char *column)
{
    if (is_schema_table(table))
        return SQLITE_OK;
    bool is_old =
        is_own_table(table) || (has_table(&guard->before, table) &&
                                (strcmp(column, "ROWID") == 0 || has_column(&guard->before, table, column)));
    return is_old ? refuse(guard, "rewrites a column of", table) : SQLITE_OK;
}

static int check_delete(struct migrate_guard *guard, const char *table, const char *other)
{
    (void)other;
    if (is_schema_table(table)) /* a part of DROP, which is asked about next */
        return SQLITE_OK;
    bool is_old = is_own_table(table) || has_table(&guard->before, table);
    return is_old ? refuse(guard, "deletes from", table) : SQLITE_OK;
}

struct act {
    int code;
    int (*check)(struct migrate_guard *guard, const char *one, const char *other); /* NULL: refused */
    const char *what;
};

static const struct act acts[] = {
    {SQLITE_SELECT, allow, NULL},
    {SQLITE_READ, allow, NULL},
    {SQLITE_RECURSIVE, allow, NULL},
    {SQLITE_CREATE_TABLE, allow, NULL},
    {SQLITE_CREATE_VIEW, allow, NULL},
    {SQLITE_CREATE_INDEX, check_index, NULL},
    {SQLITE_REINDEX, allow, NULL},     /* a new index is filled by it */
    {SQLITE_ALTER_TABLE, allow, NULL}, /* what it did is looked at in the end */
    {SQLITE_FUNCTION, check_function, NULL},
    {SQLITE_INSERT, check_insert, NULL},
    {SQLITE_UPDATE, check_update, NULL},
    {SQLITE_DELETE, check_delete, NULL},
    {SQLITE_DROP_TABLE, NULL, "drops the table"},
    {SQLITE_DROP_VIEW, NULL, "drops the view"},
    {SQLITE_DROP_INDEX, NULL, "drops the index"},
    {SQLITE_DROP_TRIGGER, NULL, "drops the trigger"},
    {SQLITE_DROP_VTABLE, NULL, "drops the virtual table"},
    {SQLITE_CREATE_TRIGGER, NULL, "makes the trigger"},
    {SQLITE_CREATE_VTABLE, NULL, "makes the virtual table"},
    {SQLITE_CREATE_TEMP_TABLE, NULL, "makes the temporary table"},
    {SQLITE_CREATE_TEMP_VIEW, NULL, "makes the temporary view"},
    {SQLITE_CREATE_TEMP_INDEX, NULL, "makes the temporary index"},
    {SQLITE_CREATE_TEMP_TRIGGER, NULL, "makes the temporary trigger"},
    {SQLITE_ATTACH, NULL, "attaches"},
    {SQLITE_DETACH, NULL, "detaches"},
    {SQLITE_PRAGMA, NULL, "has a CHECK in a new column, or sets PRAGMA"},
    {SQLITE_TRANSACTION, NULL, "has a transaction of its own:"},
    {SQLITE_SAVEPOINT, NULL, "has a savepoint of its own:"},
    {SQLITE_ANALYZE, NULL, "analyzes"},
};

static const struct act *find_act(int code)
{
    static const struct act unknown = {0, NULL, "does something that is no addition"};
    for (size_t i = 0; i < COUNT_OF(acts); i++) {
        if (acts[i].code == code)
            return &acts[i];
    }
    return &unknown;
}

static int authorize(void *context, int code, const char *one, const char *other, const char *database,
                     const char *trigger)
{
    (void)trigger;
    struct migrate_guard *guard = context;
    const struct act *act = find_act(code);
    if (act->check == NULL)
        return refuse(guard, act->what, one);
    if (code == SQLITE_ALTER_TABLE && database != NULL) /* there it is no database */
        return refuse(guard, "drops the column", database);
    if (database != NULL && strcmp(database, "main") != 0 && code != SQLITE_READ && code != SQLITE_FUNCTION)
        return refuse(guard, "renames, or reaches for another database:", database);
    return act->check(guard, one == NULL ? "" : one, other == NULL ? "" : other);
}

/* ---- from begin to end ---- */

struct migrate_guard *migrate_guard_begin(sqlite3 *db, struct error *err)
{
    SCOPE_MIGRATE_GUARD struct migrate_guard *guard = calloc(1, sizeof(*guard));
    if (guard == NULL) {
        error_set(err, ERR_MEMORY, "no memory left to watch a migration");
        return NULL;
    }
    guard->db = db;
    if (!schema_read(db, &guard->before, err))
        return NULL;
    sqlite3_set_authorizer(db, authorize, guard);
    return POINTER_TAKE(guard);
}

static bool refused(const char *what, const char *object, struct error *err)
{
    return error_refuse(
        err, ERR_INPUT, "bad_migration",
        "it %s%s%s; a migration only adds (CREATE TABLE, VIEW, non-unique INDEX, ADD COLUMN) and"
        " fills what it added",
        what, object[0] == '\0' ? "" : " ", object);
}

bool migrate_guard_check(struct migrate_guard *guard, struct error *err)
{
    bool may_fail = guard->indexes_old_table && guard->uses_function; /* with the old version's rows */
    guard->indexes_old_table = false;
    guard->uses_function = false;
    if (guard->refusal[0] != '\0')
        return refused(guard->refusal, "", err);
    return !may_fail || refused("indexes a function of an older table's rows", "", err);
}

/* A row of the schema that was not there before. */
static bool check_new_row(const struct schema *before, const struct schema_row *row, struct error *err)
{
    bool is_old = has_table(before, row->table);
    if (strcmp(row->kind, "unique") == 0)
        return refused("makes the unique index", row->name, err);
    if (is_old && strcmp(row->kind, "generated") == 0)
        return refused("adds the generated column", row->name, err);
    if (strcmp(row->kind, "key") == 0 && (is_old || has_table(before, row->name)))
        return refused("ties with a foreign key rows of", is_old ? row->table : row->name, err);
    return true;
}

static bool compare(const struct schema *before, const struct schema *after, struct error *err)
{
    for (size_t i = 0; i < before->count; i++) {
        if (!schema_has(after, &before->rows[i]))
            return refused("changes, renames or drops something of", before->rows[i].table, err);
    }
    for (size_t i = 0; i < after->count; i++) {
        if (!schema_has(before, &after->rows[i]) && !check_new_row(before, &after->rows[i], err))
            return false;
    }
    return true;
}

bool migrate_guard_end(struct migrate_guard *guard, struct error *err)
{
    sqlite3_set_authorizer(guard->db, NULL, NULL);
    if (!migrate_guard_check(guard, err))
        return false;
    struct schema after = {.rows = NULL};
    bool holds = schema_read(guard->db, &after, err) && compare(&guard->before, &after, err);
    schema_clear(&after);
    return holds;
}

void migrate_guard_free(struct migrate_guard *guard)
{
    if (guard == NULL)
        return;
    sqlite3_set_authorizer(guard->db, NULL, NULL);
    schema_clear(&guard->before);
    free(guard);
}
