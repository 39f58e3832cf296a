#include "portal/pages.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/asset.h"
#include "common/crypto/hash.h"
#include "portal/portal.h"

/* made by $(call embed,...) */
extern const struct asset portal_assets[];
extern const struct asset common_web_assets[];

enum { PAGE_PATH_BYTES = 64, ETAG_BYTES = 2 + 32 + 1 };

struct page {
    char path[PAGE_PATH_BYTES];
    char etag[ETAG_BYTES]; /* quoted, of the content */
    const char *type;
    struct view content;
};

struct pages {
    size_t count;
    struct page pages[];
};

static const struct {
    const char *ending;
    const char *type;
} types[] = {
    {".html", "text/html; charset=utf-8"},
    {".css", "text/css; charset=utf-8"},
    {".js", "text/javascript; charset=utf-8"},
    {".svg", "image/svg+xml"},
};

static const char *type_of(const char *name)
{
    const char *ending = strrchr(name, '.');
    for (size_t i = 0; ending != NULL && i < COUNT_OF(types); i++) {
        if (strcmp(ending, types[i].ending) == 0)
            return types[i].type;
    }
    return "application/octet-stream";
}

static size_t count_of(const struct asset *table)
{
    size_t count = 0;
    while (table[count].name != NULL)
        count++;
    return count;
}

static void add_page(struct pages *pages, const char *folder, const struct asset *asset)
{
    struct page *page = &pages->pages[pages->count++];
    unsigned char hash[SHA256_BYTES];
    page->content = asset_view(asset);
    page->type = type_of(asset->name);
    sha256_of(page->content, hash);
    unsigned long long tag;
    memcpy(&tag, hash, sizeof(tag));
    snprintf(page->etag, sizeof(page->etag), "\"%016llx\"", tag);
    snprintf(page->path, sizeof(page->path), "%s%s", folder, asset->name);
}

struct pages *pages_new(struct error *err)
{
    size_t count = count_of(portal_assets) + count_of(common_web_assets);
    struct pages *pages = calloc(1, sizeof(*pages) + count * sizeof(pages->pages[0]));
    if (pages == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the pages");
        return NULL;
    }
    for (const struct asset *asset = portal_assets; asset->name != NULL; asset++)
        add_page(pages, "/", asset);
    for (const struct asset *asset = common_web_assets; asset->name != NULL; asset++)
        add_page(pages, "/common/", asset);
    return pages;
}

void pages_free(struct pages *pages)
{
    free(pages);
}

static const struct page *find_page(const struct pages *pages, const char *path)
{
    if (strcmp(path, "/") == 0)
        path = "/index.html";
    for (size_t i = 0; i < pages->count; i++) {
        if (strcmp(pages->pages[i].path, path) == 0)
            return &pages->pages[i];
    }
    return NULL;
}

void pages_get(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    const struct page *page = find_page(portal->pages, http_path(request));
    if (page == NULL) {
        http_answer_error(request, 404, "not_found", NULL);
        return;
    }
    const char *known = http_header(request, "If-None-Match");
    http_add_header(request, "ETag", page->etag);
    http_add_header(request, "Cache-Control", "no-cache"); /* kept, but asked for each time */
    if (known != NULL && strstr(known, page->etag) != NULL)
        http_answer(request, 304, NULL, (struct view){NULL, 0});
    else
        http_answer_static(request, 200, page->type, page->content);
}
