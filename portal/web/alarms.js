// The alarms: those that last on top, and what was, by range, channel and severity. The address keeps what is chosen.

import { get } from "./common/client.js";
import { element, setText } from "./common/dom.js";
import { localTime, timeElement } from "./common/format.js";
import { addressOf, goTo } from "./common/route.js";
import { makeTable } from "./common/table.js";
import { t } from "./common/texts.js";
import { alarmSays, alarmTitle, byUrgency, endOf, lasted, severityMark, SEVERITY_NAMES } from "./alarm_words.js";
import { labelOf } from "./channels.js";
import { failed, machine, machineNow, on } from "./machine.js";

const DAY_MS = 86_400_000;
const RANGES = { "24h": DAY_MS, "7d": 7 * DAY_MS, "30d": 30 * DAY_MS, all: null };
const RANGE_FIRST = "30d";
const PAGE = 200; // alarms asked for at once
const AROUND = 0.5; // of an alarm's length is shown before and after it on its chart
const AROUND_MIN_MS = 10 * 60_000;
const byId = (id) => document.getElementById(id);

let chosen = { range: RANGE_FIRST, channel: "", severity: "" };
let visible = false;
let history = null; // newest first; null: not known yet
let more = false;
let failure = null;
let asked = 0; // the newest question: older answers are dropped

/* ---- words ---- */

/* Where the alarm is seen on its chart. */
export function chartOf(alarm, nowMs) {
    const raised = Date.parse(alarm.raised_at);
    const end = endOf(alarm, nowMs);
    const around = Math.max(AROUND_MIN_MS, (end - raised) * AROUND);
    const range = alarm.resolved_at === null && around === AROUND_MIN_MS ? [["range", "1h"]]
        : [["from", new Date(raised - around).toISOString()], ["to", new Date(Math.min(end + around, nowMs)).toISOString()]];
    return addressOf("chart", [["c", alarm.channel], ...range]);
}

function chartLink(alarm) {
    return element("a", { href: chartOf(alarm, machineNow()), title: alarm.channel }, alarmTitle(alarm));
}

function timeOf(time) {
    const ms = Date.parse(time);
    return timeElement(ms, localTime(ms));
}

/* ---- those that last ---- */

function openCard(alarm) {
    const since = element("span", { class: "alarm-lasts number", "data-since": alarm.alarm_id },
        t("alarms.for", { duration: lasted(alarm, machineNow()) }));
    return element("li", { class: "alarm-card", "data-alarm": alarm.alarm_id },
        severityMark(alarm), element("h3", {}, chartLink(alarm)), since,
        element("p", { class: "alarm-says" }, alarmSays(alarm)),
        element("p", { class: "small muted" }, t("alarms.since"), " ", timeOf(alarm.raised_at)));
}

function showOpen() {
    const open = [...machine.open].sort(byUrgency);
    setText(byId("open-title"), open.length === 0 ? t("alarms.open.title") : t("alarms.open", { n: open.length }));
    byId("open-alarms").replaceChildren(...open.map(openCard));
    byId("open-none").hidden = open.length > 0;
}

function ageOpen() {
    for (const alarm of machine.open) {
        const since = document.querySelector(`[data-since="${CSS.escape(alarm.alarm_id)}"]`);
        if (since !== null)
            setText(since, t("alarms.for", { duration: lasted(alarm, machineNow()) }));
    }
}

/* ---- what was ---- */

const COLUMNS = [
    { name: "severity", title: "alarms.severity", cell: severityMark },
    { name: "channel", title: "alarms.channel", cell: chartLink },
    { name: "says", title: "alarms.message", cell: alarmSays },
    { name: "raised", title: "alarms.raised", cell: ({ raised_at: time }) => timeOf(time) },
    { name: "resolved", title: "alarms.resolved",
      cell: ({ resolved_at: time }) => (time === null ? t("alarms.lasts") : timeOf(time)) },
    { name: "lasted", title: "alarms.lasted", number: true, cell: (alarm) => lasted(alarm, machineNow()) },
];

function matching() {
    return history.filter(({ channel, severity }) => (chosen.channel === "" || channel === chosen.channel) &&
        (chosen.severity === "" || severity === chosen.severity));
}

function emptyText() {
    const filtered = chosen.channel !== "" || chosen.severity !== "";
    return filtered ? t("alarms.none.filter") : t(`alarms.none.${chosen.range}`);
}

function showHistory() {
    const target = byId("alarm-history");
    byId("alarms-error").hidden = failure === null;
    setText(byId("alarms-error-text"), failure === null ? "" : t("alarms.failed", { detail: failure }));
    byId("alarms-older").hidden = !more;
    if (history === null) {
        target.replaceChildren(...(failure === null ? [loadingRows()] : []));
        byId("history-none").hidden = true;
        return;
    }
    const rows = matching();
    byId("history-none").hidden = rows.length > 0 || failure !== null;
    setText(byId("history-none"), emptyText());
    target.replaceChildren(...(rows.length === 0 ? [] : [makeTable({
        caption: t("alarms.history"), rows,
        columns: COLUMNS.map((column) => ({ ...column, title: t(column.title) })),
        rowAttributes: (alarm) => ({ "data-alarm": alarm.alarm_id }),
    })]));
}

function loadingRows() {
    return element("div", { class: "skeleton-rows", "aria-hidden": "true" },
        ...Array.from({ length: 6 }, () => element("p", {}, element("span", { class: "skeleton" }, "warning of a channel, some time ago"))));
}

/* older: those before the last that is known. */
async function load(older) {
    const question = ++asked;
    const span = RANGES[chosen.range];
    const query = { from: span === null ? null : new Date(machineNow() - span).toISOString(), limit: PAGE };
    if (older)
        query.to = history.at(-1).raised_at;
    try {
        const answer = await get("/api/alarms", query);
        if (question !== asked)
            return;
        const known = new Set(older ? history.map(({ alarm_id: id }) => id) : []);
        const fresh = answer.alarms.filter(({ alarm_id: id }) => !known.has(id));
        history = older ? [...history, ...fresh] : fresh;
        more = answer.more && fresh.length > 0;
        failure = null;
    } catch (error) {
        if (question !== asked)
            return;
        if (error.status === 401)
            failed(error);
        failure = error.word === "no_store" ? null : error.status === 0 ? t("answer.offline") : error.message;
        if (error.word === "no_store")
            [history, more] = [[], false];
    }
    showHistory();
}

/* ---- what is chosen ---- */

function showChoice() {
    const channels = [...new Set([...(machine.channels ?? []).map(({ name }) => name), chosen.channel])]
        .filter((name) => name !== "");
    byId("alarm-range").replaceChildren(...Object.keys(RANGES).map((range) =>
        element("option", { value: range }, t(`alarms.range.${range}`))));
    byId("alarm-severity").replaceChildren(element("option", { value: "" }, t("alarms.all")),
        ...SEVERITY_NAMES.map((name) => element("option", { value: name }, t(`severity.${name}`))));
    byId("alarm-channel").replaceChildren(element("option", { value: "" }, t("alarms.all")),
        ...channels.map((name) => element("option", { value: name }, labelOf(name))));
    for (const [key, value] of Object.entries(chosen))
        byId(`alarm-${key}`).value = value;
}

function choose() {
    const values = ["range", "channel", "severity"].map((key) => [key, byId(`alarm-${key}`).value]);
    goTo(addressOf("alarms", values.filter(([, value]) => value !== "")));
}

/* ---- the view ---- */

export function showAlarms(query) {
    const range = query.get("range");
    const next = {
        range: Object.hasOwn(RANGES, range ?? "") ? range : RANGE_FIRST,
        channel: query.get("channel") ?? "",
        severity: SEVERITY_NAMES.includes(query.get("severity")) ? query.get("severity") : "",
    };
    const another = next.range !== chosen.range;
    const asking = history === null || !visible || another;
    if (another)
        history = null;
    visible = true;
    chosen = next;
    if (asking)
        load(false);
    showChoice();
    showOpen();
    showHistory();
}

export function hideAlarms() {
    visible = false;
}

function onAlarms(alarm) {
    if (!visible)
        return;
    showOpen();
    if (history === null)
        return;
    if (alarm === null) {
        load(false); // some may have come and gone unseen
        return;
    }
    const others = history.filter(({ alarm_id: id }) => id !== alarm.alarm_id);
    history = [...others, alarm].sort((a, b) => Date.parse(b.raised_at) - Date.parse(a.raised_at));
    showHistory();
}

export function beginAlarms() {
    on("alarms", onAlarms);
    on("tick", () => visible && ageOpen());
    on("channels", () => visible && showChoice());
    on("ended", () => { history = null; });
    byId("alarms-older").addEventListener("click", () => load(true));
    byId("alarms-again").addEventListener("click", () => load(false));
    byId("alarm-filter").addEventListener("change", choose);
}
