#include "agent/support_listing.h"

#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <sys/stat.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/os/file.h"

/* Folders that are being read, the outermost first. */
struct level {
    DIR *folder;
    size_t path_bytes; /* of the path up to here */
    size_t listed;
};

struct listing {
    struct level levels[SUPPORT_LISTING_DEPTH];
    int depth;                                         /* levels in use */
    char path[SUPPORT_LISTING_DEPTH * (NAME_MAX + 1)]; /* of the innermost folder, "" or with a final slash */
    size_t listed;
    struct buf *out;
};

static char letter_of(mode_t mode)
{
    static const struct {
        mode_t kind;
        char letter;
    } kinds[] = {{S_IFREG, '-'},  {S_IFDIR, 'd'}, {S_IFLNK, 'l'}, {S_IFIFO, 'p'},
                 {S_IFSOCK, 's'}, {S_IFBLK, 'b'}, {S_IFCHR, 'c'}};
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        if ((mode & S_IFMT) == kinds[i].kind)
            return kinds[i].letter;
    }
    return '?';
}

static void write_name(struct listing *listing, const char *name)
{
    char text[NAME_MAX + 1];
    size_t size = strnlen(name, NAME_MAX);
    memcpy(text, name, size);
    text[size] = '\0';
    text_make_printable(text);
    buf_append_text(listing->out, text);
}

static void write_target(struct listing *listing, int folder_fd, const char *name)
{
    char target[NAME_MAX + 1];
    ssize_t size = readlinkat(folder_fd, name, target, sizeof(target) - 1);
    target[size < 0 ? 0 : size] = '\0';
    buf_append_text(listing->out, " -> ");
    write_name(listing, target);
}

static void write_line(struct listing *listing, int folder_fd, const char *name, const struct stat *about)
{
    char time[RFC3339_S_BYTES];
    rfc3339_format_s(time, (int64_t)about->st_mtime * 1000000);
    buf_printf(listing->out, "%c%04o %u:%u %12" PRId64 " %s %s", letter_of(about->st_mode),
               (unsigned)about->st_mode & 07777U, about->st_uid, about->st_gid, (int64_t)about->st_size, time,
               listing->path);
    write_name(listing, name);
    if (S_ISLNK(about->st_mode))
        write_target(listing, folder_fd, name);
    buf_append_byte(listing->out, '\n');
}

/* fd: taken over. */
static bool enter(struct listing *listing, int fd, size_t path_bytes)
{
    DIR *folder = fdopendir(fd);
    if (folder == NULL) {
        close(fd);
        return false;
    }
    listing->levels[listing->depth++] = (struct level){.folder = folder, .path_bytes = path_bytes};
    return true;
}

static void leave(struct listing *listing)
{
    closedir(listing->levels[--listing->depth].folder);
    size_t path_bytes = listing->depth > 0 ? listing->levels[listing->depth - 1].path_bytes : 0;
    listing->path[path_bytes] = '\0';
}

/* A folder that was just listed; one that cannot be entered is only a line. */
static void descend(struct listing *listing, int parent_fd, const char *name)
{
    size_t before = strlen(listing->path);
    if (listing->depth == SUPPORT_LISTING_DEPTH) {
        buf_append_text(listing->out, "  (deeper folders are left out)\n");
        return;
    }
    int fd = openat(parent_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0)
        return;
    int size = snprintf(listing->path + before, sizeof(listing->path) - before, "%s/", name);
    text_make_printable(listing->path + before);
    if (size < 0 || (size_t)size >= sizeof(listing->path) - before ||
        !enter(listing, fd, before + (size_t)size))
        listing->path[before] = '\0';
}

static bool is_dot(const char *name)
{
    return strcmp(name, ".") == 0 || strcmp(name, "..") == 0;
}

static void list_one(struct listing *listing, const char *name)
{
    struct level *level = &listing->levels[listing->depth - 1];
    struct stat about;
    int fd = dirfd(level->folder);
    if (is_dot(name) || fstatat(fd, name, &about, AT_SYMLINK_NOFOLLOW) < 0)
        return;
    level->listed++;
    listing->listed++;
    write_line(listing, fd, name, &about);
    if (S_ISDIR(about.st_mode))
        descend(listing, fd, name);
}

static void list_all(struct listing *listing)
{
    while (listing->depth > 0 && listing->listed < SUPPORT_LISTING_MAX) {
        struct level *level = &listing->levels[listing->depth - 1];
        const struct dirent *entry = readdir(level->folder);
        if (entry != NULL && level->listed == SUPPORT_LISTING_FOLDER_MAX)
            buf_printf(listing->out, "  (more than %d files in %s: the others are left out)\n",
                       SUPPORT_LISTING_FOLDER_MAX, listing->path[0] == '\0' ? "ROOT" : listing->path);
        if (entry == NULL || level->listed == SUPPORT_LISTING_FOLDER_MAX)
            leave(listing);
        else
            list_one(listing, entry->d_name);
    }
    if (listing->depth > 0)
        buf_printf(listing->out, "  (more than %d files: the others are left out)\n", SUPPORT_LISTING_MAX);
    while (listing->depth > 0)
        leave(listing);
}

bool support_listing(int root_fd, struct buf *out, struct error *err)
{
    struct listing listing = {.out = out};
    int fd = openat(root_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || !enter(&listing, fd, 0))
        return error_set_errno(err, "ROOT");
    list_all(&listing);
    return buf_check(out, "the list of files", err);
}
