// One channel's chart: its points from GET /api/history, its alarms, its readout, and every state it can be in.

import { Chart, loadCharts } from "./common/chart.js";
import { addGestures } from "./common/chart_gestures.js";
import { get } from "./common/client.js";
import { element, setAttribute, setText } from "./common/dom.js";
import { clockTime, exactTime, localTime, timeRange } from "./common/format.js";
import { extent, gathered, Series } from "./common/series.js";
import { makeTable } from "./common/table.js";
import { t } from "./common/texts.js";
import { alarmSays, colourOf, endOf, lasted, limitOf, severityMark } from "./alarm_words.js";
import { labelOf, spanText, unitOf, valueText } from "./channels.js";
import { channelNamed, failed, machineNow, sampleIntervalMs } from "./machine.js";

const POINTS_MIN = 100;
const POINTS_MAX = 4000;
const WIDER = 1.25;
const MARGIN = 0.5;       // of the range is asked for on either side, so that moving shows something at once
const TABLE_ROWS = 60;
const ALARMS_LISTED = 3;
const DAY_MS = 86_400_000;

export class ChartPanel {
    #series = null;
    #chart = null;
    #asked = 0;
    #asking = false;
    #askedWidth = 0; // pixels that the points were asked for
    #range = [0, 1];
    #alarms = [];
    #table = false;
    #failure = null; // {text, again}

    /* host: what addGestures wants, and close(name) */
    constructor(name, host) {
        this.name = name;
        this.host = host;
        this.readout = element("p", { class: "chart-readout number" });
        this.plot = element("div", { class: "chart-plot", tabindex: 0, role: "group" });
        this.note = element("p", { class: "chart-note" });
        this.again = element("button", { type: "button" });
        this.over = element("div", { class: "chart-over", hidden: true }, this.note, this.again);
        this.tableBox = element("div", { class: "chart-table", tabindex: 0, role: "region", hidden: true });
        this.alarmList = element("ul", { class: "chart-alarms small" });
        this.heading = element("h2");
        this.technical = element("span", { class: "chart-name small muted" });
        this.close = element("button", { type: "button", class: "quiet square" }, element("span", { "aria-hidden": "true" }, "×"));
        this.element = element("section", { class: "chart panel", "data-channel": name, "data-loading": true },
            element("div", { class: "chart-head" }, element("div", { class: "chart-title" }, this.heading, this.technical),
                this.readout, this.close),
            element("div", { class: "chart-body" }, this.plot, this.over), this.tableBox, this.alarmList);
        this.close.addEventListener("click", () => host.close(name));
        this.again.addEventListener("click", () => this.load());
        this.retell();
    }

    get channel() {
        return channelNamed(this.name) ?? { name: this.name, unit: "", phys_min: null, phys_max: null };
    }

    /* Texts in the language of now. */
    retell() {
        const label = labelOf(this.name);
        setText(this.heading, label);
        setText(this.technical, [this.name === label ? "" : this.name, unitOf(this.channel)].filter(Boolean).join(", "));
        setText(this.again, t("chart.again"));
        setAttribute(this.close, "aria-label", t("chart.close", { name: label }));
        setAttribute(this.close, "title", t("chart.close", { name: label }));
        setAttribute(this.plot, "aria-roledescription", t("chart.role"));
        this.#chart?.redraw();
        this.#draw();
    }

    /* ---- points ---- */

    async #library() {
        await loadCharts();
        if (this.#chart === null && this.element.isConnected) {
            this.#chart = new Chart(this.plot, () => this.channel.unit);
            addGestures(this.#chart, this.host);
            this.#draw();
        }
    }

    /* Asks for the range that is shown; of several questions the last one counts, and one is under way at a time. */
    async load() {
        const question = ++this.#asked;
        if (this.#asking || !this.element.isConnected)
            return;
        this.#asking = true;
        setAttribute(this.element, "data-loading", true);
        try {
            await this.#library();
            const history = await this.#ask();
            this.#series = new Series(history, sampleIntervalMs());
            this.#failure = null;
        } catch (error) {
            this.#fail(error);
        }
        this.#asking = false;
        if (question !== this.#asked) {
            this.load();
            return;
        }
        setAttribute(this.element, "data-loading", false);
        this.#draw();
    }

    #ask() {
        const [from, to] = this.#range;
        const margin = (to - from) * MARGIN;
        const pixels = Math.round(this.#chart?.area.width ?? this.plot.clientWidth);
        this.#askedWidth = pixels;
        return get("/api/history", {
            channel: this.name,
            from: new Date(from - margin).toISOString(),
            to: new Date(Math.min(to + margin, Math.max(machineNow(), to) + 1000)).toISOString(),
            points: Math.min(POINTS_MAX, Math.max(POINTS_MIN, pixels * (1 + 2 * MARGIN))),
        });
    }

    #fail(error) {
        if (error.status === 401)
            failed(error);
        const words = { unknown_channel: "chart.unknown", no_store: "chart.no_store", unreachable: "chart.offline" };
        this.#failure = Object.hasOwn(words, error.word ?? "") ? { text: t(words[error.word]), again: error.status === 0 }
            : { text: t("chart.failed", { detail: error.message }), again: true };
    }

    /* values of a `reading` event. Returns whether something new is there. */
    append(value) {
        if (this.#series === null || !this.#series.append(value.timeMs, value.value))
            return false;
        const [from, to] = this.#range;
        this.#series.cut(from - (to - from));
        return true;
    }

    /* ---- what is drawn ---- */

    showRange(from, to) {
        this.#range = [from, to];
        this.#draw();
    }

    showAlarms(alarms) {
        this.#alarms = alarms.filter(({ channel }) => channel === this.name);
        this.#draw();
    }

    showTable(shown) {
        this.#table = shown;
        this.#draw();
    }

    /* Changes of the scheme and of the size: much wider, and more points are worth asking for. */
    redraw() {
        this.#chart?.redraw();
        if (this.#series !== null && (this.#chart?.area.width ?? 0) > this.#askedWidth * WIDER)
            this.load();
    }

    #draw() {
        const [from, to] = this.#range;
        const now = machineNow();
        this.#chart?.show({
            rows: this.#series?.rows ?? [], from, to,
            bands: this.#alarms.map((alarm) =>
                ({ from: Date.parse(alarm.raised_at), to: endOf(alarm, now), level: colourOf(alarm) })),
            limits: [...new Set(this.#seenAlarms().map(limitOf))].filter((limit) => limit !== null)
                .map((limit) => ({ value: limit, text: t("chart.limit", { value: valueText(this.channel, limit) }) })),
        });
        this.#showOver();
        this.#describe();
        this.#showAlarmList();
        this.#showTable();
    }

    get points() {
        return this.#series?.between(...this.#range) ?? [];
    }

    get stepMs() {
        return this.#series?.stepMs ?? 0;
    }

    #showOver() {
        const empty = this.#series !== null && this.points.length === 0;
        const loading = this.element.hasAttribute("data-loading");
        this.over.hidden = this.#failure === null && !(empty && !loading);
        setText(this.note, this.#failure?.text ?? t("chart.nothing"));
        this.again.hidden = this.#failure === null || !this.#failure.again;
    }

    /* The same in words: the least and the greatest, and how many alarms. */
    #describe() {
        const all = extent(this.points);
        const said = all === null ? t("chart.nothing") : t("chart.extent", { values: spanText(this.channel, all.min, all.max) });
        setText(this.readout, this.#series === null ? "\u00a0" : said);
        setAttribute(this.plot, "aria-label", [labelOf(this.name), timeRange(...this.#range), said,
            this.#seenAlarms().length > 0 ? t("chart.alarms", { n: this.#seenAlarms().length }) : ""].filter(Boolean).join(". "));
    }

    #seenAlarms() {
        const [from, to] = this.#range;
        return this.#alarms.filter((alarm) => Date.parse(alarm.raised_at) <= to && endOf(alarm, machineNow()) >= from);
    }

    #showAlarmList() {
        const now = machineNow();
        const seen = this.#seenAlarms();
        const rows = seen.slice(0, ALARMS_LISTED).map((alarm) => element("li", {}, severityMark(alarm),
            element("span", {}, alarmSays(alarm)),
            element("span", { class: "muted number" }, `${localTime(Date.parse(alarm.raised_at))}, ${lasted(alarm, now)}`)));
        const rest = seen.length - rows.length;
        this.alarmList.replaceChildren(...rows,
            ...(rest > 0 ? [element("li", { class: "muted" }, t("chart.alarms.more", { n: rest }))] : []));
    }

    #showTable() {
        this.tableBox.hidden = !this.#table;
        if (!this.#table) {
            this.tableBox.replaceChildren();
            return;
        }
        const [from, to] = this.#range;
        const time = (ms) => (to - from > DAY_MS ? localTime(ms) : clockTime(ms, true));
        setAttribute(this.tableBox, "aria-label", t("chart.table.label", { name: labelOf(this.name) }));
        this.tableBox.replaceChildren(makeTable({
            caption: labelOf(this.name),
            columns: [{ title: t("chart.time"), cell: (row) => time(row.time) },
                { title: t("chart.min"), number: true, cell: (row) => valueText(this.channel, row.min) },
                { title: t("chart.max"), number: true, cell: (row) => valueText(this.channel, row.max) }],
            rows: gathered(this.points, from, to, TABLE_ROWS).reverse(),
        }));
    }

    /* ---- one time ---- */

    markTime(time) {
        this.#chart?.markTime(time);
        const point = time === null || this.#series === null ? null : this.#series.at(time);
        if (time === null)
            this.#describe();
        else
            setText(this.readout, point === null ? `${exactTime(time)}: ${t("chart.gap")}`
                : `${exactTime(point.time)}: ${spanText(this.channel, point.min, point.max)}`);
    }

    /* The time of the next point in this direction from `time`. */
    stepFrom(time, direction) {
        const { points } = this;
        const later = direction > 0 ? points.find((point) => point.time > time) : points.findLast((point) => point.time < time);
        return later?.time ?? time;
    }

    destroy() {
        this.#asked++;
        this.#chart?.destroy();
        this.element.remove();
    }
}
