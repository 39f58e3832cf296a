// How long the PIN stays locked, counted down.

/* "4:59" */
function minutes(seconds) {
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
}

/* each(left): every second, "4:59"; null when it is over. Returns what stops it. */
export function countDown(seconds, each) {
    const end = Date.now() + seconds * 1000;
    let timer = 0;
    const tick = () => {
        const left = Math.ceil((end - Date.now()) / 1000);
        if (left <= 0)
            clearInterval(timer);
        each(left > 0 ? minutes(left) : null);
    };
    timer = setInterval(tick, 1000);
    tick();
    return () => clearInterval(timer);
}
