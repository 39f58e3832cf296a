#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "collector/proc_text.h"

static void the_first_line_of_stat_is_all_cpus_together(void **state)
{
    (void)state;
    struct proc_stat stat;
    assert_true(
        proc_parse_stat(VIEW_LITERAL("cpu  10132153 290696 3084719 46828483 16683 0 25195 7 175628 3\n"
                                     "cpu0 1 2 3 4 5 6 7 8 9 10\n"
                                     "intr 1462898 55 0 0\nctxt 115315\nbtime 769041601\n"
                                     "processes 86031\nprocs_running 6\nprocs_blocked 2\n"),
                        &stat));
    assert_int_equal(stat.cpu[0], 10132153);
    assert_int_equal(stat.cpu[7], 7);
    assert_int_equal(stat.cpu[9], 3);
    assert_int_equal(stat.interrupts, 1462898);
    assert_int_equal(stat.context_switches, 115315);
    assert_int_equal(stat.forks, 86031);
    assert_int_equal(stat.running, 6);
    assert_int_equal(stat.blocked, 2);
}

static void an_old_kernels_short_cpu_line_is_enough_but_three_modes_are_not(void **state)
{
    (void)state;
    struct proc_stat stat;
    assert_true(proc_parse_stat(VIEW_LITERAL("cpu 1 2 3 4\n"), &stat));
    assert_int_equal(stat.cpu[3], 4);
    assert_int_equal(stat.cpu[4], 0);
    assert_false(proc_parse_stat(VIEW_LITERAL("cpu 1 2 3\n"), &stat));
    assert_false(proc_parse_stat(VIEW_LITERAL("cpu 1 2 3 4\nctxt many\n"), &stat));
    assert_false(proc_parse_stat(VIEW_LITERAL("cpu 1 2 3 99999999999999999999\n"), &stat));
    assert_false(proc_parse_stat(VIEW_LITERAL(""), &stat));
}

static void memory_is_in_bytes(void **state)
{
    (void)state;
    struct proc_memory memory;
    assert_true(proc_parse_meminfo(VIEW_LITERAL("MemTotal:       24684084 kB\nMemFree:        20651000 kB\n"
                                                "MemAvailable:   23889000 kB\nBuffers: 1 kB\nCached: 2 kB\n"
                                                "SwapCached: 77 kB\nSwapTotal: 4 kB\nSwapFree: 3 kB\n"),
                                   &memory));
    assert_int_equal(memory.total, 24684084ULL * 1024);
    assert_int_equal(memory.cached, 2048);
    assert_int_equal(memory.swap_free, 3072);
    assert_true(proc_parse_meminfo(VIEW_LITERAL("MemTotal: 9 kB\nMemFree: 5 kB\n"), &memory));
    assert_int_equal(memory.available, 5 * 1024);
    assert_false(proc_parse_meminfo(VIEW_LITERAL("MemFree: 5 kB\n"), &memory));
    assert_false(proc_parse_meminfo(VIEW_LITERAL("MemTotal: 18446744073709551615 kB\n"), &memory));
    assert_false(proc_parse_meminfo(VIEW_LITERAL("MemTotal: -1 kB\n"), &memory));
}

static void load_and_uptime_are_read_to_the_letter(void **state)
{
    (void)state;
    struct proc_load load;
    double seconds = -1;
    assert_true(proc_parse_loadavg(VIEW_LITERAL("0.20 0.18 12.50 1/80 11206\n"), &load));
    assert_true(load.load15 == 12.5);
    assert_int_equal(load.threads, 80);
    assert_false(proc_parse_loadavg(VIEW_LITERAL("0.20 0.18\n"), &load));
    assert_false(proc_parse_loadavg(VIEW_LITERAL("0.20 nan 0.1 1/80 1\n"), &load));
    assert_false(proc_parse_loadavg(VIEW_LITERAL("0.20 0.1 0.1 80 1\n"), &load));
    assert_true(proc_parse_uptime(VIEW_LITERAL("350735.47 234388.90\n"), &seconds));
    assert_true(seconds == 350735.47);
    assert_false(proc_parse_uptime(VIEW_LITERAL("\n"), &seconds));
}

static void disks_come_line_by_line_and_bad_lines_are_skipped(void **state)
{
    (void)state;
    struct proc_disk disk;
    struct view rest = VIEW_LITERAL(
        "   8       0 sda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15\n"
        "   8       1 torn 1 2 3\n"
        "\n"
        "   8       2 a_name_that_is_much_too_long_for_any_disk_that_a_kernel_could_ever_have_made 1 2 3 4 5 "
        "6 7 8 "
        "9 10 11\n"
        " 259       0 nvme0n1 11 22 33 44 55 66 77 88 99 110 121");
    assert_true(proc_next_disk(&rest, &disk));
    assert_string_equal(disk.name, "sda");
    assert_int_equal(disk.reads, 1);
    assert_int_equal(disk.read_sectors, 3);
    assert_int_equal(disk.writes, 5);
    assert_int_equal(disk.written_sectors, 7);
    assert_int_equal(disk.busy_ms, 10);
    assert_true(proc_next_disk(&rest, &disk));
    assert_string_equal(disk.name, "nvme0n1");
    assert_false(proc_next_disk(&rest, &disk));
}

static void interfaces_are_read_also_without_a_blank_behind_the_colon(void **state)
{
    (void)state;
    struct proc_net net;
    struct view rest =
        VIEW_LITERAL("Inter-|   Receive                                                |  Transmit\n"
                     " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets "
                     "errs drop fifo colls "
                     "carrier compressed\n"
                     "    lo: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                     "  eth0:100 2 3 4 5 6 7 8 900 10 11 12 13 14 15 16\n"
                     "  eth1:100 2\n");
    assert_true(proc_next_net(&rest, &net));
    assert_string_equal(net.name, "lo");
    assert_true(proc_next_net(&rest, &net));
    assert_string_equal(net.name, "eth0");
    assert_int_equal(net.received_bytes, 100);
    assert_int_equal(net.receive_drops, 4);
    assert_int_equal(net.sent_bytes, 900);
    assert_int_equal(net.send_drops, 12);
    assert_false(proc_next_net(&rest, &net));
}

static void mounts_have_their_escapes_decoded(void **state)
{
    (void)state;
    struct proc_mount mount;
    struct view rest =
        VIEW_LITERAL("22 27 0:21 / /proc rw,nosuid shared:12 - proc proc rw\n"
                     "40 27 8:17 / /mnt/my\\040usb\\134stick rw shared:1 master:2 - vfat /dev/sdb1 rw\n"
                     "41 27 8:18 / /bad\\999 rw - ext4 /dev/sdb2 rw\n"
                     "42 27 8:19 / /no/dash rw shared:1\n"
                     "43 27");
    assert_true(proc_next_mount(&rest, &mount));
    assert_string_equal(mount.type, "proc");
    assert_true(proc_next_mount(&rest, &mount));
    assert_string_equal(mount.point, "/mnt/my usb\\stick");
    assert_string_equal(mount.device, "8:17");
    assert_true(proc_next_mount(&rest, &mount));
    assert_string_equal(mount.point, "/bad\\999");
    assert_false(proc_next_mount(&rest, &mount));
}

/* Bytes of any kind, each text in memory of exactly its size, so that a sanitiser sees a byte too far. */
static void no_text_makes_a_parser_read_beyond_it(void **state)
{
    (void)state;
    static const char alphabet[] = "0123456789 \t\n:/-\\cpuMemTotal.";
    uint64_t random = 88172645463325252ULL;
    for (int round = 0; round < 20000; round++) {
        size_t size = (size_t)round % 97;
        char *bytes = malloc(size > 0 ? size : 1);
        for (size_t i = 0; i < size; i++) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            bytes[i] = random % 50 == 0 ? (char)(random >> 20) : alphabet[random % (sizeof(alphabet) - 1)];
        }
        struct view text = {bytes, size};
        struct view disks = text;
        struct view nets = text;
        struct view mounts = text;
        struct proc_stat stat;
        struct proc_memory memory;
        struct proc_load load;
        struct proc_disk disk;
        struct proc_net net;
        struct proc_mount mount;
        double seconds;
        (void)!proc_parse_stat(text, &stat);
        (void)!proc_parse_meminfo(text, &memory);
        (void)!proc_parse_loadavg(text, &load);
        (void)!proc_parse_uptime(text, &seconds);
        while (proc_next_disk(&disks, &disk) || proc_next_net(&nets, &net) ||
               proc_next_mount(&mounts, &mount)) {}
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_of_stat_is_all_cpus_together),
        cmocka_unit_test(an_old_kernels_short_cpu_line_is_enough_but_three_modes_are_not),
        cmocka_unit_test(memory_is_in_bytes),
        cmocka_unit_test(load_and_uptime_are_read_to_the_letter),
        cmocka_unit_test(disks_come_line_by_line_and_bad_lines_are_skipped),
        cmocka_unit_test(interfaces_are_read_also_without_a_blank_behind_the_colon),
        cmocka_unit_test(mounts_have_their_escapes_decoded),
        cmocka_unit_test(no_text_makes_a_parser_read_beyond_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
