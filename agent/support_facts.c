#include "agent/support_facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>

#include "collector/telemetry_store.h"
#include "common/net/json_writer.h"
#include "updater/release.h"

enum { FILES_LOOKED_AT_MAX = 200 }; /* of a folder */

/* ---- files, without what is in them ---- */

static void write_file(struct json_writer *writer, const char *name, const struct stat *about)
{
    json_object(writer, NULL);
    json_string(writer, "name", name);
    json_i64(writer, "bytes", about->st_size);
    json_time_us(writer, "modified", (int64_t)about->st_mtime * US_PER_S);
    json_end_object(writer);
}

/* The regular files right in a folder; null when it cannot be read. */
static void write_files(struct json_writer *writer, const char *key, const char *path)
{
    SCOPE_DIR DIR *folder = opendir(path);
    const struct dirent *entry;
    int looked_at = 0;
    if (folder == NULL) {
        json_null(writer, key);
        return;
    }
    json_array(writer, key);
    while ((entry = readdir(folder)) != NULL && looked_at++ < FILES_LOOKED_AT_MAX) {
        struct stat about;
        if (fstatat(dirfd(folder), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode))
            write_file(writer, entry->d_name, &about);
    }
    json_end_array(writer);
}

/* ---- versions ---- */

static void write_releases(struct json_writer *writer, const char *root)
{
    SCOPE_FREE struct release_list *list = calloc(1, sizeof(*list));
    if (list == NULL || !release_list(root, list, NULL)) {
        json_null(writer, "releases");
        return;
    }
    json_array(writer, "releases");
    for (size_t i = 0; i < list->count; i++)
        json_string(writer, NULL, list->versions[i]);
    json_end_array(writer);
}

/* A release's programs are of one version; an odd one out shows by its size and time. */
static void write_programs(struct json_writer *writer, const struct support_scene *scene)
{
    struct path bin;
    char current[RELEASE_VERSION_BYTES];
    bool found = release_current(scene->appliance->root, current, NULL) &&
                 path_printf(&bin, NULL, "%s/releases/%s/bin", scene->appliance->root, current);
    if (found) {
        json_string(writer, "current", current);
        write_files(writer, "programs", bin.text);
    } else {
        json_null(writer, "current");
        json_null(writer, "programs");
    }
}

void support_write_versions(const struct support_scene *scene, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "product", scene->appliance->config.product);
    json_string(&writer, "agent_id", scene->agent_id);
    json_string(&writer, "agent_version", scene->appliance->version);
    json_string(&writer, "agent_built_as", TELEHAUL_VERSION);
    write_releases(&writer, scene->appliance->root);
    write_programs(&writer, scene);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

/* ---- the machine ---- */

static void write_system(struct json_writer *writer)
{
    struct utsname name;
    json_object(writer, "system");
    if (uname(&name) == 0) {
        json_string(writer, "host", name.nodename);
        json_string(writer, "kernel", name.sysname);
        json_string(writer, "release", name.release);
        json_string(writer, "version", name.version);
        json_string(writer, "architecture", name.machine);
    }
    json_i64(writer, "processors", sysconf(_SC_NPROCESSORS_ONLN));
    json_end_object(writer);
}

static void write_memory(struct json_writer *writer)
{
    struct sysinfo about;
    if (sysinfo(&about) != 0) {
        json_null(writer, "memory");
        return;
    }
    uint64_t unit = about.mem_unit;
    json_i64(writer, "uptime_s", about.uptime);
    json_u64(writer, "processes", about.procs);
    json_array(writer, "load");
    for (size_t i = 0; i < COUNT_OF(about.loads); i++)
        json_double(writer, NULL, (double)about.loads[i] / (1 << SI_LOAD_SHIFT));
    json_end_array(writer);
    json_object(writer, "memory");
    json_u64(writer, "bytes", about.totalram * unit);
    json_u64(writer, "free_bytes", about.freeram * unit);
    json_u64(writer, "buffer_bytes", about.bufferram * unit);
    json_u64(writer, "swap_bytes", about.totalswap * unit);
    json_u64(writer, "free_swap_bytes", about.freeswap * unit);
    json_end_object(writer);
}

static void write_disk(struct json_writer *writer, const char *folder)
{
    struct statvfs about;
    json_object(writer, NULL);
    json_string(writer, "folder", folder);
    if (statvfs(folder, &about) == 0) {
        json_u64(writer, "bytes", (uint64_t)about.f_blocks * about.f_frsize);
        json_u64(writer, "free_bytes", (uint64_t)about.f_bavail * about.f_frsize);
        json_u64(writer, "files", about.f_files);
        json_u64(writer, "free_files", about.f_favail);
        json_bool(writer, "read_only", (about.f_flag & ST_RDONLY) != 0);
    }
    json_end_object(writer);
}

void support_write_machine(const struct support_scene *scene, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_time_us(&writer, "time", clock_utc_us(scene->clock));
    json_i64(&writer, "agent_uptime_s",
             (clock_monotonic_us(scene->clock) - scene->agent_started_us) / US_PER_S);
    json_i64(&writer, "agent_user", geteuid());
    write_system(&writer);
    write_memory(&writer);
    json_array(&writer, "disks");
    write_disk(&writer, scene->appliance->root);
    write_disk(&writer, scene->telemetry_folder);
    json_end_array(&writer);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

/* ---- the store ---- */

static void write_number(struct json_writer *writer, sqlite3 *db, const char *key, const char *sql)
{
    int64_t number;
    if (db_query_i64(db, sql, -1, &number, NULL) && number >= 0)
        json_i64(writer, key, number);
    else
        json_null(writer, key);
}

static void write_state(struct json_writer *writer, const char *folder)
{
    struct error err = {0};
    struct store_state state;
    SCOPE_STORE_READER struct store_reader *reader = store_reader_open(folder, &err);
    if (reader == NULL || !store_reader_state(reader, &state, &err)) {
        json_null(writer, "store_id");
        json_string(writer, "problem", err.text);
        return;
    }
    json_string(writer, "store_id", store_reader_id(reader));
    json_i64(writer, "next_seq", state.next_seq);
    json_i64(writer, "readings", state.readings);
    json_time_us(writer, "oldest", state.first_time_us);
    json_time_us(writer, "newest", state.last_time_us);
}

static void write_pages(struct json_writer *writer, const char *folder)
{
    static const struct {
        const char *key, *sql;
    } numbers[] = {{"channels", "SELECT count(*) FROM channels"},
                   {"page_bytes", "PRAGMA page_size"},
                   {"pages", "PRAGMA page_count"},
                   {"free_pages", "PRAGMA freelist_count"},
                   {"schema_version", "PRAGMA schema_version"}};
    struct path path;
    SCOPE_DB sqlite3 *db = NULL;
    if (store_current_path(folder, &path, NULL) && file_size_bytes(path.text) > 0)
        db = db_open(path.text, DB_READ, NULL);
    json_string(writer, "file", db == NULL ? "" : path.text);
    for (size_t i = 0; db != NULL && i < COUNT_OF(numbers); i++)
        write_number(writer, db, numbers[i].key, numbers[i].sql);
}

void support_write_store(const struct support_scene *scene, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "folder", scene->telemetry_folder);
    write_state(&writer, scene->telemetry_folder);
    write_pages(&writer, scene->telemetry_folder);
    write_files(&writer, "files", scene->telemetry_folder);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}
