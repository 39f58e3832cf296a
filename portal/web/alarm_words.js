// An alarm in words, shapes and colours. Pure: alarms in, words and elements out.

import { element, shape } from "./common/dom.js";
import { duration, quantity } from "./common/format.js";
import { t } from "./common/texts.js";
import { labelOf } from "./channels.js";

/* severity -> [shape, level, colour]: the worst first */
const SEVERITIES = {
    critical: ["problem", "problem", "red"],
    warning: ["attention", "attention", "amber"],
    info: ["info", "info", "accent"],
};
export const SEVERITY_NAMES = Object.keys(SEVERITIES);

/* One that is not known is taken for a warning. */
function severityOf(alarm) {
    return Object.hasOwn(SEVERITIES, alarm.severity ?? "") ? alarm.severity : "warning";
}

export function levelOf(alarm) {
    return SEVERITIES[severityOf(alarm)][1];
}

export function colourOf(alarm) {
    return SEVERITIES[severityOf(alarm)][2];
}

export function severityName(alarm) {
    return t(`severity.${severityOf(alarm)}`);
}

export function severityMark(alarm) {
    return element("span", { class: "state", "data-level": levelOf(alarm) }, shape(SEVERITIES[severityOf(alarm)][0]),
        severityName(alarm));
}

/* The worst first, of those the newest. */
export function byUrgency(a, b) {
    return SEVERITY_NAMES.indexOf(severityOf(a)) - SEVERITY_NAMES.indexOf(severityOf(b)) ||
        Date.parse(b.raised_at) - Date.parse(a.raised_at);
}

export function endOf(alarm, nowMs) {
    return alarm.resolved_at === null ? nowMs : Date.parse(alarm.resolved_at);
}

export function lasted(alarm, nowMs) {
    return duration((endOf(alarm, nowMs) - Date.parse(alarm.raised_at)) / 1000);
}

/* "Engine temp" */
export function alarmTitle(alarm) {
    return labelOf(alarm.channel);
}

/* The collector's own words (collector/alarm.c), "engine_temp is 104.2 degC, above its limit of 95 degC", as
 * {relation, value: text or undefined, limit: text}; null: somebody else's. */
function readMessage({ channel, message }) {
    if (!message?.startsWith(`${channel} is `))
        return null;
    const found = /^(?:(?<value>[-+.\de]+)[^,]*, )?(?<relation>above|below|at) its limit of (?<limit>[-+.\de]+)/
        .exec(message.slice(channel.length + " is ".length));
    return found?.groups ?? null;
}

/* "104.2 °C", with as many digits as the collector wrote */
function measured(text, unitText) {
    const { figure, unit } = quantity(Number(text), unitText, text.split(".")[1]?.length ?? 0);
    return unit === "" ? figure : `${figure}\u00a0${unit}`;
}

/* What is wrong, without the channel's name, in the viewer's language where the words are the collector's. */
export function alarmSays(alarm) {
    const read = readMessage(alarm);
    if (read === null)
        return alarm.message ?? "";
    const limit = measured(read.limit, alarm.unit);
    return read.value === undefined ? t(`alarm.${read.relation}`, { limit })
        : t(`alarm.value.${read.relation}`, { value: measured(read.value, alarm.unit), limit });
}

/* The limit that was passed; null: not known. */
export function limitOf(alarm) {
    const limit = Number(readMessage(alarm)?.limit);
    return Number.isFinite(limit) ? limit : null;
}
