#include "common/os/process_tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>

#include "common/base/buf.h"
#include "common/base/text.h"

enum {
    STAT_HEAD_BYTES = 512, /* of /proc/<pid>/stat: all that is read */
    STAT_PATH_BYTES = 32,
    PROCESSES_MAX_BYTES = 64 * 1024 * 1024,
};

struct process {
    pid_t pid;
    pid_t parent;
    bool taken; /* in the tree already, or spared */
};

/* /proc/<pid>/stat: `<pid> (<name>) <state> <parent> ...`, where the name may hold anything. */
static bool read_process(pid_t pid, struct process *out)
{
    char path[STAT_PATH_BYTES];
    char text[STAT_HEAD_BYTES];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    SCOPE_FD int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (size <= 0)
        return false;
    text[size] = '\0';
    const char *name_end = strrchr(text, ')');
    int parent;
    if (name_end == NULL || sscanf(name_end, ") %*c %d", &parent) != 1)
        return false;
    *out = (struct process){.pid = pid, .parent = (pid_t)parent};
    return true;
}

/* Every process of the machine, as structs in a row. */
static bool read_all(struct buf *out)
{
    SCOPE_DIR DIR *folder = opendir("/proc");
    if (folder == NULL)
        return false;
    for (const struct dirent *entry; (entry = readdir(folder)) != NULL;) {
        uint64_t pid;
        struct process process;
        if (text_parse_u64(view_of(entry->d_name), INT32_MAX, &pid) && read_process((pid_t)pid, &process))
            buf_append(out, &process, sizeof(process));
    }
    return buf_check(out, "the list of processes", NULL);
}

static bool is_one_of(pid_t pid, const pid_t *pids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (pids[i] == pid)
            return true;
    }
    return false;
}

/* Appends the children of one process that are not in the tree yet. */
static void add_children(struct process *all, size_t count, pid_t parent, struct process_tree *tree)
{
    for (size_t i = 0; i < count && tree->count < PROCESS_TREE_MAX; i++) {
        if (all[i].parent != parent || all[i].taken)
            continue;
        all[i].taken = true;
        tree->pids[tree->count++] = all[i].pid;
    }
}

bool process_tree_read(pid_t root, const pid_t *spared, size_t spared_count, struct process_tree *out)
{
    SCOPE_BUF struct buf bytes = BUF_LIMIT(PROCESSES_MAX_BYTES);
    if (!read_all(&bytes))
        return false;
    struct process *all = (struct process *)(void *)bytes.data;
    size_t count = bytes.size / sizeof(*all);
    for (size_t i = 0; i < count; i++)
        all[i].taken = all[i].pid == root || is_one_of(all[i].pid, spared, spared_count);
    out->count = 0;
    add_children(all, count, root, out);
    for (size_t i = 0; i < out->count; i++)
        add_children(all, count, out->pids[i], out);
    return true;
}

size_t process_tree_signal(const struct process_tree *tree, int signal_number)
{
    size_t sent = 0;
    for (size_t i = 0; i < tree->count; i++) {
        pid_t pid = tree->pids[i];
        SCOPE_FD int fd = pidfd_open(pid, 0);
        bool no_pidfds = fd < 0 && errno == ENOSYS;
        struct process now;
        if ((fd < 0 && !no_pidfds) || !read_process(pid, &now))
            continue;
        /* it was in the tree a moment ago; a stranger under the same pid has a parent outside */
        bool ours = now.parent == getpid() || is_one_of(now.parent, tree->pids, tree->count);
        /* Linux before 5.3, and some sandboxes: between the look and the signal a stranger could take the pid
         */
        if (ours &&
            (no_pidfds ? kill(pid, signal_number) : pidfd_send_signal(fd, signal_number, NULL, 0)) == 0)
            sent++;
    }
    return sent;
}

size_t process_tree_owner(pid_t pid, const pid_t *owners, size_t owner_count)
{
    for (int level = 0; pid > 1 && level < PROCESS_ANCESTORS_MAX; level++) {
        for (size_t i = 0; i < owner_count; i++) {
            if (owners[i] == pid)
                return i;
        }
        struct process process;
        if (!read_process(pid, &process))
            break;
        pid = process.parent;
    }
    return owner_count;
}
