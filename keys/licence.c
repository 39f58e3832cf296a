#include "keys/licence.h"

#include <stdio.h>

#include "common/base/rfc3339.h"
#include "common/base/text.h"
#include "common/crypto/hash.h"
#include "common/net/json.h"
#include "common/net/json_writer.h"
#include "common/os/file.h"

enum {
    MACHINE_ID_BYTES = 16, /* of a machine, as machine-id(5) has it */
    MACHINE_ID_FILE_MAX_BYTES = 256,
    SIGNATURE_LINE_BYTES = TEXT_BASE64_BYTES(RSA_SIGNATURE_MAX_BYTES),
};

static const char domain[] = "telehaul-license-v1\n";
static const char any_machine[] = "any";

/* ---- reading ---- */

static bool need_time(struct json_value object, const char *key, int64_t *out, struct error *err)
{
    char text[RFC3339_US_BYTES];
    return json_need_string(object, key, text, sizeof(text), err) &&
           (rfc3339_parse_us(view_of(text), out) ||
            error_set(err, ERR_INPUT, "member `%s`: %s is no RFC 3339 time", key, text));
}

bool licence_machine_ok(const char *machine)
{
    unsigned char raw[MACHINE_ID_BYTES];
    return strcmp(machine, any_machine) == 0 || text_hex_decode(view_of(machine), raw, sizeof(raw));
}

static bool read_members(struct json_value root, struct licence *out, struct error *err)
{
    static const char *const members[] = {"product", "customer", "machine", "issued_at", "expires_at", NULL};
    if (json_type_of(root) != JSON_OBJECT)
        return error_set(err, ERR_INPUT, "it is no JSON object");
    if (!json_only_members(root, members, err) ||
        !json_need_string(root, "product", out->product, sizeof(out->product), err) ||
        !json_need_string(root, "customer", out->customer, sizeof(out->customer), err) ||
        !json_need_string(root, "machine", out->machine, sizeof(out->machine), err) ||
        !need_time(root, "issued_at", &out->issued_us, err))
        return false;
    if (!licence_machine_ok(out->machine))
        return error_set(err, ERR_INPUT, "member `machine`: expected `any` or 32 hex digits");
    text_make_printable(out->customer);
    out->expires_us = INT64_MAX;
    return json_is_null(json_member(root, "expires_at")) ||
           need_time(root, "expires_at", &out->expires_us, err);
}

/* What is signed: the domain in front keeps it apart from all else that such a key could sign. */
static bool signed_text(struct view line, struct buf *out, struct error *err)
{
    buf_append_text(out, domain);
    buf_append_view(out, line);
    return buf_check(out, "the licence", err);
}

static bool verify(struct view line, struct view signature_text, const struct keyring *trusted,
                   struct licence *out, struct error *err)
{
    unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
    size_t size;
    SCOPE_BUF struct buf message = BUF_LIMIT(LICENCE_MAX_BYTES + sizeof(domain));
    if (!signed_text(line, &message, err))
        return false;
    int key = -1;
    if (text_base64_decode(signature_text, signature, sizeof(signature), &size))
        key = keyring_verify(trusted, buf_view(&message), (struct view){(const char *)signature, size});
    if (key < 0)
        return error_refuse(err, ERR_DENIED, "forged", "its signature is by no key that is trusted here");
    memcpy(out->signer, trusted->fingerprints[key], sizeof(out->signer));
    return true;
}

/* The signature is looked at before the content is. */
bool licence_parse(struct view text, const struct keyring *trusted, struct licence *out, struct error *err)
{
    struct licence licence = {.signer = ""};
    struct view rest = text;
    if (text.size > LICENCE_MAX_BYTES)
        return error_set(err, ERR_INPUT, "it is larger than %d bytes", LICENCE_MAX_BYTES);
    struct view line = text_cut(&rest, '\n');
    struct view signature = text_cut(&rest, '\n');
    if (line.size == 0 || signature.size == 0 || rest.size != 0)
        return error_set(err, ERR_INPUT, "it is no licence: expected a line of JSON and a line of base64");
    if (trusted != NULL && !verify(line, signature, trusted, &licence, err))
        return false;
    SCOPE_JSON struct json *json = json_parse(line, LICENCE_MAX_BYTES, err);
    if (json == NULL || !read_members(json_root(json), &licence, err))
        return false;
    *out = licence;
    return true;
}

bool licence_allows(const struct licence *licence, const char *product, const char *machine, int64_t now_us,
                    struct error *err)
{
    if (strcmp(licence->product, product) != 0)
        return error_refuse(err, ERR_DENIED, "wrong_product", "it is for the product %s, this is %s",
                            licence->product, product);
    bool here = strcmp(licence->machine, any_machine) == 0 ||
                (machine != NULL && strcmp(licence->machine, machine) == 0);
    if (!here)
        return error_refuse(err, ERR_DENIED, "wrong_machine", "it is for machine %s, this is %s",
                            licence->machine, machine == NULL ? "one without an id" : machine);
    if (now_us < licence->expires_us)
        return true;
    char when[RFC3339_S_BYTES];
    rfc3339_format_s(when, licence->expires_us);
    return error_refuse(err, ERR_DENIED, "expired", "it ended at %s", when);
}

/* ---- writing ---- */

static void write_line(const struct licence *licence, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "product", licence->product);
    json_string(&writer, "customer", licence->customer);
    json_string(&writer, "machine", licence->machine);
    json_time_us(&writer, "issued_at", licence->issued_us);
    json_time_us(&writer, "expires_at", licence->expires_us == INT64_MAX ? INT64_MIN : licence->expires_us);
    json_end_object(&writer);
}

bool licence_issue(const struct licence *licence, const struct rsa_private *key, struct buf *out,
                   struct error *err)
{
    SCOPE_BUF struct buf line = BUF_LIMIT(LICENCE_MAX_BYTES);
    SCOPE_BUF struct buf message = BUF_LIMIT(LICENCE_MAX_BYTES + sizeof(domain));
    unsigned char signature[RSA_SIGNATURE_MAX_BYTES];
    char text[SIGNATURE_LINE_BYTES];
    size_t size;
    write_line(licence, &line);
    if (!buf_check(&line, "the licence", err) || !signed_text(buf_view(&line), &message, err) ||
        !rsa_pss_sign(key, buf_view(&message), signature, &size, err))
        return false;
    text_base64_encode(text, signature, size);
    buf_append_view(out, buf_view(&line));
    buf_printf(out, "\n%s\n", text);
    return buf_check(out, "the licence", err);
}

/* ---- the machine ---- */

bool licence_machine_id(const char *path, char out[LICENCE_MACHINE_BYTES], struct error *err)
{
    const char *file = path == NULL ? "/etc/machine-id" : path;
    SCOPE_BUF struct buf text = BUF_LIMIT(MACHINE_ID_FILE_MAX_BYTES);
    unsigned char id[MACHINE_ID_BYTES];
    unsigned char derived[SHA256_BYTES];
    if (!file_read_path(file, &text, err))
        return false;
    struct view rest = buf_view(&text);
    if (!text_hex_decode(text_trim(text_cut(&rest, '\n')), id, sizeof(id)))
        return error_set(err, ERR_INPUT, "%s: expected 32 hex digits (machine-id(5))", file);
    hmac_sha256((struct view){(const char *)id, sizeof(id)}, VIEW_LITERAL("telehaul-license-machine-v1"),
                derived);
    text_hex_encode(out, derived, MACHINE_ID_BYTES);
    return true;
}
