#include <stdio.h>

#include "common/base/clock.h"
#include "common/base/rfc3339.h"
#include "common/net/json_writer.h"
#include "common/os/file.h"
#include "keys/commands.h"
#include "keys/licence.h"

enum { LICENCE_MODE = 0644, RESULT_MAX_BYTES = 16 * 1024 };

/* ---- showing ---- */

static void show_for_people(const struct licence *licence, struct buf *out)
{
    char issued[RFC3339_S_BYTES];
    char expires[RFC3339_S_BYTES] = "never";
    rfc3339_format_s(issued, licence->issued_us);
    if (licence->expires_us != INT64_MAX)
        rfc3339_format_s(expires, licence->expires_us);
    buf_printf(out, "product   %s\ncustomer  %s\nmachine   %s\nissued    %s\nexpires   %s\nsigned    %s",
               licence->product, licence->customer, licence->machine, issued, expires,
               licence->signer[0] != '\0' ? licence->signer : "not checked (--key FILE)");
}

static void show_as_json(const struct licence *licence, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_string(&writer, "product", licence->product);
    json_string(&writer, "customer", licence->customer);
    json_string(&writer, "machine", licence->machine);
    json_time_us(&writer, "issued_at", licence->issued_us);
    json_time_us(&writer, "expires_at", licence->expires_us == INT64_MAX ? INT64_MIN : licence->expires_us);
    if (licence->signer[0] != '\0')
        json_string(&writer, "signer", licence->signer);
    else
        json_null(&writer, "signer");
    json_end_object(&writer);
}

static bool show(const struct keytool *tool, const struct licence *licence, struct error *err)
{
    SCOPE_BUF struct buf out = BUF_LIMIT(RESULT_MAX_BYTES);
    if (tool->json)
        show_as_json(licence, &out);
    else
        show_for_people(licence, &out);
    return keytool_print(&out, err);
}

bool keytool_license_show(const struct keytool *tool, struct error *err)
{
    const char *path = tool->words[0];
    SCOPE_BUF struct buf text = BUF_LIMIT(LICENCE_MAX_BYTES);
    struct keyring ring = {.count = 0};
    struct licence licence;
    if (!file_read_path(path, &text, err) ||
        (tool->key_file != NULL && !keyring_load(tool->key_file, &ring, err)))
        return false;
    bool ok = licence_parse(buf_view(&text), tool->key_file == NULL ? NULL : &ring, &licence, err);
    keyring_clear(&ring);
    return ok ? show(tool, &licence, err) : error_wrap(err, "%s", path);
}

/* ---- issuing ---- */

static bool put(char out[LICENCE_TEXT_BYTES], const char *option, const char *value, struct error *err)
{
    if (value[0] == '\0' || strlen(value) >= LICENCE_TEXT_BYTES)
        return error_set(err, ERR_USAGE, "--%s: expected 1 to %d bytes", option, LICENCE_TEXT_BYTES - 1);
    snprintf(out, LICENCE_TEXT_BYTES, "%s", value);
    return true;
}

static bool fill(const struct keytool *tool, struct licence *out, struct error *err)
{
    const char *machine = tool->machine == NULL ? "any" : tool->machine;
    *out = (struct licence){.issued_us = clock_utc_us(clock_system()), .expires_us = INT64_MAX};
    if (!put(out->product, "product", tool->product == NULL ? "telehaul" : tool->product, err) ||
        !put(out->customer, "customer", tool->customer, err))
        return false;
    if (tool->expires != NULL && !rfc3339_parse_us(view_of(tool->expires), &out->expires_us))
        return error_set(err, ERR_USAGE, "--expires %s: expected a time as 2027-12-31T00:00:00Z",
                         tool->expires);
    if (!licence_machine_ok(machine))
        return error_set(err, ERR_USAGE,
                         "--machine %s: expected `any`, or what `keytool license machine-id` prints there",
                         machine);
    snprintf(out->machine, sizeof(out->machine), "%s", machine);
    return true;
}

bool keytool_license_issue(const struct keytool *tool, struct error *err)
{
    struct licence licence;
    if (tool->key_file == NULL || tool->customer == NULL || tool->output == NULL)
        return error_set(err, ERR_USAGE, "license issue needs --key FILE, --customer NAME and --output FILE");
    if (!fill(tool, &licence, err))
        return false;
    SCOPE_RSA_PRIVATE struct rsa_private *key = rsa_private_load(tool->key_file, err);
    SCOPE_BUF struct buf text = BUF_LIMIT(LICENCE_MAX_BYTES);
    return key != NULL && licence_issue(&licence, key, &text, err) &&
           keytool_write_new(tool->output, buf_view(&text), LICENCE_MODE, err) && show(tool, &licence, err);
}

/* ---- the machine ---- */

bool keytool_license_machine_id(const struct keytool *tool, struct error *err)
{
    char machine[LICENCE_MACHINE_BYTES];
    if (!licence_machine_id(NULL, machine, err))
        return false;
    SCOPE_BUF struct buf out = BUF_LIMIT(RESULT_MAX_BYTES);
    if (!tool->json) {
        buf_append_text(&out, machine);
        return keytool_print(&out, err);
    }
    struct json_writer writer;
    json_writer_init(&writer, &out);
    json_object(&writer, NULL);
    json_string(&writer, "machine", machine);
    json_end_object(&writer);
    return keytool_print(&out, err);
}
