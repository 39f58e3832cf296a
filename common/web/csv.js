// Comma-separated values (RFC 4180) as a file that the browser saves. Knows nothing of what is in it.

/* A text that a spreadsheet would take for a formula is marked as text. */
function cell(value) {
    let text = value === null || value === undefined ? "" : String(value);
    if (typeof value === "string" && /^[=+\-@\t\r]/.test(text))
        text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll("\"", "\"\"")}"` : text;
}

/* rows: arrays of strings, numbers and null */
export function csvText(head, rows) {
    return [head, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

export function saveText(name, type, text) {
    const address = URL.createObjectURL(new Blob([text], { type }));
    const link = document.createElement("a");
    link.href = address;
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
}
