/* The facts in a support bundle, each one JSON object: versions, the machine, its telemetry store. What
 * cannot be learned is null. */
#ifndef AGENT_SUPPORT_FACTS_H
#define AGENT_SUPPORT_FACTS_H

#include "agent/support_scene.h"
#include "common/base/buf.h"

void support_write_versions(const struct support_scene *scene, struct buf *out);
void support_write_machine(const struct support_scene *scene, struct buf *out);
/* Looks at the store for an instant; reads no reading but the times of the first and the last. */
void support_write_store(const struct support_scene *scene, struct buf *out);

#endif
