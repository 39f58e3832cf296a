// The live values: one row a channel, grouped by the beginning of their names. Rows are made once and changed in place.

import { age, quantity, unit } from "./common/format.js";
import { element, setAttribute, setText, shape } from "./common/dom.js";
import { addressOf } from "./common/route.js";
import { t } from "./common/texts.js";
import { byUrgency, levelOf, severityName } from "./alarm_words.js";
import { digitsFor, groupChannels, isCoordinate, labelOf, rangeOf } from "./channels.js";

const groups = document.getElementById("groups");
const empty = document.getElementById("values-empty");
const filter = document.getElementById("filter");
const STALE_MIN_S = 10;
const STALE_INTERVALS = 5;
const FILTER_FROM = 12; // with fewer channels there is nothing to look for

let rows = new Map(); // channel_id -> {channel, digits, timeMs, value, and the elements}
let staleAfterS = STALE_MIN_S;

function makeRow(channel, group) {
    const figure = element("span", { class: "figure" }, "–");
    const unitText = element("span", { class: "unit" }, unit(channel.unit));
    const age = element("span", { class: "reading-age", hidden: true });
    const fill = element("span");
    const hasRange = channel.phys_min !== null && channel.phys_max > channel.phys_min && !isCoordinate(channel);
    const alarm = element("span", { class: "reading-alarm" });
    const row = element("tr", {},
        element("th", { scope: "row", title: [channel.name, channel.description].filter(Boolean).join(": ") },
            element("a", { href: addressOf("chart", [["c", channel.name]]) }, labelOf(channel.name, group))),
        element("td", {},
            element("span", { class: "reading" }, alarm, figure, unitText),
            hasRange ? element("span", { class: "range", "aria-hidden": "true" }, fill) : null,
            age));
    rows.set(channel.channel_id, {
        channel, row, figure, unitText, age, alarm, fill: hasRange ? fill : null, digits: null, timeMs: null, value: null,
        range: rangeOf(channel),
    });
    return row;
}

function makeGroup(title, channels, group) {
    const body = element("tbody", {}, ...channels.map((channel) => makeRow(channel, group)));
    return element("section", { class: "group panel" },
        element("table", {}, title === null ? null : element("caption", {}, title), body));
}

/* In the order of the first channel of each group; those of no group together at the end. Values stay. */
export function showChannels(channels, sampleIntervalMs) {
    const old = rows;
    rows = new Map();
    staleAfterS = Math.max(STALE_MIN_S, STALE_INTERVALS * sampleIntervalMs / 1000);
    const grouped = groupChannels(channels);
    const titleOf = (group) => (group !== "" ? labelOf(group) : grouped.size > 1 ? t("values.other") : null);
    const made = [...grouped].map(([group, members]) => makeGroup(titleOf(group), members, group));
    groups.replaceChildren(...made);
    filter.hidden = channels.length < FILTER_FROM;
    for (const [id, { timeMs, value }] of old)
        takeValue(id, timeMs, value);
    applyFilter();
}

function takeValue(id, timeMs, value) {
    const row = rows.get(id);
    if (row === undefined || timeMs === null)
        return;
    row.timeMs = timeMs;
    row.value = value;
    if (value === null) {
        setText(row.figure, t("values.missing"));
        return;
    }
    row.digits = Math.max(row.digits ?? 0, digitsFor(row.channel, value));
    const shown = quantity(value, row.channel.unit, row.digits);
    setText(row.figure, shown.figure);
    setText(row.unitText, shown.unit);
    row.figure.title = String(value);
    if (row.fill !== null) {
        const part = (value - row.channel.phys_min) / row.range;
        row.fill.style.transform = `scaleX(${Math.min(1, Math.max(0, part)).toFixed(3)})`;
    }
}

export function takeValues(values) {
    for (const { channel_id: id, time, value } of values)
        takeValue(id, Date.parse(time), value);
}

/* Marks those that have an open alarm with the worst of theirs. */
export function markAlarms(open) {
    for (const { channel, row, alarm } of rows.values()) {
        const [worst] = open.filter(({ channel: name }) => name === channel.name).sort(byUrgency);
        setAttribute(row, "data-alarm", worst === undefined ? null : levelOf(worst));
        alarm.replaceChildren(...(worst === undefined ? [] : [shape(levelOf(worst)),
            element("span", { class: "hidden-text" }, severityName(worst))]));
    }
}

/* Shows what has become old. Returns {count, stale, newestAgeS} of the channels that have a value. */
export function ageValues(nowMs) {
    let count = 0;
    let stale = 0;
    let newestAgeS = null;
    for (const { row, age: text, timeMs } of rows.values()) {
        if (timeMs === null)
            continue;
        const ageS = Math.max(0, (nowMs - timeMs) / 1000);
        const old = ageS > staleAfterS;
        count++;
        stale += old ? 1 : 0;
        newestAgeS = newestAgeS === null ? ageS : Math.min(newestAgeS, ageS);
        setAttribute(row, "data-stale", old);
        text.hidden = !old;
        if (old)
            setText(text, age(ageS));
    }
    return { count, stale, newestAgeS };
}

/* Nothing to show is a state of its own, with its reason. */
function applyFilter() {
    const wanted = filter.value.trim().toLowerCase();
    let shown = 0;
    for (const group of groups.children) {
        let inGroup = 0;
        for (const row of group.querySelectorAll("tr")) {
            const heading = row.querySelector("th");
            const hit = `${heading.title} ${heading.textContent}`.toLowerCase().includes(wanted);
            row.hidden = !hit;
            inGroup += hit ? 1 : 0;
        }
        group.hidden = inGroup === 0;
        shown += inGroup;
    }
    empty.hidden = shown > 0;
    setText(empty, rows.size === 0 ? t("values.none") : t("values.no_match"));
}
filter.addEventListener("input", applyFilter);

/* While the machine cannot be reached, what is shown is old. */
export function markOld(old) {
    setAttribute(groups, "data-old", old);
}

export function showLoading() {
    rows = new Map();
    empty.hidden = true;
    const bars = Array.from({ length: 8 }, () =>
        element("tr", {}, element("th", { scope: "row" }, element("span", { class: "skeleton" }, "waiting for")),
            element("td", {}, element("span", { class: "skeleton" }, "0000"))));
    groups.replaceChildren(element("section", { class: "group panel", "aria-hidden": "true" },
        element("table", {}, element("tbody", {}, ...bars))));
}
