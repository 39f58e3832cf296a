#include "server_tools/sync_service/turn.h"

const char *turn_status_word(enum turn_status status)
{
    static const char *const words[] = {"ok", "timeout", "error"};
    return words[status];
}
