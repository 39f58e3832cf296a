#include "common/net/mail_message.h"

#include <ctype.h>
#include <stdio.h>
#include <time.h>

#include "common/base/clock.h"
#include "common/base/text.h"

enum {
    WORD_BYTES =
        42, /* of an encoded word's text: 56 of base64, 68 with =?UTF-8?B?..?= (RFC 2047: at most 75) */
    PLAIN_BYTES = 60, /* a subject that long fits into its line as it is */
    LINE_BYTES = 57,  /* 76 of base64 (RFC 2045, section 6.8) */
    LABEL_BYTES = 63, /* RFC 1035, section 2.3.4 */
    LOCAL_BYTES = 64, /* RFC 5321, section 4.5.3.1.1 */
};

/* ---- addresses ---- */

/* RFC 5322, section 3.2.3: dot-atom */
static bool local_ok(struct view local)
{
    if (local.size == 0 || local.size > LOCAL_BYTES || local.data[0] == '.' ||
        local.data[local.size - 1] == '.')
        return false;
    for (size_t i = 0; i < local.size; i++) {
        char byte = local.data[i];
        if (!isalnum((unsigned char)byte) && memchr(".!#$%&'*+-/=?^_`{|}~", byte, 20) == NULL)
            return false;
        if (byte == '.' && local.data[i - 1] == '.')
            return false;
    }
    return true;
}

static bool host_ok(struct view host)
{
    while (host.size > 0) {
        bool more = memchr(host.data, '.', host.size) != NULL;
        struct view label = text_cut(&host, '.');
        if (label.size == 0 || label.size > LABEL_BYTES || label.data[0] == '-' ||
            label.data[label.size - 1] == '-' || (more && host.size == 0))
            return false;
        for (size_t i = 0; i < label.size; i++) {
            if (!isalnum((unsigned char)label.data[i]) && label.data[i] != '-')
                return false;
        }
    }
    return true;
}

bool mail_address_ok(struct view address)
{
    struct view host = address;
    if (address.size > MAIL_ADDRESS_MAX_BYTES)
        return false;
    struct view local = text_cut(&host, '@');
    return local_ok(local) && host.size > 0 && host_ok(host);
}

/* ---- headers ---- */

static void write_base64(struct buf *out, struct view bytes)
{
    char text[TEXT_BASE64_BYTES(LINE_BYTES)];
    text_base64_encode(text, bytes.data, bytes.size);
    buf_append_text(out, text);
}

/* Printable ASCII that nobody takes for an encoded word, and that needs no folding. */
static bool is_plain(struct view text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    }
    return text.size <= PLAIN_BYTES && (text.size == 0 || text.data[0] != ' ') &&
           (text.size < 2 || memmem(text.data, text.size, "=?", 2) == NULL);
}

/* The most whole characters that fit into one encoded word (RFC 2047, section 5). */
static struct view cut_characters(struct view *rest)
{
    size_t size = rest->size < WORD_BYTES ? rest->size : WORD_BYTES;
    while (size > 0 && size < rest->size && ((unsigned char)rest->data[size] & 0xC0U) == 0x80U)
        size--;
    struct view taken = {rest->data, size};
    *rest = (struct view){rest->data + size, rest->size - size};
    return taken;
}

static void write_subject(struct buf *out, const char *subject)
{
    char text[MAIL_SUBJECT_MAX_BYTES];
    struct view rest = view_of(subject);
    if (rest.size >= sizeof(text))
        rest.size = sizeof(text) - 1;
    memcpy(text, rest.data, rest.size);
    text[rest.size] = '\0';
    text_make_printable(text); /* half a character at the cut, too */
    rest = view_of(text);
    buf_append_text(out, "Subject: ");
    if (is_plain(rest)) {
        buf_printf(out, "%s\r\n", text);
        return;
    }
    for (bool first = true; rest.size > 0; first = false) {
        buf_append_text(out, first ? "=?UTF-8?B?" : "\r\n =?UTF-8?B?");
        write_base64(out, cut_characters(&rest));
        buf_append_text(out, "?=");
    }
    buf_append_text(out, "\r\n");
}

/* RFC 5322, section 3.3; the C library's names are English, for nobody calls setlocale */
static void write_date(struct buf *out, int64_t utc_us)
{
    char text[sizeof("Sun, 22 Feb 2026 10:00:00 +0000") + 8];
    time_t seconds = (time_t)(utc_us / US_PER_S);
    struct tm parts;
    if (gmtime_r(&seconds, &parts) != NULL &&
        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S +0000", &parts) > 0)
        buf_printf(out, "Date: %s\r\n", text);
}

/* ---- the body ---- */

/* In base64 whatever is in it: no long lines, no lone dots, no bytes above 127. */
static bool write_body(struct buf *out, struct view body, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(2 * MAIL_BODY_MAX_BYTES + 2);
    while (body.size > 0) {
        buf_append_view(&text, text_cut(&body, '\n'));
        buf_append_text(&text, "\r\n");
    }
    if (!buf_check(&text, "the text of an email", err))
        return false;
    for (struct view rest = buf_view(&text); rest.size > 0;) {
        struct view line = {rest.data, rest.size < LINE_BYTES ? rest.size : LINE_BYTES};
        write_base64(out, line);
        buf_append_text(out, "\r\n");
        rest = (struct view){rest.data + line.size, rest.size - line.size};
    }
    return true;
}

bool mail_write(const struct mail *mail, struct buf *out, struct error *err)
{
    const char *const addresses[] = {mail->from, mail->to, mail->message_id};
    for (size_t i = 0; i < COUNT_OF(addresses); i++) {
        if (!mail_address_ok(view_of(addresses[i])))
            return error_set(err, ERR_INPUT, "`%.80s` is no email address: expected name@host in ASCII",
                             addresses[i]);
    }
    if (mail->body.size > MAIL_BODY_MAX_BYTES || !text_is_utf8(mail->body))
        return error_set(err, ERR_INPUT, "the text of an email: expected UTF-8 of at most %d bytes",
                         MAIL_BODY_MAX_BYTES);
    buf_printf(out, "From: %s\r\nTo: %s\r\n", mail->from, mail->to);
    write_subject(out, mail->subject);
    write_date(out, mail->utc_us);
    buf_printf(out, "Message-ID: <%s>\r\n", mail->message_id);
    buf_append_text(out, "MIME-Version: 1.0\r\n"
                         "Content-Type: text/plain; charset=UTF-8\r\n"
                         "Content-Transfer-Encoding: base64\r\n"
                         "Auto-Submitted: auto-generated\r\n" /* RFC 3834: no out-of-office answers */
                         "\r\n");
    return write_body(out, mail->body, err) && buf_check(out, "an email", err);
}
