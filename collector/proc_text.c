#include "collector/proc_text.h"

#include "common/base/text.h"

enum { DISK_NUMBERS = 11, NET_NUMBERS = 16, BYTES_A_KB = 1024 };

const char *const proc_cpu_mode_names[PROC_CPU_MODES] = {"user", "nice",    "system", "idle",  "iowait",
                                                         "irq",  "softirq", "steal",  "guest", "guest_nice"};

/* Cuts the next word; blanks of any number stand between words. False at the end. */
static bool next_word(struct view *rest, struct view *word)
{
    while (rest->size > 0 && (rest->data[0] == ' ' || rest->data[0] == '\t')) {
        rest->data++;
        rest->size--;
    }
    size_t size = 0;
    while (size < rest->size && rest->data[size] != ' ' && rest->data[size] != '\t')
        size++;
    *word = (struct view){rest->data, size};
    rest->data += size;
    rest->size -= size;
    return size > 0;
}

static bool next_number(struct view *rest, uint64_t *out)
{
    struct view word;
    return next_word(rest, &word) && text_parse_u64(word, UINT64_MAX, out);
}

static bool next_double(struct view *rest, double *out)
{
    struct view word;
    return next_word(rest, &word) && text_parse_double(word, out);
}

static bool next_numbers(struct view *rest, uint64_t *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!next_number(rest, &out[i]))
            return false;
    }
    return true;
}

/* ---- /proc/stat ---- */

/* At least user, nice, system and idle. */
static bool parse_cpu(struct view line, uint64_t out[PROC_CPU_MODES])
{
    uint64_t modes[PROC_CPU_MODES] = {0};
    size_t count = 0;
    while (count < PROC_CPU_MODES && next_number(&line, &modes[count]))
        count++;
    if (count < 4)
        return false;
    memcpy(out, modes, sizeof(modes));
    return true;
}

bool proc_parse_stat(struct view text, struct proc_stat *out)
{
    struct proc_stat stat = {0};
    const struct {
        const char *name;
        uint64_t *target;
    } numbers[] = {
        {"intr", &stat.interrupts},       {"ctxt", &stat.context_switches}, {"processes", &stat.forks},
        {"procs_running", &stat.running}, {"procs_blocked", &stat.blocked},
    };
    bool has_cpu = false;
    while (text.size > 0) {
        struct view line = text_cut(&text, '\n');
        struct view name;
        if (!next_word(&line, &name))
            continue;
        if (view_is(name, "cpu"))
            has_cpu = parse_cpu(line, stat.cpu);
        for (size_t i = 0; i < COUNT_OF(numbers); i++) {
            if (view_is(name, numbers[i].name) && !next_number(&line, numbers[i].target))
                return false;
        }
    }
    if (has_cpu)
        *out = stat;
    return has_cpu;
}

/* ---- /proc/meminfo ---- */

bool proc_parse_meminfo(struct view text, struct proc_memory *out)
{
    struct proc_memory memory = {.available = UINT64_MAX};
    const struct {
        const char *name;
        uint64_t *target;
    } lines[] = {
        {"MemTotal:", &memory.total},     {"MemFree:", &memory.free},  {"MemAvailable:", &memory.available},
        {"Buffers:", &memory.buffers},    {"Cached:", &memory.cached}, {"SwapTotal:", &memory.swap_total},
        {"SwapFree:", &memory.swap_free},
    };
    while (text.size > 0) {
        struct view line = text_cut(&text, '\n');
        struct view name;
        uint64_t kib;
        if (!next_word(&line, &name))
            continue;
        for (size_t i = 0; i < COUNT_OF(lines); i++) {
            if (!view_is(name, lines[i].name))
                continue;
            if (!next_number(&line, &kib) || kib > UINT64_MAX / BYTES_A_KB)
                return false;
            *lines[i].target = kib * BYTES_A_KB;
        }
    }
    if (memory.total == 0)
        return false;
    if (memory.available == UINT64_MAX) /* kernels before 3.14 */
        memory.available = memory.free;
    *out = memory;
    return true;
}

/* ---- /proc/loadavg, /proc/uptime ---- */

bool proc_parse_loadavg(struct view text, struct proc_load *out)
{
    struct proc_load load;
    struct view line = text_cut(&text, '\n');
    struct view tasks;
    if (!next_double(&line, &load.load1) || !next_double(&line, &load.load5) ||
        !next_double(&line, &load.load15) || !next_word(&line, &tasks))
        return false;
    text_cut(&tasks, '/');
    if (!text_parse_u64(tasks, UINT64_MAX, &load.threads))
        return false;
    *out = load;
    return true;
}

bool proc_parse_uptime(struct view text, double *seconds)
{
    struct view line = text_cut(&text, '\n');
    return next_double(&line, seconds);
}

/* ---- /proc/diskstats ---- */

static bool parse_disk(struct view line, struct proc_disk *out)
{
    uint64_t device[2];
    uint64_t numbers[DISK_NUMBERS];
    struct view name;
    struct proc_disk disk;
    if (!next_numbers(&line, device, 2) || !next_word(&line, &name) ||
        !next_numbers(&line, numbers, DISK_NUMBERS) || !text_copy(disk.name, sizeof(disk.name), name))
        return false;
    disk.reads = numbers[0];
    disk.read_sectors = numbers[2];
    disk.writes = numbers[4];
    disk.written_sectors = numbers[6];
    disk.busy_ms = numbers[9];
    *out = disk;
    return true;
}

bool proc_next_disk(struct view *rest, struct proc_disk *out)
{
    while (rest->size > 0) {
        if (parse_disk(text_cut(rest, '\n'), out))
            return true;
    }
    return false;
}

/* ---- /proc/net/dev ---- */

static bool parse_net(struct view line, struct proc_net *out)
{
    uint64_t numbers[NET_NUMBERS];
    struct proc_net net;
    if (memchr(line.data, ':', line.size) == NULL)
        return false;
    struct view name = text_trim(text_cut(&line, ':'));
    if (name.size == 0 || !next_numbers(&line, numbers, NET_NUMBERS) ||
        !text_copy(net.name, sizeof(net.name), name))
        return false;
    net.received_bytes = numbers[0];
    net.received_packets = numbers[1];
    net.receive_errors = numbers[2];
    net.receive_drops = numbers[3];
    net.sent_bytes = numbers[8];
    net.sent_packets = numbers[9];
    net.send_errors = numbers[10];
    net.send_drops = numbers[11];
    *out = net;
    return true;
}

bool proc_next_net(struct view *rest, struct proc_net *out)
{
    while (rest->size > 0) {
        if (parse_net(text_cut(rest, '\n'), out))
            return true;
    }
    return false;
}

/* ---- /proc/self/mountinfo ---- */

static int octal(struct view text, size_t at)
{
    int value = 0;
    for (size_t i = at + 1; i < at + 4; i++) {
        if (i >= text.size || text.data[i] < '0' || text.data[i] > '7')
            return -1;
        value = value * 8 + (text.data[i] - '0');
    }
    return value > 0 && value < 256 ? value : -1;
}

/* \040 is a blank, \134 a backslash. */
static bool copy_unescaped(char *out, size_t out_bytes, struct view text)
{
    size_t used = 0;
    for (size_t i = 0; i < text.size; i++) {
        int escaped = text.data[i] == '\\' ? octal(text, i) : -1;
        if (used + 1 >= out_bytes || text.data[i] == '\0')
            return false;
        out[used++] = escaped < 0 ? text.data[i] : (char)escaped;
        i += escaped < 0 ? 0 : 3;
    }
    out[used] = '\0';
    return used > 0;
}

/* id parent major:minor root point options [tags...] - type source options */
static bool parse_mount(struct view line, struct proc_mount *out)
{
    struct view words[6];
    struct view word;
    struct proc_mount mount;
    for (size_t i = 0; i < COUNT_OF(words); i++) {
        if (!next_word(&line, &words[i]))
            return false;
    }
    do {
        if (!next_word(&line, &word))
            return false;
    } while (!view_is(word, "-"));
    if (!next_word(&line, &word) || !text_copy(mount.type, sizeof(mount.type), word) ||
        !text_copy(mount.device, sizeof(mount.device), words[2]) ||
        !copy_unescaped(mount.point, sizeof(mount.point), words[4]))
        return false;
    *out = mount;
    return true;
}

bool proc_next_mount(struct view *rest, struct proc_mount *out)
{
    while (rest->size > 0) {
        if (parse_mount(text_cut(rest, '\n'), out))
            return true;
    }
    return false;
}
