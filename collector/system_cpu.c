/* CPU time by mode in percent of all CPUs together, and what else /proc/stat counts. */
#include <stdlib.h>

#include "collector/proc_text.h"
#include "collector/system.h"

struct cpu {
    struct system_file file;
    struct proc_stat before;
    bool has_before;
};

static void *cpu_make(struct error *err)
{
    struct cpu *cpu = calloc(1, sizeof(*cpu));
    if (cpu == NULL)
        error_set(err, ERR_MEMORY, "no memory for cpu");
    else
        cpu->file.fd = -1;
    return cpu;
}

static void cpu_free(void *part)
{
    struct cpu *cpu = part;
    system_file_close(&cpu->file);
    free(cpu);
}

/* guest is counted in user, and guest_nice in nice: proc(5). A counter that went back (iowait may) is 0. */
static void put_usage(const struct system_turn *turn, const struct proc_stat *before,
                      const struct proc_stat *now)
{
    double passed[PROC_CPU_MODES];
    double total = 0;
    for (size_t i = 0; i < PROC_CPU_MODES; i++) {
        passed[i] = now->cpu[i] > before->cpu[i] ? (double)(now->cpu[i] - before->cpu[i]) : 0;
        total += i < PROC_CPU_MODES - 2 ? passed[i] : 0;
    }
    if (total <= 0)
        return;
    passed[0] = passed[0] > passed[8] ? passed[0] - passed[8] : 0;
    passed[1] = passed[1] > passed[9] ? passed[1] - passed[9] : 0;
    for (size_t i = 0; i < PROC_CPU_MODES; i++)
        system_put(turn, "%", 100 * passed[i] / total, "cpu_usage_%s", proc_cpu_mode_names[i]);
}

static bool cpu_sample(void *part, const struct system_turn *turn, struct error *err)
{
    struct cpu *cpu = part;
    struct proc_stat now;
    if (!system_read(&cpu->file, turn, "/proc/stat", err))
        return false;
    if (!proc_parse_stat(buf_view(turn->text), &now))
        return error_set(err, ERR_INPUT, "/proc/stat is not as expected");
    if (cpu->has_before)
        put_usage(turn, &cpu->before, &now);
    system_put(turn, "", (double)now.interrupts, "kernel_interrupts");
    system_put(turn, "", (double)now.context_switches, "kernel_context_switches");
    system_put(turn, "", (double)now.forks, "kernel_processes_forked");
    system_put(turn, "", (double)now.running, "processes_running");
    system_put(turn, "", (double)now.blocked, "processes_blocked");
    cpu->before = now;
    cpu->has_before = true;
    return true;
}

const struct system_part system_cpu = {"cpu", cpu_make, cpu_sample, cpu_free};
