// What the machine keeps, what the server took, and what the machine is: from GET /api/status.

import { age, bytes, duration, localTime, number, timeElement } from "./common/format.js";
import { element, setAttribute, setText, shape } from "./common/dom.js";
import { t } from "./common/texts.js";

const IDENTITY_SHOWN = 16;
const DAY_S = 86_400;
const SESSIONS_SHOWN = 5;
const byId = (id) => document.getElementById(id);

function factRows(rows) {
    return rows.filter(([, value]) => value !== null && value !== undefined)
        .flatMap(([key, value]) => [element("dt", {}, t(key)), element("dd", {}, value)]);
}

/* ---- storage ---- */

/* "Holds 41 days" */
function heldText(store) {
    if (store.oldest === null)
        return t("storage.empty");
    return store.days_held >= 1 ? t("storage.holds.days", { n: Math.floor(store.days_held) })
        : t("storage.holds", { duration: duration(store.days_held * DAY_S) });
}

/* What happens when it goes on like this. */
function outlook({ collector, retention_days: retention }) {
    const days = collector?.days_until_full;
    if (Number.isFinite(days))
        return days < 1 ? t("storage.full.soon") : t("storage.full", { n: Math.floor(days) });
    return retention > 0 ? t("storage.steady") : null;
}

function showBar(held, retention) {
    const bar = byId("storage-bar");
    bar.hidden = !(retention > 0);
    if (!bar.hidden)
        bar.firstElementChild.style.transform = `scaleX(${Math.min(1, held / retention).toFixed(3)})`;
}

export function showStorage(status) {
    const store = status.store.state === "ok" ? status.store : null;
    const retention = status.retention_days ?? 0;
    setText(byId("storage-line"), store === null ? t("storage.none") : heldText(store));
    setText(byId("storage-outlook"), (store && outlook(status)) ?? "");
    showBar(store?.days_held ?? 0, retention);
    byId("storage").replaceChildren(...factRows([
        ["storage.since", store?.oldest ? timeElement(Date.parse(store.oldest), localTime(Date.parse(store.oldest))) : null],
        ["storage.readings", store && number(store.readings, 0)],
        ["storage.retention", retention > 0 ? t("storage.retention.days", { n: retention }) : t("storage.retention.all")],
        ["storage.size", store && bytes(store.bytes)],
        ["storage.disk", status.disk.free_bytes === null ? t("machine.unknown") : bytes(status.disk.free_bytes)],
    ]));
}

/* ---- the server's calls ---- */

/* outcome -> shape and level */
const OUTCOMES = { ok: "ok", nothing_asked: "unknown", refused: "attention", cut_off: "attention" };

function sessionMark(outcome) {
    const known = Object.hasOwn(OUTCOMES, outcome ?? "") ? outcome : "nothing_asked";
    return element("span", { class: "state", "data-level": OUTCOMES[known] }, shape(OUTCOMES[known]),
        t(`server.outcome.${known}`));
}

function tookText({ records, bytes: size, address }) {
    return size > 0 ? t("server.took", { n: records, bytes: bytes(size), address }) : t("server.took.nothing", { address });
}

function sessionRow(session) {
    const ended = Date.parse(session.ended_at);
    return element("li", {}, timeElement(ended, localTime(ended)), sessionMark(session.outcome),
        element("span", { class: "muted" }, tookText(session),
            session.update_version ? ` ${t("server.update", { version: session.update_version })}` : ""));
}

export function showServer(status, nowMs) {
    const sessions = status.contacts?.sessions ?? [];
    const [last] = sessions;
    const line = byId("server-line");
    const ago = (time) => age((nowMs - Date.parse(time)) / 1000);
    const synced = status.last_sync;
    if (last !== undefined)
        line.replaceChildren(timeElement(Date.parse(last.ended_at), ago(last.ended_at)));
    else
        setText(line, synced === null ? t("server.never") : ago(synced));
    setText(byId("server-took"), last !== undefined ? tookText(last) : synced === null ? t("server.never.hint")
        : t("server.synced"));
    setAttribute(byId("server-more"), "hidden", sessions.length < 2);
    byId("server-sessions").replaceChildren(...sessions.slice(0, SESSIONS_SHOWN).map(sessionRow));
}

/* ---- the machine ---- */

function identity(id) {
    if (id === null)
        return t("machine.id.none");
    return element("span", { class: "identity", title: `${t("machine.id.hint")}: ${id}` },
        `${id.slice(0, IDENTITY_SHOWN)}…`);
}

export function showMachine(status) {
    setText(byId("machine-name"), status.name);
    byId("machine").replaceChildren(...factRows([
        ["machine.version", status.version],
        ["machine.uptime", duration(status.machine_uptime_s)],
        ["machine.id", identity(status.agent_id)],
    ]));
}
