#include "portal/pages.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/base/asset.h"
#include "common/base/buf.h"
#include "common/crypto/hash.h"
#include "common/pack/packer.h"
#include "portal/portal.h"

/* made by $(call embed,...) */
extern const struct asset portal_assets[];
extern const struct asset common_web_assets[];
extern const struct asset dygraphs_assets[];

static const struct {
    const char *path; /* where its files are on the site */
    const struct asset *assets;
} folders[] = {
    {"/", portal_assets},
    {"/common/", common_web_assets},
    {"/dygraphs/", dygraphs_assets},
};

enum { PAGE_PATH_BYTES = 64, ETAG_BYTES = 2 + 16 + 3 + 1, GZIP_MAX_BYTES = 1024 * 1024 };

/* One file as it is sent: plain, or gzip with an ETag of its own. */
struct variant {
    char etag[ETAG_BYTES]; /* quoted */
    struct view content;
};

struct page {
    char path[PAGE_PATH_BYTES];
    const char *type;
    struct variant plain, gzip;
    struct buf compressed; /* what gzip's content points to */
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

static bool compress(struct view content, struct buf *out, struct error *err)
{
    struct packer *packer = packer_new(PACK_GZIP, err);
    bool ended = false;
    if (packer == NULL)
        return false;
    while (!ended) {
        char *room = buf_reserve(out, content.size + 1024);
        if (room == NULL)
            break;
        buf_commit(out, packer_write(packer, &content, true, room, content.size + 1024, &ended));
    }
    packer_free(packer);
    return buf_check(out, "a page", err);
}

static bool add_page(struct pages *pages, const char *folder, const struct asset *asset, struct error *err)
{
    struct page *page = &pages->pages[pages->count++];
    unsigned char hash[SHA256_BYTES];
    unsigned long long tag;
    page->plain.content = asset_view(asset);
    page->compressed = (struct buf)BUF_LIMIT(GZIP_MAX_BYTES);
    page->type = type_of(asset->name);
    sha256_of(page->plain.content, hash);
    memcpy(&tag, hash, sizeof(tag));
    snprintf(page->plain.etag, sizeof(page->plain.etag), "\"%016llx\"", tag);
    snprintf(page->gzip.etag, sizeof(page->gzip.etag), "\"%016llx-gz\"", tag);
    snprintf(page->path, sizeof(page->path), "%s%s", folder, asset->name);
    if (!compress(page->plain.content, &page->compressed, err))
        return false;
    page->gzip.content = buf_view(&page->compressed);
    return true;
}

static bool add_pages(struct pages *pages, struct error *err)
{
    bool done = true;
    for (size_t i = 0; done && i < COUNT_OF(folders); i++) {
        for (const struct asset *asset = folders[i].assets; done && asset->name != NULL; asset++)
            done = add_page(pages, folders[i].path, asset, err);
    }
    return done;
}

struct pages *pages_new(struct error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < COUNT_OF(folders); i++)
        count += count_of(folders[i].assets);
    struct pages *pages = calloc(1, sizeof(*pages) + count * sizeof(pages->pages[0]));
    if (pages == NULL) {
        error_set(err, ERR_MEMORY, "no memory left for the pages");
        return NULL;
    }
    if (!add_pages(pages, err)) {
        pages_free(pages);
        return NULL;
    }
    return pages;
}

void pages_free(struct pages *pages)
{
    for (size_t i = 0; pages != NULL && i < pages->count; i++)
        buf_clear(&pages->pages[i].compressed);
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

/* Whether gzip is among the codings that are accepted (RFC 9110, section 12.5.3), and not with q=0. */
static bool takes_gzip(struct http_request *request)
{
    const char *accepted = http_header(request, "Accept-Encoding");
    const char *gzip = accepted == NULL ? NULL : strstr(accepted, "gzip");
    if (gzip == NULL)
        return false;
    const char *weight = gzip + strlen("gzip");
    weight += strspn(weight, " ;");
    if (strncmp(weight, "q=", 2) != 0)
        return true;
    weight += 2 + strspn(weight + 2, "0.");
    return *weight >= '1' && *weight <= '9';
}

void pages_get(struct http_request *request)
{
    const struct portal *portal = http_context(request);
    const struct page *page = find_page(portal->pages, http_path(request));
    if (page == NULL) {
        http_answer_error(request, 404, "not_found", "there is no such page: begin at /");
        return;
    }
    bool small = takes_gzip(request);
    const struct variant *variant = small ? &page->gzip : &page->plain;
    const char *known = http_header(request, "If-None-Match");
    http_add_header(request, "ETag", variant->etag);
    http_add_header(request, "Vary", "Accept-Encoding");
    http_add_header(request, "Cache-Control", "no-cache"); /* kept, but asked for each time */
    if (known != NULL && strstr(known, variant->etag) != NULL) {
        http_answer(request, 304, NULL, (struct view){NULL, 0});
        return;
    }
    if (small)
        http_add_header(request, "Content-Encoding", "gzip");
    http_answer_static(request, 200, page->type, variant->content);
}
