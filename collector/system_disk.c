/* Space of each local file system, and input and output of each whole disk. Network and pseudo file systems
 * are not even asked: a dead server would make statvfs wait for ever. */
#include <stdlib.h>
#include <sys/statvfs.h>

#include "collector/proc_text.h"
#include "collector/system.h"
#include "common/os/file.h"

enum { MOUNTS_MAX = 64, DISKS_MAX = 64, BYTES_A_SECTOR = 512 };

static bool is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++) {
        if (strcmp(name, *names) == 0)
            return true;
    }
    return false;
}

/* ---- space ---- */

struct disk {
    struct system_file file;
    struct proc_mount mounts[MOUNTS_MAX];
    size_t count;
    unsigned age_samples; /* of the list */
};

static void *disk_make(struct error *err)
{
    struct disk *disk = calloc(1, sizeof(*disk));
    if (disk == NULL)
        error_set(err, ERR_MEMORY, "no memory for disk");
    else
        disk->file.fd = -1;
    return disk;
}

static void disk_free(void *part)
{
    struct disk *disk = part;
    system_file_close(&disk->file);
    free(disk);
}

static bool is_real(const struct proc_mount *mount)
{
    static const char *const local[] = {"ext2", "ext3",     "ext4",  "xfs",    "btrfs", "f2fs",
                                        "vfat", "exfat",    "ntfs",  "ntfs3",  "zfs",   "reiserfs",
                                        "jfs",  "bcachefs", "ubifs", "nilfs2", NULL};
    static const char *const root_only[] = {"overlay", "tmpfs", "squashfs", "rootfs", NULL};
    return is_one_of(mount->type, local) ||
           (strcmp(mount->point, "/") == 0 && is_one_of(mount->type, root_only));
}

/* A device that is mounted in several places counts once, where it was mounted first. */
static bool is_known(const struct disk *disk, const struct proc_mount *mount)
{
    for (size_t i = 0; i < disk->count; i++) {
        if (strcmp(disk->mounts[i].device, mount->device) == 0)
            return true;
    }
    return false;
}

static bool list_mounts(struct disk *disk, const struct system_turn *turn, struct error *err)
{
    struct proc_mount mount;
    if (!system_read(&disk->file, turn, "/proc/self/mountinfo", err))
        return false;
    struct view rest = buf_view(turn->text);
    disk->count = 0;
    while (disk->count < MOUNTS_MAX && proc_next_mount(&rest, &mount)) {
        if (is_real(&mount) && !is_known(disk, &mount))
            disk->mounts[disk->count++] = mount;
    }
    return true;
}

/* used_percent as df(1) has it: of what an ordinary user may have. */
static void put_space(const struct system_turn *turn, const struct proc_mount *mount)
{
    struct statvfs fs;
    const char *name = strcmp(mount->point, "/") == 0 ? "root" : mount->point + 1;
    if (statvfs(mount->point, &fs) != 0 || fs.f_blocks == 0)
        return;
    double block = (double)fs.f_frsize;
    double used = (double)(fs.f_blocks - fs.f_bfree);
    double reachable = used + (double)fs.f_bavail;
    system_put(turn, "B", block * (double)fs.f_blocks, "disk_%s_total", name);
    system_put(turn, "B", block * (double)fs.f_bavail, "disk_%s_free", name);
    system_put(turn, "B", block * used, "disk_%s_used", name);
    system_put(turn, "%", reachable > 0 ? 100 * used / reachable : 0, "disk_%s_used_percent", name);
}

static bool disk_sample(void *part, const struct system_turn *turn, struct error *err)
{
    struct disk *disk = part;
    if (disk->age_samples == 0 && !list_mounts(disk, turn, err))
        return false;
    disk->age_samples = (disk->age_samples + 1) % SYSTEM_RESCAN_SAMPLES;
    for (size_t i = 0; i < disk->count; i++)
        put_space(turn, &disk->mounts[i]);
    return true;
}

/* ---- input and output ---- */

struct disk_io {
    struct system_file file;
    char whole[DISKS_MAX][PROC_NAME_BYTES];
    size_t count;
    unsigned age_samples;
};

static void *disk_io_make(struct error *err)
{
    struct disk_io *io = calloc(1, sizeof(*io));
    if (io == NULL)
        error_set(err, ERR_MEMORY, "no memory for diskio");
    else
        io->file.fd = -1;
    return io;
}

static void disk_io_free(void *part)
{
    struct disk_io *io = part;
    system_file_close(&io->file);
    free(io);
}

/* Whole disks alone: partitions have no folder of their own in /sys/block, and memory is no disk. */
static bool is_whole_disk(const struct system_turn *turn, const char *name)
{
    static const char *const no_disk[] = {"loop", "ram", "zram", "sr", "fd", "nbd"};
    struct path path;
    for (size_t i = 0; i < COUNT_OF(no_disk); i++) {
        if (strncmp(name, no_disk[i], strlen(no_disk[i])) == 0)
            return false;
    }
    return path_printf(&path, NULL, "%s/sys/block/%s", turn->root, name) && access(path.text, F_OK) == 0;
}

static bool is_listed(const struct disk_io *io, const char *name)
{
    for (size_t i = 0; i < io->count; i++) {
        if (strcmp(io->whole[i], name) == 0)
            return true;
    }
    return false;
}

static void list_disks(struct disk_io *io, const struct system_turn *turn)
{
    struct view rest = buf_view(turn->text);
    struct proc_disk disk;
    io->count = 0;
    while (io->count < DISKS_MAX && proc_next_disk(&rest, &disk)) {
        if (is_whole_disk(turn, disk.name))
            memcpy(io->whole[io->count++], disk.name, sizeof(disk.name));
    }
}

static void put_io(const struct system_turn *turn, const struct proc_disk *disk)
{
    const char *name = disk->name;
    system_put(turn, "", (double)disk->reads, "diskio_%s_reads", name);
    system_put(turn, "", (double)disk->writes, "diskio_%s_writes", name);
    system_put(turn, "B", (double)disk->read_sectors * BYTES_A_SECTOR, "diskio_%s_read_bytes", name);
    system_put(turn, "B", (double)disk->written_sectors * BYTES_A_SECTOR, "diskio_%s_write_bytes", name);
    system_put(turn, "ms", (double)disk->busy_ms, "diskio_%s_io_time", name);
}

static bool disk_io_sample(void *part, const struct system_turn *turn, struct error *err)
{
    struct disk_io *io = part;
    struct proc_disk disk;
    if (!system_read(&io->file, turn, "/proc/diskstats", err))
        return false;
    if (io->age_samples == 0)
        list_disks(io, turn);
    io->age_samples = (io->age_samples + 1) % SYSTEM_RESCAN_SAMPLES;
    struct view rest = buf_view(turn->text);
    while (proc_next_disk(&rest, &disk)) {
        if (is_listed(io, disk.name))
            put_io(turn, &disk);
    }
    return true;
}

const struct system_part system_disk = {"disk", disk_make, disk_sample, disk_free};
const struct system_part system_disk_io = {"diskio", disk_io_make, disk_io_sample, disk_io_free};
