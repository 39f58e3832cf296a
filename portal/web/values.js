// The live values: one row a channel, grouped by the beginning of their names. Rows are made once and changed in place.

import { age, fittingDigits, quantity, unit } from "./common/format.js";
import { element, setAttribute, setText } from "./common/dom.js";
import { t } from "./common/texts.js";

const groups = document.getElementById("groups");
const empty = document.getElementById("values-empty");
const filter = document.getElementById("filter");
const STALE_MIN_S = 10;
const STALE_INTERVALS = 5;
const COORDINATE_DIGITS = 5;
const PERCENT_RANGE = 100;
const LARGE_GROUP = 10;
const FILTER_FROM = 12; // with fewer channels there is nothing to look for

let rows = new Map(); // channel_id -> {channel, digits, timeMs, value, and the elements}
let staleAfterS = STALE_MIN_S;

/* The first words of a name: "net_eth0_err_in" with one is "net", with two "net_eth0"; "" when there are no more. */
function prefixOf(name, words) {
    return name.match(new RegExp(`^([^._]+[._]){${words}}(?=.)`))?.[0].slice(0, -1) ?? "";
}

function groupBy(channels, keyOf) {
    const found = new Map();
    for (const channel of channels) {
        const key = keyOf(channel.name);
        found.set(key, [...(found.get(key) ?? []), channel]);
    }
    return found;
}

/* Groups by the first word; a large one, like all network devices, by the first two. One alone is no group. */
function groupChannels(channels) {
    const grouped = new Map();
    for (const [word, members] of groupBy(channels, (name) => prefixOf(name, 1))) {
        const finer = members.length > LARGE_GROUP ? groupBy(members, (name) => prefixOf(name, 2)) : new Map();
        for (const [words, part] of finer) {
            if (words !== "" && part.length > 1 && part.length < members.length)
                grouped.set(words, part);
        }
        const rest = members.filter((channel) => !grouped.get(prefixOf(channel.name, 2))?.includes(channel));
        const key = word !== "" && rest.length > 1 ? word : "";
        grouped.set(key, [...(grouped.get(key) ?? []), ...rest]);
    }
    return grouped;
}

const ACRONYMS = /\b(cpu|gps|gpu|gsm|id|io|ip|lte|pm|ram|rpm|ssd|usb)\b/gi;

/* "gps_altitude" in the group "gps" is "Altitude"; "gps" itself is "GPS". */
function labelOf(name, group) {
    const rest = group === "" ? name : name.slice(group.length + 1);
    const words = (rest.replace(/_+/g, " ").trim() || name).replace(ACRONYMS, (word) => word.toUpperCase());
    return words.charAt(0).toUpperCase() + words.slice(1);
}

/* A place on the earth needs more digits than its range tells. */
function digitsFor(channel, value, range) {
    return /(^|[._])(lat|lon|latitude|longitude)$/.test(channel.name) ? COORDINATE_DIGITS : fittingDigits(value, range);
}

function makeRow(channel, group) {
    const figure = element("span", { class: "figure" }, "–");
    const unitText = element("span", { class: "unit" }, unit(channel.unit));
    const age = element("span", { class: "reading-age", hidden: true });
    const fill = element("span");
    const hasRange = channel.phys_min !== null && channel.phys_max !== null && channel.phys_max > channel.phys_min;
    const row = element("tr", {},
        element("th", { scope: "row", title: [channel.name, channel.description].filter(Boolean).join(": ") },
            labelOf(channel.name, group)),
        element("td", {},
            element("span", { class: "reading" }, figure, unitText),
            hasRange ? element("span", { class: "range", "aria-hidden": "true" }, fill) : null,
            age));
    rows.set(channel.channel_id, {
        channel, row, figure, unitText, age, fill: hasRange ? fill : null, digits: null, timeMs: null, value: null,
        range: hasRange ? channel.phys_max - channel.phys_min : channel.unit === "%" ? PERCENT_RANGE : null,
    });
    return row;
}

function makeGroup(title, channels, group) {
    const body = element("tbody", {}, ...channels.map((channel) => makeRow(channel, group)));
    return element("section", { class: "group panel" },
        element("table", {}, title === null ? null : element("caption", {}, title), body));
}

/* In the order of the first channel of each group; those of no group together at the end. */
export function showChannels(channels, sampleIntervalMs) {
    const old = rows;
    rows = new Map();
    staleAfterS = Math.max(STALE_MIN_S, STALE_INTERVALS * sampleIntervalMs / 1000);
    const grouped = groupChannels(channels);
    const others = grouped.get("") ?? [];
    grouped.delete("");
    const made = [...grouped].filter(([, members]) => members.length > 0)
        .map(([group, members]) => makeGroup(labelOf(group, ""), members, group));
    if (others.length > 0)
        made.push(makeGroup(made.length > 0 ? t("values.other") : null, others, ""));
    groups.replaceChildren(...made);
    filter.hidden = channels.length < FILTER_FROM;
    for (const [id, { timeMs, value }] of old)
        takeValue(id, timeMs, value);
    applyFilter();
}

export function knowsChannel(id) {
    return rows.has(id);
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
    row.digits = Math.max(row.digits ?? 0, digitsFor(row.channel, value, row.range));
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
