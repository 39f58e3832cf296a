/* The items of the Outbound API's arrays, made from the store. Contract: docs/data_contract.md,
 * "Outbound API". Threads: one at a time. */
#ifndef AGENT_OUTBOUND_ITEMS_H
#define AGENT_OUTBOUND_ITEMS_H

#include "agent/outbound_list.h"
#include "collector/telemetry_store.h"

/* The rows of a window, in order of time, read in short transactions. reader: taken over, also on failure.
 * Fails with ERR_CHANGED when rows were removed meanwhile, by retention. */
struct outbound_items *outbound_rows_new(struct store_reader *reader, const struct store_window *window,
                                         struct error *err) MUST_USE;

/* The alarms that were raised or resolved in from_us <= time < to_us, in the order in which they were raised.
 * reader: taken over, also on failure. */
struct outbound_items *outbound_alarms_new(struct store_reader *reader, int64_t from_us, int64_t to_us,
                                           struct error *err) MUST_USE;

/* Every channel, by channel_id. reader: borrowed for this call. */
struct outbound_items *outbound_channels_new(struct store_reader *reader, struct error *err) MUST_USE;

/* The newest value of every channel, by channel_id. reader: borrowed for this call. */
struct outbound_items *outbound_latest_new(struct store_reader *reader, struct error *err) MUST_USE;

/* Writes one row at out, as /data has it, with channel_id first for /data/latest. Returns its size. */
struct record_writer;
size_t outbound_write_row(struct record_writer *writer, char *out, const struct store_row *row,
                          bool channel_first);

#endif
