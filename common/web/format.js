// Numbers, sizes, ages and times for people, in the viewer's language and zone.

import { currentLanguage, t } from "./texts.js";

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

export function number(value, digits) {
    const key = `${currentLanguage()}:${digits}`;
    if (!formatters.has(key))
        formatters.set(key, new Intl.NumberFormat(currentLanguage(),
            { minimumFractionDigits: digits, maximumFractionDigits: digits }));
    return formatters.get(key).format(value);
}

function scaledBytes(value) {
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let unit = 0;
    while (Math.abs(value) >= 1024 && unit + 1 < units.length) {
        value /= 1024;
        unit++;
    }
    return { figure: number(value, unit === 0 || Math.abs(value) >= 100 ? 0 : 1), unit: units[unit] };
}

export function bytes(value) {
    const { figure, unit } = scaledBytes(value);
    return `${figure}\u00a0${unit}`;
}

function compact(value) {
    return new Intl.NumberFormat(currentLanguage(), { notation: "compact", maximumFractionDigits: 1 }).format(value);
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
    if (s < 2 * DAY_S)
        return t("duration.hours", { h: Math.floor(s / HOUR_S), m: Math.floor((s % HOUR_S) / MINUTE_S) });
    return t("duration.days", { n: Math.floor(s / DAY_S) });
}

export function age(seconds) {
    return seconds < NOW_S ? t("age.now") : t("age.ago", { duration: duration(seconds) });
}

/* A time in the viewer's zone; the UTC for a tooltip. */
export function localTime(milliseconds) {
    return new Intl.DateTimeFormat(currentLanguage(), { dateStyle: "medium", timeStyle: "short" })
        .format(new Date(milliseconds));
}

export function utcTime(milliseconds) {
    return new Date(milliseconds).toISOString().replace(".000Z", "Z");
}

/* Units as an instrument shows them. */
const UNITS = { degC: "°C", degF: "°F", deg: "°", "m3/h": "m³/h", "m/s2": "m/s²", us: "µs", ohm: "Ω" };
export function unit(text) {
    return UNITS[text] ?? text ?? "";
}
