/* What a value of config.txt must look like, key by key. Syntax only: the parts that use a value parse it
 * finally. Each says in err what was expected (ERR_USAGE). */
#ifndef COMMON_APP_APPLIANCE_CHECKS_H
#define COMMON_APP_APPLIANCE_CHECKS_H

#include "common/base/error.h"

bool check_address(const char *value, struct error *err);       /* IPv4 or IPv6, numeric */
bool check_hosts(const char *value, struct error *err);         /* host names; may be empty */
bool check_language(const char *value, struct error *err);      /* auto, en, uk, ru */
bool check_approval(const char *value, struct error *err);      /* operator, auto, window HH:MM-HH:MM */
bool check_product(const char *value, struct error *err);       /* [a-z0-9._-]{1,64} */
bool check_user(const char *value, struct error *err);          /* a login name; may be empty */
bool check_folder(const char *value, struct error *err);        /* a path; need not be there yet */
bool check_export_source(const char *value, struct error *err); /* local, postgresql://... */
bool check_export_table(const char *value, struct error *err);  /* common/app/sql_table.h */
bool check_input(const char *value, struct error *err);         /* kind [key=value ...] */
bool check_channel(const char *value, struct error *err);       /* name [key=value ...] of known keys */
bool check_service(const char *value, struct error *err);       /* name command */

#endif
