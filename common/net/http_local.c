#include <string.h>

#include "common/net/http_internal.h"

void http_local(const struct http_request *request, char out[HTTP_ADDRESS_BYTES])
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct http_address local = {"unknown", "unknown"};
    if (info != NULL && getsockname(info->connect_fd, (struct sockaddr *)&address, &size) == 0)
        http_address_of(&local, (const struct sockaddr *)&address);
    memcpy(out, local.text, HTTP_ADDRESS_BYTES - 1);
    out[HTTP_ADDRESS_BYTES - 1] = '\0';
}
