#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "server_tools/sync_service/outbound_internal.h"

struct write_job *outbound_job(struct outbound *outbound, enum writer_lane lane, struct error *err)
{
    struct write_job *job = write_job_new(err);
    if (job == NULL)
        return NULL;
    job->lane = lane;
    job->vehicle_id = outbound->vehicle.vehicle_id;
    job->book = outbound->book;
    return job;
}

bool outbound_release(struct outbound *outbound)
{
    outbound->pending--;
    if (!outbound->dead || outbound->pending > 0)
        return false;
    outbound_batch_clear(&outbound->turn.batch);
    outbound_batch_clear(&outbound->gap.batch);
    channel_book_free(outbound->book);
    free(outbound->listed);
    free(outbound);
    return true;
}

void outbound_note(char note[TURN_NOTE_BYTES], const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(note, TURN_NOTE_BYTES, format, arguments);
    va_end(arguments);
    text_make_printable(note);
}

enum turn_status outbound_status_of(const struct error *err)
{
    return err->code == ERR_TIMEOUT ? TURN_TIMEOUT : TURN_ERROR;
}
