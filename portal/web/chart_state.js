// What the charts show, as the address says it: which channels, and either the last so many (live) or a fixed range.
// Pure: addresses and times in, states and addresses out.

import { addressOf } from "./common/route.js";

const HOUR_MS = 3_600_000;
export const PRESETS = { "1h": HOUR_MS, "6h": 6 * HOUR_MS, "24h": 24 * HOUR_MS, "7d": 168 * HOUR_MS, "30d": 720 * HOUR_MS,
                         all: null };
export const CHARTS_MAX = 6;
const SPAN_MIN_MS = 10_000;
const EDGE = 0.02; // nearer to now than this part of the range is live

function timeFrom(text) {
    const time = Date.parse(text ?? "");
    return Number.isFinite(time) ? time : null;
}

/* {names, range: a preset, or null; spanMs: of a live range; from, to: of a fixed one} */
export function stateOf(query) {
    const names = [...new Set(query.getAll("c"))].filter((name) => name !== "").slice(0, CHARTS_MAX);
    const [from, to] = [timeFrom(query.get("from")), timeFrom(query.get("to"))];
    if (from !== null && to !== null && to - from >= SPAN_MIN_MS / 10)
        return { names, range: null, spanMs: null, from, to };
    const seconds = Number(query.get("last"));
    if (seconds >= SPAN_MIN_MS / 1000)
        return { names, range: null, spanMs: seconds * 1000, from: null, to: null };
    const range = Object.hasOwn(PRESETS, query.get("range") ?? "") ? query.get("range") : "1h";
    return { names, range, spanMs: PRESETS[range], from: null, to: null };
}

export function addressFor({ names, range, spanMs, from, to }) {
    const channels = names.map((name) => ["c", name]);
    if (range !== null)
        return addressOf("chart", [...channels, ["range", range]]);
    if (from === null)
        return addressOf("chart", [...channels, ["last", Math.round(spanMs / 1000)]]);
    return addressOf("chart", [...channels, ...[["from", from], ["to", to]].map(([key, time]) =>
        [key, new Date(Math.round(time)).toISOString()])]);
}

export function isLive(state) {
    return state.from === null;
}

/* [from, to] in ms. oldest: of the store. */
export function rangeOfState(state, nowMs, oldest) {
    if (!isLive(state))
        return [state.from, state.to];
    return [state.spanMs === null ? Math.min(oldest, nowMs - PRESETS["1h"]) : nowMs - state.spanMs, nowMs];
}

/* The state with another range: kept within what there is; live when its end is now. */
export function withRange(state, from, to, nowMs, oldest) {
    const longest = Math.max(nowMs - Math.min(oldest, nowMs), PRESETS["1h"]) * 1.1;
    const span = Math.min(Math.max(to - from, SPAN_MIN_MS), longest);
    const middle = (from + to) / 2;
    const end = Math.min(nowMs, Math.max(middle + span / 2, Math.min(oldest + span, nowMs)));
    if (nowMs - end <= span * EDGE)
        return { ...state, range: presetOf(span), spanMs: span, from: null, to: null };
    return { ...state, range: null, spanMs: null, from: end - span, to: end };
}

function presetOf(span) {
    return Object.keys(PRESETS).find((name) => PRESETS[name] !== null && Math.abs(PRESETS[name] - span) < 1000) ?? null;
}
