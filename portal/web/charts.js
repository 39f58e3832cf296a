// The charts: one below the other over the same time, moved and zoomed together. The address keeps what is seen, so
// that the way back undoes a zoom; while the right end is now, new values come by themselves.

import { get } from "./common/client.js";
import { moveBy, zoomBy } from "./common/chart_gestures.js";
import { csvText, saveText } from "./common/csv.js";
import { element, setAttribute, setText } from "./common/dom.js";
import { timeRange, utcTime } from "./common/format.js";
import { currentRoute, goTo } from "./common/route.js";
import { t } from "./common/texts.js";
import { ChartPanel } from "./chart_panel.js";
import { addressFor, CHARTS_MAX, isLive, PRESETS, rangeOfState, stateOf, withRange } from "./chart_state.js";
import { showOverviewStrip } from "./chart_strip.js";
import { groupChannels, labelOf } from "./channels.js";
import { failed, machine, machineNow, on } from "./machine.js";

const AGAIN_PART = 0.25; // live points are asked for anew when the window has moved on by this part of it
const MOVED_TOGETHER_MS = 1500; // moves that follow so closely are one step for the way back
const ALARMS_MAX = 1000;
const LAST = "telehaul.charts";
const KEY_ZOOM = 2;
const KEY_MOVE = 0.25;
const byId = (id) => document.getElementById(id);

let state = stateOf(new URLSearchParams());
let visible = false;
let panels = [];
let range = [0, 1];      // what is drawn
let loadedTo = 0;        // the end of the range that was asked for last
let pointed = null;      // the time under the pointer
let table = false;
let alarms = [];
let alarmsAsked = 0;
let movedMs = 0;         // when the range was moved last

/* ---- times ---- */

function oldest() {
    const time = Date.parse(machine.status?.store?.oldest ?? "");
    return Number.isFinite(time) ? time : machineNow() - PRESETS["1h"];
}

function drawRange(from, to) {
    range = [from, to];
    panels.forEach((panel) => panel.showRange(from, to));
    showHead();
}

function showHead() {
    const live = isLive(state);
    setText(byId("chart-range"), timeRange(...range));
    byId("chart-range").title = range.map(utcTime).join(" / ");
    byId("charts-live").hidden = live;
    byId("charts-follow").hidden = !live || !machine.reachable;
    for (const button of document.querySelectorAll("#chart-presets button"))
        setAttribute(button, "aria-pressed", String(button.value === state.range));
    showOverviewStrip({ names: state.names, whole: [oldest(), machineNow()], seen: range, host });
}

/* ---- what hands and keys do ---- */

const host = {
    range: () => range,
    preview: (from, to) => drawRange(from, to),
    choose(from, to) {
        const next = withRange(state, from, to, machineNow(), oldest());
        const moved = Math.abs((to - from) - (range[1] - range[0])) < 1;
        const together = moved && performance.now() - movedMs < MOVED_TOGETHER_MS;
        movedMs = moved ? performance.now() : 0;
        choose(next, together);
    },
    point(time) {
        pointed = time;
        panels.forEach((panel) => panel.markTime(time));
    },
    step(direction) {
        const panel = panels.find(({ plot }) => plot === document.activeElement) ?? panels[0];
        host.point(panel.stepFrom(pointed ?? (direction > 0 ? range[0] - 1 : range[1] + 1), direction));
        setText(byId("chart-said"), panel.readout.textContent);
    },
    live: () => choose({ ...state, range: "1h", spanMs: PRESETS["1h"], from: null, to: null }),
    oldest: () => host.choose(oldest(), oldest() + range[1] - range[0]),
    close: (name) => choose({ ...state, names: state.names.filter((one) => one !== name) }),
};

/* Shows it, and lets the address say so. kept: no step of its own for the way back. */
function choose(next, kept = false) {
    const address = addressFor(next);
    if (address === window.location.hash) {
        apply(next); // a preview is taken back
        return;
    }
    goTo(address, { kept });
    if (kept)
        apply(next);
}

/* ---- loading ---- */

async function loadAlarms() {
    const question = ++alarmsAsked;
    const [from, to] = range;
    try {
        const answer = await get("/api/alarms", {
            from: new Date(from - (to - from)).toISOString(), to: new Date(to + (to - from)).toISOString(), limit: ALARMS_MAX,
        });
        if (question !== alarmsAsked)
            return;
        alarms = answer.alarms;
    } catch (error) {
        if (error.status === 401)
            failed(error);
    }
    panels.forEach((panel) => panel.showAlarms(alarms));
}

function load() {
    loadedTo = range[1];
    panels.forEach((panel) => panel.load());
    if (panels.length > 0)
        loadAlarms();
}

/* ---- panels ---- */

function keepPanels(names) {
    const kept = new Map(panels.map((panel) => [panel.name, panel]));
    panels.filter(({ name }) => !names.includes(name)).forEach((panel) => panel.destroy());
    panels = names.map((name) => kept.get(name) ?? new ChartPanel(name, host));
    const target = byId("chart-panels");
    panels.forEach((panel, i) => {
        if (target.children[i] !== panel.element)
            target.insertBefore(panel.element, target.children[i] ?? null);
        panel.showTable(table);
    });
}

function showPicker() {
    const picker = byId("chart-add");
    const free = (machine.channels ?? []).filter(({ name }) => !state.names.includes(name));
    const groups = [...groupChannels(free)].map(([group, channels]) => {
        const options = channels.map(({ name }) => element("option", { value: name }, labelOf(name)));
        return element("optgroup", { label: group === "" ? t("values.other") : labelOf(group) }, ...options);
    });
    picker.replaceChildren(element("option", { value: "" }, t(state.names.length === 0 ? "chart.pick" : "chart.add")), ...groups);
    picker.disabled = free.length === 0 || state.names.length >= CHARTS_MAX;
    byId("charts-empty").hidden = state.names.length > 0;
    setText(byId("charts-empty"), machine.channels?.length === 0 ? t("chart.no_store") : t("chart.empty"));
    for (const id of ["charts-tools", "chart-strip", "charts-help"])
        byId(id).hidden = state.names.length === 0;
}

function apply(next) {
    const names = next.names.join("\n") !== state.names.join("\n");
    state = next;
    keepPanels(state.names);
    showPicker();
    if (names)
        keepLast();
    drawRange(...rangeOfState(state, machineNow(), oldest()));
    if (visible)
        load();
}

function keepLast() {
    try {
        window.sessionStorage.setItem(LAST, window.location.hash);
    } catch {
        // storage is switched off: the view begins empty
    }
}

function recallLast() {
    try {
        return window.sessionStorage.getItem(LAST);
    } catch {
        return null;
    }
}

/* ---- live ---- */

function follow() {
    if (!visible || panels.length === 0 || !isLive(state) || !machine.reachable)
        return;
    const [from, to] = rangeOfState(state, machineNow(), oldest());
    const pixelMs = (to - from) / Math.max(1, byId("chart-panels").clientWidth);
    if (to - range[1] < Math.max(pixelMs, 900))
        return;
    drawRange(from, to);
    if (pointed !== null)
        host.point(pointed);
    if (to - loadedTo > (to - from) * AGAIN_PART)
        load();
}

function takeValues(values) {
    if (!visible || panels.length === 0)
        return;
    const byChannel = new Map((machine.channels ?? []).map(({ channel_id: id, name }) => [id, name]));
    for (const { channel_id: id, time, value } of values)
        panels.find(({ name }) => name === byChannel.get(id))?.append({ timeMs: Date.parse(time), value });
    follow();
}

function takeAlarm(alarm) {
    if (!visible || alarm === null)
        return;
    alarms = [alarm, ...alarms.filter(({ alarm_id: id }) => id !== alarm.alarm_id)];
    panels.forEach((panel) => panel.showAlarms(alarms));
}

/* ---- the file ---- */

function save() {
    const [from, to] = range;
    const rows = panels.flatMap((panel) => panel.points.map(({ time, min, max }) =>
        [utcTime(time), panel.name, panel.channel.unit ?? "", min, max, panel.stepMs / 1000]));
    const stamp = utcTime(Math.round(from / 1000) * 1000).replace(/[-:]/g, "");
    saveText(`${state.names.length === 1 ? state.names[0] : "telehaul"}_${stamp}.csv`, "text/csv;charset=utf-8",
        csvText(["time", "channel", "unit", "min", "max", "step_s"], rows.filter(([time]) => Date.parse(time) <= to)));
}

/* ---- the view ---- */

export function showCharts(query) {
    const last = recallLast();
    if (!visible && !query.has("c") && last !== null && last.includes("c=")) {
        goTo(last, { kept: true });
        query = currentRoute().query;
    }
    visible = true;
    panels.forEach((panel) => panel.retell());
    for (const button of document.querySelectorAll("#chart-presets button"))
        setText(button, t(`chart.range.${button.value}`));
    apply(stateOf(query));
}

export function hideCharts() {
    visible = false;
}

function takeRange(event) {
    event.preventDefault();
    const [from, to] = ["chart-from", "chart-to"].map((id) => new Date(byId(id).value).getTime());
    const good = Number.isFinite(from) && Number.isFinite(to) && from < to;
    byId("chart-times-wrong").hidden = good;
    if (!good)
        return;
    byId("chart-times").open = false;
    host.choose(from, to);
}

/* For <input type=datetime-local>: the viewer's zone. */
function inputTime(ms) {
    const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000);
    return local.toISOString().slice(0, 16);
}

export function beginCharts() {
    byId("chart-presets").append(...Object.keys(PRESETS).map((name) => element("button", { type: "button", value: name })));
    byId("chart-presets").addEventListener("click", ({ target }) => target.value !== undefined &&
        choose({ ...state, range: target.value, spanMs: PRESETS[target.value], from: null, to: null }));
    const acts = {
        "charts-live": host.live, "charts-csv": save,
        "charts-in": () => zoomBy(host, 1 / KEY_ZOOM), "charts-out": () => zoomBy(host, KEY_ZOOM),
        "charts-back": () => moveBy(host, -KEY_MOVE), "charts-on": () => moveBy(host, KEY_MOVE),
        "charts-table": () => {
            table = !table;
            setAttribute(byId("charts-table"), "aria-pressed", String(table));
            panels.forEach((panel) => panel.showTable(table));
        },
    };
    for (const [id, act] of Object.entries(acts))
        byId(id).addEventListener("click", act);
    byId("chart-add").addEventListener("change", ({ target }) => target.value !== "" &&
        choose({ ...state, names: [...state.names, target.value] }));
    byId("chart-times").addEventListener("toggle", () => {
        byId("chart-from").value = inputTime(range[0]);
        byId("chart-to").value = inputTime(range[1]);
    });
    byId("chart-times-form").addEventListener("submit", takeRange);
    on("values", takeValues);
    on("tick", follow);
    on("alarms", takeAlarm);
    on("channels", () => visible && (panels.forEach((panel) => panel.retell()), showPicker(), showHead()));
    on("status", () => visible && showHead());
    on("ended", () => keepPanels([]));
    new ResizeObserver(() => panels.forEach((panel) => panel.redraw())).observe(byId("chart-panels"));
    new MutationObserver(() => panels.forEach((panel) => panel.redraw()))
        .observe(document.documentElement, { attributeFilter: ["data-scheme"] });
}
