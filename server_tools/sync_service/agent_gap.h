/* Fills what lies between a vehicle's cursor and its live range, in the background: one long stream for a
 * bounded piece, then somebody else's turn (gap_lane). Goes on between turns. Threads: the loop's. */
#ifndef SERVER_TOOLS_SYNC_SERVICE_AGENT_GAP_H
#define SERVER_TOOLS_SYNC_SERVICE_AGENT_GAP_H

#include "server_tools/sync_service/agent_readings.h"

enum { AGENT_GAP_PIECE_ROWS = 1000000 /* streamed before the next vehicle has its turn */ };

struct agent_gap;
/* name: of the vehicle, for the log. failed: set when it stops before the gap's end; as long-lived as the
 * gap.
 */
struct agent_gap *agent_gap_new(const struct sync_scene *scene, const char *name, struct agent_home *home,
                                bool *failed, struct error *err) MUST_USE;
/* NULL is fine. */
void agent_gap_free(struct agent_gap *gap);

/* Sees to it that the gap is being filled, if there is one. session: as long-lived as the gap. */
void agent_gap_fill(struct agent_gap *gap, struct agent_session *session, enum pack_format format);
/* Stops; what is on its way still comes home. */
void agent_gap_stop(struct agent_gap *gap);
bool agent_gap_is_filling(const struct agent_gap *gap);

/* What has come since it was last asked for, and why it stopped ("": it did not); forgets both. */
struct agent_gap_news {
    int64_t rows_added, bytes;
    char problem[ERROR_TEXT_BYTES];
};
void agent_gap_take_news(struct agent_gap *gap, struct agent_gap_news *out);

#endif
