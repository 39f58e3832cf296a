#include "collector/kept_reader.h"

#include "common/base/text.h"

bool kept_reader_init(struct kept_reader *kept, const char *folder, struct error *err)
{
    if (!text_copy(kept->folder, sizeof(kept->folder), view_of(folder)))
        return error_set(err, ERR_LIMIT, "TELEMETRY_DIR is too long");
    kept->reader = NULL;
    pthread_mutex_init(&kept->lock, NULL);
    return true;
}

static void close_reader(struct kept_reader *kept)
{
    store_reader_close(kept->reader);
    kept->reader = NULL;
}

void kept_reader_clear(struct kept_reader *kept)
{
    close_reader(kept);
    pthread_mutex_destroy(&kept->lock);
}

bool kept_reader_begin(struct kept_reader *kept, struct error *err)
{
    pthread_mutex_lock(&kept->lock);
    if (kept->reader != NULL && store_reader_is_stale(kept->reader))
        close_reader(kept);
    if (kept->reader == NULL)
        kept->reader = store_reader_open(kept->folder, err);
    return kept->reader != NULL;
}

bool kept_reader_end(struct kept_reader *kept, bool ok)
{
    if (!ok)
        close_reader(kept);
    pthread_mutex_unlock(&kept->lock);
    return ok;
}
