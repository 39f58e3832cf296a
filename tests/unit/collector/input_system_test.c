#include "tests/unit/collector/fixture.h"

#include <sys/stat.h>

struct record {
    struct buf text;
};

static bool put(void *context, const struct sample *sample)
{
    struct record *record = context;
    buf_printf(&record->text, "%.*s=%.10g%s%s\n", VIEW_ARG(sample->channel), sample->value,
               sample->unit[0] == '\0' ? "" : " ", sample->unit);
    return true;
}

struct machine {
    struct input_env env;
    void *input;
    struct record record;
    int64_t time_us;
};

/* A machine whose /proc and /sys are the working folder's. */
static struct machine *machine_of(struct fixture *fixture, const char *options)
{
    struct error err;
    struct machine *machine = calloc(1, sizeof(*machine));
    machine->env = (struct input_env){.log = &fixture->log, .system_root = fixture->folder};
    machine->record.text = (struct buf)BUF_LIMIT(1024 * 1024);
    machine->input = input_system.make(view_of(options), &machine->env, &err);
    assert_non_null(machine->input);
    return machine;
}

static bool sample(struct machine *machine, struct error *err)
{
    const struct sample_sink sink = {put, &machine->record};
    const struct input_tick tick = {machine->time_us += US_PER_S, US_PER_S};
    buf_reset(&machine->record.text);
    return input_system.sample(machine->input, &tick, &sink, err);
}

static bool gave(struct machine *machine, const char *line)
{
    char exact[256];
    snprintf(exact, sizeof(exact), "\n%s\n", line);
    SCOPE_BUF struct buf text = BUF_LIMIT(1024 * 1024);
    buf_printf(&text, "\n%s", buf_text(&machine->record.text));
    return strstr(buf_text(&text), exact) != NULL;
}

static bool gave_any(struct machine *machine, const char *name)
{
    return strstr(buf_text(&machine->record.text), name) != NULL;
}

static void machine_free(struct machine *machine)
{
    input_system.free(machine->input);
    buf_clear(&machine->record.text);
    free(machine);
}

static void make_proc(void)
{
    struct error err;
    assert_true(folder_make_all("proc/net", 0755, &err));
    assert_true(folder_make_all("proc/self", 0755, &err));
    assert_true(folder_make_all("sys/block/sda", 0755, &err));
    assert_true(folder_make_all("sys/class/hwmon/hwmon0", 0755, &err));
    assert_true(folder_make_all("sys/class/hwmon/hwmon1", 0755, &err));
    assert_true(folder_make_all("sys/class/thermal/thermal_zone0", 0755, &err));
    write_text("proc/stat", "cpu 100 0 50 850 0 0 0 0 0 0\nctxt 5\n");
    write_text("proc/meminfo", "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 250 kB\n");
    write_text("proc/loadavg", "0.50 0.25 0.10 1/80 11\n");
    write_text("proc/uptime", "12.5 3.0\n");
    write_text("proc/net/dev", "h\nh\n lo: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n"
                               "eth0.5: 10 2 3 4 5 6 7 8 20 10 11 12 13 14 15 16\n"
                               "veth12ab: 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1 1\n");
    write_text("proc/diskstats", "8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n8 1 sda1 1 2 3 4 5 6 7 8 9 10 11\n"
                                 "7 0 loop0 1 2 3 4 5 6 7 8 9 10 11\n");
    write_text("proc/self/mountinfo",
               "1 1 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 0:9 / /proc rw - proc proc rw\n"
               "3 1 0:50 / /mnt/server rw - nfs4 server:/x rw\n"
               "4 1 8:1 /srv /bind rw - ext4 /dev/sda1 rw\n");
    write_text("sys/class/hwmon/hwmon0/name", "coretemp\n");
    write_text("sys/class/hwmon/hwmon0/temp1_input", "45500\n");
    write_text("sys/class/hwmon/hwmon0/temp1_label", "Package id 0\n");
    write_text("sys/class/hwmon/hwmon0/temp1_max", "99000\n");
    write_text("sys/class/hwmon/hwmon0/temp2_input", "-1000\n");
    write_text("sys/class/hwmon/hwmon1/name", "coretemp\n");
    write_text("sys/class/hwmon/hwmon1/temp1_input", "50000\n");
    write_text("sys/class/hwmon/hwmon1/temp1_label", "Package id 0\n");
    write_text("sys/class/thermal/thermal_zone0/type", "x86_pkg_temp\n");
    write_text("sys/class/thermal/thermal_zone0/temp", "47000\n");
}

static void a_machine_is_measured_with_names_and_units(void **state)
{
    struct error err;
    make_proc();
    struct machine *machine = machine_of(*state, "");
    assert_true(sample(machine, &err));
    assert_false(gave_any(machine, "cpu_usage")); /* nothing to compare with yet */
    write_text("proc/stat", "cpu 150 0 60 890 0 0 0 0 0 0\nctxt 5\n");
    assert_true(sample(machine, &err));
    assert_true(gave(machine, "cpu_usage_user=50 %"));
    assert_true(gave(machine, "cpu_usage_system=10 %"));
    assert_true(gave(machine, "cpu_usage_idle=40 %"));
    assert_true(gave(machine, "mem_used_percent=75 %"));
    assert_true(gave(machine, "mem_total=1024000 B"));
    assert_true(gave(machine, "system_load1=0.5"));
    assert_true(gave(machine, "system_uptime=12.5 s"));
    assert_true(gave(machine, "net_eth0_5_bytes_recv=10 B"));
    assert_true(gave(machine, "net_eth0_5_bytes_sent=20 B"));
    assert_true(gave(machine, "diskio_sda_read_bytes=1536 B"));
    assert_true(gave(machine, "temp_coretemp_Package_id_0=45.5 degC"));
    assert_true(gave(machine, "temp_coretemp_2=-1 degC"));
    assert_true(gave(machine, "temp_coretemp_Package_id_0_2=50 degC"));
    assert_true(gave(machine, "temp_zone_x86_pkg_temp=47 degC"));
    assert_true(gave_any(machine, "disk_root_used_percent="));
    machine_free(machine);
}

static void what_is_no_disk_no_network_of_the_machine_is_left_out(void **state)
{
    struct error err;
    make_proc();
    struct machine *machine = machine_of(*state, "");
    assert_true(sample(machine, &err));
    assert_false(gave_any(machine, "net_lo"));
    assert_false(gave_any(machine, "veth"));
    assert_false(gave_any(machine, "loop0"));
    assert_false(gave_any(machine, "sda1"));
    assert_false(gave_any(machine, "server")); /* never asked: a dead server would hang us */
    assert_false(gave_any(machine, "disk_bind"));
    machine_free(machine);
}

static void a_prefix_stands_before_every_name(void **state)
{
    struct error err;
    make_proc();
    struct machine *machine = machine_of(*state, " prefix=plc_");
    assert_true(sample(machine, &err));
    assert_true(gave(machine, "plc_system_load1=0.5"));
    assert_false(gave_any(machine, "\nsystem"));
    machine_free(machine);
    assert_null(input_system.make(VIEW_LITERAL(" prefix=a-b"), &(struct input_env){0}, &err));
    assert_int_equal(err.code, ERR_USAGE);
    assert_null(input_system.make(VIEW_LITERAL(" percpu=yes"), &(struct input_env){0}, &err));
    assert_int_equal(err.code, ERR_USAGE);
}

static void a_part_that_fails_leaves_the_others_and_comes_back(void **state)
{
    struct error err;
    make_proc();
    struct machine *machine = machine_of(*state, "");
    write_text("proc/meminfo", "rubbish");
    assert_true(sample(machine, &err));
    assert_false(gave_any(machine, "mem_total"));
    assert_true(gave(machine, "system_load1=0.5"));
    write_text("proc/meminfo", "MemTotal: 1000 kB\n");
    assert_true(sample(machine, &err));
    assert_true(gave_any(machine, "mem_total"));
    machine_free(machine);
}

static void a_counter_that_goes_back_gives_no_negative_usage(void **state)
{
    struct error err;
    make_proc();
    struct machine *machine = machine_of(*state, "");
    assert_true(sample(machine, &err));
    write_text("proc/stat", "cpu 10 0 150 850 0 0 0 0 0 0\n");
    assert_true(sample(machine, &err));
    assert_true(gave(machine, "cpu_usage_user=0 %"));
    assert_true(gave(machine, "cpu_usage_system=100 %"));
    machine_free(machine);
}

static void a_machine_without_anything_to_read_is_a_failure(void **state)
{
    struct error err;
    struct machine *machine = machine_of(*state, "");
    assert_false(sample(machine, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_int_equal(machine->record.text.size, 0);
    machine_free(machine);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_machine_is_measured_with_names_and_units),
        TEST(what_is_no_disk_no_network_of_the_machine_is_left_out),
        TEST(a_prefix_stands_before_every_name),
        TEST(a_part_that_fails_leaves_the_others_and_comes_back),
        TEST(a_counter_that_goes_back_gives_no_negative_usage),
        TEST(a_machine_without_anything_to_read_is_a_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
