// The points of one channel as a chart draws them: [ms, [min, middle, max]], in order of time, with a row of nulls
// where nothing was measured. Pure: no page, no calls.

const GAP_STEPS = 1.5;     // further apart than that many steps: nothing was measured between
const GAP_DISTANCES = 3;   // the same for single readings: of the median distance or of the sample interval
const NOTHING = [null, null, null];

function medianDistance(times) {
    const distances = times.slice(1).map((time, i) => time - times[i]).sort((a, b) => a - b);
    return distances[distances.length >> 1] ?? 0;
}

function rowOf(time, min, max) {
    return [time, min === null ? NOTHING : [min, (min + max) / 2, max]];
}

export class Series {
    /* history: {t, min, max, step_ms} of GET /api/history. sampleMs: how often the channel is measured. */
    constructor({ t, min, max, step_ms: stepMs }, sampleMs) {
        this.stepMs = stepMs;
        this.gapMs = stepMs > 0 ? stepMs * GAP_STEPS : GAP_DISTANCES * Math.max(sampleMs, medianDistance(t));
        this.rows = [];
        t.forEach((time, i) => this.#push(rowOf(time, min[i], max[i])));
    }

    #push(row) {
        const last = this.rows.at(-1)?.[0];
        if (last !== undefined && row[0] - last > this.gapMs)
            this.rows.push([last + 1, NOTHING]);
        this.rows.push(row);
    }

    /* A reading that has just come: in the last point while it belongs there. Returns whether it was new. */
    append(time, value) {
        const last = this.rows.at(-1);
        if (last !== undefined && time <= last[0])
            return false;
        if (last === undefined || time - last[0] >= this.stepMs)
            this.#push(rowOf(time, value, value));
        else if (value !== null)
            last[1] = last[1] === NOTHING ? rowOf(time, value, value)[1] : this.#wider(last[1], value);
        return true;
    }

    #wider([min, , max], value) {
        const [low, high] = [Math.min(min, value), Math.max(max, value)];
        return [low, (low + high) / 2, high];
    }

    /* Forgets what is older. */
    cut(before) {
        let first = 0;
        while (first < this.rows.length && this.rows[first][0] < before)
            first++;
        if (first > 0)
            this.rows.splice(0, first);
    }

    /* The points with a value from `from` up to `to`: [{time, min, max}] */
    between(from, to) {
        return this.rows.filter(([time, [min]]) => time >= from - this.stepMs && time <= to && min !== null)
            .map(([time, [min, , max]]) => ({ time, min, max }));
    }

    /* {time, min, max} of the point at this time, null in a gap. */
    at(time) {
        let low = 0;
        let high = this.rows.length;
        while (low < high) { // the first row after `time`
            const middle = (low + high) >> 1;
            if (this.rows[middle][0] <= time)
                low = middle + 1;
            else
                high = middle;
        }
        const near = [this.rows[low - 1], this.stepMs > 0 ? undefined : this.rows[low]]
            .filter((row) => row !== undefined && row[1][0] !== null && Math.abs(row[0] - time) <= this.gapMs)
            .sort((a, b) => Math.abs(a[0] - time) - Math.abs(b[0] - time));
        return near.length === 0 ? null : { time: near[0][0], min: near[0][1][0], max: near[0][1][2] };
    }
}

/* {min, max} of points, null without any. */
export function extent(points) {
    if (points.length === 0)
        return null;
    return points.reduce((all, { min, max }) => ({ min: Math.min(all.min, min), max: Math.max(all.max, max) }),
        { min: Infinity, max: -Infinity });
}

/* At most so many rows over the range, each the least and the greatest of its share: for a table to read. */
export function gathered(points, from, to, count) {
    const share = Math.max((to - from) / count, 1);
    const found = new Map();
    for (const point of points) {
        const start = from + Math.max(0, Math.floor((point.time - from) / share)) * share;
        const all = extent([point, ...(found.has(start) ? [found.get(start)] : [])]);
        found.set(start, { time: points.length <= count ? point.time : start, ...all });
    }
    return [...found.values()];
}
