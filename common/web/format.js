// Numbers, sizes, ages and times for people, in the viewer's language and zone.

import { element } from "./dom.js";
import { currentLocale, hasText, t } from "./texts.js";

const MINUTE_S = 60;
const HOUR_S = 60 * MINUTE_S;
const DAY_S = 24 * HOUR_S;
const COMPACT_FROM = 1e7;
const NOW_S = 5; // younger than this is "now": a figure that flickers every second tells nothing

/* Digits after the point that fit: fewer for larger numbers. `range`: phys_max - phys_min, or null. */
export function fittingDigits(value, range) {
    const scale = range !== null && range > 0 ? range : Math.abs(value);
    if (Number.isInteger(value) || scale >= 1000)
        return 0;
    return scale >= 20 ? 1 : scale >= 1 ? 2 : 3;
}

const formatters = new Map();

/* One formatter a locale and kind: making them is slow. */
function formatter(kind, make) {
    const key = `${currentLocale()}:${kind}`;
    if (!formatters.has(key))
        formatters.set(key, make(currentLocale()));
    return formatters.get(key);
}

export function number(value, digits) {
    return formatter(digits, (locale) => new Intl.NumberFormat(locale,
        { minimumFractionDigits: digits, maximumFractionDigits: digits })).format(value);
}

function scaledBytes(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let step = 0;
    while (Math.abs(value) >= 1024 && step + 1 < units.length) {
        value /= 1024;
        step++;
    }
    return { figure: number(value, step === 0 || Math.abs(value) >= 100 ? 0 : 1), unit: unit(units[step]) };
}

export function bytes(value) {
    const { figure, unit: text } = scaledBytes(value);
    return `${figure}\u00a0${text}`;
}

function compact(value) {
    return formatter("compact", (locale) => new Intl.NumberFormat(locale,
        { notation: "compact", maximumFractionDigits: 1 })).format(value);
}

/* A measured value as {figure, unit}: bytes and seconds in larger units, huge counters in short. */
export function quantity(value, unitText, digits) {
    if (unitText === "B")
        return scaledBytes(value);
    if (unitText === "s" && value >= 2 * MINUTE_S)
        return { figure: duration(value), unit: "" };
    return { figure: Math.abs(value) >= COMPACT_FROM ? compact(value) : number(value, digits), unit: unit(unitText) };
}

/* "42 s", "7 min", "3 h 12 min", "5 days" */
export function duration(seconds) {
    const s = Math.max(0, Math.floor(seconds));
    if (s < MINUTE_S)
        return t("duration.seconds", { s });
    if (s < HOUR_S)
        return t("duration.minutes", { m: Math.floor(s / MINUTE_S) });
    const [h, m] = [Math.floor(s / HOUR_S), Math.floor((s % HOUR_S) / MINUTE_S)];
    if (s < 2 * DAY_S)
        return m === 0 ? t("duration.hours.only", { h }) : t("duration.hours", { h, m });
    return t("duration.days", { n: Math.floor(s / DAY_S) });
}

export function age(seconds) {
    return seconds < NOW_S ? t("age.now") : t("age.ago", { duration: duration(seconds) });
}

/* ---- times, in the viewer's zone and with 24 hours: a plant's clock has no AM ---- */

function dateFormat(kind, options) {
    return formatter(kind, (locale) => new Intl.DateTimeFormat(locale, { hourCycle: "h23", ...options }));
}

/* The year only where it is another one. */
export function localTime(milliseconds) {
    const thisYear = new Date(milliseconds).getFullYear() === new Date().getFullYear();
    return dateFormat(`time-${thisYear}`, { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
        ...(thisYear ? {} : { year: "numeric" }) }).format(milliseconds);
}

export function exactTime(milliseconds) {
    return dateFormat("exact", { dateStyle: "medium", timeStyle: "medium" }).format(milliseconds);
}

export function clockTime(milliseconds, seconds) {
    return seconds ? dateFormat("clock-s", { hour: "2-digit", minute: "2-digit", second: "2-digit" }).format(milliseconds)
        : dateFormat("clock", { hour: "2-digit", minute: "2-digit" }).format(milliseconds);
}

/* "22 Feb", with the year when asked for */
export function dayText(milliseconds, year = false) {
    return year ? dateFormat("month", { month: "short", year: "numeric" }).format(milliseconds)
        : dateFormat("day", { day: "numeric", month: "short" }).format(milliseconds);
}

/* From one time to another, what both share said once, the year where it is not this one. */
export function timeRange(from, to) {
    const short = to - from < 10 * MINUTE_S * 1000;
    const thisYear = new Date(from).getFullYear() === new Date().getFullYear();
    return dateFormat(`range-${short}-${thisYear}`, {
        day: "numeric", month: "short", hour: "2-digit", minute: "2-digit",
        ...(thisYear ? {} : { year: "numeric" }), ...(short ? { second: "2-digit" } : {}),
    }).formatRange(from, to);
}

/* The UTC for a tooltip. */
export function utcTime(milliseconds) {
    return new Date(milliseconds).toISOString().replace(".000Z", "Z");
}

/* A time as an element: the viewer's zone, both in its tooltip. */
export function timeElement(milliseconds, text) {
    return element("time", { datetime: utcTime(milliseconds), title: `${exactTime(milliseconds)} (${utcTime(milliseconds)})` },
        text);
}

/* Units as an instrument shows them: those of the language first. */
const UNITS = { degC: "°C", degF: "°F", deg: "°", "m3/h": "m³/h", "m/s2": "m/s²", us: "µs", ohm: "Ω" };
export function unit(text) {
    const key = `unit.${text}`;
    return hasText(key) ? t(key) : UNITS[text] ?? text ?? "";
}
