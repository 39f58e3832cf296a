/* What was asked for on the command line, checked. Knows nothing of how it is done. */
#ifndef SERVER_TOOLS_SYNC_CLIENT_SETTINGS_H
#define SERVER_TOOLS_SYNC_CLIENT_SETTINGS_H

#include <stdint.h>

#include "common/app/options.h"
#include "common/base/rfc3339.h"
#include "common/crypto/hash.h"
#include "common/os/file.h"
#include "server_tools/central/central.h"

enum accept_host { ACCEPT_ASK, ACCEPT_YES, ACCEPT_NO };

struct settings {
    const char *host;
    const char *bind; /* NULL: any address */
    const char *client_id;
    const char *key_file;
    int64_t port;
    char since[RFC3339_US_BYTES]; /* "": by cursor */
    const char *support;          /* --support: this file; NULL: a session as ever */
    const char *update;           /* --update: this package, to be delivered; NULL: none */
    const char *data_storage;
    struct path db;                  /* a path (SQLite) or postgresql://...; "": none */
    char db_shown[PATH_LIMIT_BYTES]; /* the same for people: without a password */
    struct path known_hosts;
    char fingerprint[SHA256_HEX_BYTES]; /* "": not told */
    enum accept_host accept_host;
    bool plain_auth, json, quiet;
    int64_t floor_s;
    bool import;              /* `import FILE...` */
    struct option_list files; /* to import */
};

/* Returns -1 to go on, else the exit code; messages were written. */
int settings_read(struct settings *out, int argc, char **argv);

#endif
