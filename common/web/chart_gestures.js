// What a hand, a mouse or a key does on a chart, as ranges of time: drag to zoom (mouse) or to move (touch, Shift),
// two fingers to zoom, Ctrl and wheel to zoom, keys. Knows nothing of drawing.

import { element } from "./dom.js";

const CLICK_PIXELS = 6;
const KEY_MOVE = 0.25;   // of what is seen
const KEY_ZOOM = 2;
const WHEEL_ZOOM = 0.0025;

function zoomed([from, to], factor, centre) {
    return [centre - (centre - from) * factor, centre + (to - centre) * factor];
}

/* chart: {target, area, timeAt}. host: {range(): [from, to], preview(from, to), choose(from, to), point(time or null),
 * step(direction), live(), oldest()}: preview while a hand moves, choose when it has left. */
export function addGestures(chart, host) {
    const { target } = chart;
    const fingers = new Map(); // pointerId -> x within the target
    const select = element("div", { class: "chart-select", hidden: true });
    target.append(select);
    let begun = null; // {range, x, moves: true: it moves; false: it selects; spread: distance of two fingers}

    const xOf = (event) => event.clientX - target.getBoundingClientRect().left;
    const inside = (x) => Math.min(chart.area.left + chart.area.width, Math.max(chart.area.left, x));
    const timeAt = (x, [from, to]) => from + (x - chart.area.left) / chart.area.width * (to - from);
    const spread = () => Math.max(20, Math.abs([...fingers.values()][0] - [...fingers.values()][1]));
    const middle = () => ([...fingers.values()][0] + [...fingers.values()][1]) / 2;

    function begin(event) {
        const range = host.range();
        const x = [...fingers.values()][0];
        begun = fingers.size === 2 ? { range, spread: spread(), centre: timeAt(middle(), range), moved: true }
            : { range, x, moves: event.pointerType !== "mouse" || event.shiftKey, moved: false };
    }

    function current() {
        const { range, x } = begun;
        if (fingers.size === 2) {
            const factor = begun.spread / spread();
            const [from, to] = zoomed(range, factor, begun.centre);
            const shift = begun.centre - timeAt(middle(), [from, to]);
            return [from + shift, to + shift];
        }
        const now = [...fingers.values()][0];
        if (begun.moves) {
            const shift = timeAt(x, range) - timeAt(now, range);
            return [range[0] + shift, range[1] + shift];
        }
        return [timeAt(inside(Math.min(x, now)), range), timeAt(inside(Math.max(x, now)), range)];
    }

    function showSelection() {
        const [left, right] = [begun.x, [...fingers.values()][0]].map(inside).sort((a, b) => a - b);
        select.hidden = false;
        select.style.transform = `translateX(${left}px)`;
        select.style.width = `${right - left}px`;
    }

    target.addEventListener("pointerdown", (event) => {
        if (event.button !== 0 || fingers.size === 2)
            return;
        fingers.set(event.pointerId, xOf(event));
        target.setPointerCapture(event.pointerId);
        begin(event);
    });

    target.addEventListener("pointermove", (event) => {
        if (!fingers.has(event.pointerId)) {
            const x = xOf(event);
            host.point(x >= chart.area.left ? timeAt(x, host.range()) : null);
            return;
        }
        fingers.set(event.pointerId, xOf(event));
        begun.moved ||= Math.abs(xOf(event) - begun.x) > CLICK_PIXELS;
        if (!begun.moved)
            return;
        if (fingers.size === 2 || begun.moves)
            host.preview(...current());
        else
            showSelection();
    });

    function end(event) {
        if (!fingers.has(event.pointerId))
            return;
        const cancelled = event.type === "pointercancel";
        const range = begun.moved ? current() : null;
        fingers.delete(event.pointerId);
        select.hidden = true;
        if (range !== null)
            cancelled ? host.preview(...begun.range) : host.choose(...range);
        else if (!cancelled)
            host.point(timeAt(inside(xOf(event)), host.range()));
        if (fingers.size > 0)
            begin(event);
    }
    target.addEventListener("pointerup", end);
    target.addEventListener("pointercancel", end);
    target.addEventListener("pointerleave", (event) => {
        if (event.pointerType === "mouse" && !fingers.has(event.pointerId))
            host.point(null);
    });
    target.addEventListener("dblclick", (event) =>
        host.choose(...zoomed(host.range(), KEY_ZOOM, timeAt(inside(xOf(event)), host.range()))));
    target.addEventListener("wheel", (event) => {
        if (!event.ctrlKey)
            return; // the page scrolls
        event.preventDefault();
        const range = host.range();
        host.choose(...zoomed(range, Math.exp(event.deltaY * WHEEL_ZOOM), timeAt(inside(xOf(event)), range)));
    }, { passive: false });

    const keys = {
        "+": () => zoomBy(host, 1 / KEY_ZOOM), "=": () => zoomBy(host, 1 / KEY_ZOOM), "-": () => zoomBy(host, KEY_ZOOM),
        ArrowLeft: () => moveBy(host, -KEY_MOVE), ArrowRight: () => moveBy(host, KEY_MOVE),
        "Shift+ArrowLeft": () => host.step(-1), "Shift+ArrowRight": () => host.step(1),
        Home: host.oldest, End: host.live, Escape: () => host.point(null),
    };
    target.addEventListener("keydown", (event) => {
        const name = `${event.shiftKey && event.key.startsWith("Arrow") ? "Shift+" : ""}${event.key}`;
        if (event.ctrlKey || event.altKey || event.metaKey || !Object.hasOwn(keys, name))
            return;
        event.preventDefault();
        keys[name]();
    });
}

/* Around the middle. */
export function zoomBy(host, factor) {
    const [from, to] = host.range();
    host.choose(...zoomed([from, to], factor, (from + to) / 2));
}

/* part: of what is seen; below 0: back. */
export function moveBy(host, part) {
    const [from, to] = host.range();
    host.choose(from + (to - from) * part, to + (to - from) * part);
}
