/* `collector --test`: one sample of every input on the terminal, nothing written. */
#ifndef COLLECTOR_SHOW_H
#define COLLECTOR_SHOW_H

#include "collector/sampler.h"
#include "common/app/daemon.h"

/* Samples twice, a moment apart, so that rates have something to compare with, and prints the second:
 * `channel value unit` lines, with its limits and whether it would raise an alarm, or one JSON object. A
 * command's run is waited for. Errors: ERR_INPUT when an input fails. */
bool show_samples(struct sampler *sampler, struct channel_table *channels, const struct daemon *daemon,
                  bool json, struct error *err) MUST_USE;

#endif
