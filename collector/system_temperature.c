/* Temperatures: the hwmon chips of /sys/class/hwmon (temp1_input ... in thousandths of a degree, the kernel's
 * Documentation/hwmon/sysfs-interface.rst), and thermal zones. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "collector/proc_text.h"
#include "collector/system.h"
#include "common/base/text.h"
#include "common/os/file.h"

enum { SENSORS_MAX = 128, SENSOR_PATH_BYTES = 160, ENTRIES_MAX = 1024 };

struct sensor {
    char name[PROC_NAME_BYTES]; /* coretemp_core_0 */
    char path[SENSOR_PATH_BYTES];
    struct system_file file;
};

struct temperature {
    struct sensor sensors[SENSORS_MAX];
    size_t count;
    unsigned age_samples;
};

static void *temperature_make(struct error *err)
{
    struct temperature *part = calloc(1, sizeof(*part));
    if (part == NULL)
        error_set(err, ERR_MEMORY, "no memory for temperatures");
    return part;
}

static void forget_sensors(struct temperature *part)
{
    for (size_t i = 0; i < part->count; i++)
        system_file_close(&part->sensors[i].file);
    part->count = 0;
}

static void temperature_free(void *part)
{
    forget_sensors(part);
    free(part);
}

/* A one-line file of /sys, without its LF; "" when it cannot be read. */
static void read_line(const struct system_turn *turn, const char *path, char out[PROC_NAME_BYTES])
{
    struct system_file file = SYSTEM_FILE_NONE;
    out[0] = '\0';
    if (system_read(&file, turn, path, NULL)) {
        struct view text = buf_view(turn->text);
        struct view line = text_trim(text_cut(&text, '\n'));
        if (line.size >= PROC_NAME_BYTES)
            line.size = PROC_NAME_BYTES - 1;
        (void)!text_copy(out, PROC_NAME_BYTES, line);
    }
    system_file_close(&file);
}

/* Two chips of one kind: the second's sensors end in _2. */
static void add_sensor(struct temperature *part, const char *name, const char *path)
{
    if (part->count == SENSORS_MAX || strlen(path) >= SENSOR_PATH_BYTES)
        return;
    struct sensor *sensor = &part->sensors[part->count];
    sensor->file.fd = -1;
    snprintf(sensor->path, sizeof(sensor->path), "%s", path);
    snprintf(sensor->name, sizeof(sensor->name), "%.48s", name);
    for (size_t same = 2, i = 0; i < part->count; i++) {
        if (strcmp(part->sensors[i].name, sensor->name) == 0) {
            snprintf(sensor->name, sizeof(sensor->name), "%.48s_%zu", name, same++);
            i = (size_t)-1; /* from the start: that name may be taken too */
        }
    }
    part->count++;
}

/* Calls found for each entry of the folder, in the order of their names, so that numbers stay the same. */
static void each_entry(struct temperature *part, const struct system_turn *turn, const char *folder,
                       void (*found)(struct temperature *part, const struct system_turn *turn,
                                     const char *folder, const char *entry))
{
    struct path full;
    struct dirent **entries;
    if (!path_printf(&full, NULL, "%s%s", turn->root, folder))
        return;
    int count = scandir(full.text, &entries, NULL, versionsort);
    for (int i = 0; i < count; i++) {
        if (i < ENTRIES_MAX && entries[i]->d_name[0] != '.')
            found(part, turn, folder, entries[i]->d_name);
        free(entries[i]);
    }
    if (count >= 0)
        free(entries);
}

static void found_input(struct temperature *part, const struct system_turn *turn, const char *folder,
                        const char *entry)
{
    struct path path;
    char chip[PROC_NAME_BYTES];
    char label[PROC_NAME_BYTES];
    char name[2 * PROC_NAME_BYTES];
    int number = 0;
    int end = 0;
    if (sscanf(entry, "temp%d_input%n", &number, &end) != 1 || end == 0 || entry[end] != '\0')
        return;
    if (!path_printf(&path, NULL, "%s/name", folder))
        return;
    read_line(turn, path.text, chip);
    if (!path_printf(&path, NULL, "%s/temp%d_label", folder, number))
        return;
    read_line(turn, path.text, label);
    if (label[0] != '\0')
        snprintf(name, sizeof(name), "%s_%s", chip, label);
    else
        snprintf(name, sizeof(name), "%s_%d", chip, number);
    if (path_printf(&path, NULL, "%s/%s", folder, entry))
        add_sensor(part, name, path.text);
}

static void found_chip(struct temperature *part, const struct system_turn *turn, const char *folder,
                       const char *entry)
{
    struct path path;
    if (path_printf(&path, NULL, "%s/%s", folder, entry))
        each_entry(part, turn, path.text, found_input);
}

static void found_zone(struct temperature *part, const struct system_turn *turn, const char *folder,
                       const char *entry)
{
    struct path path;
    char type[PROC_NAME_BYTES];
    char name[2 * PROC_NAME_BYTES];
    if (strncmp(entry, "thermal_zone", 12) != 0 || !path_printf(&path, NULL, "%s/%s/type", folder, entry))
        return;
    read_line(turn, path.text, type);
    snprintf(name, sizeof(name), "zone_%s", type[0] == '\0' ? entry + 12 : type);
    if (path_printf(&path, NULL, "%s/%s/temp", folder, entry))
        add_sensor(part, name, path.text);
}

/* A machine without sensors has no temperatures, and that is no failure; a sensor that cannot be read is left
 * out. */
static bool temperature_sample(void *arg, const struct system_turn *turn, struct error *err)
{
    (void)err;
    struct temperature *part = arg;
    if (part->age_samples == 0) {
        forget_sensors(part);
        each_entry(part, turn, "/sys/class/hwmon", found_chip);
        each_entry(part, turn, "/sys/class/thermal", found_zone);
    }
    part->age_samples = (part->age_samples + 1) % SYSTEM_RESCAN_SAMPLES;
    for (size_t i = 0; i < part->count; i++) {
        struct sensor *sensor = &part->sensors[i];
        int64_t thousandths;
        if (!system_read(&sensor->file, turn, sensor->path, NULL))
            continue;
        struct view rest = buf_view(turn->text);
        if (text_parse_i64(text_trim(text_cut(&rest, '\n')), INT32_MIN, INT32_MAX, &thousandths))
            system_put(turn, "degC", (double)thousandths / 1000, "temp_%s", sensor->name);
    }
    return true;
}

const struct system_part system_temperature = {"temp", temperature_make, temperature_sample,
                                               temperature_free};
