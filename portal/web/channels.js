// How channels are named and grouped for people. Pure.

import { fittingDigits, quantity, unit } from "./common/format.js";

const COORDINATE_DIGITS = 5;
const PERCENT_RANGE = 100;
const LARGE_GROUP = 10;
const ACRONYMS = /\b(cpu|gps|gpu|gsm|id|io|ip|lte|pm|ram|rpm|ssd|usb)\b/gi;

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

/* Groups by the first word; a large one, like all network devices, by the first two. One alone is no group: those of
 * no group are under "", at the end. */
export function groupChannels(channels) {
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
    const others = grouped.get("") ?? [];
    grouped.delete("");
    return new Map([...[...grouped].filter(([, members]) => members.length > 0),
        ...(others.length > 0 ? [["", others]] : [])]);
}

/* "gps_altitude" in the group "gps" is "Altitude"; "gps" itself is "GPS". */
export function labelOf(name, group = "") {
    const rest = group === "" ? name : name.slice(group.length + 1);
    const words = (rest.replace(/_+/g, " ").trim() || name).replace(ACRONYMS, (word) => word.toUpperCase());
    return words.charAt(0).toUpperCase() + words.slice(1);
}

/* What tells its digits: phys_max - phys_min, or null. */
export function rangeOf(channel) {
    if (channel.phys_min !== null && channel.phys_max !== null && channel.phys_max > channel.phys_min)
        return channel.phys_max - channel.phys_min;
    return channel.unit === "%" ? PERCENT_RANGE : null;
}

/* A place on the earth: it needs more digits than its range tells, and its range tells nothing. */
export function isCoordinate({ name }) {
    return /(^|[._])(lat|lon|latitude|longitude)$/.test(name);
}

export function digitsFor(channel, value) {
    return isCoordinate(channel) ? COORDINATE_DIGITS : fittingDigits(value, rangeOf(channel));
}

/* "1,523 rpm" */
export function valueText(channel, value) {
    const { figure, unit: text } = quantity(value, channel.unit, digitsFor(channel, value));
    return text === "" ? figure : `${figure}\u00a0${text}`;
}

/* "1,020 – 1,544 rpm", or one value when both are the same */
export function spanText(channel, min, max) {
    if (min === max)
        return valueText(channel, min);
    const digits = Math.max(digitsFor(channel, min), digitsFor(channel, max));
    const [low, high] = [min, max].map((value) => quantity(value, channel.unit, digits));
    if (low.figure === high.figure && low.unit === high.unit)
        return valueText(channel, max);
    const text = (shown) => (shown.unit === "" ? shown.figure : `${shown.figure}\u00a0${shown.unit}`);
    return low.unit === high.unit ? `${low.figure} – ${text(high)}` : `${text(low)} – ${text(high)}`;
}

export function unitOf(channel) {
    return unit(channel.unit);
}
