// The strip below the charts: the whole time that is kept of the first channel, and its alarms.

import { get } from "./common/client.js";
import { setAttribute } from "./common/dom.js";
import { RangeStrip } from "./common/range_strip.js";
import { colourOf, endOf } from "./alarm_words.js";
import { channelNamed, machineNow } from "./machine.js";

const AGAIN_MS = 10 * 60_000;
const AGAIN_FAILED_MS = 30_000;
const ALARMS_MAX = 1000;
const WIDER = 1.25;
const target = document.getElementById("chart-strip");
let strip = null;
let loaded = { name: null, width: 0, untilMs: 0 }; // what is drawn, or was asked for; good until

async function load(name, [from, to]) {
    const question = loaded = { name, width: strip.width, untilMs: to + AGAIN_MS };
    const range = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
    try {
        const [history, { alarms }] = await Promise.all([
            get("/api/history", { channel: name, ...range, points: Math.max(100, Math.round(strip.width)) }),
            get("/api/alarms", { ...range, limit: ALARMS_MAX }),
        ]);
        if (question !== loaded)
            return;
        strip.show({
            stepMs: history.step_ms,
            points: history.t.map((time, i) => ({ time, min: history.min[i], max: history.max[i] }))
                .filter(({ min }) => min !== null),
            marks: alarms.filter(({ channel }) => channel === name).map((alarm) =>
                ({ from: Date.parse(alarm.raised_at), to: endOf(alarm, machineNow()), level: colourOf(alarm) })),
        });
        setAttribute(target, "data-drawn", name);
    } catch {
        question.untilMs = to + AGAIN_FAILED_MS; // the chart above says what is wrong
    }
}

function make(host) {
    strip = new RangeStrip(target, host);
    new ResizeObserver(() => strip.redraw()).observe(target);
    new MutationObserver(() => strip.redraw()).observe(document.documentElement, { attributeFilter: ["data-scheme", "lang"] });
}

/* Draws what is seen; asks for the silhouette when the channel is another, it is old, or there is more room for it. */
export function showOverviewStrip({ names, whole, seen, host }) {
    const name = names.find((one) => channelNamed(one) !== null);
    if (name === undefined)
        return;
    if (strip === null)
        make(host);
    strip.show({ whole, seen });
    if (loaded.name !== name || whole[1] > loaded.untilMs || strip.width > loaded.width * WIDER)
        load(name, whole);
}
