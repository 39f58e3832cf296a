/* Bytes, packets, errors and drops of each network interface but the loopback and containers' veths, whose
 * names never come back. */
#include <stdlib.h>

#include "collector/proc_text.h"
#include "collector/system.h"

static void *net_make(struct error *err)
{
    struct system_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        error_set(err, ERR_MEMORY, "no memory for net");
    else
        file->fd = -1;
    return file;
}

static void net_free(void *part)
{
    system_file_close(part);
    free(part);
}

static bool is_left_out(const char *name)
{
    return strcmp(name, "lo") == 0 || strncmp(name, "veth", 4) == 0;
}

static bool net_sample(void *part, const struct system_turn *turn, struct error *err)
{
    struct proc_net net;
    if (!system_read(part, turn, "/proc/net/dev", err))
        return false;
    struct view rest = buf_view(turn->text);
    while (proc_next_net(&rest, &net)) {
        if (is_left_out(net.name))
            continue;
        system_put(turn, "B", (double)net.received_bytes, "net_%s_bytes_recv", net.name);
        system_put(turn, "B", (double)net.sent_bytes, "net_%s_bytes_sent", net.name);
        system_put(turn, "", (double)net.received_packets, "net_%s_packets_recv", net.name);
        system_put(turn, "", (double)net.sent_packets, "net_%s_packets_sent", net.name);
        system_put(turn, "", (double)net.receive_errors, "net_%s_err_in", net.name);
        system_put(turn, "", (double)net.send_errors, "net_%s_err_out", net.name);
        system_put(turn, "", (double)net.receive_drops, "net_%s_drop_in", net.name);
        system_put(turn, "", (double)net.send_drops, "net_%s_drop_out", net.name);
    }
    return true;
}

const struct system_part system_net = {"net", net_make, net_sample, net_free};
