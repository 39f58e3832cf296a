// The strip below the charts: the whole time that is kept of the first channel, and its alarms.

import { get } from "./common/client.js";
import { RangeStrip } from "./common/range_strip.js";
import { colourOf, endOf } from "./alarm_words.js";
import { machineNow } from "./machine.js";

const AGAIN_MS = 10 * 60_000;
const ALARMS_MAX = 1000;
let strip = null;
let loaded = { name: null, atMs: 0 };

async function load(name, [from, to]) {
    loaded = { name, atMs: to };
    const range = { from: new Date(from).toISOString(), to: new Date(to).toISOString() };
    try {
        const [history, { alarms }] = await Promise.all([
            get("/api/history", { channel: name, ...range, points: Math.max(100, Math.round(strip.width)) }),
            get("/api/alarms", { ...range, limit: ALARMS_MAX }),
        ]);
        if (loaded.name !== name)
            return;
        strip.show({
            points: history.t.map((time, i) => ({ time, min: history.min[i], max: history.max[i] }))
                .filter(({ min }) => min !== null),
            marks: alarms.filter(({ channel }) => channel === name).map((alarm) =>
                ({ from: Date.parse(alarm.raised_at), to: endOf(alarm, machineNow()), level: colourOf(alarm) })),
        });
    } catch {
        loaded = { name: null, atMs: 0 }; // the chart above says what is wrong; the strip tries with its next range
    }
}

/* Draws what is seen; asks for the silhouette when the channel is another or it is old. */
export function showOverviewStrip({ names, whole, seen, host }) {
    if (names.length === 0)
        return;
    if (strip === null) {
        strip = new RangeStrip(document.getElementById("chart-strip"), host);
        new ResizeObserver(() => strip.redraw()).observe(document.getElementById("chart-strip"));
        new MutationObserver(() => strip.redraw()).observe(document.documentElement, { attributeFilter: ["data-scheme", "lang"] });
    }
    strip.show({ whole, seen });
    if (loaded.name !== names[0] || whole[1] - loaded.atMs > AGAIN_MS)
        load(names[0], whole);
}
