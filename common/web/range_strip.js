// The whole time that is kept, in one strip: a silhouette, marks of alarms, and the part that is seen as a window to
// move or to widen at its ends. For the hand alone: keys and buttons do the same on the charts.

import { dayText, localTime } from "./format.js";
import { element, setText } from "./dom.js";

const GRIP_PIXELS = 16; // at a window's end: it moves that end
const WINDOW_MIN_PIXELS = 4;
const LINE_PIXELS = 1.5;
const DAYS_MS = 4 * 86_400_000; // longer: days alone say enough

function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

export class RangeStrip {
    #whole = [0, 1];
    #seen = [0, 1];
    #points = [];
    #stepMs = 0;
    #marks = [];
    #grip = null; // {part: "from" | "to" | "all", time, seen}

    /* host: {preview(from, to), choose(from, to)} */
    constructor(target, host) {
        this.host = host;
        this.canvas = element("canvas", {});
        this.ends = element("div", { class: "strip-ends small muted number" }, element("span"), element("span"));
        target.replaceChildren(this.canvas, this.ends);
        this.canvas.addEventListener("pointerdown", (event) => this.#down(event));
        this.canvas.addEventListener("pointermove", (event) => this.#move(event));
        this.canvas.addEventListener("pointerup", (event) => this.#up(event));
        this.canvas.addEventListener("pointercancel", () => { this.#grip = null; });
    }

    /* whole, seen: [from, to]. points: [{time, min, max}] over the whole, each of stepMs. marks: [{from, to, level}]. */
    show({ whole = this.#whole, seen = this.#seen, points = this.#points, stepMs = this.#stepMs, marks = this.#marks }) {
        this.#whole = [Math.min(whole[0], seen[0]), Math.max(whole[1], seen[1])];
        this.#seen = seen;
        this.#points = points;
        this.#stepMs = stepMs;
        this.#marks = marks;
        this.redraw();
    }

    get width() {
        return this.canvas.clientWidth;
    }

    #xOf(time) {
        const [from, to] = this.#whole;
        return (time - from) / Math.max(1, to - from) * this.width;
    }

    #timeOf(x) {
        const [from, to] = this.#whole;
        return from + x / Math.max(1, this.width) * (to - from);
    }

    #down(event) {
        const x = event.offsetX;
        const [left, right] = this.#seen.map((time) => this.#xOf(time));
        const ends = [["from", Math.abs(x - left)], ["to", Math.abs(x - right)]].sort((a, b) => a[1] - b[1]);
        let seen = this.#seen;
        let part = ends[0][1] <= GRIP_PIXELS && right - left > 2 * GRIP_PIXELS ? ends[0][0] : "all";
        if (part === "all" && (x < left - GRIP_PIXELS || x > right + GRIP_PIXELS)) {
            const half = (seen[1] - seen[0]) / 2; // beside the window: it comes here
            seen = [this.#timeOf(x) - half, this.#timeOf(x) + half];
            this.host.preview(...seen);
        }
        this.canvas.setPointerCapture(event.pointerId);
        this.#grip = { part, time: this.#timeOf(x), seen };
    }

    #taken(event) {
        const { part, time, seen: [from, to] } = this.#grip;
        const shift = this.#timeOf(event.offsetX) - time;
        const least = this.#timeOf(WINDOW_MIN_PIXELS) - this.#timeOf(0);
        if (part === "from")
            return [Math.min(from + shift, to - least), to];
        if (part === "to")
            return [from, Math.max(to + shift, from + least)];
        return [from + shift, to + shift];
    }

    #move(event) {
        const [left, right] = this.#seen.map((time) => this.#xOf(time));
        const near = Math.min(Math.abs(event.offsetX - left), Math.abs(event.offsetX - right)) <= GRIP_PIXELS;
        this.canvas.style.cursor = near && right - left > 2 * GRIP_PIXELS ? "ew-resize" : "grab";
        if (this.#grip !== null)
            this.host.preview(...this.#taken(event));
    }

    #up(event) {
        if (this.#grip === null)
            return;
        const seen = this.#taken(event);
        this.#grip = null;
        this.host.choose(...seen);
    }

    #drawSilhouette(pen, height) {
        const all = this.#points.reduce(({ min, max }, point) =>
            ({ min: Math.min(min, point.min), max: Math.max(max, point.max) }), { min: Infinity, max: -Infinity });
        const span = all.max - all.min || 1;
        const yOf = (value) => height - 4 - (value - all.min) / span * (height - 12);
        pen.fillStyle = colour("fill");
        const wide = Math.max(LINE_PIXELS, this.#xOf(this.#whole[0] + this.#stepMs));
        for (const { time, min, max } of this.#points)
            pen.fillRect(this.#xOf(time), yOf(max), wide, Math.max(LINE_PIXELS, yOf(min) - yOf(max)));
    }

    #drawWindow(pen, height) {
        const [left, right] = this.#seen.map((time) => this.#xOf(time));
        const width = Math.max(WINDOW_MIN_PIXELS, right - left);
        pen.fillStyle = colour("strip-shade");
        pen.fillRect(0, 0, left, height);
        pen.fillRect(left + width, 0, this.width - left - width, height);
        pen.strokeStyle = colour("accent");
        pen.lineWidth = 2;
        pen.strokeRect(left + 1, 1, Math.max(2, width - 2), height - 2);
        if (width > 2 * GRIP_PIXELS) {
            pen.fillStyle = colour("accent");
            for (const x of [left + 1, left + width - 1])
                pen.fillRect(x - 2, height / 2 - 8, 4, 16);
        }
    }

    redraw() {
        const { width } = this;
        const height = this.canvas.clientHeight;
        if (width === 0)
            return;
        const scale = window.devicePixelRatio || 1;
        this.canvas.width = width * scale;
        this.canvas.height = height * scale;
        const pen = this.canvas.getContext("2d");
        pen.scale(scale, scale);
        this.#drawSilhouette(pen, height);
        for (const { from, to, level } of this.#marks) {
            pen.fillStyle = colour(level);
            pen.fillRect(this.#xOf(from), 0, Math.max(2, this.#xOf(to) - this.#xOf(from)), 4);
        }
        this.#drawWindow(pen, height);
        const [from, to] = this.#whole;
        const text = to - from > DAYS_MS ? dayText : localTime;
        [from, to].forEach((time, i) => setText(this.ends.children[i], text(time)));
    }
}
