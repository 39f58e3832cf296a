#include "agent/contacts.h"

#include "common/base/rfc3339.h"
#include "common/net/json.h"
#include "common/net/json_writer.h"

enum { CONTACTS_FILE_MAX_BYTES = 64 * 1024, CONTACTS_FILE_MODE = 0644, OUTCOME_BYTES = 32 };

/* ---- reading ---- */

static bool read_outcome(struct json_value session, enum session_outcome *out)
{
    char word[OUTCOME_BYTES];
    if (!json_get_string(json_member(session, "outcome"), word, sizeof(word)))
        return false;
    for (enum session_outcome outcome = SESSION_UNUSED; outcome <= SESSION_CUT_OFF; outcome++) {
        if (strcmp(word, session_outcome_word(outcome)) == 0) {
            *out = outcome;
            return true;
        }
    }
    return false;
}

static bool read_session(struct json_value session, struct session_summary *out)
{
    char ended_at[RFC3339_US_BYTES];
    struct json_value version = json_member(session, "update_version");
    return json_get_string(json_member(session, "ended_at"), ended_at, sizeof(ended_at)) &&
           rfc3339_parse_us(view_of(ended_at), &out->ended_utc_us) &&
           json_get_string(json_member(session, "address"), out->address, sizeof(out->address)) &&
           json_get_i64(json_member(session, "records"), 0, INT64_MAX, &out->records) &&
           json_get_i64(json_member(session, "alarms"), 0, INT64_MAX, &out->alarms) &&
           json_get_i64(json_member(session, "bytes"), 0, INT64_MAX, &out->bytes) &&
           read_outcome(session, &out->outcome) &&
           (json_is_null(version) ||
            json_get_string(version, out->update_version, sizeof(out->update_version)));
}

/* As many as can be read. */
static void read_file(struct contacts *contacts)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(CONTACTS_FILE_MAX_BYTES);
    if (!file_read_path(contacts->path.text, &text, NULL))
        return;
    SCOPE_JSON struct json *json = json_parse(buf_view(&text), CONTACTS_FILE_MAX_BYTES, NULL);
    if (json == NULL)
        return;
    struct json_value sessions = json_member(json_root(json), "sessions");
    struct json_value at = {0};
    while (contacts->count < CONTACTS_MAX && json_next(sessions, &at, NULL)) {
        struct session_summary session = {.address = ""};
        if (read_session(at, &session))
            contacts->sessions[contacts->count++] = session;
    }
}

void contacts_init(struct contacts *contacts, const struct path *path)
{
    *contacts = (struct contacts){.path = *path};
    pthread_mutex_init(&contacts->lock, NULL);
    read_file(contacts);
}

void contacts_clear(struct contacts *contacts)
{
    pthread_mutex_destroy(&contacts->lock);
}

void contacts_note(struct contacts *contacts, const struct session_summary *session)
{
    pthread_mutex_lock(&contacts->lock);
    if (contacts->count < CONTACTS_MAX)
        contacts->count++;
    memmove(contacts->sessions + 1, contacts->sessions,
            (contacts->count - 1) * sizeof(contacts->sessions[0]));
    contacts->sessions[0] = *session;
    contacts->unwritten = true;
    pthread_mutex_unlock(&contacts->lock);
}

/* ---- writing ---- */

static void write_session(struct json_writer *writer, const struct session_summary *session)
{
    json_object(writer, NULL);
    json_time_us(writer, "ended_at", session->ended_utc_us);
    json_string(writer, "address", session->address);
    json_i64(writer, "records", session->records);
    json_i64(writer, "alarms", session->alarms);
    json_i64(writer, "bytes", session->bytes);
    json_string(writer, "outcome", session_outcome_word(session->outcome));
    if (session->update_version[0] != '\0')
        json_string(writer, "update_version", session->update_version);
    else
        json_null(writer, "update_version");
    json_end_object(writer);
}

/* With the lock held. */
static void write_sessions(const struct contacts *contacts, struct buf *out)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_object(&writer, NULL);
    json_array(&writer, "sessions");
    for (size_t i = 0; i < contacts->count; i++)
        write_session(&writer, &contacts->sessions[i]);
    json_end_array(&writer);
    json_end_object(&writer);
    buf_append_byte(out, '\n');
}

bool contacts_flush(struct contacts *contacts, struct error *err)
{
    SCOPE_BUF struct buf text = BUF_LIMIT(CONTACTS_FILE_MAX_BYTES);
    pthread_mutex_lock(&contacts->lock);
    bool unwritten = contacts->unwritten;
    if (unwritten)
        write_sessions(contacts, &text);
    contacts->unwritten = false;
    pthread_mutex_unlock(&contacts->lock);
    if (!unwritten || (buf_check(&text, contacts->path.text, err) &&
                       file_replace(contacts->path.text, buf_view(&text), CONTACTS_FILE_MODE, err)))
        return true;
    pthread_mutex_lock(&contacts->lock);
    contacts->unwritten = true;
    pthread_mutex_unlock(&contacts->lock);
    return false;
}
