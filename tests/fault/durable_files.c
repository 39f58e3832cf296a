/* tests/fault/torture: files of ours that must survive: replaced ones, key files, known hosts, the last sync.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "agent/last_sync.h"
#include "keys/keyring.h"
#include "server_tools/sync_client/known_hosts.h"
#include "tests/fault/durable.h"
#include "tests/unit/common/crypto/rsa_vectors.h"

#define OLD  "the old content\n"
#define NEW  "the new content, which is longer than the old\n"
#define ID_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define ID_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static bool prepare_file(struct error *err)
{
    return durable_write("file", OLD) || error_set(err, ERR_IO, "file");
}

static bool file_is_old(void)
{
    return durable_has("file", OLD);
}

static bool file_is_new(void)
{
    struct stat about;
    return durable_has("file", NEW) && stat("file", &about) == 0 && (about.st_mode & 07777U) == 0640;
}

static bool replace(struct error *err)
{
    return file_replace("file", view_of(NEW), 0640, err);
}

/* ---- one that must not replace ---- */

static bool nothing_is_there(void)
{
    return !file_exists("file");
}

static bool publish_new(struct error *err)
{
    SCOPE_FD int fd = file_create("file.part", O_WRONLY | O_CREAT | O_TRUNC, 0640, err);
    if (fd < 0 || !file_write_all(fd, NEW, strlen(NEW), err))
        return false;
    return file_publish_new(fd, "file.part", "file", err);
}

static bool new_file_is_whole(void)
{
    return durable_has("file", NEW);
}

/* As its callers do: what is there under its name is whole and needs only to be durable. */
static bool publish_again(struct error *err)
{
    return file_exists("file") ? folder_sync_of("file", err) : publish_new(err);
}

/* ---- folders ---- */

static bool some_folders(void)
{
    return !file_exists("a/b/c");
}

static bool all_folders(void)
{
    struct stat about;
    return stat("a", &about) == 0 && (about.st_mode & 07777U) == 0755 && stat("a/b", &about) == 0 &&
           (about.st_mode & 07777U) == 0755 && stat("a/b/c", &about) == 0 && (about.st_mode & 07777U) == 0755;
}

static bool make_folders(struct error *err)
{
    return folder_make_all("a/b/c", 0755, err);
}

/* ---- key files ---- */

/* Made for this test; nobody has its other half. */
static const char other_public[] = "-----BEGIN PUBLIC KEY-----\n"
                                   "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAqkB0tiEay1DExA9ngpQi\n"
                                   "KGkJbGCdwUVqzeWU9K6GWN+0wugav9O6ddEiNI5syhcpFsparxwKTBjn3cDpi3VC\n"
                                   "IVbfAEBo5Qrt9ukm9NdaFcg/eKT8qLToUew2Hjcv8xkkS4M/9CSU+UZFs3uKQI74\n"
                                   "qb7ZBthwh1k+tLxP4G6X4huOhpF3jCmR6tgubP4kyI+2OiwPkQAiH5wChkCRPxrM\n"
                                   "TsXcwSdeWvsxjiVO2riFOsSqXVbrQ7T6xiXoSCWpbdFshKbf7WUaeNU6l/pgaIj+\n"
                                   "zmKDyHQPwqb3bk3IUKrcWneWFhXtpnBqbeYDIbU6dAWXGgXEFP5Lkh3eGtNB/rq6\n"
                                   "9wIDAQAB\n"
                                   "-----END PUBLIC KEY-----\n";
#define OTHER_FINGERPRINT "44a3045a24774f1d3f928fb3e85a197b27c3b1e836070206a9d9807e94d2a4bf"

static bool holds_keys(size_t count)
{
    struct keyring ring;
    if (!keyring_load("keys.pem", &ring, NULL))
        return false;
    bool holds = ring.count == count;
    keyring_clear(&ring);
    return holds;
}

static bool holds_one_key(void)
{
    return holds_keys(1);
}

static bool holds_two_keys(void)
{
    return holds_keys(2);
}

static bool prepare_one_key(struct error *err)
{
    return durable_write("keys.pem", vector_public) || error_set(err, ERR_IO, "keys.pem");
}

static bool add_key(struct error *err)
{
    return keyring_add("keys.pem", view_of(other_public), err);
}

static bool prepare_two_keys(struct error *err)
{
    return prepare_one_key(err) && add_key(err);
}

static bool remove_key(struct error *err)
{
    return keyring_remove("keys.pem", OTHER_FINGERPRINT, err);
}

/* The last fsync may be what failed: then the key is there, which a second add says. */
static bool add_key_again(struct error *err)
{
    return holds_two_keys() || add_key(err);
}

static bool remove_key_again(struct error *err)
{
    return holds_one_key() || remove_key(err);
}

/* ---- known hosts ---- */

static bool knows(const char *of_a, const char *of_b)
{
    char a[SHA256_HEX_BYTES];
    char b[SHA256_HEX_BYTES];
    return known_hosts_find("known_hosts", "a:1", a, NULL) &&
           known_hosts_find("known_hosts", "b:1", b, NULL) && strcmp(a, of_a) == 0 && strcmp(b, of_b) == 0;
}

static bool prepare_hosts(struct error *err)
{
    return known_hosts_put("known_hosts", "a:1", ID_A, err) &&
           known_hosts_put("known_hosts", "b:1", ID_A, err);
}

static bool hosts_are_old(void)
{
    return knows(ID_A, ID_A);
}

static bool hosts_are_new(void)
{
    return knows(ID_A, ID_B);
}

static bool put_host(struct error *err)
{
    return known_hosts_put("known_hosts", "b:1", ID_B, err);
}

/* ---- the last sync ---- */

static int64_t last_time_us(void)
{
    struct last_sync last;
    struct path path = {"last_sync.txt"};
    last_sync_init(&last, &path);
    int64_t time_us = last_sync_time_us(&last);
    last_sync_clear(&last);
    return time_us;
}

static bool note(int64_t time_us, struct error *err)
{
    struct last_sync last;
    struct path path = {"last_sync.txt"};
    last_sync_init(&last, &path);
    last_sync_note(&last, time_us);
    bool done = last_sync_flush(&last, err);
    last_sync_clear(&last);
    return done;
}

static bool prepare_sync(struct error *err)
{
    return note(1000000, err);
}

static bool sync_is_old(void)
{
    return last_time_us() == 1000000;
}

static bool sync_is_new(void)
{
    return last_time_us() == 2000000;
}

static bool note_sync(struct error *err)
{
    return note(2000000, err);
}

static const struct durable_case cases[] = {
    {"replace", prepare_file, replace, file_is_old, file_is_new, NULL},
    {"publish_new", NULL, publish_new, nothing_is_there, new_file_is_whole, publish_again},
    {"folders", NULL, make_folders, some_folders, all_folders, NULL},
    {"key_add", prepare_one_key, add_key, holds_one_key, holds_two_keys, add_key_again},
    {"key_remove", prepare_two_keys, remove_key, holds_two_keys, holds_one_key, remove_key_again},
    {"known_hosts", prepare_hosts, put_host, hosts_are_old, hosts_are_new, NULL},
    {"last_sync", prepare_sync, note_sync, sync_is_old, sync_is_new, NULL},
};

int main(int count, char **words)
{
    return durable_main(count, words, cases, COUNT_OF(cases));
}
