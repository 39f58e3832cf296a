// Where an axis has its marks, and what they say in the viewer's language and zone.

import { clockTime, dayText, number, quantity } from "./format.js";

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const STEPS = [1, 2, 5, 10, 15, 30].map((n) => n * SECOND)
    .concat([1, 2, 5, 10, 15, 30].map((n) => n * MINUTE), [1, 2, 3, 6, 12].map((n) => n * HOUR),
        [1, 2, 5, 10, 30, 90, 365].map((n) => n * DAY));
const TIME_PIXELS = 84; // what a mark with its text takes
const VALUE_PIXELS = 40;

/* The first mark, in the viewer's zone; of whole days, midnight. */
function firstMark(from, step) {
    const day = new Date(from);
    day.setHours(0, 0, 0, 0);
    if (step >= DAY)
        return day;
    const start = day.getTime();
    return new Date(start + Math.floor((from - start) / step) * step);
}

/* The next one: days are as long as they are when clocks are put back or forward. */
function nextMark(mark, step) {
    const next = new Date(mark);
    if (step >= DAY)
        next.setDate(next.getDate() + step / DAY);
    else
        next.setTime(next.getTime() + step);
    return next;
}

/* Midnight is the day's name, so that a mark never stands for two days. */
function timeText(mark, step) {
    const midnight = mark.getHours() === 0 && mark.getMinutes() === 0 && mark.getSeconds() === 0;
    if (step >= DAY || midnight)
        return dayText(mark, step >= 365 * DAY);
    return clockTime(mark, step < MINUTE);
}

/* For dygraphs: [{v: ms, label}] from a to b on so many pixels. */
export function timeTicks(a, b, pixels) {
    const fitting = Math.max(2, Math.floor(pixels / TIME_PIXELS));
    const step = STEPS.find((one) => (b - a) / one <= fitting) ?? Math.ceil((b - a) / fitting / DAY) * DAY;
    const ticks = [];
    for (let mark = firstMark(a, step); mark <= b; mark = nextMark(mark, step)) {
        if (mark >= a)
            ticks.push({ v: mark.getTime(), label: timeText(mark, step) });
    }
    return ticks;
}

/* 1, 2 or 5 times a power of ten; of bytes a power of two. */
function niceStep(raw, unit) {
    if (unit === "B")
        return 2 ** Math.ceil(Math.log2(raw));
    const power = 10 ** Math.floor(Math.log10(raw));
    return [1, 2, 5, 10].map((n) => n * power).find((step) => step >= raw * 0.999);
}

function valueText(value, step, unit) {
    if (unit === "B" || Math.abs(value) >= 1e7) {
        const shown = quantity(value, unit, 0);
        return unit === "B" ? `${shown.figure}\u00a0${shown.unit}` : shown.figure;
    }
    return number(value, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

/* The same for values. */
export function valueTicks(a, b, pixels, unit) {
    const span = b - a;
    if (!(span > 0))
        return [];
    const step = niceStep(span / Math.max(2, Math.floor(pixels / VALUE_PIXELS)), unit);
    const ticks = [];
    for (let i = Math.ceil(a / step); i * step <= b; i++)
        ticks.push({ v: i * step, label: valueText(i * step === 0 ? 0 : i * step, step, unit) });
    return ticks;
}
