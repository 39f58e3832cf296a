// Talks to the site: JSON calls with a time-out, and the event stream. Knows nothing of the page.

const CALL_MS = 10_000;
const AGAIN_MS = 2_000; // after the stream was closed for good (not merely interrupted), as by a portal that just starts

export class CallError extends Error {
    /* status 0: the machine could not be reached */
    constructor(status, word, detail, retryAfterS = 0) {
        super(detail || word);
        Object.assign(this, { status, word, retryAfterS });
    }
}

async function readError(answer) {
    let body = {};
    try {
        body = await answer.json();
    } catch {
        // no JSON: the status says enough
    }
    return new CallError(answer.status, body.error ?? "failed", body.detail ?? answer.statusText,
        Number(answer.headers.get("Retry-After") ?? 0));
}

export async function call(method, path, body, headers = {}) {
    try {
        const answer = await fetch(path, {
            method,
            headers: body === undefined ? headers : { "Content-Type": "application/json", ...headers },
            body: body === undefined ? undefined : JSON.stringify(body),
            signal: AbortSignal.timeout(CALL_MS),
        });
        if (!answer.ok)
            throw await readError(answer);
        return await answer.json();
    } catch (error) {
        throw error instanceof CallError ? error : new CallError(0, "unreachable", error.message);
    }
}

/* get("/api/history", {channel: "a b", points: 800}); null and undefined are left out. */
export function get(path, query = {}) {
    const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined);
    return call("GET", given.length === 0 ? path : `${path}?${new URLSearchParams(given)}`);
}

/* handlers: {<event>(data), ..., broken()}; broken is called when nothing comes any more, once a try.
 * Returns a function that ends it. */
export function watch(path, { broken, ...handlers }) {
    let source = null;
    let timer = 0;
    const open = () => {
        source = new EventSource(path);
        for (const [name, handler] of Object.entries(handlers))
            source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
        source.addEventListener("error", () => {
            if (source.readyState === EventSource.CLOSED)
                timer = setTimeout(open, AGAIN_MS); // refused: the browser does not try again by itself
            broken();
        });
    };
    open();
    return () => {
        clearTimeout(timer);
        source.close();
    };
}
