#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/sendfile.h>
#include <sys/wait.h>

#include "common/app/appliance.h"
#include "common/app/appliance_keys.h"
#include "common/os/process.h"
#include "tests/harness/test_folder.h"

enum { COPY_CHUNK_BYTES = 1024 * 1024 };

static struct test_folder folder;
static struct appliance appliance;
static struct error err;

static int setup(void **state)
{
    (void)state;
    memset(&appliance, 0, sizeof(appliance));
    memset(&err, 0, sizeof(err));
    return test_folder_make(&folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    appliance_close(&appliance);
    test_folder_remove(&folder);
    return 0;
}

static bool open_with(const char *config, bool strict)
{
    appliance_close(&appliance);
    assert_true(test_folder_write(&folder, "config.txt", config));
    return appliance_open(&appliance, folder.path, strict, NULL, &err);
}

/* ---- root ---------------------------------------------------------------------------------------------- */

static void a_folder_without_config_is_no_root(void **state)
{
    (void)state;
    char said[256];
    snprintf(said, sizeof(said),
             "%s is no Telehaul root (no config.txt): make one with updater --root %s init", folder.path,
             folder.path);
    assert_false(appliance_open(&appliance, folder.path, false, NULL, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.text, said);
    assert_false(appliance_open(&appliance, "/no/such/root", false, NULL, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "updater --root /no/such/root init"));
}

static void root_is_made_absolute(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, "config.txt", ""));
    SCOPE_FD int here = file_open(".", O_RDONLY | O_DIRECTORY, &err);
    assert_int_equal(chdir(folder.path), 0);
    bool opened = appliance_open(&appliance, ".", false, NULL, &err);
    assert_int_equal(fchdir(here), 0);
    assert_true(opened);
    char real[PATH_MAX];
    assert_non_null(realpath(folder.path, real));
    assert_string_equal(appliance.root, real);
}

static void names_lie_in_root_unless_absolute(void **state)
{
    (void)state;
    assert_true(open_with("", true));
    struct path path;
    char expected[PATH_LIMIT_BYTES + 32];
    assert_true(appliance_path(&appliance, "data/telemetry.db", &path, &err));
    snprintf(expected, sizeof(expected), "%s/data/telemetry.db", appliance.root);
    assert_string_equal(path.text, expected);
    assert_true(appliance_path(&appliance, "/mnt/x", &path, &err));
    assert_string_equal(path.text, "/mnt/x");
}

static void version_is_the_built_in_one_without_a_release(void **state)
{
    (void)state;
    assert_true(open_with("", true));
    assert_string_equal(appliance.version, TELEHAUL_VERSION);
}

/* Run as a copy of itself with --print-version ROOT: it then lies where a release's program lies. */
static int print_version(const char *root)
{
    if (!appliance_open(&appliance, root, true, NULL, &err))
        return 1;
    printf("%s", appliance.version);
    appliance_close(&appliance);
    return 0;
}

static void copy_myself_to(const char *path)
{
    SCOPE_FD int from = file_open("/proc/self/exe", O_RDONLY, &err);
    SCOPE_FD int to = file_create(path, O_WRONLY | O_CREAT | O_EXCL, 0700, &err);
    assert_true(from >= 0 && to >= 0);
    ssize_t copied;
    do {
        copied = sendfile(to, from, NULL, COPY_CHUNK_BYTES);
    } while (copied > 0);
    assert_int_equal(copied, 0);
}

static void version_is_that_of_the_release_it_runs_from(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"2.3.4-rc.1+b7\n", "2.3.4-rc.1+b7"}, {"2.3.4", "2.3.4"},
        {" 2.3.4 \r\n", TELEHAUL_VERSION},    {"", TELEHAUL_VERSION},
        {"2.3.4; rm", TELEHAUL_VERSION},      {"2.3.4\nmore\n", "2.3.4"},
    };
    assert_true(test_folder_write(&folder, "config.txt", ""));
    assert_int_equal(mkdir(test_folder_path(&folder, "bin").text, 0700), 0);
    struct path program = test_folder_path(&folder, "bin/agent");
    copy_myself_to(program.text);
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        assert_true(test_folder_write(&folder, "version.txt", table[i][0]));
        int ends[2];
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        struct process_spec spec = PROCESS_SPEC;
        spec.argv = (const char *const[]){program.text, "--print-version", folder.path, NULL};
        spec.stdout_fd = ends[1];
        pid_t pid;
        assert_true(process_start(&spec, &pid, &err));
        close(ends[1]);
        SCOPE_BUF struct buf version = BUF_LIMIT(VERSION_BYTES);
        assert_true(file_read_all(ends[0], &version, &err));
        close(ends[0]);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        assert_string_equal(buf_text(&version), table[i][1]);
    }
}

/* ---- config -------------------------------------------------------------------------------------------- */

static void the_defaults_are_those_of_the_contract(void **state)
{
    (void)state;
    assert_true(open_with("", true));
    const struct appliance_config *c = &appliance.config;
    assert_string_equal(c->agent_bind, "0.0.0.0");
    assert_int_equal(c->agent_port, 9876);
    assert_string_equal(c->agent_cert_file, "agent/cert.pem");
    assert_string_equal(c->agent_key_file, "agent/key.pem");
    assert_true(c->auth_timestamp);
    assert_string_equal(c->outbound_bind, "127.0.0.1");
    assert_int_equal(c->outbound_port, 8001);
    assert_string_equal(c->portal_bind, "127.0.0.1");
    assert_int_equal(c->portal_port, 8000);
    assert_int_equal(c->portal_tls, PORTAL_TLS_AUTO);
    assert_string_equal(c->portal_hosts, "");
    assert_string_equal(c->portal_language, "auto");
    assert_string_equal(c->update_public_key_file, "keys/update_public.pem");
    assert_string_equal(c->auth_public_key_file, "keys/update_public.pem");
    assert_string_equal(c->license_public_key_file, "");
    assert_string_equal(c->update_approval, "operator");
    assert_string_equal(c->product, "telehaul");
    assert_int_equal(c->max_update_bytes, 2147483648);
    assert_int_equal(c->probation_s, 30);
    assert_string_equal(c->service_user, "");
    assert_string_equal(c->telemetry_dir, "data");
    assert_int_equal(c->retention_days, 30);
    assert_int_equal(c->max_store_bytes, 0);
    assert_int_equal(c->sample_interval_ms, 1000);
    assert_string_equal(c->export_source, "local");
    assert_string_equal(c->export_table, "readings");
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->log_format, LOG_TEXT);
    assert_int_equal(c->inputs.count, 1);
    assert_string_equal(c->inputs.lines[0], "system");
    assert_int_equal(c->channels.count, 0);
    assert_int_equal(c->services.count, 0);
}

static void assert_same_lines(const struct config_lines *a, const struct config_lines *b)
{
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_string_equal(a->lines[i], b->lines[i]);
}

static void assert_same_config(const struct appliance_config *a, const struct appliance_config *b)
{
    for (size_t i = 0; i < appliance_key_count; i++) {
        const char *left = (const char *)a + appliance_keys[i].offset;
        const char *right = (const char *)b + appliance_keys[i].offset;
        switch (appliance_keys[i].kind) {
        case CONFIG_NUMBER:
        case CONFIG_SECONDS:
            assert_memory_equal(left, right, sizeof(int64_t));
            break;
        case CONFIG_BOOL:
            assert_memory_equal(left, right, sizeof(bool));
            break;
        case CONFIG_CHOICE:
            assert_memory_equal(left, right, sizeof(int));
            break;
        case CONFIG_REPEAT:
            assert_same_lines((const void *)left, (const void *)right);
            break;
        case CONFIG_TEXT:
        case CONFIG_PATH:
        case CONFIG_CUSTOM:
            assert_string_equal(left, right);
            break;
        }
    }
}

static void what_init_writes_reads_back_as_the_defaults(void **state)
{
    (void)state;
    SCOPE_BUF struct buf text = BUF_LIMIT(CONFIG_MAX_BYTES);
    appliance_default_config(&text);
    assert_true(buf_check(&text, "config.txt", &err));
    struct appliance defaults;
    assert_true(open_with("", true));
    defaults = appliance;
    memset(&appliance, 0, sizeof(appliance));
    if (!open_with(buf_text(&text), true))
        fail_msg("%s", err.text);
    assert_same_config(&appliance.config, &defaults.config);
    appliance_close(&defaults);
    assert_non_null(strstr(buf_text(&text), "\nINPUT = system\n"));
    assert_non_null(strstr(buf_text(&text), "\nAGENT_CERT_FILE = agent/cert.pem\n"));
    assert_non_null(strstr(buf_text(&text), "\n# UPDATE_PUBLIC_KEY_FILE = keys/update_public.pem\n"));
    for (size_t i = 0; i < appliance_key_count; i++) {
        char line[64];
        snprintf(line, sizeof(line), "%s =", appliance_keys[i].name);
        assert_non_null(strstr(buf_text(&text), line));
    }
}

/* The commented lines are examples: each must be right once its # is taken away. */
static void the_examples_that_init_writes_are_right(void **state)
{
    (void)state;
    for (size_t i = 0; i < appliance_key_count; i++) {
        const struct config_key *key = &appliance_keys[i];
        if (key->example == NULL || key->kind == CONFIG_PATH)
            continue;
        char line[CONFIG_LINE_BYTES];
        snprintf(line, sizeof(line), "%s = %s\n", key->name, key->example);
        if (!open_with(line, true))
            fail_msg("%s", err.text);
    }
}

static void an_auth_key_of_its_own(void **state)
{
    (void)state;
    assert_true(test_folder_write(&folder, "auth.pem", ""));
    assert_true(test_folder_write(&folder, "update.pem", ""));
    assert_true(open_with("UPDATE_PUBLIC_KEY_FILE = update.pem\n", true));
    assert_string_equal(appliance.config.auth_public_key_file, "update.pem");
    assert_true(open_with("AUTH_PUBLIC_KEY_FILE = auth.pem\n", true));
    assert_string_equal(appliance.config.auth_public_key_file, "auth.pem");
    assert_string_equal(appliance.config.update_public_key_file, "keys/update_public.pem");
    assert_false(open_with("AUTH_PUBLIC_KEY_FILE = none.pem\n", true));
}

static void unknown_keys_stop_only_a_check(void **state)
{
    (void)state;
    assert_true(open_with("NEW_IN_2_0 = 1\nAGENT_PORT = 1\n", false));
    assert_int_equal(appliance.config.agent_port, 1);
    assert_false(open_with("NEW_IN_2_0 = 1\n", true));
    assert_int_equal(err.code, ERR_USAGE);
}

static void values_that_are_right(void **state)
{
    (void)state;
    static const char *const good[] = {
        "AGENT_BIND = ::",
        "AGENT_BIND = fe80::1",
        "AGENT_PORT = 65535",
        "PORTAL_TLS = no",
        "PORTAL_HOSTS = a.example, b-2 [::1]",
        "PORTAL_HOSTS =",
        "PORTAL_LANGUAGE = uk",
        "UPDATE_APPROVAL = auto",
        "UPDATE_APPROVAL = window 22:00-04:30",
        "UPDATE_APPROVAL = window  00:00-23:59",
        "PRODUCT = crane-7.x_y",
        "SERVICE_USER =",
        "SERVICE_USER = _telehaul-1",
        "TELEMETRY_DIR = /mnt/ssd/data",
        "EXPORT_SOURCE = postgresql://user@host/db",
        "EXPORT_TABLE = plant.readings_2",
        "EXPORT_TABLE = \"Plant 7\".log(at, name, v)",
        "LOG_LEVEL = debug",
        "LOG_FORMAT = json",
        "MAX_STORE_BYTES = 1000000000",
        "INPUT = system",
        "INPUT = drive rate=1 seed=7",
        "INPUT = exec command=\"/usr/bin/read --all\" interval_ms=500",
        "CHANNEL = engine_rpm",
        "CHANNEL = \"cpu.usage_idle{host=a}\" unit=%",
        "CHANNEL = \"tank level\" unit=\"m / s\" phys_min=-1e3 alarm_high=6.5 severity=warning",
        "SERVICE = gw-1 /usr/bin/gw --x=\"a b\"",
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (!open_with(good[i], true))
            fail_msg("%s: %s", good[i], err.text);
    }
}

static void values_that_are_wrong(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "AGENT_BIND = localhost",
        "AGENT_BIND = 1.2.3",
        "AGENT_BIND =",
        "AGENT_PORT = 0",
        "AUTH_TIMESTAMP = 1",
        "PORTAL_TLS = maybe",
        "PORTAL_HOSTS = a/b",
        "PORTAL_LANGUAGE = de",
        "UPDATE_APPROVAL =",
        "UPDATE_APPROVAL = never",
        "UPDATE_APPROVAL = window",
        "UPDATE_APPROVAL = window 22:00",
        "UPDATE_APPROVAL = window 24:00-01:00",
        "UPDATE_APPROVAL = window 22:60-01:00",
        "UPDATE_APPROVAL = window 2:00-03:00",
        "UPDATE_APPROVAL = window 22:00-22:00",
        "UPDATE_APPROVAL = window 22:00-23:00 x",
        "UPDATE_APPROVAL = window 22:00-23:00-24:00",
        "PRODUCT =",
        "PRODUCT = Crane",
        "PRODUCT = a b",
        "MAX_UPDATE_BYTES = 1 GiB",
        "PROBATION_S = 0",
        "SERVICE_USER = a b",
        "SERVICE_USER = -x",
        "TELEMETRY_DIR =",
        "RETENTION_DAYS = 0",
        "SAMPLE_INTERVAL_MS = 1",
        "EXPORT_SOURCE = mysql://x",
        "EXPORT_TABLE = a; drop table b",
        "EXPORT_TABLE = a.b.c",
        "EXPORT_TABLE = a.",
        "EXPORT_TABLE = .a",
        "EXPORT_TABLE = 1a",
        "LOG_LEVEL = loud",
        "INPUT =",
        "INPUT = modbus",
        "INPUT = drive fast",
        "INPUT = drive Rate=1",
        "CHANNEL =",
        "CHANNEL = \"\"",
        "CHANNEL = unit=rpm",
        "CHANNEL = a colour=red",
        "CHANNEL = a scale=big",
        "CHANNEL = a scale=",
        "CHANNEL = a alarm_low=nan",
        "SERVICE = name",
        "SERVICE = na/me /bin/x",
        "SERVICE = agent /bin/x",
        "SERVICE = watchdog /bin/x",
        "SERVICE = boot /bin/x", /* log/boot.log is taken */
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (open_with(bad[i], false))
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, ERR_USAGE);
        assert_non_null(strstr(err.text, "config.txt:1: "));
        assert_non_null(strstr(err.text, ": expected "));
        assert_non_null(strstr(err.text, ", found `"));
    }
}

/* ---- secrets ------------------------------------------------------------------------------------------- */

static bool secrets_of(const char *text, mode_t mode, struct appliance_secrets *out)
{
    assert_true(test_folder_write(&folder, "credentials.env", text));
    assert_int_equal(chmod(test_folder_path(&folder, "credentials.env").text, mode), 0);
    return appliance_secrets(&appliance, out, &err);
}

static void secrets_are_read(void **state)
{
    (void)state;
    assert_true(open_with("", true));
    static const struct {
        const char *text, *pin, *key, *password;
    } table[] = {
        {"", "", "", ""},
        {"CONFIG_PIN=12345678\nOUTBOUND_API_KEY=abc\n", "12345678", "abc", ""},
        {"# secrets\n\n CONFIG_PIN = 1234 \r\nPGPASSWORD=x y z\n", "1234", "", ""},
        {"CONFIG_PIN=\"12 34\" # the PIN\n", "12 34", "", ""},
        {"CONFIG_PIN='12\"34'\n", "12\"34", "", ""},
        {"OUTBOUND_API_KEY=ab#cd # kept whole\n", "", "ab#cd", ""},
        {"OUTBOUND_API_KEY=a=b==\n", "", "a=b==", ""},
        {"EXPORT_DB_PASSWORD='p@ss/w:rd'\n", "", "", "p@ss/w:rd"},
        {"CONFIG_PIN=\n", "", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(table); i++) {
        struct appliance_secrets secrets = {"old", "old", "old"};
        if (!secrets_of(table[i].text, 0600, &secrets))
            fail_msg("%s", err.text);
        assert_string_equal(secrets.config_pin, table[i].pin);
        assert_string_equal(secrets.outbound_api_key, table[i].key);
        assert_string_equal(secrets.export_db_password, table[i].password);
    }
}

static void secrets_that_others_may_touch_are_refused(void **state)
{
    (void)state;
    assert_true(open_with("", true));
    static const mode_t modes[] = {0644, 0640, 0604, 0620, 0602, 0610, 0601, 0660};
    struct appliance_secrets secrets = {"old", "old", "old"};
    for (size_t i = 0; i < COUNT_OF(modes); i++) {
        assert_false(secrets_of("CONFIG_PIN=1\n", modes[i], &secrets));
        assert_int_equal(err.code, ERR_DENIED);
        assert_non_null(strstr(err.text, ": chmod 600 /"));
        assert_string_equal(secrets.config_pin, "old");
    }
    assert_true(secrets_of("CONFIG_PIN=1\n", 0400, &secrets));
}

static void broken_secrets_are_not_shown(void **state)
{
    (void)state;
    assert_true(open_with("", true));
    struct appliance_secrets secrets;
    char text[4 * SECRET_BYTES] = "CONFIG_PIN=";
    memset(text + 11, '7', SECRET_BYTES);
    const char *const bad[] = {text, "CONFIG_PIN=\"7777", "CONFIG_PIN='7777' 8", "CONFIG_PIN=7777 8"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(secrets_of(bad[i], 0600, &secrets));
        assert_int_equal(err.code, ERR_USAGE);
        assert_non_null(strstr(err.text, "credentials.env:1: CONFIG_PIN: expected one value"));
        assert_null(strstr(err.text, "7777"));
    }
    assert_true(file_remove(test_folder_path(&folder, "credentials.env").text, &err));
    assert_false(appliance_secrets(&appliance, &secrets, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--print-version") == 0)
        return print_version(argv[2]);
    const struct CMUnitTest tests[] = {
        TEST(a_folder_without_config_is_no_root),
        TEST(root_is_made_absolute),
        TEST(names_lie_in_root_unless_absolute),
        TEST(version_is_the_built_in_one_without_a_release),
        TEST(version_is_that_of_the_release_it_runs_from),
        TEST(the_defaults_are_those_of_the_contract),
        TEST(what_init_writes_reads_back_as_the_defaults),
        TEST(the_examples_that_init_writes_are_right),
        TEST(an_auth_key_of_its_own),
        TEST(unknown_keys_stop_only_a_check),
        TEST(values_that_are_right),
        TEST(values_that_are_wrong),
        TEST(secrets_are_read),
        TEST(secrets_that_others_may_touch_are_refused),
        TEST(broken_secrets_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
