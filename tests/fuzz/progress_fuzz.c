/* progress.jsonl: any bytes are lines that make sense, numbered upwards, whose ids say what was seen. */
#include <stdint.h>
#include <stdlib.h>

#include "common/base/text.h"
#include "portal/progress.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct progress progress;
    progress_parse((struct view){(const char *)data, size}, &progress);
    must(progress.count <= PROGRESS_LINES_MAX);
    for (size_t i = 0; i < progress.count; i++) {
        const struct progress_line *line = &progress.lines[i];
        char id[PROGRESS_ID_BYTES];
        bool same_run;
        must(line->number > (i == 0 ? 0 : progress.lines[i - 1].number));
        must(line->pct >= 0 && line->pct <= 100);
        must(text_is_utf8(view_of(line->step)) && text_is_utf8(view_of(line->msg)));
        progress_id(&progress, line, id);
        /* times before 1970 have no id that is understood: they are told again */
        must(progress_seen(&progress, id, &same_run) == (same_run ? i + 1 : 0));
        must(same_run == (progress.run_us >= 0));
    }
    return 0;
}
