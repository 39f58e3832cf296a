// Building elements without markup in strings: every text from outside stays text.

/* element("td", {class: "number", title: "..."}, child, "text", ...) */
export function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes))
        setAttribute(made, key, value);
    made.append(...children.filter((child) => child !== null && child !== undefined));
    return made;
}

/* null and false take it away. */
export function setAttribute(target, name, value) {
    if (value === null || value === undefined || value === false)
        target.removeAttribute(name);
    else if (target.getAttribute(name) !== String(value))
        target.setAttribute(name, value === true ? "" : value);
}

/* Writes only what differs, so that a selection and a screen reader are left in peace. */
export function setText(target, text) {
    if (target.textContent !== text)
        target.textContent = text;
}

/* A state is never colour alone: each has a shape of its own, on a field of 16 by 16. */
const SHAPES = {
    ok: "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13z M4.6 8.2l2.4 2.4 4.5-4.8",
    wait: "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13z M8 4.5v3.7l2.4 1.6",
    attention: "M8 1.8l6.8 12.2H1.2z M8 6.2v3.6 M8 11.7v.3",
    problem: "M5.2 1.5h5.6l3.7 3.7v5.6l-3.7 3.7H5.2l-3.7-3.7V5.2z M8 4.6v4 M8 11v.3",
    info: "M2.5 2.5h11v11h-11z M8 7.2v4 M8 4.8v.3",
    stopped: "M2.2 2.2h11.6v11.6H2.2z M5.4 5.4l5.2 5.2 M10.6 5.4l-5.2 5.2",
    offline: "M1.5 6.2a9.6 9.6 0 0 1 13 0 M4 9a6 6 0 0 1 8 0 M8 12.2v.3 M2.5 14.5l11-13",
    unknown: "M8 1.5a6.5 6.5 0 1 1 0 13a6.5 6.5 0 0 1 0-13z M5 8h6",
};
const SVG = "http://www.w3.org/2000/svg";

/* Decoration: the word beside it says the same. */
export function shape(name) {
    const svg = document.createElementNS(SVG, "svg");
    svg.setAttribute("viewBox", "0 0 16 16");
    svg.setAttribute("class", `shape shape-${name}`);
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS(SVG, "path");
    path.setAttribute("d", SHAPES[name]);
    svg.append(path);
    return svg;
}
