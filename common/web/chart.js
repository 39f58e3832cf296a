// One chart on dygraphs (Debian's libjs-dygraphs, loaded when the first chart is drawn): the band from min to max of
// each point, gaps as gaps, alarms as bands behind it. Knows nothing of where points come from or what a hand does.

import { timeTicks, valueTicks } from "./chart_axis.js";
import { element } from "./dom.js";

const LIBRARY = "/dygraphs/dygraph.min";
const VALUE_AXIS_PIXELS = 56;
const HEADROOM_PIXELS = 10;
const DOT_PIXELS = 2;
const LIMIT_TEXT_PIXELS = 6; // beside the line
const NOTHING = [null, null, null];
let library = null;

function loadScript(address) {
    return new Promise((done, failed) => {
        const script = element("script", { src: address });
        script.addEventListener("load", () => done());
        script.addEventListener("error", () => {
            script.remove();
            failed(new Error(address));
        });
        document.head.append(script);
    });
}

/* Once; after a failure the next call tries again. */
export function loadCharts() {
    library ??= loadScript(`${LIBRARY}.js`).then(() => {
        const { Axes, Grid } = window.Dygraph.Plugins;
        window.Dygraph.PLUGINS = [Axes, Grid]; // the legend writes style attributes, which the site's policy forbids
        document.head.append(element("link", { rel: "stylesheet", href: `${LIBRARY}.css` }));
    }).catch((error) => {
        library = null;
        throw error;
    });
    return library;
}

function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/* Runs of points that have a value: what is between them is a gap. */
function runsOf(points) {
    const runs = [];
    let run = null;
    for (const point of points) {
        if (Number.isNaN(point.y_top) || point.yval === null || Number.isNaN(point.yval))
            run = null;
        else if (run === null)
            runs.push(run = [point]);
        else
            run.push(point);
    }
    return runs;
}

function traceEdge(canvas, run, yOf) {
    canvas.beginPath();
    run.forEach((point, i) => (i === 0 ? canvas.moveTo(point.canvasx, yOf(point)) : canvas.lineTo(point.canvasx, yOf(point))));
}

function drawRun(canvas, area, run) {
    const top = (point) => area.y + area.h * Math.min(point.y_top, point.y_bottom);
    const bottom = (point) => area.y + area.h * Math.max(point.y_top, point.y_bottom);
    if (run.length === 1) {
        canvas.fillRect(run[0].canvasx - DOT_PIXELS / 2, top(run[0]) - DOT_PIXELS / 2, DOT_PIXELS,
            bottom(run[0]) - top(run[0]) + DOT_PIXELS);
        return;
    }
    const flat = run.every((point) => point.y_top === point.y_bottom);
    if (!flat) {
        traceEdge(canvas, run, top);
        for (const point of [...run].reverse())
            canvas.lineTo(point.canvasx, bottom(point));
        canvas.globalAlpha = 0.35;
        canvas.fill();
        canvas.globalAlpha = 1;
        traceEdge(canvas, run, bottom);
        canvas.stroke();
    }
    traceEdge(canvas, run, top);
    canvas.stroke();
}

function drawBand({ drawingContext: canvas, points, plotArea: area }) {
    canvas.save();
    canvas.strokeStyle = canvas.fillStyle = colour("chart");
    canvas.lineWidth = 1.5;
    canvas.lineJoin = "round";
    for (const run of runsOf(points))
        drawRun(canvas, area, run);
    canvas.restore();
}

export class Chart {
    #graph = null;
    #bands = [];
    #limits = [];
    #rows = [];
    #window = [0, 1];

    /* target: an empty element of a fixed height. unitOf(): as the machine names it. After loadCharts. */
    constructor(target, unitOf) {
        this.target = target;
        this.line = element("div", { class: "chart-cursor", hidden: true });
        this.#graph = new window.Dygraph(target, this.#filled(), {
            labels: ["time", "value"],
            customBars: true,
            plotter: drawBand,
            legend: "never",
            interactionModel: {},
            highlightCircleSize: 0,
            yRangePad: HEADROOM_PIXELS,
            rightGap: 8,
            dateWindow: this.#window,
            underlayCallback: (canvas, area, graph) => this.#drawUnderlay(canvas, area, graph),
            axes: {
                x: { ticker: (a, b, pixels) => timeTicks(a, b, pixels), axisLabelWidth: 72, drawGrid: false },
                y: { ticker: (a, b, pixels) => (this.#rows.length === 0 ? [] : valueTicks(a, b, pixels, unitOf())),
                     axisLabelWidth: VALUE_AXIS_PIXELS },
            },
            ...this.#colours(),
        });
        target.append(this.line);
    }

    #colours() {
        return { gridLineColor: colour("line"), axisLineColor: colour("line"), gridLineWidth: 1 };
    }

    /* dygraphs wants a row, and the window's ends. */
    #filled() {
        const [from, to] = this.#window;
        const rows = this.#rows;
        return [...(rows.length > 0 && rows[0][0] <= from ? [] : [[from, NOTHING]]), ...rows,
            ...(rows.length > 0 && rows.at(-1)[0] >= to ? [] : [[Math.max(to, rows.at(-1)?.[0] ?? 0), NOTHING]])];
    }

    #drawUnderlay(canvas, area, graph) {
        const [low, high] = graph.xAxisRange();
        for (const { from, to, level } of this.#bands) {
            if (to < low || from > high)
                continue;
            const left = Math.max(area.x, graph.toDomXCoord(from));
            const right = Math.min(area.x + area.w, graph.toDomXCoord(to));
            canvas.fillStyle = colour(`${level}-band`);
            canvas.fillRect(left, area.y, Math.max(2, right - left), area.h);
            canvas.fillStyle = colour(level);
            canvas.fillRect(left, area.y, Math.max(2, right - left), 3);
        }
        this.#limits.forEach((limit) => this.#drawLimit(canvas, area, graph, limit));
    }

    #drawLimit(canvas, area, graph, { value, text }) {
        const y = Math.round(graph.toDomYCoord(value)) + 0.5;
        canvas.save();
        canvas.strokeStyle = canvas.fillStyle = colour("amber");
        canvas.setLineDash([6, 4]);
        canvas.beginPath();
        canvas.moveTo(area.x, y);
        canvas.lineTo(area.x + area.w, y);
        canvas.stroke();
        canvas.font = `13px ${getComputedStyle(this.target).fontFamily}`;
        canvas.fillText(text, area.x + LIMIT_TEXT_PIXELS, y - LIMIT_TEXT_PIXELS + 1);
        canvas.restore();
    }

    /* rows: of a Series. bands: [{from, to, level: "amber", "red" or "accent"}]. limits: [{value, text}]. Any may be
     * left out. */
    show({ rows = this.#rows, from = this.#window[0], to = this.#window[1], bands = this.#bands, limits = this.#limits }) {
        this.#rows = rows;
        this.#window = [from, to];
        this.#bands = bands;
        this.#limits = limits;
        this.#graph.updateOptions({ file: this.#filled(), dateWindow: this.#window });
    }

    /* Another scheme, language or size. */
    redraw() {
        this.#graph.updateOptions(this.#colours());
        this.#graph.resize();
    }

    /* Where values are drawn: {left, width} in pixels within the target. */
    get area() {
        const { x: left, w: width } = this.#graph.getArea();
        return { left, width };
    }

    timeAt(pixel) {
        return this.#graph.toDataXCoord(pixel);
    }

    /* A line at one time; null: none. */
    markTime(time) {
        const [from, to] = this.#window;
        this.line.hidden = time === null || time < from || time > to;
        if (!this.line.hidden)
            this.line.style.transform = `translateX(${Math.round(this.#graph.toDomXCoord(time))}px)`;
    }

    destroy() {
        this.#graph.destroy();
    }
}
