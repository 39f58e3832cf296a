// An alarm in words, shapes and colours. Pure: alarms in, words and elements out.

import { element, shape } from "./common/dom.js";
import { duration } from "./common/format.js";
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

export function severityMark(alarm) {
    const severity = severityOf(alarm);
    return element("span", { class: "state", "data-level": levelOf(alarm) }, shape(SEVERITIES[severity][0]),
        t(`severity.${severity}`));
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

/* What is wrong, without the channel's name. */
export function alarmSays(alarm) {
    const said = alarm.message ?? "";
    return said.startsWith(alarm.channel) ? said.slice(alarm.channel.length).replace(/^[:\s]+/, "") : said;
}
