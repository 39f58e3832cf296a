/* The commands of keytool: each does one thing and prints its result. Knows nothing of the command line. */
#ifndef KEYS_COMMANDS_H
#define KEYS_COMMANDS_H

#include <stdint.h>
#include <sys/types.h>

#include "common/base/buf.h"

struct keytool {
    const char *private_file; /* generate */
    const char *public_file;
    int64_t bits;
    const char *key_file; /* license issue: the private key; license show: a file of public ones */
    const char *product, *customer, *machine, *expires, *output; /* license issue */
    bool json;
    const char *const *words; /* what follows the command's own words; borrowed */
};

/* Makes a pair of keys; never over existing files. The private one is 0600 from its first byte. */
bool keytool_generate(const struct keytool *tool, struct error *err) MUST_USE;
/* words: FILE, a key file or a private key */
bool keytool_fingerprint(const struct keytool *tool, struct error *err) MUST_USE;
/* words: KEYFILE PUBLIC.pem; a missing KEYFILE is made */
bool keytool_trust_add(const struct keytool *tool, struct error *err) MUST_USE;
/* words: KEYFILE FINGERPRINT */
bool keytool_trust_remove(const struct keytool *tool, struct error *err) MUST_USE;
/* words: KEYFILE */
bool keytool_trust_list(const struct keytool *tool, struct error *err) MUST_USE;

/* ---- licences (licence_commands.c) ---- */

/* Writes a signed licence to `output`, never over an existing file. */
bool keytool_license_issue(const struct keytool *tool, struct error *err) MUST_USE;
/* words: FILE. With key_file, whether its signature holds. */
bool keytool_license_show(const struct keytool *tool, struct error *err) MUST_USE;
/* What --machine of an issued licence must be here. */
bool keytool_license_machine_id(const struct keytool *tool, struct error *err) MUST_USE;

/* ---- shared by the commands ---- */

/* out and a line feed to standard output. */
bool keytool_print(struct buf *out, struct error *err) MUST_USE;
/* A file that was not there, durable and whole, or none at all. Errors: ERR_EXISTS. */
bool keytool_write_new(const char *path, struct view content, mode_t mode, struct error *err) MUST_USE;

#endif
