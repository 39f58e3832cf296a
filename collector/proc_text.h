/* The texts of /proc as structs: pure functions, no files. Sources: proc(5), the kernel's
 * Documentation/admin-guide/iostats.rst. A text that is not what it should be gives false or is skipped, line
 * by line. Threads: safe. */
#ifndef COLLECTOR_PROC_TEXT_H
#define COLLECTOR_PROC_TEXT_H

#include <stdint.h>

#include "common/base/attr.h"
#include "common/base/view.h"

enum { PROC_NAME_BYTES = 64, PROC_PATH_BYTES = 256, PROC_CPU_MODES = 10 };

/* /proc/stat */
struct proc_stat {
    uint64_t cpu[PROC_CPU_MODES]; /* ticks since boot: user nice system idle iowait irq softirq steal guest
                                     guest_nice; those an old kernel has not are 0 */
    uint64_t interrupts, context_switches, forks, running, blocked;
};
extern const char *const proc_cpu_mode_names[PROC_CPU_MODES];
bool proc_parse_stat(struct view text, struct proc_stat *out) MUST_USE;

/* /proc/meminfo, in bytes */
struct proc_memory {
    uint64_t total, free, available, buffers, cached, swap_total, swap_free;
};
bool proc_parse_meminfo(struct view text, struct proc_memory *out) MUST_USE;

/* /proc/loadavg */
struct proc_load {
    double load1, load5, load15;
    uint64_t threads;
};
bool proc_parse_loadavg(struct view text, struct proc_load *out) MUST_USE;

/* /proc/uptime */
bool proc_parse_uptime(struct view text, double *seconds) MUST_USE;

/* /proc/diskstats: the next line that is whole. False at the end. */
struct proc_disk {
    char name[PROC_NAME_BYTES];
    uint64_t reads, read_sectors, writes, written_sectors; /* a sector is 512 bytes here */
    uint64_t busy_ms;
};
bool proc_next_disk(struct view *rest, struct proc_disk *out) MUST_USE;

/* /proc/net/dev */
struct proc_net {
    char name[PROC_NAME_BYTES];
    uint64_t received_bytes, received_packets, receive_errors, receive_drops;
    uint64_t sent_bytes, sent_packets, send_errors, send_drops;
};
bool proc_next_net(struct view *rest, struct proc_net *out) MUST_USE;

/* /proc/self/mountinfo; octal escapes are decoded. */
struct proc_mount {
    char device[PROC_NAME_BYTES]; /* "8:1" */
    char point[PROC_PATH_BYTES];
    char type[PROC_NAME_BYTES]; /* ext4 */
};
bool proc_next_mount(struct view *rest, struct proc_mount *out) MUST_USE;

#endif
