/* Whom this machine trusts with what: the keys of its key files, or one that was compiled in. Knows nothing
 * of what they sign. docs/appliance.md, "Keys". Threads: safe. */
#ifndef KEYS_TRUSTED_H
#define KEYS_TRUSTED_H

#include "common/app/appliance.h"
#include "keys/keyring.h"

/* The keys that updates may be signed with: those compiled in (`make UPDATE_PUBLIC_KEY=FILE`), which the
 * owner of the machine's files cannot change; without any, those of UPDATE_PUBLIC_KEY_FILE, read now. Errors:
 * keyring_load's. */
bool trusted_for_updates(const struct appliance *appliance, struct keyring *out, struct error *err) MUST_USE;

/* The keys that may open a session: those of AUTH_PUBLIC_KEY_FILE; where that is the same as
 * UPDATE_PUBLIC_KEY_FILE, as it is by default, those of updates. */
bool trusted_for_sessions(const struct appliance *appliance, struct keyring *out, struct error *err) MUST_USE;

/* Where they come from, for people: a path, or "compiled in". */
const char *trusted_origin_of_updates(const struct appliance *appliance);
const char *trusted_origin_of_sessions(const struct appliance *appliance);

#endif
