// Which view the address names, in its part behind '#': "#/chart?c=engine_rpm&range=1h". So every view can be kept as
// a bookmark, survives logging in, and the browser's way back works.

/* -> {view: "chart", query: URLSearchParams}; view "" is the site's first. */
export function currentRoute() {
    const [, view = "", query = ""] = /^#\/([a-z]*)(?:\?(.*))?$/.exec(window.location.hash) ?? [];
    return { view, query: new URLSearchParams(query) };
}

/* pairs: [["c", "engine_rpm"], ...] */
export function addressOf(view, pairs = []) {
    const query = new URLSearchParams(pairs).toString();
    return `#/${view}${query === "" ? "" : `?${query}`}`;
}

/* A step that the way back undoes; kept: the address follows what is shown, without a step of its own. */
export function goTo(address, { kept = false } = {}) {
    if (address === window.location.hash)
        return;
    if (kept)
        window.history.replaceState(null, "", address);
    else
        window.location.hash = address;
}

export function onRoute(done) {
    window.addEventListener("hashchange", () => done(currentRoute()));
}
