// A table that becomes cards on a narrow screen: each cell repeats its column's name there.

import { element } from "./dom.js";

/* columns: [{title, cell(row): text or element, number: true?, name: for styles?}]; rowAttributes(row): of its <tr>. */
export function makeTable({ caption, columns, rows, rowAttributes = () => ({}) }) {
    const head = element("tr", {}, ...columns.map(({ title, number }) =>
        element("th", { scope: "col", class: number ? "number" : null }, title)));
    const body = rows.map((row) => element("tr", rowAttributes(row), ...columns.map(({ title, cell, number, name }) =>
        element("td", { class: number ? "number" : null, "data-title": title, "data-column": name }, cell(row)))));
    return element("table", { class: "table" },
        caption ? element("caption", { class: "hidden-text" }, caption) : null,
        element("thead", {}, head), element("tbody", {}, ...body));
}
