/* Memory and swap from /proc/meminfo; load and uptime from /proc/loadavg and /proc/uptime. */
#include <stdlib.h>

#include "collector/proc_text.h"
#include "collector/system.h"

struct files {
    struct system_file first, second;
};

static void *files_make(struct error *err)
{
    struct files *files = calloc(1, sizeof(*files));
    if (files == NULL) {
        error_set(err, ERR_MEMORY, "no memory for a part");
        return NULL;
    }
    files->first.fd = -1;
    files->second.fd = -1;
    return files;
}

static void files_free(void *part)
{
    struct files *files = part;
    system_file_close(&files->first);
    system_file_close(&files->second);
    free(files);
}

static double percent(uint64_t of, uint64_t total)
{
    return total == 0 ? 0 : 100.0 * (double)of / (double)total;
}

static bool memory_sample(void *part, const struct system_turn *turn, struct error *err)
{
    struct files *files = part;
    struct proc_memory memory;
    if (!system_read(&files->first, turn, "/proc/meminfo", err))
        return false;
    if (!proc_parse_meminfo(buf_view(turn->text), &memory))
        return error_set(err, ERR_INPUT, "/proc/meminfo is not as expected");
    uint64_t used = memory.total > memory.available ? memory.total - memory.available : 0;
    uint64_t swap_used = memory.swap_total > memory.swap_free ? memory.swap_total - memory.swap_free : 0;
    system_put(turn, "B", (double)memory.total, "mem_total");
    system_put(turn, "B", (double)memory.available, "mem_available");
    system_put(turn, "B", (double)used, "mem_used");
    system_put(turn, "%", percent(used, memory.total), "mem_used_percent");
    system_put(turn, "B", (double)memory.free, "mem_free");
    system_put(turn, "B", (double)memory.buffers, "mem_buffered");
    system_put(turn, "B", (double)memory.cached, "mem_cached");
    system_put(turn, "B", (double)memory.swap_total, "swap_total");
    system_put(turn, "B", (double)swap_used, "swap_used");
    system_put(turn, "%", percent(swap_used, memory.swap_total), "swap_used_percent");
    return true;
}

static bool load_sample(void *part, const struct system_turn *turn, struct error *err)
{
    struct files *files = part;
    struct proc_load load;
    double uptime_s;
    if (!system_read(&files->first, turn, "/proc/loadavg", err))
        return false;
    if (!proc_parse_loadavg(buf_view(turn->text), &load))
        return error_set(err, ERR_INPUT, "/proc/loadavg is not as expected");
    system_put(turn, "", load.load1, "system_load1");
    system_put(turn, "", load.load5, "system_load5");
    system_put(turn, "", load.load15, "system_load15");
    system_put(turn, "", (double)load.threads, "processes_threads");
    if (!system_read(&files->second, turn, "/proc/uptime", err))
        return false;
    if (!proc_parse_uptime(buf_view(turn->text), &uptime_s))
        return error_set(err, ERR_INPUT, "/proc/uptime is not as expected");
    system_put(turn, "s", uptime_s, "system_uptime");
    return true;
}

const struct system_part system_memory = {"mem", files_make, memory_sample, files_free};
const struct system_part system_load = {"load", files_make, load_sample, files_free};
