/* The pages: files of portal/web, common/web and the chart library dygraphs, embedded, each with its type and
 * an ETag, sent gzipped to who takes it: compressed once, at the start. Threads: safe. */
#ifndef PORTAL_PAGES_H
#define PORTAL_PAGES_H

#include "common/net/http_server.h"

struct pages;

struct pages *pages_new(struct error *err) MUST_USE;
void pages_free(struct pages *pages); /* NULL is fine */

/* GET of every path that is no call: "/" is index.html, "/common/<name>" a file of common/web,
 * "/dygraphs/<name>" one of dygraphs. */
void pages_get(struct http_request *request);

#endif
