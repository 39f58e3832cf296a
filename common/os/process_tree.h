/* All that descends from a process, by /proc: to ask it, end it, or find whose it is. Knows nothing of
 * services. Threads: safe. */
#ifndef COMMON_OS_PROCESS_TREE_H
#define COMMON_OS_PROCESS_TREE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum {
    PROCESS_TREE_MAX = 4096, /* processes that one tree is looked at; a larger one takes several rounds */
    PROCESS_ANCESTORS_MAX = 1024, /* how far up an owner is looked for */
};

struct process_tree {
    pid_t pids[PROCESS_TREE_MAX]; /* parents before their children; zombies too */
    size_t count;
};

/* Whatever descends from root now, without root itself and without what lies at and below the spared ones.
 * False when /proc cannot be read. */
bool process_tree_read(pid_t root, const pid_t *spared, size_t spared_count, struct process_tree *out)
    __attribute__((warn_unused_result));

/* Sends the signal to each that is still there and whose parent is in the tree, or we: a pid that was taken
 * over by a stranger since is never hit. The caller is a subreaper (prctl(2)), so that those whose parent
 * dies of the signal become its own. Returns how many got it. */
size_t process_tree_signal(const struct process_tree *tree, int signal_number);

/* The nearest of the owners at or above pid: its index; owner_count when it is below none of them. */
size_t process_tree_owner(pid_t pid, const pid_t *owners, size_t owner_count);

#endif
