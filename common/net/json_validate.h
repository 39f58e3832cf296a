/* The validator behind json.h: whether bytes are one strict JSON value, and how many tokens it has. Builds
 * nothing. Inside common/net only. Threads: safe. */
#ifndef COMMON_NET_JSON_VALIDATE_H
#define COMMON_NET_JSON_VALIDATE_H

#include "common/net/json.h"

/* As json_validate. *tokens: values plus keys of objects. */
bool json_check(struct view text, size_t max_bytes, size_t *tokens, struct error *err) MUST_USE;

#endif
