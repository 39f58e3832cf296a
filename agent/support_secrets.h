/* The secrets of a machine as they are hidden in a support bundle, and config.txt without them. */
#ifndef AGENT_SUPPORT_SECRETS_H
#define AGENT_SUPPORT_SECRETS_H

#include "agent/secret_mask.h"
#include "common/app/appliance.h"

/* Every value in credentials.env becomes known, and whatever looks like a secret in config.txt. One that is
 * not there has no secrets. Errors: what reading says (then nothing may be given out), ERR_LIMIT, ERR_MEMORY.
 */
bool support_learn_secrets(const struct appliance *appliance, struct secret_mask *mask,
                           struct error *err) MUST_USE;

/* config.txt, opened beneath the folder root_fd, line by line without its comments; its secrets are still in
 * it, but for the beginning of one that is cut off by a `#`. Errors: what reading says. */
bool support_config_text(int root_fd, struct secret_mask *mask, struct buf *out, struct error *err) MUST_USE;

#endif
